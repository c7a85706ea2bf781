#!/bin/bash
# label: long
# timeout: 180
# A whole guest under the recorder: every page that a program in it wrote is in the trace under the number that the page has
# in the guest's memory file, which is the daemon's gfn; also where the guest's memory is split by the PCI hole.
set -euo pipefail
harbinger=${HB_BUILD:?}/harbinger
vm=${HB_SOURCE:?}/tests/support/vm
work=$(mktemp -d)
ram=$(mktemp /dev/shm/hb-capture.XXXXXX)
trap '[ ! -s "$work/pid" ] || kill "$(cat "$work/pid")" 2>/dev/null; rm -rf "$work" "$ram"' EXIT
cd "$work"

skip() {
  echo "skipped: $*"
  exit 77
}
fail() {
  echo "FAIL: $*"
  tail -5 out err qemu-out console 2>/dev/null
  exit 1
}
command -v qemu-system-x86_64 >/dev/null || skip "no qemu-system-x86_64"
command -v cc >/dev/null || skip "no compiler for the guest's program"
[ -e "$HB_BUILD/harbinger-trace.so" ] || skip "the plugin is not built"
kernel=$("$vm/fetch-kernel.sh") || skip "Debian's kernel package cannot be had here"

# In the guest: 2000 pages, 30 rounds, each page read 3 and written 4 times a round, a magic word left in each.
cc -O1 -static -pthread -o touch_pages "$HB_SOURCE/tests/support/programs/touch_pages.c"
echo './touch_pages 2000 30' >run.sh
"$vm/mkinitramfs.sh" -k "$kernel" -p "$work/run.sh:/payload/run.sh" -p "$work/touch_pages" initrd

code=0
timeout -k 5 150 "$harbinger" trace record --json --epoch-time 0.5 -o guest.hbt -- qemu-system-x86_64 \
  -machine q35,memory-backend=ram0,max-ram-below-4g=128M -name guest=traced -m 256M \
  -object "memory-backend-file,id=ram0,size=256M,mem-path=$ram,share=on" -accel tcg,thread=multi -cpu max -smp 2 \
  -nodefaults -display none -no-reboot -kernel "$kernel/vmlinux" -initrd initrd -serial file:console -serial file:qemu-out \
  -append "console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable nokaslr random.trust_cpu=on" \
  </dev/null >out 2>err || code=$?
[ "$code" = 0 ] || fail "exit code $code"
grep -q '^first ' qemu-out || fail "the guest's program did not run"
jq -e '.whole_guest and .complete and .lost == 0 and .pages == 65536 and .epochs > 4' out >/dev/null || fail "--json"
"$harbinger" trace info --json guest.hbt | jq -e '.guest == "traced"' >/dev/null || fail "the guest's name"
"$harbinger" trace verify guest.hbt >/dev/null || fail "verify"

# The pages that hold the magic word ("ecartbh" and a zero byte), and what the trace says of them. The program's own file
# has it too, in a few places that the program never wrote.
LC_ALL=C grep -obUaP 'ecartbh\x00' "$ram" | awk -F: '{ p = int($1 / 4096); if (p != last) print p; last = p }' >magic
"$harbinger" trace export guest.hbt --format csv -f -o - 2>/dev/null |
  awk -F, 'NR > 1 { r[$2] += $3; w[$2] += $4 } END { for (p in r) print p, r[p], w[p] }' >sums
awk 'NR == FNR { magic[$1]; n++; next } $1 in magic && $2 >= 90 && $3 >= 120 { right++ } $1 in magic && $2 == 90 { alone++ }
     END { printf "%d pages with the word, %d of them touched as often as the program did, %d by nobody else\n", n, right, alone
           exit !(right >= 1900 && right >= n - 8 && alone >= n * 0.8) }' magic sums || fail "the trace's pages are not the memory file's"
[ "$(awk '$1 >= 65536' sums | wc -l)" = 0 ] || fail "pages outside of the guest"

# A guest that became a daemon outlives the end of its recording.
"$harbinger" trace record -o daemon.hbt --epoch-time 0.2 -- qemu-system-x86_64 -accel tcg -m 64 -nodefaults -display none \
  -kernel "$kernel/vmlinux" -daemonize -pidfile "$work/pid" >out 2>err &
recorder=$!
for _ in $(seq 300); do
  [ ! -s pid ] || [ "$(pgrep -c -P $recorder)" != 0 ] || break
  sleep 0.1 # QEMU's first process tells nobody that it has left
done
guest=$(cat pid)
kill -INT $recorder
code=0
wait $recorder || code=$?
kill -0 "$guest" || fail "the guest ended with its recording"
kill "$guest"
{ [ "$code" = 0 ] && grep -q 'the command goes on' err; } || fail "a daemon's recording: exit code $code"
"$harbinger" trace verify daemon.hbt >/dev/null || fail "the trace of a daemon is not whole"

# What cannot be recorded is said before anything starts.
code=0
"$harbinger" trace record -o kvm.hbt -- qemu-system-x86_64 -enable-kvm -m 64 >out 2>err || code=$?
{ [ "$code" = 6 ] && grep -q 'accel tcg' err && [ ! -e kvm.hbt ]; } || fail "KVM: exit code $code"
