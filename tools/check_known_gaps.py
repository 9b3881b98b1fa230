#!/usr/bin/env python3
"""Gate: tests/known-gaps.txt names checks of tests that exist, and tools/known_gaps.py excuses those failures and no other."""
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
sys.dont_write_bytecode = True
import known_gaps  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KNOWN = {"com.a VM to machine": "why", "com.b VM to machine": "why"}
A = "FAIL com.a VM to machine: visible instead of isolated (both)\n"
B = "FAIL com.b VM to machine\n"
OTHER = "FAIL the machine is as it was\n"
# What is tried, failures counted, log, what is excused, what did not fail.
CASES = [
    ("one of two", 1, "ok   x\n" + A + "1 passed, 1 failed\n", ["com.a VM to machine"], ["com.b VM to machine"]),
    ("both", 2, A + B, ["com.a VM to machine", "com.b VM to machine"], []),
    ("only a remark behind the name", 1, "FAIL com.b VM to machine (exit 1)\n", ["com.b VM to machine"], ["com.a VM to machine"]),
    ("another check", 1, OTHER, [], []),
    ("another check beside a known one", 2, A + OTHER, [], []),
    ("as many as are known, but others", 2, OTHER + "FAIL com.c VM to machine\n", [], []),
    ("a longer name", 1, "FAIL com.a VM to machine and back\n", [], []),
    ("another place of the same check", 1, "FAIL com.a VM to VM: visible instead of isolated\n", [], []),
    ("the name in the middle of a line", 1, "  | " + A, [], []),
    ("another check that was not counted", 1, A + OTHER, [], []),
    ("a failure that is not named", 2, A, [], []),
    ("a known one named twice", 2, A + A, [], []),
    ("none failed", 0, "ok   com.a VM to machine\n", [], ["com.a VM to machine", "com.b VM to machine"]),
    ("killed before it said anything", 1, "", [], []),
]
MALFORMED = ["test 2: reason", "test | check", "test | | reason", "t | c | r\nt | c | again"]


def main():
    wrong = []
    for what, failed, log, excused, missing in CASES:
        result = known_gaps.judge(KNOWN, failed, log)
        if result != (tuple(excused), tuple(missing)):
            wrong.append(f"{what}: {result}")
    for text in MALFORMED:
        try:
            wrong.append(f"{text!r} was read as {known_gaps.parse(text)}")
        except ValueError:
            pass
    with open(os.path.join(ROOT, "tests/known-gaps.txt"), encoding="utf-8") as f:
        try:
            gaps = known_gaps.parse(f.read())
        except ValueError as error:
            wrong.append(str(error))
            gaps = {}
    for test in gaps:
        if not os.path.exists(os.path.join(ROOT, "tests", test)):
            wrong.append(f"tests/known-gaps.txt: there is no test {test}")
    for line in wrong:
        print(line)
    known = sum(len(checks) for checks in gaps.values())
    print(f"check_known_gaps: {len(wrong)} to fix" if wrong else
          f"check_known_gaps: {known} known gaps; {len(CASES) + len(MALFORMED)} cases of what is excused")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
