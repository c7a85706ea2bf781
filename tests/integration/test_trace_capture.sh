#!/bin/bash
# timeout: 180
# A program under the recorder: its accesses counted exactly, its input, output, exit code and signals its own; a real one
# (sqlite3) in one command; what cannot be recorded, said in words.
set -euo pipefail
harbinger=${HB_BUILD:?}/harbinger
touch=$HB_BUILD/tests/touch_pages
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

skip() {
  echo "skipped: $*"
  exit 77
}
fail() {
  echo "FAIL: $*"
  tail -5 out err 2>/dev/null
  exit 1
}
command -v qemu-x86_64 >/dev/null || skip "no qemu-x86_64 (package qemu-user)"
command -v jq >/dev/null || skip "no jq"
[ -e "$HB_BUILD/harbinger-trace.so" ] || skip "the plugin is not built"
# A sanitized program cannot run under the emulator: its shadow does not fit into the emulated address space.
! nm "$touch" 2>/dev/null | grep -qE '__(asan|tsan)_init' || touch=
[ -n "$touch" ] || {
  command -v cc >/dev/null || skip "no compiler for a program without sanitizers"
  touch=$work/touch_pages
  cc -O1 -pthread -o "$touch" "${HB_SOURCE:?}/tests/support/programs/touch_pages.c"
}

# record FILE [OPTION...] -- CMD... : its exit code in $code.
record() {
  code=0
  "$harbinger" trace record --force -o "$@" >out 2>err || code=$?
}
# sums FILE : reads and writes by page over all epochs, from the trace itself.
sums() {
  "$harbinger" trace export "$1" --format csv -f -o - 2>/dev/null |
    awk -F, 'NR > 1 { r[$2] += $3; w[$2] += $4 } END { for (p in r) print p, r[p], w[p] }'
}

# Known counts. Windows of 1000 accesses: a page's are spread over many epochs, and none is lost or doubled.
# 300 pages, 50 rounds: each page read 3 x 50 and written 4 x 50 times, the last two once more a round.
exact() { # FILE ORDINARY-PAGES LAST-PAGES
  sums "$1" >by_page
  [ "$(awk '$2 == 150 && $3 == 200' by_page | wc -l)" = "$2" ] || fail "$1: not $2 pages of 150 reads and 200 writes"
  [ "$(awk '$2 == 150 && $3 == 250' by_page | wc -l)" = "$3" ] || fail "$1: the two last pages' counts"
}
record plain.hbt --epoch-accesses 1000 -- "$touch" 300 50
[ "$code" = 0 ] || fail "exit code $code"
exact plain.hbt 298 2
# Neighbours stay neighbours: the 300 pages are one run, or two where a 2 MiB block of addresses ends.
awk '$2 == 150 && $3 >= 200 { print $1 }' by_page | sort -n |
  awk 'NR > 1 && $1 != last + 1 { gaps++ } { last = $1 } END { exit gaps > 1 }' || fail "neighbours were torn apart"
record threads.hbt --epoch-accesses 5000 -- "$touch" 300 50 threads
exact threads.hbt 596 4
record time.hbt --epoch-time 0.05 -- "$touch" 300 50
exact time.hbt 298 2
record instructions.hbt --epoch-instructions 10000 -- "$touch" 300 50
exact instructions.hbt 298 2

# What a child does is not in it, and that is said; the same for a program that becomes another.
record fork.hbt -- "$touch" 300 50 fork
exact fork.hbt 298 2
grep -q '1 processes that the command started are not in the trace' err || fail "a forked child is not mentioned"
record exec.hbt --epoch-accesses 1000 -- sh -c 'exec true'
{ [ "$code" = 0 ] && grep -q 'replaced itself' err; } || fail "execve is not mentioned"

# Exit codes and signals are the program's; a killed one leaves a whole trace.
record code.hbt -- "$touch" 2 1 exit:37
[ "$code" = 37 ] || fail "exit code $code instead of 37"
record crash.hbt --epoch-accesses 1000 -- "$touch" 300 50 crash
{ [ "$code" = 139 ] && grep -q 'was killed' err; } || fail "a crash: exit code $code"
"$harbinger" trace verify crash.hbt >/dev/null || fail "the trace of a crashed program is not whole"
"$harbinger" trace record -o stop.hbt --epoch-accesses 1000 -- "$touch" 300 50 wait >first 2>err &
recorder=$!
grep -qm1 first < <(timeout 20 tail -n +1 -f --pid=$recorder first) || fail "the program did not begin"
kill -TERM $recorder
code=0
wait $recorder || code=$?
[ "$code" = 143 ] || fail "SIGTERM was not handed on: exit code $code"
"$harbinger" trace verify stop.hbt >/dev/null || fail "the trace of a stopped program is not whole"

# Recording that fails, or a recorder that is killed, is not the program's trouble.
code=0
HB_FAULT="capture.window=fail" "$harbinger" trace record -o fault.hbt -- "$touch" 300 50 exit:5 >out 2>err || code=$?
{ [ "$code" = 1 ] && grep -q '^first' out && [ ! -e fault.hbt ]; } || fail "no memory for a window: exit code $code"
code=0
HB_FAULT="capture.spawn=fail" "$harbinger" trace record -o fault.hbt -- "$touch" 300 50 >out 2>err || code=$?
{ [ "$code" != 0 ] && ! grep -q '^first' out && [ ! -e fault.hbt ]; } || fail "not started: exit code $code"
mkfifo go
# shellcheck disable=SC2016 # for the program
"$harbinger" trace record -o killed.hbt --epoch-accesses 1000 -- sh -c 'read x <go; i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; echo "$x" >went-on' 2>err &
recorder=$!
echo yes >go.text
timeout 20 sh -c 'exec 9>go; kill -KILL '"$recorder"'; cat go.text >&9'
wait $recorder || true
for _ in $(seq 200); do
  [ ! -s went-on ] || break
  sleep 0.05 # nobody's child any more: its file is all that tells of it
done
[ "$(cat went-on)" = yes ] || fail "the program did not outlive its recorder"
"$harbinger" trace info killed.hbt --json | jq -e '.epochs >= 0' >/dev/null || fail "what a killed recorder leaves cannot be read"

# A real program, its input and output passed through; --json after the program's own output.
if command -v sqlite3 >/dev/null; then
  cat >sql <<'SQL'
create table t(i integer primary key, x text);
with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000) insert into t select i, hex(randomblob(60)) from n;
select count(*), sum(length(x)) from t where i % 3 = 0;
SQL
  record sqlite.hbt --json --name db -- sqlite3 db <sql
  { [ "$code" = 0 ] && [ "$(head -1 out)" = '1666|199920' ]; } || fail "sqlite3's own output is not there"
  tail -n +2 out | jq -e '.epochs > 3 and .records > 500 and .complete and .lost == 0 and .exit_status == 0' >/dev/null || fail "--json"
  "$harbinger" trace info sqlite.hbt --json | jq -e '.guest == "db"' >/dev/null || fail "the name"
  "$harbinger" trace verify sqlite.hbt >/dev/null || fail "verify"
fi

# A script is run by its interpreter; its name with a comma in the plugin's folder does no harm.
# shellcheck disable=SC2016 # for the script to expand
printf '#!/bin/sh\nread x\necho "$0 $x $1"\n' >script
chmod +x script
mkdir a,b
cp "$HB_BUILD/harbinger-trace.so" a,b/
echo input | "$harbinger" trace record -o script.hbt --plugin "$work/a,b/harbinger-trace.so" -- ./script arg >out 2>err || fail "a script"
[ "$(cat out)" = './script input arg' ] || fail "a script's words"

# refused CODE WORD CMD... : and no trace is left.
refused() {
  local want=$1 word=$2
  shift 2
  rm -f no.hbt
  record no.hbt -- "$@"
  { [ "$code" = "$want" ] && grep -q -- "$word" err; } || fail "$*: exit code $code, want $want and '$word'"
  [ ! -e no.hbt ] || fail "$*: a trace is left"
}
refused 3 'no such program' no-such-program
refused 4 'not a program' /etc/passwd
printf '\177ELF\2\1\1\0\0\0\0\0\0\0\0\0\3\0\267\0' >arm
chmod +x arm
refused 6 arm64 ./arm
mkdir only
ln -s "$(type -P true)" only/true
code=0
PATH=$work/only "$harbinger" trace record -o no.hbt -- true >out 2>err || code=$?
{ [ "$code" = 6 ] && grep -q 'apt-get install qemu-user' err; } || fail "a missing emulator: exit code $code"
code=0
"$harbinger" trace record -o plain.hbt -- true >out 2>err || code=$?
[ "$code" = 6 ] || fail "an existing trace was not kept: exit code $code"
