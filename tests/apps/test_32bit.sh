#!/bin/bash
# 32-bit programs on a 64-bit system (WoW64; tools/wow64.sh): set-ups of NSIS in their usual 32-bit form, from installation to a
# client that streams them, and the compiler of Inno Setup, whose own set-ups draw, which Wine 8 cannot do so.
set -u
cd "$(dirname "$0")/../.." || exit 1
WINEDLLPATH=$(tools/wow64.sh) || exit 1
export WINEDLLPATH PLUME_PREFIXES=$PWD/build/wow64/prefix
said=$(tests/apps/test_installers.sh '^nsis32-' 2>&1)
echo "$said" | grep -v ' passed, [0-9]* failed$'
counts=$(echo "$said" | grep -o '[0-9]* passed, [0-9]* failed$' | tail -1)
source tests/apps/lib.sh
set -- ${counts:-0 passed, 1 failed}
passed=$1 failed=$3

start_plume_server url
new_prefix 32bit-admin admin
new_prefix 32bit-client client
cat >"$work/some.iss" <<ISS
[Setup]
AppName=Some
AppVersion=1
DefaultDirName={autopf}\Some
OutputBaseFilename=setup
TimeStampsInUTC=yes
[Files]
Source: "$(win "$(guest 7zip-bin)/win/ia32/7za.exe")"; DestDir: "{app}"; Flags: ignoreversion
[Registry]
Root: HKLM; Subkey: "Software\Some"; ValueType: string; ValueName: "At"; ValueData: "{app}"
ISS
compile() { # compile FOLDER PROGRAM...: a set-up of 1 MB or more there
  local to=$1; shift
  mkdir -p "$to"
  "$@" "/O$(win "$to")" "$(win "$work/some.iss")" >"$to/said" 2>&1
  grep -q 'Successful compile' "$to/said" && [ "$(stat -c %s "$to/setup.exe")" -gt 1000000 ] || { tail -n 5 "$to/said"; return 1; }
}
inno=$(guest innosetup)/bin
check "the compiler of Inno Setup itself works" compile "$work/bare" bare "$admin" "$(win "$inno")\ISCC.exe"
check "captured from its folder" plume_in "$admin" capture inno --version 6.4.1 --from-folder "$(win "$inno")" --at 'C:\Program Files (x86)\Inno' --entry ISCC.exe
check "published" publish_in "$admin" inno:6.4.1 "$url/apps/inno" --tag stable
check "subscribed" subscribe_in "$client" "$url/apps/inno:stable"
printf '[files]\n%s = "host"\n' "'Z:\\'" >"$work/host.toml"
check "a VM that may write outside" plume_in "$client" vm create out --image inno --policy "$(win "$work/host.toml")"
check "compiles on the client, from the image" compile "$work/streamed" plume_in "$client" vm run out -- 'C:\Program Files (x86)\Inno\ISCC.exe'
same "its set-up" "$work/bare/setup.exe" "$work/streamed/setup.exe"
finish
