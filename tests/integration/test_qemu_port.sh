#!/bin/sh
# The guest-port contract against a real QEMU (the same program runs it against a plain process as contract/move/test_guest_port).
set -eu
program=${HB_BUILD:?}/tests/contract_move_test_guest_port
if ! command -v qemu-system-x86_64 >/dev/null; then
        echo "SKIP: qemu-system-x86_64 is not installed"
        exit 77
fi
exec "$program" qemu
