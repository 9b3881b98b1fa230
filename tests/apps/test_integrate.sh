#!/bin/bash
# Desktop integration of a streamed application: shortcuts, file types, links, commands and icons appear on the client, a
# document opens in the application, conflicts stay with whoever had it, and unintegrating leaves no trace.
# The application is the real 7-Zip, in an installer that registers it for two file types and a link scheme.
set -u
source "$(dirname "$0")/lib.sh"

new_prefix integrate-client client
new_prefix integrate-admin admin
export XDG_DATA_HOME=$work/share
make_7zip_setup "$work/setup.exe" first
# The same with what a file manager's installer registers.
sed -i 's|^SectionEnd|  WriteRegStr HKLM "Software\\\\Classes\\\\.p7z" "" "PlumeTest.Archive"\n  WriteRegStr HKLM "Software\\\\Classes\\\\.p7z" "Content Type" "application/x-p7z"\n  WriteRegStr HKLM "Software\\\\Classes\\\\.tx7" "" "PlumeTest.Archive"\n  WriteRegStr HKLM "Software\\\\Classes\\\\.msi" "" "PlumeTest.Archive"\n  WriteRegStr HKLM "Software\\\\Classes\\\\PlumeTest.Archive" "" "Test archive"\n  WriteRegStr HKLM "Software\\\\Classes\\\\PlumeTest.Archive\\\\DefaultIcon" "" "$INSTDIR\\\\7z.dll,0"\n  WriteRegStr HKLM "Software\\\\Classes\\\\PlumeTest.Archive\\\\shell\\\\open\\\\command" "" "$\\"$INSTDIR\\\\7z.exe$\\" l $\\"%1$\\""\n  WriteRegStr HKLM "Software\\\\Classes\\\\PlumeTest.Archive\\\\shell\\\\extract" "" "E\&xtract beside it"\n  WriteRegStr HKLM "Software\\\\Classes\\\\PlumeTest.Archive\\\\shell\\\\extract\\\\command" "" "$\\"$INSTDIR\\\\7z.exe$\\" x -y $\\"%1$\\""\n  WriteRegStr HKLM "Software\\\\Classes\\\\sevenzip" "" "URL:7-Zip"\n  WriteRegStr HKLM "Software\\\\Classes\\\\sevenzip" "URL Protocol" ""\n  WriteRegStr HKLM "Software\\\\Classes\\\\sevenzip\\\\shell\\\\open\\\\command" "" "$\\"$INSTDIR\\\\7z.exe$\\" i $\\"%1$\\""\nSectionEnd|;0,/^SectionEnd/!b' "$work/7zip.nsi"
makensis -V1 "$work/7zip.nsi" >"$work/makensis.log" 2>&1 || { cat "$work/makensis.log"; exit 1; }
check "captured" plume_in "$admin" capture 7zip --version 15.05 -- "$(win "$work/setup.exe")" /S
check "published" publish_in "$admin" 7zip:15.05 "oci:$work/repo/7zip" --tag stable
check "subscribed" subscribe_in "$client" "oci:$work/repo/7zip:stable"

# What the user had before, whole: the user's registry, the profile, the Linux desktop.
listing() {
  bare "$client" regedit /E "$(win "$work/$1.reg")" HKEY_LOCAL_MACHINE\\Software\\Classes >/dev/null 2>&1
  # No file at all: the user has no classes.
  if [ -f "$work/$1.reg" ]; then iconv -f UTF-16 -t UTF-8 "$work/$1.reg" >"$work/$1.reg8" && mv "$work/$1.reg8" "$work/$1.reg"; fi
  bare "$client" reg query 'HKCU\Environment' >>"$work/$1.reg" 2>&1
  bare "$client" reg query 'HKCU\Software\Microsoft\Windows\CurrentVersion\App Paths' /s >>"$work/$1.reg" 2>&1
  (cd "$client/drive_c/users/$USER_NAME" && find . -path ./AppData/Local/Plume -prune -o -print | sort
   cd "$client/drive_c/ProgramData" && find . | sort
   cd "$client/drive_c/users/$USER_NAME/AppData/Local/Plume" && find commands integrations 2>/dev/null | sort
   find "$XDG_DATA_HOME" 2>/dev/null | sort) >"$work/$1.files"
}
USER_NAME=$(ls "$client/drive_c/users" | grep -v -i public | head -1)
query() { bare "$client" reg query "$@" 2>&1 | tr -d '\r'; }
mkdir -p "$work/empty/applications"
XDG_DATA_HOME=$work/empty plume_in "$client" remove nothing >/dev/null 2>&1
check "what fails touches no folder of the Linux desktop" [ -d "$work/empty/applications" ]
listing before

plume_in "$client" apps >"$work/apps" 2>&1
check "apps says that it is not integrated" grep -q '^7zip .* no  *[0-9a-f]*  *oci:' "$work/apps"

# --- what appears ------------------------------------------------------------------------------------------------------
plume_in "$client" integrate 7zip >"$work/integrated" 2>"$work/err"; code=$?
check "integrate succeeds: $(cat "$work/err")" [ "$code" = 0 ]
check "it says what opens with it" grep -q 'opens .*\.p7z .*\.tx7' "$work/integrated"
check "and what stays with another: .msi" grep -qi '\.msi stays with msi\.package (plume integrate 7zip --take \.msi takes it)' "$work/integrated"
check "a shortcut in the Start menu" [ -f "$client/drive_c/users/$USER_NAME/AppData/Roaming/Microsoft/Windows/Start Menu/Programs/7-Zip Console.lnk" ]
check "one on the desktop" [ -f "$client/drive_c/users/$USER_NAME/Desktop/7-Zip Console.lnk" ]
check "a command" [ -f "$client/drive_c/users/$USER_NAME/AppData/Local/Plume/commands/7z.exe" ]
check "the icon of the file type" [ "$(od -An -tx1 -N4 "$client/drive_c/users/$USER_NAME/AppData/Local/Plume/integrations/7zip/PlumeTest.Archive.ico" | tr -d " ")" = 00000100 ]
check "JSON says the same" jq -e '.types == [".p7z", ".tx7"] and .protocols == ["sevenzip"] and .conflicts[0].what == ".msi"' <(plume_in "$client" integrate 7zip --json)
check "apps says so too" jq -e '.[] | select(.name == "7zip").integrated == true' <(plume_in "$client" apps --json)
listing once
plume_in "$client" integrate 7zip >/dev/null
listing twice
check "integrating again changes nothing" cmp "$work/once.reg" "$work/twice.reg"
check "nor any file" cmp "$work/once.files" "$work/twice.files"

# --- what it does ------------------------------------------------------------------------------------------------------
documents="$client/drive_c/users/$USER_NAME/Documents"
mkdir -p "$documents/in side"
cp docs/*.md "$documents/in side/"
z=$(guest 7zip)/7zip-lite/7z.exe
(cd "$documents/in side" && WINEPREFIX=$client wine "$z" a -t7z 'one archive.p7z' ./*.md </dev/null >/dev/null 2>&1; rm ./*.md)
archive='C:\users\'$USER_NAME'\Documents\in side\one archive.p7z'
# 7-Zip's banner and listing, as an installed copy prints them.
bare "$client" "$(win "$z")" l "$archive" 2>/dev/null >"$work/local.txt"
plume_in "$client" run 7zip --open "$archive" >"$work/opened.txt" 2>"$work/err"
same "run --open starts what the type's class says" "$work/local.txt" "$work/opened.txt"
plume_in "$client" run 7zip --open "$documents/in side/one archive.p7z" >"$work/opened.unix" 2>/dev/null
check "also by its Linux name" grep -q 'Everything is Ok\|files' "$work/opened.unix"
check "a type that it does not register: one clear line" bash -c '! PLUME_WINEPREFIX=$0 plume run 7zip --open "C:\\x.none" 2>"$1" && grep -q "registers nothing that opens" "$1" && [ "$(wc -l <"$1")" = 1 ]' "$client" "$work/err"

# As the shell does it: by the file type, through ShellExecute.
wait_for() { local i; for i in $(seq 300); do "$@" && return 0; sleep 0.1; done; return 1; }
bare "$client" start /wait /d 'C:\users\'$USER_NAME'\Documents\in side' "$archive" >/dev/null 2>&1
verbs=$(query 'HKLM\Software\Classes\Plume.7zip.PlumeTest.Archive\shell' /s)
check "the class has both verbs" bash -c 'grep -q "verb \"open\" --open \"%1\"" <<<"$0" && grep -q "verb \"extract\"" <<<"$0"' "$verbs"
command=$(query 'HKLM\Software\Classes\Plume.7zip.PlumeTest.Archive\shell\extract\command' /ve | grep -o '"C:.*\|"Z:.*')
# What the shell runs for the verb, with the document in its place.
printf '@echo off\r\n%s\r\n' "${command//%1/$archive}" >"$client/drive_c/run.cmd"
bare "$client" cmd /c 'C:\run.cmd' >/dev/null 2>&1
check "the verb's own command starts it in the VM: what it unpacked is there" wait_for [ -f "$documents/in side/glossary.md" ]
check "with the same bytes" cmp docs/glossary.md "$documents/in side/glossary.md"
bare "$client" 'C:\users\'$USER_NAME'\AppData\Local\Plume\commands\7z.exe' l "$archive" 2>/dev/null >"$work/command.txt"
same "the command does what the program does" "$work/local.txt" "$work/command.txt"
check "and hands on its exit code" [ "$(bare "$client" 'C:\users\'$USER_NAME'\AppData\Local\Plume\commands\7z.exe' l 'C:\none.7z' >/dev/null 2>&1; echo $?)" = 2 ]
check "a new prompt finds it" grep -q 'commands' <<<"$(query 'HKCU\Environment' /v Path)"
check "so does App Paths" grep -qi 'commands.7z.exe' <<<"$(query 'HKCU\Software\Microsoft\Windows\CurrentVersion\App Paths\7z.exe' /ve)"

# --- inside VMs --------------------------------------------------------------------------------------------------------
check "a guest does not see the client's side of it" bash -c '! PLUME_WINEPREFIX=$0 plume vm run 7zip -- reg query "HKLM\\Software\\Classes\\Plume.7zip.PlumeTest.Archive" >/dev/null 2>&1' "$client"
plume_in "$client" vm run 7zip -- reg query 'HKLM\Software\Classes\.p7z' /ve >"$work/guest" 2>&1
check "but the image's own" bash -c 'grep -q PlumeTest.Archive "$0" && ! grep -q Plume.7zip "$0"' "$work/guest"
check "but its own" plume_in "$client" vm run 7zip -- reg query 'HKCR\PlumeTest.Archive'
plume_in "$client" vm explain 7zip 'HKLM\Software\Classes\.p7z' >"$work/explain" 2>&1
check "explain names the rule" grep -q 'made for an integrated application' "$work/explain"

# --- Linux desktop -----------------------------------------------------------------------------------------------------
entry=$XDG_DATA_HOME/applications/plume-7zip-class-PlumeTest.Archive.desktop
check "a desktop entry opens its types" grep -q '^MimeType=application/x-plume-msi;application/x-p7z;application/x-plume-tx7;' "$entry"
check "and one is in the menu" grep -q '^Name=7-Zip Console$' "$XDG_DATA_HOME"/applications/plume-7zip-entry-*.desktop
if command -v desktop-file-validate >/dev/null; then
  check "the entries are valid" desktop-file-validate "$XDG_DATA_HOME"/applications/plume-7zip-*.desktop
fi
exec_line=$(sed -n 's/^Exec=//p' "$entry")
eval "${exec_line/\%f/\"$documents/in side/one archive.p7z\"}" >"$work/desktop.txt" 2>/dev/null </dev/null
same "what its Exec line says lists the document" "$work/local.txt" "$work/desktop.txt"
check "the MIME package is well-formed" python3 -c 'import sys, xml.dom.minidom as m; m.parse(sys.argv[1])' "$XDG_DATA_HOME/mime/packages/plume-7zip.xml"

# --- another application that wants the same ---------------------------------------------------------------------------
check "the same under another name" plume_in "$admin" capture other --version 15.05 -- "$(win "$work/setup.exe")" /S
check "published too" publish_in "$admin" other:15.05 "oci:$work/repo/other" --tag stable
check "subscribed too" subscribe_in "$client" "oci:$work/repo/other:stable"
plume_in "$client" integrate other >"$work/other" 2>&1
check "what the first one has stays" grep -q '\.p7z stays with Plume\.7zip\.PlumeTest\.Archive' "$work/other"
check "its command too" grep -q '7z\.exe stays with' "$work/other"
plume_in "$client" unintegrate 7zip >/dev/null 2>"$work/err"
check "when the first one goes, the second has it" grep -q 'Plume.other.PlumeTest.Archive' <<<"$(query 'HKLM\Software\Classes\.p7z' /ve)"
plume_in "$client" apps >"$work/apps" 2>&1
check "and apps says which of them" bash -c 'grep -q "^7zip .* no  *[0-9a-f]*  *oci:" "$0" && grep -q "^other .* yes  *[0-9a-f]*  *oci:" "$0"' "$work/apps"
plume_in "$client" integrate other --take .msi >"$work/other" 2>&1
check "--take takes what the machine had" grep -q 'Plume.other' <<<"$(query 'HKLM\Software\Classes\.msi' /ve)"
check "removing an application takes it off the desktop" plume_in "$client" remove other
plume_in "$client" vm delete other >/dev/null 2>&1

# --- and away ----------------------------------------------------------------------------------------------------------
rm -rf "$documents/in side" "$client/drive_c/run.cmd"
listing after
check "no trace in the registry" diff "$work/before.reg" "$work/after.reg"
check "no trace in the file system" diff "$work/before.files" "$work/after.files"
check "unintegrating what is not: one clear line" bash -c '! PLUME_WINEPREFIX=$0 plume unintegrate 7zip 2>"$1" && grep -q "it is not integrated (plume integrate 7zip)" "$1"' "$client" "$work/err"
check "an application that is not there: one clear line" bash -c '! PLUME_WINEPREFIX=$0 plume integrate nothing 2>"$1" && grep -q "not subscribed" "$1" && [ "$(wc -l <"$1")" = 1 ]' "$client" "$work/err"
finish
