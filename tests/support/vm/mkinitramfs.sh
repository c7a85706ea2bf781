#!/bin/bash
# mkinitramfs.sh [-i INIT] [-k KERNEL_DIR] [-m MODULE]... [-p PATH[:DEST]]... OUT.cpio
#
# An uncompressed initramfs (unpacking costs a TCG guest up to a second): static busybox, INIT as /init, each PATH (file or
# folder) at DEST (default /payload/NAME) with the shared libraries its programs need, and kernel modules with what they
# depend on, in loading order, as /lib/mod/NN-name.ko.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

usage() {
  sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
  exit 2
}

init=$here/init-run
kernel=
modules=()
paths=()
while getopts i:k:m:p:h o; do
  case $o in
    i) init=$OPTARG ;;
    k) kernel=$OPTARG ;;
    m) modules+=("$OPTARG") ;;
    p) paths+=("$OPTARG") ;;
    *) usage ;;
  esac
done
shift $((OPTIND - 1))
[ $# -eq 1 ] || usage
out=$1
busybox=$(vm_busybox)

root=$(mktemp -d "${TMPDIR:-/tmp}/hb-initramfs.XXXXXX")
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{bin,sbin,usr/bin,usr/sbin,proc,sys,dev,tmp,run,root,etc,lib/mod,payload}
cp "$busybox" "$root/bin/busybox"
ln -s busybox "$root/bin/sh"
install -m 755 "$init" "$root/init"

# Libraries keep their own paths: the loader in the guest looks where the host's does.
copy_libraries() {
  local lib
  { ldd "$1" 2>/dev/null || true; } | sed -n 's/^[^/]*\(\/[^ ]*\) (0x.*/\1/p' | while read -r lib; do
    [ -e "$root$lib" ] && continue
    mkdir -p "$root$(dirname "$lib")"
    cp -L "$lib" "$root$lib"
  done
}

copy_path() {
  local src=${1%%:*} dest file
  dest=/payload/${src##*/}
  case $1 in *:*) dest=${1#*:} ;; esac
  [ -e "$src" ] || vm_die "$src: no such file"
  mkdir -p "$root$(dirname "$dest")"
  cp -aL "$src" "$root$dest"
  find "$root$dest" -type f -perm -u+x | while read -r file; do
    copy_libraries "$file"
  done
}

# .modinfo holds NUL-separated key=value strings; reading them here spares the host kmod and a depmod run.
module_info() {
  tr '\0' '\n' <"$1" | LC_ALL=C sed -n "s/^$2=//p"
}

declare -A seen=()
order=0
add_module() {
  local name=${1//-/_} file dep
  [ -n "${seen[$name]:-}" ] && return
  seen[$name]=1
  file=$(awk -F/ -v n="$name" '{ m = $NF; sub(/\.ko$/, "", m); gsub(/-/, "_", m); if (m == n) { print; exit } }' "$index")
  if [ -z "$file" ]; then
    awk -F/ -v n="$name" '{ m = $NF; sub(/\.ko$/, "", m); gsub(/-/, "_", m); if (m == n) f = 1 } END { exit !f }' \
      "$kernel/modules/modules.builtin" && return
    vm_die "module $1 is not in $kernel/modules"
  fi
  for dep in $(module_info "$file" depends | tr ',' ' ') $(module_info "$file" softdep | sed -n 's/^pre: *//p'); do
    add_module "$dep"
  done
  cp "$file" "$root/lib/mod/$(printf '%02d' $order)-$name.ko"
  order=$((order + 1))
}

if [ ${#modules[@]} -gt 0 ]; then
  [ -d "$kernel/modules" ] || vm_die "modules need -k KERNEL_DIR (a folder made by fetch-kernel.sh)"
  index=$root.index
  trap 'rm -rf "$root" "$root.index"' EXIT
  find "$kernel/modules" -name '*.ko' >"$index"
  for m in "${modules[@]}"; do
    add_module "$m"
  done
fi
for p in ${paths[@]+"${paths[@]}"}; do
  copy_path "$p"
done

(cd "$root" && find . | "$busybox" cpio -o -H newc 2>/dev/null) >"$out.tmp"
mv "$out.tmp" "$out"
