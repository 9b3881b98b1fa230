#!/bin/bash
# Many VMs alive at once, in a prefix of their own: see many.py. Part of `make bench`.
#   tests/bench/many.sh [--count 1000] [--bare 40] [--churn 300] [--quick]
set -u
# At fixed addresses, as tools/run_tests.py does it: Wine fails one start in some thousands otherwise.
[ -n "${PLUME_FIXED_ADDRESSES:-}" ] || PLUME_FIXED_ADDRESSES=1 exec setarch -R "$0" "$@"
# All on one CPU, like run.sh: a wake-up across CPUs costs more than most of what is measured here.
if [ -z "${PLUME_BENCH_PINNED:-}" ] && [ "$(nproc)" -ge 2 ] && command -v taskset >/dev/null; then
  PLUME_BENCH_PINNED=1 exec taskset -c 1 "$0" "$@"
fi
source "$(dirname "$0")/../apps/lib.sh"
programs=${PLUME_GUESTS:-$top/build/mingw64/bin}
# Wine's server has some four files open for every process.
ulimit -n "$(ulimit -Hn)"
new_prefix bench-many prefix
export PLUME_HOME="$work/state" WINEPREFIX=$prefix
[ -z "${PLUME_BENCH_WATCH:-}" ] || machine_watch "$prefix"
PLUME_AGENT_IDLE_SECONDS=100000 plume_in "$prefix" vm list >/dev/null || exit 1
python3 tests/bench/many.py --prefix "$prefix" --state "$work/state" --many "$(win "$programs/many_vms.exe")" \
  --program "$(win "$programs/idle.exe")" --results "${PLUME_BENCH_RESULTS:-$top/build/bench}" "$@"
code=$?
# A benchmark only measures; tests/fault/test_many.sh wants to know this too.
[ -z "${PLUME_BENCH_WATCH:-}" ] || machine_unchanged >"$PLUME_BENCH_WATCH"
exit "$code"
