# Shared by the fault tests: a published application, a client behind a line that can be made slow, and killing.
# Sourced after tests/apps/lib.sh.

rounds=${FAULT_ROUNDS:-6}
RANDOM=${FAULT_SEED:=$$}
echo "seed $FAULT_SEED (FAULT_SEED=$FAULT_SEED repeats the moments), $rounds rounds"

need() {  # like check, but there is no sense in going on without it
  check "$@"
  [ "$failed" = 0 ] || { finish; exit 1; }
}

# Process ids of PROGRAM that run in PREFIX. A Windows program's command line is the one Wine gave it.
pids_in() {  # pids_in PREFIX PROGRAM
  python3 - "$1" "$2" <<'PY'
import os, sys
prefix, program = os.path.realpath(sys.argv[1]), sys.argv[2].encode().lower()
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        command = open(f"/proc/{pid}/cmdline", "rb").read().split(b"\0")[0].lower()
        if not command.replace(b"\\", b"/").endswith(program):
            continue
        variables = dict(v.partition(b"=")[::2] for v in open(f"/proc/{pid}/environ", "rb").read().split(b"\0"))
    except OSError:
        continue
    at = variables.get(b"WINEPREFIX") or variables.get(b"PLUME_WINEPREFIX") or b""
    if os.path.realpath(os.fsdecode(at)) == prefix:
        print(pid)
PY
}
kill_in() {  # kill_in PREFIX PROGRAM: kill -9 every such process; fails if there is none
  local found; found=$(pids_in "$1" "$2")
  [ -n "$found" ] && kill -9 $found 2>/dev/null
}
# Whoever waits for a guest: plume.exe, or the launcher itself if it has none.
kill_client() { local found; found=$(pids_in "$1" plume.exe; pids_in "$1" plume); [ -n "$found" ] && kill -9 $found 2>/dev/null; }
pause_random() {  # pause_random LEAST SPAN: that many milliseconds
  local ms=$(($1 + RANDOM % $2))
  sleep "$(printf '%d.%03d' $((ms / 1000)) $((ms % 1000)))"
}

start_relay() {  # start_relay SERVER-URL VARIABLE: the server through a line that set_line changes
  echo '{}' >"$work/line"
  setsid python3 tests/bench/wan.py "$work/line" "${1##*:}" >"$work/relay.port" 2>"$work/relay.log" </dev/null &
  pids+=("$!")
  local i
  for i in $(seq 50); do [ -s "$work/relay.port" ] && break; sleep 0.1; done
  printf -v "$2" 'http://127.0.0.1:%s' "$(cat "$work/relay.port")"
}
set_line() { echo "$1" >"$work/line.new" && mv "$work/line.new" "$work/line"; sleep 0.15; }

# plume-server in the same folder and on the same port as before: a machine that came back.
restart_server() {
  setsid plume-server serve --root "$work/server" --listen "127.0.0.1:${server##*:}" >>"$work/server.log" 2>&1 </dev/null &
  server_pid=$!
  pids+=("$server_pid")
  wait_http "$server/v2/" || fail "plume-server did not come back"
}
kill_server() { kill -9 "$server_pid" 2>/dev/null; wait "$server_pid" 2>/dev/null; }

state_of() { [ -n "${PLUME_HOME:-}" ] && echo "$PLUME_HOME" || find "$1/drive_c/users" -maxdepth 4 -type d -path "*Local/Plume" | head -1; }
empty_cache() { find "$(state_of "$1")/images" -mindepth 1 -maxdepth 1 -regextype egrep -regex '.*/[0-9a-f]{64}' -exec rm -rf {} +; }
cached_files() { find "$(state_of "$1")/images" \( -name tmp -o -name unsettled \) -prune -o -type f -print 2>/dev/null | wc -l; }
cache_is_clean() { plume_in "$1" cache verify; }
registry_is_whole() { tests/fault/_check_registry.py "$1"; }
