#!/bin/bash
# timeout: 120
# A full disk under journal and history: a move is refused before anything is given up, the guest runs on, and with room again it moves.
set -euo pipefail
. "${HB_SOURCE:?}/tests/support/hosts.sh"

guest_words="mb=16 rate=500 reads=500 verify_s=1 beat_ms=20"
mounts=()
on_clean_up() {
  end_all
  for m in "${mounts[@]}"; do umount -l "$m" 2>/dev/null || true; done
}
pair_new p
for h in a b; do
  mount -t tmpfs -o size=2M hb-test "$pair/$h/state" 2>/dev/null || skip "mounting a tmpfs is not permitted"
  mounts+=("$pair/$h/state")
done
daemon_start a
daemon_start b
guest_start a
must a guest attach g --process "$guest_socket" >"$pair/output"
await 10 "the first scan" guest_attached a
must a place g --to b --wait --timeout 60 >"$pair/output"

fill() {
  head -c 4M /dev/zero >"$pair/$1/state/ballast" 2>/dev/null || true
  [ "$(stat -f -c %a "$pair/$1/state")" = 0 ] || fail "the disk of $1 is not full"
}

for h in a b; do
  fill $h
  code=0
  hb a migrate g --to b >"$pair/output" 2>"$pair/error" || code=$?
  if [ $code = 0 ]; then
    # Sqlite may have had room in its own file still: then it must be wholly right.
    say "disk of $h full: it moved all the same"
    guest_one_runs
    guest_verify "$guest"
    fail "the disk of $h was full and no record could have been written"
  fi
  [ $code = 8 ] || fail "disk of $h full: exit code $code, not 8: $(cat "$pair/error")"
  grep -qiE 'space|full' "$pair/error" || fail "disk of $h full: the message does not say so: $(cat "$pair/error")"
  say "disk of $h full: $(grep ^harbinger: "$pair/error")"
  guest_one_runs
  [ "$guest" = 1 ] || fail "another copy runs"
  guest_verify 1
  await 10 "no hand-over to be open" no_handovers
  must $h history >"$pair/output"
  must a status >"$pair/output"
  rm "$pair/$h/state/ballast"
  await 30 "the placement to be ready again" status_is a '.guests[0].placement.state' ready
done
move a b
guest_one_runs
[ "$(guest_host "$guest")" = b ] || fail "the guest did not come to b"
guest_verify "$guest"
guest_never_twice
await 5 "the journals to be closed" journal_clean
must b --json history | jq -e '.entries[] | select(.kind == "migration" and .result == "done")' >"$pair/output" || fail "no history of the move"
echo "ok: a full disk costs a move, not a guest"
