#!/bin/bash
# timeout: 120
# Traces of other tools in, ours out: each against a program that is not ours (Python's arithmetic and sqlite3, a second reader of
# oracleGeneral, a real valgrind, a real perf), and whatever goes wrong leaves no file.
set -euo pipefail
: "${HB_BUILD:?the build folder}" "${HB_SOURCE:?the source folder}"
harbinger=$HB_BUILD/harbinger
second=$HB_SOURCE/tests/support/oracle_general.py
work=$(mktemp -d "${TMPDIR:-/tmp}/hb-convert.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"

fail() { echo "FAIL: $*" && exit 1; }
same() { diff -u "$1" "$2" >differences || { head -n 20 differences && fail "$1 and $2 differ"; }; }
figure() { jq -r "$1" summary; }

# refused CODE PATTERN ARGUMENT... : ends with CODE, says PATTERN, and no file appears.
refused() {
  local code=$1 pattern=$2 rc=0 before after
  shift 2
  before=$(ls -A)
  "$harbinger" trace "$@" >said 2>&1 || rc=$?
  [ $rc -eq "$code" ] || fail "trace $*: exit code $rc, expected $code: $(cat said)"
  grep -qE -- "$pattern" said || fail "trace $*: no \"$pattern\" in: $(cat said)"
  rm said
  after=$(ls -A)
  [ "$before" = "$after" ] || fail "trace $*: left $after"
}

command -v python3 >/dev/null || { echo "python3 is not installed" && exit 77; }

# ---- plain text, judged by Python: what comes out as CSV is what it counts ----
python3 - <<'END'
import random
random.seed(4)
rows, t = {}, 1000.0
blocks = {}
with open("plain.txt", "w") as f:
    f.write("# time op address size\n")
    for i in range(20000):
        t += random.expovariate(2000)
        base = random.choice([0x400000, 0x7fff00000000, 0x55d000000000, 0x10200000])
        address, size = base + random.randrange(1 << 16), random.choice([1, 4, 8, 64])
        write = random.random() < 0.3
        f.write("%.6f %s %s %d\n" % (t, "w" if write else "r", random.choice(["%d", "0x%x"]) % address, size))
        stamp = round(t, 6)
        first = first if i else stamp
        window = int(round((stamp - first) * 1e6)) // 1000000
        for page in range(address >> 12, ((address + size - 1) >> 12) + 1):
            block = blocks.setdefault(page >> 9, len(blocks))
            row = rows.setdefault((window, block << 9 | page & 511), [0, 0])
            row[write] += 1
with open("expected.csv", "w") as f:
    f.write("window_s,page,reads,writes\n")
    for (window, page), (reads, writes) in sorted(rows.items()):
        f.write(f"{window},{page},{reads},{writes}\n")
END
"$harbinger" trace import plain.txt -o plain.hbt --json >summary
[ "$(figure '[.format, .guessed, .timed, .accesses] | tostring')" = '["text",true,true,20000]' ] || fail "$(cat summary)"
[ "$(figure .records)" -eq $(($(wc -l <expected.csv) - 1)) ] || fail "records: $(cat summary)"
[ "$(figure .bytes)" -eq "$(stat -c %s plain.hbt)" ] || fail "bytes: $(cat summary)"
"$harbinger" trace export plain.hbt -o plain.csv --json >summary
same expected.csv plain.csv
"$harbinger" trace verify plain.hbt >/dev/null 2>&1 || fail "the imported trace is not sound"

# ---- there and back ----
"$harbinger" trace import plain.csv -o again.hbt 2>/dev/null
"$harbinger" trace export again.hbt -o again.csv 2>/dev/null
same expected.csv again.csv
zstd -q plain.txt
"$harbinger" trace import - -o packed.hbt <plain.txt.zst 2>/dev/null
"$harbinger" trace export packed.hbt -o - --format csv 2>/dev/null >packed.csv
same expected.csv packed.csv
awk -F, 'NR > 1 { print $1 "," $2 "," $3 + $4 }' expected.csv >expected.counts

# ---- oracleGeneral: ours read by the second reader, the second writer's read by us ----
for name in ours.oracleGeneral ours.oracleGeneral.zst; do
  "$harbinger" trace export plain.hbt -o $name 2>/dev/null
  "$second" read $name | sort -t, -n -k1,1 -k2,2 >counts
  same expected.counts counts
done
awk -F, '{ for (i = 0; i < $3; i++) print $1 "," $2 }' expected.counts | python3 -c '
import random, sys
random.seed(5)
lines = sys.stdin.readlines()
random.shuffle(lines)                                  # inside a second any order is right
sys.stdout.writelines(sorted(lines, key=lambda s: int(s.split(",")[0])))' >accesses
for name in theirs.bin theirs.bin.zst; do
  "$second" write $name <accesses
  "$harbinger" trace import $name -o theirs.hbt --force --json >summary
  [ "$(figure '[.format, .accesses, .unknown] | tostring')" = "[\"oracle\",$(wc -l <accesses),$(wc -l <accesses)]" ] || fail "$(cat summary)"
  "$harbinger" trace export theirs.hbt -o - --format csv 2>/dev/null | awk -F, 'NR > 1 { print $1 "," $2 "," $3 + $4 }' >counts
  same expected.counts counts
done

# ---- a program's recording: out, in and out again ----
# ranks FILE : with windows (or seconds) numbered in their order, page, accesses.
ranks() { awk -F, '$1 ~ /^[0-9]/ { if (!($1 in n)) n[$1] = ++k; print n[$1] "," $2 "," $3 + $4 }' "$1"; }
head -n 500 plain.txt >few.txt
if "$harbinger" trace record -o program.hbt --epoch-accesses 50000 -- sort few.txt >/dev/null 2>why; then
  "$harbinger" trace export program.hbt -o program.csv 2>/dev/null
  "$harbinger" trace import program.csv -o program2.hbt 2>/dev/null
  "$harbinger" trace export program2.hbt -o program2.csv 2>/dev/null
  same program.csv program2.csv
  [ "$(cut -d, -f1 program.csv | sort -u | wc -l)" -gt 3 ] || fail "a recording of hardly any epochs"
  "$harbinger" trace export program.hbt -o program.oracle 2>/dev/null
  "$second" read program.oracle | sort -t, -n -k1,1 -k2,2 >program.seconds
  ranks program.csv >expected.ranks
  ranks program.seconds >program.ranks
  same expected.ranks program.ranks
else
  echo "skipped: a program's recording: $(head -n 1 why)"
fi

# ---- SQLite, read by Python's ----
"$harbinger" trace export plain.hbt -o plain.db 2>/dev/null
python3 - <<'END'
import sqlite3
db = sqlite3.connect("file:plain.db?mode=ro", uri=True)
assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
rows = [tuple(map(int, line.split(","))) for line in open("expected.csv").readlines()[1:]]
got = db.execute("SELECT time_ns / 1000000000 - 1, page, a.reads, a.writes FROM accesses a JOIN epochs USING(epoch) ORDER BY epoch, page")
assert got.fetchall() == rows
assert db.execute("SELECT sum(pages), sum(reads), sum(writes) FROM epochs").fetchone() == (len(rows), sum(r[2] for r in rows), sum(r[3] for r in rows))
plan = str(db.execute("EXPLAIN QUERY PLAN SELECT epoch, reads FROM accesses WHERE page = 3").fetchall())
assert "accesses_by_page" in plan, plan
assert dict(db.execute("SELECT * FROM meta"))["origin"] == "import"
END

# ---- a real valgrind, counted by awk ----
if command -v valgrind >/dev/null && valgrind --tool=lackey --trace-mem=yes --log-file=lackey.log /bin/true 2>/dev/null; then
  "$harbinger" trace import lackey.log -o lackey.hbt --json --epoch 1000 >summary
  [ "$(figure .format)" = lackey ] || fail "guessed: $(cat summary)"
  lines=$(grep -cE '^ [LSM] ' lackey.log)
  [ "$(figure .accesses)" -eq "$lines" ] || fail "$lines loads and stores, but: $(cat summary)"
  [ "$(figure .epochs)" -eq $(((lines + 999) / 1000)) ] || fail "epochs: $(cat summary)"
  "$harbinger" trace import lackey.log -o fetches.hbt --json --fetches >summary
  [ "$(figure .accesses)" -eq "$(grep -cE '^(I | [LSM]) ' lackey.log)" ] || fail "with fetches: $(cat summary)"
else
  echo "skipped: lackey, valgrind does not run here"
fi

# ---- a real perf; page faults have addresses where the processor samples no loads ----
if perf record -q -e page-faults -c 1 -d -o perf.data -- /bin/true >/dev/null 2>&1 &&
  perf script -i perf.data -F time,event,addr >perf.txt 2>/dev/null && [ -s perf.txt ]; then
  "$harbinger" trace import perf.txt -o perf.hbt --json >summary
  [ "$(figure '[.format, .timed, .accesses + .skipped] | tostring')" = "[\"perf\",true,$(wc -l <perf.txt)]" ] || fail "$(cat summary)"
  perf script -i perf.data -F comm,pid,time,period,event,addr,ip,sym,dso >wide.txt 2>/dev/null
  "$harbinger" trace import wide.txt -o wide.hbt 2>/dev/null
  "$harbinger" trace export perf.hbt -o perf.csv 2>/dev/null
  "$harbinger" trace export wide.hbt -o wide.csv 2>/dev/null
  same perf.csv wide.csv
  perf script -i perf.data -F time,event,ip,sym,dso >instructions.txt 2>/dev/null
  refused 7 "instruction's" import instructions.txt -o x.hbt
else
  echo "skipped: perf does not run here"
fi

# ---- what is wrong is told at its place and leaves nothing ----
head -n 3000 plain.txt | sed '2000s/ [rw] / x /' >broken.txt
refused 7 'broken.txt line 2000' import broken.txt -o x.hbt
head -c 1000 ours.oracleGeneral >short.oracle
refused 7 'short.oracle byte 984' import short.oracle -o x.hbt
head -c 5000 plain.txt.zst >short.zst
refused 7 'ends inside a zstd frame' import short.zst -o x.hbt
head -c 4096 /dev/urandom >noise
refused 7 'noise' import noise -o x.hbt
: >empty
refused 3 'empty' import empty -o x.hbt
refused 2 'directory' import . -o x.hbt
refused 3 'No such file' import nothing -o x.hbt
refused 6 'there already' import plain.txt -o plain.hbt
refused 6 'exists already' export plain.hbt -o plain.csv
refused 7 'not a Harbinger trace' export plain.csv -o x.csv
refused 7 'Harbinger trace already' import plain.hbt -o x.hbt
refused 2 'format' export plain.hbt -o x.what
refused 3 'No such file' export plain.hbt -o no/x.csv
same expected.csv plain.csv

# An interrupt while a pipe says nothing more.
mkfifo pipe
"$harbinger" trace import pipe -o x.hbt >said 2>&1 &
importer=$!
exec 7>pipe
cat plain.txt >&7
kill -TERM $importer # INT is ignored by what a script runs in the background
rc=0
wait $importer || rc=$?
exec 7>&-
[ $rc -eq 10 ] || fail "an interrupted import ends with $rc: $(cat said)"
[ -z "$(find . -name "*x.hbt*")" ] || fail "an interrupted import left $(ls -A)"
echo "imports and exports agree with programs that are not ours"
