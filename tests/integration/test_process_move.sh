#!/bin/bash
# timeout: 240
# A plain process moves between two hosts, there and back, while it writes and checks its memory: attach, place, wait, migrate, history.
set -euo pipefail
. "${HB_SOURCE:?}/tests/support/hosts.sh"

moves=${HB_MOVES:-6}
guest_words="mb=64 rate=2000 reads=2000 verify_s=1 beat_ms=20"
pair_new p
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

dry_run_ready() {
  must "$from" --json migrate g --to "$to" --dry-run >"$pair/dry.json"
  jq -e '.ready' "$pair/dry.json" >"$pair/output"
}

guest_start a
must a --json guest attach g --process "$guest_socket" >"$pair/attach.json"
has "$pair/attach.json" '.name == "g"' '.kind == "process"' '.tracker | length > 0' '.sees | length > 0' '.blind | length > 0' \
  ".pid == $(guest_pid 1)" '.ram_bytes >= 64 * 1048576' '.regions | length == 1' '.regions[0].backing == "memfd"' '.resumed == false' \
  '.placement == null' '.mappers == []'
say "attached with tracker $(jq -r .tracker "$pair/attach.json")"
await 10 "the first scan" guest_attached a
must a --json guest list >"$pair/list.json"
has "$pair/list.json" '.guests | length == 1' '.guests[0].name == "g"'

# What would it cost now, without a placement?
must a --json migrate g --to b --dry-run >"$pair/dry.json"
has "$pair/dry.json" '.from == "a"' '.to == "b"' '.ready == false' '.can_move == true' '.why | test("not placed")'

from=a to=b
for ((i = 1; i <= moves; i++)); do
  must "$from" --json place g --to "$to" --wait --timeout 60 >"$pair/place.json"
  has "$pair/place.json" '.state == "ready"' '.absent_pages + .stale_pages <= .resident_pages / 4' '.above_threshold <= .resident_pages / 64' '.pages + .copied_pages > 0' '.bytes + .bytes_by_kind.duplicate > 0' \
    '(.pages == 0) == (.wire_bytes == 0)' \
    '.summary_bytes > 0' '.fresh_pages > 0' '.link.latency_ms >= 0' '.policies.predictor | length > 0'
  # The guest writes on, so either view may say "filling" for a moment.
  await 10 "$to to show the placement as ready" status_is "$to" '.incoming[0] | .guest + " " + .state + " " + .from' "g ready $from"
  await 10 "a dry run to say ready" dry_run_ready
  has "$pair/dry.json" '.can_move == true' '.would_refuse == false' '.estimate.downtime_ms > 0' '.estimate.bytes_after >= 0'
  was=$(guest_count)
  move "$from" "$to"
  has "$pair/move.json" '.result == "done"' ".from == \"$from\"" ".to == \"$to\"" '.guest == "g"' '.handover | test("^[0-9a-f]{32}$")' \
    '.downtime_ms > 0' '.total_ms >= .downtime_ms' '.bytes_after > 0' '.nonzero_bytes > 60 * 1048576' '.pages_final >= 0' \
    '.placement.pages + .duplicates.copied_pages > 0' '.placement.seconds > 0' '.outcome | has("hit") and has("late") and has("stale") and has("wasted")' \
    '.bytes_after <= .nonzero_bytes / 3'
  not guest_alive "$was" || await 5 "the copy left on $from to end" not guest_alive "$was"
  [ "$(guest_host "$guest")" = "$to" ] || fail "the new process was not started by $to"
  guest_one_runs
  guest_verify "$guest"
  status_is "$from" '.guests | length' 0 || fail "$from still lists the guest"
  status_is "$to" '.guests[0].pid' "$(guest_pid "$guest")" || fail "$to tracks another process"
  say "$(jq -r --arg i "$i" '"move \($i) \(.from) -> \(.to): stopped \(.downtime_ms * 10 | round / 10) ms, \(.total_ms | round) ms in all, " +
    "\(.bytes_after) bytes after the request of \(.nonzero_bytes), final pages \(.pages_final), hit \(.outcome.hit) stale \(.outcome.stale)"' "$pair/move.json")"
  jq -c . "$pair/move.json" >>"$pair/moves.jsonl"
  t=$from from=$to to=$t
done
guest_never_twice

# And one with nothing prepared.
move "$from" "$to"
has "$pair/move.json" '.result == "done"' '.placement.pages == 0' '.bytes_after > 1048576'
say "$(jq -r '"cold \(.from) -> \(.to): stopped \(.downtime_ms * 10 | round / 10) ms, \(.total_ms | round) ms in all, \(.bytes_after) bytes"' "$pair/move.json")"
guest_one_runs
guest_verify "$guest"
guest_never_twice

for h in a b; do
  must $h --json history >"$pair/history.json"
  has "$pair/history.json" "[.entries[] | select(.kind == \"migration\" and .result == \"done\")] | length == $((moves + 1))" \
    '[.entries[] | select(.kind == "migration") | .time | test("^2[0-9]{3}-[01][0-9]-[0-3][0-9]T")] | all' \
    '.entries | map(.time) | . == (sort | reverse)'
done
has "$pair/history.json" '[.entries[] | select(.kind == "migration") | .figures | has("error")] | any | not'
await 5 "no hand-over to be open" no_handovers
journal_clean || fail "a journal has open entries"
ls "$images"/*/images >"$pair/left" 2>&1
[ "$(find "$images" -name '*.state' | wc -l)" = 0 ] || fail "images are left: $(cat "$pair/left")"
say "$(jq -sr 'map(.downtime_ms) | sort | "downtime ms of \(length) warm moves: median \(.[length / 2 | floor]), worst \(.[-1])"' "$pair/moves.jsonl")"
daemon_stop a
daemon_stop b
echo "ok: $moves warm moves and a cold one, memory right after each"
