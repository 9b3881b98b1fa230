#!/bin/bash
# Starts without a Wine process of the command line's own: the agent starts the guest for the launcher. A program cannot tell
# the two ways apart; where it could, the other way is taken.
set -u
source "$(dirname "$0")/../apps/lib.sh"
source tests/fault/lib_fault.sh >/dev/null
new_prefix direct prefix
export PLUME_HOME="$work/state"
out=$work/out err=$work/err
run() { plume_in "$prefix" "$@" >"$out" 2>"$err"; code=$?; }
other() { PLUME_DIRECT_START=0 plume_in "$prefix" "$@" >"$work/out.other" 2>"$work/err.other"; other=$?; }
# Both ways do the same: run WHAT ARGS... twice and compare.
alike() {
  local what=$1; shift
  run "$@"; other "$@"
  check "$what: exit code $code" [ "$code" = "$other" ]
  check "$what: output" cmp "$out" "$work/out.other"
  check "$what: messages" cmp "$err" "$work/err.other"
}
clients() { pids_in "$prefix" plume.exe; }
running() { plume_in "$prefix" vm ps "$1" 2>/dev/null | grep -qi "${2:-ping.exe}"; }
wait_for() { local i; for i in $(seq 100); do "$@" && return 0; sleep 0.1; done; return 1; }
need "a VM" plume_in "$prefix" vm create one
state=$(state_of "$prefix")

# --- the same program ----------------------------------------------------------------------------------------------------
export FOO='a  b' QT_FOO=1 EMPTY='' LANG=C.UTF-8 UMLAUT='süß'
bare "$prefix" reg add 'HKCU\Environment' /v Path /d 'C:\mine' /f >/dev/null 2>&1
bare "$prefix" reg add 'HKCU\Environment' /v Expanded /t REG_EXPAND_SZ /d '%USERNAME%-%SystemDrive%' /f >/dev/null 2>&1
alike "environment" vm run one --env 'A=%FOO%' -- cmd /c set
check "it is the caller's" grep -aq '^FOO=a  b' "$out"
check "with the machine's" grep -aqi '^PATH=.*C:\\mine' "$out"
check "without what is plume's" sh -c "! grep -aqE '^PLUME_(HOME|WINEPREFIX|DIRECT_START|AGENT_STARTED)=' '$out'"
bare "$prefix" reg add 'HKCU\Environment' /v Later /d first /f >/dev/null 2>&1
alike "environment, changed" vm run one -- cmd /c set
check "it is seen at once" grep -aq '^Later=first' "$out"
bare "$prefix" reg delete 'HKCU\Environment' /f >/dev/null 2>&1
bare "$prefix" reg add 'HKCU\Environment' /v Later /d second /f >/dev/null 2>&1
alike "environment, made anew" vm run one -- cmd /c set
check "of the new key alone" sh -c "grep -aq '^Later=second' '$out' && ! grep -aqi 'mine' '$out'"
alike "folder" vm run one -- cmd /c cd
mkdir -p "$work/a folder"
ln -s "$work/a folder" "$work/link"
cd "$work/link"
alike "folder by a link" vm run one -- cmd /c cd
cd "$top"
alike "another folder, exit code" vm run one --cwd 'C:\windows' -- cmd /c 'cd & exit 300'
alike "arguments" vm run one -- cmd /c echo 'a"b' 'c d' '' 'e\' '%FOO%' 'süß'
alike "no such program" vm run one -- nosuch.exe
alike "no such folder" vm run one --cwd 'C:\nosuch' -- cmd /c cd
alike "no such application" run nosuch
alike "no such image" vm run two --image nosuch -- cmd /c cd
alike "a VM with --rm" vm run brief --rm -- cmd /c 'echo x>C:\x.txt & type C:\x.txt'
check "it is gone" sh -c "! plume_vms=\$(PLUME_WINEPREFIX='$prefix' plume vm list) || ! echo \"\$plume_vms\" | grep -q brief"

# --- the same handles ------------------------------------------------------------------------------------------------------
echo typed | PLUME_WINEPREFIX=$prefix plume vm run one -- cmd /c 'set /p X= & set X' 2>&1 | cat >"$out"
check "standard input and output are pipes" grep -q 'X=typed' "$out"
{ echo first; plume_in "$prefix" vm run one -- cmd /c 'echo second& echo third>&2' 2>&1; echo last; } >"$out"
check "a file goes on where it was" [ "$(tr -d '\r' <"$out" | tr '\n' ' ')" = "first second third last " ]
plume_in "$prefix" vm run one -- cmd /c echo added >>"$out" 2>&1
check "and is added to" [ "$(tr -d '\r' <"$out" | tr '\n' ' ')" = "first second third last added " ]

# --- which way -------------------------------------------------------------------------------------------------------------
way() {  # way COMMAND...: which way a start by it took
  "$@" vm run one -- ping -n 30 127.0.0.1 >/dev/null 2>&1 </dev/null &
  local client=$!
  wait_for running one
  [ -n "$(clients)" ] && echo other || echo direct
  plume_in "$prefix" vm stop one >/dev/null 2>&1
  wait "$client"
}
export PLUME_WINEPREFIX=$prefix
check "the agent starts it" [ "$(way plume)" = direct ]
check "not if told not to" [ "$(way env PLUME_DIRECT_START=0 plume)" = other ]
check "not with another priority" [ "$(way nice -n 3 plume)" = other ]
check "not with other limits" [ "$(way bash -c 'ulimit -S -s 4096; plume "$@"' x)" = other ]
check "not with another mask" [ "$(way bash -c 'umask 007; plume "$@"' x)" = other ]
check "not with Wine's messages" [ "$(way env WINEDEBUG=err+all plume)" = other ]
check "not at a terminal" [ "$(way python3 -c 'import pty, sys; pty.spawn(["plume"] + sys.argv[1:])')" = other ]
unset PLUME_WINEPREFIX

# --- it ends ---------------------------------------------------------------------------------------------------------------
# A shell's background jobs ignore Ctrl-C; this one does not. Prints what the launcher ended with.
signalled() {  # signalled SIGNAL ARGS...
  PLUME_WINEPREFIX=$prefix python3 - "$@" <<'PY'
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
p = subprocess.Popen(["plume"] + sys.argv[2:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                     start_new_session=True)
for _ in range(100):
    if "ping.exe" in subprocess.run(["plume", "vm", "ps", "one"], stdout=subprocess.PIPE, text=True).stdout.lower(): break
    time.sleep(0.1)
p.send_signal(getattr(signal, sys.argv[1]))
print(p.wait(timeout=30))
PY
}
check "Ctrl-C ends a program" [ "$(signalled SIGINT vm run one -- ping -n 60 127.0.0.1)" = 0 ]
check "and what it has started" [ "$(signalled SIGINT vm run one -- cmd /c 'ping -n 60 127.0.0.1')" = 0 ]
check "nothing runs" wait_for eval '! running one'
for signal in SIGTERM SIGKILL; do
  signalled $signal vm run one -- ping -n 60 127.0.0.1 >"$out"
  check "$signal to the launcher ends its program" wait_for eval '! running one'
done

# --- the agent ends first --------------------------------------------------------------------------------------------------
for how in kill stop; do
  plume_in "$prefix" vm run one -- cmd /c 'ping -n 5 127.0.0.1 >NUL & echo over & exit 7' >"$out" 2>"$err" &
  client=$!
  check "a program runs" wait_for running one
  if [ $how = kill ]; then kill_in "$prefix" plume-agent.exe; else plume_in "$prefix" agent stop --force >/dev/null 2>&1; fi
  wait $client; code=$?
  check "agent: $how: the program goes on" grep -q over "$out"
  check "and its exit code is told" [ "$code" = 7 ]
done

# --- the socket ------------------------------------------------------------------------------------------------------------
need "an agent" plume_in "$prefix" vm list
check "only its user may open it" [ "$(stat -c %a "$state/launch.sock")" = 600 ]
cat >"$work/talk.py" <<'PY'
import os, socket, struct, sys
os.chdir(sys.argv[1])
if sys.argv[2] == "stranger":
    os.chmod("launch.sock", 0o666)
    os.seteuid(65534)
s = socket.socket(socket.AF_UNIX)
s.settimeout(20)
s.connect("launch.sock")
body = {"garbage": b"\xff" * 100, "stranger": b'{"v":1,"verb":"agent.stop"}', "verb": b'{"v":1,"verb":"agent.stop"}',
        "handles": b'{"v":1,"verb":"launch","args":{"prepare":{"name":"one"},"program":"cmd","unix_directory":"/"}}',
        "huge": b"", "short": b"{"}[sys.argv[2]]
size = {"huge": 0xFFFFFFFF, "short": 100}.get(sys.argv[2], len(body))
try:
    s.sendall(struct.pack("<I", size) + body)
    if sys.argv[2] == "short": s.shutdown(socket.SHUT_WR)
    print(s.recv(4096)[4:].decode() or "closed")
except (BrokenPipeError, ConnectionResetError):
    print("closed")
PY
talk() { python3 "$work/talk.py" "$state" "$1" >"$out" 2>&1; cat "$out"; }
check "a message that is none is refused" sh -c "echo '$(talk garbage)' | grep -q '\"ok\":false'"
check "another verb is refused" sh -c "echo '$(talk verb)' | grep -q 'another version'"
check "no handles, no start" sh -c "echo '$(talk handles)' | grep -q 'no standard handles'"
check "too long a message is not waited for" [ "$(talk huge)" = closed ]
check "half of one neither" [ "$(talk short)" = closed ]
if [ "$(id -u)" = 0 ]; then
  chmod 755 "$work"
  check "another user is turned away" [ "$(talk stranger)" = closed ]
fi
run vm run one -- cmd /c echo fine
check "the agent goes on" grep -q fine "$out"
finish
