#!/bin/bash
# label: long
# timeout: 60
# Nothing jumps under the cursor: with guests that come, go and change five times a second, sorted by what changes most, the
# selected one stays selected and on its line; a frozen picture stands still while ticks go on.
set -euo pipefail
. "${HB_SOURCE:?}/tests/screen/lib.sh"
crowd_start c --hosts 8 --guests 60 --events 200 --tick-ms 200

term_open 100x40 -- "$harbinger" --socket c console --every 0.2
term_wait 'guest'
sorted() {
  term_shows 'sorted by written' || { term_keys s && return 1; }
}
await 5 "the rows to be sorted by what changes most" sorted
for _ in 1 2 3 4 5 6 7; do
  term_keys j
done

name() {
  term_line "$(term_ask '#{cursor_y}')" | sed -E 's/^(> |  )?([^ ]+) .*/\2/'
}
other_picture() {
  [ "$(term_screen)" != "$picture" ]
}
sleep 0.5 # all keys are in
guest=$(name) line=$(term_ask '#{cursor_y}')
[ -n "$guest" ] || term_fail "nothing is selected"
for ((tick = 1; tick <= 10; tick++)); do
  picture=$(term_screen)
  await 5 "the next picture" other_picture
  if [ "$(name)" != "$guest" ] && term_screen | grep -qE "^(> |  )?$guest "; then
    term_fail "after $tick pictures $(name) is selected, not $guest"
  fi
  guest=$(name) # one that has left the host is followed by the one that took its line
  [ "$(term_ask '#{cursor_y}')" = "$line" ] || term_fail "after $tick pictures the cursor is on line $(term_ask '#{cursor_y}'), not $line"
done

# Frozen: the rows stand still, the title says so and for how long.
table() {
  term_screen | sed -n '2,$p'
}
term_keys z
term_wait 'FROZEN'
picture=$(table)
term_wait 'FROZEN 2 s'
[ "$(table)" = "$picture" ] || { diff <(echo "$picture") <(table) >&2 || true; term_fail "the frozen picture moves"; }
term_keys z
term_gone 'FROZEN'
picture=$(term_screen)
await 5 "the picture to go on" other_picture
term_keys q
[ "$(term_exit)" = 0 ] || term_fail "q: exit code is not 0"
