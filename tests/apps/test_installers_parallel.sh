#!/bin/bash
# Sixteen Windows Installer packages installed in sixteen VMs at the same time: four products, each in four VMs, with custom actions,
# a class, a variable. Every VM must be as after an install alone, and the machine as before.
set -u
source "$(dirname "$0")/lib.sh"
source tests/apps/lib_installers.sh
source tests/guest/lib_machine.sh
new_prefix parallel machine
export WINEPREFIX=$machine PLUME_WINEPREFIX=$machine
admin=$machine
$mingw -s -municode -o "$work/com_probe.exe" tests/apps/com_probe.c -lole32 -luuid || exit 1

products="7zip rcedit esbuild ninja"
for p in $products; do
  mkdir -p "$work/in/$p"
  "make_msi_$p" "$work/in/$p" 1 >"$work/make.log" 2>&1 || { fail "making the package of $p"; tail -n 5 "$work/make.log"; }
done
# What the guests do with COM and the desktop is started before the machine is listed, as it stays.
limit=60 plume_in "$machine" vm run --rm warm -- cmd /c exit >"$work/warm.log" 2>&1
machine_tidy
machine_before || exit 1

install() { limit=400 plume_in "$machine" vm run "$1" -- msiexec /i "$(win "$work/in/$2/setup.msi")" /qn >"$work/$1.log" 2>&1; echo $? >"$work/$1.code"; }
# What an install changed, names that are made up at random aside.
changes() { plume_in "$machine" vm diff "$1" 2>/dev/null | sed -E 's/[0-9a-f]+\.msi/PACKAGE.msi/' | sort >"$2"; }
for p in $products; do
  install "alone-$p" "$p"
  check "$p: installed alone" grep -qx 0 "$work/alone-$p.code"
  changes "alone-$p" "$work/$p.alone"
  check "$p: changed files and keys of its VM" bash -c "grep -q '^A C:' '$work/$p.alone' && grep -q '^A HK' '$work/$p.alone'"
done

start=$(now_ms)
jobs=()
for n in 1 2 3 4; do
  for p in $products; do
    install "vm$n-$p" "$p" &
    jobs+=($!)
  done
done
wait "${jobs[@]}"
echo "sixteen installs in sixteen VMs: $(($(now_ms) - start)) ms"
for n in 1 2 3 4; do
  for p in $products; do
    check "vm$n-$p: installed" grep -qx 0 "$work/vm$n-$p.code"
    changes "vm$n-$p" "$work/changes"
    check "vm$n-$p: changed what an install alone changes" diff "$work/$p.alone" "$work/changes"
  done
  check "vm$n-7zip: its class is served from its folder" bash -c \
    "timeout 60 plume vm run vm$n-7zip -- '$(win "$work/com_probe.exe")' '$seven_class' </dev/null 2>&1 | grep -qiF 'created C:\\Program Files\\SevenZip\\7-zip.dll'"
  check "vm$n-rcedit: its custom actions ran" bash -c \
    "timeout 60 plume vm run vm$n-rcedit -- cmd /c type 'C:\\Program Files\\Rcedit\\action.txt' </dev/null 2>&1 | grep -q performed"
  check "vm$n-ninja: it works" bash -c "timeout 60 plume vm run vm$n-ninja -- 'C:\\Program Files\\Ninja\\ninja.exe' --version </dev/null 2>&1 | grep -q 1.12.1"
done
machine_tidy
check "the machine is as it was" machine_same apps/test_installers_parallel.sh
finish
