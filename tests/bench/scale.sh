#!/bin/bash
# scale.sh [--build DIR] : the figures behind "What it costs at scale" in docs/OPERATING.md, each with the command that prints it.
#
# Takes some minutes and 2 GiB of memory. Times are this machine's, and only mean something while nothing else runs on it.
set -u
build=
while [ $# -gt 0 ]; do
  case $1 in
    --build) build=$2; shift ;;
    --help | -h) sed -n '2,4s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "scale.sh: $1: no such option (--help)" >&2; exit 2 ;;
  esac
  shift
done
build=${build:-$(cd "$(dirname "$0")/../.." && pwd)/build-release}
failed=0
show() {
  printf '\n$ %s\n' "$*"
  "$build/tests/$1" "${@:2}" || failed=1
}
show bench_scale_guest 1024 10
show bench_scale_guest 64 50
show bench_scale_placements 100
show bench_scale_placements 10
show bench_scale_hosts 1000
exit $failed
