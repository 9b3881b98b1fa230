# Sourced by tests whose VMs must leave the machine as it is: files, registry, objects (tools/machine_listing.py). $work is the
# test's temporary folder; WINEPREFIX is the machine, whose server is up.
machine_before() {
  tools/machine_listing.py before "$work/machine.before" >"$work/machine.log" 2>&1 || { cat "$work/machine.log"; return 1; }
}
machine_same() {  # machine_same SUITE: prints what differs
  tools/machine_listing.py after "$work/machine.before" "$1" >"$work/machine.log" 2>&1 || { tail -n 40 "$work/machine.log"; return 1; }
}
