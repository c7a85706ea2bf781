#!/bin/bash
# timeout: 120
# docs/POLICY_API.md, "A session": its commands, on a running pair of hosts, print what the page says, numbers and times aside.
#
#   test_policy_session.sh          a process as the guest
#   test_policy_session.sh --qemu   the quickstart's guest: QEMU, Debian's kernel, 512 MiB, 2000 pages written a second
set -euo pipefail
. "${HB_SOURCE:?}/tests/support/hosts.sh"
guest_words="mb=32 rate=2000 reads=2000 verify_s=1 beat_ms=20"
case ${1:-} in
  '') ;;
  --qemu)
    attach=--qmp ram_mb=512
    guest_words="hb_mb=288 hb_rate=2000 hb_reads=2000 hb_verify_s=1 hb_beat_ms=50"
    . "$HB_SOURCE/tests/support/qemu_guests.sh"
    qemu_prepare
    ;;
  *) echo "test_policy_session.sh: unknown option $1" >&2 && exit 2 ;;
esac
. "$HB_SOURCE/tests/support/policies.sh"

pair_new p
policies_copy "horizon_s = 5"
daemon_start a
daemon_start b
place_guest
scorer calm 'local use = hb.term("use", pages.predicted / (pages.predicted + 1))' 'return use * 0.6 + self.params.bias'
mv "$pair/calm.lua" "$policies/score/calm.lua"

mask() { # numbers, hashes, times, the user's name, columns' widths, what becomes of a page just then
  sed -E -e "s/\b$(id -un)\b/root/g; s/[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]+Z/T/g; s/\b[0-9a-f]{8}\b/H/g; s/@[0-9]+/@n/g; s/-?[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?/N/g; s/ (ms|s)\b/ t/g; s/ +/ /g; s/ -( |$)/ N\1/g; s/ -( |$)/ N\1/g; s/ $//" \
    -e "s/(stale|fresh|absent|fetching), fetched N times?/STATE/; s/^known of it: [^;]*/known of it: WHEN/; s/^so: .*/so: WHY/; s/ (ms|s|min|t|never) ago/ ago/g; s/ N ago/ ago/g"
}

# The fenced block after the heading: "$ harbinger ..." and what it prints.
awk '/^## A session/ { on = 1; next } on && /^## / { exit } on && /^```/ { inside = !inside; next } on && inside' "$HB_SOURCE/docs/POLICY_API.md" >"$pair/page"
[ "$(grep -c '^\$ harbinger ' "$pair/page")" -ge 6 ] || fail "the page has no session"
judged() { hb b --json policy shadow g | jq -e '.guests[0] | .active.lessons > 0 and .shadow.lessons > 0' >"$pair/output"; }

prints_the_page() {
  must b "$@" >"$pair/said" 2>&1
  mask <"$pair/said" >"$pair/got"
  diff "$pair/wanted" "$pair/got" >"$pair/output"
}

ran=0
while IFS= read -r line <&4; do
  case $line in '$ harbinger '*) ;; *) continue ;; esac
  awk -v c="$line" '$0 == c { on = 1; next } on && /^\$ / { exit } on' "$pair/page" | mask >"$pair/wanted"
  [[ $line != *"policy shadow"* ]] || await 25 "a lesson to judge both lanes" judged
  eval "set -- ${line#\$ harbinger }"
  seconds=0
  [[ $line != *"policy explain"* ]] || seconds=5 # what was promoted decides from the next epoch on
  await_quietly $seconds prints_the_page "$@" || fail "$line prints something else: $(cat "$pair/output")"
  [ "${attach:-}" != --qmp ] || { echo "$line" && cat "$pair/said"; }
  ran=$((ran + 1))
done 4<"$pair/page"
say "$ran commands of the page print what it says"
daemon_stop b
daemon_stop a
echo "ok"
