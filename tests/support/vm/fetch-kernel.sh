#!/bin/bash
# fetch-kernel.sh [DIR] : a Debian kernel to boot guests with, made from the archive's package without installing it.
#
#   DIR/vmlinux   the ELF image out of vmlinuz (QEMU boots it by PVH: 3 s to a shell under TCG, against 7 s for vmlinuz)
#   DIR/modules   the package's lib/modules/VERSION
#   DIR/version   the kernel's version
#
# Prints DIR. A finished DIR is used as it is, without network; a half-made one never appears under that name.
# HARBINGER_KERNEL_PACKAGE names another package than the one linux-image-amd64 depends on.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

dir=${1:-$vm_cache/kernel}

# Newest installable kernel by name; an empty package list (fresh machine) is filled once.
kernel_package() {
  local name
  name=$({ apt-cache depends linux-image-amd64 2>/dev/null || true; } | awk '/ Depends:/ { print $2; exit }')
  if [ -z "$name" ]; then
    apt-get update -qq >&2 || true
    name=$({ apt-cache depends linux-image-amd64 || true; } | awk '/ Depends:/ { print $2; exit }')
  fi
  echo "$name"
}

# The running apt lists may be older than the archive: one update and one more try.
download() {
  (cd "$2" && apt-get -qq -o APT::Sandbox::User=root download "$1" >&2) && return
  apt-get update -qq >&2
  (cd "$2" && apt-get -qq -o APT::Sandbox::User=root download "$1" >&2)
}

# The boot header says where the compressed kernel lies (Documentation/x86/boot.rst: setup_sects 0x1f1,
# payload_offset 0x248, payload_length 0x24c); its last four bytes are the unpacked size.
unpack_vmlinux() {
  local image=$1 out=$2 sects offset length magic
  sects=$(vm_le "$image" $((0x1f1)) 1)
  offset=$(((sects + 1) * 512 + $(vm_le "$image" $((0x248)) 4)))
  length=$(vm_le "$image" $((0x24c)) 4)
  magic=$(od -An -v -tx1 -j"$offset" -N4 "$image" | tr -d ' ')
  local -a unpack
  case $magic in
    fd377a58) unpack=(xz -dc --single-stream) ;;
    28b52ffd) unpack=(zstd -dcq) ;;
    1f8b08*) unpack=(gzip -dc) ;;
    *) vm_die "$image: compression with magic $magic is not known" ;;
  esac
  # Tools differ in how they treat the size word at the end: the ELF magic is the judge.
  tail -c +$((offset + 1)) "$image" | head -c $((length - 4)) | "${unpack[@]}" >"$out" || true
  [ "$(head -c 4 "$out" | od -An -tx1 | tr -d ' ')" = 7f454c46 ] || vm_die "$image: no ELF kernel came out of it"
}

[ -s "$dir/vmlinux" ] && [ -d "$dir/modules" ] && { echo "$dir"; exit 0; }
vm_need apt-get:apt dpkg-deb:dpkg xz:xz-utils flock:util-linux

mkdir -p "$(dirname "$dir")"
exec 9>"$dir.lock"
flock 9
[ -s "$dir/vmlinux" ] && [ -d "$dir/modules" ] && { echo "$dir"; exit 0; }

work=$(mktemp -d "$dir.XXXXXX")
trap 'rm -rf "$work"' EXIT
package=${HARBINGER_KERNEL_PACKAGE:-$(kernel_package)}
[ -n "$package" ] || vm_die "apt knows no linux-image-amd64: is the Debian archive in its sources?"
vm_note "downloading $package"
download "$package" "$work" || vm_die "$package could not be downloaded"
dpkg-deb -x "$work"/*.deb "$work/root"
rm -f "$work"/*.deb

image=$(ls "$work"/root/boot/vmlinuz-*)
mkdir "$work/made"
unpack_vmlinux "$image" "$work/made/vmlinux"
modules=$(ls -d "$work"/root/lib/modules/*)
mv "$modules" "$work/made/modules"
echo "${modules##*/}" >"$work/made/version"
chmod -R u+rwX,go+rX "$work/made"
rm -rf "$dir"
mv "$work/made" "$dir"
echo "$dir"
