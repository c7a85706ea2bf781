#!/bin/bash
# timeout: 240
# kill -9 of either daemon while a placement fills, with a guest that writes all along: tracking goes on without a gap, the placement
# resumes, what was fresh is not fetched again, and after the move all memory is right.
set -euo pipefail
. "${HB_SOURCE:?}/tests/support/hosts.sh"

guest_words="mb=96 rate=300 hot=5 hot_writes=100 reads=500 verify_s=2 beat_ms=20"
setting[transport.cap_bytes_per_s]=12M
setting[duplicates.find]=no # what is counted is what is fetched
pair_new p
daemon_start a
daemon_start b
guest_start a
must a guest attach g --process "$guest_socket" >"$pair/output"
await 10 "the first scan" guest_attached a

fresh_at_least() { # on b, of the guest's resident pages, in per cent
  [ "$(status b ".incoming[0] | .resident_pages > 0 and .fresh_pages * 100 >= .resident_pages * $1")" = true ]
}
figure() { # of b's image
  status b ".incoming[0].$1"
}
pages_written() { # by the guest, since it began
  sed -n 's/^HB .* wr=\([0-9]*\) .*/\1/p' "$pair/guest.$guest/log" | tail -n 1
}

# after_restart VICTIM : from a placement some 30 % full to ready, killing on the way; then how much was fetched again.
fill_with_kill() {
  local victim=$1 began=$EPOCHREALTIME fresh before fetched resident written allowed
  must a place g --to b >"$pair/output"
  await 60 "a third of the pages to be there" fresh_at_least 30
  fresh=$(figure fresh_pages) before=$(figure pages) resident=$(figure resident_pages) written=$(pages_written)
  daemon_kill "$victim"
  [ $((fresh * 100 / resident)) -lt 90 ] || fail "too late: $fresh of $resident pages are there already"
  say "killed $victim with $fresh of $resident pages on b"
  daemon_start "$victim"
  if [ "$victim" = a ]; then
    await 10 "the guest to be tracked again" guest_attached a
    status_is a '.guests[0].resumed' true || fail "tracking did not resume: $(status a '.guests[0] | {tracker, resumed, epoch}')"
    [ "$(status a '.guests[0].pid')" = "$(guest_pid "$guest")" ] || fail "another process is tracked"
  else
    before=0 # b counts anew
  fi
  await 10 "the placement to be taken up again" placement_open
  await 60 "the placement to be ready" status_is a '.guests[0].placement.state' ready
  fetched=$(($(figure pages) - before)) written=$(($(pages_written) - written)) resident=$(figure resident_pages)
  # What was missing, what was written meanwhile, what was in flight when it was cut (the window), and a tenth for good measure.
  allowed=$(((resident - fresh + written + 2048) * 11 / 10))
  say "after the restart of $victim $fetched pages were fetched; $fresh had been there, $((resident - fresh)) had not, $written were written ($(elapsed "$began") s)"
  [ "$fetched" -le "$allowed" ] || fail "$fetched pages fetched after the restart of $victim, more than $allowed"
  [ "$fetched" -ge $(((resident - fresh) / 2)) ] || fail "only $fetched pages fetched: the figures cannot be right"
}
placement_open() {
  case $(status a '.guests[0].placement.state') in filling | ready | draining) return 0 ;; *) return 1 ;; esac
}

for victim in a b; do
  fill_with_kill $victim
  hb b status >"$pair/output" || fail "status of b"
  must a unplace g >"$pair/output"
  await 10 "b to have dropped the image" status_is b '.incoming | length' 0
done
guest_verify 1

# Both at once, and the orderly way; the placement is as it was, and the guest then moves.
must a place g --to b --wait --timeout 60 >"$pair/output"
for how in kill stop; do
  daemon_$how a
  daemon_$how b
  guest_runs 1 || fail "the guest stands still without daemons"
  daemon_start b
  daemon_start a
  await 10 "the guest to be tracked again" guest_attached a
  status_is a '.guests[0].resumed' true || fail "tracking did not resume after $how of both"
  await 60 "the placement to be ready again" status_is a '.guests[0].placement.state' ready
  say "$how of both: $(status b '.incoming[0] | "\(.pages) pages fetched again, \(.fresh_pages) fresh of \(.resident_pages)"')"
  [ "$(figure pages)" -le $(($(figure resident_pages) / 3)) ] || fail "nearly everything was fetched again"
done
move a b
guest_one_runs
guest_verify "$guest"

# And the arrived guest: its daemon can be killed as well, and it goes back.
daemon_kill b
guest_runs "$guest" || fail "the guest stands still without its daemon"
daemon_start b
await 10 "the arrived guest to be tracked again" guest_attached b
status_is b '.guests[0].resumed' true || fail "tracking did not resume on b"
move b a
guest_one_runs
guest_verify "$guest"
guest_never_twice
await 5 "no hand-over to be open" no_handovers
journal_clean || fail "a journal has open entries"
echo "ok: killed daemons lose nothing"
