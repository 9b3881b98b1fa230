#!/bin/bash
# Processes: every verb of process_guest.exe runs bare (the oracle) and as a guest; what they print must be equal.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
bin=${PLUME_BIN:-$PWD/build/mingw64/bin}
prefix=$(tools/prefix.sh clone "guest-process-$$") || exit 1
work=$(mktemp -d "${TMPDIR:-/tmp}/plume-process.XXXXXX")
trap 'tools/prefix.sh remove "$prefix"; rm -rf "$work"' EXIT
export WINEPREFIX=$prefix WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml=;winedbg.exe=d;winemenubuilder.exe=d'
wineserver -p600 </dev/null >/dev/null 2>&1
c=$prefix/drive_c
mkdir -p "$c/t"
cp "${PLUME_GUEST_BIN:-$bin}/process_guest.exe" "$bin/process_in_place.exe" "$c/t/"

passed=0 failed=0
pass() { passed=$((passed + 1)); echo "ok   $*"; }
fail() { failed=$((failed + 1)); echo "FAIL $*"; }
source tests/guest/lib_machine.sh
machine_before || exit 1
run() { timeout 120 wine "$@" 2>"$work/err" | tr -d '\r'; return "${PIPESTATUS[0]}"; }
bare() { run "$@" </dev/null; }
vm() { run "$bin/plume-vmrun.exe" --dir 'C:\vm' -- "$@" </dev/null; }
guest='C:\t\process_guest.exe'

compare() {  # compare NAME ARGS...: the same output and exit code bare and in the VM
  local name=$1; shift
  bare "$guest" "$@" >"$work/bare"; local code=$?
  vm "$guest" "$@" >"$work/vm"; local vm_code=$?
  if [ "$code" = "$vm_code" ] && [ -s "$work/bare" ] && diff <(grep -v ^command: "$work/bare") <(grep -v ^command: "$work/vm") >"$work/diff"; then
    pass "$name"
  else
    fail "$name: exit $code bare, $vm_code in the VM"; sed 's/^/     | /' "$work/diff"
  fi
}

# The stubs that a 32-bit program sees are not those that the layer replaces.
if [ -z "${PLUME_GUEST_BIN:-}" ]; then
  [ "$(bare "$guest" guest)" = bare ] && pass "the oracle is bare" || fail "the oracle is bare"
  [ "$(vm "$guest" guest)" = guest ] && pass "the program is a guest" || fail "the program is a guest"
  vm "$guest" child 2 guest >"$work/vm"
  grep -qx guest "$work/vm" && pass "children of children are guests" || fail "children of children are guests"
  vm cmd /c "$guest" guest >"$work/vm"
  grep -qx guest "$work/vm" && pass "a child of the system's cmd is a guest" || fail "a child of cmd is a guest"
fi
in_place='C:\t\process_in_place.exe'
[ "$(vm "$in_place" guest)" = guest ] && pass "a program in the layer's place is a guest" || fail "a program in the layer's place is a guest"
vm "$in_place" child 2 guest >"$work/vm"
grep -qx guest "$work/vm" && pass "so are its children" || fail "children of a program in the layer's place are guests"
compare names names
compare "bad pointers" pointers
compare "exit codes through two levels" child 2 exit 77
compare "suspended child" suspended
compare "handles in eight threads" threads
compare "inherited handle" inherit
compare "duplicated handles" duplicate

# A program and its folder that exist only inside the VM.
virtual='C:\Program Files\Virtual App'
mkdir -p "$c/Program Files/Virtual App"
cp "${PLUME_GUEST_BIN:-$bin}/process_guest.exe" "$c/Program Files/Virtual App/"
bare "$guest" named-child "$virtual\\process_guest.exe" "$virtual" >"$work/bare"
rm -r "$c/Program Files/Virtual App"
vm cmd /c mkdir "$virtual" >/dev/null
vm cmd /c copy "$guest" "$virtual\\process_guest.exe" >/dev/null
[ -e "$c/Program Files/Virtual App" ] && fail "the host got the VM's folder"
vm "$guest" named-child "$virtual\\process_guest.exe" "$virtual" >"$work/vm"
if [ -s "$work/bare" ] && diff "$work/bare" "$work/vm" >"$work/diff"; then
  pass "a child that exists in the VM only has virtual names"
else
  fail "a child that exists in the VM only has virtual names"; sed 's/^/     | /' "$work/diff"
fi

# Standard handles: a Unix pipe, a Unix file, exit codes.
head -c 300000 "${PLUME_GUEST_BIN:-$bin}/process_guest.exe" | base64 -w 100 >"$work/in"
cat "$work/in" | timeout 60 wine "$bin/plume-vmrun.exe" --dir 'C:\vm' -- "$guest" stdio 2>"$work/err" >"$work/out"
cmp -s "$work/in" <(tr -d '\r' <"$work/out") && pass "standard handles: pipe" || fail "standard handles: pipe"
timeout 60 wine "$bin/plume-vmrun.exe" --dir 'C:\vm' -- "$guest" stdio <"$work/in" 2>"$work/err" >"$work/out"
cmp -s "$work/in" <(tr -d '\r' <"$work/out") && grep -q bytes "$work/err" && pass "standard handles: file" || fail "standard handles: file"
vm "$guest" exit 250 >/dev/null; [ $? = 250 ] && pass "exit code" || fail "exit code"

# Fail closed: a damaged view ends the program with a site code and a line in guest.log.
run "$bin/plume-vmrun.exe" --dir 'C:\vm2' -- "$guest" guest </dev/null >/dev/null
printf 'no view at all, only text' >"$c/vm2/view.plv"
run "$bin/plume-vmrun.exe" --view 'C:\vm2\view.plv' -- "$guest" guest </dev/null >"$work/vm"
[ ! -s "$work/vm" ] && grep -q 'FAIL 3 not a VM view' "$c/vm2/guest.log" && pass "a damaged view fails closed" || fail "a damaged view fails closed"

machine_same guest/process.sh && pass "the machine is as it was" || fail "the machine is as it was"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
