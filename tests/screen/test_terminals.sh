#!/bin/bash
# label: long
# timeout: 120
# Terminals and locales: what TERM, LC_ALL, NO_COLOR and the settings ask for is what is shown; what cannot be is said.
set -euo pipefail
. "${HB_SOURCE:?}/tests/screen/lib.sh"
expected=$screen_folder/expected
scene_start two_hosts

# ---- terminals ----
# The text is the same on every terminal of one character set: pictures are made of ASCII where the locale has no more.
for t in xterm-256color tmux-256color tmux screen-256color xterm linux vt100; do
  still 80x24 TERM=$t --
  term_wait '! stalled'
  term_wait '^ *guest'
  [ "$t" != xterm-256color ] || first=$(term_masked)
  [ "$(term_masked)" = "$first" ] || [ "$t" = linux ] || [ "$t" = vt100 ] || term_fail "TERM=$t shows something else"
  term_keys q
  code=$(term_exit)
  [ "$code" = 0 ] || term_fail "TERM=$t: left with exit code $code"
done

for t in dumb unknown ''; do
  term_open 80x24 "TERM=$t" -- "$harbinger" --socket s console
  [ "$(term_exit)" != 0 ] || fail "TERM=$t: started"
  term_shows '--plain' || term_fail "TERM=$t: the way out is not named"
done

# Not a terminal at all.
code=0
"$harbinger" --socket "$term_folder/s" console </dev/null >"$term_folder/out" 2>&1 || code=$?
if [ $code = 0 ] || ! grep -q -- --plain "$term_folder/out"; then
  fail "without a terminal: exit code $code, $(cat "$term_folder/out")"
fi

# ---- locales ----
still 80x24 LC_ALL=C --
term_keys j
term_keys j
term_is "$expected/overview.C.txt"
term_keys 2
term_wait 'a cell'
term_is "$expected/guest.C.txt"
! term_screen | LC_ALL=C grep -q '[^ -~]' || term_fail "LC_ALL=C: not ASCII"

# ---- colours ----
# What the lines of the overview's table look like: colours, attributes. A letter or sign says the same in all of them.
colored_rows() {
  term_colors | grep -E 'cannot move|stalled|filling|ready|lost' | tail -n 5 | sed 's/\x1b/\\e/g; s/ *$//'
}
colors() { # NAME CONFIG-LINES [NAME=VALUE...]
  local name=$1 config=$2
  shift 2
  printf '[console]\n%b' "$config" >"$term_folder/$name.ini"
  still 80x24 "$@" -- --config "$term_folder/$name.ini"
  await_quietly 2 term_settled || true
  colored_rows >"$term_folder/$name.rows"
  if [ -n "${HB_SCREEN_UPDATE:-}" ]; then
    cp "$term_folder/$name.rows" "$expected/colors.$name.txt"
  elif ! diff -u "$expected/colors.$name.txt" "$term_folder/$name.rows" >&2; then
    term_failed=$((term_failed + 1))
  fi
}
colors 256 'colors = 256\nbackground = dark\n'
colors 16 'colors = 16\nbackground = dark\n'
colors light 'colors = 16\nbackground = light\n'
colors mono 'colors = none\n'
colors no_color '' NO_COLOR=1
cmp -s "$expected/colors.mono.txt" "$expected/colors.no_color.txt" || fail "NO_COLOR is not the same as colors = none"
for c in mono no_color; do
  ! grep -qE '\\e\[[0-9;]*(3[0-8]|4[0-8]|9[0-7])' "$term_folder/$c.rows" || fail "$c has colours: $(cat "$term_folder/$c.rows")"
done
grep -qE '\\e\[[0-9;]*[39][1-7]m' "$term_folder/16.rows" || fail "16 colours: there are none"

# Glyphs by the settings.
printf '[console]\nglyphs = ascii\n' >"$term_folder/ascii.ini"
still 120x40 -- --config "$term_folder/ascii.ini"
! term_screen | LC_ALL=C grep -q '[^ -~]' || term_fail "glyphs = ascii: not ASCII"

# Settings that are wrong are refused before anything is drawn.
printf '[keys]\nmigrat = m\n' >"$term_folder/wrong.ini"
term_open 80x24 -- "$harbinger" --socket s console --config "$term_folder/wrong.ini"
[ "$(term_exit)" = 2 ] || fail "wrong settings are taken"
term_shows 'migrate' || term_fail "no suggestion"
term_verdict
