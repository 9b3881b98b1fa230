#!/bin/bash
# The clipboard of a VM: what clipboard_guest.exe prints bare is the oracle. Then what crosses the VM's border under each policy.
#   tests/guest/clipboard.sh [BIN]     BIN: folder of plume, plume.exe, plume-agent.exe, plume-vl64.dll (build/bin)
set -u
[ -n "${1:-}" ] && export PLUME_BIN=$1
source "$(dirname "$0")/../apps/lib.sh"
start_display
new_prefix guest-clipboard prefix
export WINEPREFIX=$prefix PLUME_WINEPREFIX=$prefix
mkdir -p "$prefix/drive_c/t"
cp build/mingw64/bin/clipboard_guest.exe "$prefix/drive_c/t/"
guest='C:\t\clipboard_guest.exe'
source tests/guest/lib_machine.sh
machine_before || exit 1

machine() { timeout 120 wine "$guest" "$@" </dev/null 2>/dev/null | tr -d '\r'; }
vm() { timeout 120 plume vm run "$1" -- "$guest" "${@:2}" </dev/null 2>"$work/err" | tr -d '\r'; }
create() {  # create NAME POLICY
  printf '%s\n' "$2" >"$work/$1.toml"
  check "VM $1" plume vm create "$1" --policy "$work/$1.toml"
}
is() {  # is WHAT EXPECTED COMMAND...
  local what=$1 expected=$2 found; shift 2
  found=$("$@")
  [ "$found" = "$expected" ] && pass "$what" || { fail "$what: '$found', not '$expected'"; tail -3 "$work/err" | sed 's/^/     | /'; }
}
create default ''
create isolated $'[clipboard]\nmode = "isolated"'
create out $'[clipboard]\nmode = "to-host"'
create in $'[clipboard]\nmode = "from-host"'
create both $'[clipboard]\nmode = "shared"'
create some $'[clipboard]\nmode = "shared"\nformats = ["text"]\nmax = "10 KB"'

machine api >"$work/bare"; vm default api >"$work/vm"
if [ "$(wc -l <"$work/bare")" -gt 50 ] && diff "$work/bare" "$work/vm" >"$work/diff"; then
  pass "one program's use of it: as outside"
else
  fail "one program's use of it"; sed 's/^/     | /' "$work/diff" | head -40
fi

machine set text machine
for name in default isolated; do
  is "$name: nothing of the machine's" '(nothing)' vm "$name" get text
  vm "$name" set text "of $name"
  is "$name: its own" "of $name" vm "$name" get text
  is "$name: the machine's is as it was" machine machine get text
done
is "two VMs have two" "of default" vm default get text
for format in html dib files sound own; do
  vm default set "$format" "$format of a VM"
  is "$format within a VM" "$([ "$format" = files ] && echo 'C:\')$format of a VM" vm default get "$format"
  is "$format, another VM" '(nothing)' vm isolated get "$format"
done

machine set text machine
is "to-host: nothing of the machine's" '(nothing)' vm out get text
vm out set text "of out"
is "to-host: the machine gets what a guest copies" "of out" machine get text
vm out set dib "picture of out"
is "to-host: also a picture" "picture of out" machine get dib

machine set text "of the machine"
is "from-host: a guest sees the machine's" "of the machine" vm in get text
vm in set text "of in"
is "from-host: the newer counts, its own" "of in" vm in get text
is "from-host: the machine's is as it was" "of the machine" machine get text
machine set text "newer"
is "from-host: the newer counts, the machine's" newer vm in get text

machine set text "to all"
is "shared: the machine's" "to all" vm both get text
vm both set html "of both"
is "shared: the machine gets a guest's" "of both" machine get html

machine set text short
is "by kind: text crosses" short vm some get text
machine set dib picture
is "by kind: a picture does not" '(nothing)' vm some get dib
vm some set text back
is "by kind: text crosses back" back machine get text
vm some set own secret
is "by kind: private formats do not cross back" '(nothing)' machine get own
machine set text "$(printf 'x%.0s' $(seq 6000))"
is "by size: a text that is too long does not" '(nothing)' vm some get text

machine_tidy
check "the machine is as it was" machine_same guest/clipboard.sh
finish
