#!/bin/bash
# The isolation conformance suite on Plume, in a Wine prefix of its own with a display of its own. `make conformance`.
#   tests/conformance/test_isolation.sh [arguments of run.py]
set -u
source "$(dirname "$0")/../apps/lib.sh"
start_display
new_prefix conformance machine
export WINEPREFIX=$machine PLUME_WINEPREFIX=$machine
# Devices of this machine: a raw volume, a serial and a parallel port.
head -c 1M /dev/zero >"$work/volume"
ln -sfn "$work/volume" "$machine/dosdevices/c::"
ln -sfn /dev/null "$machine/dosdevices/com1"
ln -sfn /dev/null "$machine/dosdevices/lpt1"
for space in a b; do
  plume vm create "conformance-$space" --policy tests/conformance/policy.toml </dev/null >"$work/create.log" 2>&1 || { cat "$work/create.log"; exit 1; }
done
python3 tests/conformance/run.py "$@"
