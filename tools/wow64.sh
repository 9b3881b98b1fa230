#!/bin/bash
# The 32-bit half of Wine that 32-bit programs need below a 64-bit Wine without its i386 packages: the 32-bit DLLs of
# Debian's libwine, of the installed version, beside the 64-bit ones. Prints a folder for WINEDLLPATH, which must be set when a
# prefix is made and whenever it is used. Programs then run as on 64-bit Windows: a 64-bit process whose system calls go through
# wow64.dll. In Wine 8 what draws does not work so.
set -eu
cd "$(dirname "$0")/.."
version=$(dpkg-query -W -f '${Version}' libwine:amd64)
to=$PWD/build/wow64/$version
mkdir -p "$PWD/build/wow64"
exec 9>"$PWD/build/wow64/lock"
flock 9
if [ ! -f "$to/.complete" ]; then
  work=$(mktemp -d "$PWD/build/wow64/new.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$work/apt/lists/partial" "$work/apt/cache/archives/partial"
  options=(-o APT::Architectures::=amd64 -o APT::Architectures::=i386 -o Dir::State::lists="$work/apt/lists" -o Dir::Cache="$work/apt/cache"
    -o APT::Sandbox::User=root -o Acquire::Languages=none -o Acquire::Retries=3)
  # One suite without an i386 index does not matter as long as another one has the package.
  apt-get "${options[@]}" update >"$work/update.log" 2>&1 || true
  (cd "$work" && apt-get "${options[@]}" download "libwine:i386=$version") >"$work/download.log" 2>&1 || {
    tail -n 3 "$work/update.log" "$work/download.log" >&2
    echo "wow64: Debian's libwine $version for i386 cannot be fetched" >&2
    exit 1
  }
  dpkg-deb -x "$work"/libwine_*_i386.deb "$work/x"
  mkdir "$work/to"
  mv "$work/x/usr/lib/i386-linux-gnu/wine/i386-windows" "$work/to/"
  find "$work/to/i386-windows" -type f -print0 | xargs -0 i686-w64-mingw32-strip 2>/dev/null || true  # 550 MB of symbols
  for half in unix windows; do ln -s "/usr/lib/x86_64-linux-gnu/wine/x86_64-$half" "$work/to/"; done
  touch "$work/to/.complete"
  rm -rf "$to"
  mv "$work/to" "$to"
fi
echo "$to"
