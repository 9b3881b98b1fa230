#!/usr/bin/env python3
"""Gate: every C++ file is as clang-format 14 (Debian 12's; tools/setup.sh installs it) makes it. `make format` does it."""
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VERSION = "14"


def formatter():
    """A clang-format of the version whose opinion counts, or None."""
    for name in (f"clang-format-{VERSION}", "clang-format"):
        if shutil.which(name):
            said = subprocess.run([name, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
            if re.search(rf"version {VERSION}\.", said):
                return name
    return None


def unformatted(program, files):
    out = subprocess.run([program, "--dry-run", *files], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                         text=True)
    found = re.findall(r"^(\S+?):\d+:\d+: warning: code should be clang-formatted", out.stderr, re.MULTILINE)
    if out.returncode != 0 and not found:
        raise RuntimeError(out.stderr)
    return found


def main():
    program = formatter()
    if program is None:
        print(f"check_format: skipped: no clang-format {VERSION} here (tools/setup.sh installs it)")
        return 0
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "src/*.cc", "src/*.h", "tests/*.cc", "tests/*.h"],
                         cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    files = [p for p in out.splitlines() if os.path.exists(os.path.join(ROOT, p))]
    parts = [files[i:i + 40] for i in range(0, len(files), 40)]
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 2) as pool:
        wrong = sorted({path for found in pool.map(lambda part: unformatted(program, part), parts) for path in found})
    for path in wrong:
        print(f"{path}: not as clang-format makes it (make format)")
    print(f"check_format: {len(wrong)} to fix" if wrong else f"check_format: {len(files)} files are formatted")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
