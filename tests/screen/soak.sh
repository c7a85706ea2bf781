#!/bin/bash
# soak.sh [--minutes N] [--json]
#
# The console on a crowd: 50 hosts, 500 guests, 10,000 events a second, on a terminal of 120x40. How long a key takes until
# something of its answer is on the terminal (median, 99th percentile, worst), whether memory stays flat, what share of a processor
# it takes: with keys, and left alone. Exit code 1 where the 99th percentile is over 100 ms or memory grew by more than a tenth
# after the fifth minute (until then it keeps more of guests that are gone). Default: 10 minutes. For figures use a build without debugging: HB_BUILD=build-release.
set -euo pipefail
HB_SOURCE=$(cd "$(dirname "$0")/../.." && pwd)
HB_BUILD=${HB_BUILD:-$HB_SOURCE/build-release}
minutes=10 json=0
while [ $# -gt 0 ]; do
  case $1 in
    --minutes) minutes=${2:?} && shift ;;
    --json) json=1 ;;
    *) sed -n '2,8s/^# \{0,1\}//p' "$0" && exit 2 ;;
  esac
  shift
done
. "$HB_SOURCE/tests/screen/lib.sh"

crowd_start c --hosts 50 --guests 500 --events 10000
export HOME=$term_folder XDG_STATE_HOME=$term_folder/state
"$HB_SOURCE/tests/support/key_latency.py" --minutes "$minutes" -- "$harbinger" --socket "$term_folder/c" console >"$term_folder/result"
[ $json = 0 ] || cat "$term_folder/result"
p99=$(jq '.key_ms.p99' "$term_folder/result")
jq -e '.key_ms.p99 <= 100' "$term_folder/result" >/dev/null || fail "a key took $p99 ms (99th percentile)"
jq -e '.rss_kib.last <= .rss_kib.settled * 1.1' "$term_folder/result" >/dev/null || fail "memory grew: $(jq -c .rss_kib "$term_folder/result")"
