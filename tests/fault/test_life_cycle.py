#!/usr/bin/env python3
"""Snapshot, restore, commit, discard, delete, import: the agent (at times its client too) is killed with SIGKILL at a
random moment. Afterwards each was done, or it was not: nothing in between, nothing lost, nothing left over.

  tests/fault/test_life_cycle.py [--count 50] [--seed N]
"""
import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("PLUME_GUESTS", os.path.join(ROOT, "build/mingw64/bin"))
FOLDER, KEY = r"C:\life", r"Software\Life"


class Client:
    """life_client.exe in the prefix."""

    def __init__(self, environment):
        self.environment = environment
        self.process = None

    def start(self):
        self.process = subprocess.Popen(["wine", os.path.join(BIN, "life_client.exe")], env=self.environment,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True, encoding="utf-8", bufsize=1)

    def send(self, line):
        if self.process is None or self.process.poll() is not None:
            self.start()
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answer(self):
        """None if the client died."""
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.process = None
            return None
        return json.loads(line)

    def ask(self, line):
        """The result; anything else is a failure of the test."""
        self.send(line)
        answer = self.answer()
        if answer is None or "error" in answer:
            raise RuntimeError(f"{line}: {answer}")
        return answer["ok"]

    def verb(self, verb, /, **arguments):
        return self.ask(f"{verb} {json.dumps(arguments)}")

    def gone(self):
        """It was killed, perhaps after its answer."""
        if self.process is not None:
            self.process.wait()
            self.process = None

    def stop(self):
        if self.process is not None:
            self.process.stdin.close()
            self.process.wait(20)


def pids(prefix, program):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                command = f.read().split(b"\0")[0].lower().replace(b"\\", b"/")
            if not command.endswith(program.encode()):
                continue
            with open(f"/proc/{pid}/environ", "rb") as f:
                if f"WINEPREFIX={prefix}".encode() in f.read().split(b"\0"):
                    found.append(int(pid))
        except OSError:
            continue
    return found


class Test:
    def __init__(self, client, prefix, work, seed):
        self.client, self.prefix, self.work = client, prefix, work
        self.random = random.Random(seed)
        self.state = os.path.join(work, "state")
        self.passed = self.failed = 0
        self.done = {}
        self.duration = {}
        self.number = 0

    # --- what there is to begin with
    def prepare(self):
        """Two VM files, A and B, that change the host's folder and key in different ways; the empty VM."""
        c = self.client
        c.ask(f"put {FOLDER} {KEY} H")
        self.host = c.ask(f"host {FOLDER} {KEY}")
        for name, script in (
                ("a", r"for %i in (0 1 2) do (del C:\life\d%i\f%i.txt& echo a>C:\life\d%i\new%i.txt)& "
                      r"mkdir C:\life\made\deep& echo a>C:\life\made\deep\x.txt& rmdir /s /q C:\life\d4& "
                      r"echo changed>C:\life\d3\f3.txt& reg add HKCU\Software\Life\k0\s0 /v value /d a /f& "
                      r"reg delete HKCU\Software\Life\k1 /f& reg add HKCU\Software\Life\fresh\deeper /v x /d a /f"),
                ("b", r"echo b>C:\life\d0\f0.txt& echo b>C:\life\b.txt& reg add HKCU\Software\Life\k2\s2 /v value /d b /f")):
            self.guest(name, script)
            c.verb("vm.export", name=name, file=self.file(name))
        c.verb("vm.create", name="empty")
        self.a, self.b, self.empty = (c.ask(f"digest {n}") for n in ("a", "b", "empty"))
        assert len({self.a, self.b, self.empty}) == 3, "the VMs differ"
        c.verb("vm.create", name="probe", **{"from": "a"})
        assert c.ask("digest probe") == self.a, "a copy is a copy"
        c.verb("vm.commit", name="probe")
        self.committed = c.ask(f"host {FOLDER} {KEY}")
        assert self.committed != self.host, "a commit changes the host"
        c.verb("vm.delete", name="probe")
        c.ask(f"put {FOLDER} {KEY} H")

    def file(self, name):
        return "Z:" + os.path.join(self.work, name + ".plvm").replace("/", "\\")

    def guest(self, vm, script):
        subprocess.run([os.path.join(ROOT, "build/bin/plume"), "vm", "run", vm, "--", "cmd", "/c", script],
                       env=self.client.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, timeout=120)

    def make(self, source):
        self.number += 1
        name = f"v{self.number}"
        self.client.verb("vm.create", name=name, **{"from": source})
        return name

    # --- one operation, killed
    def killed(self, kind, verb, /, **arguments):
        """True if the operation was answered before the kill."""
        most = self.duration.get(kind, 0.3)
        delay = self.random.random() * most * 1.15
        agents = pids(self.prefix, "plume-agent.exe")
        both = self.random.random() < 0.15
        answered = []

        def wait():
            answered.append(self.client.answer())

        start = time.monotonic()
        self.client.send(f"{verb} {json.dumps(arguments)}")
        waiter = threading.Thread(target=wait)
        waiter.start()
        waiter.join(delay)
        victims = agents + (pids(self.prefix, "life_client.exe") if both else [])
        finished = not waiter.is_alive()
        if finished:
            self.duration[kind] = 0.3 * most + 0.7 * (time.monotonic() - start)
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        waiter.join(60)
        if both:
            self.client.gone()
        if not finished:
            self.duration[kind] = min(most * 1.05, 5)
        self.done.setdefault(kind, [0, 0])
        return finished

    def check(self, kind, done, undone, what):
        self.done[kind][0 if done else 1] += 1
        if done != undone:
            self.passed += 1
            return
        self.failed += 1
        print(f"FAIL {kind} {self.number}: {what}", flush=True)

    def snapshot(self):
        vm = self.make("a")
        self.killed("snapshot", "vm.snapshot", name=vm, tag="t")
        tags = [s["tag"] for s in self.client.verb("vm.snapshots", name=vm)]
        same = self.client.ask(f"digest {vm}") == self.a
        there = tags == ["t"]
        whole = True
        if there:
            self.client.verb("vm.discard", name=vm)
            self.client.verb("vm.restore", name=vm, tag="t")
            whole = self.client.ask(f"digest {vm}") == self.a
        self.check("snapshot", there and whole and same, not tags and same, f"tags {tags}, same {same}, whole {whole}")
        return vm

    def restore(self):
        vm = self.make("b")
        self.client.verb("vm.snapshot", name=vm, tag="t")
        self.client.verb("vm.discard", name=vm)
        self.killed("restore", "vm.restore", name=vm, tag="t")
        found = self.client.ask(f"digest {vm}")
        self.check("restore", found == self.b, found == self.empty, found)
        return vm

    def discard(self):
        vm = self.make("a")
        self.killed("discard", "vm.discard", name=vm)
        found = self.client.ask(f"digest {vm}")
        self.check("discard", found == self.empty, found == self.a, found)
        return vm

    def delete(self):
        vm = self.make("a")
        self.killed("delete", "vm.delete", name=vm)
        found = self.client.ask(f"digest {vm}")
        self.check("delete", found == "none", found == self.a, found)
        return vm if found != "none" else None

    def imported(self):
        self.number += 1
        vm = f"v{self.number}"
        self.killed("import", "vm.import", name=vm, file=self.file("a"))
        found = self.client.ask(f"digest {vm}")
        self.check("import", found == self.a, found == "none", found)
        return vm if found != "none" else None

    def commit(self):
        vm = self.make("a")
        self.killed("commit", "vm.commit", name=vm)
        found = self.client.ask(f"digest {vm}")
        host = self.client.ask(f"host {FOLDER} {KEY}")
        self.check("commit", found == self.empty and host == self.committed, found == self.a and host == self.host,
                   f"VM {found} (a {self.a}, empty {self.empty}), host {host} (before {self.host}, after {self.committed})")
        self.client.ask(f"put {FOLDER} {KEY} H")
        return vm

    def run(self, count):
        kinds = [self.snapshot, self.restore, self.commit, self.delete, self.commit, self.discard, self.imported]
        for i in range(count):
            left = kinds[i % len(kinds)]()
            if left:
                self.client.verb("vm.delete", name=left)
        self.leftovers()

    def leftovers(self):
        """What all those killed agents left is gone."""
        for name in ("a", "b", "empty"):
            self.client.verb("vm.delete", name=name)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            files = [os.path.join(d, f) for top in ("vms", "trash") for d, _, names in
                     os.walk(os.path.join(self.state, top)) for f in names]
            files += [d for d in os.listdir(os.path.join(self.state, "vms"))]
            if not files:
                break
            time.sleep(0.3)
        self.expect("no file of a VM is left", not files, files[:5])
        hosts = [os.path.join(d, f) for d, ds, fs in os.walk(os.path.join(self.prefix, "drive_c/life")) for f in ds + fs
                 if "plume" in f]
        self.expect("nothing is left beside the host's files", not hosts, hosts[:5])
        self.client.stop()
        subprocess.run([os.path.join(ROOT, "build/bin/plume"), "agent", "stop"], env=self.client.environment,
                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.expect("the machine is as it was", self.machine("after", "fault/test_life_cycle.py") == 0, "")
        subprocess.run(["wineserver", "-k"], env=self.client.environment)
        subprocess.run(["wineserver", "-w"], env=self.client.environment)
        with open(os.path.join(self.prefix, "user.reg"), encoding="utf-8", errors="replace") as f:
            keys = re.findall(r"^\[(Software\\\\Plume\\\\[0-9a-f]+\\\\VMs\\\\.*?)\]", f.read(), re.M)
        self.expect("no key of a VM is left", not keys, keys[:5])

    def machine(self, verb, *suite):
        return subprocess.run(["tools/machine_listing.py", verb, os.path.join(self.work, "machine"), *suite],
                              env=self.client.environment, check=False).returncode

    def expect(self, what, condition, detail):
        if condition:
            self.passed += 1
            print("ok  ", what)
        else:
            self.failed += 1
            print("FAIL", what, detail)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=int(os.environ.get("LIFE_CYCLE_COUNT", "50")))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("FAULT_SEED", os.getpid())))
    args = parser.parse_args()
    print(f"seed {args.seed}, {args.count} times", flush=True)
    os.chdir(ROOT)
    prefix = subprocess.run(["tools/prefix.sh", "clone", f"life-cycle-{os.getpid()}"], check=True,
                            stdout=subprocess.PIPE, text=True).stdout.strip()
    work = tempfile.mkdtemp(prefix="plume-life.")
    environment = {k: v for k, v in os.environ.items() if k not in ("PLUME_HOME", "WINEPREFIX", "PLUME_WINEPREFIX")}
    environment.update(WINEPREFIX=prefix, PLUME_WINEPREFIX=prefix, WINEDEBUG="-all", PLUME_HOME=work + "/state",
                       WINEDLLOVERRIDES="mscoree,mshtml=;winedbg.exe=d;winemenubuilder.exe=d")
    client = Client(environment)
    test = Test(client, prefix, work, args.seed)
    try:
        subprocess.run(["wineserver", "-p"], env=environment)
        # Up, as a machine is, before it is listed.
        subprocess.run(["wine", "cmd", "/c", "exit"], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        test.expect("the machine is listed", test.machine("before") == 0, "")
        start = time.monotonic()
        test.prepare()
        test.run(args.count)
        for kind, (done, undone) in sorted(test.done.items()):
            print(f"     {kind:<9} {done:4} done, {undone:4} undone")
        print(f"     in {time.monotonic() - start:.0f} s")
    finally:
        subprocess.run(["tools/prefix.sh", "remove", prefix])
        shutil.rmtree(work, ignore_errors=True)
    print(f"{test.passed} passed, {test.failed} failed")
    return 0 if test.failed == 0 and test.passed > 0 else 1


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    sys.exit(main())
