#!/usr/bin/env python3
"""The isolation conformance suite (conformance.h says what a check is). Ends with "N passed, N failed".

  run.py                               Plume, in a Wine prefix of its own
  run.py --area event,pipe             only these areas
  run.py --table docs/conformance.md   writes the table
  run.py --sandbox none                both sides outside any VM: nearly everything must fail, or the suite proves nothing
  run.py --inside 'COMMAND {space} ...' --outside 'COMMAND ...'
                                       another sandbox: how to start a program inside the space a or b, and outside

Each check runs in five places; what must come out of each is in EXPECTED. A check that this system cannot do outside any
VM (unsupported there) is counted apart.
"""
import argparse
import collections
import os
import queue
import shlex
import subprocess
import sys
import threading
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MACHINE_SEEN, SHARED, DISPLAY, MACHINE_SEES, CLOSED_INSIDE = 1, 2, 4, 8, 16
# Place: holder's space, prober's space ("" = outside any VM).
# Nothing runs outside VMs in the first two; --between is told to look then.
INSIDE = ("one", "across")
PLACES = {"bare": ("", ""), "one": ("a", "a"), "across": ("a", "b"), "out": ("a", ""), "in": ("", "a")}
PLACE_TEXT = {"bare": "outside any VM", "one": "in one VM", "across": "VM to VM", "out": "VM to machine", "in": "machine to VM"}


def expected(flags, place):
    if flags & CLOSED_INSIDE:
        return "isolated" if PLACES[place][1] else "visible"
    if place in ("bare", "one") or flags & SHARED:
        return "visible"
    return "visible" if (place == "in" and flags & MACHINE_SEEN) or (place == "out" and flags & MACHINE_SEES) else "isolated"


class Gone(Exception):
    pass


class Program:
    """conformance.exe in one space."""

    def __init__(self, command, identity, timeout):
        self.timeout = timeout
        self.process = subprocess.Popen(command + ["serve", identity], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, start_new_session=True)
        self.lines = queue.Queue()
        self.noise = collections.deque(maxlen=5)
        threading.Thread(target=self.read, daemon=True).start()
        self.answer()

    def read(self):
        for raw in self.process.stdout:
            line = raw.decode(errors="replace").rstrip("\r\n")
            if line.startswith("= "):
                self.lines.put(line[2:])
            else:
                self.noise.append(line)
        self.lines.put(None)

    def answer(self):
        try:
            line = self.lines.get(timeout=self.timeout)
        except queue.Empty:
            line = None
        if line is None:
            raise Gone("; ".join(self.noise) or "the program ended or hung")
        return line

    def ask(self, text):
        try:
            self.process.stdin.write((text + "\n").encode())
            self.process.stdin.flush()
        except OSError:
            raise Gone("; ".join(self.noise) or "the program ended") from None
        return self.answer()

    def end(self):
        try:
            self.process.stdin.close()
        except OSError:
            pass
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Suite:
    def __init__(self, options):
        self.options = options
        self.programs = {}
        self.serial = 0

    def program(self, role, space, identity):
        key = (role, space)
        if key not in self.programs:
            template = self.options.inside if space else self.options.outside
            command = [part.replace("{space}", space) for part in shlex.split(template)] + [self.options.program]
            self.programs[key] = Program(command, identity, self.options.timeout)
        return self.programs[key]

    def drop(self):
        for p in self.programs.values():
            p.end()
        self.programs = {}

    def check(self, name, observed, place, identity):
        """(visible|isolated|unsupported|broken, detail)"""
        holder_space, prober_space = PLACES[place]
        try:
            held = self.program("hold", holder_space, identity).ask("hold " + name)
            if not held.startswith("held"):
                return ("unsupported" if place == "bare" else "broken"), "holder: " + urllib.parse.unquote(held)
            data = held[5:]
            found = self.program("probe", prober_space, identity).ask(f"probe {name} {data}")
            if observed and not found.startswith("found unsupported"):
                probe_detail = found.split(" ", 2)[2] if found.count(" ") > 1 else ""
                found = self.program("hold", holder_space, identity).ask("observe " + name)
                if probe_detail and found.count(" ") > 1 and not found.split(" ", 2)[2]:
                    found += probe_detail
            if not found.startswith("found "):
                return "broken", found
            parts = found.split(" ", 2)
            return parts[1], urllib.parse.unquote(parts[2] if len(parts) > 2 else "")
        except Gone as gone:
            # The next check starts its programs anew.
            self.drop()
            return "broken", str(gone)


def list_checks(options):
    out = subprocess.run(shlex.split(options.outside) + [options.program, "list"], stdin=subprocess.DEVNULL,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=120, check=True).stdout.decode()
    rows = []
    for line in out.replace("\r", "").splitlines():
        name, flags, observed, why = (line.split(" ", 3) + [""])[:4]
        rows.append((name, int(flags), observed == "1", why))
    wanted = options.area.split(",") if options.area else None
    rows.sort(key=lambda r: r[0].split(".")[0])  # stable: the order of the source within an area
    return [r for r in rows if not wanted or r[0].split(".")[0] in wanted or r[0] in wanted]


def write_table(path, checks, results, counts):
    areas = {}
    for name, flags, _, why in checks:
        areas.setdefault(name.split(".")[0], []).append((name, flags, why))
    with open(path, "w", encoding="utf-8") as f:
        f.write("# Isolation conformance\n\nWritten by `tests/conformance/run.py --table` (run on Wine). Each check has a holder and a "
                "prober; a dot is what must come out:\nvisible outside any VM and within one VM, isolated between VMs and between a VM "
                "and the machine, unless the last column says why not.\n**!** marks what is not as it must be, - what this "
                f"system cannot do at all.\n\n{counts}\n\n")
        for area, rows in areas.items():
            f.write(f"## {area}\n\n| check | " + " | ".join(PLACE_TEXT.values()) + " | by design |\n|---|" + "---|" * (len(PLACES) + 1) + "\n")
            for name, flags, why in rows:
                cells = []
                for place in PLACES:
                    good, reach = results[name, place]
                    cells.append("-" if good is None else "." if good else f"**!** {reach}")
                f.write(f"| {name.split('.', 1)[1]} | " + " | ".join(cells) + f" | {why if flags & ~DISPLAY else ''} |\n")
            f.write("\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--area", help="areas or whole check names, with commas")
    parser.add_argument("--place", help="only these places, with commas")
    parser.add_argument("--table")
    parser.add_argument("--sandbox", choices=["plume", "none"], default="plume")
    parser.add_argument("--between", metavar="COMMAND", help="run when all that happens in VMs alone is done; a check of its own")
    parser.add_argument("--inside")
    parser.add_argument("--outside", default="wine")
    parser.add_argument("--program", default=os.path.join(ROOT, "build/mingw64/bin/conformance.exe"))
    parser.add_argument("--timeout", type=float, default=30)
    parser.add_argument("--verbose", action="store_true", help="every result, not only what is wrong")
    options = parser.parse_args()
    if not options.inside:
        plume = os.path.join(ROOT, "build/bin/plume")
        options.inside = f"{shlex.quote(plume)} vm run conformance-{{space}} --" if options.sandbox == "plume" else options.outside
    if "/" in options.program and not options.program.startswith("Z:"):
        options.program = "Z:" + os.path.abspath(options.program).replace("/", "\\")

    checks = list_checks(options)
    suite = Suite(options)
    results = {}
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    places = [p for p in sorted(PLACES, key=lambda p: p not in INSIDE) if not options.place or p in options.place.split(",")]
    area = None

    def judge(name, flags, place, reach, detail):
        if reach == "unsupported" or results.get((name, "bare"), (1,))[0] is None:
            results[name, place] = (None, reach)
            counts["skipped"] += 1
            if options.verbose:
                print(f"skip {name} {place}: {detail}", flush=True)
            return
        want = expected(flags, place)
        good = reach == want
        results[name, place] = (good, reach)
        counts["passed" if good else "failed"] += 1
        if not good or options.verbose:
            print(f"{'ok  ' if good else 'FAIL'} {name} {PLACE_TEXT[place]}: {reach}" + ("" if good else f" instead of {want}") +
                  (f" ({detail})" if detail else ""), flush=True)

    waiting = []  # until it is known what can be done at all, outside any VM
    try:
        for place in places:
            if options.between and place not in INSIDE:
                counts["passed" if subprocess.run(shlex.split(options.between), check=False).returncode == 0 else "failed"] += 1
                options.between = None
            found = []
            for name, flags, observed, why in checks:
                if name.split(".")[0] != area:
                    # Programs live for one area in one place; so does what a check left behind.
                    suite.drop()
                    area = name.split(".")[0]
                if flags & DISPLAY and not os.environ.get("DISPLAY") and os.name != "nt":
                    reach, detail = "unsupported", "no display"
                else:
                    identity = f"{os.getpid()}{place}"
                    reach, detail = suite.check(name, observed, place, identity)
                found.append((name, flags, place, reach, detail))
            suite.drop()
            area = None
            if place in INSIDE and "bare" in places:
                waiting += found
                continue
            for row in found + waiting:
                judge(*row)
            waiting = []
    finally:
        suite.drop()
    passed, failed, skipped = counts["passed"], counts["failed"], counts["skipped"]
    if skipped:
        print(f"{skipped} not possible on this system")
    closing = f"{passed} passed, {failed} failed"
    if options.table and len(places) == len(PLACES):
        write_table(options.table, checks, results, closing + f", {skipped} not possible on this system")
    print(closing)
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
