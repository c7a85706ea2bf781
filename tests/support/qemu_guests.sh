# Real guests for the hosts of hosts.sh: QEMU, Debian's kernel, guest_load as its only program. Sourced after hosts.sh, whose
# functions for process guests it replaces. Guest number N is $pair/guest.N with pid, host, log (the serial port) and qmp (a
# monitor of the test's own; the daemon has another).
# shellcheck shell=bash

vm=$HB_SOURCE/tests/support/vm
. "$vm/lib.sh"
ram_mb=${ram_mb:-256}
guest_words=${guest_words:-hb_mb=32 hb_rate=300 hb_reads=300 hb_verify_s=1 hb_beat_ms=50}

# Once a test.
qemu_prepare() {
  command -v qemu-system-x86_64 >/dev/null || skip "qemu-system-x86_64 is not installed"
  kernel=$("$vm/fetch-kernel.sh") || skip "no kernel for a guest"
  "$vm/mkinitramfs.sh" -i "$HB_SOURCE/examples/guest_load/init" -p "$guest_load" "$work/initrd" || fail "no initramfs for the guest"
  cc -std=gnu11 -D_GNU_SOURCE -O2 -o "$work/vm_qmp" "$vm/vm_qmp.c" || fail "vm_qmp does not compile"
}

# One script starts the first QEMU and those that daemons start to receive the guest; these only after a while where there is a
# file $pair/slow.
guest_script() {
  cat >"$pair/guest.sh" <<SCRIPT
#!/bin/sh
# guest.sh HOST start MEMORY QMP_SOCKET | HOST incoming (by a daemon: HB_IMAGE_mem, HB_QMP)
host=\$1 how=\$2
n=1
while ! mkdir "$pair/guest.\$n" 2>/dev/null; do n=\$((n + 1)); done
me=$pair/guest.\$n
read -r stat </proc/\$\$/stat
stat=\${stat##*) }
if [ "\$how" = incoming ]; then
  memory=\$HB_IMAGE_mem qmp=\$HB_QMP
  set -- -incoming defer -S
  [ ! -e "$pair/slow" ] || starts_after=2
else
  memory=\$3 qmp=\$4
  set --
fi
echo "\$host" >"\$me/host"
echo "\$memory" >"\$me/memory"
echo "\$qmp" >"\$me/socket"
echo "\$\$ \$(echo "\$stat" | cut -d' ' -f20)" >"\$me/pid"
cat "\$me/pid" >>"$work/pids"
sleep "\${starts_after:-0}"
exec qemu-system-x86_64 -machine q35,memory-backend=mem -accel tcg,thread=multi -cpu max -smp 1 -m ${ram_mb}M \\
  -object "memory-backend-file,id=mem,size=${ram_mb}M,mem-path=\$memory,share=on" \\
  -nodefaults -display none -no-reboot -serial "file:\$me/log" \\
  -qmp "unix:\$qmp,server=on,wait=off" -qmp "unix:\$me/qmp,server=on,wait=off" \\
  -kernel "$kernel/vmlinux" -initrd "$work/initrd" -append "$vm_append $guest_words" "\$@" </dev/null >"\$me/qemu.log" 2>&1
SCRIPT
  chmod +x "$pair/guest.sh"
}

# guest_start HOST : boots one; sets $guest to its number and $guest_socket; returns when it has checked its memory once.
guest_start() {
  guest_socket=$pair/$1/guest.sock
  guest=$(($(guest_count) + 1))
  "$pair/guest.sh" "$1" start "$images/$1/memory" "$guest_socket" </dev/null &
  disown
  await 90 "guest $guest to have checked its memory" guest_says "$guest" '^PASS '
}

# What QEMU itself says: running, paused, postmigrate ... ; nothing where it is gone or does not answer.
qemu_state() {
  "$work/vm_qmp" -t 5 "$pair/guest.$1/qmp" query-status 2>/dev/null | sed -n 's/.*"status": "\([a-z-]*\)".*/\1/p' || true
}

# The numbers of the QEMUs that are there, "*" after those that run.
qemus() {
  local n out=
  for ((n = 1; n <= $(guest_count); n++)); do
    ! guest_alive "$n" || case $(qemu_state "$n") in
      running) out+="$n* " ;;
      *) out+="$n " ;;
    esac
  done
  echo "${out% }"
}

# Whole lines only: a serial port writes letter by letter.
guest_passes() {
  count '^PASS .* lost=[0-9]' "$pair/guest.$1/log"
}
guest_passes_at_least() {
  [ "$(guest_passes "$1")" -ge "$2" ]
}

# guest_verify N : a whole check of its memory that began after now, by its own word: the second one to end from now on.
guest_verify() {
  local n=$1 before line
  before=$(guest_passes "$n")
  await 30 "guest $n to have checked its memory" guest_passes_at_least "$n" $((before + 2))
  line=$(tr -d '\r\000' <"$pair/guest.$n/log" | grep '^PASS .* lost=[0-9]' | tail -n 1)
  case $line in *" bad=0 lost=0") ;; *) fail "guest $n: $line" ;; esac
  ! tr -d '\r\000' <"$pair/guest.$n/log" | grep -E '^BAD |Oops|BUG:|soft lockup|Kernel panic|general protection| bad=[1-9]| lost=[1-9]' ||
    fail "guest $n complains"
}
