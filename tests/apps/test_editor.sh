#!/bin/bash
# A program that finds itself by its windows: Vim looks through all windows for one of class VIM_MESSAGES with its name, and a
# second `gvim --remote` hands its file to the first one by WM_COPYDATA and ends. Bare and within one VM it must do so; on
# the machine and in two VMs at once, with the same command line, each first one must be the only one of its place.
set -u
source "$(dirname "$0")/lib.sh"

# Before the first Wine process: a prefix's desktop belongs to the display it was started on.
start_display
new_prefix editor machine
mkdir -p "$machine/drive_c/vim" "$machine/drive_c/texts"
cp "$(guest vim)/bin/gvim.exe" "$machine/drive_c/vim/" || exit 1
for i in 1 2 3 4 5 6; do echo "text $i" >"$machine/drive_c/texts/text$i.txt"; done
# Every text that an editor shows is a line of its place's list: name of the server, process, text.
cat >"$machine/drive_c/vim/rc.vim" <<'VIM'
set nocompatible noswapfile viminfo= hidden
autocmd BufEnter *.txt call writefile([v:servername . ' ' . getpid() . ' ' . expand('%:t')], 'C:\texts\' . place . '.list', 'a')
VIM
machine_watch "$machine"

inside() { # inside PLACE PROGRAM ARGS...: a place is "machine" or a VM's name
  local place=$1; shift
  if [ "$place" = machine ]; then bare "$machine" "$@"; else plume_in "$machine" vm run "$place" -- "$@"; fi
}
vim() { # vim PLACE ARGS...
  local place=$1; shift
  inside "$place" 'C:\vim\gvim.exe' --cmd "let place = '$place'" -u 'C:\vim\rc.vim' "$@"
}
edit() { vim "$@" >"$work/$1.log" 2>&1 & pids+=("$!"); }  # edit PLACE [--remote-silent] TEXT: in the background
shown() { inside "$1" cmd /c type "C:\\texts\\$1.list" 2>/dev/null | tr -d '\r'; }
shows() { # shows PLACE TEXTS: its editor is called GVIM, is one process, and was given these texts; 30 s at most
  local i expected found
  expected="1 GVIM: $2"
  for i in $(seq 60); do
    found=$(shown "$1" | awk '{ if (!seen[$2]++) n++; name = $1; all = all " " $3 } END { print n " " name ":" all }')
    [ "$found" = "$expected" ] && return 0
    sleep 0.5
  done
  echo "expected '$expected', found '$found'"; tail -n 3 "$work/$1.log"
  return 1
}
hands_on() { limit=60 vim "$1" --remote-silent "C:\\texts\\$2"; }  # hands_on PLACE TEXT: ends when another one took it

for vm in one two none; do check "make the VM $vm" plume_in "$machine" vm create "$vm"; done
printf '%s\n' '[windows]' "'VIM_MESSAGES' = \"host\"" >"$work/share.toml"
check "make a VM that may find these windows of the machine" plume_in "$machine" vm create shared --policy "$(win "$work/share.toml")"

edit machine 'C:\texts\text1.txt'
check "bare: the first opens its text" shows machine text1.txt
check "bare: the second ends" hands_on machine text2.txt
check "bare: the first has its text" shows machine 'text1.txt text2.txt'

# --- a policy may share the windows -------------------------------------------------------------------------------------------
check "a VM that may: its first ends" hands_on shared text6.txt
check "a VM that may: the machine's has its text" shows machine 'text1.txt text2.txt text6.txt'

# --- the machine's runs on; two VMs, the same command line ------------------------------------------------------------------
for vm in one two; do edit "$vm" --remote-silent 'C:\texts\text3.txt'; done
for vm in one two; do check "VM $vm: finds none, and opens its text itself" shows "$vm" text3.txt; done
check "VM one: the second ends" hands_on one text4.txt
check "VM two: the second ends" hands_on two text5.txt
check "VM one: the first there has its text" shows one 'text3.txt text4.txt'
check "VM two: the first there has its text" shows two 'text3.txt text5.txt'
edit none --remote-silent 'C:\texts\text6.txt'
check "a VM without one: finds none of three" shows none text6.txt
check "the machine's was given nothing" shows machine 'text1.txt text2.txt text6.txt'

# --- ends -------------------------------------------------------------------------------------------------------------------
check "VM one stops" plume_in "$machine" vm stop one
check "VM two: goes on" hands_on two text1.txt
check "VM two: has the text" shows two 'text3.txt text5.txt text1.txt'
for vm in two none; do check "VM $vm stops" plume_in "$machine" vm stop "$vm"; done
# Not before: nothing keeps the machine's programs from finding windows of its VMs.
check "machine: goes on" hands_on machine text3.txt
check "machine: has the text" shows machine 'text1.txt text2.txt text6.txt text3.txt'
check "machine: is told to end" vim machine --remote-send '<Esc>:qall!<CR>'
check "the machine is as it was" machine_unchanged
finish
