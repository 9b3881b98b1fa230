#!/bin/sh
# Builds the libraries that Debian has only for Linux for the Windows programs: zstd, static, for x86_64-w64-mingw32.
#
#   tools/build_deps.sh [DIR]      default DIR: build/deps/mingw64
#
# The source is Debian's own source package, fetched with apt from the mirrors this machine already uses; the machine's
# apt configuration is not touched: source entries are derived from it into a private folder. The version is
# pinned and the upstream archive is checked against a SHA-256. Does nothing, and needs no network, when the result is there.
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
# The machine's entries, with "deb" turned into "deb-src" (deb822 and one-line style).
apt=$work/apt
mkdir -p "$apt/sources.d" "$apt/lists/partial" "$apt/cache/archives/partial"
for file in /etc/apt/sources.list.d/*.sources; do
  [ -f "$file" ] || continue
  sed -e 's/^Types:.*/Types: deb-src/' "$file" >"$apt/sources.d/$(basename "$file")"
done
: >"$apt/sources.list"
for file in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
  [ -f "$file" ] || continue
  sed -n -e 's/^deb[[:space:]]\{1,\}/deb-src /p' "$file" >>"$apt/sources.list"
done
apt_get() {
  apt-get -q -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts="$apt/sources.d" \
    -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" -o APT::Sandbox::User=root "$@"
}
echo "build_deps: fetching the source of zstd $ZSTD_VERSION"
apt_get update >"$work/update.log" 2>&1 ||
  { tail -5 "$work/update.log" >&2; fail "apt cannot read the source index (is the network up?)"; }
cd "$work"
apt_get source --download-only "zstd=$ZSTD_VERSION" >"$work/source.log" 2>&1 ||
  apt_get source --download-only "libzstd=$ZSTD_VERSION" >"$work/source.log" 2>&1 || {
    tail -5 "$work/source.log" >&2
    fail "zstd $ZSTD_VERSION is not in this machine's package sources; Plume's image format pins that version (docs/formats/pack.md)"
  }
archive=$(ls "$work"/*zstd_*.orig.tar.* 2>/dev/null | head -1)
[ -n "$archive" ] || fail "the source package has no upstream archive"
sum=$(sha256sum "$archive" | cut -d' ' -f1)
[ "$sum" = "$ZSTD_ORIG_SHA256" ] || fail "checksum of $(basename "$archive") is $sum, expected $ZSTD_ORIG_SHA256"

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
