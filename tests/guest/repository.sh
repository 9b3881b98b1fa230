#!/bin/bash
# Images and repositories as the Windows programs do them: repository_check.exe against Debian's docker-registry.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
bin=${PLUME_BIN:-$PWD/build/mingw64/bin}
prefix=$(tools/prefix.sh clone "guest-repository-$$") || exit 1
work=$(mktemp -d "${TMPDIR:-/tmp}/plume-repository.XXXXXX")
registry=
trap '[ -n "$registry" ] && kill "$registry"; tools/prefix.sh remove "$prefix"; rm -rf "$work"' EXIT
export WINEPREFIX=$prefix WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml=;winedbg.exe=d;winemenubuilder.exe=d'
wineserver -p600 </dev/null >/dev/null 2>&1

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/config.yml" <<YAML
version: 0.1
log: { level: error, accesslog: { disabled: true } }
storage: { filesystem: { rootdirectory: $work/data } }
http: { addr: 127.0.0.1:$port }
YAML
docker-registry serve "$work/config.yml" >"$work/registry.log" 2>&1 </dev/null &
registry=$!
for _ in $(seq 100); do curl -fs "http://127.0.0.1:$port/v2/" >/dev/null && break; sleep 0.1; done

mkdir -p "$prefix/drive_c/t"
timeout 300 wine "$bin/repository_check.exe" 'C:\t' "http://127.0.0.1:$port/large" >"$work/out" 2>"$work/err" </dev/null
tr -d '\r' <"$work/out" >"$work/lines"
grep -v ' passed, ' "$work/lines"
count() { sed -n "s/^\([0-9]*\) passed, \([0-9]*\) failed$/\\$1/p" "$work/lines"; }
passed=$(count 1) failed=$(count 2)
[ -n "$passed" ] || { echo "FAIL repository_check did not end"; tail -5 "$work/err"; passed=0 failed=1; }

golden=$(python3 -c 'import json; print(json.load(open("tests/golden/image_v1/index.json"))["manifests"][0]["digest"])')
if grep -qx "digest $golden" "$work/lines"; then
  passed=$((passed + 1)); echo "ok   the image has the same digest as on Linux"
else
  failed=$((failed + 1)); echo "FAIL the image has another digest than on Linux ($golden)"
fi
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
