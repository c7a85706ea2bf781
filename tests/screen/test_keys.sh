#!/bin/bash
# label: long
# timeout: 120
# What keys do, by what the screen shows after them: select, filter, sort, freeze, undo, help, orders, files.
set -euo pipefail
. "${HB_SOURCE:?}/tests/screen/lib.sh"
scene_start two_hosts

# The selected row is where the cursor is: for screen readers, and for us.
selected() {
  term_line "$(term_ask '#{cursor_y}')"
}
selects() {
  selected | grep -qE -- "$1"
}
await_selected() {
  await_quietly 5 selects "$1" || term_fail "not selected: $1, but: $(selected)"
}

# ---- moving, sorting, filtering ----
still 120x40 --
await_selected '^(> |  )?batch1 '
term_keys j
await_selected '^(> |  )?cache1 '
term_keys Down
await_selected '^(> |  )?db1 '
term_keys G
await_selected '^(> |  )?web1 '
term_keys g
await_selected '^(> |  )?batch1 '
term_keys Up
await_selected '^(> |  )?batch1 '

term_keys /
term_wait '^filter:'
term_type web
term_gone '^(> |  )?db1 '
term_keys Enter
await_selected '^(> |  )?web1 '
term_wait 'web'
term_keys u
term_wait '^(> |  )?db1 '
await_selected '^(> |  )?batch1 ' # as it was

term_keys /
term_type '!ready'
term_keys Enter
term_gone '^(> |  )?web1 '
term_keys Escape
term_wait '^(> |  )?web1 '

row_order() {
  term_screen | grep -oE '^(> |  )?(batch1|cache1|db1|mail1|web1) ' | tr -d '\n'
}
sorted_otherwise() {
  [ "$(row_order)" != "$order_before" ]
}
order_before=$(row_order)
term_keys i
await 5 "the order to be turned round" sorted_otherwise
term_keys u
same_order() {
  [ "$(row_order)" = "$order_before" ]
}
await 5 "the order to be back" same_order
term_keys s
term_wait 'sorted by'
term_keys u

# ---- what stands still can still be sorted and searched ----
term_keys z
term_wait FROZEN
term_keys i
await 5 "the frozen order to be turned round" sorted_otherwise
term_keys u
await 5 "the frozen order to be back" same_order
term_keys z
term_gone FROZEN

# ---- views and back ----
term_keys Escape
term_keys g
term_keys 3
term_wait '^ placement|\[3 placement'
term_keys Escape
term_wait '^ overview|\[1 overview'
term_keys F5
term_wait '^ [Mm]igration|\[5 migration'
term_keys 1

# ---- help: every key of the keymap, searched by typing ----
term_keys '?'
term_wait '^ *(KEYS|keys) '
term_keys /
term_type migrate
term_keys Enter
term_wait 'move the guest'
term_gone 'one epoch further'
term_keys Escape
term_keys Escape

# ---- read-only ----
term_keys 1
term_keys G
await_selected '^(> |  )?web1 '
term_keys m
term_wait '[-]-control'
term_gone '^confirm|type web1'

# ---- files ----
term_keys '>'
term_wait 'sav|written'
term_keys J
term_wait 'json'
term_keys C
term_wait 'csv'
saved() { # EXTENSION: where it was started
  find "$term_folder" -maxdepth 1 -name "harbinger-overview*.$1"
}
grep -q 'batch1' "$(saved txt)" || fail "no screen was saved: $(ls "$term_folder")"
python3 -c 'import json, sys; o = json.load(open(sys.argv[1])); assert any("web1" in json.dumps(v) for v in o.values())' "$(saved json)" ||
  fail "the JSON that was saved is not the view's"
grep -q '^.*web1' "$(saved csv)" || fail "no CSV was saved"
term_keys q
[ "$(term_exit)" = 0 ] || term_fail "q: exit code is not 0"
[ -s "$term_folder/state.$term_opened/harbinger/console.json" ] || fail "where it was left is not kept"
[ ! -e "$term_folder/home" ] || fail "something was written at home: $(find "$term_folder/home")"

# ---- orders: the name must be typed ----
still 120x40 -- --control
term_keys G
await_selected '^(> |  )?web1 '
term_keys m
term_wait 'to which host|host:|web1'
term_type b
term_keys Enter
term_wait 'type web1|web1'
term_type we
term_keys Enter
term_wait 'not|refused|nothing was'
term_keys q
[ "$(term_exit)" = 0 ] || term_fail "q: exit code is not 0"
term_verdict
