#!/usr/bin/env python3
"""The machine must be the same before and after whatever ran in VMs: files, registry, objects.

  machine_listing.py before FILE          lists the machine of WINEPREFIX, which is up, into FILE
  machine_listing.py after FILE SUITE     lists it again; prints what differs and fails if anything does
  machine_listing.py around SUITE COMMAND...   both, around a command

Files: everything of the Wine prefix, the user's folders that a desktop fills, this project's programs, and the
names at the top of drive Z:, each with kind, mode, size, time, extended attributes (Wine keeps DOS attributes there), link
target and SHA-256. Registry, objects, processes, pipes, windows, atoms, clipboard, services: tests/host/machine_listing.cc.

What Wine, Plume or a suite's own runs outside VMs do change is in tests/host/exceptions.txt, each with its reason; a time of a
folder or key is not judged where an excepted entry below it came, went or changed.
"""
import argparse
import collections
import hashlib
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
EXCEPTIONS = os.path.join(ROOT, "tests/host/exceptions.txt")
HOME = os.path.expanduser("~")
# Name in the listing: folder. Of some only the names at the top, as much of the rest is in use by others.
TREES = [("home", f"{HOME}/{f}") for f in ("Desktop", "Documents", "Downloads", "Templates", ".local/share/applications",
                                           ".local/share/desktop-directories", ".local/share/icons", ".local/share/mime",
                                           ".config/menus", ".config/autostart")]
TREES += [("project", os.path.join(ROOT, f)) for f in ("build/bin", "build/mingw64/bin")]
TOPS = [("root", "/"), ("home", HOME)]
VM_FILES = {"view.plv", "index.plx"}  # of a VM's folder: what is in it is the VM's own
SETTLE, WAIT = 8, 12


def prefix():
    return os.environ["WINEPREFIX"]


def digest(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while block := f.read(1 << 20):
            h.update(block)
    return h.hexdigest()


def base_hashes():
    """{file of the prefix that tools/prefix.sh clones: [size, time, hash]}, made once. A fresh clone's file of the same name, size
    and time has the same content; if that were wrong, a file would be found changed, never unchanged."""
    base = os.path.join(os.path.dirname(prefix()), "base")
    kept = base + ".hashes"
    if not os.path.exists(os.path.join(base, ".plume-base")):
        return {}
    if not os.path.exists(kept) or os.path.getmtime(kept) < os.path.getmtime(os.path.join(base, ".plume-base")):
        found = {}
        for folder, _, names in os.walk(base):
            for name in names:
                path = os.path.join(folder, name)
                s = os.lstat(path)
                if stat.S_ISREG(s.st_mode):
                    found[os.path.relpath(path, base)] = [s.st_size, s.st_mtime_ns, digest(path)]
        with open(f"{kept}.{os.getpid()}", "w", encoding="utf-8") as f:
            json.dump(found, f)
        os.replace(f.name, kept)
    with open(kept, encoding="utf-8") as f:
        return json.load(f)


class Files:
    """Lists files; content is read again only where the kernel's change time, which nobody can set, says that it may differ."""

    def __init__(self, known):
        self.known = known  # path: [identity, hash]
        self.base = {} if known else base_hashes()
        self.seen = {}

    def content(self, path, relative, s):
        identity = [s.st_dev, s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns]
        old = self.known.get(path)
        if old and old[0] == identity:
            self.seen[path] = old
        else:
            found = self.base.get(relative)
            self.seen[path] = [identity, found[2] if found and found[:2] == [s.st_size, s.st_mtime_ns] else digest(path)]
        return self.seen[path][1]

    def line(self, path, label, relative):
        s = os.lstat(path)
        name = f"{label}/{relative}".rstrip("/").replace("%", "%0025").replace(" ", "%0020").replace("\n", "%000a")
        attributes = ",".join(f"{n}={os.getxattr(path, n, follow_symlinks=False).hex()}"
                              for n in sorted(os.listxattr(path, follow_symlinks=False)))
        if stat.S_ISREG(s.st_mode):
            return f"file {name} {s.st_mtime_ns} {s.st_mode:o} {s.st_size} {attributes} {self.content(path, relative, s)}"
        if stat.S_ISLNK(s.st_mode):
            return f"link {name} {s.st_mtime_ns} {os.readlink(path)}"
        if stat.S_ISDIR(s.st_mode):
            return f"folder {name} {s.st_mtime_ns} {s.st_mode:o} {attributes}"
        return f"special {name} {s.st_mtime_ns} {s.st_mode:o}"

    def tree(self, label, top):
        if not os.path.lexists(top):
            yield f"absent {top}"
            return
        for folder, folders, names in os.walk(top):
            if os.path.basename(folder) == "__pycache__":
                folders.clear()
                continue
            if VM_FILES <= set(names):
                folders.clear()
                yield f"vm {label}/{os.path.relpath(folder, top)}"
                continue
            for name in ["", *names, *(f for f in folders if os.path.islink(os.path.join(folder, f)))]:
                path = os.path.join(folder, name) if name else folder
                try:
                    yield self.line(path, label, os.path.relpath(path, top) if path != top else "")
                except FileNotFoundError:
                    pass  # went while it was listed: as if it had never been there

    def all(self):
        yield from self.tree("prefix", prefix())
        for label, top in TREES:
            yield from self.tree(f"{label}/{os.path.relpath(top, HOME if label == 'home' else ROOT)}", top)
        for label, top in TOPS:
            for name in os.listdir(top):
                yield f"top {label}/{name}"


def system_lines():
    out = os.path.join(os.path.dirname(prefix()), f"listing.{os.getpid()}")
    command = ["wine", os.path.join(ROOT, "build/mingw64/bin/machine_listing.exe"), "Z:" + out.replace("/", "\\")]
    try:
        # What Wine leaves running keeps standard handles, so nothing here may be a pipe.
        with tempfile.TemporaryFile() as errors:
            code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors, timeout=120,
                                  env=dict(os.environ, WINEDEBUG="-all"), check=False).returncode
            errors.seek(0)
            if code:
                raise SystemExit(f"machine_listing: {errors.read().decode(errors='replace').strip() or code}")
        with open(out, encoding="ascii") as f:
            return f.read().splitlines()
    finally:
        if os.path.exists(out):
            os.remove(out)


def take(known):
    """(lines, what is known of files)"""
    system = system_lines()
    files = Files(known)
    return list(files.all()) + system, files.seen


def settle(known):
    """The first listing that is like the one before it: what starts with a machine has started."""
    lines, seen = take(known)
    for _ in range(SETTLE):
        again, seen = take(seen)
        if not judge(lines, again, exceptions("*")):
            return again, seen
        lines = again
        time.sleep(0.5)
    return lines, seen


# --- comparing ----------------------------------------------------------------------------------------------------------


def exceptions(suite):
    """[(pattern, reason)] for a suite: lines "SUITES PATTERN: reason"; SUITES is * or names with commas."""
    rows = []
    with open(EXCEPTIONS, encoding="utf-8") as f:
        for number, line in enumerate(f, 1):
            if not line.strip() or line.startswith("#"):
                continue
            m = re.match(r"(\S+)\s+(\S+):\s+(\S.*)", line)
            if not m:
                raise SystemExit(f"{EXCEPTIONS}:{number}: not \"SUITES PATTERN: reason\"")
            if m.group(1) == "*" or suite in m.group(1).split(","):
                rows.append(re.compile(m.group(2)))
    return rows


def parent(line):
    """The folder or key that an entry is in."""
    kind, name = line.split(" ", 2)[:2]
    if kind == "value":
        return ("key", name)
    if kind == "key":
        return ("key", name.rpartition("\\")[0])
    return ("folder", name.rpartition("/")[0]) if kind in ("file", "link", "folder", "special", "vm") else None


def timeless(line):
    kind, name, *rest = line.split(" ")
    return (kind, name, tuple(rest[1:])) if kind in ("folder", "key") else None


def judge(before, after, excepted):
    """Lines that differ, "- " before, "+ " after."""
    gone = collections.Counter(before)
    gone.subtract(after)
    differing = [("-" if n > 0 else "+", line) for line, n in gone.items() for _ in range(abs(n)) if n]
    judged, moved = [], set()
    for sign, line in differing:
        if any(p.match(line) for p in excepted):
            moved.add(parent(line))
        else:
            judged.append((sign, line))
    # Both times of a folder or key that differs in nothing else, where something excepted is in it.
    times = collections.defaultdict(set)
    for sign, line in judged:
        if timeless(line):
            times[timeless(line)].add(sign)
    only_time = {t for t, signs in times.items() if signs == {"-", "+"} and t[:2] in moved}
    return sorted((f"{sign} {line}" for sign, line in judged if timeless(line) not in only_time), key=lambda t: t[2:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=["before", "after", "around"])
    parser.add_argument("what")
    parser.add_argument("rest", nargs=argparse.REMAINDER)
    options = parser.parse_args()
    if options.verb == "before":
        lines, seen = settle({})
        with open(options.what, "w", encoding="utf-8") as f:
            json.dump([lines, seen], f)
        print(f"{len(lines)} things of this machine listed")
        return 0
    if options.verb == "around":
        file = os.path.join(os.path.dirname(prefix()), f"before.{os.getpid()}")
        try:
            subprocess.run([sys.executable, __file__, "before", file], check=True)
            code = subprocess.run(options.rest, check=False).returncode
            compared = subprocess.run([sys.executable, __file__, "after", file, options.what], check=False).returncode
        finally:
            if os.path.exists(file):
                os.remove(file)
        return code or compared
    with open(options.what, encoding="utf-8") as f:
        before, seen = json.load(f)
    excepted = exceptions(options.rest[0])
    end = time.monotonic() + WAIT
    while True:
        after, seen = take(seen)
        differing = judge(before, after, excepted)
        # Processes that were told to end, and what they hold, may take their time.
        if not differing or time.monotonic() > end:
            break
        time.sleep(0.5)
    if os.environ.get("PLUME_MACHINE_LOG"):
        with open(os.environ["PLUME_MACHINE_LOG"] + options.rest[0].replace("/", "_"), "w", encoding="utf-8") as f:
            f.write("\n".join(differing))
    for line in differing[:200]:
        print(line if len(line) < 300 else line[:300] + "...")
    print(f"{len(after)} things of this machine listed, {len(differing)} lines differ")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
