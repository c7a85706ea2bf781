#!/bin/bash
# label: long
# timeout: 120
# Every view at every size against tests/screen/expected: the same scene, keys in, the screen compared. HB_SCREEN_UPDATE=1 writes them.
set -euo pipefail
. "${HB_SOURCE:?}/tests/screen/lib.sh"
expected=$screen_folder/expected

# The views by their keys, of the guest that is not ready yet.
views=(2:guest 3:placement 4:policies 5:migration 6:traces 7:network 8:events '?:help')

all_views() {
  local v
  term_keys j
  term_keys j
  term_is "$expected/overview.$1.txt"
  for v in "${views[@]}"; do
    term_keys "${v%%:*}"
    term_is "$expected/${v#*:}.$1.txt"
  done
}

scene_start two_hosts
mkdir -p "$expected"
for size in 80x24 120x40 200x60 40x12; do
  still "$size" --
  all_views "$size"
done

# Too small says so, and how small it may be; the least size shows something.
term_resize 19x4
term_is "$expected/too_small.19x4.txt"
term_resize 20x5
term_keys 1
term_is "$expected/overview.20x5.txt"
term_verdict
