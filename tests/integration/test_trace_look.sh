#!/bin/bash
# timeout: 120
# A trace looked at and handled, as its owner does it: info, show, cut, merge, anonymize, verify, repair, and a replay asked line by line.
set -euo pipefail
hb=${HB_BUILD:?}/harbinger
synth=$HB_BUILD/tests/trace_synth
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
export LC_ALL=C.UTF-8
fail() {
  echo "FAIL: $*"
  exit 1
}
# exits CODE COMMAND... : its exit code; output in out and err.
exits() {
  local want=$1 code=0
  shift
  "$@" >out 2>err || code=$?
  [ "$code" = "$want" ] || { cat out err; fail "exit $code, not $want: $*"; }
}
# same WHAT A B
same() {
  [ "$2" = "$3" ] || fail "$1: $2, not $3"
}
member() { # FILE PATH : of trace info --json
  "$hb" trace info "$1" --json | jq -r "$2"
}

"$synth" a.hbt --pages 20000 --epochs 120 --shape mix --seed 7

# ---- info ----
exits 0 "$hb" trace info a.hbt
grep -q '^guest: *synth$' out
grep -q '^epochs: *120, 1 to 120, of 1.0 s each$' out
grep -q '^time: *2 min 0 s$' out
same records "$(member a.hbt .records)" "$("$hb" trace info a.hbt --quick --json | jq .records)"
same ended "$(member a.hbt .ended)" true
same damaged "$(member a.hbt .damaged)" 0
[ "$(member a.hbt '.touched_pages > 10000 and .written_pages < .touched_pages and .bytes_per_record < 2')" = true ] ||
  fail "figures: $("$hb" trace info a.hbt --json)"

# ---- verify ----
exits 0 "$hb" trace verify a.hbt
same "lines of verify" "$(wc -l <out)" 1
grep -q '^a.hbt: sound: .* 120 epochs' out

# ---- show: three glyph sets, its sums those of info; no escape codes into a file ----
for glyphs in ascii block braille; do
  for width in 40 100; do
    exits 0 "$hb" trace show a.hbt --glyphs $glyphs --width $width --rows 10
    same "rows at $width" "$(grep -c '^ *0x[0-9a-f]* |' out)" 10
    [ "$(wc -L <out)" -le $width ] || fail "wider than $width"
    ! grep -q $'\033' out || fail "escape codes in a file"
  done
done
LC_ALL=C exits 0 "$hb" trace show a.hbt
! LC_ALL=C grep -q '[^ -~]' out || fail "not ASCII in the C locale"
same "sum of the matrix" "$("$hb" trace show a.hbt --json | jq '[.reads, .writes | flatten[]] | add')" \
  "$(member a.hbt '.reads + .writes')"
exits 0 "$hb" trace show a.hbt --from 10 --to 20 --pages 0x100-0x1ff --json
same range "$(jq -c '[.from, .to, .first_page, .pages]' out)" '[10,20,256,256]'
exits 2 "$hb" trace show a.hbt --what colours
exits 2 "$hb" trace show a.hbt --pages 9-3
exits 2 "$hb" trace show a.hbt --from 500

# ---- cut and merge: the parts are the whole again ----
"$hb" trace export a.hbt -o a.csv 2>/dev/null
exits 0 "$hb" trace cut a.hbt -o 1.hbt --to 40
exits 0 "$hb" trace cut a.hbt -o 2.hbt --from 41 --to 80
exits 0 "$hb" trace cut a.hbt -o 3.hbt --seconds --from 80.5
same "epochs of the parts" "$(for f in 1 2 3; do member $f.hbt .epochs; done | xargs)" "40 40 40"
exits 0 "$hb" trace merge 1.hbt 2.hbt 3.hbt -o m.hbt
"$hb" trace export m.hbt -o m.csv 2>/dev/null
cmp a.csv m.csv || fail "merged parts are not the whole"
exits 2 "$hb" trace merge 2.hbt 1.hbt -o wrong.hbt
grep -q 'order' err
[ ! -e wrong.hbt ] || fail "a refused merge left a file"
exits 6 "$hb" trace cut a.hbt -o 1.hbt --to 10 # it is there
same "an existing file" "$(member 1.hbt .epochs)" 40
exits 0 "$hb" trace cut a.hbt -o 1.hbt --to 10 --force
same "a replaced file" "$(member 1.hbt .epochs)" 10
exits 2 "$hb" trace cut a.hbt -o a.hbt --to 10 --force
exits 3 "$hb" trace cut a.hbt -o none.hbt --from 1000
exits 3 "$hb" trace cut nosuch.hbt -o none.hbt --from 1
[ ! -e none.hbt ] || fail "nothing was left, and a file"
exits 0 "$hb" trace cut a.hbt -o pages.hbt --pages 1000-1999 --json
same "pages of a cut" "$(member pages.hbt '[.pages, .touched_pages <= 1000] | tostring')" '[20000,true]'

"$synth" b.hbt --pages 5000 --epochs 60 --shape scan --seed 8
exits 0 "$hb" trace merge a.hbt b.hbt --side-by-side -o side.hbt
same "side by side" "$(member side.hbt '[.pages, .epochs, (.regions | length)] | tostring')" '[25000,120,2]'
same "its accesses" "$(member side.hbt '.reads + .writes')" "$(($(member a.hbt '.reads + .writes') + $(member b.hbt '.reads + .writes')))"
exits 0 "$hb" trace verify side.hbt

# ---- anonymize ----
exits 0 "$hb" trace anonymize a.hbt -o anon.hbt --seed 1
exits 0 "$hb" trace anonymize a.hbt -o again.hbt --seed 1
cmp anon.hbt again.hbt || fail "one seed, two files"
exits 0 "$hb" trace anonymize a.hbt -o random.hbt
! cmp -s anon.hbt random.hbt || fail "no seed, the same file"
! grep -qa synth anon.hbt || fail "a name is left"
same "what stays" "$(member anon.hbt '[.anonymized, .guest, .note, .records, .reads, .writes, .touched_pages] | tostring')" \
  "$(member a.hbt '[true, "guest", "", .records, .reads, .writes, .touched_pages] | tostring')"
exits 0 "$hb" trace verify anon.hbt

# ---- damage ----
size=$(stat -c %s a.hbt)
head -c $((size * 2 / 3)) a.hbt >short.hbt
cp a.hbt broken.hbt
printf 'XXXX' | dd of=broken.hbt bs=1 seek=$((size / 2)) conv=notrunc status=none
sum=$(cat short.hbt broken.hbt | cksum)
exits 7 "$hb" trace verify short.hbt
grep -q 'no end' err
exits 7 "$hb" trace verify broken.hbt
grep -q '^damage: ' out
exits 7 "$hb" trace verify broken.hbt --json
same sound "$(jq .sound out)" false
for f in short broken; do
  exits 0 "$hb" trace repair $f.hbt -o $f.fixed.hbt
  grep -q '1 gap, marked' err
  exits 0 "$hb" trace verify $f.fixed.hbt
  same "marks in $f" "$(member $f.fixed.hbt '[.marks[] | select(.mark == "repaired")] | length')" 1
done
same "the damaged files" "$(cat short.hbt broken.hbt | cksum)" "$sum"
exits 0 "$hb" trace info broken.hbt
grep -q '^damage: ' out
exits 0 "$hb" trace show broken.hbt --width 60
grep -q 'damaged block' err
grep -q 'epochs of that range are not in the trace' err
printf 'no trace at all, but some text that is long enough to be one' >text.hbt
for verb in info show verify; do
  exits 7 "$hb" trace $verb text.hbt
done
for odd in . /dev/null; do
  code=0
  "$hb" trace verify $odd >out 2>err || code=$?
  [ $code -ne 0 ] && [ -s err ] || fail "$odd was taken for a trace"
done
mkfifo pipe
exits 2 timeout 10 "$hb" trace verify pipe
: >empty.hbt
exits 7 "$hb" trace verify empty.hbt

# ---- ctrl-C leaves nothing ----
"$synth" big.hbt --pages 60000 --epochs 600 --shape hot
before=$(find . | wc -l)
code=0
timeout -s INT 0.1 "$hb" trace anonymize big.hbt -o gone.hbt >out 2>err || code=$?
if [ -e gone.hbt ]; then
  rm gone.hbt # it was quicker
else
  same "files after ctrl-C" "$(find . | wc -l)" "$((before))"
fi

# ---- a replay that stands still ----
printf 'page 0x10\nnosuch\ntop 3\nstep 5\nstats\nquit\n' | exits 0 "$hb" trace replay a.hbt --until 30
grep -q '^why ' out
grep -q '^decision_digest ' out
grep -q 'unknown command (nosuch)' err
echo "trace look: all as it should be"
