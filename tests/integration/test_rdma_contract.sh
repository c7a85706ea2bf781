#!/bin/bash
# timeout: 300
# label: long
# The RDMA backend where there is a verbs device: the contract of every fetcher, and its own tests, in a guest with Soft-RoCE.
set -euo pipefail
vm=${HB_SOURCE:?}/tests/support/vm
build=${HB_BUILD:?}/tests
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# shellcheck source=tests/support/vm/lib.sh
. "$vm/lib.sh"

skip() {
  echo "skipped: $*"
  exit 77
}
fail() {
  echo "FAIL: $*"
  grep -E 'ERROR|LINE|bulk runs' "$work/out" 2>/dev/null
  tail -n 80 "$work/out" 2>/dev/null
  tail -n 20 "$work/err" 2>/dev/null
  exit 1
}

why=$(vm_rdma_missing) && skip "$why"
programs=()
for t in "$build"/contract_transport_test_rdma* "$build"/contract_rdma_test_* "$build"/unit_rdma_test_*; do
  [ ! -x "$t" ] || programs+=(-p "$t")
done
[ ${#programs[@]} -gt 0 ] || fail "no test of the RDMA backend was built"
# shellcheck disable=SC2016 # expanded in the guest
commands='code=0
for t in *_test_*; do
  echo "== $t"
  HB_RDMA_ADDRESS=10.77.0.1 "./$t" 2>&1
  rc=$?
  [ $rc = 0 ] || { code=1; echo "== $t ended with $rc"; }
done
exit $code'
"$vm/run-in-guest.sh" -R -m 1G -s 2 -t 280 "${programs[@]}" -- "$commands" >"$work/out" 2>"$work/err" ||
  fail "the tests ended with $? in the guest"
# What finds no device skips itself: here that would be a test that cannot fail. One statement is not RDMA's: pages are taken as they are.
grep -E '^\[ *SKIPPED \] [a-z]' "$work/out" | grep -v 'rdma/zero_pages_not_written$' && fail "skipped where there is a device"
passed=$(grep -c ' OK \] ' "$work/out" || true)
[ "$passed" -ge 20 ] || fail "only $passed statements were checked"
echo "ok: $passed tests passed over Soft-RoCE"
