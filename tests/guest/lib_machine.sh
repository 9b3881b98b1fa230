# Sourced by tests whose VMs must leave the machine as it is: files, registry, objects (tools/machine_listing.py). $work is the
# test's temporary folder; WINEPREFIX is the machine, whose server is up.
machine_tool=$(dirname "${BASH_SOURCE[0]}")/../../tools/machine_listing.py
machine_before() {
  "$machine_tool" before "$work/machine.before" >"$work/machine.log" 2>&1 || { cat "$work/machine.log"; return 1; }
}
machine_tidy() {  # deletes every VM and ends the agent: what is then left on the machine was left behind
  local name plume=${plume:-plume}
  for name in $(timeout 60 "$plume" vm list --json </dev/null 2>/dev/null | sed -n 's/.*"name": "\([^"]*\)".*/\1/p'); do
    { timeout 60 "$plume" vm stop "$name"; timeout 60 "$plume" vm delete "$name"; } </dev/null >/dev/null 2>&1
  done
  timeout 60 "$plume" agent stop --force </dev/null >/dev/null 2>&1
}
machine_same() {  # machine_same SUITE: prints what differs
  "$machine_tool" after "$work/machine.before" "$1" >"$work/machine.log" 2>&1 || { tail -n 40 "$work/machine.log"; return 1; }
}
