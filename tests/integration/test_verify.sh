#!/bin/bash
# timeout: 120
# The comparison in the frozen state: silent when all is right, and a copy that differs is never handed over.
set -euo pipefail
. "${HB_SOURCE:?}/tests/support/hosts.sh"

guest_words="mb=48 rate=1000"
setting[migration.verify]=yes
pair_new p
daemon_start a
# The third comparison of a page that the target makes goes wrong; in the next life of the daemon none does.
daemon_start b HB_FAULT=verify.page=fail@3
guest_start a
must a guest attach g --process "$guest_socket" >"$pair/output"
await 10 "the first scan" guest_attached a
must a place g --to b --wait --timeout 60 >"$pair/output"

refused 1 'page 2 .*differs' a migrate g --to b
guest_one_runs
[ "$guest" = 1 ] || fail "the guest does not run where it was"
guest_verify 1
await 10 "the hand-over to end on both sides" no_handovers
journal_clean || fail "a journal entry is left open"

daemon_kill b
daemon_start b
await 20 "the link to come back" status_is a '.guests[0].placement.state != "lost"' true
must a place g --to b --wait --timeout 60 >"$pair/output"
move a b
guest_one_runs
guest_verify "$guest"
say "compared and moved: stopped $(jq .downtime_ms "$pair/move.json") ms"

# The hash tracker's word alone does not make a page right, so it is always compared.
pair_end
unset "setting[migration.verify]"
setting[tracking.backend]='hash'
pair_new q
daemon_start a
daemon_start b HB_FAULT=verify.page=fail@1
guest_start a
must a guest attach g --process "$guest_socket" >"$pair/output"
await 10 "the first scan" guest_attached a
must a place g --to b --wait --timeout 60 >"$pair/output"
refused 1 'page 0 .*differs' a migrate g --to b
guest_one_runs
guest_verify "$guest"

# A difference is told at once, though more of the guest is still being compared.
pair_end
unset "setting[tracking.backend]"
setting[migration.verify]=yes
guest_words="mb=320 rate=200 verify_s=0"
pair_new r
daemon_start a
daemon_start b HB_FAULT=verify.page=fail@1
guest_start a
must a guest attach g --process "$guest_socket" >"$pair/output"
await 10 "the first scan" guest_attached a
must a place g --to b --wait --timeout 60 >"$pair/output"
refused 1 'page 0 .*differs' a migrate g --to b
must a --json history >"$pair/history.json"
frozen=$(jq '[.entries[] | select(.kind == "migration")][0].figures.phases_ms | .["s-delta"] + .["s-state"]' "$pair/history.json")
jq -en "$frozen < 10000" >/dev/null || fail "the guest stood still for $frozen ms"
guest_one_runs
guest_verify "$guest"
say "a difference in the first of several parts: stood still for $frozen ms"
