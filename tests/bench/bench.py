#!/usr/bin/env python3
"""Runs the benchmarks that run.sh has prepared, prints a table, writes results.json and results.md.

Every figure is measured against a baseline taken in turns in the same run (stats.py). Nothing is compared with numbers
of another day or machine.
"""
import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import time

import macro
import stats

HERE = os.path.dirname(os.path.abspath(__file__))


class Failure(RuntimeError):
    pass


class Bench:
    def __init__(self, options):
        self.o = options
        self.load_at_start = os.getloadavg()[0]
        self.rows = []       # one dict for each line of the table
        self.facts = {}
        self.pin = ["taskset", "-c", options.cpu] if options.cpu else []
        self.environment = dict(os.environ, WINEDEBUG="-all")

    # --- running things -------------------------------------------------------------------------------------------
    def run(self, command, timeout=300, check=True):
        """Runs a command for its side; returns (seconds, stdout). Output goes to a file: a background process that
        inherits a pipe would keep us waiting for its end."""
        out_path = os.path.join(self.o.work, "out")
        with open(out_path, "wb") as out, open(out_path + ".err", "wb") as err:
            start = time.monotonic()
            code = subprocess.run(self.pin + command, stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                                  env=self.environment, timeout=timeout).returncode
            seconds = time.monotonic() - start
        with open(out_path, errors="replace") as f:
            text = f.read()
        if check and code != 0:
            with open(out_path + ".err", errors="replace") as f:
                raise Failure(f"{' '.join(command)} ended with code {code}: {(f.read() + text)[-400:]}")
        return seconds, text

    def bare(self, *command, **keywords):
        self.environment["WINEPREFIX"] = self.o.prefix
        return self.run(["wine", *command], **keywords)

    def plume(self, *command, **keywords):
        self.environment["PLUME_WINEPREFIX"] = self.o.prefix
        return self.run([os.path.join(self.o.bin, "plume"), *command], **keywords)

    def line(self, **settings):
        """Sets the line to the server; the relay looks for changes every 50 ms."""
        temporary = self.o.line + ".new"
        with open(temporary, "w") as f:
            json.dump(settings, f)
        os.replace(temporary, self.o.line)
        time.sleep(0.15)

    def line_stats(self):
        time.sleep(0.12)
        with open(self.o.line + ".stats") as f:
            return json.load(f)

    # --- results --------------------------------------------------------------------------------------------------
    def add(self, group, name, values, baseline, unit, note=""):
        row = stats.compare(values, baseline)
        row.update(group=group, name=name, unit=unit, note=note, values=values, baseline_values=baseline)
        self.rows.append(row)

    def progress(self, text):
        print(f"bench: {text}", file=sys.stderr, flush=True)

    # --- starts of an application ----------------------------------------------------------------------------------
    def empty_cache(self):
        """As after `plume add`: catalog here, no file. The agent takes a missing file for one not fetched yet."""
        images = os.path.join(self.o.state, "images")
        for name in os.listdir(images) if os.path.isdir(images) else []:
            if re.fullmatch(r"[0-9a-f]{64}", name):
                shutil.rmtree(os.path.join(images, name), ignore_errors=True)

    def starts(self, label, local, streamed, rounds):
        """local, streamed: functions that start the program once and return seconds."""
        self.progress(f"start of {label}, {rounds} rounds in turns")
        lan, wan = {"rtt_ms": 0, "mbit": 0}, {"rtt_ms": 50, "mbit": 20}
        samples = {k: [] for k in ("local", "cold", "wan", "warm", "offline")}
        wan_bytes = []
        self.line(**lan)
        for _ in range(2):  # warm-up of both sides
            local()
            streamed()
        for _ in range(rounds):
            samples["local"].append(local() * 1000)
            samples["warm"].append(streamed() * 1000)
            self.empty_cache()
            samples["cold"].append(streamed() * 1000)
            self.line(mode="refuse", **lan)
            samples["offline"].append(streamed() * 1000)
            self.line(**lan)
            if len(samples["wan"]) < self.o.wan_rounds:
                self.empty_cache()
                self.line(**wan)
                before = self.line_stats()
                samples["wan"].append(streamed() * 1000)
                wan_bytes.append(self.line_stats()["down"] - before["down"])
                self.line(**lan)
        base = samples["local"]
        group = f"Start of {label}"
        self.add(group, "streamed cold (empty cache), loopback", samples["cold"], base, "ms")
        self.add(group, "streamed warm", samples["warm"], base, "ms")
        self.add(group, "streamed, offline (server refuses)", samples["offline"], base, "ms")
        if samples["wan"]:
            bound = stats.faster_half(base) + max(wan_bytes) * 8 / 20e6 * 1000
            self.add(group, "streamed cold, 50 ms and 20 Mbit/s", samples["wan"], base, "ms",
                     f"{max(wan_bytes)} bytes: their time on the line and a local start make {bound:.0f} ms")

    def inner_starts(self, label, local_program, streamed_program, arguments, vm, count, rounds):
        """The start alone, by a program that is already in the VM: what opening a document from a running program costs."""
        self.progress(f"start of {label} by a running program, {rounds} rounds of {count} in turns")
        local, streamed = [], []
        for _ in range(rounds):
            local += self.calls(self.bare(self.o.calls, "start", str(count), local_program, *arguments))["start"]
            streamed += self.calls(self.plume("vm", "run", vm, "--", self.o.calls, "start", str(count), streamed_program,
                                              *arguments))["start"]
        self.add(f"Start of {label}", "streamed warm, by a program of the VM", [v / 1000 for v in streamed], [v / 1000 for v in local], "ms")

    @staticmethod
    def calls(result):
        found = {}
        for line in result[1].splitlines():
            name, tab, values = line.strip().partition("\t")
            if tab:
                found[name] = [float(v) for v in values.split()]
        if not found:
            raise Failure("bench_calls printed nothing: " + result[1][-300:])
        return found

    def single_calls(self, where, bare_arguments, guest_arguments, vm, rounds):
        self.progress(f"single calls, {where}, {rounds} rounds in turns")
        bare, guest = {}, {}
        for _ in range(rounds):
            for into, result in ((bare, self.bare(self.o.calls, *bare_arguments)),
                                 (guest, self.plume("vm", "run", vm, "--", self.o.calls, *guest_arguments))):
                for name, values in self.calls(result).items():
                    into.setdefault(name, []).extend(values)
        for name in bare:
            scale, unit = (1000, "ms") if min(bare[name]) > 1000 else (1, "us")
            self.add(f"Single calls, {where}", name, [v / scale for v in guest[name]], [v / scale for v in bare[name]], unit)

    # --- the report -------------------------------------------------------------------------------------------------
    COLUMNS = ("", "outside", "in the VM", "ratio", "95 % of it", "added")
    DOCUMENT = os.path.join(HERE, "..", "..", "docs", "benchmarks.md")
    BEGIN, END = "<!-- written by make bench -->\n", "<!-- end -->\n"

    @staticmethod
    def cells(row):
        return (row["name"], f"{row['baseline']:.2f} {row['unit']}", f"{row['figure']:.2f} {row['unit']}",
                f"{row['ratio']:.2f}x", f"{row['ratio_low']:.2f} - {row['ratio_high']:.2f}",
                f"{row['added']:+.2f} {row['unit']}")

    def groups(self):
        groups = {}
        for row in self.rows:
            groups.setdefault(row["group"], []).append(row)
        return groups

    def table(self):
        """The same program outside and inside a VM, side by side."""
        lines = []
        for group, rows in self.groups().items():
            lines += ["", "{:<42}{:>12}{:>12}{:>8}{:>15}{:>13}".format(group, *self.COLUMNS[1:])]
            lines += ["  {:<40}{:>12}{:>12}{:>8}{:>15}{:>13}".format(*self.cells(r)) for r in rows]
        return "\n".join(lines)

    def write(self, folder):
        os.makedirs(folder, exist_ok=True)
        version = subprocess.run(["wine", "--version"], stdout=subprocess.PIPE, text=True, env=self.environment).stdout
        self.facts.update(wine=version.strip(), kernel=platform.release(), cpus=os.cpu_count(),
                          client_bound_to_cpu=self.o.cpu or "none", rounds=self.o.rounds,
                          load_at_start=round(self.load_at_start, 1))
        with open(os.path.join(folder, "results.json"), "w") as f:
            json.dump({"facts": self.facts, "rows": self.rows}, f, indent=1)
        with open(os.path.join(folder, "results.md"), "w") as f:
            f.write("; ".join(f"{k.replace('_', ' ')}: {v}" for k, v in self.facts.items()) + ".\n" + self.markdown())

    def markdown(self):
        lines = []
        for group, rows in self.groups().items():
            notes = any(r["note"] for r in rows)
            lines += ["", f"## {group}", "", "| | " + ("where | " if notes else "") + " | ".join(self.COLUMNS[1:]) + " |",
                      "|---|" + "---|" * (notes + 5)]
            lines += ["| " + " | ".join([r["name"], *([r["note"]] if notes else []), *self.cells(r)[1:]]) + " |" for r in rows]
        return "\n".join(lines) + "\n"

    def document(self):
        """Puts the tables of a whole run into docs/benchmarks.md."""
        with open(self.DOCUMENT) as f:
            text = f.read()
        before, begin, rest = text.partition(self.BEGIN)
        tables, end, after = rest.partition(self.END)
        if not begin or not end:
            raise Failure("docs/benchmarks.md has no place for the tables")
        when = f"Measured on {time.strftime('%Y-%m-%d')}: {self.facts['wine']}, {self.facts['cpus']} cores, load at the start " \
               f"{self.facts['load_at_start']}.\n"
        with open(self.DOCUMENT, "w") as f:
            f.write(before + begin + when + self.markdown() + end + after)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, text in (("bin", "folder of plume"), ("prefix", "the client's Wine prefix"), ("work", "scratch folder"),
                       ("state", "the client's state folder"), ("calls", "bench_calls.exe as the prefix sees it"),
                       ("line", "control file of the relay"), ("results", "folder for the results")):
        parser.add_argument("--" + name, required=True, help=text)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--wan-rounds", type=int, default=5)
    parser.add_argument("--cpu", default="", help="CPU to which everything of the client is bound")
    parser.add_argument("--only", choices=["starts", "calls", "macro"])
    parser.add_argument("--quick", action="store_true", help="a fifth of the rounds and of the work: minutes less, wider intervals")
    o = parser.parse_args()
    if o.quick:
        o.rounds, o.wan_rounds = max(4, o.rounds // 5), 2
    bench = Bench(o)
    code = 0
    try:
        if o.only in (None, "starts"):
            local = r"C:\Installed\7-Zip\7z.exe"
            streamed = r"C:\Program Files\7-Zip\7z.exe"
            bench.starts("7-Zip", lambda: bench.bare(local, "i")[0], lambda: bench.plume("run", "7zip", "--", "i")[0], o.rounds)
            bench.inner_starts("7-Zip", local, streamed, ["i"], "7zip", 20, max(2, o.rounds // 5))
            script = r"C:\bench\modules.cmake"
            bench.starts("CMake", lambda: bench.bare(r"C:\Installed\CMake\bin\cmake.exe", "-P", script)[0],
                         lambda: bench.plume("run", "cmake", "--", "-P", script)[0], o.rounds)
        if o.only in (None, "macro"):
            macro.Macro(bench).measure()
        if o.only in (None, "calls"):
            key = r"Software\Microsoft\Windows NT\CurrentVersion"
            rounds = max(3, o.rounds // 3)
            bench.plume("run", "7zip", "--", "i")  # the application's VM is made by its first start
            bench.single_calls("host file", [r"C:\bench", "data.bin", key], [r"C:\bench", "data.bin", key], "bench", rounds)
            bench.single_calls("named objects", ["objects"], ["objects"], "bench", rounds)
            bench.single_calls("image file", [r"C:\Installed\7-Zip", "7z.exe", r"Software\Bench7"],
                               [r"C:\Program Files\7-Zip", "7z.exe", r"Software\7-Zip"], "7zip", rounds)
    except (Failure, RuntimeError, OSError, subprocess.TimeoutExpired) as error:
        print(f"bench: {error}", file=sys.stderr)
        code = 1
    if bench.rows:
        bench.write(o.results)
        if code == 0 and not o.only and not o.quick:
            bench.document()
        print(bench.table())
        print(f"\nEach figure is the mean of the faster half of its samples; both sides were measured in turns.\n"
              f"written: {o.results}/results.json, results.md")
    sys.exit(code)


if __name__ == "__main__":
    main()
