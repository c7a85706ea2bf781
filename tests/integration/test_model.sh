#!/bin/bash
# label: long
# timeout: 180
# A model trained on made-up traces, stopped by ctrl-C and gone on with: the same bytes as one that went through; told of; evaluated
# beside the baselines; and a damaged one refused.
set -euo pipefail
: "${HB_BUILD:?the build folder}" "${HB_SOURCE:?the source folder}"
harbinger=$HB_BUILD/harbinger
work=$(mktemp -d "${TMPDIR:-/tmp}/hb-model.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() { echo "FAIL: $*" && tail -n 5 said 2>/dev/null && exit 1; }
command -v jq >/dev/null || { echo "skipped: no jq" && exit 77; }

"$HB_BUILD/tests/trace_synth" one.hbt --pages 2048 --epochs 150 --seed 1 --shape phases
"$HB_BUILD/tests/trace_synth" two.hbt --pages 2048 --epochs 150 --seed 2 --shape mix
"$HB_BUILD/tests/trace_synth" other.hbt --pages 2048 --epochs 90 --seed 3 --shape phases
size=(--hidden 8 --dense 12 --pages 128)

# ---- trained; stopped and gone on with ----
"$harbinger" model train one.hbt two.hbt -o whole.hbm "${size[@]}" --epochs 4 --seed 5 --json >whole.json
jq -e '.passes >= 1 and .lessons > 50 and .held_back > 5 and .bad_steps == 0 and .validation < .validation_untrained' whole.json >/dev/null ||
  fail "not trained: $(cat whole.json)"
# Stopped once a pass is kept; many passes, so that it cannot be over by then.
python3 - "$harbinger" <<'PY'
import os, signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_DFL)
run = subprocess.Popen([sys.argv[1], "model", "train", "one.hbt", "two.hbt", "-o", "parts.hbm", "--hidden", "8", "--dense", "12",
                        "--pages", "128", "--epochs", "1000", "--patience", "1000", "--seed", "5"], stderr=open("said", "w"))
while not os.path.exists("parts.hbm.part"):
    if run.poll() is not None:
        sys.exit("over before a pass was kept")
    time.sleep(0.01)
run.send_signal(signal.SIGINT)
if run.wait() == 0 or os.path.exists("parts.hbm"):
    sys.exit("ctrl-C did not stop it")
PY
grep -q -- --resume said || fail "it does not say how to go on"
"$harbinger" model train one.hbt two.hbt -o parts.hbm "${size[@]}" --epochs 4 --seed 5 --resume 2>said >parts.json &&
  fail "went on with another patience"
grep -q "trained otherwise" said || fail "no word of the other options"
"$harbinger" model train one.hbt two.hbt -o parts.hbm "${size[@]}" --epochs 4 --patience 1000 --seed 5 --json --resume >parts.json
jq -e .resumed parts.json >/dev/null || fail "it began anew"
"$harbinger" model train one.hbt two.hbt -o through.hbm "${size[@]}" --epochs "$(jq .passes parts.json)" --patience 1000 --seed 5 --json >/dev/null
cmp parts.hbm through.hbm || fail "stopped and gone on with, it is another model"
[ ! -e parts.hbm.part ] || fail "the checkpoint was left behind"
echo "trained, $(jq .passes parts.json) passes, stopped and gone on with: the same bytes"

# ---- told of ----
"$harbinger" model info whole.hbm --json | jq -e '.hidden == 8 and .dense == 12 and .weights > 100 and (.hash | length) == 32 and .bytes > 0' \
  >/dev/null || fail "model info"
head -c 2000 whole.hbm >cut.hbm
"$harbinger" model info cut.hbm 2>said && fail "a cut model was told of"
grep -q cut.hbm said || fail "the error does not name the file"

# ---- evaluated ----
evaluate() {
  "$harbinger" model eval other.hbt --policies "$HB_SOURCE/policies" --model whole.hbm --baselines recency,lfu --horizon 5,10 --finetune 5 "$@"
}
evaluate --json >eval.json
jq -e '(.cells | length) == 10 and ([.cells[].errors] | all(. == 0)) and ([.cells[].accesses.f1] | all(. > 0))' eval.json >/dev/null ||
  fail "cells"
jq -e '[.cells[] | select(.predictor | test("tuned|guarded")) | .lessons] | all(. > 5)' eval.json >/dev/null || fail "nothing was tuned"
jq -e '[.cells[] | select(.predictor == "lstm frozen") | .lessons] | all(. == 0)' eval.json >/dev/null || fail "the frozen one was tuned"
jq -e '.verdicts[0].accesses | .best_f1 > 0' eval.json >/dev/null || fail "no verdict"
evaluate --jobs 1 --json | jq 'del(.. | .took_s?)' >again.json
cmp <(jq 'del(.. | .took_s?)' eval.json) again.json || fail "another result on one thread"
evaluate >table
grep -q "against the best single baseline" table || fail "no table"
# The same as the replay says.
"$harbinger" trace replay other.hbt --policies "$HB_SOURCE/policies" --predictor recency --horizon 10 --simulated --json >replay.json
[ "$(jq -c .quality.all.f1 replay.json)" = "$(jq -c '.cells[] | select(.predictor == "recency" and .horizon_s == 10) | .accesses.f1' eval.json)" ] ||
  fail "trace replay judges otherwise"
echo "evaluated: $(jq -r '[.cells[] | select(.horizon_s == 10) | "\(.predictor) \(.accesses.f1 * 1000 | round / 1000)"] | join(", ")' eval.json)"
