#!/bin/bash
# trace_matrix.sh [--build DIR] [--traces DIR] [--out DIR] [--jobs N] : 6 traces x 5 policies x 3 horizons x 3 links, with progress,
# stopped by ctrl-C in the middle, gone on with, and compared with a run that went through; then the report.
#
# --traces DIR: the first six .hbt files of it (by name); else six are made up. Ends with the times, and exit code 1 when the resumed
# table is another. The results and the page stay in DIR of --out (default: a folder that is named at the end).
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build='' traces='' out='' jobs=()
while [ $# -gt 0 ]; do
  case $1 in
    --build) build=$(realpath "$2") && shift ;;
    --traces) traces=$(realpath "$2") && shift ;;
    --out) out=$2 && shift ;;
    --jobs) jobs=(--jobs "$2") && shift ;;
    --help | -h) sed -n '2,6s/^# \{0,1\}//p' "$0" && exit 0 ;;
    *) echo "trace_matrix.sh: $1: no such option (--help)" >&2 && exit 2 ;;
  esac
  shift
done
if [ -z "$build" ]; then
  build=$top/build-release
  (cd "$top" && cmake --preset release -G Ninja -DHB_TESTS=ON && cmake --build --preset release) >/dev/null
fi
[ -n "$out" ] || out=$(mktemp -d /var/tmp/hb-matrix.XXXXXX)
mkdir -p "$out"
cd "$out"

if [ -z "$traces" ]; then
  traces=$out/traces
  mkdir -p "$traces"
  for shape in hot scan phases random mix mix; do
    n=$(find "$traces" -name '*.hbt' | wc -l)
    "$build/tests/trace_synth" "$traces/$n-$shape.hbt" --pages 16384 --epochs 300 --seed "$n" --shape "$shape"
  done
fi
mapfile -t files < <(find "$traces" -maxdepth 1 -name '*.hbt' | LC_ALL=C sort | head -n 6)
[ ${#files[@]} -eq 6 ] || { echo "trace_matrix.sh: six traces are needed, not ${#files[@]}: $traces" >&2 && exit 2; }

# Three of the policies are listed; nothing and optimum make five.
# shellcheck disable=SC2054 # these are lists of the command's
matrix=("${files[@]}" --policies "$top/policies" --policy ewma/cost_benefit/adaptive,ewma/cost_benefit/fixed,default
  --horizon 5,10,30 --link 100mbit,1gbit,10gbit "${jobs[@]}")
now() { date +%s.%N; }
took() { awk -v a="$1" -v b="$(now)" 'BEGIN { printf "%.1f s", b - a }'; }

rm -f whole.db parts.db
began=$(now)
"$build/harbinger" trace compare "${matrix[@]}" --results whole.db --json >whole.json
whole=$(took "$began")
cells=$(jq '.cells | length' whole.json)
echo "$cells cells on $(nproc) processors: $whole"

# Half of the cells, then ctrl-C.
"$build/harbinger" trace compare "${matrix[@]}" --results parts.db >/dev/null &
pid=$!
kept() { python3 -c "import sqlite3; print(sqlite3.connect('parts.db', timeout=10).execute('SELECT count(*) FROM cell').fetchone()[0])" 2>/dev/null || echo 0; }
while [ "$(kept)" -lt $((cells / 2)) ]; do
  kill -0 $pid 2>/dev/null || break
  sleep 0.2
done
kill -INT $pid 2>/dev/null || true
rc=0
wait $pid || rc=$?
echo "stopped at $(kept) of $cells cells, exit code $rc"
began=$(now)
"$build/harbinger" trace compare "${matrix[@]}" --results parts.db --json >parts.json
echo "gone on with: $(took "$began")"
"$build/harbinger" trace report parts.db -o matrix.html
if ! cmp -s whole.json parts.json; then
  echo "the resumed table is another: $out/whole.json $out/parts.json" >&2
  exit 1
fi
echo "the same table; results and report: $out"
