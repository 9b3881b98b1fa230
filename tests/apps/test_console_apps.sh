#!/bin/bash
# Unmodified third-party programs, run from a client that never installed them: what they print and write must be
# byte-identical to a local run of the same program in the same place.
#   7-Zip      installed by an NSIS set-up; plug-in DLL, archives
#   CMake      over 3,800 data files; with Ninja a tree of child processes
#   ExifTool   a launcher, a whole Perl and 36 DLLs of its own; rewrites files by renaming over them
# Every image is published to plume-server and to Debian's docker-registry; the client takes the first two from one and the
# third from the other.
set -u
source "$(dirname "$0")/lib.sh"

start_plume_server plume_url
start_docker_registry docker_url
new_prefix local local    # has everything installed: the oracle
new_prefix admin admin    # captures and publishes
new_prefix client client  # never installs anything

# --- the programs, installed for the oracle, captured and published by the administrator --------------------------------
make_7zip_setup "$work/setup.exe" first
make_cmake_folder "$work/cmake"
exiftool=$(guest exiftool-vendored.exe)/bin
bare "$local" "$(win "$work/setup.exe")" /S >"$work/local-setup.log" 2>&1
cp -a "$work/cmake" "$local/drive_c/Program Files/CMake"
cp -a "$exiftool" "$local/drive_c/Program Files/ExifTool"

# A key that every machine has with values of its own; the installer adds one and changes one.
bare "$admin" reg add 'HKLM\Software\Shared' /v Admin /d own /f >"$work/reg.log" 2>&1
bare "$admin" reg add 'HKLM\Software\Shared' /v Both /d own /f >"$work/reg.log" 2>&1
bare "$client" reg add 'HKLM\Software\Shared' /v Client /d own /f >"$work/reg.log" 2>&1
bare "$client" reg add 'HKLM\Software\Shared' /v Both /d own /f >"$work/reg.log" 2>&1
machine_watch "$client"
check "capture 7-Zip by running its installer" plume_in "$admin" capture 7zip --version 15.05 -- "$(win "$work/setup.exe")" /S
check "adopt CMake from its folder" plume_in "$admin" capture cmake --version 4.0.2 \
  --from-folder "$(win "$work/cmake")" --at 'C:\Program Files\CMake' --entry cmake.exe
check "adopt ExifTool from its folder" plume_in "$admin" capture exiftool --version 13.59 \
  --from-folder "$(win "$exiftool")" --at 'C:\Program Files\ExifTool' --entry exiftool.exe
for app in 7zip:15.05 cmake:4.0.2 exiftool:13.59; do
  for url in "$plume_url" "$docker_url"; do
    check "publish $app to ${url##*/}" publish_in "$admin" "$app" "$url/apps/${app%%:*}" --tag stable
  done
done
skopeo inspect --tls-verify=false "docker://${docker_url#http://}/apps/7zip:stable" --raw >"$work/raw.json" 2>"$work/skopeo.log"
check "docker-registry holds an ordinary OCI artifact" jq -e '.schemaVersion == 2 and (.layers | length) > 0' "$work/raw.json"
check "the administrator's machine has 7-Zip not installed" test ! -e "$admin/drive_c/Program Files/7-Zip"

check "subscribe to 7-Zip at plume-server" subscribe_in "$client" "$plume_url/apps/7zip:stable"
check "subscribe to CMake at plume-server" subscribe_in "$client" "$plume_url/apps/cmake:stable"
check "subscribe to ExifTool at docker-registry" subscribe_in "$client" "$docker_url/apps/exiftool:stable"

# --- the same input on both machines ------------------------------------------------------------------------------------
mkdir -p "$work/input/text" "$work/input/pictures"
cp -a /usr/share/common-licenses/. "$work/input/text/"
find "$work/input" -type l -delete
convert rose: "$work/input/pictures/rose.jpg"
convert logo: -set comment 'A drawing' "$work/input/pictures/logo.png"
convert granite: "$work/input/pictures/granite.tif"
make_cmake_project "$work/input/project"
find "$work/input" -exec touch -d '2024-05-06 07:08:09' {} +
for machine in "$local" "$client"; do cp -a "$work/input" "$machine/drive_c/work"; done

# --- runs: NAME, then the command below the program's folder, then arguments --------------------------------------------
both() {  # both OUTPUT APP LOCAL-PROGRAM [ENTRY] -- ARGS: runs it on both machines, compares what it prints
  local name=$1 app=$2 program=$3; shift 3
  local entry=(); [ "$1" != -- ] && { entry=(--entry "$1"); shift; }
  shift
  (cd "$local/drive_c/work" && bare "$local" "$program" "$@" >"$work/$name.local" 2>"$work/$name.local.err")
  local code=$?
  plume_in "$client" run "$app" "${entry[@]}" --cwd 'C:\work' -- "$@" >"$work/$name.client" 2>"$work/$name.client.err"
  local found=$?
  [ $code = $found ] || { fail "$name: exit code $found instead of $code"; tail -n 3 "$work/$name.client.err" | sed 's/^/     | /'; }
  # Times that CMake prints are not the program's output proper.
  sed -i -E 's/\([0-9.]+s\)/(time)/' "$work/$name.local" "$work/$name.client"
  same "$name" "$work/$name.local" "$work/$name.client"
}
sevenzip='C:\Program Files\7-Zip\7z.exe'
cmake='C:\Program Files\CMake\bin\cmake.exe'
exif='C:\Program Files\ExifTool\exiftool.exe'

both "7z-formats" 7zip "$sevenzip" -- i
both "7z-add" 7zip "$sevenzip" -- a -mmt1 out.7z text pictures
both "7z-list" 7zip "$sevenzip" -- l -slt out.7z
both "7z-extract" 7zip "$sevenzip" -- x -y -oback out.7z
same "7z archive" "$local/drive_c/work/out.7z" "$client/drive_c/work/out.7z"
check "7-Zip brought every byte back" diff -r "$work/input/text" "$client/drive_c/work/back/text"

both "cmake-configure" cmake "$cmake" -- -G Ninja -S project -B build '-DCMAKE_MAKE_PROGRAM=C:/Program Files/CMake/bin/ninja.exe'
both "cmake-build" cmake "$cmake" -- --build build -j1
same "cmake: what the child processes made" "$local/drive_c/work/build/all.sum" "$client/drive_c/work/build/all.sum"
same "cmake: generated build rules" "$local/drive_c/work/build/build.ninja" "$client/drive_c/work/build/build.ninja"
same "cmake: cache" "$local/drive_c/work/build/CMakeCache.txt" "$client/drive_c/work/build/CMakeCache.txt"
both "ninja" cmake 'C:\Program Files\CMake\bin\ninja.exe' ninja -- -C build -t targets
both "cmake-help" cmake "$cmake" -- --help-module-list

both "exiftool-read" exiftool "$exif" -- -a -G1 -s --FileAccessDate --FileCreateDate --FileInodeChangeDate pictures
both "exiftool-write" exiftool "$exif" -- -overwrite_original -P -Comment=guest -Artist=Plume pictures/rose.jpg
same "exiftool: rewritten picture" "$local/drive_c/work/pictures/rose.jpg" "$client/drive_c/work/pictures/rose.jpg"

# --- what the machine has stays visible beside what the image adds ---------------------------------------------------------
plume_in "$client" vm run 7zip -- reg query 'HKLM\Software\Microsoft\Windows\CurrentVersion' /v ProgramFilesDir >"$work/own" 2>&1
check "a key of the machine keeps its values though the image has subkeys below it" grep -q 'C:.Program Files' "$work/own"
plume_in "$client" vm run 7zip -- reg query 'HKLM\Software\Microsoft\Windows\CurrentVersion\App Paths\7z.exe' >"$work/added" 2>&1
check "the image's subkey is there" grep -q 7z.exe "$work/added"
plume_in "$client" vm run 7zip -- reg query 'HKLM\Software\Shared' >"$work/shared" 2>&1
check "a key that both have: the image's values over the client's own, nothing of the administrator's" bash -c \
  "grep -q 'Of7Zip.*image' '$work/shared' && grep -q 'Both.*image' '$work/shared' && grep -q 'Client.*own' '$work/shared' && ! grep -q Admin '$work/shared'"
plume_in "$client" vm run 7zip -- cmd /c dir /b 'C:\Program Files' >"$work/folders" 2>&1
check "the merged folder lists both" bash -c "grep -q 7-Zip '$work/folders' && grep -q 'Internet Explorer' '$work/folders'"

# --- nothing was installed ----------------------------------------------------------------------------------------------
for folder in 7-Zip CMake ExifTool; do
  check "client: no folder $folder" test ! -e "$client/drive_c/Program Files/$folder"
done
bare "$client" reg query 'HKLM\Software' >"$work/keys" 2>&1
check "client: no 7-Zip in the registry" bash -c "grep -q Microsoft '$work/keys' && ! grep -qi 7-zip '$work/keys'"
bare "$client" reg query 'HKLM\System\CurrentControlSet\Control\Session Manager\Environment' >"$work/environment" 2>&1
check "client: PATH is as it was" bash -c "grep -qi path '$work/environment' && ! grep -qi 7-zip '$work/environment'"
check "client: no shortcut" bash -c "! find '$client/drive_c/ProgramData' '$client/drive_c/users' -name '7-Zip*.lnk' -not -path '*/Plume/*' | grep -q ."
check "the machine is as it was" machine_unchanged
finish
