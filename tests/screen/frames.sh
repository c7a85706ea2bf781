#!/bin/bash
# frames.sh [--check]
#
# The screens of docs/OPERATING.md's walk-through, taken from the scene of two hosts: into docs/console/*.txt, and into the page
# after each line `<!-- screen: docs/console/NAME.txt -->`. --check writes nothing and fails where they are not what is shown now.
set -euo pipefail
HB_SOURCE=$(cd "$(dirname "$0")/../.." && pwd)
HB_BUILD=${HB_BUILD:-$HB_SOURCE/build-dev}
. "$HB_SOURCE/tests/screen/lib.sh"
check=${1:-}
page=$HB_SOURCE/docs/OPERATING.md
out=$HB_SOURCE/docs/console

# On paper stands what it usually costs.
take_masked() {
  term_masked | sed 's/; C and M here/; 0.1 % and 9.2 MiB here/'
}

# take NAME KEY... : the screen after these keys.
take() {
  local name=$1 k
  shift
  still 100x30 --
  for k in "$@"; do
    term_keys "$k"
  done
  await_quietly 5 term_settled || term_fail "the picture does not come to rest"
  # The last two lines of a screen are for messages and keys; what is blank above them says nothing on paper.
  take_masked | awk '{ line[NR] = $0 } END { n = NR - 1; while (n > 1 && line[n] == "") n--; for (i = 1; i <= n; i++) print line[i]; print ""; print line[NR] }' \
    >"$term_folder/$name.txt"
  if [ "$check" != --check ]; then
    mkdir -p "$out"
    cp "$term_folder/$name.txt" "$out/$name.txt"
  elif ! diff -u "$out/$name.txt" "$term_folder/$name.txt" >&2; then
    term_failed=$((term_failed + 1))
  fi
}

# The page with each screen after its mark, in place of what stands there.
filled() {
  awk -v root="$HB_SOURCE" '
    held != "" && /^$/ { next }
    held != "" && /^```/ { held = ""; skipping = 1; next }
    held != "" { held = "" ; print "" }
    skipping { if (/^```/) skipping = 0; next }
    { print }
    match($0, /^<!-- screen: [^ ]+ -->$/) {
      file = root "/" $3
      print "```text"
      while ((getline line <file) > 0) print line
      close(file)
      print "```"
      held = file
    }' "$page"
}

scene_start two_hosts
take walk_ready G
take walk_cost G 5
take walk_stalled j 3
take walk_policy 4
if [ "$check" != --check ]; then
  filled >"$term_folder/page"
  cat "$term_folder/page" >"$page"
elif ! diff -u "$page" <(filled) >&2; then
  term_failed=$((term_failed + 1))
fi
[ "$term_failed" = 0 ] || fail "$term_failed screens of docs/OPERATING.md are not what is shown; where that is right: tests/screen/frames.sh"
