#!/bin/bash
# Bad input and damaged state: every command says in one line what failed, why and how to go on, exits with 125 and loses
# nothing.
#
#   tests/guest/bad_input.sh [BIN]    see lib_verbs.sh
source "$(dirname "$0")/lib_verbs.sh" "$@"
source "$root/tests/guest/lib_machine.sh"
machine_before || exit 1

bad() {  # bad TEXT ARGS...: plume ARGS is refused, and the line says TEXT
  local text=$1; shift
  run "$@"
  check "bad: plume $(printf '%s ' "$@" | tr '\n' ' ' | cut -c1-70): $text" refuses "$text"
}
host=$PLUME_WINEPREFIX/drive_c
mkdir -p "$work/folder" && echo x >"$work/folder/x.txt" && echo 'from the image' >"$work/folder/inside.txt"
run vm create strict
check "there is a VM" is 0

# --- the command line ---------------------------------------------------------------------------------------------
bad "no command was given (plume --help)"
bad "'plume' has no command 'frobnicate' (plume --help)" frobnicate
bad "'plume' has no option '--frobnicate'" --frobnicate
bad "no command was given (plume vm --help)" vm
bad "'plume vm' has no command 'frobnicate' (plume vm --help)" vm frobnicate
bad "--wrong (plume vm list --help)" vm list --wrong
bad "extra" vm list extra
bad "NAME is required (plume vm create --help)" vm create
bad "--policy" vm create a --policy
bad "it is empty" vm create ''
bad "letters" vm create 'no/name'
bad "letters" vm create "$(head -c 65 /dev/zero | tr '\0' a)"
bad "letters" vm run ../x -- cmd
for verb in ps stop delete diff discard; do bad "there is none of this name" vm $verb nosuchvm; done
bad "none of this name" vm explain nosuchvm 'C:\x'
bad "not a registry key" vm explain strict 'HKXX\x'
bad "it is empty" vm explain strict ''

# --- programs -----------------------------------------------------------------------------------------------------
bad "no program was named" vm run strict
bad "no program was named" vm run strict -- ''
bad "no such program" vm run fresh -- nosuchprogram.exe
bad "no such program" vm run fresh -- 'C:\windows'
bad "no such program" vm run fresh -- './x.exe'
bad "network shares" vm run strict -- '\\server\share\x.exe'
bad "does not exist" vm run strict --cwd 'C:\nowhere' -- cmd /c echo x
bad "does not start with a drive" vm run strict --cwd relative -- cmd /c echo x
bad "NAME=VALUE" vm run strict --env NOVALUE -- cmd /c echo x
bad "nosuch:1" vm run strict --image nosuch:1 -- cmd /c echo x
bad "nosuch:1" vm create withimage --image nosuch:1
printf 'no program' >"$host/bad.exe"
printf 'MZ' >"$host/cut.exe"
: >"$host/empty.exe"
for file in bad cut empty; do bad "the file is no program" vm run strict -- "C:\\$file.exe"; done

# A 32-bit program on a system without the 32-bit half: neither as a VM's program nor as a guest's child does it run outside the layer (it would exit with 7).
i686-w64-mingw32-gcc -nostdlib -Wl,-e,_start@0 -mconsole -o "$host/small.exe" tests/fault/nothing.c -lkernel32
bad "a 32-bit program" vm run strict -- 'C:\small.exe'
run vm run strict -- cmd /c 'C:\small.exe'
check "a 32-bit child is refused" [ "$code" != 0 -a "$code" != 7 ]
log=$(cat "$PLUME_HOME"/vms/*/w*/guest.log 2>/dev/null)
check "and the VM's log says why" grep -q '32-bit programs cannot be guests here' <<<"$log"

# --- policies: the line and the column ----------------------------------------------------------------------------
policy() {  # policy TEXT-OF-THE-LINE POLICY
  printf "$2" >"$work/policy.toml"
  bad "$1" vm create worse --policy "$work/policy.toml"
}
policy "policy.toml:2:7: the mode must be" "[files]\n'x' = 'open'\n"
policy "policy.toml:2:7: 'x' is not a path" "[files]\n'x' = 'deny'\n"
policy "policy.toml:1:7: " "[files"
policy "policy.toml:2:5: " "[files]\nx = \n"
policy "policy.toml:3:11: 'C:\\a' has a rule already" "[files]\n'C:\\\\A' = 'deny'\n'C:\\\\a' =  'host'\n"
policy "unknown variable" "[files]\n'%%NOSUCH%%\\\\a' = 'deny'\n"
policy "'file' is not known here" "[file]\n'C:\\\\x' = 'deny'\n"
policy "inherit must be" "inherit = 'all'\n"
policy "not a key" "[registry]\n'HKXX\\\\a' = 'deny'\n"
bad "missing.toml" vm create worse --policy "$work/missing.toml"
bad "folder" vm create worse --policy "$work/folder"
head -c 2000000 /dev/zero | tr '\0' '#' >"$work/large.toml"
bad "2000000 bytes" vm create worse --policy "$work/large.toml"
run vm list
check "none of this made a VM" gone worse

# --- applications, images, repositories -----------------------------------------------------------------------------
for verb in run update remove; do bad "nosuchapp" $verb nosuchapp; done
bad "empty" run ''
bad "it is empty" add ''
for text in nonsense http:// http://127.0.0.1:9 ftp://x/y; do bad "REPO/NAME" add $text; done
bad "is a server running there?" add http://127.0.0.1:9/apps/x
bad "no such host" add http://nosuchhost.invalid/apps/x
bad "port" add http://127.0.0.1:99999/apps/x
bad "names no folder" add oci:
bad "no image layout" add "oci:$work/none/x"
mkdir -p "$work/layout/x"
bad "no image layout" add "oci:$work/layout/x"
echo '{"imageLayoutVersion":"1.0.0"}' >"$work/layout/x/oci-layout"
bad "index.json" add "oci:$work/layout/x"
echo '{' >"$work/layout/x/index.json"
bad "it is not JSON" add "oci:$work/layout/x"
echo '{"schemaVersion":2,"manifests":[]}' >"$work/layout/x/index.json"
bad "was it published?" add "oci:$work/layout/x"
bad "no such image" add "oci:$work/layout/x:1"
for verb in inspect files registry verify remove; do bad "nosuchimage" image $verb nosuchimage; done
bad "sha256:00" image inspect sha256:00
bad "source" capture x --version 1
bad "lower-case" capture X --version 1 --from-folder "$work/folder" --at 'C:\X'
bad "--version is required" capture x --from-folder "$work/folder" --at 'C:\X'
bad "--at is missing" capture x --version 1 --from-folder "$work/folder"
bad "does not start with a drive" capture x --version 1 --from-folder "$work/folder" --at X
bad "not a folder" capture x --version 1 --from-folder "$work/folder" --at 'C:\'
bad "not a folder" capture x --version 1 --from-folder "$work/none" --at 'C:\X'
bad "no program 'no.exe'" capture x --version 1 --from-folder "$work/folder" --at 'C:\X' --entry no.exe
bad "none of this name" capture x --version 1 --from-vm nosuchvm
bad "one source" capture x --version 1 --from-vm strict --from-folder "$work/folder"
bad "one source" capture x --version 1 --from-vm strict --vm other
bad "no such program" capture x --version 1 -- nosuchsetup.exe
run vm list
check "and leaves no VM behind" gone capture-
bad "ended with 3 (its VM is kept" capture x --version 1 -- cmd /c exit 3
run image list
check "none of this made an image" gone 'x '
run capture good --version 1 --from-folder "$work/folder" --at 'C:\X'
check "a good one" is 0
bad "nosuchimage" publish nosuchimage:1 "oci:$work/published"
bad "good:2" publish good:2 "oci:$work/published"
bad "http(s)://" publish good:1 nonsense
bad "is a server running there?" publish good:1 http://127.0.0.1:9/apps
bad "'a b' is no tag" publish good:1 "oci:$work/published" --tag 'a b'
check "nothing was published" [ ! -e "$work/published" ]
run vm list
check "and the agent is still well" says strict
# Its catalog is there from now on, its files are not.
run vm run ofimage --image good:1 -- cmd /c exit 0
check "a VM with the image" is 0
run agent stop
run vm run ofimage -- cmd /c 'type C:\X\inside.txt'
check "another agent fetches its files from the local store" says "from the image"

# --- a VM that is there keeps what it was made with ------------------------------------------------------------------
printf '[files]\n' >"$work/policy.toml"
run vm run strict --policy "$work/policy.toml" -- cmd /c exit 0
check "another policy for it is not taken silently" grep -q "strict' is there already" "$err"

# --- damaged state: nothing is thrown away ---------------------------------------------------------------------------
run vm run keep -- cmd /c 'echo kept>C:\kept.txt& reg add HKCU\Software\Kept /f'
check "a VM with changes" is 0
run vm list --json
id=$(tr -d '\r' <"$out" | jq -r '.[] | select(.name == "keep").id')
vm=$PLUME_HOME/vms/$id
damage() {  # damage FILE COMMAND: stops the agent, keeps a copy of FILE, damages it
  run agent stop
  cp --sparse=always "$1" "$work/copy"
  eval "$2"
}
heal() { run agent stop; cp --sparse=always "$work/copy" "$1"; }
whole() {
  run vm run keep -- cmd /c 'type C:\kept.txt& reg query HKCU\Software\Kept'
  check "put back, all is there" says kept
  check "in the registry, too" says 'Software\Kept'
}
for how in "damaged: echo garbage >" "damaged: : >" "missing: rm"; do
  damage "$vm/vm.json" "${how#*: } '$vm/vm.json'"
  bad "its record is ${how%%:*}" vm run keep -- cmd /c echo x
  bad "its record is" vm diff keep
  bad "its record is" vm discard keep
  bad "there is one of this name already" vm create keep
  run vm list
  check "it is listed as damaged" grep -q '^keep .*damaged' "$out"
  heal "$vm/vm.json"
  whole
done
for how in 'head -c 9000 /dev/urandom | dd conv=notrunc of=' 'truncate -s 100 ' 'rm ' 'truncate -s 0 '; do
  damage "$vm/w1/index.plx" "$how'$vm/w1/index.plx' 2>/dev/null"
  bad "index failed: it is damaged" vm run keep -- cmd /c echo x
  heal "$vm/w1/index.plx"
  whole
done
damage "$vm/w1/view.plv" "echo x >'$vm/w1/view.plv'"
whole
run add "oci:$work/layout/x"  # leaves apps.json as it is
run publish good:1 "oci:$work/published"
bad "it is not signed" add "oci:$work/published/good:1"
run add "oci:$work/published/good:1" --allow-unsigned
check "an application" is 0
for text in garbage '' '{"apps":[{}]}'; do
  damage "$PLUME_HOME/apps.json" "printf %s '$text' >'$PLUME_HOME/apps.json'"
  bad "apps.json failed: it is damaged (" apps
  heal "$PLUME_HOME/apps.json"
done
run apps
check "put back, it is there" says good

# --- state folders that cannot be ------------------------------------------------------------------------------------
state() { local text=$1 home=$2; PLUME_HOME=$home bad "$text" vm list; }
state "root of a drive" 'C:\'
state "set PLUME_HOME" 'Q:\x'
state "set PLUME_HOME" /proc/x
state "does not start with a drive" '\\server\share'
state "set PLUME_HOME" "$work/folder/x.txt"
check "none of them is in the current folder" [ ! -e server ]
machine_tidy
code=0
check "the machine is as it was" machine_same guest/bad_input.sh
finish
