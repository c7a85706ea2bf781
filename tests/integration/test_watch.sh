#!/bin/bash
# timeout: 120
# Who watches a daemon is told what goes on, with all its members, and all who watch the same: a placement, a move, its end and the
# other daemon's death; the map of a guest's pages adds up to what the status counts; fifty viewers cost little more than one.
set -euo pipefail
. "${HB_SOURCE:?}/tests/support/hosts.sh"

guest_words="mb=64 rate=1000 reads=1000 verify_s=1 beat_ms=20"
pair_new w
daemon_start a
daemon_start b

ask() { # HOST COMMAND [ARGS]
  "$programs/viewers" ask "$pair/$1/control" "${@:2}" 2>"$pair/error"
}

watch() { # HOST VIEWERS TICKS [EVERY]
  "$programs/viewers" watch "$pair/$1/control" "${@:2}" 2>"$pair/error" || fail "watch $*"
}

# has FILE JQ-CONDITION... : every condition holds of the JSON in the file.
has() {
  local file=$1 condition
  shift
  for condition in "$@"; do
    jq -e "$condition" "$file" >/dev/null || fail "${file##*/}: not so: $condition: $(jq -c . "$file" | head -c 4000)"
  done
}

tick_is() { # HOST JQ-CONDITION, of its first tick
  watch "$1" 1 1 >"$pair/tick.json"
  jq -e "$2" "$pair/tick.json" >/dev/null
}

guest_start a
must a guest attach g --process "$guest_socket" >"$pair/output"
await 10 "the first scan" guest_attached a
must a place g --to b --wait --timeout 60 >"$pair/output"

# ---- members, on both sides ----
short='name kind state vmm tracker ram_bytes resident_bytes epoch epoch_ms dirty_bytes_per_s scan_ms guest_cost_share can_move cannot_move recording handover placement'
placed='id to state since_s pages fresh_pages stale_pages absent_pages resident_pages fetching_pages zero_pages known_pages copied_pages above_threshold threshold precision rate_bytes_per_s dirty_bytes_per_s bytes wire_bytes wasted_pages bytes_by_kind path link estimate trend trend_since_s error'
coming='id guest from state fresh_pages stale_pages absent_pages fetching_pages resident_pages zero_pages pages wire_bytes wasted_pages known_pages copied_pages threshold precision recall above_threshold no_room spill paths'
peer='name address state why next placements incoming latency_ms bytes_per_s used_share cap_bytes_per_s compression connections path path_why wire_bytes'
members() { # PATH NAMES : all of them, and no others
  echo "($1 | keys) == (\"$2\" / \" \" | sort)"
}
watch a 1 2 >"$pair/ticks.a"
head -n 1 "$pair/ticks.a" >"$pair/first.a"
tail -n 1 "$pair/ticks.a" >"$pair/tick.a"
watch b 1 1 >"$pair/tick.b"
for h in a b; do
  has "$pair/tick.$h" "$(members . 'seq time host version uptime_s process memory guests incoming handovers hosts policies recordings replay left_out cost events events_skipped')" \
    ".host == \"$h\"" '.process.cpu_share >= 0 and .process.rss_bytes > 1048576' '.memory.total_bytes > .memory.available_bytes' '.replay == null and .left_out == null' \
    '.policies | length == 3' "(.time - $EPOCHSECONDS) | fabs < 60" '.cost.snapshot_ms > 0 and .cost.bytes > 500' "$(members '.hosts[0]' "$peer")" \
    '.hosts[0].state == "up" and .hosts[0].path == "tcp" and .hosts[0].latency_ms > 0 and .hosts[0].wire_bytes > 0'
done
has "$pair/tick.a" "$(members '.guests[0]' "$short")" "$(members '.guests[0].placement' "$placed")" '.seq > 1 and .cost.viewers == 1' '.guests[0].placement.fresh_pages > 0' \
  '.hosts[0].name == "b" and .hosts[0].placements == 1 and .hosts[0].incoming == 0' '.guests[0].placement.estimate.downtime_ms > 0'
has "$pair/tick.b" "$(members '.incoming[0]' "$coming")" '.guests == []' '.incoming[0].fresh_pages > 0' '.hosts[0].incoming == 1' '.incoming[0].paths.path == "tcp"'
has "$pair/first.a" '[.events[].seq] | . == sort' '[.events[] | keys | length == 8] | all' \
  '[.events[] | select(.kind == "placement" and .guest == "g" and .host == "b") | .text] | any(test("begun")) and any(test("ready"))' \
  '[.events[] | select(.kind == "guest" and .level == "notice") | .text] | any(test("attached"))'
has "$pair/tick.a" '[.events[] | select(.text | test("begun"))] == []'
status_is b '.incoming[0].scores | "\(.buckets | length) \(.low) \(.high)"' "64 -1 1" || fail "the status has no scores"
status_is a '.hosts[0].state' up || fail "the status has no hosts"

say "members"
# ---- events, and what is refused ----
ask a events '{"limit":2}' >"$pair/events.json"
has "$pair/events.json" '.events | length == 2' '.events[1].seq == .newest' '.missed == 0'
ask a events "{\"after\":$(jq '.events[0].seq' "$pair/events.json")}" >"$pair/later.json"
has "$pair/later.json" ".events[0].seq == $(jq '.events[1].seq' "$pair/events.json")"
! ask a replay '{"op":"play"}' || fail "a real daemon replays"
grep -q "EOPNOTSUPP.*no replay here" "$pair/error" || fail "replay is refused otherwise: $(cat "$pair/error")"
! ask a watch '{"every":0}' || fail "every 0 is taken"
! ask a guest.map '{"guest":"nobody"}' || fail "nobody has a map"
! ask a guest.map '{"guest":"g","first":99999999}' || fail "pages that are not there have a map"

say "events"
# ---- a recording and a reload, seen by who did not ask for them ----
must a --json trace record g -o "$pair/watched.hbt" >"$pair/output"
must a reload >"$pair/output"
await 10 "the recording to be told" tick_is a '(.guests[0].recording | .state == "recording" and .bytes >= 0) and (.recordings | length == 1) and ([.events[].text] | any(test("settings read again")))'
must a trace record --stop g >"$pair/output"
await 10 "its end to be told" tick_is a '.guests[0].recording == null and ([.events[] | select(.kind == "trace" and .guest == "g")] | length == 2)'

# ---- the map adds up: the guest stands still meanwhile ----
counts='[.resident_pages, .fresh_pages, .stale_pages, .absent_pages, .fetching_pages, .known_pages, .spill.spilled_pages]'
adds_up() {
  hb b --json status | jq -c ".incoming[0] | $counts" >"$pair/before"
  ask b guest.map '{"guest":"g","cells":100}' >"$pair/map.json"
  hb b --json status | jq -c ".incoming[0] | $counts" >"$pair/after"
  cmp -s "$pair/before" "$pair/after" || return 1
  jq -c '.planes | [.resident, .fresh, .stale, .absent, .fetching, .known, .spilled] | map(add)' "$pair/map.json" >"$pair/sums"
  cmp -s "$pair/before" "$pair/sums"
}
kill -STOP "$(guest_pid 1)"
await 10 "the map to add up" adds_up
has "$pair/map.json" '.side == "target"' '.cells == 100' '.sampled == 1' '.pages == 16384' '.planes.fresh | length == 100' '.planes.expected | add > 0' \
  '.top | length > 0' '.regions == [{"name": "ram", "first": 0, "pages": 16384}]'
ask a guest.map '{"guest":"g","first":512,"pages":1024,"cells":4096}' >"$pair/map.json"
has "$pair/map.json" '.side == "source"' '.cells == 1024 and .cell_pages == 1 and .span == 1024' '.planes.fresh == null' '.planes.reads | length == 1024'
ask a guest.map '{"guest":"g"}' >"$pair/map.json"
status_is a '.guests[0].resident_bytes / 4096' "$(jq '.planes.resident | add' "$pair/map.json")" || fail "the source's map does not add up"
kill -CONT "$(guest_pid 1)"

say "maps"
# ---- a move that cannot be borne, seen by who did not ask for it, and given up ----
{ hb a --json migrate g --to b --max-downtime 1 || true; } >"$pair/refused.json" 2>"$pair/refused.error" &
await 10 "the move to be seen" tick_is a '.handovers[0] | .state == "s-converge" and .progress.remaining_bytes >= 0 and .progress.elapsed_s > 0 and .progress.estimate_downtime_ms > 1'
has "$pair/tick.json" '.guests[0].handover | .role == "source" and .peer == "b" and (.state_text | length > 0)'
must a migrate --abort g >"$pair/output"
wait $!
grep -q "aborted by the operator" "$pair/refused.json" || fail "who asked for the move was not told"
await 10 "the end of the move to be told" tick_is a '[.events[] | select(.kind == "migration") | .level + " " + .text] | any(test("notice .*asked for")) and any(test("operator gives it up")) and any(test("^warning .*aborted by the operator"))'
await 10 "the hand-over to be gone" tick_is a '.handovers == [] and .guests[0].handover == null'
move a b
await 10 "the move to be told" tick_is b '[.events[] | select(.kind == "migration") | .text] | any(test("runs here"))'
has "$pair/tick.json" '.guests[0].name == "g"' '.hosts[0].state == "idle"'

say "moves"
# ---- the other daemon's death ----
must b place g --to a >"$pair/output"
await 10 "the link to be up" tick_is b '.hosts[0].state == "up"'
daemon_kill a
await 10 "the loss to be told" tick_is b '(.hosts[0] | .state == "down" and (.why | length > 0)) and ([.events[] | select(.kind == "placement" and .level == "warning") | .text] | any(test("lost")))'

say "death"
# ---- fifty cost little more than one ----
# VIEWERS : parts of a million of a core that the whole daemon takes, by its own word, over two seconds
cost() {
  watch b "$1" 3 >"$pair/ticks"
  jq -s '.[1:] | map(.process.cpu_share) | add / length * 1000000 | round' "$pair/ticks"
}
one=$(cost 1)
fifty=$(cost 50)
tail -n 1 "$pair/ticks" >"$pair/tick.json"
has "$pair/tick.json" '.cost.viewers == 50'
say "daemon's CPU, in millionths of a core: with one viewer $one, with fifty $fifty; $(jq -c .cost "$pair/tick.json")"
[ "$fifty" -lt $((2 * one + 10000)) ] || fail "with fifty viewers it takes $fifty millionths of a core, with one $one"
guest_one_runs
guest_verify "$guest"
daemon_stop b
echo "ok"
