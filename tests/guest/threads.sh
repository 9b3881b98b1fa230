#!/bin/bash
# Threads as the agent starts them: each runs, however many start and end at the same time.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
bin=${PLUME_BIN:-$PWD/build/mingw64/bin}
prefix=$(tools/prefix.sh clone "guest-threads-$$") || exit 1
trap 'tools/prefix.sh remove "$prefix"' EXIT
export WINEPREFIX=$prefix WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml=;winedbg.exe=d;winemenubuilder.exe=d'
said=$(timeout 300 wine "$bin/thread_check.exe" 1000 4 2>/dev/null </dev/null | tr -d '\r')
if [ "$said" = "4000 of 4000 ran, 0 lost, 0 refused" ]; then
  echo "ok   $said"; echo "1 passed, 0 failed"
else
  echo "FAIL of 4000 threads: ${said:-thread_check said nothing}"; echo "0 passed, 1 failed"; exit 1
fi
