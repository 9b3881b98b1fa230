#!/usr/bin/env python3
"""The judge of the file space: random sequences of file operations run bare and in a VM; transcripts must be equal and
the host's files untouched.

  run_file.py --bin BUILD/bin [--count 1000] [--seed 1] [--ops 50] [--batch 250] [--jobs 2] [--image] [--only i,j,k] [--seeds FILE]

Uses WINEPREFIX. Each batch is two processes bare (for the first and the second half of its sequences) and two
guests, one after the other, in one VM, with a folder for every sequence. A failure
prints its seed, the first difference, and the shortest failing sequence found by leaving operations out."""
import argparse
import concurrent.futures
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from file_image import ImageVm


def run(command, log=None):
    """Runs a Wine program; its output goes through a file, as processes left running would keep a pipe open."""
    out = Path(log)
    with out.open("wb") as sink:
        code = subprocess.run(["wine", *command], stdin=subprocess.DEVNULL, stdout=sink,
                              stderr=subprocess.STDOUT, env={**os.environ, "WINEDEBUG": "-all"}).returncode
    return code, out.read_text(errors="replace").replace("\r\n", "\n")


def run_all(run_one, commands, log):
    """Runs the commands one after the other: the first exit code that is not 0, and all output."""
    results = [run_one(command, log.with_suffix(f".{i}.log")) for i, command in enumerate(commands)]
    return next((code for code, _ in results if code), 0), "\n".join(text for _, text in results)


def snapshot(folder):
    """Every name, kind, mode, time, extended attribute and content below a folder."""
    state = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        s = path.lstat()
        attributes = {n: os.getxattr(path, n) for n in os.listxattr(path)}
        data = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        state[str(path.relative_to(folder))] = (s.st_mode, s.st_size if data else 0, s.st_mtime_ns, data, attributes)
    return state


def split(transcript):
    """Transcripts by seed."""
    parts, seed = {}, None
    for line in transcript.split("\n"):
        if line.startswith("== "):
            seed = int(line[3:])
            parts.setdefault(seed, [])
        elif seed is not None:
            parts[seed].append(line)
        elif line.strip():
            parts.setdefault(-1, []).append(line)
    return parts


class Runner:
    def __init__(self, args):
        self.args = args
        self.drive = Path(os.environ["WINEPREFIX"]) / "drive_c"
        self.work = self.drive / Path(args.work).name  # must be on drive C:
        shutil.rmtree(self.work, ignore_errors=True)
        self.tools = self.work / "bin"
        self.tools.mkdir(parents=True)
        for program in Path(args.bin).iterdir():
            if program.suffix in (".exe", ".dll"):
                shutil.copy2(program, self.tools / program.name)
        self.count = 0
        self.lock = threading.Lock()

    def win(self, path):
        return "C:\\" + str(path.relative_to(self.drive)).replace("/", "\\")

    def batch(self, seed, count, only=None, keep=False):
        """Runs one batch; returns {seed: (bare lines, VM lines, host complaints)} of the sequences that differ."""
        with self.lock:
            self.count += 1
            number = self.count
        base = self.work / f"b{number}"
        base.mkdir()
        data, copy = base / "d", base / "copy"
        data.mkdir()
        common = ["--root", self.win(data), "--seed", str(seed), "--count", str(count)]
        if only is not None:
            common += ["--only", ",".join(map(str, only)) or "-1"]
        exe = self.win(self.tools / "file_ops.exe")
        code, text = run([exe, *common, "--populate"], base / "populate.log")
        if code:
            raise SystemExit(f"populating seeds {seed}..{seed + count - 1} failed:\n{text}")
        subprocess.run(["cp", "-a", str(data), str(copy)], check=True)
        # The second half of each sequence runs in another process: what must last is not in the first one's memory.
        halves = [[exe, *common, "--run", "--from", str(a), "--to", str(b)]
                  for a, b in ((0, self.args.ops // 2), (self.args.ops // 2, self.args.ops))]
        bare_code, bare = run_all(run, halves, base / "bare.log")
        shutil.rmtree(data)
        before = snapshot(copy)
        if self.args.image:
            data.mkdir()
            vm = ImageVm(self, run, base, copy, data)
            vm_code, guest = run_all(vm.run, halves, base / "vm.log")
            after = {k: v for k, v in snapshot(copy).items()}
            if any(data.iterdir()):
                after["(host folder)"] = "files were written to the host"
        else:
            copy.rename(data)
            vmrun = [self.win(self.tools / "plume-vmrun.exe"), "--dir", self.win(base / "vm"), "--"]
            vm_code, guest = run_all(run, [vmrun + half for half in halves], base / "vm.log")
            after = snapshot(data)
        changed = [k for k in before.keys() | after.keys() if before.get(k) != after.get(k)]
        bare_parts, guest_parts = split(bare), split(guest)
        failed = {}
        for s in range(seed, seed + count):
            touched = [k for k in changed if k == f"s{s}" or k.startswith(f"s{s}/")]
            if bare_parts.get(s) != guest_parts.get(s) or touched:
                failed[s] = (bare_parts.get(s, []), guest_parts.get(s, []), touched)
        for k in changed:
            if not k.startswith("s"):
                failed.setdefault(seed, (bare_parts.get(seed, []), guest_parts.get(seed, []), []))[2].append(k)
        if bare_code or vm_code:
            failed.setdefault(seed, ([f"exit code {bare_code}"], [f"exit code {vm_code}", *guest_parts.get(-1, [])], []))
        if not keep:
            shutil.rmtree(base, ignore_errors=True)
        return failed

    def shrink(self, seed):
        """The shortest failing list of operations: halves, quarters, ... single ones are left out while it still fails."""
        only = list(range(self.args.ops))
        step = len(only) // 2
        while step:
            i = 0
            while i < len(only):
                candidate = only[:i] + only[i + step:]
                if self.batch(seed, 1, candidate):
                    only = candidate
                else:
                    i += step
            step //= 2
        return only


def show(bare, guest, touched):
    width = 0
    for i in range(max(len(bare), len(guest))):
        a, b = (x[i] if i < len(x) else "(nothing)" for x in (bare, guest))
        if a != b:
            print(f"  bare: {a}\n  vm:   {b}")
            width += 1
            if width == 4:
                print("  ...")
                break
    for name in touched[:5]:
        print(f"  host changed: {name}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True)
    parser.add_argument("--work", default="file-differential")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--ops", type=int, default=50)
    parser.add_argument("--batch", type=int, default=250)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--image", action="store_true", help="serve the initial tree as an image layer")
    parser.add_argument("--only", help="run these operations of one seed and print both transcripts")
    parser.add_argument("--shrink", type=int, default=3, help="shrink at most this many failures")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--seeds", help='a file of "SEED host|image" lines: those of this kind, instead of a range')
    args = parser.parse_args()
    runner = Runner(args)
    batches = [(s, min(args.batch, args.seed + args.count - s))
               for s in range(args.seed, args.seed + args.count, args.batch)]
    if args.seeds:
        pairs = [line.split()[:2] for line in Path(args.seeds).read_text(encoding="ascii").splitlines()
                 if line.strip() and not line.startswith("#")]
        batches = [(int(seed), 1) for seed, kind in pairs if (kind == "image") == args.image]
        args.count = len(batches)
    if args.only is not None:
        failed = runner.batch(args.seed, 1, [int(i) for i in args.only.split(",") if i], keep=True)
        for bare, guest, touched in failed.values():
            print("--- bare", *bare, "--- vm", *guest, "--- host changed", *touched, sep="\n")
        print("different" if failed else "equal")
        return 1 if failed else 0
    begin = time.time()
    failures = {}
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        tasks = [pool.submit(runner.batch, seed, count, keep=args.keep) for seed, count in batches]
        for number, task in enumerate(concurrent.futures.as_completed(tasks)):
            failures.update(task.result())
            if task.result():
                print("differ:", *sorted(task.result()), flush=True)
            if len(tasks) > 10 and number % 10 == 9:
                print(f"{number + 1} of {len(tasks)} batches done", flush=True)
    for number, seed in enumerate(sorted(failures)):
        if number == 10:
            print(f"... and {len(failures) - 10} more:", *sorted(failures)[10:][:200])
            break
        print(f"seed {seed} differs:")
        show(*failures[seed])
        if number < args.shrink:
            only = runner.shrink(seed)
            print(f"  shortest: --seed {seed} --only {','.join(map(str, only))}")
            for result in runner.batch(seed, 1, only).values():
                for line in result[0]:
                    if line[:2].isdigit():
                        print(f"    {line}")
                show(*result)
    if not args.keep:
        shutil.rmtree(runner.work, ignore_errors=True)
    print(f"file differential: {args.count} sequences of {args.ops} operations, {len(failures)} differ, "
          f"{time.time() - begin:.0f} s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
