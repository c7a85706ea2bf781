#!/usr/bin/env bash
# How well each shipped predictor foresees recorded traces, by the one definition (docs/POLICY_API.md, Prediction quality).
#   tests/bench/predictors.sh [--horizons 5,10,30] [--predictors a,b,...] [--jobs N] TRACE...
# Prints a table for each figure: F1 of all pages used, of those that return, of those written. HB_BUILD: the build folder.
set -euo pipefail

source_dir=$(cd "$(dirname "$0")/../.." && pwd)
build=${HB_BUILD:-$source_dir/build}
horizons=5,10,30 jobs=$(nproc)
predictors=recency,ewma,lfu,periodic,markov,majority,blend,lstm

while [ $# -gt 0 ]; do
  case $1 in
    --horizons) horizons=$2 && shift 2 ;;
    --predictors) predictors=$2 && shift 2 ;;
    --jobs) jobs=$2 && shift 2 ;;
    -*) echo "predictors: unknown option $1" >&2 && exit 2 ;;
    *) break ;;
  esac
done
[ $# -gt 0 ] || { echo "predictors: name traces" >&2 && exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HARBINGER=$build/harbinger POLICIES=$source_dir/policies WORK=$work

one() { # trace horizon predictor
  "$HARBINGER" trace replay "$1" --json --policies "$POLICIES" --predictor "$3" --horizon "$2" \
    >"$WORK/$(basename "$1" .hbt).$2.$3.json"
}
export -f one

for trace; do
  for h in ${horizons//,/ }; do
    for p in ${predictors//,/ }; do printf '%s\0%s\0%s\0' "$trace" "$h" "$p"; done
  done
done | xargs -0 -P "$jobs" -n 3 bash -c 'one "$@"' one

figure() { # title, jq path
  printf '\n%-16s' "$1"
  for p in ${predictors//,/ }; do printf ' %9s' "$p"; done
  echo
  for h in ${horizons//,/ }; do
    for trace in "${traces[@]}"; do
      name=$(basename "$trace" .hbt)
      printf '%-16s' "$name, $h s"
      for p in ${predictors//,/ }; do
        printf ' %9s' "$(jq -r "$2 // \"-\" | if type == \"number\" then (. * 1000 | round / 1000) else . end" \
          "$work/$name.$h.$p.json")"
      done
      echo
    done
  done
  printf '%-16s' mean
  for p in ${predictors//,/ }; do
    printf ' %9s' "$(jq -s "[.[] | $2 // empty] | add / length * 1000 | round / 1000" "$work"/*."$p".json)"
  done
  echo
}

traces=("$@")
figure 'F1' .f1
figure 'F1 returning' .f1_returning
figure 'F1 new' .f1_new
figure 'F1 writes' .f1_writes
if jq -s -e 'any(.[]; .policies.predictor.errors > 0)' "$work"/*.json >/dev/null; then
  echo 'predictors: a policy erred' >&2
  exit 1
fi
