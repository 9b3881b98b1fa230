#!/bin/bash
# Every VM verb of the command line.
#
#   tests/guest/vm_verbs.sh [BIN]     see lib_verbs.sh
#
# Prints one line per check and "N passed, N failed" at the end; fails if a check failed.
source "$(dirname "$0")/lib_verbs.sh" "$@"
source "$root/tests/guest/lib_machine.sh"
machine_before || exit 1

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
run vm create worse --policy "$work/bad.toml"
check "bad: policy mode" refuses "bad.toml:2:"
run vm list
check "a policy that is wrong makes no VM" gone worse
machine_tidy
code=0
check "the machine is as it was" machine_same guest/vm_verbs.sh
finish
