#!/bin/bash
# Every VM verb of the command line, and one line for every kind of bad input. Runs in a Wine prefix of its own.
#
#   tests/guest/vm_verbs.sh [BIN]     BIN: folder of plume, plume.exe, plume-agent.exe, plume-vl64.dll (build/bin)
#   PLUME_WINEPREFIX                  the prefix to use (it is changed); default: a private one in TMPDIR
#
# Prints one line per check and "N passed, N failed" at the end; fails if a check failed.
set -u

root=$(cd "$(dirname "$0")/../.." && pwd)
bin=${1:-$root/build/bin}
work=$(mktemp -d "${TMPDIR:-/tmp}/plume-verbs.XXXXXX")
export PLUME_WINEPREFIX=${PLUME_WINEPREFIX:-$work/prefix}
export WINEDEBUG=-all
export PLUME_HOME="$work/state"
plume=$bin/plume
passed=0
failed=0
trap '"$plume" agent stop --force >/dev/null 2>&1 </dev/null; rm -rf "$work"' EXIT

out=$work/out
err=$work/err
# run ARGS...: runs plume, leaves $code, $out, $err.
run() {
  timeout 120 "$plume" "$@" >"$out" 2>"$err" </dev/null
  code=$?
  sed -i 's/\r$//' "$out" "$err"
}
check() { # NAME CONDITION...
  local name=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
    echo "ok   $name"
  else
    failed=$((failed + 1))
    echo "FAIL $name (exit $code)"
    sed 's/^/     out: /' "$out" | head -5
    sed 's/^/     err: /' "$err" | head -5
  fi
}
is() { [ "$code" = "$1" ]; }
says() { grep -qF -- "$1" "$out"; }
silent() { ! [ -s "$out" ]; }
# Plume's own failure: exit 125, exactly one line "plume: ... failed: ...", and it says $1.
refuses() { [ "$code" = 125 ] && [ "$(wc -l <"$err")" = 1 ] && grep -q '^plume: .*failed: ' "$err" && grep -qiF -- "$1" "$err"; }
gone() { ! says "$1"; }

# --- create, list, run -----------------------------------------------------------------------------------------
run --version
check "version" says plume
run vm list
check "list when empty" is 0
run vm create one
check "create" is 0
run vm create ONE
check "create twice (names ignore case)" refuses "already"
run vm list --json
check "list --json" says '"name": "one"'
run vm run one -- cmd /c echo hello
check "run prints what the guest prints" says hello
run vm run one -- cmd /c exit 7
check "exit code is handed on" is 7
run vm run one -- cmd /c "echo error 1>&2"
check "stderr is the guest's" grep -q error "$err"
echo "from stdin" >"$work/in"
timeout 60 "$plume" vm run one -- cmd /c 'set /p LINE=& set LINE' <"$work/in" >"$out" 2>"$err"
code=$?
check "stdin is the guest's" says "LINE=from stdin"
run vm run one --env GREETING=salve -- cmd /c "echo %GREETING%"
check "--env" says salve
run vm run one --cwd 'C:\windows' -- cmd /c cd
check "--cwd" says 'C:\windows'

# --- changes stay inside ----------------------------------------------------------------------------------------
host=$PLUME_WINEPREFIX/drive_c
echo before >"$host/verbs-host.txt"
run vm run one -- cmd /c 'echo inside>C:\verbs-new.txt& echo after>C:\verbs-host.txt& mkdir C:\verbs-dir'
check "guest writes" is 0
check "host file untouched" grep -q before "$host/verbs-host.txt"
check "new file is not on the host" [ ! -e "$host/verbs-new.txt" ]
run vm run one -- cmd /c 'type C:\verbs-new.txt'
check "the VM remembers" says inside
run vm run one -- reg add 'HKCU\Software\VerbsTest' /v Name /d Value /f
check "guest writes the registry" is 0
run vm diff one
check "diff: added file" says 'A C:\verbs-new.txt'
check "diff: modified file" says 'M C:\verbs-host.txt'
check "diff: added directory" says 'A C:\verbs-dir'
check "diff: added key" says 'A HKCU\Software\VerbsTest'
check "diff: added value" says 'A HKCU\Software\VerbsTest\\Name'
run vm diff one --json
check "diff --json" says '"path": "C:\\verbs-new.txt"'
run vm run one -- cmd /c 'del C:\verbs-host.txt'
run vm diff one
check "diff: deleted file" says 'D C:\verbs-host.txt'
run vm explain one 'C:\verbs-new.txt'
check "explain: upper layer" says 'layer  upper'
run vm explain one 'C:\verbs-host.txt'
check "explain: deleted" says 'deleted in this VM'
run vm explain one 'HKCU\Software\VerbsTest'
check "explain: key" says 'layer  upper'
run vm explain one 'HKCU\Software\Plume'
check "explain: Plume's state is denied" says 'mode   deny'

# --- two VMs do not see each other ------------------------------------------------------------------------------
run vm run two -- cmd /c 'if exist C:\verbs-new.txt (exit 1) else (exit 0)'
check "run makes the VM; VMs are separate" is 0

# --- ps, stop ---------------------------------------------------------------------------------------------------
timeout 120 "$plume" vm run two -- cmd /c 'ping -n 60 127.0.0.1 >NUL' >/dev/null 2>&1 </dev/null &
background=$!
for _ in $(seq 100); do
  run vm ps two
  grep -qi cmd.exe "$out" && break
  sleep 0.1
done
check "ps shows the guests" says cmd.exe
run vm discard two
check "discard refuses while it runs" refuses "running"
run vm delete two
check "delete refuses while it runs" refuses "running"
run agent stop
check "agent stop refuses while a VM runs" refuses "running"
run vm stop two
check "stop" is 0
wait $background
run vm ps two --json
check "nothing runs after stop" says '[]'

# --- the agent may die ------------------------------------------------------------------------------------------
run agent stop
check "agent stop" is 0
run agent status
check "agent status when it is gone" says "not running"
run vm run one -- cmd /c 'type C:\verbs-new.txt'
check "a new agent knows the VMs" says inside

# --- discard, delete, --rm --------------------------------------------------------------------------------------
run vm discard one
check "discard" is 0
run vm diff one
check "nothing changed after discard" silent
run vm run one -- cmd /c 'type C:\verbs-host.txt'
check "the host's file is seen again" says before
run vm delete one
check "delete" is 0
run vm list
check "deleted VM is not listed" gone one
run vm run temp --rm -- cmd /c 'echo x>C:\verbs-temp.txt'
check "--rm runs" is 0
run vm list
check "--rm deletes" gone temp

# --- policies ---------------------------------------------------------------------------------------------------
mkdir -p "$host/verbs-shared" "$host/verbs-closed"
echo secret >"$host/verbs-closed/x"
printf '%s\n' 'inherit = "sandbox"' '[files]' "'C:\\verbs-shared' = \"host\"" "'C:\\verbs-closed' = \"deny\"" >"$work/policy.toml"
run vm create strict --policy "$work/policy.toml"
check "create --policy" is 0
run vm run strict -- cmd /c 'echo shared>C:\verbs-shared\y.txt'
check "mode host writes through" [ -e "$host/verbs-shared/y.txt" ]
run vm run strict -- cmd /c 'type C:\verbs-closed\x'
check "mode deny hides" gone secret
run vm explain strict 'C:\verbs-closed\x'
check "explain names the rule's line" says 'policy.toml:4'
printf '%s\n' '[files]' "'C:\\x' = \"open\"" >"$work/bad.toml"

# --- bad input: one line, exit 125 ------------------------------------------------------------------------------
run vm create worse --policy "$work/bad.toml"
check "bad: policy mode" refuses "bad.toml:2:"
run vm list
check "bad policy makes no VM" gone worse
printf '%s\n' '[network]' 'mode = "none"' >"$work/later.toml"
run vm create worse --policy "$work/later.toml"
check "bad: a policy that would not be enforced" refuses "[network] is not enforced"
check "a policy that would not be enforced makes no VM" gone worse
run vm create worse --policy "$work/missing.toml"
check "bad: policy file missing" refuses "missing.toml"
run vm create 'no/name'
check "bad: VM name" refuses "letters"
run vm create
check "bad: no name" refuses "NAME"
run vm run nosuch-program-vm -- nosuchprogram.exe
check "bad: no such program" refuses "no such program"
run vm run strict --cwd 'C:\nowhere' -- cmd /c echo x
check "bad: no such folder" refuses "does not exist"
run vm run strict --env NOVALUE -- cmd /c echo x
check "bad: --env without value" refuses "NAME=VALUE"
run vm run strict
check "bad: no program" refuses "no program"
for verb in ps stop delete diff discard; do
  run vm $verb nosuchvm
  check "bad: vm $verb of an unknown VM" refuses "there is none of this name"
done
run vm explain nosuchvm 'C:\x'
check "bad: explain of an unknown VM" refuses "none of this name"
run vm explain strict 'HKXX\x'
check "bad: explain of no path" refuses "failed"
run vm frobnicate
check "bad: unknown verb" refuses "command line"
run vm create withimage --image nosuchimage:1
check "bad: unknown image" refuses "nosuchimage"
run run nosuchapp
check "bad: unknown application" refuses "nosuchapp"
run update nosuchapp
check "bad: update of an unknown application" refuses "nosuchapp"
run remove nosuchapp
check "bad: remove of an unknown application" refuses "nosuchapp"
run add nonsense
check "bad: not a repository" refuses "REPO/NAME"
run add http://127.0.0.1:9/apps/x
check "bad: unreachable server" refuses "failed"
run add "oci:$work/none/x"
check "bad: no such layout folder" refuses "failed"
run image inspect nosuchimage
check "bad: image inspect" refuses "nosuchimage"
run publish nosuchimage:1 "oci:$work/out"
check "bad: publish" refuses "nosuchimage"
run capture x --version 1
check "bad: capture of nothing" refuses "source"
run capture x --version 1 --from-folder "$work/none" --at 'C:\Program Files\X'
check "bad: capture of a missing folder" refuses "not a folder"
run vm list
check "and the agent is still well" says strict

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
