#!/bin/bash
# Runs every fuzzer for SECONDS (default 60), one after the other; fails on a crash, a hang or a leak.
#   tools/run_fuzzers.sh [SECONDS [BUILD_FOLDER]]        BUILD_FOLDER: of the clang-fuzz preset
set -u
root=$(cd "$(dirname "$0")/.." && pwd)
seconds=${1:-60}
build=${2:-$root/build/clang-fuzz}
if [ ! -f "$build/build.ninja" ]; then
  cmake -S "$root" --preset clang-fuzz -B "$build" >/dev/null || exit 1
fi
cmake --build "$build" --target fuzzers >"$build/build.log" 2>&1 || { tail -20 "$build/build.log"; exit 1; }
passed=0
failed=0
for program in "$build"/fuzz/*; do
  [ -f "$program" ] && [ -x "$program" ] || continue
  name=$(basename "$program")
  corpus=$build/corpus/$name
  mkdir -p "$corpus"
  seeds=$root/tests/fuzz/corpus/$name
  [ -d "$seeds" ] || seeds=
  if "$program" -max_total_time="$seconds" -timeout=20 -rss_limit_mb=2048 -artifact_prefix="$corpus.crash-" \
    "$corpus" $seeds >"$corpus.log" 2>&1; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAIL $name"
    tail -30 "$corpus.log"
  fi
done
[ $((passed + failed)) -gt 0 ] || { echo "no fuzzer was built"; exit 1; }
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
