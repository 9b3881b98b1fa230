#!/bin/bash
# The window space: what window_guest.exe prints bare is the oracle for a VM. Then who finds whom: programs that look for
# their own window to be the only instance run in two VMs and on the machine at once.
set -u
source "$(dirname "$0")/../apps/lib.sh"
bin=${PLUME_BIN:-$PWD/build/mingw64/bin}
start_display
new_prefix guest-window prefix
export WINEPREFIX=$prefix
mkdir -p "$prefix/drive_c/t"
cp "$bin/window_guest.exe" "$prefix/drive_c/t/"
guest='C:\t\window_guest.exe'
source tests/guest/lib_machine.sh
machine_before || exit 1

machine() { timeout 120 wine "$guest" "$@" </dev/null 2>/dev/null; }
vm() {  # vm NAME ARGUMENTS...
  local how=--dir at="C:\\$1"
  [ -e "$prefix/drive_c/$1/view.plv" ] && how=--view at="C:\\$1\\view.plv"
  timeout 120 wine "$bin/plume-vmrun.exe" "$how" "$at" -- "$guest" "${@:2}" </dev/null 2>/dev/null
}
for verb in api pair throw tray; do
  machine "$verb" >"$work/bare"; code=$?
  vm one "$verb" >"$work/vm"; vm_code=$?
  # Two processes of "pair" write to one file in whatever order.
  sort "$work/bare" >"$work/bare.sorted"; sort "$work/vm" >"$work/vm.sorted"
  if [ "$code,$vm_code" = 0,0 ] && [ "$(wc -l <"$work/bare")" -gt 2 ] && diff "$work/bare.sorted" "$work/vm.sorted" >"$work/diff"; then
    pass "$verb"
  else
    fail "$verb: exit $code bare, $vm_code in the VM"; sed 's/^/     | /' "$work/diff" | head -40
  fi
done

says() {  # says WHAT FILE: waits until the file begins with the word, 30 s at most
  local i
  for i in $(seq 150); do [ -s "$2" ] && break; sleep 0.2; done
  [ "$(head -1 "$2" | tr -d '\r')" = "$1" ]
}
second() { "$@" >"$work/second"; [ $? = 1 ] && tr -d '\r' <"$work/second" | cmp -s - <(printf 'told: 31\nsecond\n'); }
absent() { "$@" find PlumeSingleInstance; [ $? = 1 ]; }

vm one single 60 'C:\t\end-vms' >"$work/one" & one=$!
check "the first instance in a VM" says first "$work/one"
check "the second one finds it and tells it" second vm one single
check "no window is there for another VM" absent vm three
vm two single 60 'C:\t\end-vms' >"$work/two" & two=$!
check "another VM's instance is a first one too" says first "$work/two"
check "its second one finds it" second vm two single
touch "$prefix/drive_c/t/end-vms"
wait "$one" "$two"
check "each was told by its own" bash -c "for f in '$work/one' '$work/two'; do [ \$(grep -c 'copydata open' \$f) = 1 ] || exit 1; done"
machine single 60 'C:\t\end-machine' >"$work/machine" & one=$!
check "the machine's instance" says first "$work/machine"
check "it is not there for a VM" absent vm one
check "(it is there for the machine)" machine find PlumeSingleInstance
vm one single 1 >"$work/again"; code=$?
check "a VM's instance is a first one beside it" test "$code,$(head -1 "$work/again" | tr -d '\r')" = 0,first
touch "$prefix/drive_c/t/end-machine"
wait "$one"
check "nobody in a VM told it anything" bash -c "! grep -q copydata '$work/machine'"
check "the machine is as it was" machine_same guest/window.sh
finish
