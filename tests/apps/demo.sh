#!/bin/bash
# What Plume does, shown on real programs: one line a step, with times and bytes, each step checked. Two machines, each
# with its own disk, registry and processes (Wine prefixes): an administrator's and a client's; a plume-server between
# them. Exit code 0 only if every check passed. A picture of a streamed window is left in build/demo.
set -u
source "$(dirname "$0")/lib.sh"
mkdir -p build/demo
picture=$top/build/demo/streamed-window.png
rm -f "$picture"

bytes() { du -sB1 "$@" 2>/dev/null | awk '{ s += $1 } END { if (s >= 1048576) printf "%.1f MB", s / 1048576; else printf "%.0f KB", s / 1024 }'; }
step_start() { started=$(now_ms); }
step() {  # step RESULT-CODE TEXT...: one line, with the time since step_start
  local code=$1 took=$(($(now_ms) - started)); shift
  if [ "$code" = 0 ]; then passed=$((passed + 1)); printf ' ok  %7d ms  %s\n' "$took" "$*"
  else failed=$((failed + 1)); printf 'FAIL %7d ms  %s\n' "$took" "$*"; tail -qn 4 "$work/out" "$work/err" 2>/dev/null | sed 's/^/     | /'; fi
  step_start
}
quietly() { "$@" >"$work/out" 2>"$work/err"; }
said() { tr -d '\r' <"$work/out" | grep -v '^$' | head -"${1:-1}"; }
cache() { bytes "$client/drive_c/users/root/AppData/Local/Plume"; }
section() { printf '\n%s\n' "$*"; step_start; }

echo "Plume: Windows programs streamed from a server to a client that never installs them"
section "The machines"
start_display
start_plume_server server
step 0 "plume-server runs on ${server#http://}"
new_prefix demo-admin admin
new_prefix demo-client client
mkdir -p "$client/drive_c/work"
step 0 "two machines are up: the administrator's and the client's, $(bytes "$client/drive_c/windows") of Windows each"

section "The administrator captures real applications"
make_7zip_setup "$work/setup.exe" first
step 0 "an NSIS installer around 7-Zip 15.05: setup.exe, $(bytes "$work/setup.exe")"
quietly plume_in "$admin" capture 7zip --version 15.05 -- "$(win "$work/setup.exe")" /S
step $? "$(said)"
test ! -e "$admin/drive_c/Program Files/7-Zip"
step $? "the installer ran in a VM: this machine has no C:\\Program Files\\7-Zip"
make_cmake_folder "$work/cmake"
quietly plume_in "$admin" capture cmake --version 4.0.2 --from-folder "$(win "$work/cmake")" --at 'C:\Program Files\CMake' --entry cmake.exe
step $? "$(said)"
make_nssm_msi "$work/nssm.msi"
step 0 "an MSI around NSSM 2.24: nssm.msi, $(bytes "$work/nssm.msi")"
quietly plume_in "$admin" capture nssm --version 2.24 -- msiexec /i "$(win "$work/nssm.msi")" /qn
step $? "$(said)"

section "and publishes them, signed"
quietly plume_in "$admin" keys generate "$(win "$work/keys")"
step $? "$(said | cut -d: -f1): key.pem stays with the administrator, key.pub goes to the clients"
for app in 7zip:15.05 cmake:4.0.2 nssm:2.24; do
  quietly plume_in "$admin" publish "$app" "$server/apps/${app%%:*}" --tag stable --key "$work/keys/key.pem"
  step $? "$app published; the server holds $(bytes "$work/server")"
done

section "The client subscribes"
! quietly plume_in "$client" add "$server/apps/7zip:stable" && grep -q 'no trusted key signed it' "$work/err"
step $? "a signer it does not know is refused"
quietly plume_in "$client" trust add "$work/keys/key.pub" --for "$server/apps"
step $? "$(said)"
for app in 7zip cmake nssm; do
  quietly plume_in "$client" add "$server/apps/$app:stable"
  step $? "$app: the client holds $(cache) so far"
done

section "and starts them: files come when they are opened"
cp -a /usr/share/common-licenses "$client/drive_c/work/texts"
find "$client/drive_c/work/texts" -type l -delete
texts=$(bytes "$client/drive_c/work/texts")
step_start
quietly plume_in "$client" run 7zip --cwd 'C:\work' -- a texts.7z texts
step $? "cold start: 7-Zip packs $texts into $(bytes "$client/drive_c/work/texts.7z"); the client holds $(cache)"
quietly plume_in "$client" run 7zip --cwd 'C:\work' -- t texts.7z
grep -q 'Everything is Ok' "$work/out"
step $? "warm start: 7-Zip tests the archive: $(grep -o 'Everything is Ok' "$work/out")"
7z_local() { python3 - "$client/drive_c/work" <<'PY'
import filecmp, os, sys
a, b = os.path.join(sys.argv[1], "texts"), os.path.join(sys.argv[1], "back", "texts")
names = sorted(os.listdir(a))
sys.exit(0 if names and filecmp.cmpfiles(a, b, names, shallow=False)[0] == names else 1)
PY
}
quietly plume_in "$client" run 7zip --cwd 'C:\work' -- x -oback texts.7z && 7z_local
step $? "and unpacks it: every file is what it was"
make_cmake_project "$client/drive_c/work/project"
step_start
quietly plume_in "$client" run cmake --cwd 'C:\work' -- -G Ninja -S project -B build '-DCMAKE_MAKE_PROGRAM=C:/Program Files/CMake/bin/ninja.exe'
step $? "CMake configures a project: $(said 9 | tail -1)"
quietly plume_in "$client" run cmake --cwd 'C:\work' -- --build build
test -s "$client/drive_c/work/build/all.sum"
step $? "CMake and Ninja build it: $(grep -o '\[[0-9]*/[0-9]*\]' "$work/out" | tail -1) steps, each a process; $(wc -l <"$client/drive_c/work/build/all.sum") sums made"
diff <(cd "$client/drive_c/work/project/src" && sha256sum part*.txt | awk '{print $1}' | sort) \
  <(awk '{print $1}' "$client/drive_c/work/build/all.sum" | sort) >"$work/out" 2>&1
step $? "the sums are right: $(head -c 16 "$client/drive_c/work/build/all.sum")..."

section "A streamed window"
plume_in "$client" run nssm -- install >"$work/gui.log" 2>&1 &
gui=$!
id=$(wait_window 'NSSM service installer')
step $? "NSSM's window is on the screen: $(timeout 10 xdotool getwindowgeometry "$id" 2>/dev/null | grep -o '[0-9]*x[0-9]*$')"
sleep 1
[ -n "$id" ] && timeout 20 import -window "$id" "$picture" && [ -s "$picture" ]
step $? "picture taken: ${picture#"$top"/}, $(bytes "$picture")"
quietly plume_in "$client" vm stop nssm
step $? "its VM stopped"
wait "$gui" 2>/dev/null

section "Nothing was installed on the client"
test ! -e "$client/drive_c/Program Files/7-Zip" -a ! -e "$client/drive_c/Program Files/CMake" -a ! -e "$client/drive_c/Program Files/NSSM"
step $? "disk: C:\\Program Files holds $(ls "$client/drive_c/Program Files" | tr '\n' ',' | sed 's/,$//; s/,/, /g')"
quietly bare "$client" reg query 'HKLM\Software'
grep -q Microsoft "$work/out" && ! grep -qiE '7-zip|nssm' "$work/out"
step $? "registry: HKLM\\Software holds $(tr -d '\r' <"$work/out" | grep -o '[^\\]*$' | grep -v '^$' | tr '\n' ',' | sed 's/,$//; s/,/, /g')"

section "A change of settings stays in the VM"
printf 'changed by the user\r\n' >"$client/drive_c/work/readme.txt"
quietly plume_in "$client" vm run 7zip -- reg add 'HKLM\Software\7-Zip\Options' /v Edition /d 'my own' /f
step $? "reg.exe in the VM sets HKLM\\Software\\7-Zip\\Options"
quietly plume_in "$client" vm run 7zip -- cmd /c copy /y 'C:\work\readme.txt' 'C:\Program Files\7-Zip\readme.txt'
step $? "cmd.exe in the VM replaces C:\\Program Files\\7-Zip\\readme.txt"
quietly plume_in "$client" vm diff 7zip
code=$?; tr -d '\r' <"$work/out" >"$work/diff"
[ $code = 0 ] && grep -qi 'readme.txt' "$work/diff" && grep -qi '7-Zip.Options' "$work/diff"
step $? "plume vm diff 7zip:"
grep -iE 'readme.txt|Options' "$work/diff" | head -5 | sed 's/^/                  /'
! bare "$client" reg query 'HKLM\Software\7-Zip' >/dev/null 2>&1 && test ! -e "$client/drive_c/Program Files/7-Zip"
step $? "the client itself has neither"

section "The server goes away"
kill "$server_pid"; wait "$server_pid" 2>/dev/null
! curl -s -o /dev/null --max-time 2 "$server/v2/"
step $? "plume-server stopped"
quietly plume_in "$client" run 7zip --cwd 'C:\work' -- t texts.7z
grep -q 'Everything is Ok' "$work/out"
step $? "7-Zip still runs: $(grep -o 'Everything is Ok' "$work/out")"
quietly plume_in "$client" run cmake --cwd 'C:\work' -- --build build
step $? "CMake still runs: $(said)"

section "A new version, while the old one runs"
setsid plume-server serve --root "$work/server" --listen "${server#http://}" >>"$work/server.log" 2>&1 </dev/null &
server_pid=$!; pids+=("$server_pid")
wait_http "$server/v2/"
step $? "plume-server is back"
mkfifo "$work/pipe"
PLUME_WINEPREFIX=$client timeout 300 plume run 7zip --vm working --cwd 'C:\work' -- a -siinput.txt live.7z <"$work/pipe" >"$work/old.log" 2>&1 &
old=$!
exec 8>"$work/pipe"
echo "first half" >&8
for i in $(seq 50); do quietly plume_in "$client" vm ps working && grep -qi 7z.exe "$work/out" && break; sleep 0.3; done
grep -qi 7z.exe "$work/out"
step $? "version 15.05 is running, reading a pipe"
make_7zip_setup "$work/setup2.exe" second
step_start
quietly plume_in "$admin" capture 7zip --version 15.06 -- "$(win "$work/setup2.exe")" /S
step $? "$(said)"
before=$(du -sb "$work/server" | cut -f1)
quietly plume_in "$admin" publish 7zip:15.06 "$server/apps/7zip" --tag stable --key "$work/keys/key.pem"
step $? "7zip:15.06 published: $(($(du -sb "$work/server" | cut -f1) - before)) bytes more on the server"
edition() { plume_in "$client" vm run "$1" -- cmd /c type 'C:\Program Files\7-Zip\edition.txt' 2>"$work/err" | tr -d '\r'; }
edition working >"$work/out"; grep -q 'edition first' "$work/out"
step $? "the running VM keeps what it started with: '$(said)'"
echo "second half" >&8
exec 8>&-
wait "$old"; code=$?
[ $code = 0 ] && [ -s "$client/drive_c/work/live.7z" ]
step $? "the old version ended its work undisturbed: live.7z, $(bytes "$client/drive_c/work/live.7z")"
quietly plume_in "$client" run 7zip --vm fresh --cwd 'C:\work' -- t live.7z
step $? "the next start looks for a new version"
edition fresh >"$work/out"; grep -q 'edition second' "$work/out"
step $? "and has it: '$(said)'"

section "The end"
trap - EXIT
for p in "${prefixes[@]}"; do PLUME_WINEPREFIX=$p timeout 60 plume agent stop >/dev/null 2>&1 </dev/null; tools/prefix.sh remove "$p"; done
for p in "${pids[@]}"; do kill "$p" 2>/dev/null; wait "$p" 2>/dev/null; done
left=""
for p in "${pids[@]}"; do kill -0 "$p" 2>/dev/null && left="$left $p"; done
for p in "${prefixes[@]}"; do [ -e "$p" ] && left="$left $p"; done
rm -rf "$work"
[ -z "$left" ]
step $? "everything is stopped; the client's disk is gone, the picture is ${picture#"$top"/}"
echo
finish
