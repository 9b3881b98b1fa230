#!/bin/bash
# The agent comes and goes, is killed, hangs. Commands given at the same moment find it, or the next one; guests and
# commands that wait for one that hangs are told so in bounded time.
set -u
source "$(dirname "$0")/../apps/lib.sh"
source tests/fault/lib_fault.sh

start_plume_server server
new_prefix fault-admin admin
new_prefix fault-client client
machine_watch "$client"
limit=120
cp -a "$(guest 7zip)/7zip-lite" "$work/app"
need "captured" plume_in "$admin" capture 7zip --version 1 --from-folder "$(win "$work/app")" --at 'C:\Program Files\7-Zip' --entry 7z.exe
need "published" publish_in "$admin" 7zip:1 "$server/apps/7zip"

# --- many at once, in VMs that are new, that end, and that go when their last guest ends ---------------------------------
ran() {  # ran NAME: one run that must succeed; what it says else goes to the log
  local said; said=$(plume_in "$client" vm run "$@" -- cmd /c 'echo done' 2>&1 | tr -d '\r')
  [ "$said" = done ] || printf '%s: %s\n' "$1" "$said" >>"$work/failures"
}
at_once() {  # at_once ROUND: six runs in three VMs
  local i
  for i in 1 2; do
    ran "new-$1" & ran "gone-$1" --rm & ran same &
  done
}
none_failed() { if [ -s "$work/failures" ]; then cat "$work/failures"; rm "$work/failures"; return 1; fi; }
for round in $(seq "$rounds"); do at_once "$round"; wait $(jobs -p | grep -vxF "$(printf '%s\n' "${pids[@]}")"); done
check "$((rounds * 6)) runs at once in new and old VMs" none_failed

# --- the agent is told to end all the time -------------------------------------------------------------------------------
touch "$work/stopping"
while [ -e "$work/stopping" ]; do plume_in "$client" agent stop >/dev/null 2>&1; pause_random 100 900; done &
stopper=$!
for round in $(seq $((rounds * 3))); do ran "stopped-$round" & ran same; wait $!; done
rm "$work/stopping"; wait "$stopper"
check "$((rounds * 6)) runs while the agent is told to end" none_failed

# --- and is killed -------------------------------------------------------------------------------------------------------
for round in $(seq "$rounds"); do
  ran same & first=$!
  ran "killed-$round" --rm & second=$!
  pause_random 50 700
  kill_in "$client" plume-agent.exe
  wait "$first" "$second"
done
check "$((rounds * 2)) runs while the agent is killed" none_failed

# --- it holds nothing of the command that started it ---------------------------------------------------------------------
seconds() { local begin=$SECONDS; "$@"; took=$((SECONDS - begin)); }
by_plume_exe() { said=$(bare "$client" "$top/build/bin/plume.exe" vm list 2>&1); }
need "it ends" plume_in "$client" agent stop --force
seconds by_plume_exe
check "a command's pipes close when it ends (${took} s)" [ "$took" -lt 10 ]
check "it said what it was asked for" grep -q same <<<"$said"
check "and the agent that it started lives" [ -n "$(pids_in "$client" plume-agent.exe)" ]

# --- what plume starts on Linux has fixed addresses, unless told otherwise ----------------------------------------------
agent_with() {  # agent_with VARIABLE=VALUE: the personality of an agent that a plume with random addresses starts
  plume_in "$client" agent stop --force >/dev/null 2>&1
  env "$1" PLUME_WINEPREFIX="$client" timeout 60 python3 -c 'import ctypes, os
ctypes.CDLL(None).personality(0)
os.execvp("plume", ["plume", "vm", "list"])' >/dev/null 2>&1 </dev/null
  cat "/proc/$(pids_in "$client" plume-agent.exe | head -1)/personality"
}
check "fixed addresses" [ "$(agent_with A=1)" = 00040000 ]
check "random ones if asked for" [ "$(agent_with PLUME_RANDOM_ADDRESSES=1)" = 00000000 ]
plume_in "$client" agent stop --force >/dev/null 2>&1

# --- it hangs: commands ----------------------------------------------------------------------------------------------------
need "an agent" plume_in "$client" vm list
agent=$(pids_in "$client" plume-agent.exe)
kill -STOP $agent
seconds plume_in "$client" vm list >"$work/out" 2>&1
code=$?
check "a command is told (${took} s)" grep -q '^plume: talking to plume-agent failed: process .* does not answer (' "$work/out"
check "in bounded time" [ "$took" -lt 40 ]
check "agent stop --force ends it" plume_in "$client" agent stop --force
# A stopped process does not see that it was ended; the wineserver makes sure of it a moment later.
for i in $(seq 50); do [ -z "$(pids_in "$client" plume-agent.exe)" ] && break; sleep 0.1; done
check "it is gone" [ -z "$(pids_in "$client" plume-agent.exe)" ]
check "the next command works" plume_in "$client" vm list

# --- it hangs: a guest that needs a file -----------------------------------------------------------------------------------
need "subscribed" subscribe_in "$client" "$server/apps/7zip"
plume_in "$client" run 7zip -- i >"$work/expected" 2>/dev/null
need "the application runs" test -s "$work/expected"
plume_in "$client" vm stop 7zip >/dev/null 2>&1
empty_cache "$client"
# The shell in the VM is up when the agent is stopped; what it starts then is not here.
begin=$SECONDS
plume_in "$client" vm run hanging --image 7zip -- cmd /c 'echo up&ping -n 4 127.0.0.1 >NUL&"C:\Program Files\7-Zip\7z.exe" i&ping -n 2 127.0.0.1 >NUL&echo over' >"$work/out" 2>"$work/err" &
run=$!
for i in $(seq 200); do grep -q up "$work/out" && break; sleep 0.1; done
agent=$(pids_in "$client" plume-agent.exe)
kill -STOP $agent
for i in $(seq 600); do grep -q over "$work/out" && break; sleep 0.1; done
took=$((SECONDS - begin))
check "the guest goes on without the file (${took} s)" grep -q over "$work/out"
check "the file was not there" sh -c "! grep -q Igor '$work/out'"
check "the VM's log names the cause" grep -rq 'the agent hangs' "$(state_of "$client")/vms" --include=guest.log
kill -CONT $agent
wait "$run"
plume_in "$client" run 7zip -- i >"$work/found" 2>/dev/null
same "an agent that goes on serves the next start" "$work/expected" "$work/found"
check "the cache is clean" cache_is_clean "$client"
check "the machine is as it was" machine_unchanged
finish
