# Two hosts with a guest placed on b, whose policy folder is a copy, for tests of policies. Sourced after hosts.sh.
# shellcheck shell=bash

# policies_copy [SETTING...] : b's policy folder is $policies from now on; further lines of [policy].
policies_copy() {
  local line
  policies=$pair/policies
  cp -r "$HB_SOURCE/policies" "$policies"
  sed -i "s#^dir = .*#dir = $policies#" "$pair/b/harbingerd.ini"
  for line in "$@"; do
    sed -i "/^dir = /a $line" "$pair/b/harbingerd.ini"
  done
}

# place_guest : a guest of a, ready on b. $attach: --qmp for a guest of qemu_guests.sh.
place_guest() {
  guest_start a
  must a --json guest attach g "${attach:---process}" "$guest_socket" >"$pair/output"
  await 10 "the first scan" guest_attached a
  must a --json place g --to b --wait --timeout 60 >"$pair/output"
}

# scorer NAME LINE... : a file, $pair/NAME.lua; the lines are the body of its method.
scorer() {
  local name=$1
  shift
  {
    echo "local p = { api = 1, kind = \"scorer\", name = \"$name\", version = \"1.0.0\","
    echo "  params = { bias = { default = 0.2, min = 0, max = 1, help = \"added\" } } }"
    echo "function p:score(pages, link, guest, accuracy)"
    printf '  %s\n' "$@"
    echo "end"
    echo "return p"
  } >"$pair/$name.lua"
}

kind_is() { # KIND FILTER VALUE : of b's policy list
  [ "$(hb b --json policy list 2>/dev/null | jq -r ".kinds[] | select(.kind == \"$1\") | $2")" = "$3" ]
}

last_event() { # FILTER : of b's newest
  hb b --json policy history --limit 1 | jq -r ".events[0] | $1"
}
