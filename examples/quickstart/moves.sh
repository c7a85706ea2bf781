# One move of a guest by harbinger, with everything worth knowing about it in $work/moves/K.json. Sourced.
# shellcheck shell=bash

moves=0

# The estimate that an operator would see before deciding, and what the placement has cost so far.
place_guest() {
  local guest=$1 from=$2 to=$3
  hb "$from" place "$guest" --to "$to" --wait --timeout 180 >"$work/place.log" 2>&1 ||
    die "harbinger place $guest --to $to failed" "$work/place.log" "$work/$from/log" "$work/$to/log"
  hb "$from" --json status "$guest" >"$work/status.json" 2>>"$work/place.log" ||
    die "harbinger status $guest failed" "$work/place.log"
}

# Asked for before the placement is there, so that the recording has the target's engine from its beginning.
record_begin() {
  hb "$2" trace record "$1" -o "$record" >"$work/record.log" 2>&1 ||
    die "harbinger trace record $1 failed" "$work/record.log" "$work/$2/log"
}

# It ended with the placement; this waits until the file is whole.
record_end() {
  hb "$2" --json trace record --stop "$1" >"$work/record.json" 2>"$work/record.log" ||
    die "harbinger trace record --stop $1 failed" "$work/record.log" "$work/$2/log"
  jq -e '.exact and .dropped == 0' "$work/record.json" >/dev/null ||
    say "the recording is not complete: $(jq -c '{exact, dropped, why}' "$work/record.json")"
}

# move_guest GUEST FROM TO KIND : KIND is warm (placed and ready before) or cold (nothing lies on the target).
move_guest() {
  local guest=$1 from=$2 to=$3 kind=$4 n out
  n=$(guest_count "$guest")
  moves=$((moves + 1))
  out=$work/moves/$moves
  echo null >"$work/status.json"
  [ "$kind" = cold ] || [ -z "$record" ] || [ "$moves" != 1 ] || record_begin "$guest" "$to"
  [ "$kind" = cold ] || place_guest "$guest" "$from" "$to"
  guest_record "$guest" $((n + 1))
  hb "$from" --json migrate "$guest" --to "$to" --timeout 180 --max-downtime "$max_downtime_ms" \
    >"$out.migrate" 2>"$out.errors" || not_moved "$guest" "$n" "$from" "$to" "$out"
  [ "$kind" = cold ] || [ -z "$record" ] || [ "$moves" != 1 ] || record_end "$guest" "$to"
  guest_verify "$guest" $((n + 1))
  move_figures "$guest" "$n" "$kind" >"$out.json" || die "figures of the move are not complete" "$out.migrate"
  move_say "$out.json"
}

# A move that is refused or undone must leave the guest as it was: it is asked here too, before we give up.
not_moved() {
  local guest=$1 n=$2 from=$3 to=$4 out=$5 before
  before=$(serial "$guest" "$n" | grep -c '^PASS ')
  if guest_alive "$guest" "$n"; then
    guest_await "$guest" "$n" '^PASS [0-9]' $((before + 2)) 60
    say "$guest goes on on $from; its last check: $(serial "$guest" "$n" | grep '^PASS ' | tail -1)"
  fi
  die "harbinger migrate $guest --to $to failed" "$out.errors" "$out.migrate" "$work/$from/log" "$work/$to/log"
}

move_say() {
  jq -r 'def r: . * 10 | round / 10;
    "moved in \(.total_ms | r) ms, stopped for \(.downtime_ms | r) ms, bad pages: \(.bad_pages)",
    if .downtime_qemu_ms and .downtime_ms < .downtime_qemu_ms - 2
    then "the daemon says \(.downtime_ms | r) ms, QEMU\u0027s own events say \(.downtime_qemu_ms) ms" else empty end' "$1" |
    while read -r line; do
      say "$line"
    done
}

# QEMU's own event times stand beside the daemon's figure. Two real hosts' clocks differ, so the daemon counts on the source
# alone, from STOP to the target's word that it runs: a little more than the guest stood still, never less.
move_figures() {
  local guest=$1 n=$2 kind=$3 stop resume
  stop=$(event_ms "$guest" "$n" STOP last)
  resume=$(event_ms "$guest" $((n + 1)) RESUME first)
  jq -n --slurpfile m "$work/moves/$moves.migrate" --slurpfile s "$work/status.json" --arg kind "$kind" \
    --argjson stop "${stop:-null}" --argjson resume "${resume:-null}" --argjson pages "$checked_pages" \
    --argjson bad "$checked_bad" --argjson beats "$(guest_beats_wrong "$guest" $((n + 1)))" '
    $m[0] + {
      kind: $kind,
      downtime_qemu_ms: (if $stop and $resume then ($resume - $stop) * 10 | round / 10 else null end),
      estimate: ($s[0].guests[0].placement.estimate // null),
      bad_pages: $bad, pages_checked: $pages, heartbeats_wrong: $beats
    }'
}
