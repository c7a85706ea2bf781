#!/bin/bash
# make_demo.sh -o FILE [--bin FOLDER] [--ram 256M] [--rate 600] [--link 200mbit] : the demonstration's trace, made here.
#
# A real Linux guest in QEMU is placed from one host on another and moved there after half a minute, as
# examples/quickstart/run.sh does it; both hosts record what it does with its memory, and the two recordings become one
# trace with the move in it. Takes about two minutes. Needs root, and what the quickstart needs.
set -Eeuo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../quickstart/run.sh"

before_s=26 after_s=34 out=''

demo_arguments() {
  local rest=()
  while [ $# -gt 0 ]; do
    case $1 in
      --help | -h)
        sed -n '2,6s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
        exit 0
        ;;
      -o)
        [ $# -ge 2 ] || bad_usage "-o needs a value"
        out=$2
        shift
        ;;
      *) rest+=("$1") ;;
    esac
    shift
  done
  [ -n "$out" ] || bad_usage "say where the trace goes, with -o"
  [ ! -e "$out" ] || bad_usage "-o $out: the file is there already"
  parse --ram 256M --rate 600 --link 200mbit --max-downtime 20000 --load "hot=15 shift_s=7" "${rest[@]}"
}

# asked HOST WORDS... : what it says goes into a log that is shown when it fails.
asked() {
  hb "$@" >>"$work/demo.log" 2>&1 || die "harbinger ${*:2} failed" "$work/demo.log" "$work/hb-a/log" "$work/hb-b/log"
}

record_move() {
  say "booting the guest on hb-a (QEMU $(qemu_version), $ram)"
  guest_boot load "$images/load-a"
  asked hb-a guest attach load --qmp "$work/load.qmp"
  asked hb-a trace record load -o "$work/on-a.hbt"
  say "placing it on hb-b and recording it for $before_s s"
  sleep 2 # the recording's time, as below: nothing is waited for
  asked hb-a place load --to hb-b
  sleep "$before_s"
  say "moving it"
  guest_record load 2
  asked hb-a migrate load --to hb-b --timeout 180 --max-downtime "$max_downtime_ms"
  asked hb-b trace record load -o "$work/on-b.hbt"
  say "recording it for $after_s s on hb-b"
  sleep "$after_s"
  asked hb-b trace record --stop load
  guest_verify load 2
  [ "$checked_bad" = 0 ] || die "the guest's memory was not right after the move"
  guests_kill
}

demo_main() {
  demo_arguments "$@"
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
  hosts_up "$link"
  certificates
  daemon_start hb-a
  daemon_start hb-b
  record_move
  "$bin/harbinger" trace merge "$work/on-a.hbt" "$work/on-b.hbt" --moved -o "$out"
}

demo_main "$@"
