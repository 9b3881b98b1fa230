#!/bin/bash
# A double click on a document starts the streamed application with it. The application is the real Vim with its window
# (gvim), installed by an NSIS installer that registers it for .rst9 files; the shell is Wine's file manager, the mouse xdotool's.
#   PLUME_SCREENSHOTS=DIR keeps the pictures.
set -u
source "$(dirname "$0")/lib.sh"
start_display
new_prefix click-client client
new_prefix click-admin admin
vim=$(guest vim)

cat >"$work/vim.nsi" <<NSI
Target amd64-unicode
Name "Vim"
OutFile "$work/setup.exe"
InstallDir "\$PROGRAMFILES64\\Vim"
RequestExecutionLevel admin
SetCompressor zlib
Section
  SetRegView 64
  SetShellVarContext all
  SetOutPath "\$INSTDIR"
  File "$vim/bin/gvim.exe"
  File "$vim/runtime/*.vim"
  File /r "$vim/runtime/colors"
  File /r "$vim/runtime/syntax"
  File /r "$vim/runtime/autoload"
  File /r "$vim/runtime/plugin"
  CreateShortCut "\$SMPROGRAMS\\Vim.lnk" "\$INSTDIR\\gvim.exe"
  WriteRegStr HKLM "Software\\Classes\\.rst9" "" "Vim.Document"
  WriteRegStr HKLM "Software\\Classes\\Vim.Document" "" "Vim document"
  WriteRegStr HKLM "Software\\Classes\\Vim.Document\\DefaultIcon" "" "\$INSTDIR\\gvim.exe,0"
  WriteRegStr HKLM "Software\\Classes\\Vim.Document\\shell\\open\\command" "" '"\$INSTDIR\\gvim.exe" "%1"'
SectionEnd
NSI
makensis -V1 "$work/vim.nsi" >"$work/makensis.log" 2>&1 || { cat "$work/makensis.log"; exit 1; }
check "captured" plume_in "$admin" capture vim --version 9.0 -- "$(win "$work/setup.exe")" /S
check "published" publish_in "$admin" vim:9.0 "oci:$work/repo/vim" --tag stable
check "subscribed" subscribe_in "$client" "oci:$work/repo/vim:stable"
XDG_DATA_HOME=$work/share check "integrated" plume_in "$client" integrate vim
check "the client has Vim not installed" test ! -e "$client/drive_c/Program Files/Vim"

mkdir -p "$client/drive_c/letters"
printf 'Dear reader,\r\nthis letter was opened by a double click.\r\n' >"$client/drive_c/letters/a letter.rst9"
bare "$client" explorer 'C:\letters' >/dev/null 2>&1 &
window=$(wait_window 'letters') || fail "the file manager shows no window"
shot() { timeout 20 import -window root "$work/$1.png" && { [ -z "${PLUME_SCREENSHOTS:-}" ] || cp "$work/$1.png" "$PLUME_SCREENSHOTS/"; }; }
sleep 1  # its list is drawn
shot folder
eval "$(xdotool getwindowgeometry --shell "$window")"
# The first row of its list, where its geometry puts it: right of the tree, below the header.
xdotool mousemove $((X + 205)) $((Y + 86)) click --repeat 2 --delay 80 1
letter=$(wait_window 'a letter.rst9 .*GVIM.*')
check "a double click on the document opens it in the streamed Vim" [ -n "$letter" ]
sleep 1
xdotool windowraise "$letter"
sleep 1
shot opened
plume_in "$client" vm ps vim >"$work/ps" 2>&1
check "which runs in its VM" grep -qi gvim "$work/ps"
# Vim writes what it was told by its window: the document is the user's own file, not a copy.
xdotool windowfocus "$letter"; xdotool type --delay 60 'ggiHello. '; xdotool key Escape; xdotool type --delay 60 ':wq'; xdotool key Return
wait_text() { local i; for i in $(seq 100); do grep -q "$1" "$2" && return 0; sleep 0.2; done; cat "$2"; return 1; }
check "what is typed and saved is in the user's document" wait_text '^Hello\. Dear reader' "$client/drive_c/letters/a letter.rst9"
XDG_DATA_HOME=$work/share plume_in "$client" unintegrate vim >/dev/null 2>&1
plume_in "$client" vm stop vim >/dev/null 2>&1
finish
