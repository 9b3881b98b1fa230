#!/bin/bash
# 7-Zip's module for self-extracting set-ups (7zS.sfx) as a 64-bit program, from Debian's source: the ready-made ones are 32-bit.
# Cached in build/guests; prints its path. PLUME_GUESTS: a folder that may hold the source archive or the module.
set -eu
cd "$(dirname "$0")/.."
cache=$PWD/build/guests
module=$cache/7zS-x64.sfx
versions="22.01+really26.02+dfsg-0+deb12u1:cbd9aef3b1a6596aafece29601df759f05c4d1b5619619b42ece125b8fe4d9a8"
mkdir -p "$cache"
exec 9>"$cache/7zS.lock"
flock 9
if [ -f "$module" ]; then echo "$module"; exit 0; fi
work=$(mktemp -d "$cache/sfx.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM
fail() { echo "build_sfx: $*" >&2; exit 1; }

# The machine's package sources, with "deb" turned into "deb-src".
mkdir -p "$work/apt/sources.d" "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
for file in /etc/apt/sources.list.d/*.sources; do
  [ -f "$file" ] && sed -e 's/^Types:.*/Types: deb-src/' "$file" >"$work/apt/sources.d/$(basename "$file")"
done
: >"$work/apt/sources.list"
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
  [ -f "$file" ] && sed -n -e 's/^deb[[:space:]]\{1,\}/deb-src /p' "$file" >>"$work/apt/sources.list"
done
apt_get() {
  apt-get -q -o Dir::Etc::sourcelist="$work/apt/sources.list" -o Dir::Etc::sourceparts="$work/apt/sources.d" \
    -o Dir::State::Lists="$work/apt/lists" -o Dir::Cache="$work/apt/cache" -o APT::Sandbox::User=root "$@"
}
cd "$work"
found=""
apt_get update >log 2>&1 || { tail -5 log >&2; fail "apt cannot read the source index (is the network up?)"; }
for row in $versions; do
  apt_get source --download-only "7zip=${row%%:*}" >log 2>&1 || continue
  archive=$(ls ./7zip_*.orig.tar.*)
  [ "$(sha256sum "$archive" | cut -d' ' -f1)" = "${row##*:}" ] || fail "$archive is not what it was (SHA-256)"
  found=$archive
done
[ -n "$found" ] || { tail -3 log >&2; fail "no known version of 7zip is in this machine's package sources"; }
mkdir src obj inc
tar -xf "$found" -C src --strip-components=1
# Windows' headers as the sources spell them.
for name in CommCtrl ShlObj ShellAPI Windows OleAuto; do echo "#include <${name,,}.h>" >"inc/$name.h"; done

bundle=src/CPP/7zip/Bundles/SFXSetup
flags="-c -O1 -DNDEBUG -DUNICODE -D_UNICODE -w -Iinc -DZ7_EXTRACT_ONLY -DZ7_SFX -DZ7_NO_READ_FROM_CODER -DZ7_NO_CRYPTO
  -DZ7_NO_LONG_PATH -DZ7_NO_LARGE_PAGES -DZ7_NO_REGISTRY"
for name in $(sed -n 's/^ *\$O\\\([A-Za-z0-9_]*\)\.obj.*/\1/p' $bundle/makefile) ExtractCallbackSfx 7zCrc 7zCrcOpt; do
  find $bundle src/CPP/7zip src/CPP/Windows src/CPP/Common src/C -iname "$name.c" -o -iname "$name.cpp" |
    awk -v b=$bundle 'index($0, b) == 1 { best = $0 } best == "" { best = $0 } END { print best }'
done | sort -u >list
# shellcheck disable=SC2086
xargs -P 2 -I{} sh -c 'x=x86_64-w64-mingw32-g++-posix; case {} in *.c) x=x86_64-w64-mingw32-gcc-posix ;; esac
  $x '"$(echo $flags)"' -o "obj/$(basename {}).o" {}' <list || fail "compiling failed"
x86_64-w64-mingw32-windres -Iinc -I $bundle $bundle/resource.rc obj/resource.o
x86_64-w64-mingw32-g++-posix -static -s -mwindows -o 7zS.sfx obj/*.o -lole32 -loleaut32 -luuid -lcomctl32 -luser32 -lshell32
mv 7zS.sfx "$module"
echo "$module"
