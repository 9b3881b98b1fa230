#!/bin/bash
# The isolation conformance suite on Plume, in a Wine prefix of its own with a display of its own. `make conformance`.
#   tests/conformance/test_isolation.sh [arguments of run.py]
set -u
source "$(dirname "$0")/../apps/lib.sh"
start_display
new_prefix conformance machine
export WINEPREFIX=$machine PLUME_WINEPREFIX=$machine
for space in a b; do
  plume vm create "conformance-$space" </dev/null >"$work/create.log" 2>&1 || { cat "$work/create.log"; exit 1; }
done
python3 tests/conformance/run.py "$@"
