#!/bin/bash
# A server that sends wrong objects: corrupted, cut off, or one in the place of another. The client must refuse them,
# name the file, hand nothing to the guest and store nothing; and work when the objects are right again.
set -u
source "$(dirname "$0")/../apps/lib.sh"
source tests/fault/lib_fault.sh

start_plume_server server
new_prefix fault-admin admin
new_prefix fault-client client
machine_watch "$client"
limit=300
need "captured" plume_in "$admin" capture 7zip --version 1 --from-folder "$(win "$(guest 7zip)/7zip-lite")" \
  --at 'C:\Program Files\7-Zip' --entry 7z.exe
need "published" publish_in "$admin" 7zip:1 "$server/apps/7zip"

manifest=$(curl -s "$server/v2/apps/7zip/manifests/1")
blob() { local hex=${1#sha256:}; echo "$work/server/blobs/sha256/${hex:0:2}/$hex"; }
catalog=$(blob "$(jq -r '.layers[0].digest' <<<"$manifest")")
config=$(blob "$(jq -r '.config.digest' <<<"$manifest")")
mapfile -t packs < <(jq -r '.layers[1:][].digest' <<<"$manifest" | while read -r d; do blob "$d"; done)
cp -a "$work/server" "$work/right"
heal() { cp -a "$work/right/." "$work/server/"; }

damage_flip() {  # flip FILE: other bytes, same length
  python3 - "$1" <<'PY'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
for i in range(0, len(data), 997):
    data[i] ^= 0x41
open(sys.argv[1], "wb").write(data)
PY
}
damage_cut() { truncate -s $(($(stat -c %s "$1") / 2)) "$1"; }
damage_swap() { head -c "$(stat -c %s "$1")" /dev/urandom >"$1"; }

# Objects of the image itself: subscribing refuses them.
for object in "$catalog" "$config"; do
  for damage in flip cut swap; do
    "damage_$damage" "$object"
    if subscribe_in "$client" "$server/apps/7zip:1" >"$work/out" 2>&1; then
      fail "$damage of ${object##*/}: subscribed to a wrong image"
    elif grep -q '^plume: ' "$work/out"; then
      pass "$damage of ${object##*/} refused: $(grep '^plume: ' "$work/out" | tr -d '\r' | head -1 | cut -c1-120)"
    else
      fail "$damage of ${object##*/}: no clear line"; head -5 "$work/out"
    fi
    heal
  done
done
# Signatures: whoever controls the server can offer any, but none that the key did not make of this image.
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/signing/strange.pem" 2>/dev/null
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out "$work/signing/p384.pem" 2>/dev/null
for damage in none cut flip other-image other-key other-curve other-payload other-tag garbage; do
  tests/fault/_wrong_signature.py "$server" apps/7zip "$damage" "$work/signing" || fail "making a wrong signature: $damage"
  if subscribe_in "$client" "$server/apps/7zip:1" >"$work/out" 2>&1; then
    fail "signature, $damage: subscribed"
  elif grep '^plume: adding .* failed: ' "$work/out" | grep -qE 'not signed|no trusted key|signed as|the signatures of'; then
    pass "signature, $damage, refused: $(grep '^plume: ' "$work/out" | tr -d '\r' | head -1 | grep -o 'refused: .*\|reading .*' | cut -c1-100)"
  else
    fail "signature, $damage: no clear line"; head -5 "$work/out"
  fi
  heal
done
need "subscribed to the right one" subscribe_in "$client" "$server/apps/7zip:1"

# Packs: the file is refused by name, and nothing of it is stored.
for damage in flip cut swap; do
  plume_in "$client" vm stop 7zip >/dev/null 2>&1
  empty_cache "$client"
  for pack in "${packs[@]}"; do "damage_$damage" "$pack"; done
  limit=60 plume_in "$client" run 7zip -- i >"$work/out" 2>&1
  code=$?
  if [ "$code" = 0 ]; then fail "$damage of the packs: the program ran"; else pass "$damage of the packs: the start failed (exit $code)"; fi
  if grep -qi '7z\.' "$work/out"; then pass "$damage: the message names the file: $(grep -i '7z\.' "$work/out" | tr -d '\r' | head -1 | cut -c1-140)"
  else fail "$damage: the message names no file"; head -5 "$work/out" | sed 's/^/     | /'; fi
  found=$(cached_files "$client")
  if [ "$found" = 0 ]; then pass "$damage: nothing was stored"; else fail "$damage: $found files were stored"; fi
  check "$damage: the cache is clean" plume_in "$client" cache verify
  heal
done
check "with the right objects it runs" plume_in "$client" run 7zip -- i

# Updates by deltas: a damaged one is refused and told, and the file comes right all the same; a right one is used.
plume_in "$client" vm stop 7zip >/dev/null 2>&1
mkdir "$work/versions"
python3 - "$work/versions" <<'PY'
import random, sys
data = bytearray(random.Random(5).randbytes(700000))
for version in "234":
    open(f"{sys.argv[1]}/{version}", "wb").write(data)
    for i in range(0, len(data), 700):  # as a rebuilt program: something is new everywhere
        data[i] = (data[i] + 1) % 256
PY
of_status() { plume_in "$client" cache status --json 2>/dev/null | jq "$1"; }
take_version() {  # take_version N: captured, published with its deltas, and taken by the client once `damage_delta` has run
  rm -rf "$work/in"
  cp -a "$(guest 7zip)/7zip-lite" "$work/in"
  cp "$work/versions/$1" "$work/in/data.bin"
  need "version $1" plume_in "$admin" capture 7zip --version "$1" --from-folder "$(win "$work/in")" --at 'C:\Program Files\7-Zip' --entry 7z.exe
  publish_in "$admin" "7zip:$1" "$server/apps/7zip" --json >"$work/published.$1" 2>"$work/out"
  need "... published" jq -e .digest "$work/published.$1"
  damage_delta "$1"
  need "... taken" subscribe_in "$client" "$server/apps/7zip:$1"
  plume_in "$client" run 7zip -- h 'C:\Program Files\7-Zip\data.bin' >"$work/out" 2>&1
  check "its data is read" grep -q 'Everything is Ok' "$work/out"
  digest=$(jq -r .digest "$work/published.$1")
  same "its data" "$work/versions/$1" "$(state_of "$client")/images/${digest#sha256:}/C/Program Files/7-Zip/data.bin"
  plume_in "$client" vm stop 7zip >/dev/null 2>&1
}
damage_delta() { :; }
take_version 2
damage_delta() {
  check "a small update was made" jq -e '.deltas[0].files == 1 and .deltas[0].bytes * 20 < .deltas[0].replaced' "$work/published.$1"
  delta=$(curl -s "$server/v2/apps/7zip/referrers/$(jq -r .digest "$work/published.$1")" |
    jq -r '.manifests[] | select(.artifactType == "application/vnd.plume.delta.v1") | .annotations["vnd.plume.delta.blob"]' | head -1)
  [ "$1" != 3 ] || python3 - "$(blob "$delta")" <<'PY'
import sys
data = bytearray(open(sys.argv[1], "rb").read())
for i in range(len(data) // 2, len(data)):  # behind its head
    data[i] ^= 0x41
open(sys.argv[1], "wb").write(data)
PY
}
refused=$(of_status .refused)
take_version 3
check "the damaged update was refused" [ "$(of_status .refused)" -gt "$refused" ]
check "... and told with its file" grep -q 'data.bin from its older version gave wrong bytes' "$(state_of "$client")"/*.log
patched=$(of_status .files_patched)
take_version 4
check "the right one was used" [ "$(of_status .files_patched)" -gt "$patched" ]

# Files that are here and go bad later: verify names them, repair heals them.
file=$(find "$(state_of "$client")/images" -name 7z.dll | head -1)
[ -n "$file" ] || file=$(find "$(state_of "$client")/images" -name 7z.exe | head -1)
plume_in "$client" vm stop 7zip >/dev/null 2>&1
cp "$file" "$work/before"
chmod u+w "$file"
damage_flip "$file"
if plume_in "$client" cache verify >"$work/out" 2>&1; then fail "verify found nothing"; else pass "verify fails"; fi
check "and names the file" grep -q "$(basename "$file")" "$work/out"
check "repair" plume_in "$client" cache repair
same "the repaired file" "$work/before" "$file"
check "clean again" plume_in "$client" cache verify
check "the machine is as it was" machine_unchanged
finish
