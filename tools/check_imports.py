#!/usr/bin/env python3
"""Gate: the virtualization layer imports ntdll.dll alone, and names only functions its .def file lists.

Usage: check_imports.py [DLL...]     default: plume-vl64.dll and plume-vl32.dll wherever they have been built
"""
import glob
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TOOLS = {"64": "x86_64-w64-mingw32-objdump", "32": "i686-w64-mingw32-objdump"}


def allowed_names(bits):
    with open(os.path.join(ROOT, f"src/vl/nt/ntdll{bits}.def"), encoding="ascii") as f:
        lines = [line.split(";")[0].strip() for line in f]
    return {re.split(r"[@\s=]", line)[0] for line in lines if line and not re.match(r"(?i)(LIBRARY|EXPORTS|NAME)\b", line)}


def check(path):
    bits = "32" if "32" in os.path.basename(path) else "64"
    text = subprocess.run([TOOLS[bits], "-p", path], check=True, stdout=subprocess.PIPE, text=True).stdout
    libraries = re.findall(r"DLL Name: (\S+)", text)
    # Importing nothing at all is as good: the 32-bit layer finds what it calls by itself.
    for library in libraries:
        if library.lower() != "ntdll.dll":
            yield f"{path}: imports {library}: it may import ntdll.dll alone"
    # Rows of an import table: address, ordinal or hint, name.
    names = set(re.findall(r"^\s+[0-9a-f]+\s+\d+\s+([A-Za-z_]\w*)\s*$", text.split("DLL Name:", 1)[-1].split("\n\n", 1)[0],
                           re.M))
    for name in sorted(names - allowed_names(bits)):
        yield f"{path}: imports {name}, which src/vl/nt/ntdll{bits}.def does not list"


def main():
    dlls = sys.argv[1:] or sorted(
        p for pattern in ("build/mingw64/**/plume-vl64.dll", "build/mingw32/**/plume-vl32.dll")
        for p in glob.glob(os.path.join(ROOT, pattern), recursive=True))
    if not dlls:
        print("check_imports: no plume-vl*.dll has been built: run make")
        return 1
    wrong = [line for path in dlls for line in check(path)]
    for line in wrong:
        print(line)
    print(f"check_imports: {len(wrong)} forbidden" if wrong else f"check_imports: {len(dlls)} libraries import ntdll alone")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
