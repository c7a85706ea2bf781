#!/bin/bash
# timeout: 180
# label: long
# An image whose budget is a quarter of its guest: the rest waits on the disk, a kill -9 in the midst of that loses nothing, all of it
# is back before the guest stops, and afterwards the guest runs as one whose image never left memory does. A host without memory for
# all of the guest says so, and the guest runs on. With --qemu: a real one.
set -euo pipefail
. "${HB_SOURCE:?}/tests/support/hosts.sh"

mb=128 budget_mb=32
guest_words="mb=$mb rate=400 hot=10 reads=300000 verify_s=1 beat_ms=20"
if [ "${1:-}" = --qemu ]; then
  ram_mb=192 mb=96 budget_mb=40
  guest_words="hb_mb=$mb hb_rate=300 hb_reads=20000 hb_verify_s=1 hb_beat_ms=20"
  . "$HB_SOURCE/tests/support/qemu_guests.sh"
  qemu_prepare
fi
spills=$work/spills
mkdir "$spills"

attach() {
  if [ -n "${ram_mb:-}" ]; then
    must a guest attach g --qmp "$guest_socket" >"$pair/output"
  else
    must a guest attach g --process "$guest_socket" >"$pair/output"
  fi
  await 20 "the first scan" guest_attached a
}

spill() { # FIELD
  case $1 in "|"*) status b ".incoming[0].spill $1" ;; *) status b ".incoming[0].spill.$1" ;; esac
}
spilled_at_least() {
  [ "$(spill spilled_pages)" -ge "$1" ] 2>/dev/null
}
in_budget() {
  [ "$(spill '| (.ram_bytes <= .budget_bytes) and (.spilled_pages > 0)')" = true ]
}

# pages N : the guest's reads and writes so far, and its own clock, as its last heartbeat says.
work_done() {
  grep '^HB ' "$pair/guest.$1/log" | tail -n 1 | sed -n 's/^HB [0-9]* t=\([0-9.]*\) wr=\([0-9]*\) rd=\([0-9]*\) .*/\1 \2 \3/p'
}
# Pages a second in the first second and a half after the guest came: sets $rate.
measure_rate() {
  local t0 w0 r0 t1 w1 r1
  read -r t0 w0 r0 < <(grep -m1 '^HB ' "$pair/guest.$1/log" | sed -n 's/^HB [0-9]* t=\([0-9.]*\) wr=\([0-9]*\) rd=\([0-9]*\) .*/\1 \2 \3/p')
  await 10 "75 heartbeats of the guest" guest_beats_at_least "$1" 75
  read -r t1 w1 r1 < <(work_done "$1")
  rate=$(jq -n "(($w1 + $r1 - $w0 - $r0) / ($t1 - $t0)) | round")
}

# move_and_measure NAME : sets figures[NAME].
declare -A figures=() rates=()
move_and_measure() {
  move a b
  measure_rate "$guest"
  guest_one_runs
  guest_verify "$guest"
  guest_never_twice
  figures[$1]="stopped $(jq '.downtime_ms * 10 | round / 10' "$pair/move.json") ms, asked to resumed $(jq '.total_ms | round' "$pair/move.json") ms, then $rate pages/s"
  rates[$1]=$rate
}

# ---- all in memory, for comparison ----

setting[transport.cap_bytes_per_s]=60M
pair_new memory
daemon_start a
daemon_start b
guest_start a
attach
must a place g --to b --wait --timeout 60 >"$pair/output"
[ "$(spill state)" = off ] || fail "an image without a budget: $(spill .)"
move_and_measure memory
pair_end

# ---- a quarter in memory ----

setting[host.image_ram_bytes]=$((budget_mb << 20))
setting[host.spill_dir]=$spills
pair_new disk
daemon_start a
daemon_start b
guest_start a
attach
must a place g --to b >"$pair/output"
await 60 "the image to be spilling" spilled_at_least 4000
read -r fresh spilled resident <<<"$(status b '.incoming[0] | "\(.fresh_pages) \(.spill.spilled_pages) \(.resident_pages)"')"
written=$(status b '.incoming[0].pages')
daemon_kill b
[ $((spilled * 100 / resident)) -lt 70 ] || fail "too late: $spilled of $resident pages are on the disk"
daemon_start b
say "killed b with $fresh pages fresh, $spilled of them on the disk"
await 10 "b to have the image again" spilled_at_least $((spilled / 2))
must a place g --to b --wait --timeout 60 >"$pair/output" || true
fetched=$(status b '.incoming[0].pages')
say "after the restart $fetched pages were fetched; $written had been before"
[ "$fetched" -le $((resident - fresh + 400 * 20 + 4096)) ] || fail "too many pages were fetched again: $fetched"
await_quietly 20 in_budget || fail "not within its budget: $(spill "| tojson")"
must b --json doctor >"$pair/doctor.json"
say "doctor: $(jq -r '.checks[] | select(.name == "spill_dir") | "\(.ok): \(.detail)"' "$pair/doctor.json")"
jq -e '.checks[] | select(.name == "spill_dir") | .detail | test("GiB free, O_DIRECT (yes|refused), io_uring (yes|refused)")' "$pair/doctor.json" >/dev/null ||
  fail "doctor does not say what spill_dir is good for"
[ "$(spill wrong_pages)" = 0 ] || fail "pages came back wrong: $(spill .)"
say "$(spill '| "\(.spilled_bytes / 1048576 | round) MiB on the disk by \(.how), \(.ram_bytes / 1048576 | round) MiB in memory of \(.budget_bytes / 1048576)"')"
status_is a '.guests[0].placement.spilled_pages > 1000' true || fail "a is not told: $(status a '.guests[0].placement')"

# Without memory for all of it the move is turned down before the guest is touched.
daemon_stop b
daemon_start b HB_FAULT=spill.promotable=fail
await 10 "b to have the image again" spilled_at_least 1000
await 10 "the link" status_is a '.guests[0].placement.state | test("filling|ready")' true
refused 1 'not enough memory for the whole guest: [0-9]+ bytes more needed, [0-9]+ free' a migrate g --to b
guest_runs 1 || fail "the guest does not run after the refusal"
daemon_stop b
daemon_start b
await 10 "b to have the image again" spilled_at_least 1000
must a place g --to b --wait --timeout 60 >"$pair/output" || true
await_quietly 20 in_budget || fail "not within its budget: $(spill "| tojson")"

[ "$(find "$spills" -name 'g.*.spill' | wc -l)" = 1 ] || fail "spill files: $(ls "$spills")"
back=$(spill spilled_pages)
move_and_measure disk
[ -z "$(ls -A "$spills")" ] || fail "left in spill_dir: $(ls "$spills")"
await 5 "no hand-over to be open" no_handovers
journal_clean || fail "a journal has open entries"

say "in memory: ${figures[memory]}"
say "spilled:   ${figures[disk]}; $back pages were read back"
[ "${rates[disk]}" -ge $((rates[memory] / 2)) ] || fail "the guest is more than twice as slow as one whose image never left memory"
echo "ok: a spilled image is the guest, whole"
