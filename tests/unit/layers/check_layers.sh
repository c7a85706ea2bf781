#!/bin/sh
# check_layers: every #include of the product against the layer law of docs/ARCHITECTURE.md.
#
#   check_layers.sh [ROOT]       prints each offence as file:line and exits 1 when there is one
#   check_layers.sh --self-test  plants offences in a copy of the tree and expects each to be found
#
# The table below is written out by hand, not taken from CMake: the build enforces what its own lists say, this says what
# they may say. A folder or an outside header that has no row is an offence too, so that a new one is decided, not slipped in.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../../.." && pwd)
folders="core transport tui trace_tools"

law='
# room   <folder>        <what its files may include; a whole room by its name, one header by its path>
room core/base           base
room core/sum            base sum
room core/track          base sum track
room core/map            base map
room core/keep           base sum map keep
room core/nn             base map nn
room core/policy         base map nn policy
room core/place          base sum map nn policy place transport/transport.h
room core/control        base control
room core/serve          base control serve
room core/move           base track place move transport/transport.h
room core/store          base store
room core/daemon         base sum track map nn policy place control serve move store keep daemon transport rdma cert trace record
room transport           base sum transport
room transport/rdma      base transport rdma
room transport/cert      base cert
room tui/draw            base draw
room tui/world           base control world
room tui/views           base draw world views
room tui/cli             base control draw console stage cert cli trace capture convert look replay compare report learn author
room tui/console         base control draw world views console
room trace_tools/format  base sum trace
room trace_tools/record  base map policy place trace record
room trace_tools/capture base trace capture plugin/frame.h
room trace_tools/plugin  plugin
room trace_tools/convert base trace convert
room trace_tools/look    base trace look
room trace_tools/learn   base map nn policy place trace replay compare learn
room trace_tools/author  base map nn policy author
room trace_tools/replay  base map nn policy place trace replay
room trace_tools/stage   base control serve map policy place trace replay stage
room trace_tools/compare base policy place trace replay compare
room trace_tools/report  base policy place trace look replay compare report

# lib    <header, * ends it>  <files that may see it, * ends them>
lib sqlite3.h            core/store/* trace_tools/convert/sqlite* trace_tools/compare/results*
lib lua.h                core/policy/* trace_tools/author/lua_*
lib lauxlib.h            core/policy/* trace_tools/author/lua_*
lib lualib.h             core/policy/* trace_tools/author/lua_*
lib cblas.h              core/nn/gemm*
lib zstd.h               transport/page_codec* trace_tools/format/block* trace_tools/convert/source* trace_tools/convert/out*
lib openssl/*            transport/tls* transport/cert/* transport/data_* transport/peer_stream* core/map/fingerprint*
lib event2/*             core/daemon/* core/serve/* trace_tools/stage/* transport/*
lib jansson.h            core/control/* core/move/* core/daemon/* core/serve/* tui/* trace_tools/report/* trace_tools/stage/*
lib ini.h                core/daemon/* tui/console/config*
lib xxhash.h             core/sum/* core/map/* core/nn/model* core/policy/source* core/place/* trace_tools/compare/key*
lib xxh_x86dispatch.h    core/sum/*
lib isa-l.h              core/sum/*
lib isa-l/*              core/sum/*
lib liburing.h           core/place/spill*
lib infiniband/*         transport/rdma/*
lib rdma/*               transport/rdma/*
lib ncurses.h            tui/console/screen*
lib curses.h             tui/console/screen*
lib panel.h              tui/console/screen*
lib ncursesw/*           tui/console/screen*

# Sockets are part of libc, yet most rooms must not know that there is a network.
lib sys/socket.h         transport/* core/daemon/* core/serve/* core/move/* core/control/* tui/cli/* tui/world/*
lib sys/un.h             core/daemon/* core/serve/* core/move/* core/control/* tui/cli/* tui/world/* trace_tools/stage/*
lib netinet/*            transport/* core/daemon/*
lib arpa/inet.h          transport/* core/daemon/*
lib netdb.h              transport/* core/daemon/*
lib net/*                transport/* core/daemon/* tui/cli/*

# free   headers of libc, the kernel and the compiler, open to all
free assert.h ctype.h dirent.h dlfcn.h elf.h endian.h errno.h fcntl.h fenv.h float.h fnmatch.h ftw.h getopt.h glob.h
free grp.h inttypes.h langinfo.h libgen.h limits.h link.h locale.h malloc.h math.h poll.h pthread.h pwd.h regex.h sched.h
free search.h semaphore.h setjmp.h signal.h spawn.h stdalign.h stdarg.h stdatomic.h stdbool.h stddef.h stdint.h stdio.h
free stdlib.h stdnoreturn.h string.h strings.h syscall.h sysexits.h syslog.h termios.h threads.h time.h ucontext.h unistd.h
free utime.h wait.h wchar.h wctype.h byteswap.h immintrin.h x86intrin.h cpuid.h sys/* linux/* asm/* asm-generic/* sanitizer/*
'

# Reads the law from the first file, then the sources; paths are relative to the root it runs in.
program='
function fits(pattern, s) {
        if (pattern ~ /\*$/)
                return substr(s, 1, length(pattern) - 1) == substr(pattern, 1, length(pattern) - 1)
        return pattern == s
}
function offence(why) {
        printf "%s:%d: includes %s: %s\n", FILENAME, FNR, header, why
        bad++
}
function room_of(path,    best, r) {
        best = ""
        for (r in may)
                if (substr(path, 1, length(r) + 1) == r "/" && length(r) > length(best))
                        best = r
        return best
}
function ours(    first, n, i, list) {          # the header belongs to one of our rooms
        first = header
        sub(/\/.*/, "", first)
        if (!(first in is_room))
                return 0
        n = split(may[room], list, " ")
        for (i = 1; i <= n; i++)
                if (list[i] == first || list[i] == header)
                        return 1
        offence(room " may include only: " may[room])
        return 1
}
function outside(    i, j, n, list) {           # an outside library
        for (i = 1; i <= nlib; i++) {
                if (!fits(lib[i], header))
                        continue
                n = split(seen_by[i], list, " ")
                for (j = 1; j <= n; j++)
                        if (fits(list[j], FILENAME))
                                return 1
                offence("only for " seen_by[i])
                return 1
        }
        for (i = 1; i <= nfree && !quoted; i++)
                if (fits(free[i], header))
                        return 1
        return 0
}
FNR == 1 { files++ }
files == 1 && $1 == "room" {
        folder = $2
        may[folder] = ""
        for (i = 3; i <= NF; i++) {
                may[folder] = may[folder] (i > 3 ? " " : "") $i
                if ($i !~ /\//)
                        is_room[$i] = 1
        }
}
files == 1 && $1 == "lib" {
        lib[++nlib] = $2
        for (i = 3; i <= NF; i++)
                seen_by[nlib] = seen_by[nlib] (i > 3 ? " " : "") $i
}
files == 1 && $1 == "free" {
        for (i = 2; i <= NF; i++)
                free[++nfree] = $i
}
files == 1 { next }
/^[ \t]*#[ \t]*include/ {
        header = $0
        sub(/^[ \t]*#[ \t]*include[ \t]*/, "", header)
        quoted = header ~ /^"/
        if (!quoted && header !~ /^</) {
                offence("a computed include cannot be checked")
                next
        }
        header = substr(header, 2)
        sub(/[">].*/, "", header)
        room = room_of(FILENAME)
        checked++
        if (room == "")
                offence("the folder has no row in the layer law")
        else if (header ~ /(^|\/)\.\.\//)
                offence("write room/file.h")
        else if (!ours() && !outside())
                offence(quoted ? "write room/file.h" : "no row in the layer law says who may see it")
}
END {
        if (bad) {
                printf "layers: %d of %d includes break the law\n", bad, checked
                exit 1
        }
        printf "layers: %d includes in %d files keep the law\n", checked, files - 1
}
'

check() (
        cd "$1"
        present=
        for f in $folders; do
                [ -d "$f" ] && present="$present $f"
        done
        # shellcheck disable=SC2086,SC2046 # our paths have no blanks
        printf '%s\n' "$law" | awk "$program" - $(find $present -name '*.[ch]' -size +0 | LC_ALL=C sort)
)

# planted FILE INCLUDE: the copy with this line at the end of FILE must be refused, naming file and line.
planted() {
        file=$tmp/tree/$1
        mkdir -p "$(dirname "$file")"
        had=$([ -f "$file" ] && echo yes || echo no)
        [ "$had" = yes ] && cp "$file" "$tmp/before"
        printf '#include %s\n' "$2" >>"$file"
        line=$(wc -l <"$file")
        if check "$tmp/tree" >"$tmp/out"; then
                echo "not found: $1 with #include $2"
                wrong=$((wrong + 1))
        elif ! grep -q "^$1:$line: " "$tmp/out"; then
                echo "found, but not at $1:$line:"
                cat "$tmp/out"
                wrong=$((wrong + 1))
        fi
        if [ "$had" = yes ]; then cp "$tmp/before" "$file"; else rm "$file"; fi
        plants=$((plants + 1))
}

# allowed FILE INCLUDE: must be accepted.
allowed() {
        file=$tmp/fine/$1
        mkdir -p "$(dirname "$file")"
        printf '#include %s\n' "$2" >"$file"
        check "$tmp/fine" >"$tmp/out" || {
                echo "wrongly refused: $1 with #include $2"
                cat "$tmp/out"
                wrong=$((wrong + 1))
        }
        rm "$file"
        plants=$((plants + 1))
}

self_test() {
        tmp=$(mktemp -d)
        trap 'rm -rf "$tmp"' EXIT
        wrong=0 plants=0
        mkdir -p "$tmp/tree" "$tmp/fine/core/base"
        echo '#include <errno.h>' >"$tmp/fine/core/base/x.c"
        for f in $folders; do
                [ -d "$root/$f" ] && cp -r "$root/$f" "$tmp/tree/"
        done
        planted core/base/err.c '"track/tracker.h"'
        planted core/base/err.h '<lua.h>'
        planted core/base/clock.c '<sys/socket.h>'
        planted core/track/planted.c '"map/page_map.h"'
        planted core/map/planted.c '"place/image.h"'
        planted core/policy/planted.h '<sqlite3.h>'
        planted core/place/planted.c '"transport/tcp.h"'
        planted core/place/planted.c '<lua.h>'
        planted core/move/planted.c '"daemon/settings.h"'
        planted core/daemon/planted.c '<ncurses.h>'
        planted core/daemon/planted.c '"cli/cli.h"'
        planted transport/planted.c '"map/page_map.h"'
        planted transport/planted.c '<zstd.h>'
        planted transport/cert/planted.c '"transport/channel.h"'
        planted tui/cli/planted.c '"transport/transport.h"'
        planted tui/console/planted.c '"store/history.h"'
        planted trace_tools/planted.c '"daemon/loop.h"'
        planted trace_tools/planted.c '"cli/cli.h"'
        planted core/newroom/planted.c '<stdio.h>'
        planted core/base/planted.c '<glib.h>'
        planted core/base/planted.c '"err.h"'
        planted core/base/planted.c '"../track/tracker.h"'
        planted core/base/planted.c 'SOME_HEADER'
        planted core/base/planted.c '  <openssl/evp.h> // why not'
        allowed core/daemon/a.c '<event2/event.h>'
        allowed transport/tls_session.c '<openssl/ssl.h>'
        allowed transport/page_codec_zstd.c '<zstd.h>'
        allowed core/place/a.c '"transport/transport.h"'
        allowed core/store/a.c '<sqlite3.h>'
        allowed tui/cli/a.c '"cert/ca.h"'
        allowed core/base/a.h '<linux/userfaultfd.h>'
        echo "layers self-test: $plants planted includes, $wrong judged wrongly"
        [ "$wrong" -eq 0 ]
}

case ${1:-} in
--self-test) self_test ;;
-*)
        sed -n '2,8s/^# \{0,1\}//p' "$0"
        exit 2
        ;;
*) check "${1:-$root}" ;;
esac
