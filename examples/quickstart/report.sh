# From the moves' figures to one JSON report, and from that to a table. Sourced.
# shellcheck shell=bash

# `migration` and `placement` are medians over the warm moves (one move: that move); bad_pages is their sum.
report_json() {
  local cold=null stock=null
  [ -s "$work/cold.json" ] && cold=$(cat "$work/cold.json")
  [ -s "$work/stock.json" ] && stock=$(cat "$work/stock.json")
  jq -s --argjson ram "$ram_bytes" --argjson link "$(link_bits "$link")" --argjson rate "$rate" --argjson cold "$cold" \
    --argjson stock "$stock" --arg qemu "$(qemu_version)" --arg kernel "$(cat "$("$vm/fetch-kernel.sh")/version")" '
    def median: map(select(. != null)) | sort | if length == 0 then null
      elif length % 2 == 1 then .[length / 2 | floor] else (.[length / 2 - 1] + .[length / 2]) / 2 end;
    def mid(f): map(f) | median;
    def total(f): map(f // 0) | add;
    {
      guest: .[0].guest, ram_bytes: $ram, nonzero_bytes: mid(.nonzero_bytes), link_bits_per_s: $link,
      write_pages_per_s: $rate, qemu: $qemu, kernel: $kernel,
      placement: {
        bytes: mid(.placement.bytes), pages: mid(.placement.pages), seconds: mid(.placement.seconds),
        summary_bytes: mid(.placement.summary_bytes)
      },
      migration: {
        downtime_ms: mid(.downtime_ms), downtime_qemu_ms: mid(.downtime_qemu_ms), total_ms: mid(.total_ms),
        bytes_after: mid(.bytes_after), pages_final: mid(.pages_final), bad_pages: total(.bad_pages),
        heartbeats_wrong: total(.heartbeats_wrong), pages_checked: mid(.pages_checked)
      },
      outcome: {
        hit: total(.outcome.hit), stale: total(.outcome.stale), late: total(.outcome.late), wasted: total(.outcome.wasted)
      },
      compare: (if $cold or $stock then { cold: $cold, stock: $stock } else null end),
      moves: .
    }' "${warm_moves[@]}"
}

report_table() {
  jq -r '
    def mib: if . == null then "-" elif . < 1048576 then "\(. / 1024 * 10 | round / 10) KiB"
      else "\(. / 1048576 * 10 | round / 10) MiB" end;
    def ms: if . == null then "-" else "\(. * 10 | round / 10) ms" end;
    def num: if . == null then "-" else round | tostring end;
    def seconds: if . == null then "-" else "\(. * 10 | round / 10) s" end;
    def share(a; b): if a == null or (b // 0) == 0 then "" else " (\(a * 1000 / b | round / 10) % of memory in use)" end;
    def median: map(select(. != null)) | sort | if length == 0 then null else .[length / 2 | floor] end;
    def mid(f): .moves | map(f) | median;
    def row(n; v): "  \(n)\(" " * (26 - (n | length)))\(v)";
    [
      "Guest \(.guest): \(.ram_bytes | mib), \(.nonzero_bytes | mib) of it in use, writing \(.write_pages_per_s) pages/s; link \(.link_bits_per_s / 1e6) Mbit/s; QEMU \(.qemu)",
      "",
      "Placed ahead",
      row("sent"; "\(.placement.bytes | mib), \(.placement.pages | num) pages, in \(.placement.seconds | seconds)"),
      row("map summaries"; .placement.summary_bytes | mib),
      row("estimate of a move"; mid(.estimate.downtime_ms) | if . == null then "-" else "stop to resume \(ms)" end),
      "Moved\(if (.moves | length) > 1 then " (medians of \(.moves | length) moves)" else "" end)",
      row("stop to resume"; "\(.migration.downtime_ms | ms)  (by QEMU events \(.migration.downtime_qemu_ms | ms))"),
      row("request to end"; .migration.total_ms | ms),
      row("bytes after the request"; "\(.migration.bytes_after | mib)\(share(.migration.bytes_after; .nonzero_bytes))"),
      row("pages in the last delta"; .migration.pages_final | num),
      "Guest, asked on the target",
      row("pages checked"; "\(.migration.pages_checked | num), bad: \(.migration.bad_pages)"),
      row("heartbeats lost or twice"; .migration.heartbeats_wrong | num),
      "Foresight",
      row("hit/late/stale/wasted"; "\(.outcome.hit)/\(.outcome.late)/\(.outcome.stale)/\(.outcome.wasted)")
    ] + (if (.moves | length) > 1 then
      ["", "Move                 stop-resume    total         after     last pages   bad"] +
      (.moves | to_entries | map(.value as $m |
        [ "\(.key + 1) \($m.from) -> \($m.to)", ($m.downtime_ms | ms), ($m.total_ms | ms), ($m.bytes_after | mib),
          ($m.pages_final | num), ($m.bad_pages | num) ]
        | "\(.[0])\(" " * (21 - (.[0] | length)))\(.[1])\(" " * (15 - (.[1] | length)))\(.[2])\(" " * (14 - (.[2] | length)))\(.[3])\(" " * (10 - (.[3] | length)))\(.[4])\(" " * (13 - (.[4] | length)))\(.[5])"))
    else [] end)
    + (if .compare then
      def cell(v): "\(" " * (16 - (v | length)))\(v)";
      def line(n; a; b; c): "  \(n)\(" " * (24 - (n | length)))\(cell(a))\(cell(b))\(cell(c))";
      .compare.cold as $c | .compare.stock as $s | .migration as $w |
      [ "", "On the same link",
        line(""; "placed ahead"; "not placed"; if $s then "QEMU \($s.mode)" else "-" end),
        line("request to end"; $w.total_ms | ms; $c.total_ms | ms; $s.total_ms | ms),
        line("stop to resume"; $w.downtime_ms | ms; $c.downtime_ms | ms; $s.downtime_ms | ms),
        line("bytes after the request"; $w.bytes_after | mib; $c.bytes_after | mib; $s.bytes | mib),
        line("bad pages"; $w.bad_pages | num; $c.bad_pages | num; $s.bad_pages | num) ]
    else [] end) | .[]' "$1"
}
