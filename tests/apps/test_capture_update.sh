#!/bin/bash
# A new version of an image by its updater: the first version of a program captured from its set-up, the set-up of the second
# run in a VM over it, what came of it captured, published, and taken by a client. The same on the client's machine, which has
# neither the first version's blobs nor the same user keys: the same image. docs/formats/capture-rules.md, "A new version".
set -u
source "$(dirname "$0")/lib.sh"
source tests/apps/lib_installers.sh

start_plume_server url
new_prefix update-admin admin
new_prefix update-client client
folder='C:\Program Files\SevenZip'
mkdir -p "$work/in"

# The first version: 7-Zip 15.05. The second brings a newer 7za beside it, and takes away what the first had.
stage "$work/s" 1 "$(guest 7zip)"/7zip-lite/.
mkdir "$work/s/extra" && echo "of the first" >"$work/s/extra/old.txt"
main=7z.exe nsis "$work/in/1.exe" SevenZip 1 "$work/s" HKLM zlib '
  ExecWait "regsvr32 /s $\"$INSTDIR\7-zip.dll$\""
  WriteRegStr HKLM "Software\SevenZip" "Gone" "of the first"
  WriteRegStr HKLM "Software\SevenZip\Old" "" "of the first"'
stage "$work/s" 2 "$(guest 7zip)"/7zip-lite/. "$(guest 7zip-bin)"/win/x64/7za.exe
main=7z.exe nsis "$work/in/2.exe" SevenZip 2 "$work/s" HKLM zlib '
  RMDir /r "$INSTDIR\extra"
  Delete "$INSTDIR\readme.txt"
  CreateShortCut "$SMPROGRAMS\SevenZip\Seven new.lnk" "$INSTDIR\7za.exe"
  DeleteRegValue HKLM "Software\SevenZip" "Gone"
  DeleteRegKey HKLM "Software\SevenZip\Old"
  WriteIniStr "$INSTDIR\seven.ini" "folders" "home" "$PROFILE\Seven"
  WriteRegStr HKLM "Software\SevenZip\New" "Home" "$PROFILE\Seven"'
touch -d '2020-02-02' "$work"/in/*.exe
setup1=$(win "$work/in/1.exe") setup2=$(win "$work/in/2.exe")

captured() { # captured FILE MACHINE ARGS...: the JSON of a capture goes to FILE
  local out=$1 where=$2; shift 2
  plume_in "$where" capture --json "$@" >"$out.all" 2>"$out.err" || { cat "$out.err"; return 1; }
  sed -n '/^{/,$p' "$out.all" >"$out"
}
refused() { # refused WORDS COMMAND...: fails with one line of Plume's that says them
  local words=$1; shift
  "$@" >"$work/refused" 2>&1
  [ $? = 125 ] && [ "$(grep -c '^plume: ' "$work/refused")" = 1 ] && grep -qF -- "$words" "$work/refused" || { cat "$work/refused"; return 1; }
}

check "the first version, captured" captured "$work/one" "$admin" seven --version 1 --entry 7z.exe -- "$setup1" /S
check "... and published" publish_in "$admin" seven:1 "$url/apps/seven" --tag stable
check "the client subscribes" subscribe_in "$client" "$url/apps/seven:stable"
check "... and starts" plume_in "$client" run seven -- i
plume_in "$client" vm run seven -- cmd /c type "$folder\\extra\\old.txt" >"$work/out" 2>&1
check "the client has the first" grep -q "of the first" "$work/out"

# --- the updater in a VM over the image ------------------------------------------------------------------------------------
check "a VM over it" plume_in "$admin" vm create up --image seven:1
check "its updater runs there, and what came of it is captured" \
  captured "$work/two" "$admin" seven --version 2 --from-vm up -- "$setup2" /S
check "only what changed is stored" jq -e '.reused_bytes > 2 * .stored_bytes and .reused_bytes + .stored_bytes > 2000000' "$work/two"
check "the program that starts stays; the new one is there" jq -e '.entries[0].id == "7z" and any(.entries[]; .path | endswith("7za.exe"))' "$work/two"
check "... and is said to nobody twice" jq -e '[.entries[].id] | length == (unique | length)' "$work/two"
check "a place in a text file that names the user's folder is told" \
  jq -e 'any(.notes[]; test("seven.ini:2 .profile.")) ' "$work/two"
plume_in "$admin" image inspect seven:2 --json >"$work/inspect" 2>&1
check "... by inspect, too" jq -e '.machine_texts == [{"line": 2, "means": "profile", "path": "C:\\Program Files\\SevenZip\\seven.ini"}]' "$work/inspect"
check "captured once more: the same image" captured "$work/again" "$admin" seven --version 2 --from-vm up
check "... by its digest" test "$(jq -r .digest "$work/two")" = "$(jq -r .digest "$work/again")"
check "the image is sound" plume_in "$admin" image verify seven:2

# --- the same where the image came from the server ---------------------------------------------------------------------------
check "a VM on the client" plume_in "$client" vm create there --image seven
kill "$server_pid"; wait "$server_pid" 2>/dev/null
check "without its server the image cannot be had whole" \
  refused "which the VM runs over, cannot be fetched" plume_in "$client" capture seven --version 2 --from-vm there
check "... and is not half there" bash -c "! PLUME_WINEPREFIX='$client' plume image inspect seven:1 >/dev/null 2>&1 </dev/null"
setsid plume-server serve --root "$work/server" --listen "${url#http://}" >>"$work/server.log" 2>&1 </dev/null &
server_pid=$!
pids+=("$server_pid")
wait_http "$url/v2/"
check "its updater there" captured "$work/there" "$client" seven --version 2 --from-vm there -- "$setup2" /S
check "the same image" bash -c "diff <(jq -r .digest '$work/two') <(jq -r .digest '$work/there')"

# --- what is sent, and what the client gets ------------------------------------------------------------------------------------
publish_in "$admin" seven:2 "$url/apps/seven" --tag stable --json >"$work/sent" 2>"$work/sent.err"
check "published: packs that are there are not sent again" \
  jq -e --slurpfile two "$work/two" '.blobs_present >= 1 and .bytes_moved < $two[0].stored_bytes + 100000' "$work/sent"
check "the client updates" plume_in "$client" update seven
check "... and starts it" plume_in "$client" run seven -- i
cat >"$work/look.cmd" <<'CMD'
@echo off
cd /d "C:\Program Files\SevenZip"
type edition.txt
if exist extra (echo EXTRA) else echo no extra
if exist readme.txt (echo README) else echo no readme
7za.exe i
reg query HKLM\Software\SevenZip /s
echo home is %USERPROFILE%
CMD
plume_in "$client" vm run seven -- cmd /c "$(win "$work/look.cmd")" 2>/dev/null | tr -d '\r' >"$work/look"
check "it has the second version" grep -q "^edition 2" "$work/look"
check "whose new program works" grep -q "7-Zip (a)" "$work/look"
check "what the updater deleted is gone" bash -c "cat '$work/look'; grep -q '^no extra' '$work/look' && grep -q '^no readme' '$work/look'"
check "values changed, and went" bash -c "cat '$work/look'; grep -q 'Version *REG_SZ *2' '$work/look' && ! grep -q -e Gone -e 'SevenZip.Old' '$work/look'"
check "a value names this user's folder" bash -c "cat '$work/look'; grep -qF \"\$(sed -n 's/^home is //p' '$work/look')\\Seven\" '$work/look'"
$mingw -s -municode -o "$work/com_probe.exe" tests/apps/com_probe.c -lole32 -luuid
plume_in "$client" vm run seven -- "$(win "$work/com_probe.exe")" "$seven_class" >"$work/probe" 2>&1
check "the class of the first version is still made" grep -qiF "created $folder\\7-zip.dll" "$work/probe"

# --- what cannot be captured -----------------------------------------------------------------------------------------------------
check "over the same version" refused "another --version" plume_in "$admin" capture seven --version 1 --from-vm up
check "an updater that fails" refused "ended with 7" plume_in "$admin" capture seven --version 3 --from-vm up -- cmd /c exit 7
check "a VM that is not there" refused "none of this name" plume_in "$admin" capture seven --version 3 --from-vm nosuchvm -- cmd /c exit 0
check "... is not made" bash -c "! PLUME_WINEPREFIX='$admin' plume vm list </dev/null | grep -q nosuchvm"
plume_in "$admin" vm run up -- ping -n 60 127.0.0.1 >"$work/running" 2>&1 &
pids+=("$!")
for i in $(seq 100); do plume_in "$admin" vm ps up 2>/dev/null | grep -qi ping && break; sleep 0.2; done
check "a VM that runs" refused "it is running (plume vm stop up)" plume_in "$admin" capture seven --version 3 --from-vm up -- cmd /c exit 0
check "stopped" plume_in "$admin" vm stop up
check "a VM over two images" plume_in "$admin" vm create two --image seven:1 --image seven:2
check "one of another name is captured as none of them" refused "several images" plume_in "$admin" capture other --version 1 --from-vm two
finish
