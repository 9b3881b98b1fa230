#!/bin/bash
# An agent that nothing needs ends by itself. A command that arrives in that very moment finds it, or the next one.
#   tests/fault/test_idle_end.sh [SECONDS]
set -u
source "$(dirname "$0")/../apps/lib.sh"
source tests/fault/lib_fault.sh
seconds=${1:-60}
new_prefix fault-idle client
machine_watch "$client"
export PLUME_AGENT_IDLE_SECONDS=1
limit=60

# Several state folders, each with its agent, so that there are enough moments.
visit() {  # visit NUMBER: commands one second, more or less, after one another
  export PLUME_HOME="$work/state-$1"
  local said i=0
  RANDOM=$((FAULT_SEED + $1))
  while [ $SECONDS -lt "$until" ]; do
    i=$((i + 1))
    if [ $((i % 3)) = 0 ]; then
      said=$(plume_in "$client" vm run --rm "idle-$i" -- cmd /c 'echo done' 2>&1 | tr -d '\r')
    else
      said=$(plume_in "$client" vm list >/dev/null 2>"$work/error-$1" && echo done || cat "$work/error-$1")
    fi
    [ "$said" = done ] && echo "$i" >>"$work/done" || printf 'state %s, command %s: %s\n' "$1" "$i" "$said" >>"$work/failures"
    # An agent looks around four times in a second: it ends 1 to 1.25 s after it was last needed.
    pause_random 500 800
  done
}
until=$((SECONDS + seconds))
visitors=()
for number in 1 2 3 4; do visit "$number" & visitors+=($!); done
wait "${visitors[@]}"
none_failed() { [ ! -s "$work/failures" ] || { cat "$work/failures"; return 1; }; }
commands=$(wc -l <"$work/done")
ends=$(cat "$work"/state-*/agent.log | grep -c 'nothing to do')
check "$commands commands, and $ends times an agent ended before one" none_failed
check "agents ended before some" [ "$ends" -gt 3 ]
check "and lived on before others" [ "$commands" -gt "$ends" ]
check "the machine is as it was" machine_unchanged
finish
