#!/usr/bin/env python3
"""Gate: no source file is longer than 600 lines. tools/size_exceptions.txt ("LINES PATH") lists the files that are
allowed more; a listed file may only shrink, and leaves the list when it fits."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LIMIT = 600
SOURCE = re.compile(r"\.(cc|h|S|py|sh|fbs|cmake|ts|tsx|svelte|vue|css)$|(^|/)(CMakeLists\.txt|Makefile)$")


def exceptions():
    path = os.path.join(ROOT, "tools/size_exceptions.txt")
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as f:
        rows = [line.split() for line in f if line.strip() and not line.startswith("#")]
    return {name: int(lines) for lines, name in rows}


def main():
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, check=True, stdout=subprocess.PIPE,
                         text=True).stdout
    files = [p for p in out.splitlines() if SOURCE.search(p) and os.path.exists(os.path.join(ROOT, p))]
    allowed = exceptions()
    wrong = [f"tools/size_exceptions.txt: {p} does not exist" for p in allowed if p not in files]
    for path in files:
        with open(os.path.join(ROOT, path), "rb") as f:
            lines = sum(1 for _ in f)
        limit = max(LIMIT, allowed.get(path, 0))
        if lines > limit:
            wrong.append(f"{path}: {lines} lines, at most {limit}: split it")
        elif path in allowed and lines <= LIMIT:
            wrong.append(f"{path}: fits again: remove it from tools/size_exceptions.txt")
        elif path in allowed and lines < allowed[path]:
            wrong.append(f"{path}: shrank: lower its number in tools/size_exceptions.txt to {lines}")
    for line in wrong:
        print(line)
    print(f"check_sizes: {len(wrong)} to fix" if wrong else
          f"check_sizes: {len(files)} files of at most {LIMIT} lines, {len(allowed)} exceptions")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
