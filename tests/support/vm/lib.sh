# Shared by the scripts of this folder and by the quickstart: sourced, never run.
# shellcheck shell=bash

vm_folder=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
vm_cache=${HARBINGER_VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/harbinger/vm}

# Boots fastest and steadiest under TCG: no mitigations to emulate, no clock watchdog, no entropy to wait for, and no check of the
# timer that a busy host makes fail.
vm_append="console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable no_timer_check nokaslr random.trust_cpu=on"

vm_note() {
  printf '%s: %s\n' "${0##*/}" "$*" >&2
}

vm_die() {
  vm_note "$*"
  exit 1
}

# vm_need PROGRAM:PACKAGE... : the first missing program ends the script with the package to install.
vm_need() {
  local pair
  for pair in "$@"; do
    command -v "${pair%%:*}" >/dev/null || vm_die "${pair%%:*} is missing: apt-get install ${pair#*:}"
  done
}

vm_busybox() {
  local b=/bin/busybox
  [ -x "$b" ] || vm_die "$b is missing: apt-get install busybox-static"
  if ldd "$b" >/dev/null 2>&1; then
    vm_die "$b is not static: apt-get install busybox-static"
  fi
  echo "$b"
}

# vm_le FILE OFFSET BYTES : a little-endian number in a file.
vm_le() {
  od -An -v -tu"$3" -j"$2" -N"$3" --endian=little "$1" | tr -d ' '
}

vm_verbs=/usr/lib/x86_64-linux-gnu/libibverbs
vm_verbs_driver=/etc/libibverbs.d/rxe.driver

# vm_rdma_missing : succeeds, and says what, when something of a guest with a verbs device (run-in-guest.sh -R) is not here.
vm_rdma_missing() {
  local pair
  for pair in qemu-system-x86_64:qemu-system-x86 rdma:iproute2; do
    command -v "${pair%%:*}" >/dev/null || { echo "${pair%%:*} is missing: apt-get install ${pair#*:}" && return; }
  done
  [ -e "$vm_verbs_driver" ] && compgen -G "$vm_verbs/librxe-rdmav*.so" >/dev/null ||
    { echo "the verbs provider of rdma_rxe is missing: apt-get install ibverbs-providers" && return; }
  "$vm_folder/fetch-kernel.sh" >/dev/null || { echo "Debian's kernel package cannot be had here" && return; }
  return 1
}

# What such a guest needs, as options of mkinitramfs.sh, one word a line.
vm_rdma_words() {
  local m f
  for m in crc32_generic crc32c_generic dummy ib_core ib_uverbs rdma_cm rdma_ucm rdma_rxe; do
    printf '%s\n' -m "$m"
  done
  for f in "$vm_verbs"/librxe-rdmav*.so "$vm_verbs_driver"; do
    printf '%s\n' -p "$f:$f"
  done
  for f in rdma ib_read_bw ib_read_lat ibv_devinfo rping; do
    ! f=$(command -v $f) || printf '%s\n' -p "$f:/usr/local/bin/${f##*/}"
  done
}
