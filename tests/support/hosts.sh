# Two hosts on this machine, a and b, with real daemons and process guests, for tests/integration and tests/faults. Sourced.
# shellcheck shell=bash
#
# Every condition is awaited with a limit; nothing sleeps for a fixed time. Only processes recorded here are ever ended. One test may have several pairs of hosts at once (pair_new), each with a folder and ports of
# its own: a subshell a pair. 127.x.y.z is this machine whatever x, y and z are, so the test's own number makes its addresses.

: "${HB_BUILD:?the build folder}" "${HB_SOURCE:?the source folder}"
bin=$HB_BUILD
guest_load=$HB_BUILD/examples/guest_load/guest_load
programs=$HB_BUILD/tests
work=$(mktemp -d "${TMPDIR:-/tmp}/hb-test.XXXXXX")
shm=$(mktemp -d /dev/shm/hb-test.XXXXXX)
address=127.$((64 + ($$ >> 16) % 64)).$((($$ >> 8) & 255)).$(($$ & 255))
pair=$work
pair_count=0
test_began=$EPOCHREALTIME
: >"$work/pids"

# ---- processes ----

start_time() {
  local stat
  read -r stat 2>/dev/null <"/proc/$1/stat" || return 1
  # shellcheck disable=SC2086 # fields on purpose
  set -- ${stat##*) }
  echo "${20}"
}

# record PID [FILE] : ended with the test. A process is known by its number and its start: numbers come round quickly here.
record() {
  local at
  at=$(start_time "$1") || return 0
  echo "$1 $at" >>"$work/pids"
  [ -z "${2:-}" ] || echo "$1 $at" >"$2"
}

# A process whose first thread is a zombie lives on in its other threads: until the last of them has ended, all it had open is.
same_process() {
  local threads
  [ "$(start_time "$1")" = "$2" ] || return 1
  threads=("/proc/$1/task"/*)
  [ "${#threads[@]}" -gt 1 ] || ! grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null
}

# alive FILE|PID : the process that was recorded there, or last under that number.
alive() {
  local pid=$1 at=
  case $1 in */*) read -r pid at 2>/dev/null <"$1" || return 1 ;; esac
  [ -n "$at" ] || read -r _ at < <(grep "^$pid " "$work/pids" | tail -n 1) || return 1
  same_process "$pid" "$at"
}

kill_9() { # FILE|PID
  local pid=$1
  ! alive "$1" || {
    case $1 in */*) read -r pid _ <"$1" ;; esac
    kill -KILL "$pid" 2>/dev/null || true
  }
  await 10 "process $1 to be gone" not alive "$1"
}

end_all() {
  local pid at
  while read -r pid at; do
    ! same_process "$pid" "$at" || kill -CONT "$pid" 2>/dev/null || true
    ! same_process "$pid" "$at" || kill -KILL "$pid" 2>/dev/null || true
  done <"$work/pids"
}

# A daemon built with sanitizers says in its log what it was ended for, and what it leaked when it ended by itself.
no_sanitizer_spoke() {
  local f
  for f in $(grep -lE 'ERROR: [A-Za-z]+Sanitizer|runtime error:' "$work"/*/?/log.* 2>/dev/null || true); do
    echo "FAIL: ${f#"$work"/}" >&3
    grep -E -A40 -m1 'ERROR: [A-Za-z]+Sanitizer|runtime error:' "$f" >&3
    return 1
  done
}

clean_up() {
  local rc=$?
  trap - EXIT
  type on_clean_up >/dev/null 2>&1 && on_clean_up
  end_all
  no_sanitizer_spoke || rc=1
  if [ -n "${HB_KEEP:-}" ]; then
    echo "kept: $work $shm"
  else
    rm -rf "$work" "$shm"
  fi
  exit $rc
}
trap clean_up EXIT
set -E
exec 3>&1 # what is said, wherever standard output goes just then
trap 'echo "FAIL: ${BASH_SOURCE[0]##*/} line $LINENO, exit code $?: $BASH_COMMAND" >&3' ERR
trap 'exit 143' TERM INT

# ---- saying and waiting ----

say() {
  printf '%6.2f  %s\n' "$(elapsed "$test_began")" "$*" >&3
}

elapsed() {
  local from=${1/[.,]/} now=${EPOCHREALTIME/[.,]/}
  printf '%d.%06d' $(((now - from) / 1000000)) $(((now - from) % 1000000))
}

skip() {
  echo "skipped: $*"
  exit 77
}

# fail WORDS : with the ends of what the daemons and guests of this pair have said.
fail() {
  local f
  exec >&3
  echo "FAIL: $*"
  for f in "$pair"/*/pid; do
    [ ! -e "$f" ] || echo "--- ${f#"$work"/}: $(cat "$f"), $(alive "$f" && echo running || echo gone): $(tr '\0' ' ' 2>/dev/null <"/proc/$(cut -d' ' -f1 "$f")/cmdline" || true)"
  done
  for f in "$pair"/*/log.* "$pair"/guest.*/log; do
    [ -s "$f" ] || continue
    echo "--- ${f#"$work"/}"
    case $f in
      */guest.*) grep -v ^HB "$f" | tail -n 5 && tail -n 2 "$f" ;;
      *) tail -n "${HB_TAIL:-30}" "$f" ;;
    esac
  done
  for f in "$pair"/*.json; do
    ! grep -q '"error": {' "$f" 2>/dev/null || { echo "--- ${f##*/}" && jq -c .error "$f"; }
  done
  [ ! -s "$pair/error" ] || { echo "--- last message" && cat "$pair/error"; }
  exit 1
}

not() {
  ! "$@"
}

# count PATTERN FILE : of lines; 0 where there is no file.
count() {
  local n
  n=$(grep -c -- "$1" "$2" 2>/dev/null) || true
  echo "${n:-0}"
}

# await SECONDS WHAT COMMAND... : until COMMAND succeeds.
await() {
  await_quietly "$1" "${@:3}" || fail "not within $1 s: $2"
}

await_quietly() {
  local until=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
  shift
  until "$@"; do
    [ "${EPOCHREALTIME/[.,]/}" -lt $until ] || return 1
    sleep 0.02
  done
}

# ---- hosts ----

# pair_new NAME : two hosts in a folder of their own, joined by a wire that can be cut. Sets $pair.
pair_new() {
  pair=$work/$1
  images=$shm/$1
  mkdir -p "$pair"/{a,b}/state "$images"/{a,b}
  [ -d "$work/certs" ] || certificates
  port_base=$((7400 + ${2:-$pair_count} * 10))
  pair_count=$((pair_count + 1))
  host_settings a b
  host_settings b a
  guest_script
}

other() {
  case $1 in a) echo b ;; b) echo a ;; esac
}

port_of() { # where the host itself listens; + 2: the wire's end for it
  case $1 in a) echo $((port_base + 1)) ;; b) echo $((port_base + 2)) ;; esac
}

wire_of() {
  if [ -n "${with_wire:-}" ]; then
    echo $(($(port_of "$1") + 2))
  else
    port_of "$1"
  fi
}

certificates() {
  local h
  mkdir -p "$work/certs"
  "$bin/harbinger" cert init --dir "$work/certs" >"$work/cert.log" 2>&1 || fail "harbinger cert init: $(cat "$work/cert.log")"
  for h in a b; do
    "$bin/harbinger" cert host "$h" --dir "$work/certs" >"$work/cert.log" 2>&1 ||
      fail "harbinger cert host $h: $(cat "$work/cert.log")"
  done
}

# What a test wants otherwise stands in the associative array `setting`, by "section.key"; "a:section.key" for one host alone.
declare -A setting=()
set_for() {
  local key=$2
  if [ -n "${setting[$1:$key]+set}" ]; then
    echo "${key#*.} = ${setting[$1:$key]}"
  elif [ -n "${setting[$key]+set}" ]; then
    echo "${key#*.} = ${setting[$key]}"
  elif [ -n "${3+set}" ]; then
    echo "${key#*.} = $3"
  fi
}

host_settings() {
  local h=$1 o=$2
  {
    echo "[host]"
    echo "name = $h"
    set_for "$h" host.state_dir "$pair/$h/state"
    set_for "$h" host.run_dir "$images/$h/run"
    set_for "$h" host.image_dir "$images/$h/images"
    set_for "$h" host.image_ram_bytes
    set_for "$h" host.spill_dir
    echo "[control]"
    echo "socket = $pair/$h/control"
    echo "[peer]"
    echo "listen = $address:$(port_of "$h")"
    set_for "$h" peer.ca "$work/certs/ca.crt"
    set_for "$h" peer.cert "$work/certs/$h.crt"
    set_for "$h" peer.key "$work/certs/$h.key"
    set_for "$h" peer.secret "$work/certs/cluster.secret"
    echo "[host.$o]"
    echo "address = $address:$(wire_of "$o")"
    set_for "$h" host.rdma_address
    set_for "$h" host.may_pull "*"
    set_for "$h" host.may_push "*"
    echo "[policy]"
    echo "dir = $HB_SOURCE/policies"
    set_for "$h" policy.predictor
    set_for "$h" policy.scorer
    set_for "$h" policy.threshold
    set_for "$h" policy.judge
    set_for "$h" policy.finetune
    echo "[tracking]"
    set_for "$h" tracking.epoch_ms 100
    set_for "$h" tracking.backend
    set_for "$h" tracking.grace_ms
    echo "[transport]"
    set_for "$h" transport.cap_bytes_per_s
    set_for "$h" transport.window_bytes
    set_for "$h" transport.summary_bytes_per_s
    set_for "$h" transport.summary_blocks_from
    set_for "$h" transport.connections 1
    set_for "$h" transport.compression
    set_for "$h" transport.rdma
    set_for "$h" transport.rdma_pinned_bytes
    echo "[duplicates]"
    set_for "$h" duplicates.find
    set_for "$h" duplicates.budget
    set_for "$h" duplicates.files
    set_for "$h" duplicates.keep_dir
    set_for "$h" duplicates.keep_bytes
    echo "[migration]"
    set_for "$h" migration.max_downtime_ms 1000
    set_for "$h" migration.timeout_s
    set_for "$h" migration.verify
    echo "[guest.g]"
    set_for "$h" guest.incoming_command "exec $pair/guest.sh $h incoming"
    set_for "$h" guest.incoming_process
  } >"$pair/$h/harbingerd.ini"
}

# daemon_start HOST [ENVIRONMENT...] : returns when it answers. Each life has a log of its own.
daemon_start() {
  daemon_launch "$@"
  await "${start_seconds:-10}" "harbingerd on $1 to answer" daemon_answers "$1"
}

daemon_launch() {
  local h=$1 n=1
  shift
  while [ -e "$pair/$h/log.$n" ]; do n=$((n + 1)); done
  rm -f "$pair/$h/control"
  env "$@" "$bin/harbingerd" --config "$pair/$h/harbingerd.ini" >"$pair/$h/log.$n" 2>&1 </dev/null &
  echo "$n" >"$pair/$h/life"
  record $! "$pair/$h/pid"
  disown
}

daemon_answers() {
  alive "$pair/$1/pid" || fail "harbingerd on $1 ended"
  hb "$1" --json status >"$pair/$1/status" 2>/dev/null
}

daemon_pid() {
  cut -d' ' -f1 "$pair/$1/pid" 2>/dev/null
}

daemon_alive() {
  alive "$pair/$1/pid"
}

# Of its present life.
daemon_log() {
  echo "$pair/$1/log.$(cat "$pair/$1/life")"
}

daemon_kill() {
  kill_9 "$pair/$1/pid"
}

# An orderly end: exit code 0 and nothing said that is worse than a notice.
daemon_stop() {
  local pid
  read -r pid _ <"$pair/$1/pid"
  kill -TERM "$pid"
  await 20 "harbingerd on $1 to end" not daemon_alive "$1"
}

# hb HOST ARGUMENT... : the command, talking to that host's daemon.
hb() {
  local h=$1
  shift
  "$bin/harbinger" --socket "$pair/$h/control" "$@"
}

# must HOST ARGUMENT... : it succeeds; --json output on standard output.
must() {
  last_error=$pair/error
  hb "$@" 2>"$last_error" || fail "on $1: harbinger ${*:2}: exit code $?"
  last_error=
}

# refused CODE PATTERN HOST ARGUMENT... : it fails with this exit code, and says what, which and what next on standard error.
refused() {
  local code=$1 pattern=$2 got=0
  shift 2
  last_error=$pair/error
  hb "$@" >"$pair/output" 2>"$last_error" || got=$?
  [ $got = "$code" ] || fail "on $1: harbinger ${*:2}: exit code $got, not $code"
  grep -qiE -- "$pattern" "$last_error" || fail "on $1: harbinger ${*:2}: the message does not say '$pattern'"
  grep -q '^  next: .' "$last_error" || [ "$code" = 5 ] || fail "on $1: harbinger ${*:2}: the message does not say what next"
  say "refused as it should be ($code): $(grep -m1 "^harbinger" "$last_error")"
  last_error=
}

# status HOST FILTER : jq over the host's status, raw.
status() {
  hb "$1" --json status 2>/dev/null | jq -r "$2" 2>/dev/null
}

status_is() {
  [ "$(status "$1" "$2")" = "$3" ]
}

# Everything of this pair, after a case that is over.
pair_end() {
  local f
  for f in "$pair"/*/pid "$pair"/wire.pid; do
    [ ! -s "$f" ] || kill_9 "$f"
  done
  no_sanitizer_spoke || exit 1
  [ -n "${HB_KEEP:-}" ] || rm -rf "$pair" "$images"
}

# ---- the wire ----

wire_up() {
  "$programs/cut_proxy" "$address:$((port_base + 3))" "$address:$((port_base + 1))" \
    "$address:$((port_base + 4))" "$address:$((port_base + 2))" >"$pair/wire" 2>&1 </dev/null &
  record $! "$pair/wire.pid"
  disown
  await 5 "the wire to be up" grep -q ready "$pair/wire"
}

wire_said() {
  [ "$(count "$1" "$pair/wire")" -ge "$2" ]
}

wire_cut() {
  local n
  n=$(count cut "$pair/wire")
  kill -USR1 "$(cut -d' ' -f1 "$pair/wire.pid")"
  await 5 "the wire to be cut" wire_said cut $((n + 1))
}

wire_join() {
  local n
  n=$(count joined "$pair/wire")
  kill -USR2 "$(cut -d' ' -f1 "$pair/wire.pid")"
  await 5 "the wire to be joined" wire_said joined $((n + 1))
}

# ---- guests: processes. Number N of guest g is $pair/guest.N with pid, host, log ----

# The same script starts the first one and those that daemons start to receive it.
guest_script() {
  cat >"$pair/guest.sh" <<SCRIPT
#!/bin/sh
# guest.sh HOST start MEMORY SOCKET [PARAMETER...] | HOST incoming (by a daemon: HB_IMAGE_ram, HB_SOCKET)
host=\$1 how=\$2
n=1
while ! mkdir "$pair/guest.\$n" 2>/dev/null; do n=\$((n + 1)); done
me=$pair/guest.\$n
echo "\$host" >"\$me/host"
read -r stat </proc/\$\$/stat
stat=\${stat##*) }
echo "\$\$ \$(echo "\$stat" | cut -d' ' -f20)" >"\$me/pid"
cat "\$me/pid" >>"$work/pids"
if [ "\$how" = incoming ]; then
  exec "$guest_load" --attach "\$HB_SOCKET" --memory "\$HB_IMAGE_ram" --incoming ${guest_words:-} >"\$me/log" 2>&1
fi
memory=\$3 socket=\$4
shift 4
exec "$guest_load" --attach "\$socket" --memory "\$memory" ${guest_words:-} "\$@" >"\$me/log" 2>&1
SCRIPT
  chmod +x "$pair/guest.sh"
}

# guest_start HOST [PARAMETER...] : sets $guest to its number and $guest_socket; returns when its memory is filled.
guest_start() {
  local h=$1
  shift
  guest_socket=$pair/$h/guest.sock
  guest=$(($(guest_count) + 1))
  "$pair/guest.sh" "$h" start "${guest_memory:-memfd}" "$guest_socket" "$@" </dev/null &
  disown
  await 20 "guest $guest to be ready" guest_says "$guest" '^LOAD-READY'
}

guest_count() {
  local n=0
  while [ -d "$pair/guest.$((n + 1))" ]; do n=$((n + 1)); done
  echo $n
}

guest_pid() {
  cut -d' ' -f1 "$pair/guest.$1/pid" 2>/dev/null
}

guest_host() {
  cat "$pair/guest.$1/host" 2>/dev/null
}

guest_alive() {
  alive "$pair/guest.$1/pid"
}

guest_says() {
  grep -q -- "$2" "$pair/guest.$1/log" 2>/dev/null
}

guest_beats() {
  count '^HB ' "$pair/guest.$1/log"
}

guest_beats_at_least() {
  [ "$(guest_beats "$1")" -ge "$2" ]
}

guest_kill() {
  kill_9 "$pair/guest.$1/pid"
}

# guest_runs N : its heart beats on.
guest_runs() {
  guest_alive "$1" && await_quietly "${2:-5}" guest_beats_at_least "$1" $(($(guest_beats "$1") + 5))
}

# The number of the guest process that runs, which must be one alone: while it beats 10 times no other does. Sets $guest.
guest_one_runs() {
  local n total before=() running=() until
  total=$(guest_count)
  for ((n = 1; n <= total; n++)); do before[n]=$(guest_beats "$n"); done
  await "${1:-5}" "one copy of the guest to run" guest_any_beats "${before[@]}"
  for ((n = 1; n <= total; n++)); do
    [ "$(guest_beats "$n")" -eq "${before[n]}" ] || running+=("$n")
  done
  [ ${#running[@]} = 1 ] || fail "${#running[@]} copies of the guest run: ${running[*]}"
  guest=${running[0]}
}

guest_any_beats() {
  local n=0
  for b in "$@"; do
    n=$((n + 1))
    [ "$(guest_beats $n)" -lt $((b + 10)) ] || return 0
  done
  return 1
}

# No heartbeat was ever printed by two copies: beats are numbered, and the number moves with the guest.
guest_never_twice() {
  local twice
  twice=$(sed -n 's/^HB \([0-9]*\) .*/\1/p' "$pair"/guest.*/log | sort -n | uniq -d | head -n 3 | tr '\n' ' ')
  [ -z "$twice" ] || fail "two copies of the guest ran: both printed heartbeats $twice"
}

# guest_verify N [BAD] : all its memory is as it should be, by its own word, now.
guest_verify() {
  local n=$1 bad=${2:-0} before
  before=$(count '^LOAD-VERIFIED' "$pair/guest.$n/log")
  kill -USR1 "$(guest_pid "$n")"
  await 20 "guest $n to have checked its memory" guest_verified "$n" $((before + 1))
  grep '^LOAD-VERIFIED' "$pair/guest.$n/log" | tail -n 1 | grep -q "bad=$bad\$" ||
    fail "guest $n: $(grep '^LOAD-VERIFIED' "$pair/guest.$n/log" | tail -n 1), not bad=$bad"
  [ "$bad" != 0 ] || ! grep -hE '^BAD |^HB .*(bad=[1-9]|lost=[1-9])' "$pair/guest.$n/log" || fail "guest $n saw bad memory"
}

guest_verified() {
  [ "$(count '^LOAD-VERIFIED' "$pair/guest.$1/log")" -ge "$2" ]
}

guest_attached() { # on HOST, and scanned
  [ "$(status "$1" '.guests[] | select(.name == "g") | .epoch')" -ge 1 ] 2>/dev/null
}

# move FROM TO [OPTION...] : a migration that succeeds; its figures in $pair/move.json, the new process in $guest.
move() {
  local from=$1 to=$2
  shift 2
  must "$from" --json migrate g --to "$to" "$@" >"$pair/move.json"
  guest=$(guest_count)
  await 10 "the guest to be attached on $to" guest_attached "$to"
}

# ---- what must be so when all has settled ----

no_handovers() {
  status_is a '.handovers | length' 0 && status_is b '.handovers | length' 0
}

journal_clean() {
  local h open
  for h in a b; do
    open=$("$programs/journal_open" "$pair/$h/state/harbinger.db") || fail "the journal of $h cannot be read"
    [ -z "$open" ] || return 1
  done
}
