#!/bin/bash
# run.sh [--json FILE] [--compare] [--roundtrips N] [--cold] [--link 1gbit] [--ram 512M] [--rate 2000] ...
#
# Moves a running Linux guest between two hosts with its memory already there, and lets the guest judge the result.
# The hosts are network namespaces of this machine, joined by a link of a given rate; everything else is real.
#
#   --json FILE       the report as JSON, beside the table on standard output
#   --roundtrips N    N moves, to and fro (default 1); the report shows medians and each move
#   --cold            also one move without anything placed before
#   --compare         --cold, and the same move by QEMU alone
#   --compare-qemu10  --compare with QEMU 10 from Debian's backports (fetched into a private folder) for everything:
#                     live pre-copy of Debian 12's QEMU 7.2 is not right under TCG, so --compare alone uses its post-copy
#   --link RATE       of the link, as tc writes it: 100mbit, 1gbit (default), 10gbit
#   --ram SIZE        of the guest: 256M, 512M (default), 1G
#   --rate N          pages the guest writes a second (default 2000)
#   --max-downtime MS a move that would stop the guest for longer is refused (default 300)
#   --load "W..."     further parameters of guest_load, e.g. "hot=20 reads=0 shift_s=5"
#   --record FILE     record what the target is told and decides in the first placement, into FILE, which stays:
#                     harbinger trace replay FILE decides the same again
#   --bin FOLDER      use this build and install nothing (default: installs packages, builds into build-release)
#   --keep            keep the run's folder with all logs
#
# Exit code: 0 only if the guest found all its memory right after every move; 1 otherwise; 2 usage. Needs root.
set -Eeuo pipefail
trap 'printf "quickstart: failed: %s\n" "$BASH_COMMAND" >&2' ERR
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_dir=$(cd "$here/../.." && pwd)
vm=$source_dir/tests/support/vm
. "$vm/lib.sh"
. "$here/hosts.sh"
. "$here/guest.sh"
. "$here/moves.sh"
. "$here/stock.sh"
. "$here/report.sh"

json='' roundtrips=1 cold=0 compare=0 qemu10=0 link=1gbit ram=512M rate=2000 max_downtime_ms=300 load_extra='' bin='' keep=0 record=''
work='' images='' qemu=qemu-system-x86_64
recorders=()
warm_moves=()

usage() {
  sed -n '2,25s/^# \{0,1\}//p' "$0"
  exit "$1"
}

say() {
  printf '[%3d s] %s\n' $SECONDS "$*" >&2
}

# die MESSAGE [LOG...] : the last lines of each log go along.
die() {
  local log
  printf 'quickstart: %s\n' "$1" >&2
  shift
  for log in "$@"; do
    [ -s "$log" ] || continue
    printf -- '--- %s\n' "${log##*/harbinger-quickstart.*/}" >&2
    tail -n 25 "$log" | tr -d '\000' >&2
  done
  exit 1
}

bad_usage() {
  printf 'quickstart: %s (--help shows the options)\n' "$1" >&2
  exit 2
}

parse() {
  while [ $# -gt 0 ]; do
    case $1 in
      --help | -h) usage 0 ;;
      --cold) cold=1 ;;
      --compare) compare=1 cold=1 ;;
      --compare-qemu10) compare=1 cold=1 qemu10=1 ;;
      --keep) keep=1 ;;
      --json | --roundtrips | --link | --ram | --rate | --max-downtime | --load | --bin | --record)
        [ $# -ge 2 ] || bad_usage "$1 needs a value"
        case $1 in
          --json) json=$2 ;;
          --roundtrips) roundtrips=$2 ;;
          --link) link=$2 ;;
          --ram) ram=$2 ;;
          --rate) rate=$2 ;;
          --max-downtime) max_downtime_ms=$2 ;;
          --load) load_extra=$2 ;;
          --bin) bin=$2 ;;
          --record) record=$2 ;;
        esac
        shift
        ;;
      *) bad_usage "$1: no such option" ;;
    esac
    shift
  done
  case $roundtrips in *[!0-9]* | '' | 0) bad_usage "--roundtrips $roundtrips: not a number of moves" ;; esac
  case $rate in *[!0-9]* | '') bad_usage "--rate $rate: not a number of pages a second" ;; esac
  link_bits "$link" >/dev/null || bad_usage "--link $link: write it as 100mbit or 1gbit"
  case $max_downtime_ms in *[!0-9]* | '') bad_usage "--max-downtime $max_downtime_ms: not a number of ms" ;; esac
  if [ -n "$record" ]; then
    [ ! -e "$record" ] || bad_usage "--record $record: the file is there already"
    [ -d "$(dirname "$record")" ] || bad_usage "--record $record: no such folder"
    record=$(realpath -m "$record")
  fi
  [ -z "$bin" ] || [ -d "$bin" ] || bad_usage "--bin $bin: no such folder"
  ram_bytes=$(numfmt --from=iec "$ram" 2>/dev/null) || bad_usage "--ram $ram: write it as 512M or 1G"
  [ "$ram_bytes" -ge $((192 << 20)) ] || bad_usage "--ram $ram: the guest's kernel needs at least 192M"
  # The kernel and what it unpacks take some 100 MiB; most of the rest is the load's.
  load_words="hb_mb=$(((ram_bytes >> 20) * 5 / 8 - 32)) hb_rate=$rate"
  local w
  for w in $load_extra; do
    load_words="$load_words hb_$w"
  done
}

install_packages() {
  "$source_dir/tests/support/install-packages.sh" build guest || die "packages are missing"
}

build() {
  bin=$source_dir/build-release
  say "building"
  (cd "$source_dir" && cmake --preset release -G Ninja -DHB_TESTS=OFF && cmake --build --preset release) \
    >"$work/build.log" 2>&1 || die "the build failed" "$work/build.log"
}

tools() {
  guest_load=$bin/examples/guest_load/guest_load
  local p
  for p in "$bin/harbingerd" "$bin/harbinger" "$guest_load"; do
    [ -x "$p" ] || die "$p is missing: build it first"
  done
  vm_need "$qemu:qemu-system-x86" jq:jq ip:iproute2 tc:iproute2 cc:gcc
  cc -std=gnu11 -D_GNU_SOURCE -O2 -o "$work/vm_qmp" "$vm/vm_qmp.c" || die "vm_qmp does not compile"
  if [ $qemu10 = 1 ]; then
    qemu=$("$vm/fetch-qemu10.sh") || die "QEMU 10 could not be fetched"
  fi
}

# Process numbers are used again: only one that names this run's folder is ours.
is_ours() {
  { tr '\0' ' ' <"/proc/$1/cmdline"; } 2>/dev/null | grep -qF "$work"
}

# end_process PID [SECONDS] : asks, waits, then insists.
end_process() {
  local pid=$1 tries=$((${2:-5} * 20))
  is_ours "$pid" || return 0
  [ $tries = 0 ] || kill -TERM "$pid" 2>/dev/null || true
  while [ $tries -gt 0 ] && is_ours "$pid"; do
    sleep 0.05
    tries=$((tries - 1))
  done
  ! is_ours "$pid" || kill -KILL "$pid" 2>/dev/null || true
}

cleanup() {
  local code=$?
  trap - EXIT
  set +e
  if [ -n "$work" ]; then
    daemons_stop
    guests_kill
    for p in "${recorders[@]}"; do
      end_process "$p" 0
    done
    hosts_down
    rm -rf "$images"
    if [ $keep = 1 ]; then
      printf 'quickstart: logs of this run: %s\n' "$work" >&2
    else
      rm -rf "$work"
    fi
  fi
  exit $code
}

folders() {
  trap cleanup EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
  work=$(mktemp -d "${TMPDIR:-/tmp}/harbinger-quickstart.XXXXXX")
  images=$(mktemp -d /dev/shm/harbinger-XXXXXX)
  mkdir "$work/moves"
  local room
  room=$(df -B1 --output=avail /dev/shm | tail -1)
  [ "$room" -ge $((ram_bytes * 3)) ] || die "/dev/shm has $((room >> 20)) MiB free; two guests' memory needs $((ram_bytes * 3 >> 20))"
}

warm() {
  local from=hb-a to i
  say "booting the guest on hb-a (QEMU $(qemu_version), $ram)"
  guest_boot load "$images/load-a"
  hb hb-a guest attach load --qmp "$work/load.qmp" >"$work/attach.log" 2>&1 ||
    die "harbinger guest attach failed" "$work/attach.log" "$work/hb-a/log"
  for ((i = 1; i <= roundtrips; i++)); do
    to=$(other_host $from)
    say "placing the guest's memory on $to and moving it there ($i of $roundtrips)"
    move_guest load $from "$to" warm
    warm_moves+=("$work/moves/$moves.json")
    from=$to
  done
  complain load
  guests_kill
}

cold() {
  say "a second guest, moved without anything placed before"
  guest_boot cold "$images/cold-a"
  hb hb-a guest attach cold --qmp "$work/cold.qmp" >"$work/attach.log" 2>&1 ||
    die "harbinger guest attach failed" "$work/attach.log" "$work/hb-a/log"
  move_guest cold hb-a hb-b cold
  cp "$work/moves/$moves.json" "$work/cold.json"
  complain cold
  guests_kill
}

complaints=0
complain() {
  local n words
  for ((n = 1; n <= $(guest_count "$1"); n++)); do
    words=$(guest_complaints "$1" "$n")
    [ -z "$words" ] && continue
    complaints=$((complaints + 1))
    printf 'quickstart: guest %s on its QEMU number %d says:\n%s\n' "$1" "$n" "$words" >&2
  done
}

main() {
  parse "$@"
  [ "$(id -u)" = 0 ] || die "network namespaces and memory tracking need root: sudo $0"
  folders
  if [ -z "$bin" ]; then
    install_packages
    build
  else
    bin=$(cd "$bin" && pwd)
  fi
  tools
  guest_prepare
  say "two hosts, joined at $link"
  hosts_up "$link"
  certificates
  daemon_start hb-a
  daemon_start hb-b
  warm
  [ -z "$record" ] || say "recorded in $record; to see the same decisions again: harbinger trace replay $record --policies $source_dir/policies"
  [ $cold = 0 ] || cold
  if [ $compare = 1 ]; then
    say "the same by QEMU alone ($(stock_mode))"
    stock_move "$(stock_mode)"
  fi
  report_json >"$work/report.json" || die "no report" "${warm_moves[@]}"
  [ -z "$json" ] || cp "$work/report.json" "$json"
  report_table "$work/report.json"
  verdict
}

verdict() {
  local bad
  bad=$(jq '.migration.bad_pages + .migration.heartbeats_wrong + (.compare.cold.bad_pages // 0)' "$work/report.json")
  if [ "$bad" != 0 ] || [ $complaints != 0 ]; then
    die "the guest's memory was not right after the move"
  fi
  say "the guest found all its memory right"
}

# Sourced it is a box of tools: examples/traces/make_demo.sh.
[ "${BASH_SOURCE[0]}" != "$0" ] || main "$@"
