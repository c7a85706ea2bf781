#!/bin/bash
# whole_path.sh [--json] [--rounds N] [--mb N] [--rate PAGES] [--compression WAY] [--perf FOLDER] [NAME=SOURCE:BUILD...]
#
# The whole path of a page, from the source guest's memory into the image on the target: two daemons on loopback, TLS between them, a
# process guest that writes a little. For each version named (default: this one) and each round, in turn, so that a busy machine is
# busy for all of them alike:
#   placed   place --wait: policies choose, pages a second until it is ready, CPU time of both daemons for each GiB fetched
#   cold     migrate without a placement: everything is drained; the same, and the time from the request to the end
# Prints medians. NAME=SOURCE:BUILD is a source tree with a build of it: `before=/path/old:/path/old/build` compares two versions.
# --perf FOLDER: also samples both daemons in one more round of each version (perf record), for the table of docs/PERFORMANCE.md.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
json=0 rounds=5 mb=1024 rate=500 compression=auto perf='' versions=()
while [ $# -gt 0 ]; do
  case $1 in
    --json) json=1 && shift ;;
    --rounds) rounds=$2 && shift 2 ;;
    --mb) mb=$2 && shift 2 ;;
    --rate) rate=$2 && shift 2 ;;
    --compression) compression=$2 && shift 2 ;;
    --perf) perf=$2 && shift 2 ;;
    --one) one=$2 && shift 2 ;; # inside: one round of one version
    -*) echo "whole_path.sh: $1: no such option" >&2 && exit 2 ;;
    *) versions+=("$1") && shift ;;
  esac
done

# ---- one round, in a shell of its own: HB_SOURCE and HB_BUILD say which version ----

if [ -n "${one:-}" ]; then
  . "${HB_SOURCE:?}/tests/support/hosts.sh"
  setting[transport.connections]=2
  setting[tracking.epoch_ms]=1000
  setting[duplicates.find]=no
  setting[transport.compression]=$compression
  guest_words="mb=$mb rate=$rate reads=0 verify_s=0 beat_ms=1000"
  pair_new w >&2
  daemon_start a
  daemon_start b
  guest_start a
  must a --json guest attach g --process "$guest_socket" >"$pair/attach.json"
  await 20 "the first scan" guest_attached a
  ticks=$(getconf CLK_TCK)
  cpu() { # seconds of both daemons so far
    awk -v hz="$ticks" '{ sub(/^.*\) /, ""); s += $12 + $13 } END { print s / hz }' "/proc/$(daemon_pid a)/stat" "/proc/$(daemon_pid b)/stat"
  }
  sampler=
  if [ -n "$perf" ]; then
    mkdir -p "$perf"
    perf record -q -g -F 499 -o "$perf/$one.data" -p "$(daemon_pid a),$(daemon_pid b)" >/dev/null 2>&1 &
    sampler=$!
  fi
  before=$(cpu) began=$EPOCHREALTIME
  must a --json place g --to b --wait --timeout 120 >"$pair/place.json"
  took=$(elapsed "$began") used=$(cpu)
  jq -c --arg name "$one" --argjson s "$took" --argjson cpu "$(echo "$used $before" | awk '{ print $1 - $2 }')" \
    '{name: $name, what: "placed", seconds: $s, cpu_s: $cpu, pages: .pages, wire_bytes: .wire_bytes}' "$pair/place.json" >>"$work/figures"
  must a unplace g >/dev/null 2>&1 || true
  await 20 "the image to be gone" status_is b '.incoming | length' 0
  before=$(cpu) began=$EPOCHREALTIME
  must a --json migrate g --to b >"$pair/move.json"
  took=$(elapsed "$began") used=$(cpu)
  jq -c --arg name "$one" --argjson s "$took" --argjson cpu "$(echo "$used $before" | awk '{ print $1 - $2 }')" \
    '{name: $name, what: "cold", seconds: $s, cpu_s: $cpu, pages: (.nonzero_bytes / 4096 | floor), wire_bytes: .bytes_after}' "$pair/move.json" >>"$work/figures"
  [ -z "$sampler" ] || { kill -INT "$sampler" && wait "$sampler" || true; }
  cat "$work/figures" >&4
  exit 0
fi

# ---- all rounds ----

[ ${#versions[@]} -gt 0 ] || versions=("now=$top:${HB_BUILD:-$top/build-release}")
figures=$(mktemp)
trap 'rm -f "$figures"' EXIT
run_one() { # VERSION [--perf FOLDER]
  local name=${1%%=*} paths=${1#*=}
  shift
  HB_SOURCE=${paths%%:*} HB_BUILD=${paths#*:} "$here/whole_path.sh" --one "$name" --mb "$mb" --rate "$rate" --compression "$compression" "$@" 4>>"$figures" >&2
}
for ((r = 0; r < rounds; r++)); do
  for v in "${versions[@]}"; do run_one "$v"; done
done
if [ -n "$perf" ]; then
  kept=$(cat "$figures")
  for v in "${versions[@]}"; do run_one "$v" --perf "$perf"; done
  echo "$kept" >"$figures"
fi
summary=$(jq -cs 'def median: sort | .[length / 2 | floor];
  group_by([.what, .name]) | map({what: .[0].what, name: .[0].name, rounds: length,
    pages_per_s: (map(.pages / .seconds) | median | round), seconds: (map(.seconds) | median),
    cpu_s_per_gib: (map(.cpu_s / (.pages * 4096 / 1073741824)) | median),
    wire_share: (map(.wire_bytes / (.pages * 4096)) | median)})' "$figures")
if [ $json = 1 ]; then
  echo "$summary"
else
  echo "$summary" | jq -r '(["what", "version", "rounds", "pages/s", "MiB/s", "s", "CPU s/GiB", "wire/memory"] | @tsv),
    (.[] | [.what, .name, .rounds, .pages_per_s, (.pages_per_s / 256 | round), (.seconds * 100 | round / 100),
      (.cpu_s_per_gib * 1000 | round / 1000), (.wire_share * 1000 | round / 1000)] | @tsv)' | column -t -s "$(printf '\t')"
fi
