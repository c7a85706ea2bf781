#!/bin/bash
# label: long
# timeout: 900
# A real guest under QEMU, handed over between two daemons, while in every state of the hand-over one of five things is done to it:
# kill -9 of either daemon or either QEMU, or the link cut. The states come from the table itself: one that nobody knows how to
# reach fails the test.
#
#   test_kill_qemu.sh              each state once, what is done to it changing from state to state
#   test_kill_qemu.sh --shift N    the same, beginning with another of the five: N = 0 (default) to 4 make the whole
#   test_kill_qemu.sh --all        every state with each of the five
#   test_kill_qemu.sh STATE [WHAT] one state; WHAT is source-daemon, target-daemon, source-qemu, target-qemu or link
#   test_kill_qemu.sh --random N [SEED] N times one of the five at a moment that chance chooses, most of them while the guest stands
#   --table FILE                   what came of each case, as Markdown
#
# One guest serves many cases: where it lives on, the next case moves it from there. After each case what was killed is started
# again and the link joined. When it has settled exactly one QEMU runs the guest, or can be made to by one documented command, and
# the guest has found all its memory right in a check begun afterwards; or the only copy was killed, and that is what is reported.
# Nothing is left half-done on either host: no open journal entry, no other QEMU, no file of an image nobody has ordered; and the
# guest can be placed again.
set -euo pipefail
. "${HB_SOURCE:?}/tests/support/hosts.sh"
. "$HB_SOURCE/tests/support/qemu_guests.sh"

victims=(source-daemon target-daemon source-qemu target-qemu link)
all=no random=0 seed=$$ shift_by=0 only_state='' only_victim='' table=''
while [ $# -gt 0 ]; do
  case $1 in
    --all) all=yes ;;
    --random)
      random=${2:?} && shift
      case ${2:-} in [0-9]*) seed=$2 && shift ;; esac
      ;;
    --shift) shift_by=${2:?} && shift ;;
    --table) table=${2:?} && shift ;;
    -*) echo "test_kill_qemu.sh: unknown option $1" >&2 && exit 2 ;;
    *) if [ -z "$only_state" ]; then only_state=$1; else only_victim=$1; fi ;;
  esac
  shift
done
with_wire=yes

# ---- how each state is reached ----

# recipe STATE : sets side (who is in that state), source_faults and target_faults (to hold others where that needs time), and lead:
# what to do first, when lead_side has entered lead_state.
recipe() {
  source_faults='' target_faults='' lead='' lead_side='' lead_state=''
  case $1 in
    s-*) side=source ;;
    t-*) side=target ;;
    random) side=none ;;
  esac
  case $1 in
    s-prepare | s-converge | s-freeze | s-delta | s-state | s-loaded | s-release | s-commit | s-finish) ;;
    t-prepare | t-prepared | t-delta | t-state | t-journal | t-loaded | t-take | t-resume) ;;
    t-starting) ;;  # in t-prepare, when the command for a QEMU has begun and its monitor is not there yet
    t-releasing) ;; # in t-done, when the image is about to become the guest's own memory
    random) ;;
    s-doubt | t-doubt) lead=lead_cut lead_side=source lead_state=s-commit source_faults=handover.s-commit=stall:600@1 ;;
    s-abort | t-abort) lead=lead_abort_source lead_side=source lead_state=s-converge source_faults=handover.s-converge=stall:600@1 ;;
    t-unload | t-refuse)
      lead=lead_abort_target lead_side=target lead_state=t-loaded
      source_faults=handover.s-release=stall:1500@1 target_faults=handover.t-loaded=stall:500@1
      ;;
    *) return 1 ;;
  esac
}

lead_cut() {
  wire_cut
}
lead_abort_source() {
  hb "$from" migrate g --abort >>"$pair/output" 2>&1 &
  record $!
}
lead_abort_target() {
  hb "$to" migrate g --abort >>"$pair/output" 2>&1 &
  record $!
}

# Any moment, most often one while the guest stands or is about to.
random_moment() {
  local ms
  if [ $((RANDOM % 4)) = 0 ]; then
    ms=$((RANDOM % 1500))
  else
    await 20 "s-freeze on the source" entered source s-freeze
    ms=$((RANDOM % 120))
  fi
  sleep "$(printf '0.%03d' $((ms % 1000)))"
  [ $ms -lt 1000 ] || sleep 1
}

# The daemon in the state dies there, or is held there while the rest happens.
arm() {
  [ "$state" != random ] || return 0
  local fault=handover.$state=stall:$stall@1
  rm -f "$pair/slow"
  [ "$victim" != "$side-daemon" ] || fault=handover.$state=kill@1
  case $state in
    t-starting)
      fault=line.connect=kill@3
      touch "$pair/slow"
      ;;
    t-releasing) fault=image.release=kill@1 ;;
  esac
  case $side in
    source) source_faults=${source_faults:+$source_faults,}$fault ;;
    target) target_faults=${target_faults:+$target_faults,}$fault ;;
  esac
}

host_of() {
  case $1 in source) echo "$from" ;; target) echo "$to" ;; esac
}

entered() { # SIDE STATE
  grep -qs -- "--> $2\$" "$pair/$(host_of "$1")"/log.*
}

steps() { # SIDE : how many steps its daemon has taken
  count 'hand-over of g: .*--> ' "$(daemon_log "$(host_of "$1")")"
}
took_a_step() {
  [ "$(steps "$side")" -gt "$1" ] || status_is "$(host_of "$side")" '.handovers | length' 0
}

# ---- what is done, and undone ----

# The blow fell in that state: on a busy machine the daemon may have been let go before.
still_held() {
  [ "$state" = random ] || [ "$victim" = "$side-daemon" ] ||
    grep -- 'hand-over of g: .*--> ' "$(daemon_log "$(host_of "$side")")" | tail -n 1 | grep -q -- "--> $state\$"
}

new_qemu() {
  [ "$(guest_count)" -gt "$count_before" ] && guest_alive "$(guest_count)"
}

strike() {
  case $1 in
    "$side-daemon") await 10 "harbingerd on $(host_of "$side") to die in $state" not daemon_alive "$(host_of "$side")" ;;
    source-daemon) daemon_kill "$from" ;;
    target-daemon) daemon_kill "$to" ;;
    source-qemu) guest_kill "$first" ;;
    target-qemu)
      # In the first states it is about to be started, and after giving up it may be gone already.
      case $state in ?-prepare) await 10 "a QEMU on $to" new_qemu ;; esac
      ! new_qemu || guest_kill "$(guest_count)"
      ;;
    link) wire_cut ;;
  esac
}

# The world does not mend at once: first the daemon that was held has met what happened.
mend() {
  local h before
  if [ "$state" = random ]; then
    sleep "0.$((RANDOM % 10))"
  elif [ "$victim" != "$side-daemon" ]; then
    before=$(steps "$side")
    await_quietly 3 took_a_step "$before" || true
  fi
  for h in a b; do
    daemon_alive $h || daemon_start $h
  done
  wire_join
}

# ---- what must be so afterwards ----

settled() {
  no_handovers && journal_clean && none_attaching a && none_attaching b
}
none_attaching() {
  status_is "$1" '[.guests[] | select(.state == "attaching")] | length' 0
}

one_qemu() { # ... is there, and runs
  local now
  now=$(qemus)
  case $now in *" "* | '') false ;; *"*") guest=${now%"*"} ;; *) false ;; esac
}
no_qemu() {
  [ -z "$(qemus)" ]
}

deaths() { # that the histories of both hosts tell of
  { hb a --json history --limit 10000 && hb b --json history --limit 10000; } | jq -s '[.[].entries[] | select(.result == "dead")] | length'
}

said_gone() {
  status_is a '[.guests[] | select(.state == "gone")] | length' 1 || status_is b '[.guests[] | select(.state == "gone")] | length' 1
}

# Sets outcome: source or target (where it runs), kept (resumed by the documented command), dead.
judge() {
  if await_quietly 5 one_qemu; then
    outcome=target
    [ "$guest" != "$first" ] || outcome=source
  elif guest_alive "$first" && [ "$(qemus)" = "$first" ]; then
    must "$from" migrate g --recover --keep-source >"$pair/output"
    await 10 "the guest to run again" one_qemu
    outcome=kept
  elif [ "$victim" = source-qemu ] || [ "$victim" = target-qemu ]; then
    await_quietly 5 no_qemu || fail "QEMUs are left: $(qemus)"
    dead_is_said || fail "the guest is dead and nobody says so"
    outcome=dead
  else
    fail "QEMUs: $(qemus); no one was killed"
  fi
}

dead_is_said() {
  [ "$(deaths)" -gt "$deaths_before" ] || said_gone
}

# Where the table lets it end. Before release only its own death may take the guest from the source; after OWNED nothing may bring
# it back but an operator.
expected() {
  case $state:$victim in
    random:source-qemu) echo "dead target" ;;
    random:target-qemu) echo "source target kept dead" ;; # it may not have been there yet, or have been the guest's new home
    random:*) echo "source target" ;;
    s-loaded:source-qemu) echo "target" ;; # the target has it whole, and saves it
    s-release:source-qemu | s-commit:source-qemu | s-doubt:source-qemu | s-finish:source-qemu) echo "target" ;;
    t-journal:source-qemu | t-loaded:source-qemu | t-doubt:source-qemu | t-take:source-qemu | t-resume:source-qemu) echo "target" ;;
    t-state:source-qemu) echo "dead target" ;; # all of it may have been sent, or not
    *:source-qemu) echo "dead" ;;
    s-finish:target-qemu) echo "dead" ;; # it had moved, and this was its own death
    t-resume:target-qemu) echo "kept" ;;
    *:target-qemu) echo "source" ;;
    t-releasing:*) echo "target" ;;
    s-finish:* | t-take:source-daemon | t-take:link | t-resume:*) echo "target" ;;
    t-take:target-daemon) echo "target" ;; # loaded and released: it is asked again, and takes it
    t-unload:target-daemon) echo "source target" ;; # the operator's wish was not on record yet
    t-loaded:link | t-loaded:*-daemon | s-release:* | s-commit:* | s-doubt:* | t-doubt:*) echo "source target" ;;
    *) echo "source" ;;
  esac
}

# Heartbeats are numbered, and the number moves with the guest: none was printed twice since the case began. Where a kept copy was
# resumed it goes back to where it was frozen, on purpose.
never_twice() {
  local n twice
  twice=$({
    tail -n +$((lines_before + 1)) "$pair/guest.$first/log"
    for ((n = count_before + 1; n <= $(guest_count); n++)); do cat "$pair/guest.$n/log" 2>/dev/null || true; done
  } | tr -d '\000' | sed -n 's/^HB \([0-9]*\) .*/\1/p' | sort -n | uniq -d | head -n 3 | tr '\n' ' ')
  [ -z "$twice" ] || fail "two copies of the guest ran: both printed heartbeats $twice"
}

every_file() {
  find "$images" -type f | sort | xargs
}
image_files() {
  find "$images"/[ab]/images -type f 2>/dev/null | sort
}
only_its_files() { # the guest's memory where an image became that, and the image of its placement on $1
  local memory want
  memory=$(cat "$pair/guest.$guest/memory")
  want=$({
    case $memory in */images/*) echo "$memory" ;; esac
    printf '%s\n' "$images/$1/images/g.mem.img" "$images/$1/images/g.state"
  } | sort)
  [ "$(image_files)" = "$want" ]
}
no_files() {
  [ -z "$(image_files)" ] && [ -z "$(find "$images"/[ab]/run -name 'g.map' -o -name 'g.track')" ]
}

# It is tracked where it lives, nowhere else, and can be placed anew.
lives_on() {
  local home away
  home=$(guest_host "$guest")
  away=$(other "$home")
  await 15 "the guest to be tracked on $home" guest_attached "$home"
  await 10 "$away not to list the guest" status_is "$away" '.guests | length' 0
  place "$home" "$away"
  await_quietly 5 only_its_files "$away" || fail "other files than the guest's and its image's: $(every_file)"
  [ -z "$(find "$images/$away/run" -name 'g.map' -o -name 'g.track')" ] || fail "$away keeps the tracking of a guest it does not have"
  echo "$guest $home" >"$pair/living"
}

is_gone() {
  local h
  for h in a b; do
    ! status_is $h '.guests | length' 1 || must $h guest detach g >"$pair/output"
  done
  await_quietly 10 no_files || fail "files of the dead guest are left: $(every_file)"
  : >"$pair/living"
}

place() { # FROM TO
  if status_is "$1" '.guests[0].placement' null; then
    must "$1" place g --to "$2" >"$pair/output"
  fi
  await 30 "the placement on $2 to be ready" status_is "$1" '.guests[0].placement.state' ready
}

# ---- one case ----

daemons_with_faults() {
  local h
  for h in a b; do
    ! daemon_alive $h || daemon_stop $h
  done
  rm -f "$pair"/[ab]/log.* # a failure shows this case alone
  for ((h = 1; h <= $(guest_count); h++)); do guest_alive $h || rm -f "$pair/guest.$h/log"; done
  daemon_start "$from" HB_FAULT="$source_faults"
  daemon_start "$to" HB_FAULT="$target_faults"
}

a_guest() {
  if [ -n "$guest" ]; then
    await 15 "the guest to be tracked again" guest_attached "$from"
  else
    rm -f "$images/$from/memory"
    guest_start "$from"
    must "$from" guest attach g --qmp "$guest_socket" >"$pair/output"
    await 10 "the first scan" guest_attached "$from"
  fi
  first=$guest
}

step() { # what takes how long; HB_STEPS=yes shows it
  [ -z "${HB_STEPS:-}" ] || say "  $1"
}

one_case() {
  state=$1 victim=$2
  local began=$EPOCHREALTIME rc='' want
  read -r guest from <"$pair/living" || true
  from=${from:-a}
  to=$(other "$from")
  recipe "$state"
  arm
  daemons_with_faults
  step "daemons started"
  a_guest
  step "guest tracked"
  place "$from" "$to"
  count_before=$(guest_count) lines_before=$(wc -l <"$pair/guest.$first/log") deaths_before=$(deaths)

  step "placed"
  # In the background, as it may never answer.
  rm -f "$pair/migrate.rc"
  {
    hb "$from" --json migrate g --to "$to" --timeout 30 >"$pair/migrate.json" 2>"$pair/migrate.error" && rc=0 || rc=$?
    echo "$rc" >"$pair/migrate.rc"
  } &
  record $!
  disown
  if [ -n "$lead" ]; then
    await 20 "$lead_state on the $lead_side" entered $lead_side $lead_state
    $lead
  fi
  if [ "$state" = random ]; then
    random_moment
  else
    local seen=$state
    case $state in t-starting) seen=t-prepare ;; t-releasing) seen=t-done ;; esac
    await 20 "$seen on the $side" entered $side "$seen"
  fi
  step "$state"
  strike "$victim"
  step "$victim struck"
  still_held || exit 75
  mend
  step "mended"
  await_quietly 40 settled || fail "the hand-over did not settle within 40 s: $(journals)"
  step "settled"
  judge
  step "judged"
  want=$(expected)
  case " $want " in *" $outcome "*) ;; *) fail "outcome $outcome, not $want" ;; esac
  await 10 "harbinger migrate to end" test -s "$pair/migrate.rc"
  [ "$(cat "$pair/migrate.rc")" != 0 ] || [ $outcome = target ] || [ "$outcome:$victim" = dead:target-qemu ] ||
    fail "harbinger migrate said that it moved"
  [ "$outcome:$victim" != dead:target-qemu ] || entered target t-done || fail "the target did not have the guest, and yet it is dead"
  if [ $outcome = dead ]; then
    is_gone
  else
    guest_verify "$guest"
    step "verified"
    [ $outcome = kept ] || never_twice
    lives_on
    step "placed again"
  fi
  echo "$state $victim $outcome $(elapsed "$began")" >>"$work/results"
  say "$state, $victim: $outcome ($(elapsed "$began") s)"
}

journals() {
  "$programs/journal_open" "$pair/a/state/harbinger.db"
  "$programs/journal_open" "$pair/b/state/harbinger.db"
}

# ---- which cases ----

"$programs/handover_states" >"$work/states"
[ "$(wc -l <"$work/states")" -ge 20 ] || fail "only $(wc -l <"$work/states") states"

wanted() { # STATE VICTIM INDEX_OF_STATE INDEX_OF_VICTIM
  if [ -n "$only_state" ]; then
    [ "$1" = "$only_state" ] && { [ -z "$only_victim" ] || [ "$2" = "$only_victim" ]; }
  else
    [ $all = yes ] || [ $((($3 + shift_by) % ${#victims[@]})) = "$4" ]
  fi
}

choose_cases() {
  local state i=0 v
  if [ "$random" -gt 0 ]; then
    echo "seed $seed"
    RANDOM=$seed
    for ((i = 0; i < random; i++)); do echo "random ${victims[RANDOM % ${#victims[@]}]} $RANDOM"; done >"$work/cases"
    return
  fi
  while read -r state _; do
    recipe "$state" || fail "no recipe for the state $state: teach this test how to reach it"
    for ((v = 0; v < ${#victims[@]}; v++)); do
      ! wanted "$state" "${victims[v]}" $i $v || echo "$state ${victims[v]}"
    done
    i=$((i + 1))
  done <"$work/states" >"$work/cases"
  for state in t-starting t-releasing; do
    ! wanted $state target-daemon 0 "$shift_by" || echo "$state target-daemon" >>"$work/cases"
  done
  [ -s "$work/cases" ] || fail "no such case: $only_state $only_victim"
}

# Two hosts, and nothing on them.
fresh_pair() {
  pairs=$((${pairs:-0} + 1))
  pair_new "pair$pairs"
  mkdir -p "$images"/{a,b}/{images,run}
  : >"$pair/living"
  wire_up
}

as_table() {
  printf '%s\n' t-starting t-releasing >>"$work/states"
  echo "| state | $(printf '%s | ' "${victims[@]}")"
  echo "| --- |$(printf ' --- |%.0s' "${victims[@]}")"
  local state v
  while read -r state _; do
    printf '| %s |' "$state"
    for v in "${victims[@]}"; do
      awk -v s="$state" -v v="$v" '$1 == s && $2 == v { o = $3 " " sprintf("%.1f s", $4) } END { printf " %s |", o == "" ? "-" : o }' "$work/results"
    done
    echo
  done <"$work/states"
}

qemu_prepare
choose_cases
certificates
: >"$work/results"
fresh_pair
while read -r state victim number <&4; do
  for stall in 900 3000 10000; do
    rc=0
    # shellcheck disable=SC2030,SC2031 # a case says where the guest lives in a file
    ([ -z "$number" ] || RANDOM=$number; one_case "$state" "$victim") </dev/null || rc=$?
    [ $rc != 0 ] || break
    pair_end
    fresh_pair
    [ $rc = 75 ] || break
  done
  [ $rc = 0 ] || {
    echo "=== $state, $victim ($rc)"
    echo "$state $victim" >>"$work/failures"
  }
done 4<"$work/cases"

[ -z "$table" ] || as_table >"$table"
done=$(wc -l <"$work/results")
echo "$done of $(wc -l <"$work/cases") cases right; outcomes: $(cut -d' ' -f3 "$work/results" | sort | uniq -c | awk '{ printf "%s %s  ", $2, $1 }')"
[ ! -e "$work/failures" ] || { echo "failed:" && sed 's/^/  /' "$work/failures"; }
[ "$done" = "$(wc -l <"$work/cases")" ]
