"""The macro benchmarks: whole pieces of work, outside and in a VM, in turns in one run. Called by bench.py.

Real programs do the work where there are such (7-Zip, Ninja, MySQL); bench_macro.cc does the rest. What is measured is
measured by a program inside (bench_macro), so the way into the VM does not count.
"""
import glob
import os
import random
import shutil
import subprocess
import time
import zipfile

GROUP = "Macro benchmarks"
ARCHIVED = 10000           # files in the archive
TREE = (10, 100)           # folders and files in each, for the opens
LISTED = (4000, 42000, 4000)  # of the image, of the machine, of the VM
SOURCES = 60
HEADERS = 12               # that each source asks for
SEVEN_ZIP = r"C:\Installed\7-Zip\7z.exe"
NINJA = r"C:\Installed\CMake\bin\ninja.exe"


def write(path, text):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)


class Macro:
    def __init__(self, bench):
        self.b = bench
        self.root = os.path.join(bench.o.prefix, "drive_c", "bench")
        self.calls = bench.o.calls
        self.macro = bench.o.calls.replace("bench_calls", "bench_macro")
        self.rounds = 1 if bench.o.quick else 2
        self.fresh = 0

    # --- places ------------------------------------------------------------------------------------------------------
    def on_disk(self, name):  # "out\x" below C:\bench, on this machine's disk
        return os.path.join(self.root, *name.split("\\"))

    def new_folder(self, stem):
        self.fresh += 1
        return f"{stem}{self.fresh}"

    def forget(self, name):
        """Removes a folder below C:\\bench, of the machine and of the VMs' own, without anybody's time being measured."""
        own = os.path.join(self.b.o.state, "vms", "*", "w*", "upper", "C", "bench", *name.split("\\"))
        for path in [self.on_disk(name), *glob.glob(own)]:
            shutil.rmtree(path, ignore_errors=True)

    def own_of_vms(self, name):
        return glob.glob(os.path.join(self.b.o.state, "vms", "*", "w*", "upper", "C", "bench", *name.split("\\")))

    def in_place(self, vm, *command):
        """Runs a measuring program and returns its milliseconds; vm None: outside."""
        result = self.b.plume("vm", "run", vm, "--", *command) if vm else self.b.bare(*command)
        return next(iter(self.b.calls(result).values()))

    def started(self, vm, *command):
        """The milliseconds from the start of a program to its end, taken by the program that starts it."""
        return self.in_place(vm, self.macro, "run", *command)

    def compare(self, name, where, vms, sample, rounds=None):
        """sample(vm) in turns outside (None) and in each of `vms`, a row for each; `where`: where the files lie, for each."""
        self.b.progress(f"{name}, {rounds or self.rounds} rounds in turns")
        samples = {vm: [] for vm in (None, *vms)}
        for _ in range(rounds or self.rounds):
            for vm, values in samples.items():
                os.sync()  # what the sample before wrote and removed is nobody's but its own
                values += sample(vm)
        for vm, place in zip(vms, where):
            self.b.add(GROUP, name, samples[vm], samples[None], "ms", place)

    # --- what is worked on ---------------------------------------------------------------------------------------------
    def prepare(self):
        self.b.progress("files of the macro benchmarks")
        text = random.Random(1)
        words = [f"word{text.randrange(5000)}" for _ in range(4000)]
        os.makedirs(self.on_disk("work"), exist_ok=True)
        with zipfile.ZipFile(self.on_disk("work\\archive.zip"), "w", zipfile.ZIP_DEFLATED) as archive:
            for i in range(ARCHIVED):
                at = text.randrange(3000)
                archive.writestr(f"pack/part{i // 100:03}/file{i:05}.txt", " ".join(words[at:at + text.randrange(100, 600)]))
        for d in range(TREE[0]):
            for f in range(TREE[1]):
                write(self.on_disk(f"tree\\d{d}\\module_{f}.dat"), "x" * 1024)
        self.prepare_image()
        self.prepare_project(text)
        for name, policy in (("macro", ""), ("macro-host", "[files]\n'C:\\bench' = \"host\"\n")):
            write(self.on_disk(f"work\\{name}.toml"), policy)
            self.b.plume("vm", "create", name, "--policy", rf"C:\bench\work\{name}.toml")
        self.b.plume("vm", "run", "macro", "--", self.macro, "tree", r"C:\bench\own", str(TREE[0]), str(TREE[1]))

    def prepare_image(self):
        folder = os.path.join(self.b.o.work, "macro-image")
        of_image, of_machine, of_vm = LISTED
        for i in range(of_image):
            write(os.path.join(folder, "list", f"entry{i}"), "")
        for i in range(sum(LISTED)):
            write(self.on_disk(f"all\\entry{i}"), "")
        for d in range(TREE[0]):
            for f in range(TREE[1]):
                write(os.path.join(folder, "tree", f"d{d}", f"module_{f}.dat"), "x" * 1024)
        self.b.plume("capture", "macro", "--version", "1", "--from-folder", "Z:" + folder.replace("/", "\\"),
                     "--at", r"C:\bench\image")
        self.b.plume("vm", "create", "macro-image", "--image", "macro:1")
        # Fetches the files: what is measured is an image that is here.
        self.in_place("macro-image", self.macro, "opens", r"C:\bench\image\tree", str(TREE[0]), str(TREE[1]), "20000")
        self.b.plume("vm", "run", "macro-image", "--", self.macro, "files", r"C:\bench\image\list", str(of_image + of_machine),
                     str(of_vm))
        # After the VM's: Wine reads a whole folder for each new name in it.
        for i in range(of_image, of_image + of_machine):
            write(self.on_disk(f"image\\list\\entry{i}"), "")

    def prepare_project(self, text):
        folders = [rf"C:\bench\project\include{i}" for i in range(4)]
        for i in range(4):
            for j in range(80):
                name = f"header{j}.h" if i == 3 else f"other{i}_{j}.h"
                write(self.on_disk(f"project\\include{i}\\{name}"), f"// {name}\n" * 40)
        edges = []
        for i in range(SOURCES):
            names = [f"header{n}.h" for n in text.sample(range(80), HEADERS)]
            write(self.on_disk(f"project\\source{i}.c"), "\n".join(names))
            edges.append(rf"build source{i}.o: cc C$:\bench\project\source{i}.c" + "\n")
        write(self.on_disk("project\\build.ninja"),
              f"rule cc\n  command = {self.macro} compile $in $out {' '.join(folders)}\n" + "".join(edges))

    # --- the benchmarks --------------------------------------------------------------------------------------------------
    def unpack(self, vm):
        name = self.new_folder("out")
        taken = self.started(vm, SEVEN_ZIP, "x", "-bd", "-y", rf"-oC:\bench\{name}", r"C:\bench\work\archive.zip")
        found = [sum(len(files) for _, _, files in os.walk(path)) for path in [self.on_disk(name), *self.own_of_vms(name)]]
        if sum(found) != ARCHIVED or (vm == "macro") == (found[0] > 0):
            raise RuntimeError(f"unpacking in {vm or 'no VM'} made {found} files")
        self.forget(name)
        return taken

    def build(self, vm):
        name = self.new_folder("build")
        os.makedirs(self.on_disk(name))
        taken = self.started(vm, NINJA, "-j2", "-C", rf"C:\bench\{name}", "-f", r"C:\bench\project\build.ninja")
        made = [path for place in [self.on_disk(name), *self.own_of_vms(name)] for path in glob.glob(place + "/*.o")]
        if len(made) != SOURCES:
            raise RuntimeError(f"building in {vm or 'no VM'} made {len(made)} files")
        self.forget(name)
        return taken

    def opens(self, tree):
        count = 10000 if self.b.o.quick else 100000
        return lambda vm: self.in_place(vm, self.macro, "opens", tree(vm), str(TREE[0]), str(TREE[1]), str(count))

    # MySQL: a server in each place, on the same default pipe, and its client there.
    SERVER = [r"C:\mysql\mysqld.exe", "--no-defaults", r"--basedir=C:\mysql", "--innodb-use-native-aio=0",
              "--innodb-log-file-size=4M", "--innodb-buffer-pool-size=8M", "--innodb-flush-log-at-trx-commit=2", "--skip-networking",
              "--skip-name-resolve", "--log-error-verbosity=3", "--console"]

    def serve(self, vm, data, until, *more):
        """Starts the server and waits until it says `until`; None if it does not (on Wine it fails now and then)."""
        log = os.path.join(self.b.o.work, f"server-{data}.log")
        command = [*self.SERVER, rf"--datadir=C:\{data}", *more]
        into = [os.path.join(self.b.o.bin, "plume"), "vm", "run", vm, "--"] if vm else ["wine"]
        with open(log, "wb") as out:
            server = subprocess.Popen(self.b.pin + into + command, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                      env=self.b.environment)
        for _ in range(600):
            with open(log, errors="replace") as f:
                if until in f.read():
                    return server
            if server.poll() is not None:
                break
            time.sleep(0.2)
        server.kill()
        server.wait()
        return None

    def database(self):
        drive = os.path.join(self.b.o.prefix, "drive_c")
        self.b.progress("a database server's data")
        for _ in range(3):
            shutil.rmtree(os.path.join(drive, "data"), ignore_errors=True)
            made = self.serve(None, "data", "Removed temporary tablespace", "--initialize-insecure")
            if made:
                break
        else:
            raise RuntimeError("the database server did not make its data")
        made.kill()  # on Wine it hangs after it has shut down
        made.wait()
        shutil.copytree(os.path.join(drive, "data"), os.path.join(drive, "data-vm"))
        servers = [self.serve(None, "data", "ready for connections", "--enable-named-pipe"),
                   self.serve("macro", "data-vm", "ready for connections", "--enable-named-pipe")]
        try:
            if None in servers:
                raise RuntimeError("a database server did not start")
            rows = "2000" if self.b.o.quick else "10000"
            self.compare(f"MySQL loads {int(rows):,} rows", ("data, pipe: the VM's own", ), ("macro", ),
                         lambda vm: self.in_place(vm, r"C:\node\node.exe", r"C:\bench\load.js", rows), self.rounds + 1)
        finally:
            for server in servers:
                if server:
                    server.kill()
                    server.wait()
            self.b.plume("vm", "stop", "macro", check=False)

    def list_merged(self, vm):
        return self.in_place(vm, self.macro, "list", r"C:\bench\image\list" if vm else r"C:\bench\all", str(sum(LISTED)), "4")

    def measure(self):
        self.prepare()
        host, merged, own = "machine's folder, policy host", "machine's folder, merged", "the VM's own"
        self.compare(f"7-Zip unpacks {ARCHIVED:,} files", (f"archive: {merged}; files: {own}", host),
                     ("macro", "macro-host"), self.unpack, self.rounds * 2)
        self.compare(f"Ninja starts {SOURCES} compile-like programs", (f"sources: {merged}; outputs: {own}", host),
                     ("macro", "macro-host"), self.build, self.rounds * 2)
        machine = r"C:\bench\tree"
        name = "opens, a random mix: 10,000" if self.b.o.quick else "opens, a random mix: 100,000"
        in_image = self.opens(lambda vm: r"C:\bench\image\tree" if vm else machine)
        self.compare(name, (host, merged), ("macro-host", "macro"), self.opens(lambda vm: machine), 1)
        self.compare(name, ("an image's folder", ), ("macro-image", ), in_image, 1)
        self.compare(name, (own, ), ("macro", ), self.opens(lambda vm: r"C:\bench\own" if vm else machine), 1)
        self.compare(f"listing of {sum(LISTED):,} entries",
                     (f"{LISTED[0]:,} of an image, {LISTED[1]:,} of the machine, {LISTED[2]:,} of the VM", ),
                     ("macro-image", ), self.list_merged, 2)
        self.database()
