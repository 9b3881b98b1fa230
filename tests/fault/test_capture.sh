#!/bin/bash
# A capture is killed at random moments. Images that the store lists afterwards must verify, and capturing again must work.
set -u
source "$(dirname "$0")/../apps/lib.sh"
source tests/fault/lib_fault.sh

new_prefix fault-capture admin
machine_watch "$admin"
make_cmake_folder "$work/cmake"
images_are_whole() {
  local ref
  plume_in "$admin" image list --json >"$work/images.json" || return 1
  for ref in $(tr -d '\r' <"$work/images.json" | jq -r '.[] | .digest'); do
    plume_in "$admin" image verify "$ref" || return 1
  done
}
capture() { plume_in "$admin" capture app --version "$1" --from-folder "$(win "$work/cmake")" --at 'C:\Program Files\App' --entry cmake.exe; }

for round in $(seq "$rounds"); do
  limit=120 capture "$round" >"$work/killed.out" 2>&1 &
  run=$!
  pause_random 500 4000
  kill_in "$admin" plume.exe
  kill_in "$admin" plume-agent.exe
  wait "$run"
  check "round $round: the store's images are whole" images_are_whole
done
check "capturing again works" capture last
check "the image is whole" plume_in "$admin" image verify app:last
check "the machine is as it was" machine_unchanged
finish
