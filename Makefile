# Plume. On a fresh Debian 12, as root: `make demo` or `make test`; both install what they need.
#   make          everything into build/bin: plume, plume-server (Linux); plume*.exe, plume-vl*.dll
#   make demo     a real application captured, published, streamed and run on a client that never installed it
#   make test     every gate and test; ends with "N passed, N failed"
#   make unit     the native unit tests alone (seconds)
#   make conformance   what a VM keeps apart: every check bare, in a VM, between VMs, between a VM and the machine
#   make windows-server   plume-server.exe, into build/bin
#   make bench    benchmarks against baselines measured in the same run
#   make fuzz     every fuzzer for FUZZ_SECONDS (60) each
#   make format | lint | clean
SHELL := /bin/bash
.DEFAULT_GOAL := all
.PHONY: all setup native mingw64 mingw32 windows-server demo test unit conformance bench fuzz format lint clean

LAUNCHER := $(if $(shell command -v ccache),-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
JOBS ?= $(shell nproc)
FUZZ_SECONDS ?= 60
SOURCES = git ls-files 'src/*.cc' 'src/*.h' 'tests/*.cc' 'tests/*.h'

all: native mingw64 mingw32
	@mkdir -p build/bin
	@for f in native/bin/plume native/bin/plume-server mingw64/bin/plume.exe mingw64/bin/plumew.exe \
	  mingw64/bin/plume-command.exe mingw64/bin/plume-agent.exe \
	  mingw64/bin/plume-vl64.dll mingw32/bin/plume-vl32.dll; do \
	  [ -f build/$$f ] || { echo "make: build/$$f was not built" >&2; exit 1; }; \
	  cmp -s build/$$f build/bin/$${f##*/} || cp build/$$f build/bin/$${f##*/}.new && \
	  { [ ! -f build/bin/$${f##*/}.new ] || mv build/bin/$${f##*/}.new build/bin/$${f##*/}; }; done

# Installs packages and builds dependencies only when something is missing.
setup:
	@tools/setup.sh

build/%/build.ninja: CMakePresets.json | build/log
	@cmake --preset $* $(LAUNCHER) >build/$*.configure.log 2>&1 || { cat build/$*.configure.log; exit 1; }

native: setup | build/log
	@$(MAKE) --no-print-directory build/native/build.ninja
	cmake --build build/native -j$(JOBS) --target plume plume-server

# The programs that only tests need are built by tools/run_tests.py.
mingw64: setup | build/log
	@$(MAKE) --no-print-directory build/$@/build.ninja
	cmake --build build/$@ -j$(JOBS) --target plume plumew plume-command plume-agent plume-vl64

# Of the 32-bit world only the layer inside 32-bit guests is a product.
mingw32: setup | build/log
	@$(MAKE) --no-print-directory build/$@/build.ninja
	cmake --build build/$@ -j$(JOBS) --target plume-vl32

windows-server: setup | build/log
	@$(MAKE) --no-print-directory build/mingw64/build.ninja
	cmake --build build/mingw64 -j$(JOBS) --target plume-server
	@mkdir -p build/bin && cp build/mingw64/bin/plume-server.exe build/bin/

build/log:
	@mkdir -p $@

demo: all
	@tests/apps/demo.sh

test: all
	@tools/run_tests.py

unit: setup | build/log
	@tools/run_tests.py --only unit

conformance: all
	cmake --build build/mingw64 --target conformance
	@tests/conformance/test_isolation.sh $(ARGS)

bench: all
	cmake --build build/mingw64 --target bench_calls bench_macro many_vms idle
	@tests/bench/run.sh $(ARGS)
	@tests/bench/many.sh $(filter --quick,$(ARGS))

fuzz: setup | build/log
	@tools/run_tests.py --only fuzz --fuzz-seconds $(FUZZ_SECONDS)

format:
	@$(SOURCES) | xargs clang-format -i

lint: setup | build/log
	@tools/check_format.py
	@$(MAKE) --no-print-directory build/native/build.ninja
	@$(SOURCES) | grep '\.cc$$' | grep -v -e win32 -e '^src/vl/' -e '^tests/' | xargs clang-tidy -p build/native --quiet

clean:
	rm -rf build
