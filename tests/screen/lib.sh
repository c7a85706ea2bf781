# What the screen tests share: a scene behind a control socket, and the console looking at it. Sourced.
# shellcheck shell=bash

: "${HB_BUILD:?the build folder}" "${HB_SOURCE:?the source folder}"
. "$HB_SOURCE/tests/support/terminal.sh"
screen_folder=$HB_SOURCE/tests/screen
harbinger=$HB_BUILD/harbinger
crowd=${HB_CROWD:-$HB_BUILD/tests/crowd_daemon}
crowd_pids=()

crowds_end() {
  local p
  for p in "${crowd_pids[@]}"; do
    kill -KILL "$p" 2>/dev/null
  done
}
term_cleanups+=(crowds_end)

# crowd_start NAME OPTION... : a daemon of invented guests on the socket $term_folder/NAME. Sets crowd_pid.
crowd_start() {
  local name=$1
  shift
  "$crowd" --socket "$term_folder/$name" "$@" >"$term_folder/$name.log" 2>&1 </dev/null &
  crowd_pid=$!
  crowd_pids+=("$crowd_pid")
  disown
  await 10 "the socket $name" test -S "$term_folder/$name"
}

# The scene stands still: its ticks are those of one moment, and the console asks for the next one in a minute.
scene_start() {
  crowd_start s --scene "$screen_folder/scenes/${1:-two_hosts}.json"
}

# console SIZE [NAME=VALUE...] -- OPTION... : the console on the scene.
console() {
  local -a before=()
  while [ "$1" != -- ]; do
    before+=("$1")
    shift
  done
  shift
  term_open "${before[@]}" -- "$harbinger" --socket s console "$@"
}

# The same with a picture that stays, once the last of the ticks that the scene begins with is there.
still() {
  console "$@" --every 60
  await_quietly 5 term_shows 'batch1|web1|what happened' || term_fail "the console does not reach its daemon"
  await_quietly 5 scene_told || term_fail "the picture does not come to rest"
}

# A key makes it look again at once.
scene_told() {
  local before
  before=$(term_masked)
  term_keys C-l
  sleep 0.15
  [ "$(term_masked)" = "$before" ]
}

# What no run has in common with another: what the console costs, how long it is connected, what it has received.
term_mask() {
  sed -E -e 's/(busiest daemon; )(-|[0-9.]+ %)( of a core)?( and) [0-9.]+ MiB here/\1C\4 M here/' \
    -e '/^daemon of /,/^a / { s/ [0-9.]+ (ms|s) +[0-9.]+ (ms|s) / T T /; s/[0-9.]+ (%|[KM]iB)/N/g; s/ +/ /g; }'
}
