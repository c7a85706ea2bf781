#!/bin/bash
# timeout: 600
# label: long
# A guest process is placed and moved over RDMA READ between two daemons, in a machine with Soft-RoCE: its pages come that way, a queue
# pair dies in mid-run and another one comes, pages are given back and written again meanwhile, and memory is right to the byte.
#
# The same file is the outside (boots the machine) and, there, the inside.
set -euo pipefail

outside() {
  local vm=$HB_SOURCE/tests/support/vm work words=() f
  # shellcheck source=tests/support/vm/lib.sh
  . "$vm/lib.sh"
  skip() { echo "skipped: $*" && exit 77; }
  why=$(vm_rdma_missing) && skip "$why"
  for f in bash jq; do
    command -v $f >/dev/null || skip "no $f"
    words+=(-p "$(command -v $f):/bin/$f")
  done
  for f in harbinger harbingerd examples/guest_load/guest_load tests/cut_proxy tests/journal_open; do
    words+=(-p "$HB_BUILD/$f:/build/$f")
  done
  words+=(-p "$HB_SOURCE/policies:/source/policies" -p "$HB_SOURCE/tests/support/hosts.sh:/source/tests/support/hosts.sh" -p "$0:/source/test.sh")
  work=$(mktemp -d)
  # shellcheck disable=SC2064 # now
  trap "rm -rf '$work'" EXIT
  local code=0
  "$vm/run-in-guest.sh" -R -m 1536M -s 2 -t 560 "${words[@]}" -- \
    'HB_INSIDE=1 HB_BUILD=/build HB_SOURCE=/source bash /source/test.sh' >"$work/out" 2>"$work/err" || code=$?
  cat "$work/out"
  [ $code = 0 ] || { tail -n 40 "$work/err" && echo "FAIL: exit code $code in the guest" && exit 1; }
}

# has FILE JQ-CONDITION... : every condition holds of the JSON in the file.
has() {
  local file=$1 condition
  shift
  for condition in "$@"; do
    jq -e "$condition" "$file" >/dev/null || fail "${file##*/}: not so: $condition: $(jq -c . "$file")"
  done
}

at_least() { # HOST FILTER N
  [ "$(status "$1" "$2")" -ge "$3" ] 2>/dev/null
}

rdma_stands() { # SOURCE TARGET : both say so; which pages take it is the measured links' business
  status_is "$1" '.guests[0].placement.path' rdma && status_is "$2" '.incoming[0].paths.rdma.up' true
}

says() { # HOST PATTERN [TIMES]
  [ "$(count "$2" "$(daemon_log "$1")")" -ge "${3:-1}" ]
}

rdma_pages() {
  status "$1" '.incoming[0].paths.rdma_pages'
}

bare_policy() { # FOLDER KIND METHOD BODY
  echo "local p = { api = 1, kind = '$2', name = 'bare', version = '1.0.0' } function p:$3(pages) $4 end return p" \
    >"$HB_SOURCE/policies/$1/bare.lua"
}

inside() {
  # shellcheck source=tests/support/hosts.sh
  . "$HB_SOURCE/tests/support/hosts.sh"
  setting[host.rdma_address]=10.77.0.1 # TCP stays on the loopback device, whatever becomes of this one
  # Raw pages: what a slow emulated link makes of compression is not the question here.
  setting[transport.compression]=off
  setting[transport.rdma]=yes
  setting[transport.rdma_pinned_bytes]=4Mi
  setting[transport.window_bytes]=1Mi
  # Policies that compute nothing and want every page: the machine is emulated, and a policy's time is bounded.
  bare_policy predict predictor predict 'return pages.read_heat, pages.write_heat'
  bare_policy score scorer score 'return pages.predicted'
  bare_policy threshold threshold threshold 'return -1'
  setting[policy.predictor]=bare
  setting[policy.scorer]=bare
  setting[policy.threshold]=bare
  setting[policy.judge]=no
  setting[policy.finetune]=no
  setting[migration.verify]=yes
  setting[migration.max_downtime_ms]=20000
  guest_words="mb=8 rate=200 reads=50 verify_s=10 beat_ms=50 renew=5"
  start_seconds=90 # an emulated machine on a busy one
  pair_new p
  daemon_start a
  daemon_start b HB_FAULT=rdma.post=fail@40 # its queue pair dies once, in the middle

  hb a --json doctor >"$pair/doctor.json" || true
  has "$pair/doctor.json" '.checks[] | select(.name == "rdma") | .ok == "ok" and (.detail | test("port 7401"))' \
    '.checks[] | select(.name == "rdma rxe0/1") | .ok == "ok" and (.detail | test("active, Ethernet, MTU 4096 of 4096.*10.77.0.1.*RoCE v2"))' \
    '.checks[] | select(.name == "rdma memlock") | .ok == "ok"'

  guest_start a
  must a --json guest attach g --process "$guest_socket" >"$pair/attach.json"
  await 90 "the first scan" guest_attached a
  say "attached with tracker $(jq -r .tracker "$pair/attach.json")"
  must a --json place g --to b --wait --timeout 150 >"$pair/place.json"

  # A queue pair dies in mid-run: the same placement goes on over TCP, and comes back.
  await 90 "the RDMA connection to be lost" says b 'from a: the RDMA connection is lost'
  session_since=$(status a '.guests[0].placement.since_s | floor')
  await 120 "RDMA to be back" says b 'from a: pages can be read by RDMA' 2
  await 90 "both ends to have it" rdma_stands a b
  before=$(rdma_pages b)
  await 90 "pages to come by RDMA again" at_least b '.incoming[0].paths.rdma_pages' $((before + 20))
  [ "$(status a '.guests[0].placement.since_s | floor')" -ge "$session_since" ] || fail "the session began anew"
  says a 'placement session lost' && fail "the session was lost with the queue pair"
  await 90 "most pages to be there" at_least b '.incoming[0].fresh_pages' 1700
  # The frames of pages that are given back and written again are not the ones that were pinned.
  await 90 "a window to be withdrawn for its frames" at_least a '.guests[0].placement.rdma.lent.frames_lost' 1
  status b '.incoming[0].paths' >"$pair/paths.json"
  has "$pair/paths.json" '.rdma_pages > 1000' '.rdma.up' '.rdma.failed_runs > 0' '.tcp.up' '.tcp.pages > 0' '.link.device == "rxe0"' \
    '.link.port == 1' '.link.mtu == 4096' '.link.transport == "RoCE v2"' '.link.gid | test("10.77.0.1")'
  status a '.guests[0].placement.rdma' >"$pair/rdma.json"
  has "$pair/rdma.json" '.up' '.why == ""' '.pages > 0' '.link.device == "rxe0"' '.lent.granted > 0' '.lent.pinned_bytes <= 4194304'
  say "placed: $(rdma_pages b) pages by RDMA READ, $(jq .tcp.pages "$pair/paths.json") over TCP, $(jq .lent.frames_lost "$pair/rdma.json") windows withdrawn for a frame"

  # The hand-over compares every page while the guest stands still; then the guest looks for itself.
  move a b
  has "$pair/move.json" '.result == "done"'
  guest_one_runs 60
  guest_verify "$guest"
  say "moved: stopped $(jq '.downtime_ms | round' "$pair/move.json") ms, final pages $(jq .pages_final "$pair/move.json")"

  # And back, with the port gone as the hand-over begins: TCP brings what is left.
  must b --json place g --to a --wait --timeout 150 >"$pair/place.json"
  await 90 "RDMA the other way" rdma_stands b a
  ip link set dummy0 down
  hb b --json doctor >"$pair/doctor.json" || true
  has "$pair/doctor.json" '.checks[] | select(.name == "rdma rxe0/1") | .ok == "warn" and (.detail | startswith("down"))'
  move b a
  guest_one_runs 60
  guest_verify "$guest"
  guest_never_twice
  await 10 "no hand-over to be open" no_handovers
  journal_clean || fail "a journal has open entries"
  daemon_stop a
  daemon_stop b
  echo "ok: placed and moved over RDMA READ, without its port over TCP, memory right each time"
}

if [ -n "${HB_INSIDE:-}" ]; then
  inside
else
  : "${HB_SOURCE:?}" "${HB_BUILD:?}"
  outside
fi
