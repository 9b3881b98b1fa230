#!/usr/bin/env python3
"""A thousand VMs alive at once: how long making, entering and deleting one takes, and what one costs in memory.

Runs many_vms.exe in a prefix that is up (many.sh), looks at the memory of every process at its points, prints tables
and writes many.json and many.md. Every time is measured beside starts of the same program outside any VM, in turns in
the same run; memory is what a guest takes more than the same program outside, and what agent and Wine's server grew by.
"""
import argparse
import json
import os
import statistics
import subprocess
import time

import stats


def processes(prefix):
    """{pid: command line as Wine set it}, of one prefix."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as f:
                variables = dict(v.partition(b"=")[::2] for v in f.read().split(b"\0"))
            if os.path.realpath(os.fsdecode(variables.get(b"WINEPREFIX", b""))) != prefix:
                continue
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                found[int(pid)] = f.read().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            continue  # it has just ended
    return found


def memory(pid):
    """Kilobytes: Pss (shared pages in equal parts), its private part, and the page tables."""
    out = {}
    with open(f"/proc/{pid}/smaps_rollup") as f:
        for line in f:
            name, _, rest = line.partition(":")
            if rest.endswith("kB\n"):
                out[name] = int(rest.split()[0])
    with open(f"/proc/{pid}/status") as f:
        status = dict(line.split(":", 1) for line in f)
    return {"pss": out["Pss"], "private": out["Private_Clean"] + out["Private_Dirty"],
            "tables": int(status["VmPTE"].split()[0]), "threads": int(status["Threads"]),
            "fds": len(os.listdir(f"/proc/{pid}/fd"))}


def look(prefix):
    """{kind: [memory of each process]}; kinds: guest, bare, agent, server."""
    kinds = {"guest": [], "bare": [], "agent": [], "server": []}
    for pid, command in processes(prefix).items():
        name = command.replace("\\", "/").lower()
        kind = ("guest" if "idle.exe" in name and name.endswith(" guest") else
                "bare" if "idle.exe" in name and name.endswith(" bare") else
                "agent" if "plume-agent.exe" in name else
                "server" if "wineserver" in name else None)
        if kind:
            try:
                kinds[kind].append(memory(pid))
            except OSError:
                pass
    return kinds


def mean(rows, what):
    return statistics.fmean(row[what] for row in rows) if rows else 0


def disk(folder):
    """Kilobytes that the files of a folder take on the disk."""
    total = 0
    for path, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(path, name)).st_blocks // 2
            except OSError:
                pass
    return total


def run(options):
    command = ["wine", options.many, "--count", str(options.count), "--bare", str(options.bare), "--churn",
               str(options.churn), "--program", options.program]
    points, disks, last = {}, {}, ""
    with open(os.path.join(options.results, "many.err"), "wb") as errors:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True)
        for line in process.stdout:
            line = line.strip()
            if line.startswith("point "):
                points[line[6:]] = look(options.prefix)
                disks[line[6:]] = disk(os.path.join(options.state, "vms"))
                process.stdin.write("\n")
                process.stdin.flush()
            elif line:
                last = line
        process.wait()
    if not last.startswith("{"):
        raise SystemExit(f"many: many_vms said nothing (see {options.results}/many.err)")
    return json.loads(last), points, disks


def describe(values):
    return {"p50": stats.percentile(values, 0.5), "p99": stats.percentile(values, 0.99), "n": len(values)}


def times(samples):
    """Rows: (name, figures, outside, whether it is compared with a start outside)."""
    cut = samples["churn_from"]
    whole = [a + b for a, b in zip(samples["create"], samples["enter"])]
    few, tenth = samples["bare_alone"], max(1, cut // 10)
    bare = samples["bare"]
    # While the machine fills, a start outside comes before every other VM.
    rows = [("start outside, few processes alive", few, None), ("start outside, meanwhile", bare, None),
            ("create", samples["create"], None), ("enter: prepare and start", samples["enter"], bare),
            ("create and enter", whole, bare),
            ("create and enter, the first tenth", whole[:tenth], bare[:(tenth + 1) // 2]),
            ("create and enter, the last tenth", whole[cut - tenth:cut], bare[(cut - tenth) // 2:(cut + 1) // 2])]
    if len(whole) > cut:
        rows.append(("create and enter, all alive", whole[cut:], bare[(cut + 1) // 2:]))
    rows += [("delete, all alive", samples["delete"], None), ("delete, all of them", samples["delete_all"], None)]
    out = []
    for name, values, outside in rows:
        if not values:
            continue
        row = {"name": name, **describe(values)}
        if outside:
            base = describe(outside)
            row.update(outside=base, added_p50=row["p50"] - base["p50"], added_p99=row["p99"] - base["p99"])
        out.append(row)
    return out


def costs(points, disks, count, bare):
    """Kilobytes for each VM."""
    full, before, empty = points["full"], points["bare"], points["empty"]
    grew = lambda kind, what, a, b: mean(b[kind], what) - mean(a[kind], what)
    server_bare = grew("server", "private", empty, before) / bare
    rows = {"the program outside, its Pss": mean(full["bare"], "pss"),
            "the program in a VM, its Pss": mean(full["guest"], "pss"),
            "the layer in the guest": mean(full["guest"], "pss") - mean(full["bare"], "pss"),
            "page tables of the guest": mean(full["guest"], "tables") - mean(full["bare"], "tables"),
            "the agent": grew("agent", "private", before, full) / count,
            "Wine's server, beyond a process outside": grew("server", "private", before, full) / count - server_bare}
    rows["all of it for a VM"] = sum(list(rows.values())[2:])
    return rows, {"agent threads": [mean(p["agent"], "threads") for p in (before, full)],
                  "agent files": [mean(p["agent"], "fds") for p in (before, full)],
                  "server files": [mean(p["server"], "fds") for p in (before, full)],
                  "disk of a VM (KB)": (disks["full"] - disks["bare"]) / count,
                  "guests alive": len(full["guest"]),
                  "guests left": len(points["after"]["guest"]),
                  "agent files left": mean(points["after"]["agent"], "fds") - mean(before["agent"], "fds")}


DOCUMENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "benchmarks.md")
BEGIN, END = "<!-- many VMs: written by make bench -->\n", "<!-- end of many VMs -->\n"


def document(text, load):
    """Puts the tables of a whole run into docs/benchmarks.md."""
    with open(DOCUMENT) as f:
        before, begin, rest = f.read().partition(BEGIN)
    end, after = rest.partition(END)[1:]
    if not begin or not end:
        raise SystemExit("many: docs/benchmarks.md has no place for the tables")
    when = f"Measured on {time.strftime('%Y-%m-%d')}; {os.cpu_count()} cores, all on one; load at the start {load:.1f}.\n"
    with open(DOCUMENT, "w") as f:
        f.write(before + begin + when + text + end + after)


def markdown(rows, memory_rows, facts, options):
    text = [f"\n| {options.count} VMs, each with a live guest | p50 | p99 | start outside p50 | p99 | added p50 | added p99 | n |",
            "|---|--:|--:|--:|--:|--:|--:|--:|"]
    cell = lambda v: f"{v:.2f} ms"
    for r in rows:
        o = r.get("outside")
        text.append(f"| {r['name']} | {cell(r['p50'])} | {cell(r['p99'])} | "
                    + (f"{cell(o['p50'])} | {cell(o['p99'])} | {r['added_p50']:+.2f} ms | {r['added_p99']:+.2f} ms" if o
                       else " | | | ") + f" | {r['n']} |")
    text += ["", "| memory of one VM | KB |", "|---|--:|"] + [f"| {k} | {v:.0f} |" for k, v in memory_rows.items()]
    both = lambda k: f"{facts[k][0]:.0f} before, {facts[k][1]:.0f} with all VMs"
    text += ["", f"Agent: {both('agent threads')} threads, {both('agent files')} open files. A VM takes "
             f"{facts['disk of a VM (KB)']:.0f} KB of disk. Wine's server has {facts['server files'][1]:.0f} open files, "
             f"{(facts['server files'][1] - facts['server files'][0]) / options.count:.1f} for each VM with its guest."]
    return "\n".join(text) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("prefix", "state", "many", "program", "results"):
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--bare", type=int, default=40)
    parser.add_argument("--churn", type=int, default=300)
    parser.add_argument("--quick", action="store_true", help="a fifth of it")
    options = parser.parse_args()
    if options.quick:
        options.count, options.churn = options.count // 5, options.churn // 5
    load = os.getloadavg()[0]
    options.prefix = os.path.realpath(options.prefix)
    os.makedirs(options.results, exist_ok=True)
    samples, points, disks = run(options)
    if samples["failure"]:
        raise SystemExit("many: " + samples["failure"])
    rows = times(samples)
    memory_rows, facts = costs(points, disks, options.count, options.bare)
    with open(os.path.join(options.results, "many.json"), "w") as f:
        json.dump({"times": rows, "memory_kb": memory_rows, "facts": facts, "samples": samples}, f, indent=1)
    text = markdown(rows, memory_rows, facts, options)
    with open(os.path.join(options.results, "many.md"), "w") as f:
        f.write(text)
    if options.count >= 1000:
        document(text, load)
    print(text)


if __name__ == "__main__":
    main()
