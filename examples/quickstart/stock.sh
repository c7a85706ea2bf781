# The same guest moved by QEMU alone, over the same capped link: the yardstick. Sourced.
# shellcheck shell=bash

stock_port=7480

qemu_version() {
  "$qemu" --version | sed -n '1s/.*version \([0-9.]*\).*/\1/p'
}

# Live pre-copy of QEMU before 8 corrupts guests under TCG: there the comparison is with post-copy.
stock_mode() {
  if [ "$(qemu_version | cut -d. -f1)" -ge 8 ]; then
    echo pre-copy
  else
    echo post-copy
  fi
}

capability() {
  echo "{\"execute\":\"migrate-set-capabilities\",\"arguments\":{\"capabilities\":[{\"capability\":\"$1\",\"state\":true}]}}"
}

unlimited='{"execute":"migrate-set-parameters","arguments":{"max-bandwidth":12500000000,"downtime-limit":300}}'

stock_capabilities() {
  [ "$1" = post-copy ] || return 0
  "$work/vm_qmp" "$work/stock.qmp" "$(capability postcopy-ram)" >/dev/null
  "$work/vm_qmp" "$work/stock-in.qmp" "$(capability postcopy-ram)" >/dev/null
}

stock_await() {
  local until=$((SECONDS + 180)) status
  while status=$("$work/vm_qmp" "$work/stock.qmp" query-migrate) || return 1; do
    case $(jq -r .return.status <<<"$status") in
      completed) echo "$status" && return ;;
      failed | cancelled) vm_note "$status" && return 1 ;;
    esac
    [ $SECONDS -lt $until ] || return 1
    sleep 0.1
  done
}

# Leaves its figures in $work/stock.json.
stock_move() {
  local mode=$1 uri status stop resume
  guest_boot stock "$images/stock-a" ip netns exec "$(host_ns hb-a)"
  truncate -s "$ram_bytes" "$images/stock-b"
  guest_record stock 2
  ip netns exec "$(host_ns hb-b)" "$work/qemu.sh" stock "$images/stock-b" "$work/stock-in.qmp" -incoming defer &
  disown
  stock_capabilities "$mode"
  uri=tcp:$(host_ip hb-b):$stock_port
  "$work/vm_qmp" "$work/stock.qmp" "$unlimited" >/dev/null
  "$work/vm_qmp" "$work/stock-in.qmp" "{\"execute\":\"migrate-incoming\",\"arguments\":{\"uri\":\"$uri\"}}" >/dev/null
  "$work/vm_qmp" "$work/stock.qmp" "{\"execute\":\"migrate\",\"arguments\":{\"uri\":\"$uri\"}}" >/dev/null
  if [ "$mode" = post-copy ]; then
    "$work/vm_qmp" "$work/stock.qmp" migrate-start-postcopy >/dev/null
  fi
  status=$(stock_await) || die "stock migration did not end well" "$work/stock.1/log" "$work/stock.2/log"
  guest_verify stock 2
  stop=$(event_ms stock 1 STOP last)
  resume=$(event_ms stock 2 RESUME last)
  jq -n --arg version "$(qemu_version)" --arg mode "$mode" --argjson s "$status" --argjson pages "$checked_pages" \
    --argjson bad "$checked_bad" --argjson stop "$stop" --argjson resume "$resume" \
    '{qemu: $version, mode: $mode, total_ms: $s.return["total-time"], downtime_ms: (($resume - $stop) * 10 | round / 10),
      bytes: $s.return.ram.transferred, dirty_sync_count: $s.return.ram["dirty-sync-count"], bad_pages: $bad, pages_checked: $pages}' \
    >"$work/stock.json"
  guests_kill
}
