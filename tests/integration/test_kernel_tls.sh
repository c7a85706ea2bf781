#!/bin/bash
# timeout: 200
# label: long
# Kernel TLS: pages cross a connection whose sending side the kernel encrypts. Debian's kernel has the module, so in a guest.
set -euo pipefail
vm=${HB_SOURCE:?}/tests/support/vm
build=${HB_BUILD:?}/tests
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

skip() {
  echo "skipped: $*"
  exit 77
}
command -v qemu-system-x86_64 >/dev/null || skip "qemu-system-x86_64 is not installed"
test=$build/contract_transport_test_tcp_kernel
ldd "$test" | grep -q libssl || skip "OpenSSL is linked in, so the guest's test would be of another one"
kernel=$("$vm/fetch-kernel.sh") || skip "no kernel for a guest could be fetched"
modules=(-M tls -M gcm -M ctr -M ghash_generic -M aesni_intel)
"$vm/run-in-guest.sh" -k "$kernel" "${modules[@]}" -m 768M -s 2 -t 180 -p "$test" -- \
  'ip link set lo up 2>/dev/null || ifconfig lo up
   HB_KERNEL_TLS=1 ./contract_transport_test_tcp_kernel 2>&1 && cat /proc/net/tls_stat' >"$work/out" 2>"$work/err" || {
  if grep -q 'OpenSSL cannot' "$work/out"; then skip "this OpenSSL was built without kernel TLS"; fi
  echo "FAIL: the test ended with $? in the guest"
  tail -n 60 "$work/out" "$work/err"
  exit 1
}
cat "$work/out"
# The kernel's own count: one connection was sent on by it, in software, and nothing could not be decrypted.
grep -Eq '^TlsTxSw[[:space:]]+1$' "$work/out" || { echo "FAIL: the kernel encrypted no connection"; exit 1; }
grep -Eq '^TlsDecryptError[[:space:]]+0$' "$work/out" || { echo "FAIL: the kernel counted errors"; exit 1; }
