#!/bin/bash
# timeout: 420
# What operators, other hosts and strangers get wrong: each is answered with what, which and what next and its exit code, and leaves both
# hosts as they were.
set -euo pipefail
. "${HB_SOURCE:?}/tests/support/hosts.sh"

guest_words="mb=16 rate=500 reads=500 verify_s=1 beat_ms=20"
mounts=()
on_clean_up() {
  end_all
  for m in "${mounts[@]}"; do umount -l "$m" 2>/dev/null || true; done
}

# tmpfs_at DIR SIZE : false where mounting is not permitted.
tmpfs_at() {
  mkdir -p "$1"
  mount -t tmpfs -o "size=$2" hb-test "$1" 2>/dev/null && mounts+=("$1")
}

# Both daemons are the same processes as before, hold nothing new, and the guest runs on.
unchanged() {
  local h
  for h in a b; do
    daemon_alive $h || fail "harbingerd on $h ended"
    await 10 "$h to be as it was: $(status $h '[.guests, .incoming, .handovers] | map(length) | tostring')" \
      status_is $h '[(.guests | length), (.incoming | length), (.handovers | length)] | tostring' "${was[$h]}"
  done
  [ -z "$(find "$images" -name '*.state' -o -path '*/images/*' -type f)" ] || fail "an image is left: $(find "$images" -type f)"
  guest_runs 1 || fail "the guest does not run"
}

said() { # HOST PATTERN : in the daemon's log, some time
  await 10 "$1 to say: $2" grep -qiE -- "$2" "$(daemon_log "$1")"
}

declare -A was=()
pair_new p
daemon_start a
daemon_start b
guest_start a
must a guest attach g --process "$guest_socket" >"$pair/output"
await 10 "the first scan" guest_attached a
was=([a]='[1,0,0]' [b]='[0,0,0]')

# ---- guests that are none ----

refused 3 'no such' a guest attach x --process "$pair/nothing"
refused 3 'no such' a guest attach x --qmp "$pair/nothing"
touch "$pair/plain-file"
refused 5 'listen' a guest attach x --process "$pair/plain-file"
refused 7 'attach protocol' a guest attach x --process "$pair/b/control"
refused 6 'greeting' a guest attach x --qmp "$pair/b/control"
refused 2 'name' a guest attach '../x' --process "$guest_socket"
refused 2 'process|qmp' a guest attach x
refused 6 'already' a guest attach g --process "$guest_socket"
refused 2 'tracker' a guest attach x --process "$guest_socket" --tracker nosuch
unchanged

# Memory that nobody else can map: there is nothing a move could take over.
if "$guest_load" --attach "$pair/anon.sock" --memory anonymous mb=4 --seconds 1 >"$pair/anon.log" 2>&1; then
  fail "guest_load offers private memory as a guest's: $(cat "$pair/anon.log")"
fi
say "a guest without shared memory: $(tail -n 1 "$pair/anon.log")"

# A guest whose process ends is said to be gone, and can be detached.
guest_memory=memfd "$pair/guest.sh" a start memfd "$pair/short.sock" </dev/null &
disown
await 10 "the second guest" guest_says 2 '^LOAD-READY'
must a guest attach short --process "$pair/short.sock" >"$pair/output"
guest_kill 2
await 10 "the ended guest to be noticed" status_is a '.guests[] | select(.name == "short") | .state' gone
refused 3 'ended' a migrate short --to b
refused 3 'ended' a place short --to b --wait --timeout 10
must a guest detach short >"$pair/output"
unchanged

# ---- names that are none ----

refused 3 'nosuch' a status nosuch
refused 3 'nosuch' a place nosuch --to b
refused 3 'unknown host' a place g --to nowhere
refused 3 'unknown host' a migrate g --to nowhere
refused 3 'nosuch' a migrate nosuch --to b
refused 3 'nosuch' a unplace nosuch
refused 3 'not placed' a unplace g
refused 3 'hand-over' a migrate g --abort
refused 3 'recover' a migrate g --recover
refused 3 'image' a image info g
refused 5 'harbingerd|daemon' nohost status
unchanged

# ---- one placement a guest ----

must a place g --to b --wait --timeout 60 >"$pair/output"
refused 6 'already placed' a place g --to b
refused 6 'placement' a guest detach g
refused 6 'image' b guest attach g --process "$guest_socket"
refused 6 'keeps this placement up' b unplace g
refused 2 'pages' b image read g 99999999
must a unplace g >"$pair/output"
unchanged

# ---- strangers at the door ----

port=$(port_of b)
tell() { # bytes from standard input, as they are
  timeout 5 bash -c "exec 3<>/dev/tcp/$address/$port; cat >&3; cat <&3" >"$pair/answer" 2>/dev/null || true
}
printf 'GET / HTTP/1.0\r\n\r\n' | tell
said b 'plain-text client'
head -c 65536 /dev/urandom | tell
daemon_alive b || fail "random bytes ended harbingerd"

# As a host of the cluster, by openssl. tls CERT-NAME : from standard input.
tls() {
  timeout 5 openssl s_client -connect "$address:$port" -tls1_3 -quiet -no_ign_eof -CAfile "$work/certs/ca.crt" -cert "${2:-$work/certs}/$1.crt" \
    -key "${2:-$work/certs}/$1.key" >"$pair/answer" 2>"$pair/tls.log" || true
}
le() { # VALUE BYTES, little-endian
  local v=$1 i
  for ((i = 0; i < $2; i++)); do
    # shellcheck disable=SC2059 # the format is the byte
    printf "\\x$(printf %02x $((v >> (8 * i) & 255)))"
  done
}
frame() { # LENGTH TYPE SEQUENCE
  le "$1" 4 && le "$2" 2 && le 0 2 && le "$3" 8
}
hello() { # MIN MAX HOST
  frame $((2 + 2 + 2 + ${#3} + 2 + 4)) 1 0
  le "$1" 2 && le "$2" 2 && le ${#3} 2 && printf '%s' "$3" && le 4 2 && printf test
}
slowly() { # keeps the connection open until the other side has had time to answer or close it
  cat
  sleep 1
}

log_lines() { wc -l <"$(daemon_log b)"; }
# each line: what is sent, what b must say
refuses_frames() {
  local what=$1 pattern=$2 from
  from=$(log_lines)
  slowly | tls a
  await 10 "b to turn away $what ($pattern): $(tail -n +$((from + 1)) "$(daemon_log b)")" b_said_since "$from" "$pattern"
  say "$what: $(tail -n +$((from + 1)) "$(daemon_log b)" | grep -iE -- "$pattern" | head -n 1)"
}
b_said_since() {
  tail -n +$(($1 + 1)) "$(daemon_log b)" | grep -qiE -- "$2"
}
head -c 4096 /dev/urandom | refuses_frames "random bytes inside TLS" 'no frame|limit|frame number|turned away'
frame 4294967295 1 0 | refuses_frames "a frame of 4 GiB" 'over the limit'
frame 0 5 0 | refuses_frames "PLACE before HELLO" 'HELLO'
frame 100 1 0 | refuses_frames "a frame cut short" 'closed|ended|cut|middle'
{ hello 1 1 a && frame 0 3 7; } | refuses_frames "a frame out of order" 'frame number 7'
{ hello 1 1 a && frame 0 15 1; } | refuses_frames "a message without its placement" 'PREPARE message without a placement'
{ hello 1 1 a && frame 5 5 1 && printf 12345; } | refuses_frames "a PLACE that cannot be read" 'cannot be read'
{ hello 1 1 b && true; } | refuses_frames "a HELLO with another name" "name|'b'"
hello 9 9 a | refuses_frames "a later version" 'version'
grep -qa EPROTONOSUPPORT "$pair/answer" || fail "a later version is not told why"
unchanged

# The other way about: a host that speaks a later version answers us.
{ hello 9 9 b; sleep 8; } | timeout 20 openssl s_server -accept "$address:$((port_base + 7))" -tls1_3 -quiet -naccept 1 -Verify 2 \
  -CAfile "$work/certs/ca.crt" -cert "$work/certs/b.crt" -key "$work/certs/b.key" >"$pair/server.log" 2>&1 &
record $!
sed -i.good "s/^address = .*/address = $address:$((port_base + 7))/" "$pair/a/harbingerd.ini"
must a reload >"$pair/output"
refused 7 'version' a place g --to b --wait --timeout 15
must a unplace g >"$pair/output"
mv "$pair/a/harbingerd.ini.good" "$pair/a/harbingerd.ini"
must a reload >"$pair/output"
unchanged

# ---- certificates ----

mkdir "$work/foreign" "$work/expired" "$work/early"
"$bin/harbinger" cert init --dir "$work/foreign" >"$pair/output" 2>&1 || fail "no second authority"
"$bin/harbinger" cert host a --dir "$work/foreign" >"$pair/output" 2>&1 || fail "no foreign certificate"
"$bin/harbinger" cert host c --dir "$work/certs" >"$pair/output" 2>&1 || fail "no certificate for c"
cp "$work"/certs/ca.* "$work/expired"
cp "$work"/certs/ca.* "$work/early"
"$bin/harbinger" cert host b --dir "$work/foreign" >"$pair/output" 2>&1 || fail "no foreign certificate"
for h in a b; do "$programs/host_cert" "$work/expired" $h -3 || fail "no expired certificate"; done
"$programs/host_cert" "$work/early" a not-yet || fail "no early certificate"

: | tls a "$work/expired" && said b 'certificate \(a\) expired'
: | tls a "$work/early" && said b 'certificate \(a\) is not valid before'
: | tls a "$work/foreign" && said b 'foreign'
: | slowly | timeout 5 openssl s_client -connect "$address:$port" -tls1_3 -quiet -CAfile "$work/certs/ca.crt" >"$pair/answer" 2>&1 || true
said b 'no certificate'
: | slowly | timeout 5 openssl s_client -connect "$address:$port" -tls1_2 -quiet -CAfile "$work/certs/ca.crt" -cert "$work/certs/a.crt" \
  -key "$work/certs/a.key" >"$pair/answer" 2>&1 || true
said b 'TLS 1.3'
{ hello 1 1 c && frame 0 15 1; } | slowly | tls c
said b 'does not know this host'
unchanged

# A daemon whose own certificate is no good does not start, and says why; its exit code is the LSB's "not allowed".
wrong_daemon() { # SED-PROGRAM EXIT-CODE PATTERN [--check]
  local code=0
  sed "$1" "$pair/b/harbingerd.ini" | sed "s,$pair/b/,$pair/wrong/,; s,$images/b/,$images/wrong/,; s/^listen.*/listen = $address:$((port_base + 8))/" \
    >"$pair/wrong.ini"
  mkdir -p "$pair/wrong/state" "$images/wrong"
  timeout 10 "$bin/harbingerd" --config "$pair/wrong.ini" ${4:-} >"$pair/wrong.log" 2>&1 || code=$?
  [ $code = "$2" ] || fail "harbingerd with '$1': exit code $code, not $2: $(cat "$pair/wrong.log")"
  grep -qiE -- "$3" "$pair/wrong.log" || fail "harbingerd with '$1' does not say '$3': $(cat "$pair/wrong.log")"
  say "a wrong daemon ($2): $(head -n 1 "$pair/wrong.log")"
  rm -rf "$images/wrong"
}
wrong_daemon "s,certs/b\.,certs/a.," 4 "certificate is for 'a'"
wrong_daemon "s,certs/b\.,expired/b.," 4 'expired'
wrong_daemon "s,certs/b\.,foreign/b.," 4 'ca|authority'
wrong_daemon "s,certs/b.key,certs/a.key," 4 'key'
wrong_daemon "s,certs/ca.crt,certs/none.crt," 4 'none.crt'
wrong_daemon 's/^epoch_ms = .*/epoch_ms = 1/' 6 'epoch_ms.*50' --check
wrong_daemon 's/^epoch_ms = .*/epoch_mss = 100/' 6 'epoch_mss.*' --check
wrong_daemon 's/^\[tracking\]/[trakcing]/' 6 'trakcing' --check
wrong_daemon 's/^name = b//' 6 'name' --check
wrong_daemon "s/^listen.*/listen = $address:$port/; s/\$//" 0 'ok' --check
unchanged

# A whole daemon of another cluster.
setting=([a:peer.ca]=$work/foreign/ca.crt [a:peer.cert]=$work/foreign/a.crt [a:peer.key]=$work/foreign/a.key)
host_settings a b
must a reload >"$pair/output"
refused 4 'certificate|authority|foreign' a place g --to b --wait --timeout 15
must a unplace g >"$pair/output"
setting=()
host_settings a b
must a reload >"$pair/output"
unchanged

# ---- allow-lists ----

sed -i.good '/^may_push/d' "$pair/b/harbingerd.ini"
must b reload >"$pair/output"
refused 4 'does not let a place' a place g --to b --wait --timeout 15
must a unplace g >"$pair/output"
sed -i "s/^\[host.a\]/[host.z]/" "$pair/b/harbingerd.ini"
must b reload >"$pair/output"
refused 4 'does not know' a place g --to b --wait --timeout 15
must a unplace g >"$pair/output"
cp "$pair/b/harbingerd.ini.good" "$pair/b/harbingerd.ini"
must b reload >"$pair/output"
sed -i.good '/^may_pull/d' "$pair/a/harbingerd.ini"
must a reload >"$pair/output"
refused 4 'may_pull|may not be given' a place g --to b
cp "$pair/a/harbingerd.ini.good" "$pair/a/harbingerd.ini"
must a reload >"$pair/output"
unchanged

# ---- reload of what is wrong or cannot change: nothing changes ----

echo 'nosuch = 1' >>"$pair/b/harbingerd.ini"
refused 2 'nosuch' b reload
cp "$pair/b/harbingerd.ini.good" "$pair/b/harbingerd.ini"
sed -i 's,^image_dir = .*,image_dir = /dev/shm/elsewhere,' "$pair/b/harbingerd.ini"
refused 6 'image_dir' b reload
cp "$pair/b/harbingerd.ini.good" "$pair/b/harbingerd.ini"
unchanged

# ---- a destination that does not fit, does not come up, or is not said how ----

after_failed_move() { # the placement that was made for the move has gone with it
  await 5 "no placement to be left" status_is a '.guests[0].placement' null
  local n
  for ((n = 3; n <= $(guest_count); n++)); do
    await 10 "guest process $n to have been ended" not guest_alive "$n"
  done
  unchanged
  journal_clean || fail "a journal has an open entry"
}
destination() { # the incoming command on b
  sed -i "s|^incoming_command = .*|incoming_command = $1|" "$pair/b/harbingerd.ini"
  must b reload >"$pair/output"
}
ram=16777216
destination "exec $guest_load --attach \"\$HB_SOCKET\" --memory $images/other --incoming mb=8 >$pair/other.log 2>\&1"
refused 2 'size|bytes|shape|MiB' a migrate g --to b
rm -f "$images/other"
after_failed_move
destination "echo no such machine >\&2; exit 3"
refused 1 'did not come up.*no such machine' a migrate g --to b
after_failed_move
destination "exec $pair/guest.sh b start memfd \"\$HB_SOCKET\" mb=16"
refused 2 'does not wait' a migrate g --to b
after_failed_move
# One that never opens its socket: the operator need not wait for it, and it does not stay behind.
destination "echo \$\$ >$pair/sleeper; exec sleep 600"
{ hb a migrate g --to b >"$pair/output" 2>"$pair/error" || true; } &
migrate=$!
record $migrate
await 10 "the command to have been started" test -s "$pair/sleeper"
record "$(cat "$pair/sleeper")"
record "$(cat "$pair/sleeper")"
alive "$(cat "$pair/sleeper")" || fail "nothing to wait for"
must a migrate g --abort >"$pair/output"
await 5 "the move to be given up" not alive "$migrate"
await 5 "its command to be ended" not alive "$(cat "$pair/sleeper")"
after_failed_move
# A socket named by mistake, of a guest that runs: that one is left alone.
"$pair/guest.sh" b start memfd "$pair/bystander.sock" mb=16 </dev/null &
disown
bystander=$(($(guest_count) + 1))
await 10 "the bystander" guest_says $bystander '^LOAD-READY'
sed -i "s|^incoming_command = .*|incoming_process = $pair/bystander.sock|" "$pair/b/harbingerd.ini"
must b reload >"$pair/output"
refused 2 'does not wait' a migrate g --to b
guest_runs $bystander || fail "a guest that had nothing to do with it was ended or stopped"
guest_kill $bystander
after_failed_move
cp "$pair/b/harbingerd.ini.good" "$pair/b/harbingerd.ini"
sed -i 's/^\[guest.g\]/[guest.other]/' "$pair/b/harbingerd.ini"
must b reload >"$pair/output"
refused 3 'does not know how to start' a migrate g --to b
cp "$pair/b/harbingerd.ini.good" "$pair/b/harbingerd.ini"
must b reload >"$pair/output"
after_failed_move
guest_verify 1

# ---- disks that are full ----

if tmpfs_at "$images/b/images" 8M; then
  refused 8 'images.*|room|space' a place g --to b --wait --timeout 20
  must a unplace g >"$pair/output"
  umount -l "$images/b/images"
  unchanged
  say "an image dir without room: done"

  # Room enough at first, and then somebody else takes it: prefetching pauses, says so, and goes on when there is room again.
  # What the guest left behind on b would fill the image at once; here it is to come slowly.
  tmpfs_at "$images/b/images" 24M
  sed -i 's/^\[duplicates\]/&\nfind = no/' "$pair/b/harbingerd.ini"
  must b reload >"$pair/output"
  sed -i 's/^connections = .*/&\ncap_bytes_per_s = 2M/' "$pair/a/harbingerd.ini"
  must a reload >"$pair/output"
  must a place g --to b >"$pair/output"
  await 10 "the image to fill" status_is b '.incoming[0].fresh_pages > 200' true
  head -c 24M /dev/zero >"$images/b/images/ballast" 2>/dev/null || true
  await 20 "b to say that there is no room" status_is b '.incoming[0].no_room' true
  said b 'prefetching pauses.*no room'
  daemon_alive b || fail "harbingerd on b ended on a full image dir"
  guest_runs 1 || fail "the guest does not run"
  rm "$images/b/images/ballast"
  await 40 "prefetching to go on" status_is a '.guests[0].placement.state' ready
  must a unplace g >"$pair/output"
  cp "$pair/a/harbingerd.ini.good" "$pair/a/harbingerd.ini"
  must a reload >"$pair/output"
  cp "$pair/b/harbingerd.ini.good" "$pair/b/harbingerd.ini"
  must b reload >"$pair/output"
  await 10 "the image to be dropped" status_is b '.incoming | length' 0
  umount -l "$images/b/images"
  unchanged
else
  say "not permitted to mount a tmpfs: no full disks in this run"
fi
guest_verify 1
echo "ok: every wrong thing was refused in words, and both hosts are as they were"
