#!/bin/bash
# Fonts of VMs and images: their guests find and draw them, nobody else does.
# The font is Debian's DejaVu Serif under a name that no machine has.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
bin=${PLUME_BIN:-$PWD/build/mingw64/bin}
export PATH=$PWD/build/bin:$PATH
prefix=$(tools/prefix.sh clone "guest-fonts-$$") || exit 1
work=$(mktemp -d)
trap 'tools/prefix.sh remove "$prefix"; rm -rf "$work"' EXIT
export WINEPREFIX=$prefix PLUME_WINEPREFIX=$prefix WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml=;winedbg.exe=d;winemenubuilder.exe=d'
passed=0 failed=0
check() {  # check WHAT EXPECTED FOUND
  if [ "$2" = "$3" ]; then passed=$((passed + 1)); echo "ok   $1"; else
    failed=$((failed + 1)); echo "FAIL $1: '$3' instead of '$2'"; fi
}
python3 - "$work/pf.ttf" <<'PY'
import sys
font = open("/usr/share/fonts/truetype/dejavu/DejaVuSerif.ttf", "rb").read()
for old, new in (("DejaVu Serif", "PlumeF Serif"), ("DejaVuSerif", "PlumeFSerif")):
    assert old.encode("utf-16-be") in font or old.encode() in font
    font = font.replace(old.encode("utf-16-be"), new.encode("utf-16-be")).replace(old.encode(), new.encode())
open(sys.argv[1], "wb").write(font)
PY
source tests/guest/lib_machine.sh
plume=$PWD/build/bin/plume
family='PlumeF Serif'
guest() { "$@" "$bin/fonts_guest.exe" "$family" </dev/null 2>/dev/null | tr -d '\r' | tr '\n' ';'; }
bare() { wine "$@"; }
in_vm() { local vm=$1; shift; plume vm run "$vm" -- "$@"; }
file="Z:${work//\//\\}\\pf.ttf"
wine cmd /c exit >/dev/null 2>&1 </dev/null
check "the machine does not have the font" "yes" "$(guest bare | grep -q 'known no' && echo yes)"
check "the machine is listed" 0 "$(machine_before >&2; echo $?)"

# As an installer does it: the file into the system's folder, the name into the registry.
in_vm a cmd /c copy "$file" 'C:\windows\Fonts\pf.ttf' >/dev/null 2>&1 </dev/null
in_vm a reg add 'HKLM\Software\Microsoft\Windows NT\CurrentVersion\Fonts' /v "$family (TrueType)" /d pf.ttf /f >/dev/null 2>&1 </dev/null
check "a VM's next guest draws and finds it" "drawn as $family;known yes;" "$(guest in_vm a)"
check "another VM does not" "yes" "$(guest in_vm b | grep -q 'known no' && echo yes)"
check "nor does the machine" "yes" "$(guest bare | grep -q 'known no' && echo yes)"

# Loaded by a program for itself, from a folder that only the VM has; by full name, and by the bare name in the system's folder.
in_vm b cmd /c 'mkdir C:\mine' >/dev/null 2>&1 </dev/null
in_vm b cmd /c copy "$file" 'C:\mine\pf.ttf' >/dev/null 2>&1 </dev/null
said=$(in_vm b "$bin/fonts_guest.exe" "$family" add 'C:\mine\pf.ttf' 2>/dev/null </dev/null | tr -d '\r' | tr '\n' ';')
check "a program loads a font of the VM, and takes it away" "added 1;drawn as $family;known yes;removed 1;then known no;" "$said"
check "no other program of the VM has it" "yes" "$(guest in_vm b | grep -q 'known no' && echo yes)"
said=$(bare "$bin/fonts_guest.exe" "$family" add 'C:\mine\pf.ttf' 2>/dev/null </dev/null | tr -d '\r' | head -1)
check "the machine cannot load it: it has no such file" "added 0" "$said"
check "nothing of it stays with the machine" "yes" "$(guest bare | grep -q 'known no' && echo yes)"

# In an image.
plume capture fontapp --version 1 --from-vm a >/dev/null 2>"$work/err" </dev/null || cat "$work/err"
plume vm create c --image fontapp:1 >/dev/null 2>&1 </dev/null
check "an image's font is there for the guests above it" "drawn as $family;known yes;" "$(guest in_vm c)"
plume image remove fontapp:1 >/dev/null 2>&1 </dev/null
machine_tidy
check "the machine is as it was" 0 "$(machine_same guest/fonts.sh >&2; echo $?)"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
