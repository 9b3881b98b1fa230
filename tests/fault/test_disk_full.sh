#!/bin/bash
# The disk with the client's state folder is full, then the one of the server. Every command says so in one line, guests
# get ERROR_DISK_FULL, nothing half-written is seen, and once there is room everything goes on.
set -u
# The small disks are mounted where nobody else sees them.
# Where the root is no mount (a plain chroot), its propagation cannot be set, nor is there any.
unshare -m true 2>/dev/null && propagation=private || propagation=unchanged
[ -n "${PLUME_OWN_MOUNTS:-}" ] || PLUME_OWN_MOUNTS=1 exec unshare -m --propagation "$propagation" "$0" "$@"
source "$(dirname "$0")/../apps/lib.sh"
source tests/fault/lib_fault.sh

small_disk() {  # small_disk MEGABYTES FOLDER: a file system of its own
  truncate -s "$1M" "$2.img" && mkfs.ext4 -q -O '^has_journal' -m 0 "$2.img" && mkdir "$2" && mount -o loop "$2.img" "$2"
}
trap 'umount -l "$work/disk" "$work/server" 2>/dev/null; clean_up' EXIT
fill() {  # fill FOLDER: until not even a byte fits; blocks that the file system held back for its own use go last
  local i
  for i in $(seq 10); do
    dd if=/dev/zero of="$1/ballast" bs=64k oflag=append conv=notrunc 2>/dev/null
    dd if=/dev/zero of="$1/ballast" bs=1k oflag=append conv=notrunc 2>/dev/null
    sync -f "$1"
    echo x >"$1/more" 2>/dev/null || return 0
  done
  return 1
}
make_room() { rm -f "$1/ballast" "$1/more"; }

mkdir "$work/log"
small_disk 24 "$work/disk" && small_disk 8 "$work/server" || { fail "making small disks (are loop devices to be had?)"; finish; exit 1; }
start_plume_server server
new_prefix fault-admin admin
new_prefix fault-client client
cp -a "$(guest 7zip)/7zip-lite" "$work/app"
need "captured" plume_in "$admin" capture 7zip --version 1 --from-folder "$(win "$work/app")" --at 'C:\Program Files\7-Zip' --entry 7z.exe
need "published" publish_in "$admin" 7zip:1 "$server/apps/7zip"

export PLUME_HOME=$work/disk/state
full_guest=$(win "${PLUME_TESTS_BIN:-$PWD/build/mingw64/bin}/full_guest.exe")
refuses() {  # refuses WHAT TEXT COMMAND...: exit 125 and one line that names the text, the disk and what to do
  local what=$1 text=$2 code; shift 2
  "$@" >"$work/out" 2>"$work/err"; code=$?
  tr -d '\r' <"$work/err" >"$work/line"
  if [ "$code" = 125 ] && [ "$(wc -l <"$work/line")" = 1 ] && grep -q '^plume: .* failed: .*full (.*)$' "$work/line" && grep -qF -- "$text" "$work/line"; then
    pass "$what: $(cut -c1-150 "$work/line")"
  else
    fail "$what (exit $code)"; sed 's/^/     | /' "$work/line" | head -5
  fi
}
says() {  # says WHAT TEXT COMMAND...
  local what=$1 text=$2; shift 2
  "$@" >"$work/out" 2>"$work/err"
  if tr -d '\r' <"$work/out" | grep -qE -- "$text"; then pass "$what"; else fail "$what"; head -5 "$work/out" "$work/err" | sed 's/^/     | /'; fi
}
in_vm() { plume_in "$client" vm run notes -- "$full_guest" "$@"; }

# --- a client with one application that runs, one that is only subscribed to, and a VM -------------------------------
need "subscribed" subscribe_in "$client" "$server/apps/7zip"
need "a VM" plume_in "$client" vm run notes -- cmd /c 'echo before>C:\mine.txt'
plume_in "$client" run 7zip --vm local -- i >"$work/expected" 2>/dev/null
need "the application runs" test -s "$work/expected"
mkdir "$work/tiny" && echo tiny >"$work/tiny/tiny.txt"
need "a captured image" plume_in "$client" capture tiny --version 1 --from-folder "$(win "$work/tiny")" --at 'C:\Tiny'
for i in 1 2 3; do echo "of the host" >"$client/drive_c/host$i.txt"; done
machine_watch "$client"
need "a recording" plume_in "$client" vm trace notes --start
says "a guest that is recorded" '^8 bytes' in_vm read 'C:\mine.txt'
need "filled" fill "$work/disk"

# --- commands --------------------------------------------------------------------------------------------------------
disk='\disk\state'
refuses "a new VM" "$disk" plume_in "$client" vm create more
refuses "a first start in a new VM" "$disk" plume_in "$client" run 7zip --vm another -- i
refuses "capture" "$disk" plume_in "$client" capture x --version 1 --from-folder "$(win "$work/app")" --at 'C:\X' --entry 7z.exe
refuses "a state folder that cannot be made" "other" env PLUME_HOME="$work/disk/other" PLUME_WINEPREFIX="$client" timeout 60 plume vm list
refuses "a recording" "$disk" plume_in "$client" vm trace local --start
says "no VM was half made" '^notes' plume_in "$client" vm list
check "nor another" sh -c "! grep -qE 'more|another' '$work/out'"
says "no image was half made" '^tiny' plume_in "$client" image list
check "nor listed" sh -c "! grep -q '^x' '$work/out'"
need "the agent ends" plume_in "$client" agent stop
says "an agent starts on a full disk" '^notes' plume_in "$client" vm list
check "what is here runs" plume_in "$client" run 7zip --vm local -- i

# --- guests: their own writes fail as they would on the host's full disk ---------------------------------------------
says "append to a host file" 'append error 112' in_vm append 'C:\host1.txt'
says "which is unchanged in the VM" '^12 bytes, read error 0' in_vm read 'C:\host1.txt'
says "append to a file of the VM" 'append error (112|0)' in_vm append 'C:\mine.txt'
says "many new files" 'made [0-9]+, create error 112' in_vm create 'C:\new' 400
says "a folder" 'mkdir error 112' in_vm mkdir 'C:\folder'
says "delete" 'delete error (112|0)' in_vm delete 'C:\host2.txt'
says "rename" 'rename error 112' in_vm rename 'C:\host3.txt' 'C:\renamed.txt'
says "what was recorded before can be read" ' upper +ok +C:.mine.txt' plume_in "$client" vm trace notes --show
check "and what was not is said" grep -q 'calls were not recorded: the file or the disk was full' "$work/err"
check "the host is untouched" bash -c "cat '$client'/drive_c/host[123].txt | cmp - <(yes 'of the host' | head -3)"

# --- hydration: the file is named, nothing of it is stored -----------------------------------------------------------
plume_in "$client" vm stop local >/dev/null 2>&1
empty_cache "$client"
need "filled again" fill "$work/disk"
refuses "hydration" '7z.exe' plume_in "$client" run 7zip --vm local -- i
check "nothing was stored" [ "$(cached_files "$client")" = 0 ]
make_room "$work/disk"
plume_in "$client" run 7zip --vm local -- i >/dev/null 2>&1
plume_in "$client" vm stop local >/dev/null 2>&1
rm -f "$(find "$PLUME_HOME/images" -name 7z.dll)"
need "filled once more" fill "$work/disk"
plume_in "$client" run 7zip --vm local -- i >"$work/out" 2>"$work/err"
check "hydration for a guest: the user is told" grep -q '^plume: fetching C:.*7z.dll failed: .*full (.*)' "$work/err"
check "and the file is not there" sh -c "! find '$PLUME_HOME/images' -name 7z.dll | grep ."
check "the cache is clean" cache_is_clean "$client"

# --- room again ------------------------------------------------------------------------------------------------------
make_room "$work/disk"
plume_in "$client" run 7zip --vm local -- i >"$work/found" 2>/dev/null
same "the application" "$work/expected" "$work/found"
need "the recording ends" plume_in "$client" vm trace notes --stop
need "another begins" plume_in "$client" vm trace notes --start
says "guests write" 'append error 0' in_vm append 'C:\host1.txt'
says "which is recorded" ' NtCreateFile .* C:.host1.txt' plume_in "$client" vm trace notes --show
says "new files" 'made 400, create error 0' in_vm create 'C:\later' 400
says "what the VM had is there" '^1[14] bytes, read error 0' in_vm read 'C:\mine.txt' 
check "the cache is clean" cache_is_clean "$client"
check "no temporary file is left" sh -c "! find '$PLUME_HOME' -name '*.tmp' | grep ."
check "the client's machine is as it was" machine_unchanged
unset PLUME_HOME

# --- the server's disk -----------------------------------------------------------------------------------------------
head -c 3000000 /dev/urandom >"$work/app/noise.bin"
need "another version" plume_in "$admin" capture 7zip --version 2 --from-folder "$(win "$work/app")" --at 'C:\Program Files\7-Zip' --entry 7z.exe
need "filled" fill "$work/server"
refuses "publish" "$server/apps/7zip" publish_in "$admin" 7zip:2 "$server/apps/7zip"
check "the server's log names the folder" grep -q "$work/server.*the disk is full" "$work/server.log"
check "what the server shows is whole" registry_is_whole "$server"
check "no upload is left" sh -c "! find '$work/server/uploads' -type f | grep ."
make_room "$work/server"
check "with room it publishes" publish_in "$admin" 7zip:2 "$server/apps/7zip"
check "whole" registry_is_whole "$server"

# --- a repository in a folder ----------------------------------------------------------------------------------------
mkdir "$work/disk/repository"
need "filled" fill "$work/disk"
refuses "publish to a folder" 'disk' publish_in "$admin" 7zip:2 "oci:$(win "$work/disk/repository")"
make_room "$work/disk"
check "with room it publishes" publish_in "$admin" 7zip:2 "oci:$(win "$work/disk/repository")"
finish
