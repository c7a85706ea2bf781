#!/bin/bash
# timeout: 240
# Another process maps the guest's memory and writes to it behind the page tables: found and named, and never lost silently.
set -euo pipefail
. "${HB_SOURCE:?}/tests/support/hosts.sh"

# The guest writes nothing itself and checks when asked: each byte that the other process changes is one bad page, no more.
guest_words="mb=16 rate=0 reads=500 verify_s=0 beat_ms=20"
pair_new p
daemon_start a
daemon_start b
guest_memory=$images/a/memory
guest_start a

# mapper_start NAME FILE read-write|read-only : a coprocess with pipes of its own.
mapper_start() {
  mkfifo "$pair/$1.in"
  : >"$pair/$1.out"
  "$programs/memory_writer" "$2" "$3" <"$pair/$1.in" >"$pair/$1.out" 2>&1 &
  mapper=$!
  record $mapper
  disown
  exec {mapper_in}>"$pair/$1.in"
  mapper_out=$pair/$1.out
  await 5 "the mapping" grep -q mapped "$mapper_out"
}
mapper_write() { # OFFSET BYTE
  local n
  n=$(wc -l <"$mapper_out")
  echo "write $1 $2" >&"$mapper_in"
  await 5 "the write through the mapping" mapper_answered $((n + 1))
}
mapper_answered() {
  [ "$(wc -l <"$mapper_out")" -ge "$1" ]
}
mapper_end() {
  exec {mapper_in}>&-
  await 5 "the mapper to end" not alive "$mapper"
  rm -f "$pair"/*.in
}
byte_of() { # FILE OFFSET
  od -An -tu1 -j"$2" -N1 "$1" | tr -d ' '
}
offset() { # of a byte in the middle of page N, where the load keeps its records
  echo $(($1 * 4096 + 777))
}
different() { # the byte there, changed
  echo $(($(byte_of "$1" "$2") ^ 255))
}

# ---- there before attach ----

mapper_start reader "$guest_memory" read-only
must a --json guest attach g --process "$guest_socket" >"$pair/attach.json"
kind=$(jq -r .tracker "$pair/attach.json")
jq -e '.mappers == []' "$pair/attach.json" >"$pair/output" || fail "a process that only reads is called a writer"
must a guest detach g >"$pair/output"
mapper_end
[ "$kind" != hash ] || skip "this kernel has no tracker but hash: nothing could be lost"

mapper_start early "$guest_memory" read-write
for tracker in wp present; do
  refused 6 "process $mapper \(memory_writer\) maps region" a guest attach g --process "$guest_socket" --tracker $tracker
done
must a --json guest attach g --process "$guest_socket" >"$pair/attach.json"
jq -e --argjson pid "$mapper" '.tracker == "hash" and (.mappers | length == 1) and .mappers[0].pid == $pid and .mappers[0].comm == "memory_writer" and
  (.mappers[0].region | length > 0)' "$pair/attach.json" >"$pair/output" || fail "not hash, or not named: $(jq -c '{tracker, mappers}' "$pair/attach.json")"
say "a writer that was there before attach: $(jq -c '{tracker, mappers}' "$pair/attach.json")"
must a place g --to b --wait --timeout 60 >"$pair/output"
at=$(offset 1000)
value=$(different "$guest_memory" "$at")
mapper_write "$at" "$value"
move a b
arrived=$(status b '.guests[0].regions[0].path')
[ "$(byte_of "$arrived" "$at")" = "$value" ] || fail "a byte written through the other mapping did not arrive"
guest_one_runs
guest_verify "$guest" 1
mapper_end
say "its write arrived"

# ---- comes up later: noticed within its ten seconds, by name, and everything goes over again ----

status_is b '.guests[0].tracker' "$kind" || fail "tracker on b: $(status b '.guests[0].tracker')"
must b place g --to a --wait --timeout 60 >"$pair/output"
mapper_start late "$arrived" read-write
at=$(offset 2000)
value=$(different "$arrived" "$at")
mapper_write "$at" "$value"
await 20 "the new writer to be noticed" status_is b '.guests[0].mappers[0].pid' "$mapper"
status_is b '.guests[0].tracker' hash || fail "noticed, but the tracker is $(status b '.guests[0].tracker')"
grep -q "process $mapper (memory_writer) now maps" "$(daemon_log b)" || fail "the log does not name the writer"
# One more, after: seen by its content like any other.
later=$(offset 3000)
late_value=$(different "$arrived" "$later")
mapper_write "$later" "$late_value"
await 30 "the placement to be ready again" status_is b '.guests[0].placement.state' ready
move b a
arrived=$(status a '.guests[0].regions[0].path')
[ "$(byte_of "$arrived" "$at")" = "$value" ] || fail "the write before it was noticed did not arrive"
[ "$(byte_of "$arrived" "$later")" = "$late_value" ] || fail "the write after it was noticed did not arrive"
guest_one_runs
guest_verify "$guest" 3
mapper_end
say "a writer that came later was noticed, and its writes arrived"

# ---- comes up just before the move: found when the guest stands still; the move is given up, not the bytes ----

must a place g --to b --wait --timeout 60 >"$pair/output"
status_is a '.guests[0].tracker' "$kind" || fail "tracker on a: $(status a '.guests[0].tracker')"
was=$guest
mapper_start last "$arrived" read-write
at=$(offset 3500)
value=$(different "$arrived" "$at")
mapper_write "$at" "$value"
code=0
hb a migrate g --to b >"$pair/output" 2>"$pair/error" || code=$?
if [ $code != 0 ]; then
  [ $code = 6 ] || fail "exit code $code, not 6: $(cat "$pair/error")"
  grep -q 'write' "$pair/error" || fail "the message does not say why: $(cat "$pair/error")"
  say "given up: $(head -n 1 "$pair/error")"
  guest_one_runs
  [ "$guest" = "$was" ] || fail "another copy runs"
  await 30 "the placement to be ready again" status_is a '.guests[0].placement.state' ready
  move a b
else
  guest=$(guest_count)
  await 10 "the guest to be attached on b" guest_attached b
fi
arrived=$(status b '.guests[0].regions[0].path')
[ "$(byte_of "$arrived" "$at")" = "$value" ] || fail "a write just before the move did not arrive"
guest_one_runs
guest_verify "$guest" 4
guest_never_twice
await 5 "no hand-over to be open" no_handovers
echo "ok: no write through a second mapping was lost"
