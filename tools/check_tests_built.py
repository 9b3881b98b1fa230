#!/usr/bin/env python3
"""Gate: every test source is built and every unit test is run by ctest.

Usage: check_tests_built.py [BUILD_FOLDER...]     default: build/* that have been configured
Compile databases of the build folders say what is built (native, fuzz and mingw builds together); a source that none of
the folders at hand can tell about must at least be named in a CMakeLists.txt. What ctest runs is asked of folders that
are up to date.
"""
import glob
import json
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def test_sources():
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*.cc"], cwd=ROOT, check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return [p for p in out.splitlines() if os.path.exists(os.path.join(ROOT, p)) and
            (p.startswith("tests/") or re.search(r"_(test|fuzz|fuzzer)\.cc$", p))]


def compiled(folder):
    with open(os.path.join(folder, "compile_commands.json"), encoding="utf-8") as f:
        return {os.path.realpath(os.path.join(row["directory"], row["file"])) for row in json.load(f)}


def is_current(folder):
    """False if a CMakeLists.txt is newer than what was generated: such a folder knows an older tree."""
    generated = os.path.getmtime(os.path.join(folder, "compile_commands.json"))
    return all(os.path.getmtime(p) <= generated for p in glob.glob(os.path.join(ROOT, "src/*/CMakeLists.txt")))


def ctest_names(folder):
    out = subprocess.run(["ctest", "--test-dir", folder, "-N"], stdout=subprocess.PIPE, text=True).stdout
    return set(re.findall(r"Test\s+#\d+: (\S+)", out))


def declared():
    """Text of every CMake file."""
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "*CMakeLists.txt", "*.cmake"], cwd=ROOT,
                         check=True, stdout=subprocess.PIPE, text=True).stdout
    return "\n".join(open(os.path.join(ROOT, p), encoding="utf-8").read() for p in out.splitlines()
                     if os.path.exists(os.path.join(ROOT, p)))


def main():
    folders = [f for f in sys.argv[1:] or glob.glob(os.path.join(ROOT, "build/*"))
               if os.path.exists(os.path.join(f, "compile_commands.json"))]
    built, run, native = set(), set(), False
    for folder in folders:
        built |= compiled(folder)
        names = ctest_names(folder) if is_current(folder) else set()
        native = native or bool(names)
        run |= names
    text = declared()
    wrong = []
    sources = test_sources()
    for path in sources:
        stem = os.path.splitext(os.path.basename(path))[0]
        named = os.path.basename(path) in text or re.search(r"\b" + re.escape(stem) + r"\b", text)
        if os.path.realpath(os.path.join(ROOT, path)) not in built and not named:
            wrong.append(f"{path}: no CMakeLists.txt builds it")
        elif native and path.startswith("src/") and stem.endswith("_test") and stem not in run:
            wrong.append(f"{path}: ctest does not run it: use plume_test()")
    for line in wrong:
        print(line)
    print(f"check_tests_built: {len(wrong)} not built or run" if wrong else
          f"check_tests_built: {len(sources)} test sources are built ({len(run)} run by ctest)")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
