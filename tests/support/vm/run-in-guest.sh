#!/bin/bash
# run-in-guest.sh [-m MEM] [-s SMP] [-t SECS] [-M MODULE]... [-p PATH[:DEST]]... [-k KERNEL_DIR] [-a APPEND] [-R] [-v] -- CMD...
#
# Boots a throw-away guest on Debian's own kernel, runs the shell command CMD there as root in /payload, where each PATH
# (file or folder, with the libraries it needs) lies, prints its output and exits with its exit code.
#   exit 125: the guest gave no exit code (panic, time out, QEMU failed); the reason and the console's end go to stderr
#   -v        the guest's console to stderr in any case
#   -R        with a verbs device: rxe0 (Soft-RoCE) on dummy0, 10.77.0.1/24, path MTU 4096, before CMD begins; rdma and, where they
#             are installed, some programs of perftest, ibverbs-utils and rdmacm-utils come along. What polls in pairs wants -s 2.
#             Tests ask vm_rdma_missing (lib.sh) first, and skip with what it says.
#
#   run-in-guest.sh -- uname -r
#   run-in-guest.sh -m 1G -p build/track_test_contract -- ./track_test_contract
#
# Debian's kernel is fetched once (fetch-kernel.sh). TCG unless HB_VM_ACCEL=kvm: /dev/kvm may open and still boot nothing.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

usage() {
  sed -n '2,15s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

mem=512M smp=1 secs=120 kernel='' append='' verbose=0 rdma=0
extra=()
while getopts m:s:t:M:p:k:a:Rvh o; do
  case $o in
    m) mem=$OPTARG ;;
    s) smp=$OPTARG ;;
    t) secs=$OPTARG ;;
    M) extra+=(-m "$OPTARG") ;;
    p) extra+=(-p "$OPTARG") ;;
    k) kernel=$OPTARG ;;
    a) append=$OPTARG ;;
    R) rdma=1 ;;
    v) verbose=1 ;;
    *) usage ;;
  esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] || usage
vm_need qemu-system-x86_64:qemu-system-x86 timeout:coreutils
[ -n "$kernel" ] || kernel=$("$here/fetch-kernel.sh")

work=$(mktemp -d "${TMPDIR:-/tmp}/hb-guest.XXXXXX")
qemu=
cleanup() {
  [ -n "$qemu" ] && kill "$qemu" 2>/dev/null && wait "$qemu" 2>/dev/null
  rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ "$rdma" = 1 ]; then
  why=$(vm_rdma_missing) && vm_die "$why"
  mapfile -t words < <(vm_rdma_words)
  extra+=("${words[@]}" -p "$here/rxe-up:/usr/local/bin/rxe-up")
  echo 'rxe-up || exit 125' >"$work/run.sh"
fi
printf '%s\n' "$*" >>"$work/run.sh"
"$here/mkinitramfs.sh" -k "$kernel" ${extra[@]+"${extra[@]}"} -p "$work/run.sh:/payload/run.sh" "$work/initrd"

accel=tcg,thread=multi
[ "${HB_VM_ACCEL:-tcg}" = kvm ] && accel=kvm
timeout -k 5 "$secs" "${HB_QEMU:-qemu-system-x86_64}" -machine q35 -accel "$accel" -cpu max -m "$mem" -smp "$smp" \
  -nodefaults -display none -no-reboot -kernel "$kernel/vmlinux" -initrd "$work/initrd" \
  -serial "file:$work/console" -serial "file:$work/out" -append "$vm_append $append" \
  </dev/null >"$work/qemu" 2>&1 &
qemu=$!
rc=0
wait "$qemu" || rc=$?
qemu=

cat "$work/out" 2>/dev/null || true
[ -s "$work/qemu" ] && cat "$work/qemu" >&2
console() {
  tr -d '\r' <"$work/console" 2>/dev/null || true
}
[ "$verbose" = 1 ] && console >&2
console | sed -n 's/.*hb-insmod-failed: /module did not load: /p' >&2
code=$(console | sed -n 's/.*hb-exit: \([0-9]*\)$/\1/p' | tail -1)
[ -n "$code" ] && exit "$code"

[ "$rc" = 124 ] && why="no end within $secs s" || why="QEMU ended with $rc"
vm_note "no exit code from the guest: $why; the console's last lines:"
console | tail -60 >&2
exit 125
