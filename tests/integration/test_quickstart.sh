#!/bin/bash
# The main job on this build, small: a real guest moves there and back, and every figure of the report is there.
set -euo pipefail
: "${HB_BUILD:?}" "${HB_SOURCE:?}"
run=$HB_SOURCE/examples/quickstart/run.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

skip() {
  echo "skipped: $*"
  exit 77
}
fail() {
  echo "FAIL: $*"
  exit 1
}

[ "$(id -u)" = 0 ] || skip "network namespaces need root"
for p in qemu-system-x86_64 jq ip tc; do
  command -v $p >/dev/null || skip "no $p"
done
ip netns add "hb-probe-$$" 2>/dev/null || skip "no network namespaces here"
ip netns del "hb-probe-$$"
"$HB_SOURCE/tests/support/vm/fetch-kernel.sh" >/dev/null || skip "Debian's kernel package cannot be had here"

# The downtime is not judged here: a sanitized daemon on a busy machine has no say in it. tests/bench measures.
TMPDIR=$work "$run" --bin "$HB_BUILD" --ram 256M --roundtrips 2 --cold --max-downtime 20000 --record "$work/placement.hbt" --json "$work/report.json" \
  >"$work/table" || fail "the quickstart ended with $?"

jq -e '
  .guest == "load" and .ram_bytes == 268435456 and .link_bits_per_s == 1e9 and (.moves | length) == 2
  and .migration.bad_pages == 0 and .migration.heartbeats_wrong == 0 and .migration.pages_checked > 30000
  and .compare.cold.bad_pages == 0
  and ([.nonzero_bytes, .placement.bytes, .placement.pages, .placement.seconds, .placement.summary_bytes,
        .migration.downtime_ms, .migration.downtime_qemu_ms, .migration.total_ms, .migration.bytes_after,
        .migration.pages_final, .outcome.hit, .outcome.stale, .outcome.late, .outcome.wasted] | all(type == "number"))
  and .nonzero_bytes > 100e6 and .nonzero_bytes <= .ram_bytes
  and (.moves | all(.result == "done" and .downtime_ms >= .downtime_qemu_ms - 2 and .bytes_after < .nonzero_bytes / 2))
  and .moves[0].from == "hb-a" and .moves[0].to == "hb-b" and .moves[1].from == "hb-b" and .moves[1].to == "hb-a"
' "$work/report.json" >/dev/null || { jq . "$work/report.json"; fail "a figure of the report is missing or wrong"; }
grep -q 'pages checked .*bad: 0' "$work/table" || fail "the table does not show the guest's verdict"

# The first placement was recorded from its beginning to its end.
"$HB_BUILD/harbinger" --json trace info "$work/placement.hbt" >"$work/info.json" || fail "the recording cannot be read"
jq -e '.guest == "load" and .host == "hb-b" and .origin == "target" and .events.input > 100 and .events.decision > 100' \
  "$work/info.json" >/dev/null || { jq . "$work/info.json"; fail "the recording is not of the placement"; }
"$HB_BUILD/harbinger" --json trace replay "$work/placement.hbt" --policies "$HB_SOURCE/policies" >"$work/replay.json" ||
  fail "the recording cannot be replayed"
jq -e '.mode == "exact" and .digest_matches and .decision_digest == .recorded_digest' "$work/replay.json" >/dev/null ||
  { jq . "$work/replay.json"; fail "the replay decided otherwise"; }

# Nothing may stay behind: no namespace, no memory file, no process.
[ -z "$(find "$work" -maxdepth 1 -name 'harbinger-quickstart.*')" ] || fail "the run's folder stayed"
# (The brackets keep grep from finding itself.)
left=$(grep -la "$work/[h]arbinger-quickstart" /proc/[0-9]*/cmdline 2>/dev/null || true)
[ -z "$left" ] || fail "a process stayed: $left"

# Said before anything is started.
for wrong in --nosuch "--link 1gb" "--ram 64M" "--roundtrips 0" "--rate x" "--bin $work/none" "--record $work/report.json" "--record $work/no/such.hbt" --json; do
  code=0
  # shellcheck disable=SC2086
  "$run" $wrong >"$work/out" 2>&1 || code=$?
  [ "$code" = 2 ] && grep -q '^quickstart: ' "$work/out" || fail "$wrong: exit code $code"
done
