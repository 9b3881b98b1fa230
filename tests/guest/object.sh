#!/bin/bash
# Named objects, pipes, mailslots: every verb of object_guest.exe runs bare (the oracle) and in a VM; what they print must
# be equal. Then who sees whom: in one VM, in two, and between a VM and the machine.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
bin=${PLUME_BIN:-$PWD/build/mingw64/bin}
prefix=$(tools/prefix.sh clone "guest-object-$$") || exit 1
work=$(mktemp -d "${TMPDIR:-/tmp}/plume-object.XXXXXX")
trap 'exec 7>&- 8>&- 9>&-; tools/prefix.sh remove "$prefix"; rm -rf "$work"' EXIT
export WINEPREFIX=$prefix WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml=;winedbg.exe=d;winemenubuilder.exe=d'
wineserver -p600 </dev/null >/dev/null 2>&1
c=$prefix/drive_c
mkdir -p "$c/t"
cp "${PLUME_GUEST_BIN:-$bin}/object_guest.exe" "$c/t/"

passed=0 failed=0
pass() { passed=$((passed + 1)); echo "ok   $*"; }
fail() { failed=$((failed + 1)); echo "FAIL $*"; }
source tests/guest/lib_machine.sh
machine_before || exit 1
run() { timeout 120 wine "$@" >"$work/out" 2>"$work/err" </dev/null; local code=$?; tr -d '\r' <"$work/out"; return $code; }
vm() {  # a VM that is there may be in use: it is left as it is
  local how=--dir at="C:\\$1"
  [ -e "$c/$1/view.plv" ] && how=--view at="C:\\$1\\view.plv"
  run "$bin/plume-vmrun.exe" "$how" "$at" -- "${@:2}"
}
guest='C:\t\object_guest.exe'

compare() {  # compare VERB
  run "$guest" "$1" >"$work/bare"; local code=$?
  vm one "$guest" "$1" >"$work/vm"; local vm_code=$?
  if [ "$code" = "$vm_code" ] && [ "$code" = 0 ] && [ "$(wc -l <"$work/bare")" -gt 0 ] && diff "$work/bare" "$work/vm" >"$work/diff"; then
    pass "$1"
  else
    fail "$1: exit $code bare, $vm_code in the VM"; sed 's/^/     | /' "$work/diff" | head -40
  fi
}
for verb in kinds relative pipes pipenames mailslots pointers threads processes; do compare "$verb"; done

# Holders: one outside, one in each of two VMs, all with the same names. Each makes them as if it were alone.
hold() {  # hold FD PLACE COMMAND...: starts a holder that ends when FD is closed
  local fd=$1 place=$2; shift 2
  mkfifo "$work/in-$place"
  timeout 300 "$@" hold PlumeHeld <"$work/in-$place" >"$work/held-$place" 2>/dev/null 7>&- 8>&- 9>&- &
  eval "exec $fd>\"$work/in-$place\""
  for _ in $(seq 300); do grep -q ready "$work/held-$place" && break; sleep 0.1; done
  [ "$(tr -d '\r' <"$work/held-$place")" = ready ] && pass "everything can be made $place" || { fail "everything can be made $place"; cat "$work/held-$place"; }
}
sees() {  # sees WHAT EXPECTED COMMAND...: how many of the holder's objects can be opened and listed
  local what=$1 expected=$2; shift 2
  "$@" "$guest" probe PlumeHeld >"$work/seen"
  local n; n=$(tail -1 "$work/seen")
  [[ $n == $expected ]] && pass "$what" || { fail "$what: $n, not $expected"; sed 's/^/     | /' "$work/seen" | head -40; }
}
all='19 opened, 17 listed' none='0 opened, 0 listed'
vmrun() { echo "$bin/plume-vmrun.exe" --dir "C:\\$1" -- "$guest"; }
hold 7 "on the machine" wine "$guest"
sees "the machine sees its own" "$all" run
sees "a VM sees nothing of the machine" "$none" vm one
hold 8 "in one VM" wine $(vmrun one)
sees "the VM sees its own" "$all" vm one
sees "another VM sees nothing of it" "$none" vm two
sees "the machine opens its own only" "19 opened, *" run
hold 9 "in two VMs at once" wine $(vmrun two)
exec 7>&-
for _ in $(seq 50); do run "$guest" probe PlumeHeld | grep -q '^0 opened' && break; sleep 0.2; done
# The bare names of the VMs' objects are nowhere; under their real names the machine finds them.
sees "the machine opens nothing of a VM" "0 opened, *" run
grep -q '^lists PlumeHeldevent~plume~' "$work/seen" && pass "the VMs' objects are marked" || { fail "the VMs' objects are marked"; head -5 "$work/seen"; }
marks=$(grep -o '^lists PlumeHeldevent~plume~[0-9a-f]*' "$work/seen" | sort -u | sed 's/^lists PlumeHeld//')
[ "$(echo "$marks" | wc -l)" = 2 ] && pass "each VM has a mark of its own" || fail "each VM has a mark of its own: $marks"
# Guessing a mark does not help: the name is marked again.
for mark in $marks; do
  vm three "$guest" probe "PlumeHeld${mark#event}" >"$work/seen"
  [ "$(tail -1 "$work/seen")" = "$none" ] || fail "a guessed name is found: $mark"
  vm three "$guest" open "Local\\PlumeHeld$mark" >"$work/seen" && fail "another VM opens PlumeHeld$mark" || pass "another VM cannot open PlumeHeld$mark"
  vm one "$guest" open "Local\\PlumeHeld$mark" >"$work/seen" && fail "not even the VM itself opens PlumeHeld$mark" || pass "not even the VM itself opens PlumeHeld$mark"
  run "$guest" open "Local\\PlumeHeld$mark" >"$work/seen" && pass "(the machine does)" || fail "(the machine does)"
done
exec 8>&- 9>&-
wait
machine_same guest/object.sh && pass "the machine is as it was" || fail "the machine is as it was"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
