#!/bin/bash
# What starts touch is learned, and fetched before the next start asks: counted, over a line with round trips, for real programs.
#   7-Zip   a program and its plug-in
#   CMake   a program and some hundred of its 3,800 data files
# Each starts three times on an empty cache: knowing nothing, with what the first start taught, and on a client that never saw it, of
# an image that was published with the profile.
set -u
source "$(dirname "$0")/lib.sh"
source tests/fault/lib_fault.sh

start_plume_server server
start_relay "$server" relay
new_prefix profile-client client
make_cmake_folder "$work/cmake"
mkdir -p "$work/7zip"
cp -a "$(guest 7zip)"/7zip-lite/. "$work/7zip/"
cp tests/bench/modules.cmake "$client/drive_c/script.cmake"

# Three states on one machine: who captures first, the client that learns, the client that never saw it.
in_state() { local state=$1; shift; PLUME_HOME=$work/state-$state plume_in "$client" "$@"; }
publish() { local state=$1; shift; PLUME_HOME=$work/state-$state publish_in "$client" "$@"; }
subscribe() { local state=$1; shift; PLUME_HOME=$work/state-$state subscribe_in "$client" "$@"; }
capture() {  # capture STATE NAME TAG MORE...
  local state=$1 name=$2 tag=$3; shift 3
  local from=$work/cmake at='C:\Program Files\CMake' entry=cmake.exe
  [ "$name" = 7zip ] && { from=$work/7zip; at='C:\Program Files\7-Zip'; entry=7z.exe; }
  need "$name: captured for $tag" in_state "$state" capture "$name" --version 1 --from-folder "$(win "$from")" --at "$at" --entry "$entry" "$@"
  need "$name: published for $tag" publish "$state" "$name:1" "$server/$tag/$name" --tag stable
}
arguments() { if [ "$1" = 7zip ]; then echo i; else echo -P 'C:\script.cmake'; fi; }
start() {  # start STATE NAME REPORT
  in_state "$1" run "$2" --report="$3" -- $(arguments "$2") >"$work/$2.out" 2>"$work/$2.err"
}
field() { jq -r "$2" "$1"; }
show() { jq -r --arg what "$1" '"     | \($what): \(.requests | length) requests, \(.rounds) rounds, \(.received_bytes) bytes, \(.misses | length) waits, \(.millis) ms"' "$2"; }

for app in 7zip cmake; do
  capture admin "$app" plain
  need "$app: subscribed" subscribe learner "$relay/plain/$app:stable"
  set_line '{"rtt_ms": 40, "mbit": 100}'

  check "$app: a first start" start learner "$app" "$work/$app-first.json"
  cp "$work/$app.out" "$work/$app.expected"
  show "knowing nothing" "$work/$app-first.json"
  first=$work/$app-first.json
  check "$app: nothing was fetched ahead" test "$(field "$first" .ahead.files)" = 0
  check "$app: every file that it touched was waited for" \
    test "$(field "$first" '.misses | length')" -le "$(field "$first" .touched.files)" -a "$(field "$first" '.misses | length')" -gt 0
  check "$app: the start was learned" bash -c "PLUME_HOME=$work/state-learner PLUME_WINEPREFIX=$client plume profile show $app --json >$work/$app-profile.json &&
    jq -e '.runs == 1 and (.files | length) == $(field "$first" .touched.files)' $work/$app-profile.json"

  # Warm: nothing goes over the line but the question for a newer version.
  check "$app: a start with everything here" start learner "$app" "$work/$app-warm.json"
  check "$app: it fetches nothing and waits for nothing" \
    test "$(field "$work/$app-warm.json" '[.ahead.requests, (.misses | length)] | add')" = 0

  PLUME_HOME=$work/state-learner empty_cache "$client"
  second=$work/$app-second.json
  check "$app: a start on an empty cache" start learner "$app" "$second"
  show "after one start" "$second"
  check "$app: it prints the same" cmp "$work/$app.expected" "$work/$app.out"
  check "$app: at least 95 % of the missing bytes were expected" jq -e '.expected_bytes >= 0.95 * (.expected_bytes + .unexpected_bytes)' "$second"
  check "$app: at most 15 % of what was fetched ahead was not touched" jq -e '.wasted.bytes <= 0.15 * (.wasted.bytes + .expected_bytes)' "$second"
  set_line '{}'

  # Published with the profile, from a store that has no packs of it yet.
  capture packer "$app" packed --profile "$work/state-learner/profiles/$app.json"
  need "$app: subscribed by another client" subscribe other "$relay/packed/$app:stable"
  set_line '{"rtt_ms": 40, "mbit": 100}'
  third=$work/$app-third.json
  check "$app: a first start of another client" start other "$app" "$third"
  set_line '{}'
  show "published with a profile" "$third"
  check "$app: it prints the same there" cmp "$work/$app.expected" "$work/$app.out"
  check "$app: the start-up set comes in one request" test "$(field "$third" .ahead.requests)" = 1
  check "$app: at most three round trips one after the other" test "$(field "$third" .rounds)" -le 3
  check "$app: at least 95 % expected there" jq -e '.expected_bytes >= 0.95 * (.expected_bytes + .unexpected_bytes)' "$third"
  check "$app: at most 15 % wasted there" jq -e '.wasted.bytes <= 0.15 * (.wasted.bytes + .expected_bytes)' "$third"
done

# What was learned here is taken when it is asked for, and never otherwise: the same folder gives the same image.
digest() { local state=$1; shift; in_state "$state" capture 7zip --version 2 --from-folder "$(win "$work/7zip")" --at 'C:\Program Files\7-Zip' --entry 7z.exe --json "$@" 2>/dev/null | jq -r .digest; }
plain=$(digest learner)
check "a capture is the same where starts were learned" test -n "$plain" -a "$plain" = "$(digest admin)"
learned=$(digest learner --learned)
check "with what was learned it is another" test -n "$learned" -a "$learned" != "$plain"
in_state admin capture other --version 1 --from-folder "$(win "$work/7zip")" --at 'C:\Program Files\7-Zip' --learned >/dev/null 2>"$work/err"
check "nothing learned is said in one line" grep -q '^plume: using what was learned of other failed: .*--profile' "$work/err"

# For people.
in_state other run 7zip --report -- i >/dev/null 2>"$work/lines"
check "the report can be read" grep -q 'round trips one after the other' "$work/lines"
check "the report is a page" in_state other run 7zip --report="$work/start.html" -- i
check "with a timeline" grep -q '<svg' "$work/start.html"
[ -n "${PLUME_KEEP:-}" ] || for state in admin learner packer other; do in_state "$state" agent stop >/dev/null 2>&1; done
finish
