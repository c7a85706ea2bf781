#!/bin/bash
# timeout: 120
# Detach leaves a guest as it was: descriptors, mappings, threads, no userfaultfd, no ptrace; by command, and the process goes on unharmed.
set -euo pipefail
. "${HB_SOURCE:?}/tests/support/hosts.sh"

guest_words="mb=32 rate=2000 verify_s=1 beat_ms=20"
pair_new p
daemon_start a

# What of a process must not change. Resident sizes do; places, rights, files and registrations do not.
portrait() {
  local pid=$1 fd
  for fd in /proc/"$pid"/fd/*; do
    echo "fd ${fd##*/} $(readlink "$fd")"
  done
  awk '/^[0-9a-f]+-[0-9a-f]+ / { range = $0 } /^VmFlags:/ { print range; print }' "/proc/$pid/smaps" | sed 's/ sd\( \|$\)/ /'
  grep -E '^(TracerPid|Threads|SigBlk|SigIgn|SigCgt|Seccomp|NoNewPrivs):' "/proc/$pid/status"
}

watched() {
  grep -qE '^VmFlags:.* (um|uw|ui)( |$)' "/proc/$1/smaps"
}

guest_start a
pid=$(guest_pid "$guest")
guest_runs "$guest" || fail "the guest does not run"
portrait "$pid" >"$pair/before"

for tracker in present wp softdirty hash; do
  code=0
  hb a --json guest attach g --process "$guest_socket" --tracker $tracker >"$pair/attach.json" 2>"$pair/error" || code=$?
  if [ $code != 0 ]; then
    jq -e --arg t "$tracker" '.error.which == $t and (.error.next | length > 0)' "$pair/attach.json" >"$pair/output" ||
      fail "tracker $tracker is refused without its name or what next: $(cat "$pair/attach.json")"
    say "tracker $tracker: $(jq -r .error.what "$pair/attach.json")"
    portrait "$pid" >"$pair/after"
    diff "$pair/before" "$pair/after" || fail "a refused attach left something behind"
    continue
  fi
  [ "$(jq -r .tracker "$pair/attach.json")" = $tracker ] || fail "asked for $tracker, got $(jq -r .tracker "$pair/attach.json")"
  await 10 "the first scan" guest_attached a
  case $tracker in
    present | wp) watched "$pid" || fail "tracker $tracker is attached, but no mapping is registered: the portrait would see nothing" ;;
  esac
  must a guest detach g >"$pair/output"
  portrait "$pid" >"$pair/after"
  diff "$pair/before" "$pair/after" || fail "tracker $tracker left something behind"
  guest_runs "$guest" || fail "the guest stands still after detach"
  guest_verify "$guest"
  say "tracker $tracker: attached and detached, the guest is as it was"
done

# The daemon that is only stopped leaves the registration, so that tracking can go on; the guest runs all the same.
must a guest attach g --process "$guest_socket" >"$pair/output"
daemon_stop a
guest_runs "$guest" || fail "the guest stands still without its daemon"
guest_verify "$guest"
daemon_start a
await 10 "the guest to be tracked again" guest_attached a
must a guest detach g >"$pair/output"
portrait "$pid" >"$pair/after"
diff "$pair/before" "$pair/after" || fail "detach after a restart left something behind"
status_is a '.guests | length' 0 || fail "the guest is still listed"
[ -z "$(find "$images/a/run" -name 'g.*')" ] || fail "files are left: $(ls "$images/a/run")"
refused 3 'no guest' a guest detach g
echo "ok: the guest is as it was after every detach"
