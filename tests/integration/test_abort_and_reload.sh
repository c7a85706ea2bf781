#!/bin/bash
# Moves given up at any moment, settings read again meanwhile, and daemons told to end in the middle: whatever the moment, one
# copy of the guest runs, its memory is right, and the daemons end in order (exit code 0: under a sanitizer, with nothing found).
# timeout: 300
set -eu
. "$HB_SOURCE/tests/support/hosts.sh"

rounds=${HB_ROUNDS:-8}
start_seconds=60
setting[migration.max_downtime_ms]=5000
pair_new p

# daemon_start without losing sight of the exit code.
daemon_begin() {
  local h=$1 n=1
  while [ -e "$pair/$h/log.$n" ]; do n=$((n + 1)); done
  rm -f "$pair/$h/code"
  (
    code=0
    "$bin/harbingerd" --config "$pair/$h/harbingerd.ini" >"$pair/$h/log.$n" 2>&1 </dev/null & 
    echo $! >"$pair/$h/pid"
    wait $! || code=$?
    echo $code >"$pair/$h/code"
  ) &
  echo "$n" >"$pair/$h/life"
  await 10 "a process number" test -s "$pair/$h/pid"
  record "$(daemon_pid "$h")"
  await $start_seconds "harbingerd on $h to answer" daemon_answers "$h"
}

daemon_end() {
  local h=$1
  kill -TERM "$(daemon_pid "$h")"
  await 60 "harbingerd on $h to end" test -s "$pair/$h/code"
  [ "$(cat "$pair/$h/code")" = 0 ] || fail "harbingerd on $h ended with exit code $(cat "$pair/$h/code")"
  rm -f "$pair/$h/pid"
}

here() { # the host whose daemon tracks the running guest
  guest_host "$guest"
}

settled() {
  no_handovers && journal_clean
}

# Whatever became of the move: one copy runs, is tracked where it runs, and is right.
one_right() {
  await 60 "both hosts to have settled" settled
  guest_one_runs 30
  await 30 "the guest to be tracked on $(here)" guest_attached "$(here)"
  guest_verify "$guest"
  guest_never_twice
}

daemon_begin a
daemon_begin b
guest_start a
must a guest attach g --process "$guest_socket" >/dev/null
await 20 "the first scan" guest_attached a

# Given up after ever more time, while the settings are read again.
for ((i = 0; i < rounds; i++)); do
  from=$(here) to=$(other "$(here)")
  [ $((i % 2)) = 1 ] || hb "$from" place g --to "$to" --wait --timeout 60 >/dev/null 2>&1 || true
  { hb "$from" migrate g --to "$to" >"$pair/output" 2>&1 || true; } &
  move=$!
  for ((k = 0; k <= i * 6; k++)); do
    ! ((k % 4 == 0)) || { hb a --json status && hb b --json status; } >/dev/null
    ! ((k % 9 == 3)) || kill -HUP "$(daemon_pid a)" "$(daemon_pid b)"
  done
  hb "$from" migrate --abort g >"$pair/abort" 2>&1 || true
  wait $move
  one_right
  say "round $i: $(grep -hm1 . "$pair/output" | cut -c1-100)"
done

# Told to end in the middle.
for h in a b; do
  for pause in 2 12; do
    from=$(here) to=$(other "$(here)")
    { hb "$from" migrate g --to "$to" >"$pair/output" 2>&1 || true; } &
    move=$!
    for ((k = 0; k < pause; k++)); do hb "$from" --json status >/dev/null; done
    daemon_end "$h"
    wait $move
    daemon_begin "$h"
    one_right
    say "harbingerd on $h ended during a move from $from: the guest runs on $(here)"
  done
done
daemon_end a
daemon_end b
guest_runs "$guest" 10 || fail "the guest does not outlive its daemons"
echo "ok: given up, reloaded and ended at any moment, one copy runs and is right"
