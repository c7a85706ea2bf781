#!/bin/bash
# timeout: 300
# label: long
# Pages that the target has already are copied there and not sent: two guests of one image on two hosts, the second placed; a guest that goes away, works
# elsewhere and comes back; a file that an operator named; a daemon killed while it copies, and one killed while it keeps. Each guest's memory is right
# afterwards, by its own word.
#
#   test_duplicates.sh            processes as guests (half a minute)
#   test_duplicates.sh --qemu     two of the quickstart's guests: QEMU, Debian's kernel, 512 MiB, one image; then there, work, and back
#
# HB_WORK_S: with --qemu, for how long the guest works before it comes back (60).
set -euo pipefail
. "${HB_SOURCE:?}/tests/support/hosts.sh"
attach=--process
case ${1:-} in
  '') ;;
  --qemu)
    attach=--qmp ram_mb=512
    guest_words="hb_mb=288 hb_rate=1000 hb_reads=1000 hb_verify_s=1 hb_beat_ms=50"
    . "$HB_SOURCE/tests/support/qemu_guests.sh"
    qemu_prepare
    ;;
  *) echo "test_duplicates.sh: unknown option $1" >&2 && exit 2 ;;
esac

mb=64
[ "$attach" = --qmp ] || guest_words="mb=$mb rate=200 reads=200 verify_s=0 beat_ms=20 hot=5"

# start_and_attach HOST NAME [WORD...] : a guest that is attached under that name. Sets $guest.
start_and_attach() {
  local h=$1 name=$2
  shift 2
  guest_start "$h" "$@"
  must "$h" guest attach "$name" "$attach" "$guest_socket" >"$pair/output" 2>&1
  await 10 "the first scan of $name" has_epoch "$h" "$name" 1
}

has_epoch() {
  [ "$(status "$1" ".guests[] | select(.name == \"$2\") | .epoch")" -ge "$3" ] 2>/dev/null
}

known_here() { # HOST KIND PAGES : so many of its pages are in the index
  [ "$(status "$1" '.duplicates.index_entries')" -ge "$2" ] 2>/dev/null
}

source_indexed() { # HOST KIND PAGES
  [ "$(status "$1" "[.duplicates.sources[] | select(.kind == \"$2\") | .indexed_pages] | add // 0")" -ge "$3" ] 2>/dev/null
}

# Shares of a placement's non-zero bytes: what crossed as pages, and what was copied here. Sets $crossed, $copied in per cent.
shares() {
  local file=$1 of=$2
  crossed=$(jq --argjson of "$of" '(.pages * 4096 * 100 / $of) | round' "$file")
  copied=$(jq --argjson of "$of" '(.copied_pages * 4096 * 100 / $of) | round' "$file")
}

place_wait() { # FROM TO NAME
  must "$1" --json place "$3" --to "$2" --wait --timeout 60 >"$pair/place.json"
}

# ---- a planted secret of another cluster, or none: nothing is looked for, and doctor says so ----
without_secret() {
  setting[a:peer.secret]=
  pair_new none
  daemon_start a
  daemon_start b
  hb a --json doctor >"$pair/doctor.json" 2>/dev/null || true
  jq -e '.checks[] | select(.name == "duplicates") | .ok == "warn" and (.next | test("cert secret"))' "$pair/doctor.json" >"$pair/output" ||
    fail "doctor says nothing of the missing secret"
  status_is a '.duplicates' null || fail "duplicates without a secret"
  start_and_attach b first
  start_and_attach a g
  place_wait a b g
  jq -e '.copied_pages == 0 and .pages * 4096 >= 60 * 1048576' "$pair/place.json" >"$pair/output" || fail "copied without a secret: $(cat "$pair/place.json")"
  chmod 644 "$work/certs/cluster.secret"
  unset 'setting[a:peer.secret]'
  daemon_stop a
  host_settings a b
  ! "$bin/harbingerd" --config "$pair/a/harbingerd.ini" >"$pair/said" 2>&1 || fail "a secret that others may read was taken"
  grep -q 'others than its owner' "$pair/said" || fail "$(cat "$pair/said")"
  chmod 600 "$work/certs/cluster.secret"
  say "without a secret all of it is sent, and doctor says what to do"
  pair_end
}

# ---- two guests of one image ----
two_guests() {
  pair_new two
  daemon_start a
  daemon_start b
  start_and_attach b first
  await 10 "b to know its own guest" known_here b $((mb * 256 * 9 / 10))
  start_and_attach a g
  place_wait a b g
  shares "$pair/place.json" $((mb << 20))
  say "two guests of one image: $copied % of $mb MiB were there already, $crossed % crossed the wire; $(jq .refuted_pages "$pair/place.json") pages refuted"
  if [ "$crossed" -gt 40 ] || [ "$copied" -lt 60 ]; then fail "less than 60 % were found: $(cat "$pair/place.json")"; fi
  hb a status g >"$pair/text" 2>&1
  grep -q 'not sent: .* there already' "$pair/text" || fail "status says nothing of it: $(cat "$pair/text")"
  first=$((guest - 1))
  move a b
  jq -e '.duplicates.copied_bytes >= 38 * 1048576' "$pair/move.json" >"$pair/output" || fail "history has other figures: $(jq -c .duplicates "$pair/move.json")"
  guest_verify "$guest"
  guest_verify "$first"
  await 10 "what g left on a to be kept" status_is a '.duplicates.sources | map(select(.kind == "kept")) | length' 1
  refused 3 'no memory of this guest' a kept drop nobody
  must a --json kept drop g >"$pair/output"
  status_is a '.duplicates.kept_bytes' 0 || fail "dropped, and still there"
  pair_end
}

# ---- there and back ----
there_and_back() {
  guest_words="mb=$mb rate=300 reads=200 verify_s=0 beat_ms=20 hot=5"
  pair_new back
  daemon_start a
  daemon_start b
  start_and_attach a g
  place_wait a b g
  move a b
  await 10 "what g left on a to be known" source_indexed a kept $((mb * 256 * 9 / 10))
  must a --json kept list >"$pair/kept.json"
  jq -e '.kept | length == 1 and .[0].guest == "g" and .[0].usable and .[0].departures == 1' "$pair/kept.json" >"$pair/output" || fail "$(cat "$pair/kept.json")"
  # a daemon that is started again finds it on its disk
  daemon_kill a
  daemon_start a
  await 10 "a to know it again" source_indexed a kept $((mb * 256 * 9 / 10))
  await 20 "g to have worked on b" guest_beats_at_least "$guest" 150
  place_wait b a g
  shares "$pair/place.json" $((mb << 20))
  say "there and back: $copied % came from what was left behind, $crossed % crossed the wire; $(jq .refuted_pages "$pair/place.json") pages refuted"
  [ "$copied" -ge 50 ] || fail "less than half came from what was left behind: $(cat "$pair/place.json")"
  move b a
  guest_verify "$guest"
  guest_one_runs 5
  guest_never_twice
  pair_end
}

# ---- a file that an operator named; the source changes under the copy ----
named_file() {
  guest_words="mb=$mb rate=0 reads=200 verify_s=0 beat_ms=20"
  pair_new file
  guest_memory=$images/a/memory guest_start a
  cp "$images/a/memory" "$pair/golden" # the golden image: this guest's memory as a file
  setting[b:duplicates.files]="$pair/golden /nonexistent"
  host_settings b a
  daemon_start a
  daemon_start b HB_FAULT="duplicates.copy=stall:1000@200"
  await 10 "b to know the golden image" source_indexed b file $((mb * 256 * 9 / 10))
  must a guest attach g --process "$guest_socket" >"$pair/output" 2>&1
  await 10 "the first scan" has_epoch a g 1
  must a place g --to b >"$pair/output" 2>&1
  await 10 "the first copies" copied_at_least b 8
  # its inode stays, its bytes are others: what the index says is not true any more
  dd if=/dev/urandom of="$pair/golden" bs=1M count=$mb conv=notrunc status=none
  place_wait a b g
  shares "$pair/place.json" $((mb << 20))
  say "a named file that changes under the copy: $copied % were copied, $(jq .refuted_pages "$pair/place.json") pages refuted, $crossed % crossed the wire"
  jq -e '.refuted_pages > 100 and .copied_pages >= 8' "$pair/place.json" >"$pair/output" || fail "nothing was refuted: $(cat "$pair/place.json")"
  move a b
  guest_verify "$guest"
  unset 'setting[b:duplicates.files]'
  pair_end
}

copied_at_least() {
  [ "$(status "$1" '.incoming[0].copied_pages')" -ge "$2" ] 2>/dev/null
}

# ---- killed ----
killed() {
  guest_words="mb=$mb rate=200 reads=200 verify_s=0 beat_ms=20 hot=5"
  pair_new kill
  daemon_start a HB_FAULT="keep.prints=kill@1"
  daemon_start b HB_FAULT="duplicates.copied=kill@20"
  start_and_attach b first
  await 10 "b to know its own guest" known_here b $((mb * 256 * 9 / 10))
  start_and_attach a g
  must a place g --to b >"$pair/output" 2>&1
  await 20 "b to be killed while it copies" not daemon_alive b
  daemon_start b
  place_wait a b g
  must a --json migrate g --to b >"$pair/move.json"
  guest=$(guest_count)
  await 20 "a to be killed while it keeps" not daemon_alive a
  await 10 "the guest to be attached on b" has_epoch b g 1
  guest_verify "$guest"
  daemon_start a
  must a --json kept list >"$pair/kept.json"
  jq -e '.kept == []' "$pair/kept.json" >"$pair/output" || fail "half a memory is kept: $(cat "$pair/kept.json")"
  [ -z "$(find "$pair/a/state/kept" -type f)" ] || fail "files are left: $(ls "$pair/a/state/kept")"
  await 10 "the journals to be clean" journal_clean
  say "killed while copying, and while keeping: the guest is right, nothing half made is left"
  pair_end
}

# ---- whole machines ----
# nonzero FILE : bytes of a placement that are there and not zeros.
nonzero() {
  jq '(.fresh_pages - .zero_pages) * 4096' "$1"
}

printing() {
  status "$1" '.duplicates | "\(.printed_pages) pages printed with \(.print_cpu_share * 1000 | round / 10) % of a core, \(.tags_sent) tags sent, " +
    "\(.candidates) candidates of \(.tags_seen) seen, \(.found) found"'
}

machines() {
  pair_new machines
  daemon_start a
  daemon_start b
  start_and_attach b first
  start_and_attach a g
  await 60 "b to know its own guest" known_here b $((288 * 256 * 8 / 10))
  await 60 "a to have printed its guest" known_here a $((288 * 256 * 8 / 10))
  must a --json place g --to b --wait --timeout 120 >"$pair/place.json"
  shares "$pair/place.json" "$(nonzero "$pair/place.json")"
  say "two machines of one image: of $(($(nonzero "$pair/place.json") >> 20)) MiB that are not zeros $copied % were there already, $crossed % crossed the wire ($(
    jq '.wire_bytes / 1048576 | round' "$pair/place.json") MiB of bytes); $(jq .refuted_pages "$pair/place.json") pages refuted"
  for h in a b; do say "$h: $(printing $h)"; done
  # cold pages may be of no worth before the move: all of them are there after it
  move a b
  copied=$(jq '(.duplicates.copied_bytes * 100 / .nonzero_bytes) | round' "$pair/move.json")
  say "after the move: of $(jq '.nonzero_bytes / 1048576 | round' "$pair/move.json") MiB $copied % never crossed the wire; stopped $(jq '.downtime_ms | round' "$pair/move.json") ms"
  [ "$copied" -ge 60 ] || fail "less than 60 % were found: $(cat "$pair/move.json")"
  guest_verify "$guest"
  await 60 "what g left on a to be known" source_indexed a kept $((288 * 256 * 8 / 10))
  say "g works on b for ${HB_WORK_S:-60} s"
  await $((${HB_WORK_S:-60} + 60)) "g to have worked on b" guest_passes_at_least "$guest" $(($(guest_passes "$guest") + ${HB_WORK_S:-60}))
  must b --json place g --to a --wait --timeout 120 >"$pair/place.json"
  shares "$pair/place.json" "$(nonzero "$pair/place.json")"
  say "there and back: of $(($(nonzero "$pair/place.json") >> 20)) MiB $copied % came from what was left behind, $crossed % crossed the wire; $(
    jq .refuted_pages "$pair/place.json") pages refuted"
  for h in a b; do say "$h: $(printing $h)"; done
  move b a
  copied=$(jq '(.duplicates.copied_bytes * 100 / .nonzero_bytes) | round' "$pair/move.json")
  say "after the move: of $(jq '.nonzero_bytes / 1048576 | round' "$pair/move.json") MiB $copied % came from what was left behind; stopped $(jq '.downtime_ms | round' "$pair/move.json") ms"
  [ "$copied" -ge 50 ] || fail "less than half came from what was left behind: $(cat "$pair/move.json")"
  guest_verify "$guest"
  pair_end
}

if [ "$attach" = --qmp ]; then
  machines
  echo "ok: whole machines"
  exit
fi
without_secret
two_guests
there_and_back
named_file
killed
echo "ok: duplicates are found, copied and right; what changed under the copy was refuted and fetched"
