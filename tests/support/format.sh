#!/bin/bash
# tests/support/format.sh --check|--fix [FILE...]: clang-format over the tree's C files, or over those named.
#
# --check prints each file that would change, with the first lines of how, and exits 1; --fix rewrites them in place.
# Debian 12's clang-format (14) is the measure: other releases break lines elsewhere.
set -euo pipefail
cd "$(dirname "$0")/../.."

mode=${1:-}
case $mode in
  --check | --fix) shift ;;
  *) sed -n '2,5s/^# \{0,1\}//p' tests/support/format.sh >&2 && exit 2 ;;
esac
command -v clang-format >/dev/null || tests/support/install-packages.sh style
version=$(clang-format --version | sed -n 's/.*version \([0-9]*\).*/\1/p')
[ "$version" = 14 ] || echo "format: clang-format $version is not 14: expect differences" >&2

files=("$@")
[ ${#files[@]} -gt 0 ] || mapfile -t files < <(find core transport tui trace_tools tests examples -name '*.[ch]' | LC_ALL=C sort)
if [ "$mode" = --fix ]; then
  clang-format -i "${files[@]}"
  exit
fi
wrong=0
for file in "${files[@]}"; do
  clang-format "$file" | cmp -s - "$file" && continue
  wrong=$((wrong + 1))
  echo "$file"
  clang-format "$file" | diff -u "$file" - | sed -n '3,12p' || true
done
echo "format: $wrong of ${#files[@]} files differ"
[ "$wrong" -eq 0 ]
