#!/bin/bash
# label: long
# timeout: 150
# The model of a placement is trained on by what its guest does: the status tells of it, new weights come while pages are fetched, a
# recording of it replays exactly, and what the guest taught is kept and used again. And not, where the settings say so.
set -euo pipefail
. "${HB_SOURCE:?}/tests/support/hosts.sh"
. "$HB_SOURCE/tests/support/policies.sh"

guest_words="mb=32 rate=2000 reads=2000 verify_s=1 beat_ms=20"
pair_new m
policies_copy "horizon_s = 5" "predictor = lstm"
daemon_start a
daemon_start b
must b --json trace record g -o "$pair/live.hbt" >"$pair/output" # from the placement's beginning: only then it replays exactly
place_guest

learned() { # N : at least so many updates, on b
  [ "$(status b ".incoming[0].learning | .updates >= $1 and .lessons >= $1 and .steps > 0 and .failed == false and .error == \"\"")" = true ]
}
await 60 "the model to have learned" learned 1
say "learned: $(status b '.incoming[0].learning | "\(.lessons) lessons, \(.steps) steps, loss \(.loss)"')"
[ "$(status b '.incoming[0].policies[0].errors')" = 0 ] || fail "the predictor failed"

must b trace record --stop g >"$pair/output"
must b --json trace replay "$pair/live.hbt" --policies "$policies" --exact >"$pair/replay.json"
jq -e '.exact and .digest_matches' "$pair/replay.json" >"$pair/output" || fail "the recording does not replay exactly: $(cat "$pair/replay.json")"

# ---- kept, and used again ----
must a unplace g >"$pair/output"
kept() { [ -s "$pair/b/state/models/g.hbm" ]; }
await 20 "the weights to be kept" kept
must b --json model info "$pair/b/state/models/g.hbm" >"$pair/kept.json"
must b --json model info "$policies/models/default.hbm" >"$pair/shipped.json"
[ "$(jq .steps "$pair/kept.json")" -gt "$(jq .steps "$pair/shipped.json")" ] || fail "nothing was added to the shipped model"
must a --json place g --to b --wait --timeout 60 >"$pair/output"
await 60 "the model to learn again" learned 1

# ---- and not ----
sed -i '/^dir = /a finetune = no' "$pair/b/harbingerd.ini"
daemon_stop b
daemon_start b
off() { [ "$(status b '.incoming[0] | has("learning") and .learning == null')" = true ]; }
await 30 "the placement without a teacher" off
say "kept, used again, and off where the settings say so"
pair_end
