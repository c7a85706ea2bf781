#!/bin/bash
# timeout: 90
# The console without a screen: every view as JSON, CSV and lines; exit codes; orders typed as lines, refused and confirmed.
set -euo pipefail
: "${HB_BUILD:?the build folder}" "${HB_SOURCE:?the source folder}"
harbinger=$HB_BUILD/harbinger
work=$(mktemp -d "${TMPDIR:-/tmp}/hb-test.XXXXXX")
pids=()
cleanup() {
  local p
  for p in "${pids[@]}"; do
    kill "$p" 2>/dev/null && wait "$p" 2>/dev/null
  done
  rm -rf "$work"
}
trap cleanup EXIT
cd "$work"
export HOME=$work XDG_STATE_HOME=$work/state LC_ALL=C.UTF-8

fail() {
  echo "FAIL: $*"
  tail -n 20 out err 2>/dev/null || true
  exit 1
}

# ends CODE ARGUMENT... : with nothing on standard input; output in out and err.
ends() {
  local want=$1 rc=0
  shift
  timeout 30 "$harbinger" console "$@" >out 2>err </dev/null || rc=$?
  [ "$rc" = "$want" ] || fail "console $*: exit code $rc, not $want"
}
says() { # FILE TEXT
  grep -qF -- "$2" "$1" || fail "$1 does not say: $2"
}

"$HB_BUILD/tests/crowd_daemon" --socket "$work/s" --scene "$HB_SOURCE/tests/screen/scenes/two_hosts.json" >crowd.log 2>&1 &
pids+=($!)
for ((i = 0; i < 100; i++)); do
  [ ! -S s ] || break
  sleep 0.05
done

# ---- each view, each way ----
for view in overview guest placement policies migration traces network events help; do
  ends 0 "$work/s" --json --view "$view"
  jq -e ".view == \"$view\"" out >/dev/null || fail "$view: not its JSON"
  ! grep -qiE '\bnan\b|-nan|null\(' out || fail "$view: a number that is none"
  ends 0 "$work/s" --csv --view "$view"
  [ "$(head -n 1 out | tr ',' '\n' | grep -cE '^[a-z0-9_]+$')" -ge 2 ] || fail "$view: no headings in its CSV"
  ends 0 "$work/s" --plain --ticks 1 --view "$view"
  says out "$view"
done
ends 0 "$work/s" --json --view guest --of web1
jq -e '.subject | test("^web1")' out >/dev/null || fail "guest: not of web1"
ends 0 "$work/s" --json --ticks 2 --every 0.3
[ "$(jq -c .view out | wc -l)" = 2 ] || fail "two ticks are not two lines"

# ---- what does not work says so, and exits accordingly ----
ends 3 "$work/s" --json --view guest --of nobody
jq -e '.error.code == "ENOENT"' out >/dev/null || fail "no error object"
ends 5 "$work/none" --plain --ticks 1
says err "harbingerd is not running here"
ends 2 "$work/s"
says err "--plain and --json need no terminal"
ends 2 "$work/s" --plain --view nope
says err "one of: overview"
ends 2 "$work/s" --plain --csv
printf '[keys]\nmigrte = m\n' >bad.ini
ends 2 "$work/s" --plain --ticks 1 --config bad.ini
says err "bad.ini:2"
says err 'did you mean "migrate"?'
ends 3 --json --play none.hbt
ends 1 --json --play "$HB_SOURCE/README.md"
says out "not a Harbinger trace"

# ---- typed lines: moving, filter, read-only, a question ----
printf '%s\n' 'filter web' 'placement web1' 'migrate' 'frobnicate' | timeout 30 "$harbinger" console "$work/s" --plain --ticks 4 >out 2>err ||
  fail "typed lines: exit code $?"
says out 'placement: web1'
says err '--control'
says err '"frobnicate" is no action'

# ---- orders, on a replay: nothing but the exact name moves a guest ----
"$harbinger" trace serve "$HB_SOURCE/examples/traces/redis.hbt" --dir "$work/r" --speed 20 --simulated --again 2>serve.log &
pids+=($!)
for ((i = 0; i < 100; i++)); do
  [ ! -S r/b.sock ] || break
  sleep 0.05
done
printf '%s\n' 'migration redis' migrate redi migrate redis | timeout 60 "$harbinger" console r/a.sock r/b.sock --plain --control --ticks 6 >out 2>err || fail "orders: exit code $?"
says err 'Type redis to do it'
says err 'nothing was done'
says err 'done: move redis from a to b'
says out '+ done'
echo "every view in every way, exit codes, orders by name"
