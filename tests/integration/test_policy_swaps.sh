#!/bin/bash
# timeout: 200
# 1,000 exchanges of the active scorer while a guest is placed and writes: no epoch is lost, every look finds one of the two versions,
# whole; the exchange itself takes at most 1 ms, and the daemon's memory does not grow. With HB_SWAPS_EACH=1 each exchange is waited
# for (a minute). With --qemu GUEST SOCKET PID: against a daemon that runs already and has GUEST placed on it.
set -euo pipefail
. "${HB_SOURCE:?}/tests/support/hosts.sh"
. "$HB_SOURCE/tests/support/policies.sh"

swaps=${HB_SWAPS:-1000}
each=${HB_SWAPS_EACH:+each}
guest_words="mb=32 rate=2000 reads=2000 verify_s=1 beat_ms=20"
pair_new p
scorer calm 'return pages.predicted / (pages.predicted + 1) * 0.6 + self.params.bias'

# judge FILE SWAPS-FILTER : what the program and the daemon counted.
judge() {
  jq -e '.versions == 2 and .exchanged > 0 and .promotions + .rollbacks == .swaps' "$1" >"$pair/output" || fail "counts: $(cat "$1")"
  jq -e '.rss_end_kib - .rss_100_kib < 8192' "$1" >"$pair/output" || fail "the daemon's memory grows: $(cat "$1")"
  awk -v ms="$2" 'BEGIN { exit !(ms <= 1) }' || fail "an exchange took $2 ms"
  say "$(jq -r '"\(.swaps) exchanges asked for in \(.seconds) s, the slowest answer after \(.worst_command_ms) ms; \(.exchanged) took effect, " +
    "one an epoch at most; memory \(.rss_100_kib) KiB after 100, \(.rss_end_kib) KiB at the end"' "$1"), longest exchange $2 ms"
}

if [ "${1:-}" = --qemu ]; then
  "$programs/policy_swaps" "$3" "$4" "$2" "$pair/calm.lua" "$swaps" each >"$pair/swaps"
  judge "$pair/swaps" "$("$bin/harbinger" --socket "$3" --json status "$2" | jq '.incoming[0].swaps.max_ms')"
  echo "ok"
  exit 0
fi

setting[a:tracking.epoch_ms]=50
host_settings a b
policies_copy
daemon_start a
daemon_start b
place_guest

epochs_before=$(status a '.guests[0].epoch') processed_before=$(status b '.incoming[0].processed')
"$programs/policy_swaps" "$pair/b/control" "$(daemon_pid b)" g "$pair/calm.lua" "$swaps" $each >"$pair/swaps" 2>"$pair/error" ||
  fail "policy_swaps: $(cat "$pair/error")"
epoch=$(status a '.guests[0].epoch')
caught_up() { [ "$(status b '.incoming[0].processed')" -ge "$epoch" ]; }
await 10 "every epoch announced to be processed" caught_up
[ $((epoch - epochs_before)) -ge 20 ] || fail "only $((epoch - epochs_before)) epochs went by: nothing was shown"
say "epochs $epochs_before to $epoch announced, all from $processed_before on processed"
not grep -qiE 'resync|cannot be read|session lost' "$(daemon_log b)" || fail "an epoch was asked for again"
judge "$pair/swaps" "$(status b '.incoming[0].swaps.max_ms')"
status_is b '[.incoming[0].policies[].errors] | add' 0 || fail "a policy failed: $(status b '.incoming[0].policies')"
move a b
guest_one_runs
guest_verify "$guest"
daemon_stop b
daemon_stop a
echo "ok"
