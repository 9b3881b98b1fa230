#!/bin/sh
# Fetches the upstream archive of one of Debian's source packages and checks it.
#
#   tools/debian_source.sh PACKAGE[=VERSION] SHA256 FILE
#
# From the mirrors this machine already uses; its apt configuration is not touched: source entries are derived from it into a
# private folder.
set -eu

package=$1 wanted=$2 out=$3
fail() {
  echo "debian_source: $*" >&2
  exit 1
}
work=$(mktemp -d "${TMPDIR:-/tmp}/plume-source.XXXXXX")
trap 'rm -rf "$work"' EXIT INT TERM

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
apt_get update >"$work/update.log" 2>&1 ||
  { tail -5 "$work/update.log" >&2; fail "apt cannot read the source index (is the network up?)"; }
mkdir "$work/source"
# A signature beside the archive may be missing on a mirror; the checksum below is what counts.
(cd "$work/source" && apt_get source --download-only "$package") >"$work/source.log" 2>&1 || true
archive=$(find "$work/source" -name '*.orig.tar.*' ! -name '*.asc' | head -1)
[ -n "$archive" ] ||
  { tail -5 "$work/source.log" >&2; fail "$package is not in this machine's package sources"; }
sum=$(sha256sum "$archive" | cut -d' ' -f1)
[ "$sum" = "$wanted" ] || fail "checksum of $(basename "$archive") is $sum, expected $wanted"
cp "$archive" "$out"
