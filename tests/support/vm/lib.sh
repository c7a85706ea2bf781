# Shared by the scripts of this folder and by the quickstart: sourced, never run.
# shellcheck shell=bash

vm_cache=${HARBINGER_VM_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/harbinger/vm}

# Boots fastest and steadiest under TCG: no mitigations to emulate, no clock watchdog, no entropy to wait for.
vm_append="console=ttyS0 quiet panic=-1 mitigations=off tsc=reliable nokaslr random.trust_cpu=on"

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
