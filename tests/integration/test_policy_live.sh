#!/bin/bash
# timeout: 120
# Policies exchanged on a running host with a guest placed: load, shadow table, promote, rollback, tune, explain, diff, history; a hostile
# policy is refused, one that fails later is quarantined and replaced, a file that is edited goes into shadow, a broken one changes nothing,
# and what was promoted stays over a restart, until the settings name another.
set -euo pipefail
. "${HB_SOURCE:?}/tests/support/hosts.sh"
. "$HB_SOURCE/tests/support/policies.sh"

guest_words="mb=32 rate=2000 reads=2000 verify_s=1 beat_ms=20"
pair_new p
policies_copy "horizon_s = 5"
daemon_start a
daemon_start b
place_guest

judged() { # lessons of both lanes
  hb b --json policy shadow g | jq -e '.guests[0] | .active.lessons > 0 and .shadow.lessons > 0' >"$pair/output"
}
answers() { # KIND NAME : that policy decides for the guest now
  [ "$(status b ".incoming[0].policies[] | select(.kind == \"$1\") | .name + \" \" + .answering")" = "$2 $2" ]
}

# ---- into shadow, judged, promoted, rolled back ----
scorer calm 'local use = hb.term("use", pages.predicted / (pages.predicted + 1))' 'return use * 0.6 + self.params.bias'
must b --json policy load "$pair/calm.lua" --why "a try" >"$pair/load.json"
jq -e '.shadow.name == "calm" and .active.name == "cost_benefit" and .failed == []' "$pair/load.json" >"$pair/output" || fail "load: $(cat "$pair/load.json")"
answers scorer cost_benefit || fail "a shadow decides"
refused 3 "no param.*|there are: bias" b policy tune scorer nonsense=1 --shadow
refused 6 "cannot have 7" b policy tune scorer bias=7 --shadow
must b --json policy tune scorer bias=0.4 --shadow >"$pair/tune.json"
jq -e '.params[0].value == 0.4 and .failed == []' "$pair/tune.json" >"$pair/output" || fail "tune: $(cat "$pair/tune.json")"
await 25 "a lesson to judge both lanes" judged
must b policy shadow >"$pair/shadow.txt"
[ "$(grep -cE '^g +(active|shadow) ' "$pair/shadow.txt")" = 2 ] || fail "the table: $(cat "$pair/shadow.txt")"
must b --json policy shadow g >"$pair/shadow.json"
jq -e '.guests[0] | [.active, .shadow] | all(.f1 != null and .value != null and .would_fetch >= 0 and .would_fetch <= 1)' \
  "$pair/shadow.json" >"$pair/output" || fail "figures are missing: $(cat "$pair/shadow.json")"
say "$(jq -r '.guests[0] | "value \(.active.value) active, \(.shadow.value) shadow after \(.shadow.lessons) lessons"' "$pair/shadow.json")"

must b --json policy promote scorer --why "it is better" >"$pair/output"
await 5 "calm to decide" answers scorer calm
[ "$(last_event '"\(.who) \(.op) \(.name) \(.guests) \(.why)"')" = "$(id -un) promote calm@1 g it is better" ] || fail "the history: $(last_event .)"
must b --json policy explain g 0x100 >"$pair/explain.json"
jq -e '.gfn == 256 and .policies.scorer == "calm" and ([.terms[] | select(.kind == "scorer") | .name] == ["use"]) and (.why | length > 0)
  and .candidates >= 0 and .score != null' "$pair/explain.json" >"$pair/output" || fail "explain: $(cat "$pair/explain.json")"
must b policy explain g 0x100 >"$pair/output"
grep -q '^score: ' "$pair/output" || fail "explain in words: $(cat "$pair/output")"
refused 2 "pages, numbered from 0" b policy explain g 99999999
must b policy diff scorer >"$pair/diff.txt"
grep -q '^+++ calm@1 active' "$pair/diff.txt" || fail "diff: $(cat "$pair/diff.txt")"
must b --json policy show scorer >"$pair/show.json"
jq -e '.name == "calm" and .place == "active" and .params[0].value == 0.4 and (.source | test("hb.term")) and .guests == ["g"]' "$pair/show.json" \
  >"$pair/output" || fail "show: $(cat "$pair/show.json")"
must b --json policy rollback scorer >"$pair/output"
await 5 "cost_benefit to decide again" answers scorer cost_benefit
must b --json policy rollback scorer >"$pair/output"
await 5 "calm to decide again" answers scorer calm
say "promoted, rolled back and back again"

# ---- hostile ones are refused, and change nothing ----
before=$(hb b --json status | jq -S '[.incoming[0].policies[] | {name, hash, errors}]')
scorer endless 'while true do end'
refused 6 "endless" b policy load "$pair/endless.lua"
scorer greedy 'local t = {} for i = 1, 1e9 do t[i] = hb.vec(65536) end'
refused 6 "greedy" b policy load "$pair/greedy.lua"
scorer wrong 'return hb.vec(pages.n + 1)'
refused 6 "wrong" b policy load "$pair/wrong.lua"
echo 'return os.exit(1)' >"$pair/outlaw.lua"
refused 6 "outlaw" b policy load "$pair/outlaw.lua" --kind scorer
refused 3 "no policy of this name" b policy load nobody
[ "$(hb b --json status | jq -S '[.incoming[0].policies[] | {name, hash, errors}]')" = "$before" ] || fail "a refused policy changed something"
[ "$(last_event .op)" = refused ] || fail "a refusal is not in the history"

# ---- one that fails later is replaced ----
scorer later 'self.n = (self.n or 0) + 1' 'if self.n > 15 then error("worn out") end' 'return pages.predicted * 0 + self.params.bias'
must b --json policy load "$pair/later.lua" >"$pair/output"
must b --json policy promote scorer >"$pair/output"
quarantined() { [ "$(status b '.incoming[0].policies[1] | "\(.name) \(.quarantined) \(.answering)"')" = "later true calm" ]; }
await 30 "the one that fails to be in quarantine, and the last good one to answer" quarantined
noticed() { hb b --json policy history scorer | jq -e '.events[0] | .op == "quarantine" and .guests == "g" and (.why | test("worn out"))' >"$pair/output"; }
await 5 "the history to tell of it" noticed
must b --json doctor >"$pair/doctor.json" || true
jq -e '[.checks[] | select(.name == "policies" and .ok == "warn")] | length > 0' "$pair/doctor.json" >"$pair/output" || fail "doctor does not warn"
must b --json policy rollback scorer >"$pair/output"
await 5 "calm to decide after a rollback" answers scorer calm
say "quarantined, noticed and rolled back"

# ---- with auto_promote it is taken back by itself ----
sed -i "/^dir = /a auto_promote = 1" "$pair/b/harbingerd.ini"
must b reload >"$pair/output"
scorer weary 'self.n = (self.n or 0) + 1' 'if self.n > 15 then error("worn out") end' 'return pages.predicted * 0 + self.params.bias'
must b --json policy load "$pair/weary.lua" >"$pair/output"
must b --json policy promote scorer >"$pair/output"
taken_back() { [ "$(last_event '"\(.who) \(.op) \(.name)"')" = "auto rollback calm@1" ]; }
await 30 "the one that fails to be taken back" taken_back
await 5 "calm to decide again by itself" answers scorer calm
kind_is scorer '"\(.previous.name) \(.promoted)"' "weary true" || fail "the places after it was taken back"
sed -i "/^auto_promote/d" "$pair/b/harbingerd.ini"
must b reload >"$pair/output"
say "quarantined and taken back by itself"

# ---- files that are edited ----
sed -i '1i -- edited' "$policies/predict/ewma.lua"
await 5 "the edited file to be the shadow" kind_is predictor .shadow.name ewma
kind_is predictor .active.number 1 || fail "an edited file became active"
[ "$(last_event '"\(.who) \(.op)"')" = "watch shadow" ] || fail "the history: $(last_event .)"
echo 'this is no Lua' >>"$policies/predict/ewma.lua"
await 5 "the broken file to be told of" kind_is predictor .trouble.name ewma
kind_is predictor .shadow.number 2 || fail "a broken file changed the shadow"
must b --json policy shadow --drop predictor >"$pair/output"
kind_is predictor .shadow null || fail "the shadow is still there"

# ---- a restart ----
daemon_stop b
daemon_start b
kind_is scorer '"\(.active.name) \(.promoted)"' "calm true" || fail "what was promoted is not active after a restart"
jq -e '.params[0].value == 0.4' <(hb b --json policy show scorer) >"$pair/output" || fail "what was tuned is lost"
placed_again() { [ "$(status b '.incoming[0].state')" = ready ]; }
await 30 "the placement to be taken up again" placed_again
await 5 "calm to decide after the restart" answers scorer calm
sed -i "/^dir = /a scorer = plain" "$pair/b/harbingerd.ini"
if [ -e "$policies/score/plain.lua" ]; then
  must b reload >"$pair/output"
  await 5 "the settings' policy to decide" answers scorer plain
  kind_is scorer .promoted false || fail "the settings did not win"
fi
guest_one_runs
daemon_stop b
daemon_stop a
echo "ok"
