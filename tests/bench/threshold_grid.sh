#!/usr/bin/env bash
# The adaptive threshold beside the best fixed cut of each link and trace.
#   tests/bench/threshold_grid.sh [--links 10mbit,...] [--moments N] [--excess SHARE] TRACE...
# Cost of a cell, what an operator pays for a move and for being ready for one:
#   time from the request to the end and downtime, as a share of what they are without prefetching
#   + 5 x the share of the link, over the whole trace, that carried copies overwritten before they were used.
# So a fifth of the link burnt all the time is as bad as no head start at all. Times go in steps of the drain's rounds, so few
# moments tell luck, not cuts: 10 by default. Exits 1 when adaptive costs more than --excess (0.05) above the best fixed cut
# anywhere. HB_BUILD: the build folder.
set -euo pipefail

source_dir=$(cd "$(dirname "$0")/../.." && pwd)
build=${HB_BUILD:-$source_dir/build}
links=10mbit,100mbit,1gbit,10gbit moments=10 excess=0.05
cuts=(-1 -0.5 0 0.05 0.1 0.2 0.3 0.5)

while [ $# -gt 0 ]; do
  case $1 in
    --links) links=$2 && shift 2 ;;
    --moments) moments=$2 && shift 2 ;;
    --excess) excess=$2 && shift 2 ;;
    -*) echo "threshold_grid: unknown option $1" >&2 && exit 2 ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || { echo "threshold_grid: name traces" >&2 && exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
policies=-:-:$source_dir/policies/threshold/adaptive.lua
for cut in "${cuts[@]}"; do
  name=cut_${cut/-/m}
  sed "s/name = \"fixed\"/name = \"$name\"/; s/default = 0.1/default = $cut/" "$source_dir/policies/threshold/fixed.lua" \
    >"$work/$name.lua"
  policies+=,-:-:$work/$name.lua
done

"$build/harbinger" trace compare "$@" --policies "$source_dir/policies" --policy "$policies" --link "$links" \
  --moments "$moments" --csv --results "$work/grid.db" >"$work/grid.csv"
for trace; do
  printf '%s,%s\n' "$(basename "$trace" .hbt)" "$("$build/harbinger" trace info "$trace" --json | jq .seconds)"
done >"$work/seconds.csv"

awk -F, -v excess="$excess" '
  function plain(s) { gsub(/"/, "", s); sub(/.*\//, "", s); return s }
  NR == FNR { seconds[$1] = $2; next }
  FNR == 1 { for (i = 1; i <= NF; i++) column[$i] = i; next }
  {
    trace = plain($column["trace"]); cell = trace SUBSEP $column["link_bytes_per_s"]; p = plain($column["policy"])
    if (p == "optimum") next
    if (!(cell in seen)) { order[++cells] = cell; seen[cell] = 1 }
    wait[cell, p] = $column["after_s"] + $column["downtime_s"]
    waste[cell, p] = $column["wasted"] * 4096 * 0.5 / $column["link_bytes_per_s"] / seconds[trace]
    policy[p] = 1
  }
  END {
    printf "%-10s %10s %10s %8s %9s %8s\n", "trace", "link Mbit", "best cut", "cost", "adaptive", "excess"
    for (i = 1; i <= cells; i++) {
      split(order[i], part, SUBSEP); best = ""
      for (p in policy) {
        cost[p] = wait[order[i], p] / wait[order[i], "nothing"] + 5 * waste[order[i], p]
        if (p ~ /^cut_/ && (best == "" || cost[p] < cost[best])) best = p
      }
      over = cost["adaptive"] / cost[best] - 1; worse += (over > excess)
      cut = substr(best, 5); sub(/m/, "-", cut)
      printf "%-10s %10.0f %10s %8.3f %9.3f %+7.1f %%%s\n", part[1], part[2] * 8 / 1e6, cut, cost[best], cost["adaptive"], \
        100 * over, (over > excess ? "  *" : "")
    }
    exit (worse > 0)
  }' "$work/seconds.csv" "$work/grid.csv"
