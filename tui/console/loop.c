/* loop: waits for keys, daemons and time. A key is answered at once from what is known; what daemons say is
 * drawn at most once a period, and soon after a key, when an answer to it may be on its way. Nothing happens,
 * nothing is drawn.
 *
 * poll and not a library's loop, because its EINTR is what tells that the terminal's size may have changed:
 * ncurses notes the signal and says so with its next key. */
#include "console/app.h"
#include <errno.h>
#include <poll.h>

#define SOON_NS (120 * 1000000ll) /* between two pictures while somebody is typing */

int64_t hb_app_clock(void) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return t.tv_sec * HB_APP_SECOND + t.tv_nsec;
}

static double wall(void) {
        struct timespec t;

        clock_gettime(CLOCK_REALTIME, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

bool hb_app_wait(struct hb_app *a, int stdin_fd, int timeout_ms, bool *ret_input) {
        struct pollfd fds[2 + HB_WORLD_SEATS];
        unsigned n = 0, seats;
        int64_t wake;
        bool more = false, changed;

        if (ret_input)
                *ret_input = false;
        fds[n++] = (struct pollfd){.fd = stdin_fd, .events = POLLIN};
        fds[n++] = (struct pollfd){.fd = a->o->stop_fd ? *a->o->stop_fd : -1, .events = POLLIN};
        seats = hb_world_poll(a->world, fds + 2, HB_WORLD_SEATS);
        wake = hb_world_wake_ns(a->world);
        if (wake != INT64_MAX) {
                int64_t ms = wake > a->now_ns ? (wake - a->now_ns + 999999) / 1000000 : 0;

                if (timeout_ms < 0 || ms < timeout_ms)
                        timeout_ms = (int)ms;
        }
        if (poll(fds, n + seats, timeout_ms) < 0) {
                for (unsigned i = 0; i < n + seats; i++)
                        fds[i].revents = 0; /* interrupted: by SIGWINCH, most likely */
                if (ret_input)
                        *ret_input = true;
        }
        a->now_ns = hb_app_clock();
        hb_world_set_wall(a->world, wall());
        if (fds[1].revents)
                a->quit = true;
        if (ret_input && fds[0].revents)
                *ret_input = true;
        changed = hb_world_pump(a->world, fds + 2, seats, a->now_ns, &more);
        a->dirty = a->dirty || more;
        return changed;
}

/* How long until the next picture is due; -1: none is. */
static int due_ms(const struct hb_app *a, bool pending) {
        int64_t at = INT64_MAX, soon = a->now_ns - a->key_ns < 2 * HB_APP_SECOND ? SOON_NS : a->every_ns;

        if (a->dirty)
                return 0;
        if (pending)
                at = a->drawn_ns + soon;
        if (a->message[0] && a->message_until_ns && a->message_until_ns < at)
                at = a->message_until_ns;
        if (a->drawn_ns + 5 * a->every_ns < at) /* ages grow even when nobody says anything */
                at = a->drawn_ns + 5 * a->every_ns;
        return at <= a->now_ns ? 0 : (int)((at - a->now_ns + 999999) / 1000000);
}

/* A host that comes, goes or is heard for the first time is no matter of the period. */
static bool seats_changed(struct hb_app *a) {
        uint64_t mark = hb_world_seats(a->world);

        for (unsigned i = 0; i < hb_world_seats(a->world); i++) {
                const struct hb_seat *s = hb_world_seat(a->world, i);

                mark = mark * 31 + (s ? (unsigned)s->state * 2 + (s->tick != NULL) + 1 : 0);
        }
        if (mark == a->seats_mark)
                return false;
        a->seats_mark = mark;
        return true;
}

static void take_keys(struct hb_app *a) {
        int key;

        while (!a->quit && (key = hb_screen_key(a->screen)) != HB_KEY_NONE) {
                if (key == HB_KEY_RESIZE) {
                        a->dirty = true;
                        continue;
                }
                hb_app_key(a, key);
                if (a->dirty && !a->quit && a->prompt.kind == HB_PROMPT_NONE)
                        hb_app_build(a); /* the next key means what is there now */
        }
}

int hb_app_loop(struct hb_app *a, struct hb_err *e) {
        bool pending = false, input;
        int signal_seen = 0;

        a->now_ns = hb_app_clock();
        hb_app_draw(a);
        while (!a->quit) {
                pending = hb_app_wait(a, hb_screen_fd(a->screen), due_ms(a, pending), &input) || pending;
                a->dirty = seats_changed(a) || a->dirty;
                take_keys(a);
                hb_app_players_watch(a);
                if (hb_screen_hung_up(a->screen) || hb_screen_ended(a->screen, &signal_seen))
                        break;
                if (a->message[0] && a->message_until_ns && a->now_ns >= a->message_until_ns) {
                        a->message[0] = '\0';
                        a->dirty = true;
                }
                if (!a->quit && due_ms(a, pending) == 0) {
                        if (hb_app_cost(a))
                                hb_app_pace(a);
                        hb_app_draw(a);
                        pending = false;
                }
        }
        if (a->failed.code)
                *e = a->failed;
        return a->failed.code;
}
