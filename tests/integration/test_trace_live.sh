#!/bin/bash
# timeout: 120
# A placement and a guest are recorded live, on the target and on the source, while the guest moves: what the target decided is
# decided again from the trace alone. And what a killed daemon leaves, what is refused, and parts.
set -euo pipefail
. "${HB_SOURCE:?}/tests/support/hosts.sh"

guest_words="mb=64 rate=2000 reads=2000 verify_s=1 beat_ms=20"
pair_new t
daemon_start a
daemon_start b

# has FILE JQ-CONDITION... : every condition holds of the JSON in the file.
has() {
  local file=$1 condition
  shift
  for condition in "$@"; do
    jq -e "$condition" "$file" >/dev/null || fail "${file##*/}: not so: $condition: $(jq -c . "$file")"
  done
}

recorded() { # HOST FILTER VALUE: of the recording of g there
  [ "$(hb "$1" --json trace record --list g 2>/dev/null | jq -r ".recordings[0] | $2")" = "$3" ]
}

# info FILE : the trace's own word, checked as a whole.
info() {
  must a --json trace info "$1" >"$pair/info.json"
  must a --json trace verify "$1" >"$pair/verify.json"
  has "$pair/verify.json" '.sound == true' '.epochs > 5' '.damaged == 0'
}

# replayed FILE : the engine's inputs again give the digest that was recorded.
replayed() {
  must a --json trace replay "$1" --policies "$HB_SOURCE/policies" >"$pair/replay.json"
  has "$pair/replay.json" '.mode == "exact"' '.digest_matches == true' '.epochs > 5' '.decision_digest == .recorded_digest'
}

# The target is asked first: the placement is not there yet.
target=$pair/target.hbt source=$pair/source.hbt
must b --json trace record g -o "$target" --note "of the test" >"$pair/armed.json"
has "$pair/armed.json" '.state == "waiting"' '.guest == "g"' '.exact == false' '.bytes == 0'
[ ! -e "$target" ] || fail "a file was made for a placement that is not there"
refused 6 "is being recorded already" b trace record g -o "$pair/other.hbt"

guest_start a
must a guest attach g --process "$guest_socket" >"$pair/attach.json"
await 10 "the first scan" guest_attached a
must a --json trace record g -o "$source" >"$pair/record.json"
has "$pair/record.json" '.state == "recording"' '.side == "source"' ".file == \"$source\"" '.error == null'

must a --json place g --to b --wait --timeout 60 >"$pair/place.json"
await 10 "the target's recording to begin" recorded b '.state + " " + .side' "recording target"
recorded b .exact true || fail "the recording has not the engine from its beginning"
status_is b '.incoming[0].recording.file' "$target" || fail "the status does not show the recording"
status_is b '.incoming[0].quality.moments' 0 || fail "the predictor is not judged"
status_is a '.guests[0].recording.side' source || fail "the status does not show the recording"
hb b --json status g | jq -e '.incoming[0].recording.epochs >= 0' >"$pair/output"
move a b
await 10 "the recordings to end" recorded b .state ended
await 10 "the recordings to end" recorded a .state ended
recorded a .why "the guest has moved" || fail "the source's recording does not say why it ended"
recorded b .dropped 0 || fail "something was dropped"
recorded b .bytes "$(stat -c %s "$target")" || fail "the list does not say the file's size"
guest_one_runs
guest_verify "$guest"

info "$target"
has "$pair/info.json" '.guest == "g"' '.host == "b"' '.origin == "target"' '.note == "of the test"'
replayed "$target"
digest=$(jq -r .decision_digest "$pair/replay.json")
cp "$target" "$work/elsewhere.hbt"
must a --json trace replay "$work/elsewhere.hbt" --policies "$HB_SOURCE/policies" >"$pair/replay.json"
[ "$(jq -r .decision_digest "$pair/replay.json")" = "$digest" ] || fail "another digest from another folder"
cp -r "$HB_SOURCE/policies" "$pair/policies"
sed -i 's/w_waste = { default = 0.6/w_waste = { default = 0.4/' "$pair/policies/score/cost_benefit.lua"
must a --json trace replay "$target" --policies "$pair/policies" --exact >"$pair/replay.json"
has "$pair/replay.json" ".decision_digest != \"$digest\"" '.digest_matches == false'
say "the target's trace: $(stat -c %s "$target") bytes, $(jq -c '[.epochs, .records]' "$pair/verify.json") epochs and records, digest $digest"

info "$source"
has "$pair/info.json" '.guest == "g"' '.host == "a"' '.origin == "source"'
must a --json trace replay "$source" --policies "$HB_SOURCE/policies" >"$pair/replay.json"
has "$pair/replay.json" '.mode == "simulated"' '.records > 100'
has "$pair/info.json" '[.marks[] | .mark] | contains(["migrate", "freeze", "complete"])'
say "the source's trace: $(stat -c %s "$source") bytes, $(jq -c '[.epochs, .records]' "$pair/verify.json") epochs and records"

# A placement that is there already, and the recording is stopped by hand.
must b place g --to a --wait --timeout 60 >"$pair/output"
must a --json trace record g -o "$pair/late.hbt" >"$pair/record.json"
has "$pair/record.json" '.side == "target"' '.exact == false'
must b --json trace record g --for 1.5 --rotate-time 0.5 -o "$pair/parts.hbt" >"$pair/parts.json"
has "$pair/parts.json" '.state == "ended"' '.files >= 2' '.epochs > 5' '.why | test("time")'
must a --json trace record --stop g >"$pair/stop.json"
has "$pair/stop.json" '.state == "ended"' '.why == "stopped"' '.inputs == 0' '.epochs > 5'
info "$pair/late.hbt"
for f in "$pair/parts.hbt" "$pair/parts.1.hbt"; do
  must a --json trace verify "$f" >"$pair/verify.json"
  has "$pair/verify.json" '.sound == true' '.epochs > 1'
done
refused 3 "not recording" a trace record --stop nobody
refused 6 "EEXIST|exists|is there" b trace record g -o "$target"
refused 2 "from /|GUEST|what is to be recorded" b trace record

# Others than root may have recordings in the daemon's own folder, and nowhere else.
others_record() {
  setpriv --reuid=65534 --regid=65534 --clear-groups "$bin/harbinger" --socket "$pair/b/control" --json trace record g "$@" 2>&1
}
if [ "$(id -u)" = 0 ] && chmod 711 "$work" "$pair" "$pair/b" && chmod 666 "$pair/b/control" && others_record --list >"$pair/output"; then
  others_record -o /tmp/not-here.hbt >"$pair/output" && fail "anybody may have a file written anywhere"
  grep -q EACCES "$pair/output" || fail "not refused for that"
  others_record -o "$pair/b/state/traces/../x.hbt" >"$pair/output" && fail "anybody may leave the folder"
  others_record >"$pair/output" || fail "the daemon's own folder is refused"
  must b trace record --stop g >"$pair/output"
  [ "$(find "$pair/b/state/traces" -name 'g-*Z.hbt' -perm 640 | wc -l)" = 1 ] || fail "no recording in the daemon's own folder"
  say "others than root are kept to the daemon's own folder"
fi

# A disk that is full ends the recording, and nothing else.
if [ "$(id -u)" = 0 ] && mkdir "$pair/small" && mount -t tmpfs -o size=16k none "$pair/small" 2>"$pair/output"; then
  on_clean_up() { umount "$work/t/small" 2>/dev/null || true; }
  must b trace record g -o "$pair/small/full.hbt" >"$pair/output"
  head -c 65536 /dev/zero >"$pair/small/fill" 2>"$pair/output" && fail "the small disk is not full"
  more_epochs() { [ "$(hb b --json trace record --list g | jq '.recordings[0] | .epochs >= 40 or .state == "failed"')" = true ]; }
  await 20 "enough to be recorded" more_epochs
  refused 8 "cannot be written|no space|space left" b trace record --stop g
  recorded b .error.code ENOSPC || fail "the list does not say why"
  guest_verify "$guest"
  umount "$pair/small"
fi

# Killed while it writes: all but the last moments can be read.
must b --json trace record g -o "$pair/killed.hbt" >"$pair/record.json"
killed_has_epochs() {
  hb a --json trace info "$pair/killed.hbt" 2>/dev/null | jq -e '.epochs > 3' >/dev/null
}
await 20 "something to be in the file" killed_has_epochs
daemon_kill b
must a --json trace info "$pair/killed.hbt" >"$pair/info.json"
has "$pair/info.json" '.epochs > 3'
must a --json trace repair "$pair/killed.hbt" -o "$pair/repaired.hbt" >"$pair/output"
info "$pair/repaired.hbt"
daemon_start b
await 20 "the placement to be up again" status_is b '.guests[0].placement.state' ready
must b unplace g >"$pair/output"
daemon_stop a
daemon_stop b
echo "ok: recorded on both sides, decided the same again"
