#!/bin/bash
# A day of churn in small: VMs are created, entered and deleted thousands of times. No process, handle, key or file may be
# left, and none of the steps may become slow.
#   tests/fault/test_churn.sh [COUNT] [SECONDS]    as many cycles as fit (2000, 75); all of them: 20000 100000
set -u
# At fixed addresses, as tools/run_tests.py does it: Wine fails one start in some thousands otherwise.
[ -n "${PLUME_FIXED_ADDRESSES:-}" ] || PLUME_FIXED_ADDRESSES=1 exec setarch -R "$0" "$@"
source "$(dirname "$0")/../apps/lib.sh"
source tests/fault/lib_fault.sh >/dev/null
programs=${PLUME_GUESTS:-$top/build/mingw64/bin}
count=${1:-2000} seconds=${2:-75}
new_prefix churn prefix
export PLUME_HOME="$work/state" WINEPREFIX=$prefix
machine_watch "$prefix"
churn() { timeout $((seconds + 300)) wine "$programs/churn.exe" --program "$(win "$programs/nothing.exe")" "$@" </dev/null 2>"$work/err" | tr -d '\r'; }
figure() { jq -r "$1" <"$work/result"; }
files() { (cd "$prefix" && find . -type f ! -name '*.reg' | sort); (cd "$work/state" && find . -type f | sort); }
processes() { pids_in "$prefix" .exe | wc -l; }
fds() { ls "/proc/$1/fd" | wc -l; }
memory() { awk '/^VmRSS/{print $2}' "/proc/$1/status"; }
settle() { local i; for i in $(seq 100); do [ -z "$(find "$work/state/trash" "$work/state/vms" -mindepth 1 2>/dev/null)" ] && return 0; sleep 0.1; done; return 1; }

PLUME_AGENT_IDLE_SECONDS=100000 plume_in "$prefix" vm list >/dev/null || { fail "the agent does not start"; finish; exit 1; }
churn --count 40 --seconds 60 --threads 2 >"$work/warm"  # what is made once
check "first cycles$(jq -r '.failure | if . == "" then "" else ": " + . end' "$work/warm")" [ "$(jq -r .failure "$work/warm")" = "" ]
settle
agent=$(pids_in "$prefix" plume-agent.exe)
files >"$work/files.before"; processes_before=$(processes); fds_before=$(fds "$agent"); memory_before=$(memory "$agent")
churn --count "$count" --seconds "$seconds" --threads 2 >"$work/result"
check "every cycle succeeds: $(figure .cycles) of them$(figure '.failure | if . == "" then "" else ": " + . end')" [ "$(figure .failure)" = "" -a "$(figure .cycles)" -gt 20 ]
settle
files >"$work/files.after"
check "no file is left" diff "$work/files.before" "$work/files.after"
check "no process is left: $processes_before before, $(processes) after" [ "$(processes)" -le "$processes_before" ]
check "no named object is left: $(figure .objects_left)" [ "$(figure .objects_left)" = 0 ]
check "the agent has no more open files: $fds_before before, $(fds "$agent") after" [ "$(fds "$agent")" -le $((fds_before + 2)) ]
check "nor handles: $(figure '.agent_handles | map(tostring) | join(" before, ")') after" [ "$(figure '.agent_handles[0] > 0 and .agent_handles[1] <= .agent_handles[0] + 8')" = true ]
check "nor memory: $memory_before KB before, $(memory "$agent") after" [ "$(memory "$agent")" -le $((memory_before + 8192)) ]
check "the machine is as it was" machine_unchanged
tools/prefix.sh stop "$prefix"
check "no key is left" [ "$(grep -c '^\[Software\\\\Plume\\\\[0-9a-f]*\\\\VMs\\\\' "$prefix/user.reg")" = 0 ]
for step in bare create enter run delete; do
  printf '     %-7s %s\n' $step "$(figure ".$step | \"p50 \(.p50 * 100 | round / 100) ms, p99 \(.p99 * 100 | round / 100) ms, n \(.n)\"")"
done
finish
