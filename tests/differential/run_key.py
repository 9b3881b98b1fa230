#!/usr/bin/env python3
"""Registry differential test: the same seeded sequences bare and in a VM.

  run_key.py --bin FOLDER [--native FOLDER] [--count 1000] [--seed 1] [--source host|image|mixed|all] [--jobs 2]
  run_key.py --bin FOLDER [--native FOLDER] --seeds FILE

For every batch: the host key is populated, dumped with its last-write times, the sequences run in a fresh VM, the host
key is dumped again (it must not have changed), then the sequences run bare on an equal tree. Transcripts must be
equal, except that a notification may have fired in the VM without a change (lines with "~"). On a difference the
shortest failing sequence is found by leaving operations out. Needs WINEPREFIX with a running wineserver on Linux.
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import tempfile

WINE = os.environ.get('WINE', 'wine')
ROOT = '\\Registry\\Machine\\Software\\PlumeDiff'


def windows_path(path):
    return 'Z:' + os.path.abspath(path).replace('/', '\\') if os.name != 'nt' else os.path.abspath(path)


class Runner:
    def __init__(self, options, name, source):
        self.bin, self.native, self.source = options.bin, options.native, source
        self.timeout = options.timeout
        self.root = f'{ROOT}{os.getpid()}{name}'
        self.folder = tempfile.mkdtemp(prefix='plume-key-')

    def close(self):
        shutil.rmtree(self.folder, ignore_errors=True)

    def program(self, name, *arguments):
        command = ([] if os.name == 'nt' else [WINE]) + [os.path.join(self.bin, name)] + [str(a) for a in arguments]
        environment = dict(os.environ, WINEDEBUG=os.environ.get('WINEDEBUG', '-all'))
        # Background processes keep inherited pipes open, so output goes to a file.
        with tempfile.TemporaryFile() as log:
            try:
                code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment,
                                      timeout=self.timeout).returncode
            except subprocess.TimeoutExpired:
                code = -1
            log.seek(0)
            return code, log.read().decode(errors='replace')

    def ops(self, verb, *arguments):
        out = os.path.join(self.folder, 'out')
        if os.path.exists(out):
            os.remove(out)
        code, log = self.program('key_ops.exe', verb, '--root', self.root, '--out', windows_path(out), *arguments)
        if code != 0:
            raise RuntimeError(f'key_ops {verb} failed ({code}): {log}')
        return open(out, encoding='ascii').read() if os.path.exists(out) else ''

    def populate(self, seed, count, layer):
        self.ops('populate', '--seed', seed, '--count', count, '--source', self.source, '--layer', layer)

    def in_vm(self, arguments):
        vm = os.path.join(self.folder, 'vm')
        shutil.rmtree(vm, ignore_errors=True)
        out = os.path.join(self.folder, 'vm-out')
        if os.path.exists(out):
            os.remove(out)
        options = ['--dir', windows_path(vm)]
        if self.source != 'host':
            options += ['--catalog', windows_path(os.path.join(self.folder, 'image.plc'))]
        code, log = self.program('plume-vmrun.exe', *options, '--', windows_path(os.path.join(self.bin, 'key_ops.exe')),
                                 'ops', '--root', self.root, '--out', windows_path(out), *arguments)
        # A layer with file calls keeps what its guest writes in the VM.
        written = os.path.join(vm, 'upper', 'Z') + out
        if os.path.exists(written):
            os.replace(written, out)
        self.forget(vm)
        if code != 0 or not os.path.exists(out):
            return f'the guest ended with {code}: {log}\n'
        return open(out, encoding='ascii').read()

    def forget(self, vm):
        """Removes the VM's keys: plume-vmrun names them in its view."""
        view = os.path.join(vm, 'view.plv')
        if not os.path.exists(view):
            return
        text = open(view, 'rb').read().decode('utf-16-le', errors='ignore')
        shifted = open(view, 'rb').read()[1:].decode('utf-16-le', errors='ignore')
        for key in set(re.findall(r'\\REGISTRY\\USER\\[-S0-9]+\\Software\\Plume\\dev\\[0-9a-f]+i?', text + shifted)):
            self.program('key_ops.exe', 'remove', '--root', key)

    def compare(self, seed, count, ops, drop=()):
        """[(seed, line in the VM, line bare)], or raises if the host was changed."""
        arguments = ['--seed', seed, '--count', count, '--ops', ops]
        if drop:
            arguments += ['--drop', ','.join(map(str, sorted(drop)))]
        self.program('key_ops.exe', 'remove', '--root', self.root)
        if self.source != 'host':
            builder = os.path.join(self.native, 'key_catalog')
            subprocess.run([builder, '--root', self.root, '--seed', str(seed), '--count', str(count), '--source', self.source,
                            '--out', os.path.join(self.folder, 'image.plc')], check=True)
        if self.source != 'image':
            self.populate(seed, count, 'host')
        before = self.ops('dump')
        guest = self.in_vm(arguments)
        after = self.ops('dump')
        if before != after:
            changed = next(((a, b) for a, b in zip(before.split('\n'), after.split('\n')) if a != b), ('length', 'length'))
            return [(seed, 'the host was changed: ' + changed[1], changed[0])]
        self.program('key_ops.exe', 'remove', '--root', self.root)
        self.populate(seed, count, 'all')
        bare = self.ops('ops', *arguments)
        self.program('key_ops.exe', 'remove', '--root', self.root)
        return differences(guest, bare)


def differences(guest, bare):
    found = []
    split = lambda text: dict((int(p.split('\n', 1)[0]), p.split('\n')[1:]) for p in re.split(r'^== ', text, flags=re.M)[1:])
    guests, bares = split(guest), split(bare)
    if not guests:
        return [(min(bares), guest.strip(), '')]
    for seed, lines in bares.items():
        other = guests.get(seed, [])
        for number in range(max(len(lines), len(other))):
            b = lines[number] if number < len(lines) else '(end)'
            g = other[number] if number < len(other) else '(end)'
            if b == g or (' ~ ' in b and b.endswith('not set') and g == b[:-len('not set')] + 'set'):
                continue
            found.append((seed, g, b))
            break
    return found


def shrink(runner, seed, ops):
    kept = list(range(ops))
    failing = lambda keep: bool(runner.compare(seed, 1, ops, set(range(ops)) - set(keep)))
    if not failing(kept):
        return None
    size = len(kept) // 2
    while size >= 1:
        at = 0
        while at < len(kept):
            candidate = kept[:at] + kept[at + size:]
            if failing(candidate):
                kept = candidate
            else:
                at += size
        size //= 2
    return kept


def batch(options, source, first, count):
    runner = Runner(options, f'{source}{first}', source)
    try:
        found = runner.compare(first, count, options.ops)
        report = []
        for seed, guest, bare in found[:3]:
            report.append(f'seed {seed} source {source}:\n  bare: {bare}\n  VM:   {guest}')
            if options.shrink:
                kept = shrink(runner, seed, options.ops)
                if kept is None:
                    report.append('  does not fail alone')
                else:
                    drop = ','.join(str(i) for i in range(options.ops) if i not in kept)
                    report.append(f'  shortest: operations {kept}; key_ops ops --seed {seed} --ops {options.ops} --drop {drop}')
                    last = runner.compare(seed, 1, options.ops, set(range(options.ops)) - set(kept))
                    report += [f'    bare: {b}\n    VM:   {g}' for _, g, b in last]
        if len(found) > 3:
            report.append(f'  and {len(found) - 3} more seeds of this batch')
        return len(found), '\n'.join(report)
    except (RuntimeError, subprocess.CalledProcessError) as error:
        return count, f'batch {source} {first}: {error}'
    finally:
        runner.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--bin', required=True, help='folder of the Windows programs')
    parser.add_argument('--native', help='folder of key_catalog (image and mixed sources)')
    parser.add_argument('--count', type=int, default=1000)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--seeds', help='a file of "SEED SOURCE" lines: these sequences alone, instead of a range')
    parser.add_argument('--ops', type=int, default=50)
    parser.add_argument('--batch', type=int, default=100)
    parser.add_argument('--jobs', type=int, default=2)
    parser.add_argument('--source', default='all', choices=['host', 'image', 'mixed', 'all'])
    parser.add_argument('--timeout', type=int, default=900, help='seconds for one program')
    parser.add_argument('--no-shrink', dest='shrink', action='store_false')
    options = parser.parse_args()
    sources = ['host', 'image', 'mixed'] if options.source == 'all' else [options.source]
    if not options.native:
        sources = [s for s in sources if s == 'host']
    work = []
    for i, first in enumerate(range(options.seed, options.seed + options.count, options.batch)):
        work.append((sources[i % len(sources)], first, min(options.batch, options.seed + options.count - first)))
    if options.seeds:
        with open(options.seeds, encoding='ascii') as f:
            pairs = [line.split()[:2] for line in f if line.strip() and not line.startswith('#')]
        work = [(source, int(seed), 1) for seed, source in pairs if source in sources]
        options.count = len(work)
    failures = 0
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        done = 0
        for (_, _, size), (count, report) in zip(work, pool.map(lambda w: batch(options, *w), work)):
            failures += count
            done += size
            if report:
                print(report, flush=True)
            if done % 1000 == 0 and done != options.count:
                print(f'{done} done', flush=True)
    print(f'{options.count} sequences of {options.ops} operations ({", ".join(sources)}): {failures} differ')
    return 1 if failures else 0


if __name__ == '__main__':
    sys.exit(main())
