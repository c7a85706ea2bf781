#!/bin/bash
# timeout: 60
# A trace served as two hosts, as its owner meets it: what the commands say of it, orders on it, and every way it ends.
set -euo pipefail
hb=${HB_BUILD:?}/harbinger
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid" 2>/dev/null || true; rm -rf "$work"' EXIT
cd "$work"
fail() {
  echo "FAIL: $*"
  exit 1
}
# exits CODE COMMAND... : its exit code; output in out and err.
exits() {
  local want=$1 code=0
  shift
  "$@" >out 2>err </dev/null || code=$?
  [ "$code" = "$want" ] || { cat out err; fail "exit $code, not $want: $*"; }
}
# serve WORDS... : in the background, standard input a pipe that we hold; returns when both sockets are there.
serve() {
  mkfifo hold
  exec 9<>hold
  "$hb" --json trace serve "$@" --until-eof <hold 9>&- >told 2>err &
  pid=$!
  for _ in $(seq 200); do
    [ ! -s told ] || break
    kill -0 "$pid" 2>/dev/null || { cat err; fail "trace serve $* ended"; }
    sleep 0.05
  done
  [ "$(jq -r .source_socket told)" = r/a.sock ] || fail "the sockets are not told"
}
# gone CODE : it ended with that, and left nothing.
gone() {
  local code=0
  wait "$pid" || code=$?
  pid=
  [ "$code" = "$1" ] || { cat err; fail "it ended with $code, not $1"; }
  [ ! -e r ] || fail "the folder stayed"
  exec 9>&-
  rm -f hold
}

# Said before anything is there.
exits 2 "$hb" trace serve --dir r
exits 2 "$hb" trace serve --demo x.hbt --dir r
exits 2 "$hb" trace serve --demo --dir r --speed 0
exits 2 "$hb" trace serve --demo --dir r --link slow
exits 3 "$hb" trace serve nosuch.hbt --dir r
grep -q nosuch.hbt err || fail "it does not name the file"
exits 6 "$hb" trace serve --demo --dir .
head -c 3000 "$HB_SOURCE/examples/traces/sort.hbt" >cut.hbt
printf 'no trace\n' >text.hbt
exits 7 "$hb" trace serve text.hbt --dir r
[ ! -e r ] || fail "a folder was made"

# The demonstration: its guests, the move in it, where they are then.
serve --demo --dir r --speed 60
names=$("$hb" --socket r/a.sock --json guest list | jq -r '[.guests[].name] | join(" ")')
[ "$names" = "load sort redis" ] || fail "the demonstration's guests: $names"
for _ in $(seq 200); do
  [ "$("$hb" --socket r/b.sock --json guest list | jq -r '.guests | map(.name) | join(" ")')" != load ] || break
  sleep 0.05
done
"$hb" --socket r/b.sock --json history | jq -e '.entries[0].guest == "load" and .entries[0].result == "done"' >/dev/null ||
  fail "the demonstration's guest did not move"
exits 6 "$hb" --socket r/a.sock reload
grep -q 'a replay cannot' err || fail "no reason why"
exec 9>&- # the end of its standard input
gone 0

# Orders on a trace of one's own, by the ordinary commands; ended by a signal.
serve "$HB_SOURCE/examples/traces/redis.hbt" --dir r --speed 40 --again --policies "$HB_SOURCE/policies"
exits 3 "$hb" --socket r/a.sock migrate redis --to elsewhere
"$hb" --socket r/b.sock policy load lfu >out
grep -q 'lfu' out || fail "the shadow is not told"
"$hb" --socket r/a.sock --json migrate redis --to b >out 2>err || { cat err; fail "the move was refused"; }
jq -e '.result == "done" and .downtime_ms > 0' out >/dev/null || fail "the move's figures"
"$hb" --socket r/b.sock status redis | grep -q running || fail "the guest is not on b"
kill -TERM "$pid"
gone 0
