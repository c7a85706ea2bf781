#!/bin/sh
# check_symbols: no name is defined by two rooms. Each room is a static library; where two define one name, the linker takes
# whichever comes first, without a word.
#
#   check_symbols.sh BUILD        prints each name with the libraries that define it, and exits 1 when there is one
#   check_symbols.sh --self-test  two libraries with one name between them: it is found
set -eu

defined_twice() {
  for lib in "$1"/libhb_*.a; do
    nm -g --defined-only "$lib" 2>/dev/null | awk -v lib="${lib##*/}" 'NF == 3 && $2 ~ /^[TDBRC]$/ && !seen[$3]++ { print $3, lib }'
  done | sort | awk '$1 == last { print "symbols: " $1 " in " where " and " $2; found = 1 } { last = $1; where = $2 } END { exit found }'
}

if [ "$1" = --self-test ]; then
  dir=$(mktemp -d)
  trap 'rm -rf "$dir"' EXIT
  for room in a b; do
    printf 'int hb_%s_own(void) { return 1; }\nint hb_both(void) { return 2; }\n' $room >"$dir/$room.c"
    cc -c "$dir/$room.c" -o "$dir/$room.o"
    ar rc "$dir/libhb_$room.a" "$dir/$room.o"
  done
  if found=$(defined_twice "$dir"); then echo "hb_both was not found" && exit 1; fi
  [ "$found" = "symbols: hb_both in libhb_a.a and libhb_b.a" ] || { echo "found: $found" && exit 1; }
  exit 0
fi
set -- "$1" "$1"/libhb_*.a
[ -e "$2" ] || { echo "symbols: no libraries in $1" && exit 1; }
defined_twice "$1"
