#!/bin/bash
# Agent or server is killed at random moments while a streamed application starts on an empty cache. The next start must
# give exactly what a local start gives, and the cache must never hold anything wrong.
set -u
source "$(dirname "$0")/../apps/lib.sh"
source tests/fault/lib_fault.sh

start_plume_server server
start_relay "$server" relay
new_prefix fault-admin admin
new_prefix fault-client client
make_cmake_folder "$work/cmake"
limit=300
need "captured" plume_in "$admin" capture cmake --version 1 --from-folder "$(win "$work/cmake")" --at 'C:\Program Files\CMake' --entry cmake.exe
need "published" publish_in "$admin" cmake:1 "$server/apps/cmake"
need "subscribed" subscribe_in "$client" "$relay/apps/cmake"
cp tests/bench/modules.cmake "$client/drive_c/script.cmake"
machine_watch "$client"
local_run() { bare "$client" "$(win "$work/cmake/bin/cmake.exe")" -P 'C:\script.cmake'; }
streamed_run() { plume_in "$client" run cmake -- -P 'C:\script.cmake'; }
local_run >"$work/expected" 2>&1
need "a local run prints something" test -s "$work/expected"

for round in $(seq "$rounds"); do
  what=$([ $((round % 2)) = 1 ] && echo agent || echo server)
  plume_in "$client" vm stop cmake >/dev/null 2>&1
  empty_cache "$client"
  # Slow enough that the moment falls into the transfer: some ten seconds for what a start needs.
  set_line '{"rtt_ms": 20, "mbit": 8}'
  limit=60 streamed_run >"$work/killed.out" 2>&1 &
  run=$!
  pause_random 1500 6000
  if [ "$what" = agent ]; then kill_in "$client" plume-agent.exe; else kill_server; fi
  partial=$(cached_files "$client")
  sleep 0.5
  if [ "$what" = server ]; then restart_server; fi
  set_line '{}'
  wait "$run"
  check "round $round: $what killed with $partial files here; the cache is clean" cache_is_clean "$client"
  limit=120 streamed_run >"$work/found" 2>&1
  same "round $round: the next start" "$work/expected" "$work/found"
done
check "the cache is clean at the end" cache_is_clean "$client"
check "no temporary file is left" sh -c "! find '$(state_of "$client")/images/tmp' -type f | grep ."
check "the machine is as it was" machine_unchanged
finish
