#!/usr/bin/env python3
"""Runs every gate and test of Plume and ends with "N passed, N failed" (exit code 1 if anything failed).

  tools/run_tests.py                  all kinds
  tools/run_tests.py --only unit      gates, unit, guest, differential, conformance, fault, apps or fuzz (may be repeated)
  tools/run_tests.py --match REGEX    only tests whose name matches
  tools/run_tests.py --lanes N        scripts that run at the same time, two if there are as many CPUs

Each test has its own session, time-out and log file (build/log). A test's processes carry a mark in their
environment; those that are left when the test has ended are ended and counted as its failure. GoogleTest programs
and scripts whose last lines say "N passed, N failed" count as many tests as they say; anything else counts as one.
"""
import argparse
import concurrent.futures
import ctypes
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid

import known_gaps

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOG = os.path.join(ROOT, "build", "log")
MARK = "PLUME_TEST_MARK"

# Scripts of each kind, relative to tests/. What matches is run; every other script there must be in HELPERS.
SCRIPTS = {
    "guest": (["guest/*.sh", "guest/run*.py", "guest/test_*.py"], 1200),
    "differential": (["differential/run_*.py", "differential/*.sh"], 1800),
    "conformance": (["conformance/test_*.sh"], 1800),
    "fault": (["fault/*.sh", "fault/run_*.py", "fault/test_*.py"], 1800),
    "apps": (["apps/test_*.sh", "apps/test_*.py"], 1800),
}
# Arguments of scripts that want some: (suffix of the test's name, arguments). {bin}: the Windows programs; {native}: the
# Linux ones; {work}: a folder of the test's own. What matches WANTS_PREFIX runs with
# a Wine prefix of its own, already up, in WINEPREFIX.
ARGUMENTS = {
    "tests/differential/run_file.py": [
        ("host", ["--bin", "{bin}", "--work", "{work}", "--count", "1000"]),
        ("image", ["--bin", "{bin}", "--work", "{work}", "--count", "400", "--seed", "100000", "--image"]),
        ("host-once-failed", ["--bin", "{bin}", "--work", "{work}", "--seeds", "tests/differential/file_seeds.txt"]),
        ("image-once-failed",
         ["--bin", "{bin}", "--work", "{work}", "--seeds", "tests/differential/file_seeds.txt", "--image"]),
    ],
    "tests/differential/run_key.py": [
        ("all", ["--bin", "{bin}", "--native", "{native}", "--count", "600"]),
        ("once-failed", ["--bin", "{bin}", "--native", "{native}", "--seeds", "tests/differential/key_seeds.txt"]),
    ],
}
WANTS_PREFIX = r"^tests/differential/"
# Scripts that are no tests: what tests and demo share, and what has its own make target.
HELPERS = {"tests/apps/demo.sh", "tests/apps/make_msi.py", "tests/bench/run.sh", "tests/conformance/run.py"}
HELPER_PATTERNS = [r"/lib[^/]*$", r"/_[^/]*$", r"^tests/bench/"]
# Kinds whose scripts run programs of tests/, which `make` does not build.
WITH_PROGRAMS = ["conformance", "apps", "fault", "guest", "differential"]
KINDS = ["gates", "unit", "guest", "differential", "conformance", "fault", "apps", "fuzz"]


class Outcome:
    def __init__(self, name, passed, failed, seconds, log="", why=""):
        self.name, self.passed, self.failed = name, passed, failed
        self.seconds, self.log, self.why = seconds, log, why


def marked(mark):
    """Processes whose environment carries `mark`: [(pid, command)]. Zombies have none."""
    wanted = f"{MARK}={mark}".encode()
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit() or int(entry) == os.getpid():
            continue
        try:
            with open(f"/proc/{entry}/environ", "rb") as f:
                if wanted not in f.read().split(b"\0"):
                    continue
            with open(f"/proc/{entry}/cmdline", "rb") as f:
                found.append((int(entry), f.read().replace(b"\0", b" ").decode(errors="replace").strip()))
        except OSError:
            continue
    return found


def end_marked(mark, grace):
    """Waits `grace` seconds for marked processes to end by themselves; ends the rest. Returns what was left."""
    deadline = time.monotonic() + grace
    left = marked(mark)
    while left and time.monotonic() < deadline:
        time.sleep(0.1)
        left = marked(mark)
    for pid, _ in left:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass
    return [command for _, command in left]


def count(text, code):
    """(passed, failed) as the output says."""
    for line in reversed(text.splitlines()[-20:]):
        m = re.search(r"(?:^|\s)(\d+) passed, (\d+) failed(?:, \d+ skipped)?$", line.strip())
        if m:
            return int(m.group(1)), int(m.group(2))
    # The differential tests' last line.
    m = re.search(r"(\d+) sequences of .*?(\d+) differ", text)
    if m:
        return int(m.group(1)) - int(m.group(2)), int(m.group(2))
    ok = re.search(r"\[  PASSED  \] (\d+) tests?", text)
    bad = re.search(r"\[  FAILED  \] (\d+) tests?, listed below", text)
    if ok:
        return int(ok.group(1)), int(bad.group(1)) if bad else 0
    return (1, 0) if code == 0 else (0, 1)


def run(name, command, timeout, cwd=ROOT, env=None, grace=8):
    os.makedirs(LOG, exist_ok=True)
    log = os.path.join(LOG, name.replace("/", "_") + ".log")
    mark = uuid.uuid4().hex
    environment = dict(os.environ, **(env or {}))
    environment[MARK] = mark
    start = time.monotonic()
    why = ""
    with open(log, "wb") as out:
        process = subprocess.Popen(command, cwd=cwd, env=environment, stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT, start_new_session=True)
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            why = f"did not end within {timeout} s"
            # First politely, so that traps stop wineservers and remove prefixes.
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            code = -1
    left = end_marked(mark, grace)
    with open(log, "r", errors="replace") as f:
        text = f.read()
    passed, failed = count(text, code)
    if code != 0 and failed == 0:
        failed = 1
        why = why or f"exit code {code}"
    if left and not why:
        failed += 1
        why = "processes left running: " + "; ".join(left[:5])
    if passed + failed == 0:
        failed, why = 1, "ran no test"
    return Outcome(name, passed, failed, time.monotonic() - start, log, why)


class Report:
    def __init__(self):
        self.passed = self.failed = self.gaps = 0
        self.bad = []
        with open(os.path.join(ROOT, "tests/known-gaps.txt"), encoding="utf-8") as f:
            self.known = known_gaps.parse(f.read())

    def excuse(self, outcome):
        """Takes known gaps out of `outcome`."""
        known = self.known.get(outcome.name)
        if not known or outcome.why or not outcome.log:
            return
        with open(outcome.log, "r", errors="replace") as f:
            excused, unneeded = known_gaps.judge(known, outcome.failed, f.read())
        for check in excused:
            print(f"GAP  {outcome.name:<44} {check}: {known[check]}", flush=True)
        for check in unneeded:
            print(f"     {check} did not fail: does tests/known-gaps.txt still need to name it?", flush=True)
        self.gaps += len(excused)
        outcome.failed -= len(excused)

    def add(self, outcome):
        self.excuse(outcome)
        self.passed += outcome.passed
        self.failed += outcome.failed
        sign = "FAIL" if outcome.failed else "ok  "
        counts = f"{outcome.passed} passed" + (f", {outcome.failed} failed" if outcome.failed else "")
        print(f"{sign} {outcome.name:<44} {counts:<24} {outcome.seconds:7.1f} s", flush=True)
        if outcome.failed:
            self.bad.append(outcome.name)
            if outcome.why:
                print(f"     {outcome.why}")
            if outcome.log:
                with open(outcome.log, "r", errors="replace") as f:
                    for line in f.read().splitlines()[-25:]:
                        print("     | " + line[:200])
                print(f"     log: {os.path.relpath(outcome.log, ROOT)}", flush=True)


def build(preset, report, targets=()):
    """Configures and builds a preset, or some targets of it; a failure is one failed test."""
    ccache = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if subprocess.run(
        ["sh", "-c", "command -v ccache"], stdout=subprocess.DEVNULL).returncode == 0 else []
    script = " && ".join([
        " ".join(["cmake", "--preset", preset] + ccache),
        f"cmake --build build/{preset} -j{os.cpu_count() or 2}" + "".join(f" --target {t}" for t in targets) + " -- -k 0",
    ])
    outcome = run(f"build/{preset}", ["bash", "-c", script], 3600)
    if outcome.failed:
        report.add(outcome)
        return False
    print(f"     built {preset} in {outcome.seconds:.0f} s", flush=True)
    return True


def files(pattern):
    return sorted(glob.glob(os.path.join(ROOT, pattern), recursive=True))


def is_script(path):
    with open(path, "rb") as f:
        return f.read(2) == b"#!"


def scripts(kind):
    found = []
    for pattern in SCRIPTS[kind][0]:
        for path in files("tests/" + pattern):
            relative = os.path.relpath(path, ROOT)
            if relative in HELPERS or any(re.search(p, relative) for p in HELPER_PATTERNS):
                continue
            if is_script(path) and relative not in found:
                found.append(relative)
    return found


def ctest_programs(preset):
    out = subprocess.run(["ctest", "--test-dir", f"build/{preset}", "--show-only=json-v1"], cwd=ROOT,
                         stdout=subprocess.PIPE, check=True).stdout
    return {t["name"]: t["command"] for t in json.loads(out)["tests"] if "command" in t}


def unrun_tests(unit_programs):
    """Test sources and scripts that nothing would build or run."""
    lost = []
    built = {os.path.splitext(os.path.basename(c[0]))[0] for c in unit_programs.values()}
    declared = "".join(open(p, errors="replace").read()
                       for p in files("src/**/CMakeLists.txt") + files("tests/**/CMakeLists.txt") + files("tests/**/*.cmake"))
    for path in files("src/**/*_test.cc") + files("tests/**/*_test.cc"):
        stem = os.path.splitext(os.path.basename(path))[0]
        if unit_programs and stem not in built:
            lost.append(f"{os.path.relpath(path, ROOT)}: no plume_test() builds it")
    for path in files("src/**/*_fuzz*.cc") + files("tests/fuzz/*.cc"):
        if os.path.basename(path) not in declared:
            lost.append(f"{os.path.relpath(path, ROOT)}: no plume_fuzzer() builds it")
    known = {s for kind in SCRIPTS for s in scripts(kind)}
    for path in files("tests/**/*.sh") + files("tests/**/*.py"):
        relative = os.path.relpath(path, ROOT)
        if relative in known or relative in HELPERS or any(re.search(p, relative) for p in HELPER_PATTERNS):
            continue
        if is_script(path) or os.access(path, os.X_OK):
            lost.append(f"{relative}: a script, but no pattern of tools/run_tests.py runs it")
    return lost


def gate_tests(unit_programs, match, report):
    for path in files("tools/check_*.py"):
        name = "gate/" + os.path.basename(path)[6:-3]
        if re.search(match, name):
            report.add(run(name, [sys.executable, path], 300))
    name = "gate/every-test-runs"
    if re.search(match, name):
        start = time.monotonic()
        lost = unrun_tests(unit_programs)
        report.add(Outcome(name, 0 if lost else 1, len(lost), time.monotonic() - start, why="\n     ".join(lost)))


def unit_tests(programs, match, jobs, report):
    todo = [(f"unit/{name}", command) for name, command in sorted(programs.items()) if re.search(match, f"unit/{name}")]
    env = {"ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0", "UBSAN_OPTIONS": "print_stacktrace=1"}
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for outcome in pool.map(lambda t: run(t[0], t[1], 600, os.path.join(ROOT, "build/native-asan"), env), todo):
            report.add(outcome)


def script_test(kind, script, name, arguments):
    places = {"bin": os.path.join(ROOT, "build/mingw64/bin"), "native": os.path.join(ROOT, "build/native/bin"),
              "work": os.path.join(ROOT, "build/work", name.replace("/", "-"))}
    interpreter = sys.executable if script.endswith(".py") else "bash"
    command = [interpreter, os.path.join(ROOT, script)] + [a.format(**places) for a in arguments]
    if arguments:
        os.makedirs(places["work"], exist_ok=True)
    if re.search(WANTS_PREFIX, script):
        # And the machine must be as it was.
        command = ["tools/prefix.sh", "with", "tools/machine_listing.py", "around", script[len("tests/"):], *command]
    outcome = run(name, command, SCRIPTS[kind][1])
    shutil.rmtree(places["work"], ignore_errors=True)
    return outcome


def script_tests(kinds, match, lanes, report):
    """A test waits more than it computes and has prefixes, ports and folders of its own, so a few run at the same time, the
    kinds with the longest tests first. None may rest on how fast it is."""
    with concurrent.futures.ThreadPoolExecutor(lanes) as pool:
        runs = []
        for kind in kinds:
            for script in scripts(kind):
                for suffix, arguments in ARGUMENTS.get(script, [("", [])]):
                    name = script[len("tests/"):] + (f"-{suffix}" if suffix else "")
                    if re.search(match, name):
                        runs.append(pool.submit(script_test, kind, script, name, arguments))
        for done in concurrent.futures.as_completed(runs):
            report.add(done.result())


def fuzz_tests(match, seconds, jobs, report):
    def one(program):
        name = os.path.basename(program)
        corpus = os.path.join(ROOT, "build/fuzz-corpus", name)
        os.makedirs(corpus, exist_ok=True)
        seeds = [d for d in (os.path.join(ROOT, "tests/fuzz/corpus", name),) if os.path.isdir(d)]
        artifacts = os.path.join(LOG, f"fuzz_{name}_")
        return run("fuzz/" + name, [program, f"-max_total_time={seconds}", "-timeout=20", "-rss_limit_mb=2048",
                                    "-print_final_stats=0", f"-artifact_prefix={artifacts}", corpus] + seeds,
                   seconds + 120)
    todo = [p for p in files("build/clang-fuzz/fuzz/*") if os.access(p, os.X_OK) and os.path.isfile(p) and re.search(match, "fuzz/" + os.path.basename(p))]
    with concurrent.futures.ThreadPoolExecutor(jobs) as pool:
        for outcome in pool.map(one, todo):
            report.add(outcome)


def fix_addresses():
    """Wine 8 itself fails about one start of a program in 4,000 when Linux puts things at random addresses (bare: 5 of 20,737
    with, 0 of 23,289 without). plume does the same for what it starts. Where this may not be asked for, it stays as it is."""
    address_no_randomize = 0x0040000
    ctypes.CDLL(None).personality(address_no_randomize)


def main():
    fix_addresses()
    # Wine's own winemenubuilder writes into the home folder, outside every prefix; winedbg waits for a user.
    os.environ.setdefault("WINEDLLOVERRIDES", "mscoree,mshtml=;winedbg.exe=d;winemenubuilder.exe=d")
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", action="append", choices=KINDS)
    parser.add_argument("--match", default="")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--lanes", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--fuzz-seconds", type=int, default=10)
    args = parser.parse_args()
    kinds = args.only or KINDS
    report = Report()
    start = time.monotonic()

    programs = {}
    if "unit" in kinds:
        if build("native-asan", report):
            programs = ctest_programs("native-asan")
    if "gates" in kinds:
        gate_tests(programs, args.match, report)
    if "unit" in kinds:
        unit_tests(programs, args.match, args.jobs, report)
    # Guest programs and tools; plume itself is what `make` has put into build/bin.
    if set(WITH_PROGRAMS) & set(kinds) and not (
            build("mingw64", report) and build("native", report, ["key_catalog"])):
        kinds = [k for k in kinds if k not in WITH_PROGRAMS]
    with_programs = [kind for kind in WITH_PROGRAMS if kind in kinds]
    if with_programs:
        if subprocess.run(["tools/prefix.sh", "base"], cwd=ROOT, stdout=subprocess.DEVNULL).returncode:
            report.add(Outcome("prefix", 0, 1, 0, why="no Wine prefix could be made"))
        else:
            script_tests(with_programs, args.match, args.lanes, report)
    if "fuzz" in kinds and build("clang-fuzz", report, ["fuzzers"]):
        fuzz_tests(args.match, args.fuzz_seconds, args.jobs, report)

    if report.bad:
        print("failed: " + " ".join(report.bad))
    print(f"in {time.monotonic() - start:.0f} s")
    print(f"{report.passed} passed, {report.failed} failed" + (f", {report.gaps} skipped" if report.gaps else ""))
    return 1 if report.failed or report.passed == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
