#!/bin/bash
# Makes a Debian 12 machine able to build and test Plume. Idempotent: packages that are there are left alone, and
# nothing is asked of the network when nothing is missing. Run as root (or with sudo rights for apt-get).
set -eu
cd "$(dirname "$0")/.."

packages="
  wine wine64 fonts-wine
  g++ cmake ninja-build make python3 ccache
  g++-mingw-w64-x86-64-posix g++-mingw-w64-i686-posix
  libboost-dev libcli11-dev nlohmann-json3-dev libspdlog-dev libfmt-dev libtomlplusplus-dev
  libflatbuffers-dev flatbuffers-compiler libzstd-dev libssl-dev googletest libgtest-dev libbenchmark-dev
  skopeo docker-registry nsis wixl msitools
  xvfb x11-utils xdotool imagemagick x11-apps
  clang clang-format clang-tidy libclang-rt-14-dev
  curl dpkg-dev iproute2 jq e2fsprogs mount util-linux"

missing=""
for package in $packages; do
  dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
done
# npm fetches the programs that the application tests run; a Node.js from elsewhere than Debian serves as well.
if ! command -v npm >/dev/null; then
  command -v node >/dev/null && missing="$missing npm" || missing="$missing nodejs npm"
fi
if [ -n "$missing" ]; then
  echo "setup: installing$missing"
  export DEBIAN_FRONTEND=noninteractive
  as_root=""; [ "$(id -u)" = 0 ] || as_root="sudo -E"
  # A package list that is merely old is worth a try: apt-get update only when the first attempt fails.
  # shellcheck disable=SC2086
  $as_root apt-get install -y --no-install-recommends $missing >/tmp/plume-setup.$$ 2>&1 ||
    { $as_root apt-get update -q && $as_root apt-get install -y --no-install-recommends $missing; } \
      >/tmp/plume-setup.$$ 2>&1 ||
    { tail -20 /tmp/plume-setup.$$; echo "setup: installing packages failed (see above)" >&2; exit 1; }
  rm -f /tmp/plume-setup.$$
fi

# What Plume's behaviour or binaries depend on is checked by version: another Wine has other stubs and other faults,
# another mingw another run-time library.
check() {  # check WHAT WANTED-PREFIX FOUND
  case "$3" in
    "$2"*) ;;
    *) echo "setup: $1 is version '$3', tested with $2 (install Debian 12's, or expect differences)" >&2; exit 1 ;;
  esac
}
version() { dpkg-query -W -f='${Version}' "$1" 2>/dev/null || true; }
check wine 8.0 "$(version wine)"
check g++-mingw-w64-x86-64-posix 12 "$(version g++-mingw-w64-x86-64-posix)"
check g++-mingw-w64-i686-posix 12 "$(version g++-mingw-w64-i686-posix)"
check g++ 4:12 "$(version g++)"
check flatbuffers-compiler 2.0 "$(version flatbuffers-compiler)"
check cmake 3.25 "$(version cmake)"

if [ -x tools/build_deps.sh ]; then tools/build_deps.sh; fi
