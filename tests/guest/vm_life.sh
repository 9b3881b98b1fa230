#!/bin/bash
# The life of a VM: snapshots, export and import, templates, commit, deletion with files in use, --rm, and state folders
# that are moved, copied, or another's.
set -u
source "$(dirname "$0")/../apps/lib.sh"
guests=${PLUME_GUESTS:-$top/build/mingw64/bin}
new_prefix life prefix
new_prefix life-other other
c=$prefix/drive_c
export PLUME_HOME="$work/state"
out=$work/out err=$work/err
run() { plume_in "$prefix" "$@" >"$out" 2>"$err"; code=$?; sed -i 's/\r$//' "$out" "$err"; }
ok() {  # ok WHAT CONDITION...
  local what=$1; shift
  if "$@"; then pass "$what"; else fail "$what (exit $code)"; head -5 "$out" "$err" | sed 's/^/     | /'; fi
}
is() { [ "$code" = "$1" ]; }
says() { grep -qF -- "$1" "$out"; }
says_not() { ! says "$1"; }
refuses() { [ "$code" = 125 ] && [ "$(wc -l <"$err")" = 1 ] && grep -q '^plume: .*failed: ' "$err" && grep -qiF -- "$1" "$err"; }
in_vm() { local vm=$1; shift; run vm run "$vm" -- cmd /c "$@"; }
value() { run vm run "$1" -- reg query 'HKCU\Software\Life' /v "$2"; }
host_value() { bare "$prefix" reg query 'HKCU\Software\Life' /v "$1" 2>/dev/null | tr -d '\r'; }
source tests/guest/lib_machine.sh
WINEPREFIX=$prefix machine_before || exit 1
wait_for() { local i; for i in $(seq 100); do "$@" && return 0; sleep 0.1; done; return 1; }

mkdir -p "$c/life"
echo host >"$c/life/host.txt"; echo doomed >"$c/life/doomed.txt"; echo mine >"$c/life/both.txt"
bare "$prefix" reg add 'HKCU\Software\Life' /v Host /d before /f >/dev/null 2>&1
bare "$prefix" reg add 'HKCU\Software\Life\Doomed' /v X /d 1 /f >/dev/null 2>&1

# --- snapshots ---------------------------------------------------------------------------------------------------------
in_vm one 'echo first>C:\life\vm.txt& echo first>C:\life\host.txt& mkdir C:\life\dir& echo deep>C:\life\dir\deep.txt& echo own>"%USERPROFILE%\own.txt"& del C:\life\doomed.txt'
run vm run one -- reg add 'HKCU\Software\Life' /v State /d first /f
run vm run one -- reg delete 'HKCU\Software\Life\Doomed' /f
run vm snapshot one before
ok "snapshot" is 0
ok "and says its size" says "snapshot before"
run vm diff one; cp "$out" "$work/diff.before"
in_vm one 'echo second>C:\life\vm.txt& echo late>C:\life\late.txt& rmdir /s /q C:\life\dir& del "%USERPROFILE%\own.txt"& echo back>C:\life\doomed.txt'
run vm run one -- reg add 'HKCU\Software\Life' /v State /d second /f
run vm snapshot one after
ok "a second one" is 0
run vm snapshots one
ok "they are listed" grep -q "^before" "$out"
ok "in order" eval 'says after && [ "$(grep -n ^before "$out" | cut -d: -f1)" -lt "$(grep -n ^after "$out" | cut -d: -f1)" ]'
run vm restore one before
ok "restore" is 0
in_vm one 'type C:\life\vm.txt& type C:\life\host.txt& type C:\life\dir\deep.txt& type "%USERPROFILE%\own.txt"'
ok "files are as they were" eval '[ "$(tr "\n" " " <"$out")" = "first first deep own " ]'
in_vm one 'if exist C:\life\late.txt (echo there) else (echo gone)'
ok "later files are gone" says gone
in_vm one 'if exist C:\life\doomed.txt (echo there) else (echo gone)'
ok "deleted files are deleted again" says gone
value one State
ok "values are as they were" says first
run vm run one -- reg query 'HKCU\Software\Life\Doomed'
ok "deleted keys are deleted again" [ "$code" != 0 ]
run vm diff one
ok "nothing else differs" cmp -s "$out" "$work/diff.before"
run vm restore one after
in_vm one 'type C:\life\vm.txt'
ok "and forward again" says second
run vm restore one before
run vm snapshot one before
ok "a tag is used once" refuses "already"
run vm snapshot one 'no/tag'
ok "bad: tag" refuses "letters"
run vm restore one nosuch
ok "bad: no such snapshot" refuses "none of this name"
run vm snapshot nosuchvm x
ok "bad: snapshot of no VM" refuses "none of this name"
run vm snapshot one after --delete
ok "delete a snapshot" is 0
run vm snapshots one --json
ok "it is gone" says_not '"after"'
run vm snapshot one after --delete
ok "bad: delete it twice" refuses "none of this name"
limit=60 plume_in "$prefix" vm run one -- cmd /c 'ping -n 60 127.0.0.1 >NUL' >/dev/null 2>&1 &
background=$!
wait_for eval 'run vm ps one; says cmd.exe'
run vm snapshot one running
ok "a running VM is refused" refuses "plume vm stop one"
run vm restore one before
ok "restore as well" refuses "running"
run vm commit one
ok "commit as well" refuses "running"
run vm export one "$work/running.plvm"
ok "export as well" refuses "running"
run vm stop one
wait $background

# --- export, import ----------------------------------------------------------------------------------------------------
run vm export one "$work/one.plvm"
ok "export" is 0
run vm export one "$work/one.plvm"
ok "does not overwrite" refuses "exists already"
run vm export one "$work/one.plvm" --force
ok "unless told to" is 0
run vm import "$work/one.plvm" two
ok "import" is 0
run vm diff two
ok "the same changes" cmp -s "$out" "$work/diff.before"
in_vm two 'type C:\life\vm.txt'
ok "the same files" says first
value two State
ok "the same values" says first
in_vm two 'echo changed>C:\life\vm.txt'
in_vm one 'type C:\life\vm.txt'
ok "but its own" says first
run vm import "$work/one.plvm" two
ok "bad: the name is taken" refuses "already"
run vm import "$work/one.plvm"
ok "bad: so is the name in the file" refuses "already"
size=$(stat -c %s "$work/one.plvm")
for cut in 0 10 100 $((size / 2)) $((size - 1)); do
  head -c "$cut" "$work/one.plvm" >"$work/cut.plvm"
  run vm import "$work/cut.plvm" broken
  ok "cut to $cut bytes" refuses "damaged"
done
for at in 20 200 $((size / 2)) $((size - 5)); do
  python3 - "$work/one.plvm" "$work/bad.plvm" "$at" <<'PY'
import sys
b = bytearray(open(sys.argv[1], "rb").read()); b[int(sys.argv[3])] ^= 0x41; open(sys.argv[2], "wb").write(b)
PY
  run vm import "$work/bad.plvm" broken
  ok "a byte changed at $at" refuses "damaged"
done
run vm import "$c/windows/win.ini" broken
ok "bad: not a VM file" refuses "it is none"
run vm import "$work/nosuch.plvm" broken
ok "bad: no such file" refuses "nosuch.plvm"
run vm list
ok "nothing is left of what was refused" says_not broken
# The same file on another user's machine: its own profile folder, its own keys.
PLUME_HOME="$work/state2" plume_in "$other" vm import "$work/one.plvm" three >"$out" 2>"$err"; code=$?
ok "import on another machine" is 0
PLUME_HOME="$work/state2" plume_in "$other" vm run three -- cmd /c 'type "%USERPROFILE%\own.txt"' >"$out" 2>"$err"; code=$?
ok "the profile's file is there" says own
PLUME_HOME="$work/state2" plume_in "$other" vm run three -- reg query 'HKCU\Software\Life' /v State >"$out" 2>"$err"; code=$?
ok "the user's keys are there" says first

# --- templates ---------------------------------------------------------------------------------------------------------
run vm create t1 --from one
ok "create --from a VM" is 0
run vm create t2 --from one@before
ok "create --from a snapshot" is 0
run vm create t3 --from "$work/one.plvm"
ok "create --from a file" is 0
for vm in t1 t2 t3; do
  run vm diff $vm
  ok "$vm is a copy" cmp -s "$out" "$work/diff.before"
done
run vm create t4 --from nosuch
ok "bad: from nothing" refuses "neither a VM nor"
run vm create t4 --from one@nosuch
ok "bad: from no snapshot" refuses "none of this name"
run vm create t4 --from one --image x:1
ok "bad: with an image" refuses "exclude"

# --- commit ------------------------------------------------------------------------------------------------------------
in_vm one 'echo committed>C:\life\both.txt'
run vm commit one --dry-run
ok "dry run" says "would commit"
ok "writes nothing" eval 'grep -q mine "$c/life/both.txt" && [ -e "$c/life/doomed.txt" ]'
echo "changed meanwhile" >"$c/life/both.txt"; bare "$prefix" reg add 'HKCU\Software\Life\Doomed' /v New /d 1 /f >/dev/null 2>&1
echo other >"$c/life/vm.txt"
run vm commit one
ok "conflicts are refused" refuses "3 conflicts"
ok "listed: a changed file" says '! C:\life\both.txt: it changed on the host'
ok "listed: a new file" says '! C:\life\vm.txt: it appeared on the host'
ok "listed: a changed key" says '! HKCU\Software\Life\Doomed: it changed on the host'
ok "nothing was written" eval 'grep -q meanwhile "$c/life/both.txt" && grep -q other "$c/life/vm.txt" && [ -e "$c/life/doomed.txt" ] && [ ! -e "$c/life/dir" ]'
run vm diff one
ok "the VM has its changes still" says 'C:\life\both.txt'
run vm commit one --json
ok "as JSON" says '"committed": false'
echo mine >"$c/life/vm.txt"; rm "$c/life/vm.txt"
run vm commit one --overwrite
ok "the VM's side is taken when asked for" is 0
ok "modified files" eval 'grep -q committed "$c/life/both.txt" && grep -q first "$c/life/host.txt"'
ok "added files" eval 'grep -q first "$c/life/vm.txt" && grep -q deep "$c/life/dir/deep.txt"'
ok "deleted files" [ ! -e "$c/life/doomed.txt" ]
ok "nothing of ours is left beside them" eval '[ -z "$(find "$c/life" -name "*plume*")" ]'
ok "values" eval 'host_value State | grep -q first && host_value Host | grep -q before'
ok "deleted keys" eval '! bare "$prefix" reg query "HKCU\\Software\\Life\\Doomed" >/dev/null 2>&1'
run vm diff one
ok "the VM has no changes now" [ ! -s "$out" ]
run vm commit one
ok "nothing to commit is no failure" says "committed 0"
in_vm one 'echo again>C:\life\both.txt& del C:\life\host.txt& rmdir /s /q C:\life\dir'
run vm commit one
ok "without conflicts it just happens" is 0
ok "as it should" eval 'grep -q again "$c/life/both.txt" && [ ! -e "$c/life/host.txt" ] && [ ! -e "$c/life/dir" ]'
run vm restore one before
ok "snapshots survive a commit" is 0
run vm commit nosuchvm
ok "bad: commit of no VM" refuses "none of this name"

# --- deletion ----------------------------------------------------------------------------------------------------------
in_vm held 'echo x>C:\life\held.txt'
file=$(find "$work/state/vms" -name held.txt)
mkfifo "$work/hold"
WINEPREFIX=$prefix wine "$guests/life_guest.exe" hold "$(win "$file")" <"$work/hold" >"$work/holder" 2>/dev/null &
exec 7>"$work/hold"
wait_for grep -q held "$work/holder"
run vm delete held
ok "delete with a file in use" is 0
run vm list
ok "it is gone at once" says_not held
run vm create held
ok "and its name is free" is 0
ok "the file is still its holder's" eval '[ -n "$(find "$work/state/trash" -name held.txt)" ]'
exec 7>&-
wait
ok "and goes when it is let go" wait_for eval '[ -z "$(find "$work/state/trash" -mindepth 1)" ]'
key=$(grep -c '^\[Software\\\\Plume.*VMs\\\\' "$prefix/user.reg")
run vm run linked -- "$(win "$guests/life_guest.exe")" link 'Software\LifeLink' '\Registry\User\S-1-5-21-0-0-0-1000\Software\Life'
ok "a VM links a key to the host's" is 0
run vm snapshot linked s
run vm restore linked s
ok "which a snapshot keeps" is 0
run vm delete linked
ok "deleting it" is 0
sleep 0.5
ok "leaves the host's key alone" eval 'host_value State | grep -q first'

# --- ephemeral VMs -----------------------------------------------------------------------------------------------------
# A process that is being made is, for a moment, its maker's by its command line: the program runs once it has started another.
limit=60 plume_in "$prefix" vm run brief --rm -- cmd /c 'echo x>C:\life\brief.txt& ping -n 60 127.0.0.1 >NUL' >/dev/null 2>&1 &
background=$!
wait_for eval 'run vm ps brief; grep -qiF ping.exe "$out"'
source tests/fault/lib_fault.sh >/dev/null
kill_client "$prefix"
wait $background 2>/dev/null
run vm list
ok "--rm with a killed client: the program lives on" says brief
run vm stop brief
ok "and the VM goes with it" wait_for eval 'run vm list; says_not brief'
limit=60 plume_in "$prefix" vm run brief --rm -- cmd /c 'ping -n 60 127.0.0.1 >NUL' >/dev/null 2>&1 &
background=$!
wait_for eval 'run vm ps brief; grep -qiF ping.exe "$out"'
kill_in "$prefix" plume-agent.exe
run vm stop brief
wait $background 2>/dev/null
ok "--rm with a killed agent" wait_for eval 'run vm list; says_not brief'
limit=60 plume_in "$prefix" vm run brief --rm -- cmd /c 'ping -n 60 127.0.0.1 >NUL' >/dev/null 2>&1 &
background=$!
wait_for eval 'run vm ps brief; grep -qiF ping.exe "$out"'
kill_in "$prefix" plume-agent.exe; kill_client "$prefix"
wait $background 2>/dev/null
run vm list
ok "both killed: the program lives on" says brief
run vm stop brief
ok "and goes with its VM" wait_for eval 'run vm list; says_not brief'

# --- state folders -----------------------------------------------------------------------------------------------------
in_vm kept 'echo kept>C:\life\kept.txt'
run vm run kept -- reg add 'HKCU\Software\Life' /v Kept /d yes /f
run agent stop
mv "$work/state" "$work/moved"
export PLUME_HOME="$work/moved"
run vm diff kept
ok "a moved state folder works" says 'A C:\life\kept.txt'
value kept Kept
ok "with the registry of its VMs" says yes
cp -a "$work/moved" "$work/copied"
PLUME_HOME="$work/copied" plume_in "$prefix" vm list >"$out" 2>"$err"; code=$?
ok "a copy is refused" refuses "it is a copy of"
run agent stop
plume_in "$other" vm list >"$out" 2>"$err"; code=$?
ok "another machine's is refused" refuses "another machine or Wine prefix"
rm "$work/copied/state.json"
PLUME_HOME="$work/copied" plume_in "$prefix" vm run kept -- cmd /c 'type C:\life\kept.txt' >"$out" 2>"$err"; code=$?
ok "unless its registry is given up" says kept
PLUME_HOME="$work/copied" plume_in "$prefix" agent stop >/dev/null 2>&1
run vm list
ok "the original goes on" says kept
plume_in "$other" vm list >"$out" 2>"$err"; code=$?
ok "a second agent on a folder in use is refused" refuses "plume-agent"
export WINEPREFIX=$prefix PLUME_WINEPREFIX=$prefix
machine_tidy
check "the machine is as it was" machine_same guest/vm_life.sh
finish
