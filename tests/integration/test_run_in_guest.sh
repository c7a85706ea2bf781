#!/bin/bash
# label: long
# The guest runner itself: what other tests conclude from its output and exit code must be what happened in the guest.
set -euo pipefail
vm=${HB_SOURCE:?}/tests/support/vm
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

skip() {
  echo "skipped: $*"
  exit 77
}
fail() {
  echo "FAIL: $*"
  cat "$work/out" "$work/err" 2>/dev/null
  exit 1
}
run() {
  code=0
  "$vm/run-in-guest.sh" "$@" >"$work/out" 2>"$work/err" || code=$?
}

command -v qemu-system-x86_64 >/dev/null || skip "no qemu-system-x86_64"
"$vm/fetch-kernel.sh" >/dev/null || skip "Debian's kernel package cannot be had here"

# Output is whole, byte by byte, even without a last newline; the exit code is the command's; programs find their libraries.
run -m 256M -p "$(command -v xz)" -M dummy -- \
  'i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i + 1)); done; grep -q "^dummy " /proc/modules || exit 9
   ./xz --version >/dev/null || exit 8; uname -r >&2; printf "no newline"; exit 7'
[ "$code" = 7 ] || fail "exit code $code instead of 7"
{ i=0; while [ $i -lt 3000 ]; do echo "line $i"; i=$((i + 1)); done; } >"$work/want"
cat "$("$vm/fetch-kernel.sh")/version" >>"$work/want"
printf 'no newline' >>"$work/want"
cmp "$work/want" "$work/out" || fail "the output is not the command's"

# A guest that dies or hangs gives no exit code: 125, never a success.
run -m 256M -- 'echo before; echo c >/proc/sysrq-trigger'
[ "$code" = 125 ] || fail "exit code $code from a panic"
grep -q before "$work/out" || fail "output before the panic is gone"
grep -q sysrq "$work/err" || fail "the console's last lines do not show the panic"
run -m 256M -t 8 -- 'sleep 1000'
[ "$code" = 125 ] || fail "exit code $code from a guest that hangs"
grep -q 'no end within 8 s' "$work/err" || fail "the time out is not named"

run -p /no/such/file -- true
[ "$code" != 0 ] && grep -q '/no/such/file: no such file' "$work/err" || fail "a missing file is not named"
run -M no_such_module -- true
[ "$code" != 0 ] && grep -q no_such_module "$work/err" || fail "a missing module is not named"

# A verbs device, usable by programs that bring their own verbs library.
# shellcheck source=tests/support/vm/lib.sh
. "$vm/lib.sh"
if why=$(vm_rdma_missing); then
  echo "not tried: -R: $why"
else
  run -m 256M -R -- 'rdma link show rxe0/1; cat /sys/class/infiniband/rxe0/ports/1/gids/1; exit 6'
  [ "$code" = 6 ] || fail "exit code $code instead of 6 from a guest with a verbs device"
  grep -q 'state ACTIVE' "$work/out" || fail "the port of rxe0 is not active"
  grep -qx '0000:0000:0000:0000:0000:ffff:0a4d:0001' "$work/out" || fail "GID 1 is not its address"
fi
