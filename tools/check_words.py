#!/usr/bin/env python3
"""Gate: tracked files hold nothing that belongs to one machine: absolute paths of a build machine, the names of package
registries or of the mirrors configured here."""
import os
import re
import subprocess
import sys
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BINARY = re.compile(r"\.(png|ico|jpg|plc|lnk|zst|gz|woff2?|exe|dll|msi)$", re.I)
WORDS = [
    (re.compile(r"(?<![\w.\-])/work(?=[/\s\"'`),;:]|$)"), "a path of a build machine"),
    (re.compile(r"/tmp/(?:b|wp)/"), "a path of a build machine"),

    (re.compile(r"registry\.npmjs\.org|registry\.yarnpkg\.com|pypi\.org|files\.pythonhosted\.org|deb\.debian\.org|"
                r"proxy\.golang\.org|crates\.io|rubygems\.org|repo\.maven\.apache\.org"), "the host of a package registry"),
]


def mirror_hosts():
    """Hosts that this machine's package clients are set to use."""
    hosts = set()
    for command in (["pip", "config", "list"], ["npm", "config", "get", "registry"], ["cat", "/etc/apt/sources.list"]):
        try:
            text = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, timeout=60).stdout
        except (OSError, subprocess.TimeoutExpired):
            continue
        for url in re.findall(r"https?://[^\s'\"]+", text):
            host = urllib.parse.urlsplit(url).hostname or ""
            if "." in host and not re.match(r"^(127\.|0\.0\.0\.0|10\.|192\.168\.)", host):
                hosts.add(host)
    return hosts


def main():
    out = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    files = [p for p in out.splitlines() if not BINARY.search(p) and os.path.isfile(os.path.join(ROOT, p))]
    words = WORDS + [(re.compile(r"(?<![\w.])" + re.escape(h)), "the host of a package mirror") for h in mirror_hosts()]
    wrong = []
    for path in files:
        with open(os.path.join(ROOT, path), "rb") as f:
            data = f.read()
        if b"\0" in data[:4096]:
            continue
        for number, line in enumerate(data.decode("utf-8", "replace").splitlines(), 1):
            for pattern, what in words:
                if pattern.search(line):
                    wrong.append(f"{path}:{number}: {what}: {line.strip()[:100]}")
    for line in wrong:
        print(line)
    print(f"check_words: {len(wrong)} to remove" if wrong else f"check_words: {len(files)} files say nothing of this machine")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
