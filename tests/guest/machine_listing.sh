#!/bin/bash
# The judge of "the machine is as it was": every change that machine_change.exe makes bare is found; the same program in a VM
# makes the same changes, as it sees them, and none is found.
#   tests/guest/machine_listing.sh [BIN]     BIN: folder of plume, plume.exe, plume-agent.exe, plume-vl64.dll (build/bin)
set -u
[ -n "${1:-}" ] && export PLUME_BIN=$1
source "$(dirname "$0")/../apps/lib.sh"
source tests/guest/lib_machine.sh
start_display
new_prefix guest-machine prefix
export WINEPREFIX=$prefix PLUME_WINEPREFIX=$prefix PLUME_HOME=$work/state
folder=$prefix/drive_c/change
mkdir -p "$folder"
for file in content deleted attribute; do echo content >"$folder/$file.txt"; done
cp build/mingw64/bin/machine_change.exe "$folder/"
change=('C:\change\machine_change.exe' 'C:\change')
{ bare "$prefix" reg add 'HKCU\Software\MachineChange' /v Data /t REG_BINARY /d 01020300
  bare "$prefix" reg add 'HKCU\Software\MachineChange' /v Kind /t REG_SZ /d text
  bare "$prefix" reg add 'HKCU\Software\MachineChange\Doomed'; } >/dev/null 2>&1

# --- in a VM --------------------------------------------------------------------------------------------------------------
check "a VM" plume vm create one
agent_ends() { plume agent stop --force </dev/null; }  # it is no change of the VM's that Plume is there
check "the agent ends" agent_ends
check "the machine is listed" machine_before
plume vm run one -- "${change[@]}" >"$work/vm" 2>&1 </dev/null
check "in a VM every change can be made" eval '[ "$(grep -c "done" "$work/vm")" = 18 ] && ! grep failed "$work/vm"'
plume vm diff one >"$work/diff" 2>&1 </dev/null
check "the VM has them" eval 'grep -q "new.txt" "$work/diff" && grep -q "MachineChange" "$work/diff"'
check "the VM goes" plume vm delete one
check "the agent ends again" agent_ends
check "the machine is as it was" machine_same guest/machine_listing.sh

# --- bare -----------------------------------------------------------------------------------------------------------------
check "the machine is listed again" machine_before
mkfifo "$work/in"
wine "${change[@]}" <"$work/in" >"$work/bare" 2>/dev/null &
change_pid=$!
exec 7>"$work/in"
for i in $(seq 100); do grep -q ready "$work/bare" && break; sleep 0.2; done
check "bare every change can be made" eval '[ "$(grep -c "done" "$work/bare")" = 18 ] && ! grep failed "$work/bare"'
check "the machine is not as it was" eval '! machine_same guest/machine_listing.sh >"$work/found"'
found() { check "found: $1" grep -qE -- "$2" "$work/machine.log"; }
found content '^\+ file prefix/drive_c/change/content.txt '
found "an attribute" '^\+ file prefix/drive_c/change/attribute.txt .*user.DOSATTRIB'
found "a deletion" '^- file prefix/drive_c/change/deleted.txt '
found "a new file" '^\+ file prefix/drive_c/change/new.txt '
found "a new folder" '^\+ folder prefix/drive_c/change/folder '
found "a value" '^\+ value .*MachineChange Data 3 01020304$'
found "a value's type" '^\+ value .*MachineChange Kind 2 '
found "a deleted key" '^- key .*MachineChange\\Doomed '
found "a key's class" '^\+ key .*MachineChange\\Made [0-9]+ OfClass$'
found "a new value" '^\+ value .*MachineChange\\Made New 3 '
found "an event" '^\+ object .*\\MachineChangeEvent Event'
found "a section" '^\+ object .*\\MachineChangeSection Section'
found "a pipe" '^\+ pipe machine_change.exe File .*\\MachineChangePipe$'
found "a mailslot" '^\+ pipe machine_change.exe File .*\\MachineChangeSlot$'
found "an atom" '^\+ atom MachineChangeAtom$'
found "a window" '^\+ window top Static MachineChangeWindow machine_change.exe'
found "a message window" '^\+ window message Static MachineChangeMessage machine_change.exe'
found "the clipboard" '^\+ clipboard format '
found "a process" '^\+ process machine_change.exe$'
exec 7>&-
wait "$change_pid"
finish
