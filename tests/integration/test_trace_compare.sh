#!/bin/bash
# timeout: 180
# A matrix of 2 traces x 3 policies x 2 horizons x 2 links, stopped by ctrl-C, killed, and gone on with: the same table as one that ran
# through; and its report: well formed, asking for nothing outside, opened by a browser without a word on the console.
set -euo pipefail
: "${HB_BUILD:?the build folder}" "${HB_SOURCE:?the source folder}"
harbinger=$HB_BUILD/harbinger
work=$(mktemp -d "${TMPDIR:-/tmp}/hb-compare.XXXXXX")
export TMPDIR=$work
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() { echo "FAIL: $*" && tail -n 5 said 2>/dev/null && exit 1; }
command -v jq >/dev/null || { echo "skipped: no jq" && exit 77; }

"$HB_BUILD/tests/trace_synth" one.hbt --pages 1024 --epochs 120 --seed 1 --shape mix
"$HB_BUILD/tests/trace_synth" two.hbt --pages 1024 --epochs 120 --seed 2 --shape phases
# shellcheck disable=SC2054 # these are lists of the command's
matrix=(one.hbt two.hbt --policies "$HB_SOURCE/policies" --policy default,default/default/fixed,ewma/cost_benefit/adaptive
  --horizon 5,10 --link 10mbit,1gbit --moments 1)
cells=$((2 * 2 * 2 * 5)) # with nothing and optimum

compare() { "$harbinger" trace compare "${matrix[@]}" "$@"; }
# kept DB : how many cells are in it.
kept() { python3 -c "import sqlite3; print(sqlite3.connect('$1', timeout=10).execute('SELECT count(*) FROM cell').fetchone()[0])"; }

# ---- through ----
compare --results whole.db --json >whole.json
[ "$(jq '.cells | length' whole.json)" -eq $cells ] || fail "not $cells cells"
[ "$(jq .missing whole.json)" -eq 0 ] || fail "cells are missing"
jq -e '[.cells[] | select(.policy == "default") | .f1, .coverage, .after_bytes] | all(. != null)' whole.json >/dev/null ||
  fail "a cell without figures"
# The built-in policies and their Lua texts decide alike, whatever the horizon and the link.
jq -e '[.cells[] | select(.policy == "ewma/cost_benefit/adaptive") | .difference.coverage | .won + .lost] | all(. == 0)' whole.json \
  >/dev/null || fail "the built-in and the shipped policies differ"
# No policy is better than the bounds.
jq -e '[.cells | group_by([.trace, .horizon_s, .link])[] | (map(select(.policy == "optimum"))[0]) as $o | .[] |
    select(.policy != "optimum" and .policy != "nothing") |
    .f1 <= $o.f1 + 1e-9 and .coverage <= $o.coverage + 1e-9 and .after_bytes + 1 >= $o.after_bytes and
    .after_s + 1e-6 >= $o.after_s] | all' whole.json >/dev/null || fail "a policy is better than the optimum"
echo "$cells cells, none beyond the bounds"

# ---- stopped by ctrl-C, then killed, then to the end ----
# until_kept N SIGNAL: ends a run once N cells are kept; prints its exit code (negative: the signal's number). Cells are held up so that
# it cannot be over by then.
until_kept() {
  HB_FAULT='compare.run=stall:200' python3 - "$@" "$harbinger" trace compare "${matrix[@]}" --jobs 2 --results parts.db <<'PY'
import signal, sqlite3, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_DFL)
run = subprocess.Popen(sys.argv[3:], stdout=subprocess.DEVNULL, stderr=open("said", "w"))
def kept():
    try:
        return sqlite3.connect("parts.db", timeout=10).execute("SELECT count(*) FROM cell").fetchone()[0]
    except sqlite3.OperationalError:
        return 0
while kept() < int(sys.argv[1]):
    if run.poll() is not None:
        sys.exit("over before %s cells were kept" % sys.argv[1])
    time.sleep(0.01)
run.send_signal(getattr(signal, "SIG" + sys.argv[2]))
print(run.wait())
PY
}
rc=$(until_kept 4 INT)
[ "$rc" -eq 10 ] || fail "ctrl-C: exit code $rc, expected 10"
grep -q 'run the same again' said || fail "not said how to go on"
some=$(kept parts.db)
[ "$some" -ge 4 ] && [ "$some" -lt $cells ] || fail "$some cells after ctrl-C"
rc=$(until_kept $((some + 4)) KILL)
[ "$rc" -eq -9 ] || fail "kill -9: exit code $rc"
more=$(kept parts.db)
[ "$more" -lt $cells ] || fail "nothing left to go on with"
compare --results parts.db --json >parts.json
diff whole.json parts.json >/dev/null || fail "another table than the uninterrupted one"
compare --results parts.db --csv >parts.csv
[ "$(wc -l <parts.csv)" -eq $((cells + 1)) ] || fail "not a line a cell"
compare --results parts.db >table
grep -q ' b ' table && grep -q '(the base)' table || fail "the table marks no best"
echo "stopped at $some, killed at $more of $cells cells: the same table"

# ---- wrong files ----
head -c 5000 /dev/urandom >junk.db
compare --results junk.db >said 2>&1 && fail "junk taken for results"
grep -q 'damaged, or no results' said || fail "junk is not named"

# ---- the report ----
"$harbinger" trace report parts.db -o page.html --json >report.json
[ "$(jq .heat_maps report.json)" -eq 2 ] || fail "no heat maps"
python3 - <<'PY'
import html.parser, re
text = open("page.html", encoding="utf-8").read()
void = {"meta", "rect", "path", "polygon"}
class Page(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen, self.images, self.labels = [], set(), 0, 0
    def handle_starttag(self, tag, attrs):
        self.seen.add(tag)
        for name, value in attrs:
            assert not name.startswith("on") and name not in ("src", "action", "formaction", "data"), name
            assert name != "href" or value.startswith("#"), value
        self.images += ("role", "img") in attrs
        self.labels += ("role", "img") in attrs and any(n == "aria-label" and v for n, v in attrs)
        if tag not in void:
            self.open.append(tag)
    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in void:
            self.open.pop()
    def handle_endtag(self, tag):
        assert self.open.pop() == tag, tag
page = Page()
page.feed(text)
page.close()
assert not page.open, page.open
assert not page.seen & {"script", "link", "iframe", "object", "embed", "img", "base", "form"}, page.seen
assert page.images == page.labels > 0
assert not re.search(r"https?:|//|url\(|@import", text)
print("the page is well formed and stays at home: %d drawings, %d bytes" % (page.images, len(text)))
PY
if command -v gnuplot >/dev/null; then
  [ "$(jq .plots report.json)" -eq 8 ] || fail "not 8 curves: $(jq -c . report.json)"
else
  echo "no gnuplot: curves were not looked at"
fi
# opened PAGE : by a browser; false when its console has a word or the page asked for something. What the browser asks for by itself is
# not the page's: a page's requests bear its origin, which for a file is none.
opened() {
  HOME=$work timeout 60 chromium --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --user-data-dir="$work/browser" \
    --virtual-time-budget=2000 --host-resolver-rules='MAP * ~NOTFOUND' --enable-logging=stderr --log-net-log="$work/net.json" \
    --window-size=1100,1600 --screenshot="$work/page.png" "file://$work/$1" 2>console >/dev/null || fail "the browser failed"
  [ -s page.png ] || fail "the browser drew nothing"
  ! grep -E ':CONSOLE|Uncaught|Refused to' console && ! grep -oE '"initiator":"(null|file:)|"network_isolation_key":"file:' net.json
}
if command -v chromium >/dev/null; then
  opened page.html || fail "the browser has something to say"
  sed 's|<main>|<main><img src="http://example.test/x.png" alt="">|; s|default-src .none.|default-src *|' page.html >asks.html
  ! opened asks.html >/dev/null || fail "a page that asks for something was not noticed"
  echo "a browser opens it without a word"
else
  echo "no chromium: the page was not opened"
fi

# Without gnuplot the tables stay, and it is said.
"$harbinger" trace report one.hbt -o bare.html --gnuplot no-such-program --moments 0 2>said
grep -q 'no curves' said || fail "not said that curves are missing"
grep -q 'The numbers: Coverage' bare.html || fail "no tables without gnuplot"
echo "without gnuplot the tables stay"
