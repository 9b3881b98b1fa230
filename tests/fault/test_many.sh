#!/bin/bash
# Many VMs alive at once: nothing grows with them but what is theirs, and the last is made and entered as fast as the first.
#   tests/fault/test_many.sh [COUNT]
set -u
source "$(dirname "$0")/../apps/lib.sh"
count=${1:-120}
PLUME_BENCH_RESULTS=$work PLUME_BENCH_WATCH=$work/machine tests/bench/many.sh --count "$count" --bare 20 --churn 20 >"$work/log" 2>&1
check "$count VMs live at once" [ "$(jq '.facts["guests alive"]' "$work/many.json")" = "$count" ]
[ "$failed" = 0 ] || { cat "$work/log"; finish; exit 1; }
holds() { jq -e "$1" "$work/many.json"; }
check "each costs less than 1 MB" holds '.memory_kb["all of it for a VM"] < 1024 and .memory_kb["the layer in the guest"] > 0'
check "the agent has no thread for a VM" holds '.facts["agent threads"] | .[1] <= .[0] + 2'
check "nor an open file" holds '.facts["agent files"] | .[1] <= .[0] + 4'
median='def median: sort | .[length / 2 | floor];'
check "the last tenth is made and entered as fast as the first" holds "$median
  .samples | [.create, .enter] | transpose[:$count] | map(add) | (.[-($count / 10 | floor):] | median) < 3 * (.[:($count / 10 | floor)] | median)"
check "they are deleted as fast as one alone" holds "$median .samples | (.delete_all | median) < 20 and (.delete | median) < 20"
check "no guest is left" holds '.facts["guests left"] == 0'
check "nor a file of the agent's" holds '.facts["agent files left"] <= 4'
check "the machine is as it was" bash -c "cat '$work/machine' && [ ! -s '$work/machine' ]"
sed 's/^/     /' "$work/many.md"
finish
