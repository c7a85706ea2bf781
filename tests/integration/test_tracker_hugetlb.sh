#!/bin/bash
# timeout: 120
# Guest memory on huge pages, with a few reserved for the test and given back.
set -euo pipefail
build=${HB_BUILD:?}/tests
pool=/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages
free=/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages

skip() {
  echo "skipped: $*"
  exit 77
}

[ -w "$pool" ] || skip "may not reserve huge pages here"
before=$(cat "$pool")
trap 'echo "$before" >"$pool"' EXIT
echo $((before + 16)) >"$pool"
[ "$(cat "$free")" -ge 8 ] || skip "no memory for 16 huge pages"
out=$("$build/contract_track_test_tracker_refusals" 2>&1) || {
  echo "$out"
  exit 1
}
grep -q 'SKIPPED.*hugetlb memory' <<<"$out" && { echo "FAIL: skipped with huge pages there"; exit 1; }
grep ' OK \] .*hugetlb memory' <<<"$out"
