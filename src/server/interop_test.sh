#!/bin/sh
# Interoperation: skopeo pushes an image to plume-server, pulls, copies inside the server, inspects and deletes; then the
# same on Debian's docker-registry. What comes back must be equal, bit by bit.
# Usage: interop_test.sh PLUME_SERVER. Exit code 77: skopeo is not installed (ctest: skipped).
set -eu
server=$1
command -v skopeo >/dev/null || exit 77
work=$(mktemp -d)
pids=
trap 'for p in $pids; do kill "$p" 2>/dev/null || :; done; rm -rf "$work"' EXIT
cd "$work"

python3 - <<'PY'
import hashlib, json, os
os.makedirs('in/blobs/sha256')
def put(data):
    name = hashlib.sha256(data).hexdigest()
    open('in/blobs/sha256/' + name, 'wb').write(data)
    return {'digest': 'sha256:' + name, 'size': len(data)}
manifest = {'schemaVersion': 2, 'mediaType': 'application/vnd.oci.image.manifest.v1+json',
            'config': {'mediaType': 'application/vnd.plume.config.v1+json', **put(b'{}')},
            'layers': [{'mediaType': 'application/vnd.plume.pack.v1', **put(os.urandom(n))} for n in (1, 123456, 5000000)]}
entry = {'mediaType': manifest['mediaType'], **put(json.dumps(manifest).encode()),
         'annotations': {'org.opencontainers.image.ref.name': 'v1'}}
json.dump({'schemaVersion': 2, 'manifests': [entry]}, open('in/index.json', 'w'))
json.dump({'imageLayoutVersion': '1.0.0'}, open('in/oci-layout', 'w'))
PY

run() {  # run NAME PORT: the whole round; results in NAME.*
  at=docker://127.0.0.1:$2
  skopeo copy -q --dest-tls-verify=false oci:in:v1 "$at/team/app:v1"
  skopeo copy -q --src-tls-verify=false --dest-tls-verify=false "$at/team/app:v1" "$at/other/app:v2"
  skopeo copy -q --src-tls-verify=false "$at/other/app:v2" "oci:$1.out:v1"
  skopeo inspect --tls-verify=false --raw "$at/team/app:v1" >"$1.manifest"
  skopeo list-tags --tls-verify=false "$at/team/app" | grep -v Repository >"$1.tags"
  skopeo delete --tls-verify=false "$at/team/app:v1"
  if skopeo inspect --tls-verify=false --raw "$at/team/app:v1" >/dev/null 2>&1; then
    echo "$1: a deleted image is still there"; exit 1
  fi
  diff -r in/blobs "$1.out/blobs"
}

"$server" serve --root root --listen 127.0.0.1:0 --port-file port --quiet 2>server.log & pids="$pids $!"
for _ in $(seq 100); do [ -s port ] && break; sleep 0.1; done
run plume "$(cat port)"

if command -v docker-registry >/dev/null; then
  port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
  printf 'version: 0.1\nstorage: {filesystem: {rootdirectory: %s/peer}, delete: {enabled: true}}\nhttp: {addr: "127.0.0.1:%s"}\n' \
    "$work" "$port" >peer.yml
  docker-registry serve peer.yml >peer.log 2>&1 & pids="$pids $!"
  for _ in $(seq 100); do curl -s "http://127.0.0.1:$port/v2/" >/dev/null && break; sleep 0.1; done
  run peer "$port"
  cmp plume.manifest peer.manifest
  cmp plume.tags peer.tags
  diff -r plume.out peer.out
  echo "equal to docker-registry"
fi
echo "interop ok"
