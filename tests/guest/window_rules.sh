#!/bin/bash
# Rules of a policy about windows: a class that one opens is there for the VM's programs, on the machine and in other VMs alike,
# every other is not; plume vm explain names the rule that decides, also about the clipboard.
#   tests/guest/window_rules.sh [BIN]     BIN: folder of plume, plume.exe, plume-agent.exe, plume-vl64.dll (build/bin)
set -u
[ -n "${1:-}" ] && export PLUME_BIN=$1
source "$(dirname "$0")/../apps/lib.sh"
start_display
new_prefix guest-rules prefix
export WINEPREFIX=$prefix PLUME_WINEPREFIX=$prefix PLUME_HOME=$work/state
mkdir -p "$prefix/drive_c/t"
cp build/mingw64/bin/window_guest.exe "$prefix/drive_c/t/"
guest='C:\t\window_guest.exe'
source tests/guest/lib_machine.sh
machine_before || exit 1

machine() { timeout 120 wine "$guest" "$@" </dev/null 2>/dev/null; }
vm() { timeout 120 plume vm run "$1" -- "$guest" "${@:2}" </dev/null 2>/dev/null; }
says() {  # says WHAT FILE: waits until the file begins with the word
  local i
  for i in $(seq 150); do [ -s "$2" ] && break; sleep 0.2; done
  [ "$(head -1 "$2" | tr -d '\r')" = "$1" ]
}
explained() { plume vm explain "$1" "$2" </dev/null 2>&1 | tr -d '\r' >"$work/explained"; shift 2; local t; for t in "$@"; do grep -qE -- "$t" "$work/explained" || { cat "$work/explained"; return 1; }; done; }
second() { "$@" >"$work/second"; [ $? = 1 ] && tr -d '\r' <"$work/second" | cmp -s - <(printf 'told: 31\nsecond\n'); }
absent() { "$@"; [ $? = 1 ]; }

printf '%s\n' '[windows]' "'SomethingElse' = \"host\"" "'PlumeSingle*' = \"host\"" >"$work/open.toml"
printf '%s\n' '[clipboard]' 'mode = "to-host"' 'formats = ["text", "image"]' 'max = "2 KB"' >"$work/clip.toml"
check "VM closed" plume vm create closed
check "VM open" plume vm create open --policy "$work/open.toml"
check "VM clip" plume vm create clip --policy "$work/clip.toml"

# --- a window on the machine ----------------------------------------------------------------------------------------------
machine single 120 'C:\t\end-machine' >"$work/machine" & one=$!
check "the machine's program runs" says first "$work/machine"
check "its window is not there for a VM without a rule" absent vm closed find PlumeSingleInstance
check "nor by another rule" absent vm clip find PlumeSingleInstance
check "it is there where a rule opens its class" vm open find PlumeSingleInstance
check "the same program there hands over to it" second vm open single
touch "$prefix/drive_c/t/end-machine"
wait "$one"
check "it was told, once" eval '[ "$(grep -c "copydata open" "$work/machine")" = 1 ]'

# --- a window in a VM -----------------------------------------------------------------------------------------------------
vm closed single 120 'C:\t\end-vm' >"$work/vm" & one=$!
check "another VM's program runs" says first "$work/vm"
check "its window is there for the VM whose rule opens the class" vm open find PlumeSingleInstance
check "and for no other" absent vm clip find PlumeSingleInstance
touch "$prefix/drive_c/t/end-vm"
wait "$one"

# --- explain ----------------------------------------------------------------------------------------------------------------
check "explain: no rule" explained closed 'Window\PlumeSingleInstance' '^mode +private' 'none: windows outside the VM do not exist'
check "explain: the rule by file and line" explained open 'Window\PlumeSingleInstance' '^mode +host' 'open\.toml:3'
check "explain: as a VM decides, in any case of letters" explained open 'Window\PLUMESINGLEINSTANCE' '^mode +host' 'open\.toml:3'
check "explain: another class" explained open 'Window\Notepad' '^mode +private'
check "explain: what the desktop needs" explained closed 'Window\Shell_TrayWnd' '^mode +seen' '^rule +system: '
check "explain: a clipboard of its own" explained closed Clipboard '^mode +isolated' 'of its own'
check "explain: the words in any case of letters" explained open 'window\PlumeSingleInstance' '^mode +host'
check "explain: ... and the clipboard's" explained clip cLIPBOARD '^mode +to-host'
check "explain: what crosses" explained clip Clipboard '^mode +to-host' 'text, image may cross' '2[0-9]{3} bytes'

machine_tidy
check "the machine is as it was" machine_same guest/window_rules.sh
finish
