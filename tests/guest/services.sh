#!/bin/bash
# Services: a VM has a service manager of its own. What services_guest.exe does and sees is the same bare (the oracle) and in a
# VM; nothing of it reaches the machine or another VM.
source "$(dirname "$0")/lib_verbs.sh" "$@"
source "$root/tests/guest/lib_machine.sh"
cd "$root" || exit 1
tests_bin=$root/build/mingw64/bin
c=$PLUME_WINEPREFIX/drive_c
mkdir -p "$c/t"
cp "${PLUME_GUEST_BIN:-$tests_bin}/services_guest.exe" "$c/t/"
guest='C:\t\services_guest.exe'
bare() { timeout 120 wine "$@" </dev/null >"$out" 2>"$err"; code=$?; sed -i 's/\r$//' "$out" "$err"; }
guests() { run vm ps "$1"; }
# Until the guests of VM $1 are those that the rest of the line names, 15 s at most ("": none).
wait_guests() {
  local vm=$1 i; shift
  for i in $(seq 75); do
    guests "$vm"
    [ "$(tail -n +2 "$out" | sed 's/.*\\//' | tr 'A-Z' 'a-z' | sort | tr '\n' ' ' | sed 's/ $//')" = "$*" ] && return 0
    sleep 0.2
  done
  return 1
}
services_of_the_machine() { timeout 60 wine reg query 'HKLM\System\CurrentControlSet\Services' /s </dev/null 2>/dev/null; }
bare "$guest" state none  # the machine's own manager is up before anything is compared
services_of_the_machine >"$work/before"
machine_before || exit 1

# --- the manager: there when it is needed, and no longer -------------------------------------------------------------
run vm run one -- cmd /c echo hello
check "a VM without services has no service manager" says hello
guests one
check "... nor has it one later" gone services.exe
run vm run one -- "$guest" all plumetest
check "everything a program does with services" is 0
cp "$out" "$work/vm"
check "the service manager ends with who used it" wait_guests one
services_of_the_machine >"$work/after"
check "the machine's services are as they were" diff "$work/before" "$work/after"
run vm explain one 'HKLM\System\CurrentControlSet\Services'
check "explain names the rule" says 'registry: the VM'
run vm run one -- sc query winebus
check "the machine's drivers are not the VM's" [ "$code" != 0 ]
run vm run one -- sc query RpcSs
check "what every system has is there" says RpcSs
run vm run one -- sc start RpcSs
check "... and is started in the VM" says RpcSs
check "... which does not go on for that" wait_guests one

# --- the same service in two VMs -------------------------------------------------------------------------------------
for vm in one two; do
  run vm run $vm -- "$guest" install same demand
  check "install in $vm" says 'install: ok'
  run vm run $vm -- "$guest" start same
  check "start in $vm" says 'start: ok'
done
run vm run one -- "$guest" state same; cp "$out" "$work/one"
run vm run two -- "$guest" state same
check "both run" grep -q 'state 4' "$out" "$work/one"
check "... as processes of their own" [ "$(cat "$out")" != "$(cat "$work/one")" ]
check "a VM with a running service runs" wait_guests one services.exe services_guest.exe
bare "$guest" state same
check "the machine has no such service" says 'error 1060'
run vm run one -- cmd /c 'if exist C:\t\ran-same.txt echo it wrote this'
check "the service writes into its VM" says 'it wrote this'
check "... and not into the machine" [ ! -e "$c/t/ran-same.txt" ]
run vm stop one
check "stopping a VM" is 0
check "... ends its services" wait_guests one
check "... and nobody else's" wait_guests two services.exe services_guest.exe
run vm run two -- "$guest" stop same
check "a service is stopped" says 'stop: ok'
check "then its VM ends" wait_guests two

# --- services that start with the VM ---------------------------------------------------------------------------------
run vm run one -- "$guest" install atonce auto
check "install one that starts by itself" says 'install: ok'
check "it is not started by that" wait_guests one
run vm run one -- cmd /c exit
check "the VM's start" is 0
check "... starts it" wait_guests one services.exe services_guest.exe
run vm run one -- "$guest" state atonce 4
check "... under the VM's manager" says 'state 4'
run vm snapshot one kept
check "a VM whose service runs is busy" refuses running
run vm stop one
run vm export one "$work/one.plvm"
run vm import "$work/one.plvm" moved
check "a VM with services is exported and imported" is 0
run vm run moved -- "$guest" state atonce 4
check "... its service starts there too" says 'state 4'
run vm stop moved
# --- RpcSs forgets what killed servers left (the machine's own hands it out for ever: no oracle) --------------------------
run vm run two -- "$tests_bin/conformance.exe" outlive
check "a class whose server was killed is served again" says 'another one answers'
check "... and the VM ends" wait_guests two
services_of_the_machine >"$work/after"
check "the machine's services are as they were" diff "$work/before" "$work/after"
for vm in one two moved; do run vm delete $vm; check "delete $vm" is 0; done
machine_tidy
check "the machine is as it was" machine_same guest/services.sh

# --- the oracle ------------------------------------------------------------------------------------------------------
bare "$guest" all plumetest
cp "$out" "$work/bare"
check "the same outside any VM" diff "$work/bare" "$work/vm"
check "... which is not empty" [ "$(wc -l <"$work/bare")" -gt 40 ]
finish
