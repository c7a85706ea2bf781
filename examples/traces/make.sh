#!/bin/bash
# make.sh [-o DIR] [-s SHARE] [NAME...] : traces of real programs, made here, by `harbinger trace record`.
#
#   sqlite  a database filled, indexed, queried, joined        cc1     the C compiler on a generated file
#   sort    a large file sorted in memory                      python  dictionaries, strings and JSON
#   xz      compression with a large dictionary                redis   a server under redis-benchmark
#   mixed   one program that goes through phases and returns to earlier ones
#
# All of them unless named; into DIR (default .). A program that is not installed is left out with a word. SHARE scales
# the work (default 1: 100 to 400 epochs of 4,000,000 accesses each, some ten seconds). Prints one line a trace, as JSON.
# HARBINGER: the program to use, when it is not the one in PATH.
set -euo pipefail

usage() {
  sed -n '2,11s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

out=. share=1
while getopts o:s:h o; do
  case $o in
    o) out=$OPTARG ;;
    s) share=$OPTARG ;;
    *) usage ;;
  esac
done
shift $((OPTIND - 1))
names=("$@")
[ $# -gt 0 ] || names=(sqlite cc1 sort python xz redis mixed)

harbinger=${HARBINGER:-harbinger}
mkdir -p "$out"
work=$(mktemp -d "${TMPDIR:-/tmp}/hb-traces.XXXXXX")
server=
cleanup() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

# part N : N scaled by -s, at least 1.
part() {
  awk -v n="$1" -v s="$share" 'BEGIN { v = int(n * s); print v < 1 ? 1 : v }'
}

# record NAME CMD... : standard input is the command's; its output is of no interest.
record() {
  local name=$1
  shift
  "$harbinger" trace record --force --json -o "$out/$name.hbt" --name "$name" -- "$@" 3>&1 >"$work/out" 2>"$work/err" || {
    cat "$work/err" >&2
    return 1
  }
  # The summary is the last object on the output, after the command's own lines.
  awk '/^{$/ { n = NR } { line[NR] = $0 } END { for (i = n; i <= NR; i++) printf "%s", line[i]; print "" }' "$work/out" |
    sed 's/   */ /g'
}

# need PROGRAM PACKAGE : its path, looked up before anything is generated.
need() {
  command -v "$1" && return
  echo "make.sh: left out, $1 is missing: apt-get install $2" >&2
  return 1
}

make_sqlite() {
  need sqlite3 sqlite3 >/dev/null || return 0
  local rows
  rows=$(part 60000)
  cat >"$work/sql" <<SQL
pragma journal_mode = off; pragma synchronous = off; pragma cache_size = -8000;
create table person(id integer primary key, name text, town int, age int, note text);
create table town(id integer primary key, name text, size int);
with recursive n(i) as (select 1 union all select i + 1 from n where i < $rows)
  insert into person select i, printf('name %x', i * 7919 % 1000003), i * 31 % 997, i * 17 % 90, hex(randomblob(40)) from n;
with recursive n(i) as (select 0 union all select i + 1 from n where i < 996)
  insert into town select i, printf('town %d', i), i * i from n;
create index person_town on person(town);
select count(*), avg(age) from person;
select t.name, count(*), max(p.age) from person p join town t on p.town = t.id where t.size % 3 = 0 group by t.id order by 2 desc limit 5;
create index person_name on person(name);
update person set age = age + 1 where town between 100 and 200;
select count(*) from person a join person b on a.name = b.name where a.id < b.id;
delete from person where id % 5 = 0;
select note from person where name >= 'name 8' order by note limit 3;
select sum(length(note)) from person where age > 40;
vacuum;
SQL
  record sqlite sqlite3 "$work/db" <"$work/sql"
}

make_cc1() {
  need gcc gcc >/dev/null || return 0
  awk -v n="$(part 60)" 'BEGIN {
    print "typedef unsigned long u; struct s { u a, b; struct s *n; int t[16]; };"
    for (i = 0; i < n; i++) {
      printf "static u f%d(struct s *p, u x) { u r = %d; for (u i = 0; i < x; i++) { r ^= p->a * i + p->t[i & 15];", i, i * 7
      printf " if (r & %d) p = p->n ? p->n : p; switch (r %% 7) { case 0: r += p->b; break; case 1: r -= x; break;", i % 63 + 1
      printf " case 3: r = r << 3 | r >> 61; break; default: p->t[r & 15] += (int)x; } } return r%s; }\n", i ? (i % 8 ? " + f" (i - 1) "(p, x / 2)" : "") : ""
    }
    printf "u all(struct s *p, u x) { u r = 0;"
    for (i = 0; i < n; i++) printf " r += f%d(p, x + %d);", i, i
    print " return r; }"
  }' >"$work/big.c"
  record cc1 "$(gcc -print-prog-name=cc1)" -quiet -O2 "$work/big.c" -o "$work/big.s"
}

make_sort() {
  awk -v n="$(part 400000)" 'BEGIN { srand(1); for (i = 0; i < n; i++) printf "%08x %s %d\n", rand() * 4294967295, "some words that follow", i }' \
    >"$work/lines"
  LC_ALL=C record sort sort -S 200M --parallel=1 -o "$work/sorted" "$work/lines"
}

# The interpreter itself: a wrapper of the same name would only start it, unrecorded.
python() {
  need python3 python3 >/dev/null && "$(command -v python3)" -c 'import sys; print(sys.executable)'
}

make_python() {
  local python
  python=$(python) || return 0
  cat >"$work/words.py" <<'PY'
import json, random, sys
random.seed(7)
n = int(sys.argv[1])
words = ["%s%d" % (random.choice("abcdefgh") * 3, i) for i in range(n)]
count = {}
for _ in range(4 * n):
    w = words[min(int(random.expovariate(8 / n)), n - 1)]
    count[w] = count.get(w, 0) + 1
text = json.dumps([{"word": w, "count": c, "of": [c, c + 1, w]} for w, c in count.items()])
back = json.loads(text)
back.sort(key=lambda r: (-r["count"], r["word"]))
index = {}
for r in back:
    index.setdefault(r["word"][:2], []).append(r)
print(len(text), sum(len(v) for v in index.values()), back[0]["word"])
PY
  PYTHONHASHSEED=0 record python "$python" "$work/words.py" "$(part 60000)"
}

make_xz() {
  need xz xz-utils >/dev/null || return 0
  awk -v n="$(part 60000)" 'BEGIN { srand(2); for (i = 0; i < n; i++) print int(rand() * 500), "a line of a log", int(rand() * rand() * 100000), i % 97 }' \
    >"$work/log"
  record xz xz -6 -T1 -k -f "$work/log"
}

make_redis() {
  need redis-server redis-server >/dev/null && need redis-benchmark redis-tools >/dev/null || return 0
  local socket=$work/redis.sock n
  n=$(part 25000)
  record redis "$(command -v redis-server)" --port 0 --unixsocket "$socket" --save "" --appendonly no --daemonize no \
    --dir "$work" --activerehashing no >"$work/redis.json" &
  server=$!
  for _ in $(seq 600); do
    redis-cli -s "$socket" ping >/dev/null 2>&1 && break
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1 # the server tells nobody when it listens
  done
  redis-benchmark -s "$socket" -q -n "$n" -r 100000 -d 200 -P 8 -c 8 -t set,get,lpush,hset,zadd >/dev/null
  redis-benchmark -s "$socket" -q -n "$n" -r 20000 -d 100 -P 8 -c 8 -t get,incr,lrange_100 >/dev/null
  redis-cli -s "$socket" shutdown nosave >/dev/null 2>&1 || true
  wait "$server"
  server=
  cat "$work/redis.json"
}

make_mixed() {
  local python
  python=$(python) || return 0
  cat >"$work/phases.py" <<'PY'
# Three working sets, used in turn: a phase comes back to pages that the others left alone.
import array, random, sys
random.seed(3)
rounds, n = 4, int(sys.argv[1])
table = {i: "value %d" % i for i in range(n)}
numbers = array.array("q", range(20 * n))
tree = None
def insert(t, k):
    node = t
    while True:
        side = 0 if k < node[2] else 1
        if node[side] is None:
            node[side] = [None, None, k]
            return
        node = node[side]
def look_up():
    return sum(len(table[random.randrange(n)]) for _ in range(3 * n))
def sweep():
    for i in range(0, len(numbers), 7):
        numbers[i] += 1
    return sum(numbers)
def grow(r):
    global tree
    tree = tree or [None, None, n // 2]
    for _ in range(n // 2):
        insert(tree, random.randrange(n))
    return r
for r in range(rounds):
    print(look_up(), sweep(), grow(r), look_up(), sweep())
PY
  PYTHONHASHSEED=0 record mixed "$python" "$work/phases.py" "$(part 16000)"
}

for name in "${names[@]}"; do
  declare -F "make_$name" >/dev/null || usage
  "make_$name"
done
