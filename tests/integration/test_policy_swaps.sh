#!/bin/bash
# timeout: 200
# 1,000 exchanges of the active scorer while a guest is placed and writes: no epoch is lost, every look finds one of the two versions,
# whole; the exchange itself takes at most 1 ms, and the daemon's memory does not grow. Then the guest moves, and finds its memory right.
#
#   test_policy_swaps.sh            a process as the guest; each 20th exchange is waited for, the others come as fast as they are answered
#   test_policy_swaps.sh --each     each is waited for until it took effect in the placement (about a minute)
#   test_policy_swaps.sh --qemu     the same with the quickstart's guest: QEMU, Debian's kernel, 512 MiB, 2000 pages written a second
#
# HB_SWAPS: another number of exchanges, from 100.
set -euo pipefail
. "${HB_SOURCE:?}/tests/support/hosts.sh"
each=20 attach=--process
guest_words="mb=32 rate=2000 reads=2000 verify_s=1 beat_ms=20"
case ${1:-} in
  '') ;;
  --each) each=1 ;;
  --qemu)
    each=1 attach=--qmp ram_mb=512
    guest_words="hb_mb=288 hb_rate=2000 hb_reads=2000 hb_verify_s=1 hb_beat_ms=50"
    . "$HB_SOURCE/tests/support/qemu_guests.sh"
    qemu_prepare
    ;;
  *) echo "test_policy_swaps.sh: unknown option $1" >&2 && exit 2 ;;
esac
. "$HB_SOURCE/tests/support/policies.sh"

swaps=${HB_SWAPS:-1000}
pair_new p
scorer calm 'return pages.predicted / (pages.predicted + 1) * 0.6 + self.params.bias'
setting[a:tracking.epoch_ms]=50
setting[duplicates.find]=no # their index grows as it fills: here only what swaps take is looked at
host_settings a b
host_settings b a
policies_copy
daemon_start a
daemon_start b
place_guest
say "the guest is placed"

# ---- exchanges ----
epochs_before=$(status a '.guests[0].epoch') processed_before=$(status b '.incoming[0].processed')
"$programs/policy_swaps" "$pair/b/control" "$(daemon_pid b)" g "$pair/calm.lua" "$swaps" $each >"$pair/swaps" 2> >(
  while read -r line; do
    echo "$line" >>"$pair/error"
    [ $each != 1 ] || say "$line"
  done
) || fail "policy_swaps: $(cat "$pair/error")"
rm -f "$pair/error"

# ---- no epoch lost: the target takes announcements in order only, and asks again, and says so, where one is missing ----
epoch=$(status a '.guests[0].epoch')
caught_up() { [ "$(status b '.incoming[0].processed')" -ge "$epoch" ]; }
await 10 "every epoch announced to be processed" caught_up
[ $((epoch - epochs_before)) -ge 20 ] || fail "only $((epoch - epochs_before)) epochs went by: nothing was shown"
not grep -qiE 'announcement is missing|cannot be read|session lost|lost its map' "$(daemon_log a)" "$(daemon_log b)" || fail "an epoch was asked for again"
say "epochs $epochs_before to $epoch announced, all from $processed_before on processed: lost 0"

# ---- what was counted ----
max_ms=$(status b '.incoming[0].swaps.max_ms')
jq -e --argjson each $each '.versions == 2 and .promotions + .rollbacks == .swaps and .awaited == (.swaps / $each | floor)
  and .exchanged >= .awaited and ($each != 1 or .exchanged == .swaps)' "$pair/swaps" >"$pair/output" || fail "counts: $(cat "$pair/swaps")"
# A sanitizer keeps what was freed, to know whether it is used again.
grep -q '^HB_SANITIZE:STRING=..*' "$HB_BUILD/CMakeCache.txt" ||
  jq -e '.rss_end_kib - .rss_100_kib < 8192' "$pair/swaps" >"$pair/output" || fail "the daemon's memory grows: $(cat "$pair/swaps")"
awk -v ms="$max_ms" 'BEGIN { exit !(ms <= 1) }' || fail "an exchange took $max_ms ms"
status_is b '[.incoming[0].policies[].errors] | add' 0 || fail "a policy failed: $(status b '.incoming[0].policies')"
say "$(jq -r '"\(.swaps) exchanges asked for in \(.seconds) s, the slowest answer after \(.worst_command_ms) ms; \(.exchanged) took effect " +
  "(\(.awaited) waited for), \(.looks) looks found whole versions; memory \(.rss_100_kib) KiB after 100, \(.rss_end_kib) KiB at the end"' "$pair/swaps"), longest exchange $max_ms ms"

# ---- a move ----
move a b
if [ $attach = --qmp ]; then
  guest_verify "$guest"
  say "moved, stopped for $(jq -r '.downtime_ms * 10 | round / 10' "$pair/move.json") ms; bad pages: $(tr -d '\r\000' <"$pair/guest.$guest/log" |
    sed -n 's/^PASS .* pages=\([0-9]*\) bad=\([0-9]*\) lost=0$/\2 of \1/p' | tail -n 1)"
else
  guest_one_runs
  guest_verify "$guest"
fi
daemon_stop b
daemon_stop a
echo "ok"
