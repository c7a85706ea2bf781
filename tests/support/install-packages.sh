#!/bin/bash
# install-packages.sh GROUP... : installs what is missing of the groups of packages.txt; calls apt only when something is.
#
# As root directly, else by sudo where there is one, else prints the command to run and exits 1. HB_NO_INSTALL=1 never
# installs: it says what is missing and exits 1. On a system without dpkg it trusts the operator and exits 0.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

[ $# -gt 0 ] || { echo "usage: install-packages.sh GROUP... (groups: $(awk '/^[a-z]/ { print $1 }' "$here/packages.txt" | sort -u | xargs))" >&2; exit 2; }
if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
  echo "install-packages: not a Debian system: install the counterparts of tests/support/packages.txt yourself" >&2
  exit 0
fi

missing=()
for group in "$@"; do
  found=0
  while read -r package; do
    found=1
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$package")
  done < <(awk -v g="$group" '$1 == g { print $2 }' "$here/packages.txt")
  [ "$found" = 1 ] || { echo "install-packages: no group $group in packages.txt" >&2; exit 2; }
done
[ ${#missing[@]} -gt 0 ] || exit 0

by=()
if [ "$(id -u)" != 0 ]; then
  command -v sudo >/dev/null && by=(sudo)
  [ ${#by[@]} -gt 0 ] || HB_NO_INSTALL=1
fi
if [ -n "${HB_NO_INSTALL:-}" ]; then
  echo "install-packages: missing: ${missing[*]}" >&2
  echo "install-packages: run as root: apt-get update && apt-get install ${missing[*]}" >&2
  exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() {
  "${by[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -qq -o DPkg::Lock::Timeout=300 "$@" >>"$log" 2>&1
}
echo "install-packages: installing ${missing[*]}" >&2
# A fresh machine has no package lists, an old one stale lists: both show as a failed first try.
if ! apt install --no-install-recommends "${missing[@]}" && ! { apt update && apt install --no-install-recommends "${missing[@]}"; }; then
  tail -n 20 "$log" >&2
  echo "install-packages: apt could not install them; run: apt-get update && apt-get install ${missing[*]}" >&2
  exit 1
fi
