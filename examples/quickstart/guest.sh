# The guest: QEMU, Debian's kernel, guest_load as its only program. Sourced.
# shellcheck shell=bash
# Needs: $work, $images, $vm (tests/support/vm), $qemu, $guest_load, $ram_bytes, $load_words, say, die, end_process.

# One script starts every QEMU of a guest, the first one and those that wait for it on the other host; only the last options
# differ. Each gets a folder of its own, in order of start: $work/NAME.1, NAME.2 ...
guest_prepare() {
  local kernel
  kernel=$("$vm/fetch-kernel.sh")
  "$vm/mkinitramfs.sh" -i "$source_dir/examples/guest_load/init" -p "$guest_load" "$work/initrd" ||
    die "no initramfs for the guest"
  cat >"$work/qemu.sh" <<SCRIPT
#!/bin/sh
# qemu.sh NAME MEMORY_FILE QMP_SOCKET [OPTION...]
name=\$1 memory=\$2 qmp=\$3
shift 3
n=1
while ! mkdir "$work/\$name.\$n" 2>/dev/null; do n=\$((n + 1)); done
me=$work/\$name.\$n
echo \$\$ >"\$me/pid"
exec "$qemu" -machine q35,memory-backend=mem -accel tcg,thread=multi -cpu max -smp 1 -m size=${ram_bytes}B \\
  -object "memory-backend-file,id=mem,size=$ram_bytes,mem-path=\$memory,share=on" \\
  -nodefaults -display none -no-reboot -serial "file:\$me/serial" \\
  -qmp "unix:\$qmp,server=on,wait=off" -qmp "unix:\$me/events,server=on,wait=off" \\
  -kernel "$kernel/vmlinux" -initrd "$work/initrd" -append "$vm_append $load_words" "\$@" </dev/null >"\$me/log" 2>&1
SCRIPT
  chmod +x "$work/qemu.sh"
}

# How many QEMUs this guest has had.
guest_count() {
  local n=0
  while [ -d "$work/$1.$((n + 1))" ]; do
    n=$((n + 1))
  done
  echo $n
}

# The events of one QEMU, by its second QMP monitor; it may start later than we listen.
guest_record() {
  "$work/vm_qmp" -t 600 "$work/$1.$2/events" record >"$work/$1.$2.events" 2>/dev/null &
  recorders+=($!)
  disown
}

# guest_boot NAME MEMORY_FILE [RUNNER...] : returns when the guest has checked its memory for the first time.
guest_boot() {
  local name=$1 memory=$2 n
  shift 2
  n=$(($(guest_count "$name") + 1))
  truncate -s "$ram_bytes" "$memory"
  guest_record "$name" "$n"
  "$@" "$work/qemu.sh" "$name" "$memory" "$work/$name.qmp" &
  disown
  guest_await "$name" "$n" '^PASS [0-9]' 1 90
}

serial() {
  { tr -d '\r\000' <"$work/$1.$2/serial"; } 2>/dev/null || true
}

guest_alive() {
  local pid
  pid=$(cat "$work/$1.$2/pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null
}

# guest_await NAME N PATTERN COUNT SECONDS : until so many whole lines of the serial output match.
guest_await() {
  local name=$1 n=$2 pattern=$3 count=$4 until=$((SECONDS + $5))
  while [ "$(serial "$name" "$n" | grep -c -- "$pattern")" -lt "$count" ]; do
    [ $SECONDS -lt $until ] || die "guest $name: not $count times '$pattern' within $5 s" "$work/$name.$n/serial"
    [ ! -e "$work/$name.$n/pid" ] || guest_alive "$name" "$n" ||
      die "guest $name: QEMU ended" "$work/$name.$n/log" "$work/$name.$n/serial"
    sleep 0.05
  done
}

# The guest's own word on its memory after a move: the first whole check that began on this QEMU is the second PASS line
# here. Sets checked_pages and checked_bad (a write that was undone counts as a bad page).
guest_verify() {
  local line
  guest_await "$1" "$2" '^PASS [0-9].* lost=[0-9]' 2 60
  line=$(serial "$1" "$2" | sed -n 's/^PASS .* pages=\([0-9]*\) bad=\([0-9]*\) lost=\([0-9]*\)$/\1 \2 \3/p' | sed -n 2p)
  read -r checked_pages checked_bad checked_lost <<<"$line"
  checked_bad=$((checked_bad + checked_lost))
}

# Heartbeats are numbered. The serial outputs of all this guest's QEMUs, one after the other, must hold each number once and
# in order, even the line that was cut in two by a move: nothing lost, nothing done twice.
guest_beats_wrong() {
  local name=$1 n
  for ((n = 1; n <= $2; n++)); do
    serial "$name" "$n"
  done | awk '/^HB [0-9]+ /{ if (seen++ && $2 != last + 1) wrong++; last = $2 } END { print wrong + 0 }'
}

# Any word of the kernel or of the load that something is wrong.
guest_complaints() {
  serial "$1" "$2" | grep -E '^BAD |Oops|BUG:|soft lockup|Kernel panic|general protection|bad=[1-9]|lost=[1-9]' | head -5 || true
}

# event_ms NAME N EVENT first|last : time of that QEMU's event, in ms with fraction.
event_ms() {
  jq -rs --arg e "$3" --arg w "$4" \
    '[.[] | select(.event == $e) | .timestamp.seconds * 1000 + .timestamp.microseconds / 1000]
     | (if $w == "first" then first else last end) // empty' "$work/$1.$2.events"
}

guests_kill() {
  local p
  for p in "$work"/*.[0-9]*/pid; do
    [ -s "$p" ] && end_process "$(cat "$p")" 0
  done
}
