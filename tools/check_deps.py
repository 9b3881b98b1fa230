#!/usr/bin/env python3
"""Gate: folders of src include only what tools/deps.txt allows, and Windows' headers stay where they belong."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)', re.M)
WINDOWS = re.compile(r"^(windows|winsock2|ws2tcpip|winternl|winhttp|bcrypt|ntstatus|winioctl|shlobj|shellapi|"
                     r"tlhelp32|psapi|objbase|processthreadsapi|ntdef)\.h$", re.I)


def read_rules():
    rules = {}
    with open(os.path.join(ROOT, "tools/deps.txt"), encoding="utf-8") as f:
        for line in f:
            line = line.split("#")[0].strip()
            if line:
                name, allowed = line.split(":")
                rules.setdefault(name.strip(), []).extend(allowed.split())
    return rules


def sources():
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "src", "tests"], cwd=ROOT, check=True,
                         stdout=subprocess.PIPE, text=True).stdout
    return [p for p in out.splitlines() if re.search(r"\.(cc|h|inc|S)$", p) and os.path.exists(os.path.join(ROOT, p))]


def allows(allowed, header):
    """A row allows a whole folder, one header, or what begins with "folder/part" (vl/inject)."""
    return any(header == a or header.startswith(a + "/") for a in allowed)


def check_file(path, rules, folders):
    text = open(os.path.join(ROOT, path), encoding="utf-8", errors="replace").read()
    parts = path.split("/")
    for own, system in INCLUDE.findall(text):
        header = own or system
        if WINDOWS.match(header) and not any(path.startswith(p) for p in rules["windows"]):
            yield f"{path}: includes {header}: Windows' headers belong in os/win32, vl, agent, cli"
        if not own or parts[0] != "src" or "/" not in own:
            continue
        target = own.split("/")[0]
        if target not in folders or target == parts[1]:
            continue
        allowed = list(rules.get(parts[1], []))
        if re.search(r"_(test|fuzz|fuzzer|bench)\.cc$", path):
            allowed += rules["_test"]
        if not allows(allowed, own):
            yield f"{path}: includes {own}: src/{parts[1]} may use {' '.join(rules.get(parts[1], [])) or 'nothing'}"


def main():
    rules = read_rules()
    folders = {d for d in os.listdir(os.path.join(ROOT, "src")) if os.path.isdir(os.path.join(ROOT, "src", d))}
    wrong = [f"src/{d}: not in tools/deps.txt" for d in sorted(folders - set(rules))]
    files = sources()
    for path in files:
        wrong += check_file(path, rules, folders)
    for line in wrong:
        print(line)
    print(f"check_deps: {len(wrong)} forbidden" if wrong else f"check_deps: {len(files)} files keep the order of folders")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
