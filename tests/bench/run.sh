#!/bin/bash
# run.sh [--json] [--build DIR] [NAME...] : the numbers of this project, each beside the raw figure of what lies beneath it.
#
# Builds the release preset, runs every tests/bench/bench_* (or those named) one after the other and prints their tables, or with --json one
# object keyed by name. Times are only good as ratios of one run; quote medians. Exit 1 when a bench could not run.
set -u
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
json=0 build='' names=()
while [ $# -gt 0 ]; do
  case $1 in
    --json) json=1 ;;
    --build) build=$2; shift ;;
    --help | -h) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;;
    -*) echo "run.sh: $1: no such option (--help)" >&2; exit 2 ;;
    *) names+=("${1#bench_}") ;;
  esac
  shift
done
if [ -z "$build" ]; then
  build=$top/build-release
  (cd "$top" && cmake --preset release -G Ninja -DHB_TESTS=ON && cmake --build --preset release) >"$top/build-release.log" 2>&1 || {
    tail -n 30 "$top/build-release.log" >&2
    echo "run.sh: the build failed" >&2
    exit 1
  }
  rm -f "$top/build-release.log"
fi
if [ ${#names[@]} = 0 ]; then
  for f in "$here"/bench_*.c; do
    n=${f##*/bench_}
    names+=("${n%.c}")
  done
fi
failed=0 comma=''
[ $json = 0 ] || printf '{'
for n in "${names[@]}"; do
  exe=$build/tests/bench_$n
  if [ ! -x "$exe" ]; then
    echo "run.sh: bench_$n was not built" >&2
    failed=1
    continue
  fi
  if [ $json = 1 ]; then
    if out=$("$exe" --json); then
      printf '%s"%s":%s' "$comma" "$n" "$out"
      comma=','
    else
      failed=1
    fi
  else
    printf '\n== %s ==\n' "$n"
    "$exe" || failed=1
  fi
done
[ $json = 0 ] || printf '}\n'
exit $failed
