#!/bin/bash
# Publisher or server is killed at random moments of a publish. What the server shows must be whole at every time, and
# publishing again must complete it.
set -u
source "$(dirname "$0")/../apps/lib.sh"
source tests/fault/lib_fault.sh

start_plume_server server
start_relay "$server" relay
new_prefix fault-publisher admin
machine_watch "$admin"
cp -a "$(guest 7zip)/7zip-lite" "$work/app"
for version in $(seq "$rounds"); do
  # Each version has content of its own, so that each publish has something to send.
  head -c 3000000 /dev/urandom >"$work/app/noise.bin"
  need "version $version captured" plume_in "$admin" capture app --version "$version" --from-folder "$(win "$work/app")" \
    --at 'C:\Program Files\App' --entry 7z.exe
done

for version in $(seq "$rounds"); do
  what=$([ $((version % 2)) = 1 ] && echo publisher || echo server)
  set_line '{"rtt_ms": 10, "mbit": 50}'
  limit=60 publish_in "$admin" "app:$version" "$relay/apps/app" >"$work/killed.out" 2>&1 &
  run=$!
  pause_random 200 2500
  if [ "$what" = publisher ]; then kill_in "$admin" plume.exe; kill_in "$admin" plume-agent.exe; else kill_server; fi
  if [ "$what" = server ]; then restart_server; fi
  set_line '{}'
  wait "$run"
  check "version $version: $what killed; what the server shows is whole" registry_is_whole "$server"
  check "version $version: published again" publish_in "$admin" "app:$version" "$relay/apps/app"
  check "version $version: whole" registry_is_whole "$server"
done
check "every version is there" sh -c "curl -s '$server/v2/apps/app/tags/list' | jq -e '.tags | length >= $rounds'"
kill_server
restart_server
check "no interrupted upload outlives the server" sh -c "! find '$work/server/uploads' -type f | grep ."
check "the machine is as it was" machine_unchanged
finish
