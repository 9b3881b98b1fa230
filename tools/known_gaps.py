"""Known gaps: tests/known-gaps.txt names the checks that may fail, one a line: TEST | CHECK | REASON.

A check's name is what stands behind "FAIL " in the test's log, up to its end, to ": " or to " (". A gap is printed on
every run and counted apart, never as passed. Any other failure of the same test fails the run, and so does one that has
no name: a time-out, an exit code, a process that was left running.
"""
import re


def parse(text):
    """{test: {check: reason}}; ValueError names a line that says something else."""
    gaps = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = [part.strip() for part in line.split("|", 2)]
        if len(parts) != 3 or not all(parts):
            raise ValueError(f"tests/known-gaps.txt:{number}: not TEST | CHECK | REASON: {line.strip()}")
        test, check, reason = parts
        if check in gaps.setdefault(test, {}):
            raise ValueError(f"tests/known-gaps.txt:{number}: named twice: {check}")
        gaps[test][check] = reason
    return gaps


def names_check(check, failure):
    """Whether `failure`, a log's text behind "FAIL ", is the failure of `check`."""
    return failure.startswith(check) and re.match(r"$|: | \(", failure[len(check):]) is not None


def judge(known, failed, log):
    """How many of a test's `failed` checks are `known` ({check: reason}): (checks that failed, those that did not). Nothing
    is excused, (), if the log names other failures, or not exactly as many as were counted."""
    failures = re.findall(r"^FAIL (.+?)\s*$", log, re.MULTILINE)
    found = [check for check in known for failure in failures if names_check(check, failure)]
    if len(failures) != failed or len(set(found)) != failed:
        return (), ()
    return tuple(found), tuple(check for check in known if check not in found)
