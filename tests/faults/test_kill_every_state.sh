#!/bin/bash
# label: long
# timeout: 900
# Every state of the hand-over that is no end, met by kill -9 of either daemon and either guest process and by a cut link. The list of
# states comes from the table itself: a state nobody knows how to reach fails the test.
#
#   test_kill_every_state.sh [STATE [VICTIM]]    only these
#
# One daemon is held in the state (HB_FAULT stall) while the other thing is done to it. Then all that was killed is started again, the
# link joined, and when it has settled: one copy of the guest runs, or can be resumed by one documented command; its memory is right;
# no two copies ever ran (heartbeats are numbered, and the number moves with the guest); nothing is left half-done on either host.
# Where the killed process was the only copy, that is reported as the guest's own death.
set -euo pipefail
. "${HB_SOURCE:?}/tests/support/hosts.sh"

only_state=${1:-} only_victim=${2:-}
victims=(source-daemon target-daemon source-guest target-guest link)
workers=${HB_WORKERS:-$((2 * $(nproc)))}
stall=700 # ms
with_wire=yes
guest_words="mb=8 rate=1000 reads=1000 verify_s=1 beat_ms=10"
certificates

# ---- how each state is reached, beside the plain way ----

# recipe STATE : sets source_faults, target_faults (HB_FAULT of each daemon), held (the daemon that is held in the state), and lead: a
# function to run, first, when `lead_state` is reached.
recipe() {
  source_faults= target_faults= lead= lead_host= lead_state=
  case $1 in s-*) held=a ;; t-*) held=b ;; esac
  case $1 in
    s-prepare | s-converge | s-freeze | s-delta | s-state | s-loaded | s-release | s-commit | s-finish) ;;
    t-prepare | t-prepared | t-delta | t-state | t-journal | t-loaded | t-take | t-resume) ;;
    s-doubt | t-doubt) lead=cut_for_doubt lead_host=a lead_state=s-commit source_faults=handover.s-commit=stall:500@1 ;;
    s-abort | t-abort) lead=operator_abort_source lead_host=a lead_state=s-converge source_faults=handover.s-converge=stall:400@1 ;;
    t-unload | t-refuse) lead=operator_abort_target lead_host=b lead_state=t-loaded source_faults=handover.s-release=stall:900@1 target_faults=handover.t-loaded=stall:300@1 ;;
    *) return 1 ;;
  esac
  local fault=handover.$1=stall:$stall@1
  case $held in
    a) source_faults=${source_faults:+$source_faults,}$fault ;;
    b) target_faults=${target_faults:+$target_faults,}$fault ;;
  esac
}

cut_for_doubt() {
  wire_cut
  [ "$state" = s-doubt ] || [ "$state" = t-doubt ]
}
operator_abort_source() {
  hb a migrate g --abort >>"$pair/output" 2>&1 &
  record $!
}
operator_abort_target() {
  hb b migrate g --abort >>"$pair/output" 2>&1 &
  record $!
}

entered() { # HOST STATE
  grep -q -- "--> $2\$" "$pair/$1"/log.* 2>/dev/null
}

# The blow fell while it was in that state: on a slow machine it may have been let go before.
still_held() {
  # There is no guest process on b before the hold on "prepare" has ended: it was killed as soon as there was one.
  case $state.$victim in ?-prepare.target-guest) return 0 ;; esac
  grep -h -- ' --.*--> ' "$(daemon_log "$held")" | tail -n 1 | grep -q -- "--> $state\$"
}

# ---- the five things that happen ----

strike() {
  case $1 in
    source-daemon) daemon_kill a ;;
    target-daemon) daemon_kill b ;;
    source-guest) guest_kill 1 ;;
    target-guest)
      # In its first states it is not there yet, and after its last not any more.
      case $state in ?-prepare) await 10 "the guest process on b" guest_alive 2 ;; esac
      ! guest_alive 2 || guest_kill 2
      ;;
    link) wire_cut ;;
  esac
}

# What the world does afterwards: services restart, cables are plugged in again.
mend() {
  local h
  for h in a b; do
    daemon_alive $h || daemon_start $h
  done
  wire_join
}

# ---- what must be so afterwards ----

settled() {
  no_handovers || return 1
  # Attached where it runs, or attaching still.
  [ "$(status a '[.guests[] | select(.state == "attaching")] | length')" = 0 ] &&
    [ "$(status b '[.guests[] | select(.state == "attaching")] | length')" = 0 ]
}

history_says() { # RESULT, of the move or of the guest, on any host
  { hb a --json history && hb b --json history; } |
    jq -se --arg r "$1" 'map(.entries[]) | any(.result == $r)' >"$pair/output" 2>&1
}

said_gone() { # a daemon says that its guest's process has ended
  [ "$(status a '[.guests[] | select(.state == "gone")] | length')" = 1 ] || [ "$(status b '[.guests[] | select(.state == "gone")] | length')" = 1 ]
}

# Sets outcome to a or b (where it runs), kept (resumed by the documented command), or dead.
judge() {
  local victim=$1 n seen=0
  guest=0
  for ((n = 1; n <= $(guest_count); n++)); do
    ! guest_alive "$n" || ! await_quietly 1 guest_beats_at_least "$n" $(($(guest_beats "$n") + 2)) || seen=$((seen + 1))
  done
  if [ $seen -gt 0 ]; then
    guest_one_runs
    outcome=$(guest_host "$guest")
  elif history_says kept; then
    must a migrate g --recover --keep-source >"$pair/output"
    guest_one_runs 10
    [ "$guest" = 1 ] || fail "resumed, but another process runs"
    await 10 "the resumed hand-over to end" settled
    outcome=kept
  elif [ "$victim" = source-guest ] || [ "$victim" = target-guest ]; then
    history_says dead || said_gone || fail "the guest is dead and nobody says so"
    outcome=dead
  else
    fail "no copy of the guest runs, though no guest process was killed"
  fi
}

# Before release nothing but its own death may take the guest from the source; after OWNED nothing may bring it back.
expected() {
  local state=$1 victim=$2 kind=$3
  case $state:$victim in
    s-*:source-guest)
      case $kind in undoable) [ "$state" = s-loaded ] && echo "b" || echo "dead" ;; *) [ "$state" = s-abort ] && echo dead || echo "b" ;; esac
      ;;
    t-prepare:source-guest | t-prepared:source-guest | t-delta:source-guest | t-abort:source-guest) echo "dead" ;;
    t-unload:source-guest | t-refuse:source-guest) echo "dead" ;;
    t-state:source-guest) echo "dead b" ;;
    t-*:source-guest) echo "b" ;;
    s-finish:target-guest) echo "dead" ;; # it had moved, and this was its own death
    t-take:target-guest) echo "a kept" ;; # it looks once more before it takes
    t-resume:target-guest) echo "kept" ;;
    s-release:target-guest | s-commit:target-guest) echo "a kept" ;;
    *:target-guest) echo "a" ;;
    s-finish:* | t-take:* | t-resume:*) echo "b" ;;
    t-unload:target-daemon) echo "a b" ;; # the operator's wish was not on record yet
    t-loaded:link | t-loaded:*-daemon | s-release:* | s-commit:* | s-doubt:* | t-doubt:*) echo "a b" ;;
    *) echo "a" ;;
  esac
}

nothing_left() {
  local n
  journal_clean || return 1
  for ((n = 1; n <= $(guest_count); n++)); do
    [ "$n" = "$guest" ] || ! guest_alive "$n" || return 1
  done
}

one_case() {
  state=$1 kind=$2 victim=$3
  local began=$EPOCHREALTIME want h
  setting=()
  pair_new "$state.$victim" "$worker"
  recipe "$state" || fail "no recipe for the state $state: teach this test how to reach it"
  wire_up
  daemon_start a HB_FAULT="$source_faults"
  daemon_start b HB_FAULT="$target_faults"
  guest_start a
  must a guest attach g --process "$guest_socket" >"$pair/output"
  await 10 "the first scan" guest_attached a
  must a place g --to b --wait --timeout 30 >"$pair/output"

  # In the background, as it may never answer.
  hb a --json migrate g --to b --timeout 20 >"$pair/migrate.json" 2>"$pair/migrate.error" &
  record $!
  disown
  if [ -n "$lead" ]; then
    await 20 "$lead_state on $lead_host" entered $lead_host $lead_state
    $lead
  fi
  await 20 "$state on $held" entered $held "$state"
  strike "$victim"
  still_held || exit 75
  mend
  await 40 "the hand-over to settle" settled
  judge "$victim"
  want=$(expected "$state" "$victim" "$kind")
  case " $want " in *" $outcome "*) ;; *) fail "outcome $outcome, not $want" ;; esac
  if [ $outcome != dead ]; then
    guest_verify "$guest"
  else
    guest=0
  fi
  guest_never_twice
  await 10 "nothing to be left half-done: $("$programs/journal_open" "$pair/a/state/harbinger.db"; "$programs/journal_open" "$pair/b/state/harbinger.db")" nothing_left

  # Where it lives on it is tracked, and it can be placed and moved again; where it does not nothing is left of it.
  case $outcome in
    a | kept) again a b ;;
    b) again b a ;;
    dead)
      for h in a b; do
        ! status_is $h '.guests | length' 1 || must $h guest detach g >"$pair/output"
      done
      await 10 "no image to be left" no_images
      ;;
  esac
  printf '%s %s %s %s\n' "$state" "$victim" "$outcome" "$(elapsed "$began")" >>"$work/results"
  say "$state, $victim: $outcome ($(elapsed "$began") s)"
  pair_end
}

no_images() {
  [ -z "$(find "$images" -name '*.state')" ] && status_is a '.incoming | length' 0 && status_is b '.incoming | length' 0
}

again() {
  await 15 "the guest to be tracked on $1" guest_attached "$1"
  [ "$(status "$2" '.guests | length')" = 0 ] || fail "$2 lists the guest too"
  ! status_is "$1" '.guests[0].placement' null || must "$1" place g --to "$2" >"$pair/output"
  await 20 "the placement to be ready again" status_is "$1" '.guests[0].placement.state' ready
  must "$1" unplace g >"$pair/output"
  await 10 "the image to be dropped" no_images
}

# ---- all of them ----

"$programs/handover_states" >"$work/states"
[ "$(wc -l <"$work/states")" -ge 20 ] || fail "only $(wc -l <"$work/states") states"
n=0
while read -r state role kind; do
  recipe "$state" || fail "no recipe for the state $state: teach this test how to reach it"
  for victim in "${victims[@]}"; do
    [ -z "$only_state" ] || [ "$state" = "$only_state" ] || continue
    [ -z "$only_victim" ] || [ "$victim" = "$only_victim" ] || continue
    echo "$state $kind $victim" >>"$work/cases"
    n=$((n + 1))
  done
done <"$work/states"
: >"$work/results"

work_off() {
  local i=0 rc state kind victim
  while read -r state kind victim; do
    i=$((i + 1))
    [ $((i % workers)) = "$worker" ] || continue
    for stall in 700 2000 6000 15000; do
      rc=0
      (one_case "$state" "$kind" "$victim") >"$work/case.$state.$victim" 2>&1 || rc=$?
      [ $rc = 0 ] || {
        pair=$work/$state.$victim images=$shm/$state.$victim
        pair_end
      }
      [ $rc = 75 ] || break
    done
    if [ $rc != 0 ]; then
      echo "=== $state, $victim ($rc)"
      echo "$state $victim" >>"$work/failures"
    fi
    cat "$work/case.$state.$victim"
  done <"$work/cases"
}
running=()
for ((worker = 0; worker < workers; worker++)); do
  work_off &
  running+=($!)
done
wait "${running[@]}" || true
done=$(wc -l <"$work/results")
echo "$done of $n cases right; outcomes: $(cut -d' ' -f3 "$work/results" | sort | uniq -c | awk '{ printf "%s %s  ", $2, $1 }')"
[ ! -e "$work/failures" ] || { echo "failed:" && sed 's/^/  /' "$work/failures"; }
[ "$done" = "$n" ]
