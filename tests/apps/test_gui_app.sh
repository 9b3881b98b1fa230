#!/bin/bash
# A third-party program with windows, NSSM, installed by Windows Installer (msiexec) in a VM and streamed from Debian's
# docker-registry: its window must look exactly as that of a local installation, its console mode print the same bytes.
set -u
source "$(dirname "$0")/lib.sh"

# Before the first Wine process: a prefix's desktop belongs to the display it was started on.
start_display
start_docker_registry docker_url
new_prefix gui-local local
new_prefix gui-admin admin
new_prefix gui-client client

machine_watch "$client"
make_nssm_msi "$work/nssm.msi"
bare "$local" msiexec /i "$(win "$work/nssm.msi")" /qn >"$work/local-setup.log" 2>&1
check "the MSI installs locally" test -f "$local/drive_c/Program Files/NSSM/nssm.exe"
check "capture NSSM by running msiexec" plume_in "$admin" capture nssm --version 2.24 -- msiexec /i "$(win "$work/nssm.msi")" /qn
check "the administrator's machine has NSSM not installed" test ! -e "$admin/drive_c/Program Files/NSSM"
check "publish to docker-registry" publish_in "$admin" nssm:2.24 "$docker_url/apps/nssm"
check "subscribe" subscribe_in "$client" "$docker_url/apps/nssm"
plume_in "$client" apps --json >"$work/apps.json" 2>&1
check "plume apps names it" bash -c "cat '$work/apps.json'; grep -q nssm '$work/apps.json'"

# A caret blinks and a control may be drawn late: the local window is looked at for a while, and the streamed one until it
# looks like one of those looks.
look() {  # look WINDOW FILE: the window's pixels
  timeout 20 import -window "$1" "$work/look.png" && convert "$work/look.png" "rgb:$2"
}
looks() {  # looks: local.1.rgb and so on, from when two looks in a row were the same
  local id i
  id=$(wait_window 'NSSM service installer') || { fail "local: no window appeared"; return 1; }
  xdotool mousemove 1000 700
  for i in $(seq 30); do
    look "$id" "$work/local.a"; sleep 0.3; look "$id" "$work/local.b"
    cmp -s "$work/local.a" "$work/local.b" && break
  done
  for i in $(seq 8); do sleep 0.25; look "$id" "$work/local.$i.rgb"; done
}
same_look() {  # same_look: the streamed window, until it is like a local look; 20 s at most
  local id i l
  id=$(wait_window 'NSSM service installer') || { fail "client: no window appeared"; return 1; }
  xdotool mousemove 1000 700
  for i in $(seq 60); do
    look "$id" "$work/client.rgb"
    for l in "$work"/local.*.rgb; do cmp -s "$l" "$work/client.rgb" && break 2; done
    sleep 0.3
  done
  same "pixels of the streamed window" "$l" "$work/client.rgb"
}
gone() { local i; for i in $(seq 50); do xdotool search --name '^NSSM service installer$' >/dev/null 2>&1 || return 0; sleep 0.2; done; return 1; }

bare "$local" 'C:\Program Files\NSSM\nssm.exe' install >/dev/null 2>&1 &
looks
tools/prefix.sh stop "$local"
check "the local window is gone" gone

plume_in "$client" run nssm -- install >"$work/gui.log" 2>&1 &
gui=$!
if same_look; then
  plume_in "$client" vm ps nssm >"$work/ps" 2>&1
  check "its process belongs to the VM" grep -qi nssm.exe "$work/ps"
  check "the desktop that shows it does not" bash -c "! grep -qi explorer '$work/ps'"
else
  tail -n 3 "$work/gui.log" | sed 's/^/     | /'
fi
check "plume vm stop ends it" plume_in "$client" vm stop nssm
check "its window is gone" gone
wait "$gui" 2>/dev/null

bare "$local" 'C:\Program Files\NSSM\nssm.exe' status nosuch >"$work/status.local" 2>&1
code=$?
plume_in "$client" run nssm -- status nosuch >"$work/status.client" 2>&1
check "console exit code $code" test $? = $code
same "console output" "$work/status.local" "$work/status.client"
check "client: no folder" test ! -e "$client/drive_c/Program Files/NSSM"
bare "$client" reg query 'HKLM\Software' >"$work/keys" 2>&1
check "client: nothing in the registry" bash -c "grep -q Microsoft '$work/keys' && ! grep -qi nssm '$work/keys'"
check "client: Windows Installer knows no product" bash -c "! grep -aqi nssm '$client/system.reg'"
check "the machine is as it was" machine_unchanged
finish
