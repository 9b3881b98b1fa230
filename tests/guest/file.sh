#!/bin/bash
# Files: every verb of file_guest.exe runs bare (the oracle) and as a guest on the same ground; what they print must be
# equal, and the ground untouched by the guest.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
bin=${PLUME_BIN:-$PWD/build/mingw64/bin}
prefix=$(tools/prefix.sh clone "guest-file-$$") || exit 1
work=$(mktemp -d "${TMPDIR:-/tmp}/plume-file.XXXXXX")
trap 'tools/prefix.sh remove "$prefix"; rm -rf "$work"' EXIT
export WINEPREFIX=$prefix WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml=;winedbg.exe=d;winemenubuilder.exe=d'
wineserver -p600 </dev/null >/dev/null 2>&1
c=$prefix/drive_c
mkdir -p "$c/t"
cp "${PLUME_GUEST_BIN:-$bin}/file_guest.exe" "$c/t/"
source tests/guest/lib_machine.sh
machine_before || exit 1
guest='C:\t\file_guest.exe'
run() { timeout 120 wine "$@" </dev/null >"$work/out" 2>"$work/err"; local code=$?; tr -d '\r' <"$work/out"; return $code; }
state() { (cd "$c/fg" && find . -printf '%p %y %m %s %T@\n' | sort && find . -type f -print0 | sort -z | xargs -0 sha256sum); }

run "$guest" setup || { echo "FAIL setup"; exit 1; }
cp -a "$c/fg" "$c/ground"
passed=0 failed=0
number=0
compare() {  # compare NAME ARGS...
  local name=$1; shift
  number=$((number + 1))
  rm -rf "$c/fg"; cp -a "$c/ground" "$c/fg"
  run "$guest" "$@" >"$work/bare"; local code=$?
  rm -rf "$c/fg"; cp -a "$c/ground" "$c/fg"
  state >"$work/before"
  run "$bin/plume-vmrun.exe" --dir "C:\\vm$number" -- "$guest" "$@" >"$work/vm"; local vm_code=$?
  state >"$work/after"
  if [ "$code" = "$vm_code" ] && [ -s "$work/bare" ] && diff "$work/bare" "$work/vm" >"$work/diff" &&
     diff "$work/before" "$work/after" >>"$work/diff"; then
    passed=$((passed + 1)); echo "ok   $name"
  else
    failed=$((failed + 1)); echo "FAIL $name: exit $code bare, $vm_code in the VM"; sed 's/^/     | /' "$work/diff" | head -40
  fi
}

expect() {  # expect NAME ARGS...: only in a VM; the answers come on standard input
  local name=$1; shift
  number=$((number + 1))
  rm -rf "$c/fg"; cp -a "$c/ground" "$c/fg"
  state >"$work/before"
  cat >"$work/expected"
  run "$bin/plume-vmrun.exe" --dir "C:\\vm$number" -- "$guest" "$@" >"$work/vm"; local vm_code=$?
  state >"$work/after"
  if [ "$vm_code" = 0 ] && diff "$work/expected" "$work/vm" >"$work/diff" &&
     diff "$work/before" "$work/after" >>"$work/diff"; then
    passed=$((passed + 1)); echo "ok   $name"
  else
    failed=$((failed + 1)); echo "FAIL $name: exit $vm_code"; sed 's/^/     | /' "$work/diff" | head -40
  fi
}

compare "names seen back" names
for how in event port handle synchronous find; do compare "change notification: $how" notify $how; done
compare "short names" short
compare "relative names" relative
compare "prefixes" prefixes
compare "changes through a handle that keeps others out" keep
compare "bad pointers" pointers
compare "Unix names" unix "$c/fg"
expect "spellings" spellings "$c/fg" <<'EOF'
drive: 0 1
unix: 0 12
unix with slashes: 0 123
unix, no such folder: c000003a 123
above the drives: c0000033 123
among the drives: c0000033 123
a device's folder: c000003a 123
this machine's share: 0 1237
directory of devices: 0
relative to it: 0 12378
copy by id: 0 123789
lower file by id: 0 123789
its contents: written here
deleted file by id: c0000034 123789
label: c0000022
junction: c00000bb
EOF
compare "big listing" big
for round in 1 2 3 4 5; do compare "threads and a child at once, $round" race; done
# Two VMs copy the same files at the same time, each for itself alone.
mkdir -p "$c/claims"
for i in $(seq 0 299); do head -c 65536 /dev/zero >"$c/claims/$i"; done
second=$(($(date +%s) + 4))
for vm in a b; do
  timeout 120 wine "$bin/plume-vmrun.exe" --dir "C:\\claim-$vm" -- "$guest" claim 'C:\claims' 300 $second \
    </dev/null >"$work/claim.$vm" 2>&1 &
done
wait
if [ "$(cat "$work"/claim.? | tr -d '\r' | sort -u)" = 'got 300 of 300, error 0' ]; then
  passed=$((passed + 1)); echo "ok   two VMs open the same files at once"
else
  failed=$((failed + 1)); echo "FAIL two VMs open the same files at once"; sed 's/^/     | /' "$work"/claim.?
fi
if machine_same guest/file.sh; then
  passed=$((passed + 1)); echo "ok   the machine is as it was"
else
  failed=$((failed + 1)); echo "FAIL the machine is as it was"
fi
echo "file guest: $passed passed, $failed failed"
[ "$failed" = 0 ]
