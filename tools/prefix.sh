#!/bin/bash
# Wine prefixes for tests: one base per build folder, made once, cloned for each user of one.
#   tools/prefix.sh base          makes build/prefix/base if needed; prints its path
#   tools/prefix.sh clone NAME    build/prefix/NAME as a fresh clone (an old one is stopped and replaced); prints it
#   tools/prefix.sh stop PREFIX   ends every process of that prefix (wineserver included) and waits for it
#   tools/prefix.sh remove PREFIX stop, then delete
#   tools/prefix.sh with COMMAND...  runs it with WINEPREFIX set to a clone that is up; removes the clone
set -eu
cd "$(dirname "$0")/.."
root=${PLUME_PREFIXES:-$PWD/build/prefix}
export WINEDEBUG=${WINEDEBUG:--all}
# winemenubuilder would write shortcuts outside the prefix, winedbg would hang on a crash.
export WINEDLLOVERRIDES='mscoree,mshtml=;winedbg.exe=d;winemenubuilder.exe=d'
mkdir -p "$root"

stop() {
  [ -d "$1" ] || return 0
  WINEPREFIX=$1 timeout 30 wineserver -k >/dev/null 2>&1 </dev/null || true
  WINEPREFIX=$1 timeout 30 wineserver -w >/dev/null 2>&1 </dev/null || true
}

make_base() {
  [ -f "$root/base/.plume-base" ] && return
  exec 9>"$root/base.lock"
  flock 9
  [ -f "$root/base/.plume-base" ] && return
  local new=$root/base.new.$$
  rm -rf "$root/base" "$new"
  export WINEPREFIX=$new
  { timeout 180 wineboot -i && timeout 60 wine reg add 'HKCU\Software\Wine' /v Version /d win10 /f
    # A DLL that is missing must not open a dialog box, nor a crash one.
    timeout 60 wine reg add 'HKCU\Software\Wine\WineDbg' /v ShowCrashDialog /t REG_DWORD /d 0 /f
  } </dev/null >"$root/base.log" 2>&1 || { tail -5 "$root/base.log" >&2; echo "prefix: making a Wine prefix failed" >&2; exit 1; }
  stop "$new"
  # Wine links the user's folders into the real home; an installer's desktop shortcut must stay in the prefix.
  find "$new/drive_c/users" -maxdepth 2 -type l -printf '%p\n' | while read -r link; do rm "$link"; mkdir "$link"; done
  touch "$new/.plume-base"
  mv "$new" "$root/base"
}

case ${1:-} in
  base) make_base; echo "$root/base" ;;
  clone)
    make_base
    stop "$root/$2"
    rm -rf "${root:?}/$2"
    cp -a --reflink=auto "$root/base/." "$root/$2"
    rm -f "$root/$2/.plume-base"
    echo "$root/$2" ;;
  stop) stop "$2" ;;
  remove) stop "$2"; rm -rf "$2" ;;
  with)
    shift
    clone=$(tools/prefix.sh clone "with-$$")
    trap '"$PWD/tools/prefix.sh" remove "$clone"' EXIT
    trap 'exit 143' TERM INT
    export WINEPREFIX=$clone
    wineserver -p </dev/null >/dev/null 2>&1
    timeout 120 wine cmd /c exit </dev/null >/dev/null 2>&1
    code=0
    "$@" & wait $! || code=$?
    exit $code ;;
  *) sed -n '2,8s/^# \?//p' "$0" >&2; exit 2 ;;
esac
