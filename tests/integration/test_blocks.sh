#!/bin/bash
# timeout: 120
# A guest told by 2 MiB blocks first, over real daemons: it becomes ready, the map catches up within a small budget, details are asked
# for and sent, the link's loss begins it anew, and the move leaves every byte right.
set -euo pipefail
. "${HB_SOURCE:?}/tests/support/hosts.sh"

guest_words="mb=64 rate=3000 hot=10 reads=20000 verify_s=1 beat_ms=20"
setting[transport.summary_blocks_from]=1M setting[transport.summary_bytes_per_s]=20k
pair_new p
daemon_start a
daemon_start b

guest_start a
must a guest attach g --process "$guest_socket" >"$pair/output"
await 20 "the first scan" guest_attached a
must a place g --to b >"$pair/output"

map_is() { # FILTER
  [ "$(status a ".guests[0].placement.map | $1")" = true ]
}
told() {
  map_is '.by_blocks and .due_blocks == 0'
}
await 30 "all blocks to be told" told
await 30 "the placement to be ready" status_is a '.guests[0].placement.state' ready
map_is '.oldest_due_s < 30' || fail "something has waited for long: $(status a '.guests[0].placement.map')"
say "told by blocks: $(status a '.guests[0].placement | {summary_bytes, map}')"

# Budget: 20 kB/s, four seconds of it saved up at the beginning; the setting holds for all there was.
bytes=$(status a '.guests[0].placement.summary_bytes') seconds=$(status a '.guests[0].placement.seconds')
awk -v b="$bytes" -v s="$seconds" 'BEGIN { exit !(b > 0 && b <= 20000 * (s + 6)) }' ||
  fail "$bytes bytes of summaries in $seconds s are more than the budget"

daemon_kill b
await 20 "the loss to be seen" status_is a '.guests[0].placement.state' lost
daemon_start b
await 30 "the placement to be there again" told
await 30 "the placement to be ready again" status_is a '.guests[0].placement.state' ready
move a b
guest_verify "$guest"
echo "ok: a guest told by blocks"
