#!/bin/bash
# The target host is lost for good around commit: the source, in doubt, keeps the guest frozen and asks, until its operator
# answers for the target. Should the target come back after all, it learns that it has nothing.
# timeout: 180
set -eu
. "$HB_SOURCE/tests/support/hosts.sh"

guest_words="mb=8 rate=500 reads=500 verify_s=1 beat_ms=20"
pair_new p
daemon_start a HB_FAULT=handover.s-commit=stall:2000@1
daemon_start b
guest_start a
must a guest attach g --process "$guest_socket" >/dev/null
await 10 "the first scan" guest_attached a
must a place g --to b --wait --timeout 60 >/dev/null

{ hb a migrate g --to b >"$pair/output" 2>&1 || echo "code $?" >>"$pair/output"; } &
move=$!
in_state() {
  grep -q -- "--> $2\$" "$(daemon_log "$1")"
}
await 30 "the guest to be released" in_state a s-commit
daemon_kill b # before COMMIT has left
await 20 "the source to be in doubt" in_state a s-doubt

# Asking again is all that can be done without an operator's word.
must a --json migrate g --recover >"$pair/recover.json"
jq -e '.state == "s-doubt" and (.action | test("asked"))' "$pair/recover.json" >/dev/null || fail "$(cat "$pair/recover.json")"
before=$(guest_beats 1)
must a --json migrate g --recover --keep-source >"$pair/recover.json"
jq -e '.action | test("by the operator")' "$pair/recover.json" >/dev/null || fail "$(cat "$pair/recover.json")"
await 20 "the guest to go on" guest_beats_at_least 1 $((before + 5))
wait $move
grep -q '^code [1-9]' "$pair/output" || fail "the move did not end as one that failed: $(cat "$pair/output")"
grep -q "the operator took the guest back" "$pair/output" || fail "the reason is not said: $(cat "$pair/output")"
guest_verify 1

# It comes back, with the guest loaded: it asks, and ends its copy.
daemon_start b
await 30 "both hosts to have settled" no_handovers
await 10 "both journals to be closed" journal_clean
guest_one_runs
[ "$guest" = 1 ] || fail "the guest runs on $(guest_host "$guest")"
await 20 "the copy on b to be gone" not guest_alive 2
guest_never_twice
guest_verify 1
echo "ok: taken back by the operator's word, and the target that came back has nothing"
