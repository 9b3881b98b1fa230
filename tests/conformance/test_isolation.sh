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
source tests/guest/lib_machine.sh
# Common to all places, or the VMs, which come first, would have them as their own.
mkdir -p "$machine/drive_c/PlumeConf"
for root in HKCU HKLM; do timeout 60 wine reg add "$root\\Software\\PlumeConf" /f </dev/null >/dev/null 2>&1; done
plume agent stop --force </dev/null >/dev/null 2>&1
machine_before || exit 1
# What happens in VMs alone leaves the machine as it is. Holders and probers outside leave what they made.
cat >"$work/between" <<'SH'
# Servers end after their clients.
for space in a b; do
  for i in $(seq 50); do plume vm ps "conformance-$space" </dev/null 2>/dev/null | grep -q '\\' || break; sleep 0.2; done
done
plume agent stop --force </dev/null >/dev/null 2>&1
if out=$(tools/machine_listing.py after "$1" conformance/inside); then
  echo "ok   the machine is as it was before guests ran"
else
  echo "$out"; echo "FAIL the machine is as it was before guests ran"; exit 1
fi
SH
python3 tests/conformance/run.py --between "bash '$work/between' '$work/machine.before'" "$@" >"$work/out"; code=$?
[ "$code" -le 1 ] || { cat "$work/out"; exit "$code"; }
counts=$(tail -n 1 "$work/out")
head -n -1 "$work/out"
machine_tidy
passed=${counts%% *} failed=${counts##*passed, } failed=${failed%% *}
check "the machine is as it was, but for what was made outside VMs" machine_same conformance/all
finish
