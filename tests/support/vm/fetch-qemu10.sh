#!/bin/bash
# fetch-qemu10.sh [DIR] : QEMU 10 from Debian's backports, unpacked into DIR, nothing on the system changed.
#
#   DIR/qemu-system-x86_64   starts it with its own firmware files and libraries
#
# Prints that program's path. Only for comparisons: live pre-copy of Debian 12's own QEMU 7.2 corrupts guests under TCG.
# A private apt configuration reads the mirrors the system already uses. Cached, atomic, works offline when cached.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"

dir=${1:-$vm_cache/qemu10}
program=$dir/qemu-system-x86_64
packages=(qemu-system-x86 qemu-system-common qemu-system-data)

# The first mirror in the system's sources, in either of apt's two notations.
mirror() {
  cat /etc/apt/sources.list.d/*.sources 2>/dev/null | sed -n 's/^URIs: *\([^ ]*\/debian\)\/\{0,1\} *$/\1/p' | head -1 | grep . && return
  cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
    sed -n 's/^deb  *\(\[[^]]*\] *\)\{0,1\}\([^ ]*\/debian\)\/\{0,1\} .*/\2/p' | head -1 | grep . && return
  echo http://deb.debian.org/debian
}

private_apt() {
  local a=$1
  mkdir -p "$a/lists/partial" "$a/cache/archives/partial"
  for suite in bookworm bookworm-backports; do
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(mirror) $suite main"
  done >"$a/sources.list"
  cat >"$a/apt.conf" <<CONF
Dir::Etc::SourceList "$a/sources.list";
Dir::Etc::SourceParts "/nonexistent";
Dir::State::Lists "$a/lists";
Dir::Cache "$a/cache";
APT::Sandbox::User "root";
CONF
  export APT_CONFIG=$a/apt.conf
}

# The newer QEMU may link libraries that Debian 12 has but this machine has not: those come along.
fetch_libraries() {
  local root=$1 lib names
  while names=$(LD_LIBRARY_PATH="$root/usr/lib/x86_64-linux-gnu" ldd "$root/usr/bin/qemu-system-x86_64" |
    sed -n 's/^[[:space:]]*\([^ ]*\) => not found/\1/p') && [ -n "$names" ]; do
    local before=$names
    for lib in $names; do
      fetch_library "$lib" "$root"
    done
    names=$(LD_LIBRARY_PATH="$root/usr/lib/x86_64-linux-gnu" ldd "$root/usr/bin/qemu-system-x86_64" |
      sed -n 's/^[[:space:]]*\([^ ]*\) => not found/\1/p')
    [ "$names" != "$before" ] || vm_die "libraries not found: $names"
  done
}

# Debian names a library's package after its soname: libfdt.so.1 is in libfdt1, libslirp.so.0 in libslirp0.
fetch_library() {
  local name=${1%%.so*} version=${1##*.so.} try
  case $name in *[0-9]) name=$name- ;; esac
  for try in "$name$version" "${name}${version}t64" "${name%-}"; do
    if (cd "$2/.." && apt-get -qq download "$try" >/dev/null 2>&1); then
      dpkg-deb -x "$2/../$try"_*.deb "$2"
      return
    fi
  done
  vm_note "no package found for $1"
}

[ -x "$program" ] && { echo "$program"; exit 0; }
vm_need apt-get:apt dpkg-deb:dpkg flock:util-linux
mkdir -p "$(dirname "$dir")"
exec 9>"$dir.lock"
flock 9
[ -x "$program" ] && { echo "$program"; exit 0; }

work=$(mktemp -d "$dir.XXXXXX")
trap 'rm -rf "$work"' EXIT
private_apt "$work/apt"
vm_note "downloading QEMU from bookworm-backports"
apt-get -qq update >&2
mkdir "$work/made" "$work/made/root"
for p in "${packages[@]}"; do
  (cd "$work/made" && apt-get -qq download "$p/bookworm-backports" >&2)
done
for deb in "$work"/made/*.deb; do
  dpkg-deb -x "$deb" "$work/made/root"
done
fetch_libraries "$work/made/root"
rm -f "$work"/made/*.deb

cat >"$work/made/qemu-system-x86_64" <<'RUN'
#!/bin/sh
root=$(cd "$(dirname "$0")" && pwd)/root
export LD_LIBRARY_PATH="$root/usr/lib/x86_64-linux-gnu"
exec "$root/usr/bin/qemu-system-x86_64" -L "$root/usr/share/qemu" -L /usr/share/seabios -L /usr/lib/ipxe/qemu "$@"
RUN
chmod +x "$work/made/qemu-system-x86_64"
"$work/made/qemu-system-x86_64" --version >&2 || vm_die "the unpacked QEMU does not start"
rm -rf "$dir"
mv "$work/made" "$dir"
echo "$program"
