# Shared by the tests of the command line: a prefix and a state folder of their own, plume run with its output kept, checks.
# Sourced by scripts of this folder; $1 is the folder of plume, plume.exe, plume-agent.exe, plume-vl64.dll (build/bin).
#   PLUME_WINEPREFIX: the prefix to use (it is changed); default: a private one
set -u

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bin=${1:-$root/build/bin}
work=$(mktemp -d "${TMPDIR:-/tmp}/plume-verbs.XXXXXX")
own_prefix=
[ -n "${PLUME_WINEPREFIX:-}" ] || own_prefix=$("$root/tools/prefix.sh" clone "verbs-$$") || exit 1
export PLUME_WINEPREFIX=${PLUME_WINEPREFIX:-$own_prefix}
export WINEPREFIX=$PLUME_WINEPREFIX
wineserver -p600 </dev/null >/dev/null 2>&1
export WINEDEBUG=-all
export PLUME_HOME="$work/state"
plume=$bin/plume
passed=0
failed=0
clean_up() {
  "$plume" agent stop --force >/dev/null 2>&1 </dev/null
  [ -z "$own_prefix" ] || "$root/tools/prefix.sh" remove "$own_prefix"
  rm -rf "$work"
}
trap clean_up EXIT

out=$work/out
err=$work/err
# run ARGS...: runs plume, leaves $code, $out, $err.
run() {
  timeout 120 "$plume" "$@" >"$out" 2>"$err" </dev/null
  code=$?
  sed -i 's/\r$//' "$out" "$err"
}
check() { # NAME CONDITION...
  local name=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
    echo "ok   $name"
  else
    failed=$((failed + 1))
    echo "FAIL $name (exit $code)"
    sed 's/^/     out: /' "$out" | head -5
    sed 's/^/     err: /' "$err" | head -5
  fi
}
is() { [ "$code" = "$1" ]; }
says() { grep -qF -- "$1" "$out"; }
silent() { ! [ -s "$out" ]; }
# Plume's own failure: exit 125, exactly one line "plume: ... failed: ...", and it says $1.
refuses() { [ "$code" = 125 ] && [ "$(wc -l <"$err")" = 1 ] && grep -q '^plume: .*failed: ' "$err" && grep -qiF -- "$1" "$err"; }
gone() { ! says "$1"; }

finish() { echo "$passed passed, $failed failed"; [ "$failed" = 0 ]; }
