#!/bin/bash
# Keys, signatures and trust at the command line: what is signed by whom, what is refused and in which words, and that what the
# Windows programs sign is what openssl verifies.
source "$(dirname "${BASH_SOURCE[0]}")/lib_verbs.sh" "$@"
bad() { # SAYS ARGS...: refused with one line that says so
  local says=$1
  shift
  run "$@"
  check "refused: ${*:0:60} ($says)" refuses "$says"
}
mkdir -p "$work/folder"
printf 'hello' >"$work/folder/a.txt"
repo=oci:$work/repo
here=$(printf 'oci:Z:%s\\repo' "${work//\//\\}")

# --- keys ------------------------------------------------------------------------------------------------------------------
run keys generate "$work/keys"
check "a key is made" is 0
stat -c "%a %U" "$work/keys/key.pem" >"$out"
check "for its owner alone" [ "$(stat -c %a "$work/keys/key.pem")" = 600 ]
check "openssl knows the pair" bash -c "openssl pkey -in '$work/keys/key.pem' -check -noout && openssl pkey -in '$work/keys/key.pem' -pubout -out '$work/pub' && cmp '$work/pub' '$work/keys/key.pub'"
cp "$work/keys/key.pem" "$work/before"
bad "no key is ever overwritten" keys generate "$work/keys"
check "it is the same" cmp -s "$work/before" "$work/keys/key.pem"
mkdir "$work/other"
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/other/key.pem" 2>/dev/null
openssl pkey -in "$work/other/key.pem" -pubout -out "$work/other/key.pub"
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out "$work/p384.pem" 2>/dev/null
openssl pkey -in "$work/p384.pem" -pubout -out "$work/p384.pub"
head -c 90 "$work/keys/key.pub" >"$work/cut.pub"
id_of() { openssl pkey -pubin -in "$1" -outform DER | sha256sum | cut -c1-16; }
mine=$(id_of "$work/keys/key.pub") theirs=$(id_of "$work/other/key.pub")

# --- signing ---------------------------------------------------------------------------------------------------------------
for version in 1 2; do
  echo "$version" >"$work/folder/version.txt"
  run capture app --version $version --from-folder "$work/folder" --at 'C:\App'
done
bad "P-256" publish app:1 "$repo" --key "$work/p384.pem"
bad "public key" publish app:1 "$repo" --key "$work/keys/key.pub"
bad "nokey.pem" publish app:1 "$repo" --key "$work/nokey.pem"
check "nothing was published" [ ! -e "$work/repo" ]
run publish app:1 "$repo" --tag stable
check "published unsigned" says "not signed"
bad "it is not signed" add "$repo/app:stable"
bad "--allow-unsigned" add "$repo/app:stable"
bad "sign $here\\app:stable" add "$repo/app:stable"
bad "NAME:TAG" sign "$repo/app" --key "$work/keys/key.pem"
bad "no such image" sign "$repo/app:nosuch" --key "$work/keys/key.pem"
run sign "$repo/app:1" --tag stable --key "$work/keys/key.pem"
check "signed" says "by the key $mine"
python3 - "$work/repo/app" "$work" <<'PY'
import base64, json, sys
root, out = sys.argv[1:]
blob = lambda d: open(f"{root}/blobs/sha256/{d[7:]}", "rb").read()
entry, = [m for m in json.load(open(root + "/index.json"))["manifests"]
          if m["annotations"]["org.opencontainers.image.ref.name"].endswith(".sig")]
layer, = json.loads(blob(entry["digest"]))["layers"]
open(out + "/payload", "wb").write(blob(layer["digest"]))
open(out + "/signature", "wb").write(base64.b64decode(layer["annotations"]["dev.cosignproject.cosign/signature"]))
PY
check "openssl verifies it" openssl dgst -sha256 -verify "$work/keys/key.pub" -signature "$work/signature" "$work/payload"

# --- trust -----------------------------------------------------------------------------------------------------------------
bad "the key $mine" add "$repo/app:stable"
bad "trust add KEY.pub --for $here\\app" add "$repo/app:stable"
bad "cut off" trust add "$work/cut.pub"
bad "P-256" trust add "$work/p384.pub"
bad "private key" trust add "$work/keys/key.pem"
bad "no PEM file" trust add "$work/folder/a.txt"
bad "no repository" trust add "$work/keys/key.pub" --for nonsense
bad "not among the trusted" trust remove "$mine"
run trust add "$work/other/key.pub"
check "another key" says "$theirs is trusted for every repository"
bad "no trusted key signed it" add "$repo/app:stable"
run trust add "$work/keys/key.pub" --for "$repo/ap"
bad "for other repositories only" add "$repo/app:stable"
run trust add "$work/keys/key.pub" --for "$repo"
run trust list
check "they are listed" says "$mine"
run add "$repo/app:stable"
check "subscribed" is 0
check "and it says by whom" says "signed by $mine"
run apps
check "apps says so" says "$mine"
run status
check "status too" says "signed by $mine"
run run app -- cmd /c exit 0
run vm run app -- cmd /c type 'C:\App\version.txt'
check "it runs" says 1

# --- older than seen -------------------------------------------------------------------------------------------------------
cp -a "$work/repo" "$work/old"
sleep 1.1
run publish app:2 "$repo" --tag stable --key "$work/keys/key.pem"
run update app
check "updated" says "updated to 2"
mv "$work/repo" "$work/new" && cp -a "$work/old" "$work/repo"
bad "older than what this machine has already seen" update app
run vm run app -- cmd /c type 'C:\App\version.txt'
check "what is here goes on" is 0
run update app --allow-older
check "unless it is meant" says "updated to 1"
rm -rf "$work/repo" && mv "$work/new" "$work/repo"
run update app
check "and forward again" says "updated to 2"

# --- rotation and revocation -----------------------------------------------------------------------------------------------
run sign "$repo/app:2" --tag stable --key "$work/other/key.pem"
run trust remove "$mine"
run trust add "$work/other/key.pub" --for "$repo"
run update app
check "the new key vouches" is 0
run apps
check "apps says so" says "$theirs"
run run app -- x  # the VM is over the newest now; there is no program to start
run trust revoke "$theirs"
check "revoked" is 0
bad "revoked" vm run app -- cmd /c exit 0
bad "revoked" run app -- cmd /c exit 0
bad "was revoked" trust add "$work/other/key.pub"
bad "revoked" update app
run trust add "$work/keys/key.pub"
run update app
check "the other key's signature still counts" is 0
run vm run app -- cmd /c exit 0
check "and it starts again" is 0

# --- a word that ends ------------------------------------------------------------------------------------------------------
run trust grace 0
run sign "$repo/app" --refresh --valid 1 --key "$work/keys/key.pem"
check "signed anew" says "signed anew"
run update app
check "taken" is 0
bad "DAYS" trust grace nonsense
for text in '' '{' '{"version":2,"keys":[]}' '{"version":1,"keys":[{}]}'; do
  cp "$PLUME_HOME/trust.json" "$work/trust.json"
  printf %s "$text" >"$PLUME_HOME/trust.json"
  bad "trust.json" trust list
  bad "trust.json" trust add "$work/keys/key.pub"
  bad "trust.json" add "$repo/app:2"
  cp "$work/trust.json" "$PLUME_HOME/trust.json"
done
run add "$repo/app:2"
check "healed" is 0
run agent stop
for text in '' '[]' '{"version":1,"seen":[1],"images":{}}'; do
  cp "$PLUME_HOME/trust-seen.json" "$work/seen.json"
  printf %s "$text" >"$PLUME_HOME/trust-seen.json"
  bad "trust-seen.json failed: it is damaged (" apps
  cp "$work/seen.json" "$PLUME_HOME/trust-seen.json"
done
run apps
check "healed too" says "$mine"
finish
