#!/bin/sh
# Builds the libraries that Debian has only for Linux for the Windows programs: zstd, static, for x86_64-w64-mingw32.
#
#   tools/build_deps.sh [DIR]      default DIR: build/deps/mingw64
#
# The source is Debian's own source package (tools/debian_source.sh); its version is pinned and the upstream archive is checked
# against a SHA-256. Does nothing, and needs no network, when the result is there.
set -eu

ZSTD_VERSION=1.5.4+dfsg2-5
ZSTD_ORIG_SHA256=8cf4bbb65e77ec348d052c8d6230eba66d435bddf64c8b5be2fcb16880c19953
HOST=x86_64-w64-mingw32

root=$(cd "$(dirname "$0")/.." && pwd)
out=${1:-$root/build/deps/mingw64}
stamp=$out/zstd-$ZSTD_VERSION.stamp

fail() {
  echo "build_deps: $*" >&2
  exit 1
}

if [ -f "$stamp" ] && [ -f "$out/lib/libzstd.a" ] && [ -f "$out/include/zstd.h" ]; then
  echo "build_deps: zstd $ZSTD_VERSION is in $out"
  exit 0
fi

mkdir -p "$out"
# One builder at a time; a second one finds the work done.
exec 9>"$out/.lock"
flock 9
if [ -f "$stamp" ]; then
  exit 0
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/plume-deps.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM

cc=$HOST-gcc-posix
command -v "$cc" >/dev/null || cc=$HOST-gcc
command -v "$cc" >/dev/null || fail "no $HOST compiler: apt-get install g++-mingw-w64-x86-64-posix"

# --- fetch ------------------------------------------------------------------------------------------------------
echo "build_deps: fetching the source of zstd $ZSTD_VERSION"
archive=$work/zstd.tar
"$root/tools/debian_source.sh" "libzstd=$ZSTD_VERSION" "$ZSTD_ORIG_SHA256" "$archive" ||
  fail "no source of zstd $ZSTD_VERSION; Plume's image format pins that version (docs/formats/pack.md)"

# --- build ------------------------------------------------------------------------------------------------------
mkdir "$work/src"
tar -xf "$archive" -C "$work/src" --strip-components=1
echo "build_deps: building libzstd.a"
# Sources directly, not upstream's makefile: it decides by the build machine's uname.
mkdir "$work/obj"
cd "$work/obj"
for file in "$work"/src/lib/common/*.c "$work"/src/lib/compress/*.c "$work"/src/lib/decompress/*.c; do
  echo "$file"
done | xargs -P 2 -n 4 "$cc" -c -O2 -DNDEBUG -DZSTD_DISABLE_ASM -DXXH_NAMESPACE=ZSTD_ -DZSTD_LEGACY_SUPPORT=0
$HOST-ar rcsD libzstd.a ./*.o
mkdir -p "$out/lib" "$out/include"
cp "$work/src/lib/zstd.h" "$work/src/lib/zstd_errors.h" "$out/include/"
cp "$work/src/LICENSE" "$out/zstd-LICENSE" 2>/dev/null || true
cp libzstd.a "$out/lib/libzstd.a.new"
mv "$out/lib/libzstd.a.new" "$out/lib/libzstd.a"
touch "$stamp"
echo "build_deps: zstd $ZSTD_VERSION is in $out"
