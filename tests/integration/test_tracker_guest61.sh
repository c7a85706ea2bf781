#!/bin/bash
# label: long
# timeout: 420
# The tracker contract on Debian 12's own 6.1 kernel, which most users' machines run: no write-protection there, so softdirty and hash
# must hold it, and what is missing must be named, not silently passed over. Injection and freezing are tried on that kernel too.
set -euo pipefail
vm=${HB_SOURCE:?}/tests/support/vm
build=${HB_BUILD:?}/tests
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

skip() {
  echo "skipped: $*"
  exit 77
}
fail() {
  echo "FAIL: $*"
  cat "$work/out" 2>/dev/null
  tail -n 20 "$work/err" 2>/dev/null
  exit 1
}

command -v qemu-system-x86_64 >/dev/null || skip "no qemu-system-x86_64"
"$vm/fetch-kernel.sh" >/dev/null || skip "Debian's kernel package cannot be had here"
# shellcheck disable=SC2016 # expanded in the guest
commands='echo 24 >/proc/sys/vm/nr_hugepages
chmod 755 / # or an unprivileged process finds no /proc
uname -r
code=0
for t in *_track_test_*; do
  echo "== $t"
  "./$t" 2>&1 || [ $? = 77 ] || { code=1; echo "== $t failed"; }
done
exit $code'
programs=()
for t in contract_track_test_tracker_{contract,restart,refusals,present} unit_track_test_{inject,freeze,ledger}; do
  [ -x "$build/$t" ] || fail "$t was not built"
  programs+=(-p "$build/$t")
done
# Under a sanitizer the programs are some times larger and slower.
"$vm/run-in-guest.sh" -m 1536M -s 2 -t 380 "${programs[@]}" -- "$commands" >"$work/out" 2>"$work/err" || {
  code=$?
  [ "$code" = 77 ] || fail "the tests ended with $code in the guest"
}
grep -q '^6\.1\.' "$work/out" || fail "not a 6.1 kernel"
for missing in wp present; do
  grep -q "SKIPPED.*$missing: this kernel does not have it" "$work/out" || fail "$missing was not named as missing"
done
for there in softdirty hash; do
  n=$(grep -c "OK \] $there: " "$work/out" || true)
  [ "$n" -ge 20 ] || fail "only $n statements were checked for $there"
done
grep -q 'FAILED' "$work/out" && fail "a test failed in the guest"
echo "6.1 guest: $(grep -c ' OK \] ' "$work/out") tests passed, softdirty and hash hold the contract, wp and present are named as missing"
