#!/bin/bash
# The same set-up, captured on two machines with other names, users and folders, at other times: the same image, digest for digest.
# What one machine's values were is then the client's.
#   test_capture_twice.sh [REGEX]   only the set-ups whose names match
set -u
source "$(dirname "$0")/lib.sh"
source tests/apps/lib_installers.sh
only=${1:-.}

start_plume_server url

# Another user and another computer: what Wine asks the system for, answered in a namespace of its own.
# A folder that is the root by chroot is no mount of its own: its propagation cannot be asked to change.
unshare --mount true 2>/dev/null && propagation=private || propagation=unchanged
elsewhere() { unshare --mount --propagation "$propagation" --uts bash -c 'mount --bind "$0" /etc/passwd && hostname plume-elsewhere && exec "$@"' "$work/passwd" "$@"; }
sed 's/^[^:]*:\([^:]*\):'"$(id -u)"':/anna:\1:'"$(id -u)"':/' /etc/passwd >"$work/passwd"
check "another user can be had" bash -c "! grep -q '^$(id -un):' '$work/passwd'"

new_prefix twice-one admin
other=$(tools/prefix.sh clone "twice-second-machine-$run_id") || exit 1
prefixes+=("$other")
WINEPREFIX=$other elsewhere wineserver -p >/dev/null 2>&1 </dev/null
# Only an update makes the new user's folders.
WINEPREFIX=$other elsewhere timeout 180 wineboot -u >"$work/wineboot.log" 2>&1 </dev/null
there() { PLUME_WINEPREFIX=$other WINEPREFIX=$other elsewhere timeout "${limit:-300}" "$@" </dev/null; }
there wine cmd /c 'echo %USERNAME% %COMPUTERNAME% %USERPROFILE%' >"$work/who" 2>/dev/null
check "the second machine has another user and another name" \
  bash -c "grep -qi '^anna plume-elsewhere C:.users.anna' '$work/who' || { cat '$work/who'; false; }"

twice() {  # twice NAME COMMAND...: captured here and there
  local name=$1 one two; shift
  [[ $name =~ $only ]] || return 0
  plume_in "$admin" capture "$name" --version 1 --json -- "$@" >"$work/one.json" 2>"$work/one.err"
  there plume capture "$name" --version 1 --json -- "$@" >"$work/two.json" 2>"$work/two.err"
  # A set-up may print something before.
  sed -i -n '/^{/,$p' "$work/one.json" "$work/two.json"
  one=$(jq -r .digest "$work/one.json") two=$(jq -r .digest "$work/two.json")
  if [[ $one == sha256:* && $one == "$two" ]]; then
    pass "$name: the same image, $(jq -r .files "$work/one.json") files, $(jq -r .keys "$work/one.json") keys"
    return
  fi
  fail "$name: two images, ${one:-none} and ${two:-none}"
  tail -n 3 "$work/one.err" "$work/two.err" | sed 's/^/     | /'
  local verb
  for verb in files registry inspect; do
    diff <(plume_in "$admin" image "$verb" "$name" --json 2>&1) <(there plume image "$verb" "$name" --json 2>&1) |
      grep -v digest | head -n 12 | sed 's/^/     | /'
  done
}
setups="nsis_7zip nsis_esbuild nsis_ninja msi_7zip msi_rcedit msi_esbuild inf_7za zip_sass"
for setup in $setups; do
  name=${setup//_/-}
  [[ $name =~ $only ]] || continue
  mkdir -p "$work/in/$name"
  "make_$setup" "$work/in/$name" 1 >"$work/make.log" 2>&1 || { fail "$name: making the set-up"; tail -n 5 "$work/make.log"; continue; }
  in=$(win "$work/in/$name")
  case $name in
    nsis-*) twice "$name" "$in\\setup.exe" /S ;;
    msi-*) twice "$name" msiexec /i "$in\\setup.msi" /qn ;;
    zip-*) twice "$name" "$(win "$(guest 7zip-bin)/win/x64/7za.exe")" x -y '-oC:\Tools\Sass' "$in\\files.zip" ;;
    inf-*) twice "$name" rundll32 'setupapi.dll,InstallHinfSection' DefaultInstall 132 "$in\\setup.inf" ;;
  esac
done

# --- what one machine's values were is the client's -----------------------------------------------------------------------------
if [[ nsis-esbuild =~ $only ]]; then
  there plume image registry nsis-esbuild >"$work/registry" 2>&1
  check "the image names no folder of the user's who captured it" bash -c "grep -q 'plume:profile' '$work/registry' && ! grep -qi anna '$work/registry'"
  check "published from there" there plume publish nsis-esbuild:1 "$url/apps/nsis-esbuild" --tag stable --key "$(signing_key)"
  check "subscribed on the other machine" subscribe_in "$admin" "$url/apps/nsis-esbuild:stable"
  profile=$(bare "$admin" cmd /c 'echo %USERPROFILE%' 2>/dev/null | tr -d '\r\n')
  plume_in "$admin" run nsis-esbuild -- --version >"$work/version" 2>&1
  check "the program works" grep -q '^0\.15' "$work/version"
  plume_in "$admin" vm run nsis-esbuild -- reg query 'HKCU\Software\Esbuild' /v Folder >"$work/folder" 2>&1
  check "its guests find their own profile folder in the registry" bash -c "cat '$work/folder'; grep -qiF '$profile\\AppData' '$work/folder'"
fi
finish
