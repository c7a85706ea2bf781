#!/bin/bash
# label: long
# timeout: 60
# `harbinger status --watch`: in place on a terminal, blocks and objects elsewhere; a daemon that goes and comes; ctrl-C.
set -euo pipefail
. "${HB_SOURCE:?}/tests/screen/lib.sh"
scene_start two_hosts

term_open 80x24 PS1='ready> ' HISTFILE= -- bash --norc --noprofile
term_wait '^ready>'
term_type "echo before; $harbinger --socket s status --watch; echo code=\$?"
term_keys Enter
term_wait '^host a, harbingerd'
term_wait 'stalled'
seen() {
  [ "$(term_line 0)" = "host a, harbingerd 0.1.0, up 1 d 2 h" ]
}
await 5 "the block to begin in the first row" seen
kill -KILL "$crowd_pid"
term_wait 'trying again'
term_wait 'stalled'
rm -f "$term_folder/s"
scene_start two_hosts
term_gone 'trying again'
await 5 "the block to be back" seen
term_resize 60x10
term_wait 'more lines'
term_keys C-c
term_wait '^code=0'
term_history | grep -q '^before' || term_fail "what stood above is gone"
term_type q
[ "$(term_ask '#{cursor_flag} #{alternate_on}')" = '1 0' ] || term_fail "the terminal is not as it was"

lines() {
  [ "$(wc -l <"$term_folder/out")" -ge 3 ]
}
"$harbinger" --socket "$term_folder/s" status --watch --json >"$term_folder/out" 2>&1 &
watcher=$!
crowd_pids+=("$watcher")
await 10 "three ticks" lines
kill -INT "$watcher"
code=0
wait "$watcher" || code=$?
[ $code = 0 ] || fail "SIGINT: exit code $code"
python3 -c 'import json, sys
for line in open(sys.argv[1]):
    assert json.loads(line)["host"] == "a"' "$term_folder/out" || fail "not one object a line"
