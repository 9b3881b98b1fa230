#!/bin/bash
# A server that accepts connections and then says nothing, half a head, half a body, or a byte now and then: nothing waits
# for it for long, and a start of what is here hardly at all. The numbers are those of docs/administrator-guide.md.
set -u
source "$(dirname "$0")/../apps/lib.sh"
source tests/fault/lib_fault.sh

start_plume_server server
new_prefix fault-admin admin
new_prefix fault-client client
machine_watch "$client"
limit=120
cp -a "$(guest 7zip)/7zip-lite" "$work/app"
publish() {  # publish VERSION
  echo "$1" >"$work/app/version.txt"
  plume_in "$admin" capture 7zip --version "$1" --from-folder "$(win "$work/app")" --at 'C:\Program Files\7-Zip' --entry 7z.exe &&
    publish_in "$admin" "7zip:$1" "$server/apps/7zip"
}
need "published" publish 1

silent_server() {  # silent_server NAME VARIABLE: its mode is in $work/NAME.mode
  echo pass >"$work/$1.mode"
  setsid python3 tests/fault/_silent_server.py "$work/$1.mode" "${server##*:}" >"$work/$1.port" 2>"$work/$1.log" </dev/null &
  pids+=("$!")
  local i
  for i in $(seq 50); do [ -s "$work/$1.port" ] && break; sleep 0.1; done
  printf -v "$2" 'http://127.0.0.1:%s' "$(cat "$work/$1.port")"
}
timed() {  # timed NAME ARGS...: plume on the client; leaves NAME.out, NAME.err, NAME.code, NAME.ms
  local name=$work/$1 begin; shift
  begin=$(now_ms)
  plume_in "$client" "$@" >"$name.out" 2>"$name.err"
  echo $? >"$name.code"
  echo $(($(now_ms) - begin)) >"$name.ms"
}
refused_within() {  # refused_within NAME MS: one line, 125
  local name=$work/$1
  cat "$name.code" "$name.ms" "$name.err"
  [ "$(cat "$name.code")" = 125 ] && [ "$(wc -l <"$name.err")" = 1 ] && grep -q '^plume: .*failed: ' "$name.err" &&
    [ "$(cat "$name.ms")" -lt "$2" ]
}
started_within() {  # started_within NAME MS: the application ran, and one line said why it is this version
  local name=$work/$1
  cat "$name.code" "$name.ms" "$name.err"
  [ "$(cat "$name.code")" = 0 ] && grep -q 'Igor Pavlov' "$name.out" && { [ -z "$3" ] || grep -qF "$3" "$name.err"; } &&
    [ "$(cat "$name.ms")" -lt "$2" ]
}

# --- nothing is here yet -------------------------------------------------------------------------------------------------
adds=()
for mode in silent head body trickle; do
  silent_server "$mode" address
  echo "$mode" >"$work/$mode.mode"
  timed "$mode" add "$address/apps/7zip" & adds+=("$!")
done
wait "${adds[@]}"
for mode in silent head body trickle; do
  check "add, mode $mode: refused after $(cat "$work/$mode.ms") ms" refused_within "$mode" 50000
done

# --- a version is here ---------------------------------------------------------------------------------------------------
silent_server line line
need "subscribed" subscribe_in "$client" "$line/apps/7zip"
timed first run 7zip -- i
need "the application runs" started_within first 60000 ''
plume_in "$client" vm stop 7zip >/dev/null 2>&1
usual=$(timed usual run 7zip -- i; cat "$work/usual.ms")
for mode in silent head body; do
  echo "$mode" >"$work/line.mode"
  for n in 1 2; do
    timed "$mode-$n" run 7zip -- i
    check "start $n, mode $mode: $(cat "$work/$mode-$n.ms") ms (usual: $usual)" started_within "$mode-$n" $((usual + 3500)) 'does not answer; starting the one that is here (1)'
  done
  plume_in "$client" agent stop --force >/dev/null
  timed "$mode-3" run 7zip -- i
  check "first start of an agent, mode $mode: $(cat "$work/$mode-3.ms") ms" started_within "$mode-3" $((usual + 4500)) 'starting the one that is here (1)'
  # What they asked is answered by silence; the next mode begins with a server that answers.
  echo pass >"$work/line.mode"
  plume_in "$client" update 7zip >/dev/null
done

# --- a newer version is announced, its catalog does not come -----------------------------------------------------------------
need "a newer version is published" publish 2
echo blobs >"$work/line.mode"
for n in 1 2; do
  timed "newer-$n" run 7zip -- i
  check "start $n while a newer version's catalog does not come: $(cat "$work/newer-$n.ms") ms" started_within "newer-$n" $((usual + 7000)) 'starting the one that is here (1)'
done
echo pass >"$work/line.mode"
# What was asked before is still waited for, half a minute at most; then its answer, or the next start's, is there.
taken() {
  local i
  for i in $(seq 20); do
    timed taken run 7zip -- i
    started_within taken 60000 '' || return 1
    plume_in "$client" apps | tr -d '\r' | grep '^7zip .*\b2\b' && return 0
    sleep 2
  done
  return 1
}
check "when it comes, a start takes it" taken

# --- a guest needs a file that does not come -----------------------------------------------------------------------------------
plume_in "$client" vm stop 7zip >/dev/null 2>&1
plume_in "$client" agent stop --force
empty_cache "$client"
echo blobs >"$work/line.mode"
timed guest vm run needs --image 7zip -- cmd /c '"C:\Program Files\7-Zip\7z.exe" i & type "C:\Program Files\7-Zip\version.txt"'
check "a guest that needs files is told after $(cat "$work/guest.ms") ms" [ "$(cat "$work/guest.ms")" -lt 60000 ]
check "and has none of them" sh -c "! grep -q 'Igor\|^2' '$work/guest.out'"
check "the machine is as it was" machine_unchanged
finish
