#!/bin/bash
# timeout: 120
# harbinger trace replay: the same decisions from anywhere and at any pace, other ones under another policy; what --json holds; a
# replay that stands still; an interrupt; and what is refused.
set -euo pipefail
: "${HB_BUILD:?the build folder}" "${HB_SOURCE:?the source folder}"
harbinger=$HB_BUILD/harbinger
work=$(mktemp -d "${TMPDIR:-/tmp}/hb-replay.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() { echo "FAIL: $*" && exit 1; }
command -v jq >/dev/null || { echo "skipped: no jq" && exit 77; }
replay() { "$harbinger" trace replay "$@"; }
refused() { # EXIT-CODE WORD ARGUMENT...
  local want=$1 word=$2 got=0
  shift 2
  replay "$@" >output 2>&1 </dev/null || got=$?
  [ "$got" = "$want" ] || fail "exit $got, not $want: $* ($(cat output))"
  grep -q -- "$word" output || fail "no word of $word: $(cat output)"
}

"$HB_BUILD/tests/trace_synth" t.hbt --pages 2048 --epochs 70 --seed 3 --shape mix

# ---- what there is to know ----
replay t.hbt --json --points --migrate-at 20,40 >first.json
for member in records seconds epochs precision recall f1 f1_returning f1_new f1_writes hit late stale wasted bytes decision_digest \
  mode migrations points coverage; do
  jq -e "has(\"$member\")" first.json >/dev/null || fail "no $member"
done
jq -e '.mode == "simulated" and .epochs == 70 and .seconds == 70 and .digest_matches == null and .moments == 7 and
  (.f1 > 0 and .f1 < 1) and (.points | length) == 70 and (.migrations | length) == 2 and
  ([.migrations[].converged] | all) and .hit + .late + .stale + .missing == .points[-1].resident and
  .bytes == .points[-1].bytes and (.decision_digest | test("^[0-9a-f]{16}$"))' first.json >/dev/null || fail "$(jq -c 'del(.points)' first.json)"
digest=$(jq -r .decision_digest first.json)

# ---- the same every time ----
mkdir elsewhere && cp t.hbt elsewhere/other-name.hbt
for i in $(seq 10); do
  (cd elsewhere && replay other-name.hbt --json >"../a$i.json") &
  replay t.hbt --json --speed $((i * 300)) >"b$i.json"
  wait $!
done
for f in [ab]*.json; do
  [ "$(jq -r .decision_digest "$f")" = "$digest" ] || fail "$f: another digest"
  [ "$(jq -S 'del(.file, .took_s)' "$f")" = "$(jq -S 'del(.file, .took_s, .points) | .migrations = []' first.json)" ] || fail "$f: another result"
done
replay t.hbt --json --policies "$HB_SOURCE/policies" --predictor ewma --scorer cost_benefit --threshold adaptive >lua.json
[ "$(jq -r .decision_digest lua.json)" = "$digest" ] || fail "the built-in policies and their texts decide differently"
cp -r "$HB_SOURCE/policies" mine
sed -i 's/base = { default = 0.3,/base = { default = 0.31,/' mine/score/cost_benefit.lua
replay t.hbt --json --policies mine --predictor ewma --scorer cost_benefit --threshold adaptive >mine.json
[ "$(jq -r .decision_digest mine.json)" != "$digest" ] || fail "another constant, the same decisions"
for other in "--link 8mbit" "--horizon 25" "--latency 300ms" "--image-size 2MiB"; do
  # shellcheck disable=SC2086 # two words
  replay t.hbt --json $other >other.json
  [ "$(jq -r .decision_digest other.json)" != "$digest" ] || fail "$other changes nothing"
done
replay t.hbt --json --budget oracle >oracle.json
[ "$(jq -r .decision_digest oracle.json)" = "$digest" ] || fail "judging otherwise changes decisions"
jq -e '(.precision - .recall | fabs) < 1e-9' oracle.json >/dev/null || fail "as many as are true: precision is recall"

# ---- for people, and standing still ----
replay t.hbt --migrate-at 30 >table
for word in "pages used" "never seen before" missing "$digest" converges "lay fresh"; do
  grep -q "$word" table || fail "the table does not say: $word"
done
printf 'stats\npage 1\ntop 3\ndecisions 2\nuntil 30\npoint\nwhat\nquit\n' | replay t.hbt --until 12 >asked 2>said || fail "$(cat said)"
grep -q "^processed" asked || fail "no answers: $(cat asked)"
grep -q "decisions:" asked || fail "no table at the end: $(cat asked)"
grep -q what said || fail "a wrong question is not told"
[ "$(replay t.hbt --until 12 --json | jq .epochs)" = 12 ] || fail "--until went on"

# ---- an interrupt ----
# (a shell's background processes ignore SIGINT, so one that does not starts it)
python3 - "$harbinger" <<'PY' || fail "ctrl-C"
import signal, subprocess, sys, time
p = subprocess.Popen([sys.argv[1], "trace", "replay", "t.hbt", "--speed", "real"], stderr=subprocess.PIPE,
                     preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
time.sleep(0.5)
p.send_signal(signal.SIGINT)
try:
    p.wait(10)
except subprocess.TimeoutExpired:
    p.kill()
    sys.exit("goes on")
sys.exit(p.returncode != 10 and f"exit {p.returncode}: {p.stderr.read()}")
PY

# ---- refused ----
refused 2 gbit t.hbt --link 3lightyears
refused 2 "600" t.hbt --migrate-at 600x
refused 2 "exclude" t.hbt --exact --simulated
refused 2 "working-set" t.hbt --budget large
refused 6 "simulated" t.hbt --exact
refused 3 nobody t.hbt --policies "$HB_SOURCE/policies" --predictor nobody
refused 3 not-there not-there.hbt
head -c 3000 /dev/urandom >noise.hbt
replay noise.hbt >output 2>&1 && fail "noise was replayed"
replay . >output 2>&1 && fail "a folder was replayed"
echo "ok: $digest, 20 of 20"
