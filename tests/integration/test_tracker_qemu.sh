#!/bin/bash
# label: long
# timeout: 240
# A running, unmodified QEMU tracked from outside by an agent that is killed -9 again and again: at the end its copy, made only of what
# was reported, equals the guest's memory byte for byte, the guest never notices, and nothing is left in the process. The hash tracker
# sees content, not writes: a lock word set and released between a copy and the next look is a page that "did not change", so of its
# copy up to 16 pages in 40960 may differ; a hand-over under it compares every page (tests/integration/test_verify.sh).
set -euo pipefail
vm=${HB_SOURCE:?}/tests/support/vm
# shellcheck source=tests/support/vm/lib.sh
. "$vm/lib.sh"
build=${HB_BUILD:?}
track=$build/tests/track_pid
load=$build/examples/guest_load/guest_load
work=$(mktemp -d /dev/shm/hb-tracker-qemu.XXXXXX)
qemu='' agent=''
clean() {
  [ -z "$agent" ] || kill -9 "$agent" 2>/dev/null || true
  [ -z "$qemu" ] || kill -9 "$qemu" 2>/dev/null || true
  wait 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT

skip() {
  echo "skipped: $*"
  exit 77
}
fail() {
  echo "FAIL: $*"
  tail -n 5 "$work"/*.log "$work"/scans "$work/serial" 2>/dev/null
  exit 1
}
# await SECONDS WHAT COMMAND...
await() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@"; do
    [ $SECONDS -lt $end ] || fail "$what did not come"
    sleep 0.05
  done
}
beats() { if [ -e "$work/serial" ]; then grep -ac '^HB ' "$work/serial" || true; else echo 0; fi; }
more_beats() { [ "$(beats)" -gt "$1" ]; }
scans() { wc -l <"$work/scans"; }
more_scans() { [ "$(scans)" -gt "$1" ] || ! kill -0 "$agent" 2>/dev/null; }
stopped() { grep -q '^State:.T' "/proc/$qemu/status"; }

command -v qemu-system-x86_64 >/dev/null || skip "no qemu-system-x86_64"
command -v jq >/dev/null || skip "no jq"
kernel=$("$vm/fetch-kernel.sh") || skip "Debian's kernel package cannot be had here"
backends=${HB_TRACK_BACKENDS:-present wp hash}
"$vm/mkinitramfs.sh" -i "$HB_SOURCE/examples/guest_load/init" -p "$load" "$work/initrd"
qemu-system-x86_64 -machine q35,memory-backend=mem -accel tcg,thread=multi -cpu max -smp 2 -m 160M \
  -object memory-backend-memfd,id=mem,size=160M,share=on -nodefaults -display none -serial "file:$work/serial" \
  -kernel "$kernel/vmlinux" -initrd "$work/initrd" \
  -append "$vm_append hb_mb=64 hb_rate=4000 hb_reads=4000 hb_verify_s=2 hb_beat_ms=100" </dev/null >"$work/qemu.log" 2>&1 &
qemu=$!
await 90 "the guest's first heartbeat" more_beats 0

for backend in $backends; do
  fds=$(find "/proc/$qemu/fd" | wc -l)
  rm -f "$work/state" "$work/copy" "$work/scans"
  : >"$work/scans"
  for round in 1 2 3 4 5 6; do
    "$track" "$qemu" memory-backend-memfd "$backend" "$work/state" "$work/copy" >>"$work/scans" 2>>"$work/agent.log" &
    agent=$!
    before=$(scans)
    await 30 "a scan of $backend in round $round" more_scans "$((before + (round == 6 ? 20 : round % 3)))"
    if ! kill -0 "$agent" 2>/dev/null; then
      grep -q 'this kernel\|soft-dirty' "$work/agent.log" && { echo "$backend: not on this kernel"; continue 2; }
      fail "the agent ended: $(tail -n 1 "$work/agent.log")"
    fi
    sleep "0.0$((RANDOM % 10))"
    kill -9 "$agent"
    wait "$agent" 2>/dev/null || true
    agent=
    more_beats 0 || fail "the guest fell silent"
  done
  [ "$(jq -s 'map(.lost) | add' "$work/scans")" = 0 ] || fail "$backend lost its state"
  [ "$(jq -s 'map(.resumed) | add' "$work/scans")" -ge 5 ] || fail "$backend did not resume"
  if [ "$backend" = present ]; then
    [ "$(jq -s 'map(.observed) | add' "$work/scans")" -gt 1000 ] || fail "present observed too little"
    [ "$(jq -s 'map(.accessed) | add' "$work/scans")" -gt 0 ] || fail "present saw no access"
  fi
  kill -STOP "$qemu"
  await 10 "the stop" stopped
  allowed=0
  [ "$backend" != hash ] || allowed=16
  "$track" "$qemu" memory-backend-memfd "$backend" "$work/state" "$work/copy" final >"$work/final" 2>"$work/final.log" ||
    [ "$(jq .bad "$work/final" || echo 99999)" -le $allowed ] || fail "$backend: $(cat "$work/final" "$work/final.log")"
  stopped || fail "the final scan of $backend let the guest run"
  [ "$(jq .bad "$work/final")" -le $allowed ] || fail "$backend: $(cat "$work/final")"
  [ "$(find "/proc/$qemu/fd" | wc -l)" = "$fds" ] || fail "$backend left a descriptor in the guest's process"
  [ ! -e "$work/state" ] || fail "$backend left its state file"
  kill -CONT "$qemu"
  n=$(beats)
  await 20 "a heartbeat after $backend" more_beats "$((n + 3))"
  echo "$backend: $(scans) scans, 6 kills, $(jq .bad "$work/final") pages of the copy differ; written $(jq -s 'map(.written) | add' "$work/scans"), accesses seen $(jq -s 'map(.accessed) | add' "$work/scans")"
done
passes() { grep -ac '^PASS ' "$work/serial" || true; }
more_passes() { [ "$(passes)" -gt "$1" ]; }
n=$(passes)
await 60 "a check by the guest of all its memory" more_passes "$((n + 1))" # one begun after all this
grep -aq '^BAD \|bad=[1-9]\|lost=[1-9]' "$work/serial" && fail "the guest found its memory wrong"
grep -a '^PASS ' "$work/serial" | tail -n 1
