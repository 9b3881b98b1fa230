#!/bin/bash
# 32-bit programs on a 64-bit system (WoW64): what the guest programs of files, keys, objects, processes and services do and
# see as 32-bit programs is the same bare and in a VM. The scripts are those of the 64-bit ones; a prefix with the 32-bit half of
# Wine is made for them (tools/wow64.sh).
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
WINEDLLPATH=$(tools/wow64.sh) || exit 1
export WINEDLLPATH PLUME_PREFIXES=$PWD/build/wow64/prefix PLUME_GUEST_BIN=$PWD/build/mingw32/bin
spaces=(key file object process services)
cmake --build build/mingw32 --target "${spaces[@]/%/_guest}" >/dev/null || { echo "wow64: building the 32-bit guests failed"; exit 1; }
tools/prefix.sh base >/dev/null || exit 1
[ -e "$PLUME_PREFIXES/base/drive_c/windows/syswow64/kernel32.dll" ] || { echo "wow64: the prefix has no 32-bit half"; exit 1; }
passed=0 failed=0
for space in "${spaces[@]}"; do
  said=$("tests/guest/$space.sh" 2>&1)
  echo "$said" | sed "s/^\(ok  \|FAIL\) /\1 32-bit $space: /" | grep -v ' passed, [0-9]* failed$'
  counts=$(echo "$said" | grep -o '[0-9]* passed, [0-9]* failed$' | tail -1)
  [ -n "$counts" ] || counts="0 passed, 1 failed"
  set -- $counts
  passed=$((passed + $1)) failed=$((failed + $3))
done
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
