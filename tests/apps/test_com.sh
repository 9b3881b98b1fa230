#!/bin/bash
# A third-party COM server: 7-Zip's shell extension, registered by regsvr32 in a VM, streamed to a client; neither machine nor
# another VM ever has the class.
set -u
source "$(dirname "$0")/lib.sh"

new_prefix admin admin    # captures and publishes
new_prefix client client  # never registers anything
start_plume_server url
class='{23170F69-40C1-278A-1000-000100020000}'
cp "$top/build/mingw64/bin/conformance.exe" "$work/create.exe"
create=$(win "$work/create.exe")
mkdir -p "$work/setup"
cp -r "$(guest 7zip)/7zip-lite/." "$work/setup/"
cat >"$work/setup/setup.cmd" <<'CMD'
@echo off
mkdir "C:\Program Files\7-Zip"
copy "%~dp07-zip.dll" "C:\Program Files\7-Zip\7-zip.dll" >nul
copy "%~dp07z.exe" "C:\Program Files\7-Zip\7z.exe" >nul
copy "%~dp07z.dll" "C:\Program Files\7-Zip\7z.dll" >nul
regsvr32 /s "C:\Program Files\7-Zip\7-zip.dll"
exit /b 0
CMD
sed -i 's/$/\r/' "$work/setup/setup.cmd"
inside() { local p=$1 vm=$2; shift 2; plume_in "$p" vm run "$vm" -- "$@"; }
says() { local want=$1; shift; "$@" >"$work/out" 2>&1; tr -d '\r' <"$work/out" | grep -qx "$want" || { cat "$work/out"; return 1; }; }
made='created 00000000' unknown='created 80040154'

check "neither machine has the class" says "$unknown" bare "$admin" "$create" create "$class"
check "registered in a VM" inside "$admin" one cmd /c "$(win "$work/setup/setup.cmd")"
check "an object of it is made there" says "$made" inside "$admin" one "$create" create "$class"
check "... not in another VM" says "$unknown" inside "$admin" two "$create" create "$class"
check "... not on the machine" says "$unknown" bare "$admin" "$create" create "$class"
check "unregistered, it is gone" inside "$admin" one regsvr32 /s /u 'C:\Program Files\7-Zip\7-zip.dll'
check "... for everybody" says "$unknown" inside "$admin" one "$create" create "$class"
check "capture" plume_in "$admin" capture 7zip --version 15.05 --entry 7z.exe -- cmd /c "$(win "$work/setup/setup.cmd")"
check "publish" publish_in "$admin" 7zip:15.05 "$url/apps/7zip" --tag stable
check "subscribe" subscribe_in "$client" "$url/apps/7zip:stable"
check "run" plume_in "$client" run 7zip -- i
check "an object is made from the image" says "$made" inside "$client" 7zip "$create" create "$class"
check "... not on the client itself" says "$unknown" bare "$client" "$create" create "$class"
check "the client has no key of it" bash -c "! WINEPREFIX='$client' timeout 60 wine reg query 'HKCR\\CLSID\\$class' </dev/null"
finish
