#!/bin/bash
# label: long
# timeout: 120
# Ways out and ways back: every end leaves the terminal as it was; daemons that go, hang and come again do not end the console.
set -euo pipefail
. "${HB_SOURCE:?}/tests/screen/lib.sh"
scene_start two_hosts

# ---- a shell around it: what it was before must be what it is after ----
shell() {
  term_open 80x24 PS1='ready> ' HB="$harbinger" HISTFILE= -- bash --norc --noprofile
  term_wait '^ready>'
  term_type 'stty -a >before; echo mark-one'
  term_keys Enter
  term_wait '^mark-one'
}
inside() { # the console from that shell
  term_type '$HB --socket s console --every 60; echo code=$?'
  term_keys Enter
  term_wait ' up( |$)'
}
restored() { # WHAT
  [ "$(term_ask '#{alternate_on} #{cursor_flag} #{keypad_flag} #{mouse_any_flag}')" = '0 1 0 0' ] || term_fail "$1: the screen is not as it was"
  term_wait '^mark-one'
  term_type 'stty -a >after; cmp before after && echo same-stty'
  term_keys Enter
  term_wait '^same-stty'
  term_type 'clear; echo mark-one'
  term_keys Enter
  term_gone '^same-stty'
  term_wait '^mark-one'
  term_wait '^ready> *$'
}
console_pid() {
  pgrep -P "$(term_pid)" -f 'console --every'
}

shell
inside
[ "$(term_ask '#{alternate_on}')" = 1 ] || term_fail "not on the other screen"
[ "$(term_ask '#{mouse_any_flag}')" = 0 ] || term_fail "the mouse is taken"
term_keys q
term_wait '^code=0'
restored q

for signal in TERM INT; do
  inside
  kill -$signal "$(console_pid)"
  term_wait '^code=[0-9]+'
  restored "SIG$signal"
done

inside
kill -SEGV "$(console_pid)"
term_wait '^code=(139|1)$'
if term_shows '^code=1$'; then # a sanitizer's own handler, which fills the screen
  term_type 'clear; echo mark-one'
  term_keys Enter
fi
restored SIGSEGV

# Stopped by its key and by a signal, and continued.
inside
term_keys C-z
term_wait 'Stopped'
restored 'ctrl-z'
term_type 'fg; echo code=$?'
term_keys Enter
term_wait ' up( |$)'
kill -TSTP "$(console_pid)"
term_wait 'Stopped'
restored SIGTSTP
term_type 'fg; echo code=$?'
term_keys Enter
term_wait ' up( |$)'
term_keys 8
term_wait 'what happened'
term_keys q
term_wait '^code=0'
restored 'after fg'

# The terminal is closed: the process ends, and with it all it has started.
inside
pid=$(console_pid)
term_close
await 5 "the console to end with its terminal" not kill -0 "$pid" 2>/dev/null

# ---- resize storm ----
still 80x24 --
RANDOM=4711
for ((i = 0; i < 100; i++)); do
  term_resize $((RANDOM % 220 + 5))x$((RANDOM % 60 + 2))
  [ $((i % 10)) != 0 ] || term_keys $((RANDOM % 9 + 1))
done
term_resize 120x40
term_keys 1
term_wait '^(> |  )?batch1'
term_wait '^(> |  )?web1'
not term_ended || term_fail "it did not survive the resizing"

# ---- the daemon goes, and comes again ----
console 80x24 -- --every 1
term_wait '^(> |  )?web1'
kill -KILL "$crowd_pid"
term_wait 'lost|gone|again' 8
term_wait '^(> |  )?web1' # what it said last is still there
rm -f "$term_folder/s"
scene_start two_hosts
term_wait ' up( |$)' 10

# Hung: it says nothing and reads nothing.
kill -STOP "$crowd_pid"
term_wait 'silent' 12
term_keys 7
term_wait 'silent' # keys are answered all the while
kill -CONT "$crowd_pid"
term_wait ' up( |$)' 10
term_keys q
[ "$(term_exit)" = 0 ] || term_fail "q: exit code is not 0"

# What a daemon should never say: it is cut off, said, and tried again; keys are answered all the while.
for fault in garbage cut huge slow; do
  crowd_start "$fault" --hosts 2 --guests 5 --events 5 --tick-ms 100 --fault "$fault"
  term=$fault console 80x24 -- --every 0.2 "$fault"
done
for fault in garbage cut huge slow; do
  term=$fault
  term_wait 'guest'
  [ "$fault" = slow ] || term_wait 'lost|again|connecting|no JSON|too long' 15
  term_keys 7
  term_wait '^ network'
  term_keys q
  [ "$(term_exit)" = 0 ] || term_fail "$fault: exit code is not 0"
done
term=t

# No daemon at all is shown, not an end.
console 80x24 -- --every 1 "$term_folder/nowhere"
term_wait 'nowhere'
term_keys q
[ "$(term_exit)" = 0 ] || term_fail "q: exit code is not 0"
