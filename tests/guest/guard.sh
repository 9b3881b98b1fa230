#!/bin/bash
# Processes and devices: what a guest can do to others and to the machine. guard_guest.exe runs bare (where everything must
# work, or the test proves nothing) and in VMs.
#   tests/guest/guard.sh [BIN]     BIN: folder of plume, plume.exe, plume-agent.exe, plume-vl64.dll (build/bin)
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
bin=${1:-$PWD/build/bin}
guests=${PLUME_BIN:-$PWD/build/mingw64/bin}
prefix=$(tools/prefix.sh clone "guest-guard-$$") || exit 1
work=$(mktemp -d "${TMPDIR:-/tmp}/plume-guard.XXXXXX")
export WINEPREFIX=$prefix PLUME_WINEPREFIX=$prefix PLUME_HOME=$work/state
export WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml=;winedbg.exe=d;winemenubuilder.exe=d'
plume=$bin/plume
trap '"$plume" agent stop --force >/dev/null 2>&1 </dev/null; tools/prefix.sh remove "$prefix"; rm -rf "$work"' EXIT
wineserver -p600 </dev/null >/dev/null 2>&1
mkdir -p "$prefix/drive_c/t"
cp "$guests/guard_guest.exe" "$prefix/drive_c/t/"
exe='C:\t\guard_guest.exe'
source tests/guest/lib_machine.sh
machine_before || exit 1

passed=0 failed=0
check() {  # check NAME COMMAND...
  local name=$1; shift
  if "$@"; then
    passed=$((passed + 1)); echo "ok   $name"
  else
    failed=$((failed + 1)); echo "FAIL $name"; sed 's/^/     | /' "$work/out" | head -25
  fi
}
bare() { timeout 60 wine "$exe" "$@" </dev/null 2>"$work/err" | tr -d '\r' >"$work/out"; }
vm() { local name=$1; shift; timeout 60 "$plume" vm run "$name" -- "$exe" "$@" </dev/null 2>"$work/err" | tr -d '\r' >"$work/out"; }
# Everything that was tried but the given names came out as in the first word: "ok" or "refused".
outcome() {
  local want=$1 except=" ${*:2} " name result good=1
  [ -s "$work/out" ] || return 1
  while read -r name result; do
    [[ $except == *" $name "* ]] && continue
    case $want in
      ok) [ "$result" = ok ] || [ "$result" = 00000000 ] || good= ;;
      *) [ "$result" != ok ] && [ "$result" != 00000000 ] || good= ;;
    esac
  done <"$work/out"
  [ -n "$good" ]
}
says() { grep -qx -- "$1" "$work/out"; }
line() { sed -n "$1p" "$work/out"; }

# start VARIABLE COMMAND...: a program beside the test, its input open at a descriptor of its own. Sets VARIABLE_pid (its
# own id, the first word it says), VARIABLE_in and VARIABLE_out.
start() {
  local name=$1 fd; shift
  mkfifo "$work/$name.in"
  "$@" <"$work/$name.in" >"$work/$name.out" 2>/dev/null &
  exec {fd}>"$work/$name.in"
  printf -v "${name}_in" %s "$fd"
  local i first
  for i in $(seq 150); do
    first=$(tr -d '\r' <"$work/$name.out" | awk 'NR == 1 && /^[0-9a-f]+$/ { print }')
    [ -n "$first" ] && break
    sleep 0.1
  done
  printf -v "${name}_pid" %s "$first"
  [ -n "$first" ]
}
finish() { local fd=${1}_in; (printf . >&"${!fd}") 2>/dev/null; eval "exec ${!fd}>&-"; }
said() {  # said NAME TEXT: the program has said TEXT, at once or in the next seconds
  local i
  for i in $(seq 50); do tr -d '\r' <"$work/$1.out" | grep -qx -- "$2" && return 0; sleep 0.1; done
  return 1
}
printf '%s\n' '[processes]' 'show = "all"' >"$work/all.toml"
printf '%s\n' '[devices]' "'PhysicalDrive0' = \"host\"" "'\\Device\\MountPointManager*' = \"host\"" "'\\??\\unix\\*' = \"host\"" >"$work/devices.toml"
"$plume" vm create one </dev/null >/dev/null && "$plume" vm create two </dev/null >/dev/null || exit 1
"$plume" vm create all --policy "$work/all.toml" </dev/null >/dev/null || exit 1
"$plume" vm create open --policy "$work/devices.toml" </dev/null >/dev/null || exit 1

# --- opening -----------------------------------------------------------------------------------------------------
start outside wine "$exe" victim
start inside "$plume" vm run one -- "$exe" victim
bare open "$outside_pid"; check "outside any VM a process opens another with every right" outcome ok
vm one open "$outside_pid"; check "a guest opens an outside process for nothing but asking and waiting" outcome refused query-limited synchronize
check "... which it may" eval 'says "query-limited ok" && says "synchronize ok"'
vm one open "$inside_pid"; check "a guest opens another of its VM with every right" outcome ok
vm two open "$inside_pid"; check "a guest opens no guest of another VM" outcome refused query-limited synchronize
bare open "$inside_pid"; check "the machine opens its guests" outcome ok
vm all open "$outside_pid"; check "show = \"all\" opens nothing" outcome refused query-limited synchronize

# --- lists -------------------------------------------------------------------------------------------------------
sees() {  # sees ID: every way of asking lists it
  local way
  for way in toolhelp psapi information extended; do
    grep -q "^$way .*\b$1\b" "$work/out" || return 1
  done
}
sees_not() { ! grep -qw -- "$1" "$work/out"; }
count() { awk '/^toolhelp/ { print NF - 1 }' "$work/out"; }
bare list; check "outside any VM the lists show everybody" eval 'sees "$outside_pid" && sees "$inside_pid"'
vm one list; check "a VM's lists show its processes" sees "$inside_pid"
check "... and no others" eval 'sees_not "$outside_pid" && [ "$(count)" = 2 ]'
vm two list; check "nor those of another VM" eval 'sees_not "$outside_pid" && sees_not "$inside_pid" && [ "$(count)" = 1 ]'
vm all list; check "show = \"all\" shows everybody" eval 'sees "$outside_pid" && sees "$inside_pid"'

# --- handles that somebody gave ----------------------------------------------------------------------------------------
start taker wine "$exe" given
start giver wine "$exe" give "$taker_pid"
echo "$giver_pid" >&"$taker_in"; finish taker; wait "$!" 2>/dev/null
sleep 1; tr -d '\r' <"$work/taker.out" | tail -n +2 >"$work/out"
check "outside any VM a handle that was given works" outcome ok
finish giver
rm -f "$work"/taker.* "$work"/giver.*
start taker "$plume" vm run one -- "$exe" given
start giver wine "$exe" give "$taker_pid"
echo "$giver_pid" >&"$taker_in"; finish taker; said taker "terminate .*"
tr -d '\r' <"$work/taker.out" | tail -n +2 >"$work/out"
check "a handle of an outside process that somebody gave does nothing" outcome refused
finish giver; check "... and its process lives" said giver alive

# --- leaving -----------------------------------------------------------------------------------------------------
members() { "$plume" vm ps "$1" --json </dev/null | tr -d '\r' >"$work/ps"; grep -c '"pid"' "$work/ps"; }
member() { "$plume" vm ps "$1" --json </dev/null | tr -d '\r' >"$work/ps"; grep -q "\"pid\": $2\b" "$work/ps"; }
child_of() { tr -d '\r' <"$work/$1.out" | awk '$1 == "child" && $2 ~ /^[0-9]+$/ { print $2 }'; }
wait_child() { local i; for i in $(seq 50); do [ -n "$(child_of "$1")" ] && return 0; sleep 0.1; done; return 1; }
mkfifo "$work/b.in"; "$plume" vm run two -- "$exe" breakaway <"$work/b.in" >"$work/b.out" 2>/dev/null & exec {b}>"$work/b.in"
wait_child b; cp "$work/b.out" "$work/out"
check "a child that asks to leave the job is started" grep -q "^start ok" "$work/b.out"
check "... and stays in the VM" member two "$(child_of b)"
exec {b}>&-
mkfifo "$work/n.in"; "$plume" vm run two -- "$exe" nested <"$work/n.in" >"$work/n.out" 2>/dev/null & exec {n}>"$work/n.in"
wait_child n; said n "child is outside its parent's job"; cp "$work/n.out" "$work/out"
check "a child leaves a guest's own job that allows it" said n "child is outside its parent's job"
check "... and stays in the VM" member two "$(child_of n)"
exec {n}>&-
bare parent "$outside_pid"; check "outside any VM another process can be made the parent" outcome ok
vm one parent "$outside_pid"; check "a guest makes no outside process the parent of its child" outcome refused
vm one parent "$inside_pid"; check "a guest makes another guest the parent" outcome ok
printf '#!/bin/sh\ntouch %s/escaped\n' "$work" >"$work/escape.sh"; chmod +x "$work/escape.sh"
script="Z:${work//\//\\}\\escape.sh"
bare run "$script"; sleep 0.5; check "outside any VM Wine runs a program of the Unix system" [ -e "$work/escaped" ]
rm -f "$work/escaped"
vm one run "$script"; sleep 0.5; check "a guest runs no program of the Unix system" [ ! -e "$work/escaped" ]
vm one run "\\\\?\\unix${work//\//\\}\\escape.sh"; sleep 0.5; check "... nor by its Unix name" [ ! -e "$work/escaped" ]
# start.exe /unix asks ntdll itself.
timeout 60 "$plume" vm run one -- start /unix "$work/escape.sh" </dev/null >/dev/null 2>&1; sleep 0.5
check "... nor with start /unix" [ ! -e "$work/escaped" ]

# --- the layer itself --------------------------------------------------------------------------------------------------
guest_log() { cat "$work"/state/vms/*/w*/guest.log 2>/dev/null; }
before=$(guest_log | grep -c "hooks are")
vm one unhook; check "a guest may change ntdll's code" outcome ok
guest_log >"$work/out"
check "... but that is noticed: made writable" [ "$(grep -c "hooks are made writable.*guard_guest.exe" "$work/out")" -ge 1 ]
check "... and written to" grep -q "hooks are written to.*guard_guest.exe" "$work/out"
check "nothing of the kind was said before" [ "$before" = 0 ]

# --- ending ------------------------------------------------------------------------------------------------------
"$plume" vm run two -- "$exe" tree 4 </dev/null >"$work/tree" 2>/dev/null &
for _ in $(seq 100); do [ "$(grep -c . "$work/tree")" -ge 5 ] && break; sleep 0.1; done
cp "$work/tree" "$work/out"
check "five levels of guests run" [ "$(members two)" -ge 5 ]
agent=$("$plume" agent status --json </dev/null | tr -d '\r' | sed -n 's/.*"pid": \([0-9]*\).*/\1/p')
"$plume" vm run two -- cmd /c 'echo sound>C:\guard-sound.txt' </dev/null >/dev/null 2>&1
timeout 20 wine taskkill /f /pid "$agent" </dev/null >"$work/out" 2>&1
check "the agent is killed" grep -qi "\(success\|SUCCESS\|killed\|terminated\|forcibly\)" "$work/out"
check "its VM still runs for a new agent" [ "$(members two)" -ge 5 ]
"$plume" vm stop two </dev/null >"$work/out" 2>&1
check "stop ends every guest, children of children too" [ "$(members two)" = 0 ]
bare list; check "... really" eval 'for p in $(tr -d "\r" <"$work/tree"); do sees_not "$p" || false; done'
check "... and nobody else" eval 'sees "$outside_pid" && sees "$inside_pid"'
"$plume" vm run two -- cmd /c 'type C:\guard-sound.txt' </dev/null >"$work/out" 2>&1
check "the workspace is sound" grep -q sound "$work/out"
"$plume" vm diff two </dev/null >"$work/out" 2>&1
check "... and says what was written" grep -q 'A C:\\guard-sound.txt' "$work/out"
finish outside; check "the outside process was not touched by any of this" said outside alive
finish inside; check "nor the guest of the first VM" said inside alive

# --- devices -----------------------------------------------------------------------------------------------------
device() { vm "$1" device "$2" "$3"; cut -d' ' -f2 "$work/out"; }
drive="$work/disk.img"; : >"$drive"; ln -sf "$drive" "$prefix/dosdevices/c::"
for name in '\??\NUL' '\??\MountPointManager' '\??\Nsi' '\Device\Afd' '\??\C:\'; do
  check "open: $name" [ "$(device one q "$name")" = 00000000 ]
done
check "a volume may be asked about" [ "$(device one q '\??\C:')" = 00000000 ]
for access in r w; do
  check "a volume is not opened as a whole ($access)" [ "$(device one $access '\??\C:')" = c0000022 ]
  check "... by any of its names ($access)" [ "$(device one $access '\DosDevices\Global\c:')" = c0000022 ]
done
for name in '\??\PhysicalDrive0' '\??\CdRom0' '\Device\Harddisk0' '\??\COM1' '\Device\Serial0' '\??\LPT1' '\??\GLOBALROOT\Device\Serial0' '\Device\Http\ReqQueue' '\??\NoSuchDevice'; do
  check "closed: $name" [ "$(device one r "$name")" = c0000034 ]
done
check "a rule opens a device" [ "$(device open r '\??\PhysicalDrive0')" != c0000034 ]
vm one machine
for name in load-driver unload-driver time shutdown debug; do check "refused: $name" says "$name c0000061"; done
check "the mount manager answers" says "query-points ok"
check "... and changes nothing" says "create-point 5"
vm open machine; check "a rule lets it" eval '! says "create-point 5"'
explain() { "$plume" vm explain "$1" "$2" </dev/null 2>&1 | tr -d '\r' >"$work/out"; }
explain one '\\.\COM1'; check "explain: a closed device" eval 'says "mode   deny" && grep -q "devices are closed" "$work/out"'
explain one '\Device\Afd\Endpoint'; check "explain: an open one" eval 'says "mode   host" && grep -q "sockets" "$work/out"'
explain open '\\.\physicaldrive0'; check "explain: a rule by file and line" grep -q 'devices.toml:2' "$work/out"

# --- a real program ----------------------------------------------------------------------------------------------------
list=$(tools/fetch_guests.sh ps-list 2>/dev/null)/vendor/fastlist-0.3.0-x64.exe
if [ -f "$list" ]; then
  list="Z:${list//\//\\}"
  timeout 60 wine "$list" </dev/null 2>/dev/null | tr -d '\r' >"$work/out"
  check "ps-list outside any VM: the system's processes" grep -q "services.exe" "$work/out"
  timeout 60 "$plume" vm run one -- "$list" </dev/null 2>/dev/null | tr -d '\r' >"$work/out"
  check "ps-list in a VM: itself alone" [ "$(grep -c . "$work/out")" = 1 -a "$(grep -c fastlist "$work/out")" = 1 ]
else
  check "ps-list can be fetched" false
fi

machine_tidy
check "the machine is as it was" machine_same guest/guard.sh
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
