/* world: the seats and the loop over them. A pump takes about 1 MiB from all seats together, beginning with
 * another one each time, so that many busy daemons delay no key and none of them waits for good. One thread.
 */
#include "base/fault.h"
#include "world/world_priv.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PUMP_BYTES       (1u << 20)
#define DEFAULT_SILENT_S 5

/* Ticks that are asked for seldom are not silence. */
void hb_world_allow_silence(hb_world *w) {
        int64_t least = 3 * NS_PER_S * (w->options.every - 1);

        if (w->options.silent_ns < least)
                w->options.silent_ns = least;
}

int hb_world_new(const struct hb_world_options *o, hb_world **ret, struct hb_err *e) {
        hb_world *w = hb_fault("world.new") ? NULL : calloc(1, sizeof(*w));

        if (!w)
                goto fail;
        w->options = *o;
        if (!w->options.every)
                w->options.every = 1;
        if (w->options.silent_ns <= 0)
                w->options.silent_ns = DEFAULT_SILENT_S * NS_PER_S;
        hb_world_allow_silence(w);
        w->lost_ns = INT64_MAX;
        w->events = hb_world_ring_new();
        if (!w->events)
                goto fail;
        *ret = w;
        return 0;
fail:
        hb_world_free(w);
        return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory to look at hosts");
}

hb_world *hb_world_free(hb_world *w) {
        if (!w)
                return NULL;
        for (unsigned i = 0; i < w->nseats; i++)
                hb_world_seat_free(w->seats[i]);
        free(w->seats);
        hb_world_guests_fini(&w->guests);
        hb_world_trails_fini(&w->trails);
        hb_world_details_fini(w);
        hb_world_ring_free(w->events);
        free(w);
        return NULL;
}

struct seat *hb_world_live(const hb_world *w, unsigned number) {
        struct seat *s = number < w->nseats ? w->seats[number] : NULL;

        return s && !s->doomed ? s : NULL;
}

/* ---- seats ---- */

static bool room_for_seat(hb_world *w) {
        struct seat **grown;

        if (w->nseats < w->cap_seats)
                return true;
        grown = realloc(w->seats, (w->cap_seats + 16) * sizeof(*grown));
        if (!grown)
                return false;
        w->seats = grown;
        w->cap_seats += 16;
        return true;
}

static int add(hb_world *w, const char *path, int fd, const char *label, struct hb_err *e) {
        struct seat *s;
        int r;

        if (w->live >= HB_WORLD_SEATS)
                return hb_err_set(e, -ENOSPC, label, "leave one of the others, or start another console",
                                  "a console looks at %u daemons at most", HB_WORLD_SEATS);
        if (!room_for_seat(w))
                return hb_err_set(e, -ENOMEM, label, NULL, "no memory for another host");
        r = hb_world_seat_new(w, path, fd, label, &s, e);
        if (r < 0)
                return r;
        s->number = w->nseats;
        w->seats[w->nseats++] = s;
        w->live++;
        return (int)s->number;
}

int hb_world_add(hb_world *w, const char *socket_path, struct hb_err *e) {
        return add(w, socket_path, -1, socket_path, e);
}

int hb_world_add_fd(hb_world *w, int fd, const char *label, struct hb_err *e) {
        return add(w, NULL, fd, label, e);
}

static void bury(hb_world *w, unsigned number) {
        w->seats[number] = hb_world_seat_free(w->seats[number]);
        w->guests.old = true;
}

void hb_world_drop(hb_world *w, unsigned number) {
        struct seat *s = hb_world_live(w, number);

        if (!s)
                return;
        s->doomed = true;
        w->live--;
        w->guests.old = w->changed = true;
        hb_world_orders_lost(s, "this host is not looked at any more");
        hb_world_details_drop(w, number);
        if (!w->pumping)
                bury(w, number);
}

unsigned hb_world_seats(const hb_world *w) {
        return w->nseats;
}

const struct hb_seat *hb_world_seat(const hb_world *w, unsigned number) {
        struct seat *s = hb_world_live(w, number);

        return s ? &s->pub : NULL;
}

unsigned hb_world_seat_named(const hb_world *w, const char *label) {
        for (unsigned i = 0; i < w->nseats; i++)
                if (hb_world_live(w, i) && strcmp(w->seats[i]->pub.label, label) == 0)
                        return i;
        return HB_NO_SEAT;
}

const char *hb_seat_state_name(enum hb_seat_state s) {
        static const char *const names[] = {"connecting", "up", "silent", "lost"};

        return (unsigned)s < sizeof(names) / sizeof(names[0]) ? names[s] : "lost";
}

/* ---- the loop ---- */

unsigned hb_world_poll(hb_world *w, struct pollfd *fds, unsigned max) {
        unsigned n = 0;

        for (unsigned i = 0; i < w->nseats && n < max && n < HB_WORLD_SEATS; i++) {
                if (!hb_world_live(w, i))
                        continue;
                hb_conn_poll(w->seats[i]->conn, &fds[n]);
                w->polled[n++] = i;
        }
        w->npolled = n;
        return n;
}

int64_t hb_world_wake_ns(const hb_world *w) {
        int64_t first = w->lost_ns;

        for (unsigned i = 0; i < w->nseats; i++) {
                struct seat *s = hb_world_live(w, i);
                int64_t t = s ? hb_world_seat_wake(s) : INT64_MAX;

                if (t < first)
                        first = t;
        }
        return first;
}

static void note_revents(hb_world *w, const struct pollfd *fds, unsigned n) {
        for (unsigned i = 0; i < w->nseats; i++)
                if (w->seats[i])
                        w->seats[i]->revents = 0;
        for (unsigned i = 0; i < n && i < w->npolled; i++) {
                struct seat *s = hb_world_live(w, w->polled[i]);
                struct pollfd now;

                if (!s)
                        continue;
                hb_conn_poll(s->conn, &now);
                if (now.fd >= 0 && now.fd == fds[i].fd)
                        s->revents = fds[i].revents;
        }
}

/* Returns true when there is more to do at once. */
static bool pump_seats(hb_world *w) {
        unsigned n = w->nseats, first = w->turn;
        uint64_t taken = 0;
        bool more = false;

        for (unsigned k = 0; k < n; k++) {
                unsigned i = (first + k) % n;
                struct seat *s = hb_world_live(w, i);
                uint64_t before;

                if (!s)
                        continue;
                if (taken >= PUMP_BYTES && s->revents) {
                        more = true;
                        continue;
                }
                before = hb_conn_bytes(s->conn);
                hb_world_seat_pump(s, &more);
                taken += hb_conn_bytes(s->conn) - before;
                if (s->revents)
                        w->turn = (i + 1) % n;
        }
        return more;
}

/* While some seat says nothing, its guests' trails get a gap a second. */
static void pass_seconds(hb_world *w) {
        bool lost = false;

        for (unsigned i = 0; i < w->nseats; i++)
                lost |= hb_world_live(w, i) && w->seats[i]->tick && w->seats[i]->pub.state != HB_SEAT_UP;
        if (!lost) {
                w->lost_ns = INT64_MAX;
        } else if (w->lost_ns == INT64_MAX) {
                w->lost_ns = w->now_ns + NS_PER_S * w->options.every;
        } else if (w->now_ns >= w->lost_ns) {
                w->lost_ns = w->now_ns + NS_PER_S * w->options.every;
                hb_world_trails_blank(w);
                w->changed = true; /* ages are shown */
        }
}

bool hb_world_pump(hb_world *w, const struct pollfd *fds, unsigned n, int64_t now_ns, bool *ret_more) {
        w->now_ns = now_ns;
        w->pumps++;
        w->pumping = true;
        note_revents(w, fds, n);
        *ret_more = pump_seats(w);
        pass_seconds(w);
        hb_world_details_sweep(w);
        w->pumping = false;
        for (unsigned i = 0; i < w->nseats; i++)
                if (w->seats[i] && w->seats[i]->doomed)
                        bury(w, i);
        n = w->changed;
        w->changed = false;
        return n;
}

int64_t hb_world_now(const hb_world *w) {
        return w->now_ns;
}

double hb_world_wall(const hb_world *w) {
        return w->wall;
}

void hb_world_set_wall(hb_world *w, double seconds) {
        w->wall = seconds;
}
