#!/bin/bash
# The registry: every verb of key_guest.exe runs in a fresh VM and bare (the oracle); what they print must be equal and
# the host's keys untouched by the VM. Then the system's own tools.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
bin=${PLUME_BIN:-$PWD/build/mingw64/bin}
prefix=$(tools/prefix.sh clone "guest-key-$$") || exit 1
work=$(mktemp -d "${TMPDIR:-/tmp}/plume-key.XXXXXX")
trap 'tools/prefix.sh remove "$prefix"; rm -rf "$work"' EXIT
export WINEPREFIX=$prefix WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml=;winedbg.exe=d;winemenubuilder.exe=d'
wineserver -p600 </dev/null >/dev/null 2>&1
c=$prefix/drive_c
mkdir -p "$c/t"
cp "${PLUME_GUEST_BIN:-$bin}/key_guest.exe" "$c/t/"

passed=0 failed=0
pass() { passed=$((passed + 1)); echo "ok   $*"; }
fail() { failed=$((failed + 1)); echo "FAIL $*"; }
source tests/guest/lib_machine.sh
machine_before || exit 1
run() { timeout 120 wine "$@" >"$work/out" 2>"$work/err" </dev/null; local code=$?; tr -d '\r' <"$work/out"; return $code; }
vm() { run "$bin/plume-vmrun.exe" --dir "C:\\$1" -- "${@:2}"; }
guest='C:\t\key_guest.exe'

compare() {  # compare VERB
  run "$guest" prepare >/dev/null
  run "$guest" dump >"$work/before"
  vm "vm-$1" "$guest" "$1" >"$work/vm"; local vm_code=$?
  run "$guest" dump >"$work/after"
  run "$guest" "$1" >"$work/bare"; local code=$?
  if ! diff "$work/before" "$work/after" >"$work/diff"; then
    fail "$1: the host was changed"; sed 's/^/     | /' "$work/diff"
  elif [ "$code" = "$vm_code" ] && [ -s "$work/bare" ] && diff "$work/bare" "$work/vm" >"$work/diff"; then
    pass "$1"
  else
    fail "$1: exit $code bare, $vm_code in the VM"; sed 's/^/     | /' "$work/diff" | head -30
  fi
}

for verb in api tree classes security predefined views notify save pointers processes threads; do compare "$verb"; done

# A second program of the same VM sees what the first left; another VM does not.
run "$guest" prepare >/dev/null
vm one reg add 'HKCU\Software\KeyGuest\left' /v text /d behind /f >/dev/null
vm one reg query 'HKCU\Software\KeyGuest\left' /v text | grep -q behind && pass "the next program sees it" || fail "the next program sees it"
vm two reg query 'HKCU\Software\KeyGuest\left' >/dev/null && fail "another VM sees it" || pass "another VM does not"
run reg query 'HKCU\Software\KeyGuest\left' >/dev/null && fail "the host sees it" || pass "the host does not"
vm one reg delete 'HKCU\Software\KeyGuest\a' /f >/dev/null
vm one reg query 'HKCU\Software\KeyGuest\a' >/dev/null && fail "a deleted host key is gone" || pass "a deleted host key is gone"
run reg query 'HKCU\Software\KeyGuest\a' >/dev/null && pass "the host keeps it" || fail "the host keeps it"

# A key that a VM made is the VM's as a whole, whatever the host has there later; one that it only wrote to goes on being merged.
vm one reg add 'HKCU\Software\KeyGuest\made\own' /v mine /d 1 /f >/dev/null
vm one reg add 'HKCU\Software\KeyGuest\b' /v mine /d 1 /f >/dev/null
run reg add 'HKCU\Software\KeyGuest\made\own\later' /v text /d host /f >/dev/null
run reg add 'HKCU\Software\KeyGuest\made\later' /f >/dev/null
run reg add 'HKCU\Software\KeyGuest\b\later' /v text /d host /f >/dev/null
vm one reg query 'HKCU\Software\KeyGuest\made' /s >"$work/made"
grep -q mine "$work/made" && ! grep -q later "$work/made" && pass "a key of the VM's keeps the host's later subkeys out" || { fail "a key of the VM's keeps the host's later subkeys out"; cat "$work/made"; }
vm one reg query 'HKCU\Software\KeyGuest\made\later' >/dev/null && fail "... asked for by name as well" || pass "... asked for by name as well"
vm one reg query 'HKCU\Software\KeyGuest\b\later' /v text | grep -q host && pass "a key it only wrote to shows them" || fail "a key it only wrote to shows them"
vm two reg query 'HKCU\Software\KeyGuest\made\later' >/dev/null && pass "another VM sees the host's" || fail "another VM sees the host's"

vm one reg query 'HKCU\Software\Plume' >/dev/null && fail "the layer's own keys are hidden" || pass "the layer's own keys are hidden"
vm one reg query 'HKCU\Software' | grep -qi plume && fail "... and not listed" || pass "... and not listed"

# Export and import by the system's own tools.
export_and_import() {  # RUN...: prints what was exported after changes and an import
  "$@" reg add 'HKCU\Software\KeyGuest' /v added /t REG_MULTI_SZ /d 'one\0two' /f
  "$@" reg export 'HKCU\Software\KeyGuest' 'C:\t\out.reg' /y
  "$@" regedit /e 'C:\t\out2.reg' 'HKEY_CURRENT_USER\Software\KeyGuest'
  "$@" reg delete 'HKCU\Software\KeyGuest' /f
  "$@" reg query 'HKCU\Software\KeyGuest'
  "$@" reg import 'C:\t\out.reg'
  "$@" reg query 'HKCU\Software\KeyGuest' /s
  "$@" cmd /c type 'C:\t\out2.reg'
}
in_vm() { vm export "$@"; }
run "$guest" prepare >/dev/null
run "$guest" dump >"$work/before"
export_and_import in_vm >"$work/vm" 2>&1
run "$guest" dump >"$work/after"
export_and_import run >"$work/bare" 2>&1
if diff "$work/before" "$work/after" >"$work/diff" && [ -s "$work/bare" ] && diff "$work/bare" "$work/vm" >"$work/diff"; then
  pass "reg and regedit export and import"
else
  fail "reg and regedit export and import"; sed 's/^/     | /' "$work/diff" | head -30
fi

machine_same guest/key.sh && pass "the machine is as it was" || fail "the machine is as it was"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
