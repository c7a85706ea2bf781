#!/bin/bash
# timeout: 120
# Guest memory on huge pages: hugetlb, with a few reserved for the test and given back, and a tmpfs that uses transparent ones, where pages
# are reported in larger pieces but no write may be lost.
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
dir=$(mktemp -d)
clean() {
  echo "$before" >"$pool"
  umount "$dir" 2>/dev/null || true
  rmdir "$dir"
}
trap clean EXIT
echo $((before + 16)) >"$pool"
[ "$(cat "$free")" -ge 8 ] || skip "no memory for 16 huge pages"
out=$("$build/contract_track_test_tracker_refusals" 2>&1) || {
  echo "$out"
  exit 1
}
grep -q 'SKIPPED.*hugetlb memory' <<<"$out" && { echo "FAIL: skipped with huge pages there"; exit 1; }
grep ' OK \] .*hugetlb memory' <<<"$out"

mount -t tmpfs -o huge=always,size=512m hb-huge "$dir" 2>/dev/null || {
  echo "no transparent huge pages on tmpfs here: that part is left out"
  exit 0
}
export HB_CONTRACT_DIR=$dir
export HB_CONTRACT_ONLY="no write is lost while scanning
discards balanced by new pages are reported
entries dropped by the guest lose nothing
a block filled meanwhile hides nothing
a failed scan is repeated
no gap when killed at any instant
no gap when killed while pages are discarded
data is intact"
for t in contract restart present; do
  out=$("$build/contract_track_test_tracker_$t" 2>&1) || {
    echo "$out"
    exit 1
  }
  grep -c ' OK \] ' <<<"$out" | sed "s/$/ of test_tracker_$t on transparent huge pages/"
done
