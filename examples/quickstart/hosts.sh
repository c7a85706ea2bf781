# Two hosts on one machine: network namespaces joined by a veth pair with a capped rate, one harbingerd in each. Sourced.
# shellcheck shell=bash
# Needs: $work (folder of this run), $images (folder in a tmpfs), $bin (folder of harbingerd and harbinger), say, die.

hosts=(hb-a hb-b)
peer_port=7470

# Names carry the run's own number: two runs at once do not meet.
host_ns() {
  echo "$1-$$"
}

# 198.18.0.0/15 is set aside for tests between networks (RFC 2544): no real machine is hidden behind it.
host_ip() {
  case $1 in
    hb-a) echo 198.18.77.1 ;;
    hb-b) echo 198.18.77.2 ;;
  esac
}

other_host() {
  case $1 in
    hb-a) echo hb-b ;;
    hb-b) echo hb-a ;;
  esac
}

# "1gbit", "250mbit", "10gbit" in bits per second.
link_bits() {
  local n=${1%%[a-z]*}
  case $1 in
    *[!0-9]gbit | *[!0-9]mbit | *[!0-9]kbit) return 1 ;;
    [0-9]*gbit) echo $((n * 1000000000)) ;;
    [0-9]*mbit) echo $((n * 1000000)) ;;
    [0-9]*kbit) echo $((n * 1000)) ;;
    *) return 1 ;;
  esac
}

# tbf lets a burst through at once: 4 ms worth of the rate, and never less than the largest offloaded segment.
hosts_up() {
  local rate=$1 h ns bits burst
  bits=$(link_bits "$rate")
  burst=$((bits / 8 / 250))
  [ "$burst" -ge 131072 ] || burst=131072
  ip netns add "$(host_ns hb-a)"
  ip netns add "$(host_ns hb-b)"
  ip link add veth0 netns "$(host_ns hb-a)" type veth peer name veth0 netns "$(host_ns hb-b)"
  for h in "${hosts[@]}"; do
    ns=$(host_ns "$h")
    ip -n "$ns" addr add "$(host_ip "$h")/24" dev veth0
    ip -n "$ns" link set lo up
    ip -n "$ns" link set veth0 up
    tc -n "$ns" qdisc add dev veth0 root tbf rate "$rate" burst "$burst" latency 40ms
  done
}

hosts_down() {
  local h
  for h in "${hosts[@]}"; do
    ip netns del "$(host_ns "$h")" 2>/dev/null || true
  done
}

certificates() {
  local h
  mkdir -p "$work/certs"
  "$bin/harbinger" cert init --dir "$work/certs" >>"$work/cert.log" 2>&1 || die "harbinger cert init failed" "$work/cert.log"
  for h in "${hosts[@]}"; do
    "$bin/harbinger" cert host "$h" --dir "$work/certs" >>"$work/cert.log" 2>&1 ||
      die "harbinger cert host $h failed" "$work/cert.log"
  done
}

# Everything a host needs to know; each [guest.NAME] says how that guest's QEMU is started when it arrives here.
host_settings() {
  local h=$1 o guest
  o=$(other_host "$h")
  cat <<CONF
[host]
name = $h
state_dir = $work/$h/state
run_dir = $work/$h/run
image_dir = $images/$h

[control]
socket = $work/$h/control

[peer]
listen = $(host_ip "$h"):$peer_port
ca = $work/certs/ca.crt
cert = $work/certs/$h.crt
key = $work/certs/$h.key
secret = $work/certs/cluster.secret

[host.$o]
address = $(host_ip "$o"):$peer_port
may_pull = *
may_push = *

[policy]
dir = $source_dir/policies
CONF
  for guest in load cold; do
    printf '\n[guest.%s]\nincoming_command = exec %s/qemu.sh %s "$HB_IMAGE_mem" "$HB_QMP" -incoming defer -S\n' \
      "$guest" "$work" "$guest"
  done
}

daemon_start() {
  local h=$1 try
  mkdir -p "$work/$h"/{state,run} "$images/$h"
  host_settings "$h" >"$work/$h/harbingerd.ini"
  # Not by a function: $! must be the daemon itself.
  ip netns exec "$(host_ns "$h")" "$bin/harbingerd" --config "$work/$h/harbingerd.ini" >"$work/$h/log" 2>&1 &
  echo $! >"$work/$h/pid"
  disown
  for ((try = 0; try < 200; try++)); do
    [ -S "$work/$h/control" ] && return
    kill -0 "$(cat "$work/$h/pid")" 2>/dev/null || break
    sleep 0.05
  done
  die "harbingerd on $h did not come up" "$work/$h/log"
}

# hb HOST ARGUMENT... : the command line tool, talking to that host's daemon.
hb() {
  local h=$1
  shift
  "$bin/harbinger" --socket "$work/$h/control" "$@"
}

daemons_stop() {
  local h
  for h in "${hosts[@]}"; do
    [ -s "$work/$h/pid" ] && end_process "$(cat "$work/$h/pid")"
  done
}
