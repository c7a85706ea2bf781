#!/bin/bash
# session.sh [--bin FOLDER] [--record]
#
# A whole day of an operator in two minutes, by keys only: the quickstart's two hosts, a Linux guest in QEMU that writes all the
# while; place it, watch it, load another policy beside the active one, promote it, roll it back, move the guest. Every step is
# awaited on the screen, and the guest has the last word on its memory.
#
#   --bin FOLDER   this build (default: $HB_BUILD)
#   --record       the frames into docs/console/session.txt, one of them as docs/console.svg
#
# Needs root (network namespaces). Not a test of ctest: tests/integration/test_quickstart.sh moves the same guest.
set -Eeuo pipefail
here=$(cd "$(dirname "$0")" && pwd)
HB_SOURCE=$(cd "$here/../.." && pwd)
HB_BUILD=${HB_BUILD:-$HB_SOURCE/build-release}
record=0
while [ $# -gt 0 ]; do
  case $1 in
    --bin) HB_BUILD=$(cd "${2:?}" && pwd) && shift ;;
    --record) record=1 ;;
    *) sed -n '2,13s/^# \{0,1\}//p' "$0" && exit 2 ;;
  esac
  shift
done
export HB_SOURCE HB_BUILD
. "$HB_SOURCE/tests/support/terminal.sh"

# ---- the quickstart's hosts and guest ----
source_dir=$HB_SOURCE bin=$HB_BUILD qemu=qemu-system-x86_64 ram=512M
vm=$source_dir/tests/support/vm
guest_load=$bin/examples/guest_load/guest_load
. "$vm/lib.sh"
. "$source_dir/examples/quickstart/hosts.sh"
. "$source_dir/examples/quickstart/guest.sh"
recorders=()
ram_bytes=$(numfmt --from=iec $ram)
load_words="hb_mb=288 hb_rate=2000"

say() {
  printf '[%3d s] %s\n' $SECONDS "$*" >&2
}

die() {
  local log
  for log in "${@:2}"; do
    [ ! -s "$log" ] || { printf -- '--- %s\n' "${log##*/}" && tail -n 20 "$log" | tr -d '\000'; } >&2
  done
  term_fail "$1"
}

is_ours() {
  { tr '\0' ' ' <"/proc/$1/cmdline"; } 2>/dev/null | grep -qF "$work"
}

end_process() {
  local tries=$((${2:-5} * 20))
  is_ours "$1" || return 0
  [ $tries = 0 ] || kill -TERM "$1" 2>/dev/null || true
  while [ $tries -gt 0 ] && is_ours "$1"; do
    sleep 0.05
    tries=$((tries - 1))
  done
  ! is_ours "$1" || kill -KILL "$1" 2>/dev/null || true
}

stage_end() {
  local p
  daemons_stop
  guests_kill
  for p in "${recorders[@]}"; do
    end_process "$p" 0
  done
  hosts_down
  rm -rf "$images" "$work"
}

[ "$(id -u)" = 0 ] || skip "network namespaces need root"
for p in "$bin/harbinger" "$bin/harbingerd" "$guest_load"; do
  [ -x "$p" ] || fail "$p is missing: build it first"
done
work=$(mktemp -d "${TMPDIR:-/tmp}/harbinger-session.XXXXXX")
images=$(mktemp -d /dev/shm/harbinger-XXXXXX)
term_cleanups+=(stage_end)
cc -std=gnu11 -D_GNU_SOURCE -O2 -o "$work/vm_qmp" "$vm/vm_qmp.c"
guest_prepare
hosts_up 1gbit
certificates
daemon_start hb-a
daemon_start hb-b
say "booting the guest on hb-a"
guest_boot load "$images/load-a"

# ---- the recording ----
frames=0
text=$work/session.txt
cat >"$text" <<'HEAD'
A session in the operator's console, recorded by tests/screen/session.sh: two hosts, hb-a and hb-b, joined at 1 Gbit/s, and a
Linux guest of 512 MiB in QEMU that writes 2000 pages a second. Keys only; nothing was typed anywhere else.

  harbinger console --control hb-a.sock hb-b.sock
HEAD

# frame KEYS "what for" : the screen as it is now.
frame() {
  frames=$((frames + 1))
  say "frame $frames: $2"
  {
    printf '\n===== frame %d: %s\n===== keys: %s\n\n' "$frames" "$2" "$1"
    term_screen | sed 's/[[:space:]]*$//' | cat -s # rows without anything are as one
  } >>"$text"
}

# press KEY... : one after the other.
press() {
  local k
  for k in "$@"; do
    term_keys "$k"
  done
}

# From the first row down until the one under the cursor matches.
select_row() {
  local i
  term_keys g
  for ((i = 0; i < 60; i++)); do
    sleep 0.15
    ! term_line "$(term_ask '#{cursor_y}')" | grep -qE -- "$1" || return 0
    term_keys j
  done
  term_fail "no row to select: $1"
}

# What comes after it is a picture with some history in it.
let_pass() {
  say "watching for $1 s"
  sleep "$1"
}

# ---- the session ----
ln -s "$work/hb-a/control" "$term_folder/hb-a.sock"
ln -s "$work/hb-b/control" "$term_folder/hb-b.sock"
hb hb-a guest attach load --qmp "$work/load.qmp" >"$work/attach.log" 2>&1 || die "harbinger guest attach failed" "$work/attach.log"
term_limit=60
mkdir -p "$work/config/harbinger"
printf '[console]\nbackground = dark\n' >"$work/config/harbinger/console.ini"
term_open 110x32 XDG_CONFIG_HOME="$work/config" -- "$bin/harbinger" console --control hb-a.sock hb-b.sock
term_wait '^(> |  )?load .*not placed'
let_pass 5
frame "none" "the overview: two hosts, one guest, nothing of it anywhere else"

press p
term_wait 'to which host'
frame p "place: to which host?"
press Enter
term_wait 'done: keep load ready'
frame Enter "it is being placed"
press 3
term_wait 'load is ready on hb-b'
frame 3 "the placement, as soon as it is ready"
let_pass 25
frame 3 "the same half a minute later: what was fetched, what of it was worth it, what is left"
term_colors >"$work/picture"
press 2
term_wait 'a cell'
let_pass 2
frame 2 "the guest's memory: where it writes"

press 4
term_wait 'predictor +file +lfu'
select_row 'predictor +file +lfu'
press L
term_wait 'as a shadow'
press Enter
term_wait 'y/n'
frame "4, j to lfu, L, Enter" "another predictor beside the active one: asked first"
press y Enter
term_wait 'predictor +shadow +lfu'
let_pass 30
frame "y, Enter" "half a minute later: judged on the same pages, the shadow is told to be worse"
select_row 'predictor +shadow +lfu'
press P
term_wait 'Type its name'
frame "j to the shadow, P" "what decides for every guest is changed by its name only"
term_type lfu
press Enter
term_wait 'predictor +active +lfu'
let_pass 3
frame "lfu, Enter" "promoted all the same: lfu decides now"
press b
term_wait 'Type its name|y/n'
if term_shows 'y/n'; then
  press y Enter
else
  term_type ewma
  press Enter
fi
term_wait 'predictor +active +ewma'
let_pass 2
frame "b, and its answer" "rolled back: ewma decides again, on the same image"

press 5
term_wait 'before a move'
frame 5 "what would moving it cost now?"
press m
term_wait 'Type its name'
frame m "a move wants the guest's name"
term_type "load"
guest_record load 2
press Enter
term_wait 'load.*hb-a.*hb-b.*done|done.*stopped|moved load'
let_pass 2
frame "load, Enter" "moved: what it did cost"
press 8
term_wait 'what happened|WHAT HAPPENED'
frame 8 "all of it, as events"
press 1
let_pass 3
frame 1 "the overview: the guest runs on hb-b"
press q
[ "$(term_exit 10)" = 0 ] || term_fail "q: exit code is not 0"

guest_verify load 2
[ "$checked_bad" = 0 ] || fail "the guest found $checked_bad bad pages after the move"
[ -z "$(guest_complaints load 2)" ] || fail "the guest complains: $(guest_complaints load 2)"
[ "$(guest_beats_wrong load 2)" = 0 ] || fail "the guest missed or repeated a beat"
printf '\nThe guest, asked afterwards: %d pages checked on hb-b, none wrong, no heartbeat lost or repeated.\n' "$checked_pages" >>"$text"
say "the guest found all its $checked_pages pages right"
[ $record = 0 ] || {
  mkdir -p "$HB_SOURCE/docs/console"
  cp "$text" "$HB_SOURCE/docs/console/session.txt"
  "$HB_SOURCE/tests/support/frame_svg.py" --size 110x27 --title "harbinger console: how ready a guest is on its next host, and why" \
    <"$work/picture" >"$HB_SOURCE/docs/console.svg"
}
