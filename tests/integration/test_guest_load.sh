#!/bin/bash
# guest_load as a plain process: what it says of its memory, asked at any time, and what its exit code means.
set -euo pipefail
load=${HB_BUILD:?}/examples/guest_load/guest_load
work=$(mktemp -d)
pid=
cleanup() {
  [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
fail() {
  echo "FAIL: $*"
  tail -5 "$work/out"
  exit 1
}
# until PATTERN : a line of the output, or 20 s.
until_line() {
  grep -m1 -q -- "$1" < <(timeout 20 tail -n +1 -f --pid="$pid" "$work/out") || fail "no line '$1'"
}
start() {
  : >"$work/out" # there before anybody reads it
  "$load" --memory "$work/memory" mb=16 rate=5000 verify_s="$1" beat_ms=50 >"$work/out" &
  pid=$!
  until_line '^LOAD-READY pages=4092 bytes=16777216'
}
finish() {
  code=0
  kill -TERM "$pid"
  wait "$pid" || code=$?
  pid=
}

start 1
until_line '^PASS 1 .* bad=0 lost=0'
kill -USR1 "$pid"
until_line '^LOAD-VERIFIED pages=4092 bad=0'
finish
[ "$code" = 0 ] || fail "exit code $code though all memory is right"
awk '/^HB /{ if ($2 != last + 1) exit 1; last = $2 } END { exit last == 0 }' "$work/out" || fail "heartbeats are not in order"

# One byte changed behind its back, on the last page: found without asking, and at the end.
start 1
until_line '^PASS 1 '
printf '\377' | dd of="$work/memory" bs=1 seek=$((4095 * 4096 + 777)) conv=notrunc status=none
until_line '^BAD page=4091 record=12 '
until_line '^PASS [0-9]* .* bad=1 '
finish
[ "$code" = 1 ] || fail "exit code $code though a page is bad"
grep -q '^LOAD-VERIFIED pages=4092 bad=1' "$work/out" || fail "the last check does not count the page"

# On demand only: nothing is said until asked.
start 0
until_line '^HB 5 '
! grep -q '^PASS' "$work/out" || fail "a pass though verify_s=0"
finish
[ "$code" = 0 ] || fail "exit code $code"

for wrong in mb=0 rate=x nosuch=1 --nosuch --seconds; do
  code=0
  "$load" "$wrong" >"$work/out" 2>&1 || code=$?
  [ "$code" = 2 ] && grep -q guest_load: "$work/out" || fail "$wrong: exit code $code"
done
