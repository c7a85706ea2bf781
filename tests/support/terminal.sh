# Programs in a real terminal, for tests/screen: tmux with a socket of its own, of a fixed size, no settings of the user. Sourced.
# shellcheck shell=bash
#
# Keys go in, the screen's text comes out. Whatever is waited for is awaited with a limit; only this server and what runs in it
# are ever ended. Several terminals may be open at once: $term names the one that functions mean.
#
#   term_open 80x24 [NAME=VALUE...] -- PROGRAM ARGUMENT...   in $term_folder, in a clean environment
#   term_keys j Enter C-l F5      keys as tmux names them       term_type "text"    as it stands
#   term_wait 'REGEX' [SECONDS]   until a line of the screen matches; term_gone is the opposite
#   term_is FILE                  until the screen, masked by the function term_mask, is FILE; else the difference, and failure
#   term_screen, term_colors      the screen's text; the same with escape sequences
#   HB_SCREEN_UPDATE=1            writes the expected files instead

term=t
term_limit=${HB_SCREEN_LIMIT:-10}
term_socket=hbtest$$
term_folder=$(mktemp -d "${TMPDIR:-/tmp}/hb-screen.XXXXXX")
term_failed=0
term_opened=0
declare -A term_exits=()

command -v tmux >/dev/null || { echo "skipped: tmux is not installed" && exit 77; }
cat >"$term_folder/tmux.conf" <<'CONF'
set -g status off
set -g remain-on-exit on
set -g remain-on-exit-format ""
set -g default-terminal xterm-256color
set -g history-limit 3000
set -g allow-rename off
set -sg escape-time 0
set -sg exit-empty off
CONF

term_tmux() {
  env -u TMUX tmux -u -L "$term_socket" -f "$term_folder/tmux.conf" "$@"
}

term_there() {
  term_tmux has-session -t "=$term" 2>/dev/null
}

# ---- ending, waiting ----

term_end() {
  term_tmux kill-server 2>/dev/null
  rm -rf "$term_folder" 2>/dev/null || { sleep 0.3 && rm -rf "$term_folder"; } # a console that was just ended may keep its state
}

# Beside tests/support/hosts.sh, sourced before, that one's words are used.
if type clean_up >/dev/null 2>&1; then
  on_clean_up() { term_end; }
else
  term_cleanups=() # functions of the test
  clean_up() {
    local code=$? c
    trap - EXIT
    set +e
    for c in "${term_cleanups[@]}"; do
      $c
    done
    term_end
    exit $code
  }
  trap clean_up EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP

  fail() {
    printf '%s: failed: %s\n' "${0##*/}" "$*" >&2
    exit 1
  }

  skip() {
    echo "skipped: $*"
    exit 77
  }

  not() {
    ! "$@"
  }

  await_quietly() {
    local until=$((${EPOCHREALTIME/[.,]/} + $1 * 1000000))
    shift
    until "$@"; do
      [ "${EPOCHREALTIME/[.,]/}" -lt $until ] || return 1
      sleep 0.02
    done
  }

  # await SECONDS WHAT COMMAND... : until COMMAND succeeds.
  await() {
    await_quietly "$1" "${@:3}" || fail "not within $1 s: $2"
  }
fi

term_fail() {
  if term_there; then
    printf -- '--- the screen (%s):\n' "$(term_ask '#{pane_width}x#{pane_height}')" >&2
    term_screen >&2
    printf -- '---\n' >&2
  fi
  fail "$@"
}

# ---- one terminal ----

term_open() {
  local size=$1
  local -a vars=()
  shift
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    vars+=("$1")
    shift
  done
  shift
  term_close
  term_opened=$((term_opened + 1))
  term_exits[$term]=$term_folder/exit.$term_opened
  term_tmux new-session -d -s "$term" -x "${size%x*}" -y "${size#*x}" -c "$term_folder" -- \
    env -i PATH="$PATH" HOME="$term_folder/home" XDG_STATE_HOME="$term_folder/state.$term_opened" TERM=xterm-256color LC_ALL=C.UTF-8 TZ=UTC \
    "${vars[@]}" sh -c 'trap : INT; "$@"; echo $? >"$0"' "${term_exits[$term]}" "$@" || term_fail "tmux does not start"
}

term_close() {
  ! term_there || term_tmux kill-session -t "=$term"
}

term_keys() {
  term_tmux send-keys -t "$term" "$@"
}

term_type() {
  term_tmux send-keys -t "$term" -l -- "$1"
}

term_resize() {
  term_tmux resize-window -t "$term" -x "${1%x*}" -y "${1#*x}"
}

term_screen() {
  term_tmux capture-pane -p -t "$term"
}

term_colors() {
  term_tmux capture-pane -e -p -t "$term"
}

# All that was ever on it: what a program left above, too.
term_history() {
  term_tmux capture-pane -p -S - -t "$term"
}

# One line of the screen, from 0; LINE 3
term_line() {
  term_screen | sed -n "$(($1 + 1))p"
}

# Asks the terminal: '#{cursor_y}', '#{cursor_flag}' (shown), '#{alternate_on}', '#{pane_width}' ...
term_ask() {
  term_tmux display-message -p -t "$term" "$1"
}

# Of the program, not of the shell that runs it.
term_pid() {
  pgrep -P "$(term_ask '#{pane_pid}')"
}

term_shows() {
  term_screen | grep -qE -- "$1"
}

term_wait() {
  await_quietly "${2:-$term_limit}" term_shows "$1" || term_fail "nothing on the screen matches: $1"
}

term_lacks() {
  ! term_shows "$1"
}

term_gone() {
  await_quietly "${2:-$term_limit}" term_lacks "$1" || term_fail "still on the screen: $1"
}

# The shell that runs it writes its exit code: tmux 3.3 misses the end of some processes.
term_ended() {
  [ -s "${term_exits[$term]}" ]
}

# The program's exit code, once it has ended.
term_exit() {
  await_quietly "${1:-$term_limit}" term_ended || term_fail "the program does not end"
  cat "${term_exits[$term]}"
}

# ---- comparing ----

# Tests give their own: what differs from run to run becomes the same.
term_mask() {
  cat
}

term_masked() {
  term_screen | term_mask | sed 's/[[:space:]]*$//'
}

term_same() {
  [ "$(term_masked)" = "$(cat "$1")" ]
}

# Three times the same: nobody draws any more.
term_settled() {
  local a b c
  a=$(term_masked)
  sleep 0.15
  b=$(term_masked)
  sleep 0.15
  c=$(term_masked)
  [ "$a" = "$b" ] && [ "$b" = "$c" ]
}

# Counts instead of ending the test: one run shows all that differs. term_verdict ends it.
term_is() {
  if [ -n "${HB_SCREEN_UPDATE:-}" ]; then
    await_quietly 10 term_settled || true
    term_masked >"$1"
    return
  fi
  [ -e "$1" ] || fail "$1 is missing: HB_SCREEN_UPDATE=1 writes it"
  await_quietly "${2:-4}" term_same "$1" && return
  printf -- '--- not as expected: %s\n' "${1##*/}" >&2
  diff -u --label expected --label screen "$1" <(term_masked) >&2 || true
  term_failed=$((term_failed + 1))
}

term_verdict() {
  [ "$term_failed" = 0 ] || {
    echo "$term_failed screens differ; where they are right: HB_SCREEN_UPDATE=1 ${0##*/}" >&2
    exit 1
  }
}
