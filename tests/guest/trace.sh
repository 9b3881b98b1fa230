#!/bin/bash
# The trace of a VM: what a program did is in it, with layer, rule and status; live and later; after kill -9; bounded.
#
#   tests/guest/trace.sh [BIN]        BIN: folder of plume, plume.exe, plume-agent.exe, plume-vl64.dll (build/bin)
#   PLUME_WINEPREFIX                  the prefix to use (it is changed); default: a private one in TMPDIR
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
bin=${1:-$root/build/bin}
work=$(mktemp -d "${TMPDIR:-/tmp}/plume-trace.XXXXXX")
export PLUME_WINEPREFIX=${PLUME_WINEPREFIX:-$work/prefix}
export WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml=;winedbg.exe=d;winemenubuilder.exe=d'
export PLUME_HOME="$work/state"
plume=$bin/plume
passed=0
failed=0
trap '[ -z "${display:-}" ] || kill $display; "$plume" agent stop --force >/dev/null 2>&1 </dev/null; WINEPREFIX=$PLUME_WINEPREFIX wineserver -k; rm -rf "$work"' EXIT

# Windows need a display.
exec {number}<> <(:)
setsid Xvfb -displayfd "$number" -screen 0 640x480x24 -nolisten tcp >/dev/null 2>&1 </dev/null &
display=$!
read -r -t 20 DISPLAY <&"$number" && export DISPLAY=:$DISPLAY || exit 1
out=$work/out
err=$work/err
run() {
  timeout 300 "$plume" "$@" >"$out" 2>"$err" </dev/null
  code=$?
  sed -i 's/\r$//' "$out" "$err"
}
check() { # NAME CONDITION...
  local name=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
    echo "ok   $name"
  else
    failed=$((failed + 1))
    echo "FAIL $name (exit $code)"
    sed 's/^/     out: /' "$out" | head -8
    sed 's/^/     err: /' "$err" | head -5
  fi
}
is() { [ "$code" = "$1" ]; }
says() { grep -qE -- "$1" "$out"; }
gone() { ! says "$1"; }
lines() { wc -l <"$out"; }
refuses() { [ "$code" = 125 ] && [ "$(wc -l <"$err")" = 1 ] && grep -q '^plume: .*failed: ' "$err" && grep -qiF -- "$1" "$err"; }
# json EXPRESSION: of the array that was printed as `calls`.
json() { python3 -c "import json,sys; calls=json.load(open('$out')); sys.exit(0 if ($1) else 1)"; }
# Waits up to 30 s for a condition.
await() {
  for _ in $(seq 300); do
    "$@" && return 0
    sleep 0.1
  done
  return 1
}

run vm list
host=$PLUME_WINEPREFIX/drive_c
mkdir -p "$host/trace"
echo here >"$host/trace/here.txt"
head -c 20000 /dev/zero >"$host/trace/zeros.bin"
cp "$root/build/mingw64/bin/trace_guest.exe" "$host/trace/" || exit 1
guest='C:\trace\trace_guest.exe'

# --- nothing is recorded by itself ------------------------------------------------------------------------------
run vm create one
run vm trace one --show
check "bad: nothing was recorded yet" refuses "nothing was recorded yet"
run vm run one -- "$guest" touch 'C:\trace'
check "the guest program works" is 0
check "without a recording nothing is written" [ -z "$(find "$PLUME_HOME" -name '*.plt')" ]

# --- recorded from the start of the VM, shown later ---------------------------------------------------------------
run vm trace one --start
check "start" is 0
run vm trace one --start
check "bad: started twice" refuses "already"
run vm run one -- "$guest" touch 'C:\trace'
check "the recorded program works" is 0
read -r parent child <"$out"
run vm trace one --show --path 'c:\trace\HERE.txt'
check "an open of a host file: host, ok, its rule" says " NtOpenFile +host +ok +C:\\\\trace\\\\here.txt .*\[merge, sandbox: copied on write\]| NtCreateFile +host +ok +C:\\\\trace\\\\here.txt .*\[merge, sandbox"
check "process and program" says "^ +[0-9.]+ +$parent\.[0-9]+ +trace_guest.exe "
run vm trace one --show --path missing.txt --status failed
check "an open that failed" says ' host +name-not-found +C:\\trace\\missing.txt'
run vm trace one --show --path missing.txt --status ok
check "--status ok" [ "$(lines)" = 0 ]
run vm trace one --show --layer upper --path made.txt --call 'NtCreate*'
check "a new file is the upper layer's" says 'NtCreateFile +upper +ok +C:\\trace\\made.txt = .*\\upper\\C\\trace\\made.txt'
run vm trace one --show --path moved.txt
check "the rename" says 'NtSetInformationFile +upper +ok +C:\\trace\\made.txt -> C:\\trace\\moved.txt = .*upper\\C\\trace\\moved.txt'
check "the delete by handle" says 'NtCreateFile +upper +ok +C:\\trace\\moved.txt = '
run vm trace one --show --call NtQueryDirectoryFile
check "the listing" says 'NtQueryDirectoryFile +[a-z]+ +ok +C:\\trace '
run vm trace one --show --kind registry --path TraceGuest
check "a key" says 'NtCreateKey +upper +ok +HKCU\\Software\\TraceGuest = \\REGISTRY\\'
check "a value" says 'NtSetValueKey +upper +ok +HKCU\\Software\\TraceGuest\\\\Colour'
run vm trace one --show --kind process --process "$parent"
check "the start of the child" says "NtCreateUserProcess +host +ok +C:\\\\trace\\\\trace_guest.exe .* us$"
run vm trace one --show --json --path 'of the child'
check "the child's calls, as JSON" json "len(calls) > 0 and all(c['pid'] == $child and c['failed'] and c['space'] == 'file' for c in calls)"
run vm trace one --show --json
check "JSON: in order of time" json "len(calls) > 100 and all(a['time'] <= b['time'] for a, b in zip(calls, calls[1:]))"
check "JSON: every call has a name, a status and a layer" json "all(c['call'].startswith('Nt') and len(c['status']) == 8 and c['layer'] for c in calls)"
check "JSON: the new process's number" json "any(c['call'] == 'NtCreateUserProcess' and c['detail'] == $child for c in calls)"
check "JSON: the loader's DLLs are there" json "any(c['name'].lower().endswith('kernel32.dll') for c in calls)"
run vm trace one --show --process cmd.exe
check "--process" [ "$(lines)" = 0 ]
run vm trace one --show --summary
check "summary" says '^ +[0-9]+ +[0-9]+ +[0-9.]+  registry$'
run vm trace one --show --summary --json --kind file
check "summary as JSON" json "calls['calls'] > 50 and [k['name'] for k in calls['kinds']] == ['file'] and len(calls['processes']) == 2"
run vm discard one
check "discard while recording" is 0
run vm run one -- "$guest" beat 'C:\after the discard' 1 0
run vm trace one --show --path 'after the discard'
check "it goes on after a discard" says 'after the discard'
run vm trace one --stop
check "stop" is 0
run vm trace one --stop
check "bad: stopped twice" refuses "not being recorded"
run vm run one -- "$guest" beat 'C:\after the stop' 1 0
run vm trace one --show --path 'after the stop'
check "after --stop nothing is recorded" [ "$code" = 0 -a "$(lines)" = 0 ]

# --- an image's files --------------------------------------------------------------------------------------------
mkdir -p "$work/app"
cp "$host/trace/trace_guest.exe" "$host/trace/zeros.bin" "$work/app/"
run capture traced --version 1 --from-folder "$work/app" --at 'C:\Program Files\Traced' --entry trace_guest.exe
check "capture" is 0
run vm create streamed --image traced:1
run vm trace streamed --start --keep-first
check "start with --keep-first" is 0
run vm run streamed -- 'C:\Program Files\Traced\trace_guest.exe' beat 'C:\Program Files\Traced\zeros.bin' 1 0
check "the program of the image works" is 0
run vm trace streamed --show --json --layer image
check "image: files of the image, with its digest" json "[c for c in calls if c['name'] == 'C:\\\\Program Files\\\\Traced\\\\zeros.bin' and c['image'].startswith('sha256:') and 'images\\\\' + c['image'][7:] in c['real']]"
run vm trace streamed --stop

# --- every other space -------------------------------------------------------------------------------------------
cat >"$work/policy.toml" <<'TOML'
[objects]
'Local\TraceShared' = "host"
'Local\TraceDenied' = "deny"
[devices]
'\Device\Trace*' = "host"
[network]
mode = "list"
allow = ["192.0.2.99:1"]
TOML
run vm create spaces --policy "$work/policy.toml"
check "a VM with a policy" is 0
WINEPREFIX=$PLUME_WINEPREFIX wine "$host/trace/trace_guest.exe" hold 'C:\outside' >"$work/outside" 2>/dev/null </dev/null &
await grep -q holding "$work/outside"
outside=$(grep -oE '[0-9]+' "$work/outside" | head -1)
run vm trace spaces --start
run vm run spaces -- "$guest" spaces "$outside"
check "the program works: $(tr '\n' ' ' <"$out")" is 0
port=$(sed -n 's/^port //p' "$out")
run vm trace spaces --show --process trace_guest.exe
cp "$out" "$work/spaces"
row() { check "$1" grep -qE -- "$2" "$work/spaces"; }
row "object: the VM's own, with its real name" ' NtCreateEvent +upper +ok +.*TraceOwn = .*TraceOwn.* \[private, system: no rule names it\]'
row "object: shared, with the rule" ' NtCreateMutant +host +ok +.*TraceShared.* \[host, .*policy.toml:[0-9]+\]'
row "object: refused, with the rule" ' NtOpenEvent +none +access-denied +.*TraceDenied.* \[deny, .*policy.toml:[0-9]+\]'
row "object: section" ' NtCreateSection(Ex)? +upper +ok +.*TraceSection'
row "object: not there" ' NtOpenSemaphore +upper +name-not-found +.*TraceMissing'
row "object: a pipe is made" ' NtCreateNamedPipeFile +upper +ok +.*Pipe\\TracePipe = '
row "object: a pipe is opened" ' NtCreateFile +upper +ok +.*Pipe\\TracePipe = '
row "object: a mailslot" ' NtCreateMailslotFile +upper +ok +.*Mailslot\\TraceSlot = '
row "object: an atom" ' NtAddAtom(Ex)? +upper +ok +Atom\\TraceAtom'
row "device: refused" ' NtCreateFile +none +name-not-found +.*PhysicalDrive0 \[deny, '
row "device: open, with the rule" ' NtCreateFile +host +ok +\\\?\?\\NUL .*\[host, system: '
row "process: outside, refused" " NtOpenProcess +host +access-denied +process $outside \[deny, system: processes outside"
row "process: the VM's own" ' NtOpenProcess +upper +ok +process [0-9]+'
row "window: not there" ' NtUserFindWindowEx +none +name-not-found +TraceNoSuchClass'
row "window: found" ' NtUserFindWindowEx +upper +ok +STATIC titled Trace title'
row "clipboard: opened" ' NtUserOpenClipboard +upper +ok +clipboard \[private, policy: \[clipboard\]\]'
row "clipboard: text set" ' NtUserSetClipboardData +upper +ok +CF_UNICODETEXT'
row "clipboard: a format by name" ' NtUserSetClipboardData +upper +ok +TraceFormat'
row "clipboard: text read" ' NtUserGetClipboardData +upper +ok +CF_UNICODETEXT'
row "network: listening" ' NtDeviceIoControlFile +upper +ok +127.0.0.1:0 '
row "network: the own port" " NtDeviceIoControlFile +upper +(ok|pending) +127.0.0.1:$port.* \[private, the VM's own loopback\]"
row "network: refused" ' NtDeviceIoControlFile +none +c000023c +192.0.2.1:4711 .*\[deny, no rule of \[network\]'
row "process: the end of the program" ' NtTerminateProcess +none +ok +C:\\trace\\trace_guest.exe'
check "no call without a name that says nothing" [ "$(grep -cE ' NtClose | NtAllocateVirtualMemory ' "$work/spaces")" = 0 ]
run vm trace spaces --show --summary --json
check "the summary has every kind" json "{'file','registry','process','object','window','clipboard','device','network'} <= {k['name'] for k in calls['kinds']}"
run vm trace spaces --show --kind network --status failed
check "--kind network --status failed" [ "$(lines)" = 1 ]
run vm trace spaces --stop
run vm delete spaces
run vm delete streamed
check "a VM that was recorded is deleted" is 0

# --- live --------------------------------------------------------------------------------------------------------
timeout 120 "$plume" vm trace one -f --path beat >"$work/live" 2>"$work/live.err" </dev/null &
live=$!
await grep -q waiting "$work/live.err"
code=0
check "-f waits for the first program" grep -q "waiting for its first program" "$work/live.err"
timeout 120 "$plume" vm run one -- "$guest" beat 'C:\beat' 80 100 >/dev/null 2>&1 </dev/null &
beat=$!
seen() { [ "$(grep -c 'name-not-found C:.beat' "$work/live")" -ge 3 ]; }
await seen
check "-f prints while the program runs" kill -0 $beat
wait $beat
wait $live
code=$?
check "-f ends with the last program" is 0
check "-f printed every call" [ "$(grep -c 'name-not-found C:.beat' "$work/live")" = 80 ]
check "and says what it recorded" grep -q 'calls of 1 processes recorded' "$work/live.err"

# --- a VM that runs already; Ctrl-C ---------------------------------------------------------------------------------
timeout 120 "$plume" vm run one -- "$guest" beat 'C:\running' 400 100 >/dev/null 2>&1 </dev/null &
beat=$!
running() { run vm ps one && says trace_guest; }
await running
# A group of its own, for the interrupt to go to.
setsid "$plume" vm trace one -f --json >"$work/live" 2>"$work/live.err" </dev/null &
live=$!
await grep -q 'running' "$work/live"
check "a running program is recorded from then on" grep -q '"name":"C:\\\\running"' "$work/live"
kill -INT -- -$live
await eval "! kill -0 $live 2>/dev/null"
wait $live
code=$?
check "Ctrl-C ends -f" is 0
check "and the recording" grep -q 'recorded (plume vm trace one --show)' "$work/live.err"
python3 -c "import json; [json.loads(l) for l in open('$work/live')]"
code=$?
check "-f --json: an object on each line" is 0
run vm trace one --show --json
count=$(python3 -c "import json; print(len(json.load(open('$out'))))")
sleep 1
run vm trace one --show --json
check "the program runs on, unrecorded" json "len(calls) == $count"
run vm stop one
wait $beat

# --- kill -9 ---------------------------------------------------------------------------------------------------------
run vm trace one --start
timeout 120 "$plume" vm run one -- "$guest" hold 'C:\held' >"$work/held" 2>/dev/null </dev/null &
held=$!
await grep -q holding "$work/held"
# Of this prefix alone.
for p in /proc/[0-9]*; do
  grep -qaF "trace_guest.exe" "$p/cmdline" 2>/dev/null && grep -qaF "hold" "$p/cmdline" &&
    grep -qaF "WINEPREFIX=$PLUME_WINEPREFIX" "$p/environ" 2>/dev/null && victim=${p#/proc/}
done
kill -9 "$victim"
wait $held
run vm trace one --show --path 'C:\held'
check "the trace of a killed guest can be read" says 'name-not-found C:\\held'
run vm run one -- "$guest" beat 'C:\next' 1 0
run vm trace one --show --path 'C:\next'
check "and goes on with the next" says 'C:\\next'
run agent stop --force
run vm run one -- "$guest" beat 'C:\other agent' 1 0
run vm trace one --show --path 'C:\other agent'
check "also under another agent" says 'other agent'
run vm trace one --stop

# --- bounded --------------------------------------------------------------------------------------------------------
size() { find "$PLUME_HOME" -path '*/trace/*' -printf '%s\n' | sort -n | tail -1; }
run vm trace one --start --size 2
run vm run one -- "$guest" flood 40000
check "a flood runs" is 0
check "the file is no larger than was said" [ "$(size)" -le 2097152 ]
run vm trace one --show --path flood-
check "the newest calls are kept" says 'flood-39999'
check "the oldest are not" gone 'flood-0 '
check "one line says so" grep -q 'oldest calls were overwritten' "$err"
run vm trace one --stop
run vm trace one --start --size 2 --keep-first
run vm run one -- "$guest" flood 40000
run vm trace one --show --path flood-
check "--keep-first: the oldest are kept" says 'flood-0 '
check "--keep-first: the newest are not" gone 'flood-39999'
check "one line says how many" grep -qE '[0-9]+ calls were not recorded' "$err"
run vm trace one --stop
run vm trace one --start
run vm run one -- "$guest" threads 500
run vm trace one --show --path flood- --json
check "eight threads: every call once" json "len(calls) == 4000 == len({c['name'] for c in calls})"
run vm trace one --stop
check "one recording is kept" [ "$(find "$PLUME_HOME"/vms -name '*.plt' | wc -l)" = 1 ]

# --- a VM of --rm ---------------------------------------------------------------------------------------------------
run vm create gone
timeout 120 "$plume" vm trace gone -f --path 'of the child' >"$work/live" 2>"$work/live.err" </dev/null &
live=$!
await grep -q waiting "$work/live.err"
run vm run gone --rm -- "$guest" touch 'C:\trace'
wait $live
code=$?
check "--rm: the end of the VM ends -f" is 0
check "--rm: nothing was lost" grep -q 'of the child' "$work/live"

# --- bad input: one line, exit 125 -----------------------------------------------------------------------------------
run vm trace
check "bad: no name" refuses "NAME"
run vm trace nosuchvm -f
check "bad: unknown VM" refuses "none of this name"
run vm trace one --show --kind disk
check "bad: kind" refuses "no kind 'disk'"
run vm trace one --show --layer top
check "bad: layer" refuses "no layer 'top'"
run vm trace one --show --status broken
check "bad: status" refuses "'broken' is no status"
run vm trace one --show -f
check "bad: two actions" refuses "only one"
run vm trace one --path x
check "bad: a choice of nothing" refuses "what to print"
run vm trace one --start --json
check "bad: --start prints nothing" refuses "print nothing"
run vm trace one --start --size 0
check "bad: size" refuses "1 to 1024 MB"
run vm trace one --start --size much
check "bad: size is no number" refuses "much"
printf 'no trace at all' >"$(find "$PLUME_HOME"/vms -name '*.plt' | head -1)"
run vm trace one --show
check "a damaged file is complained of, or taken for none" refuses "failed"
run vm trace --help
check "help has an example" says 'plume vm trace test --show --path'

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
