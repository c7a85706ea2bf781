/* fuzz_tick: any JSON as ticks of two daemons, and then everything a world can be asked. Lines: the first is
 * the one daemon's tick, the second the other's, and so on. Whatever they say: ids ascend and are found
 * again, positions are those of real seats, strings end. */
#include "world/world.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
        if (!ok)
                abort();
}

static void pump(hb_world *w, int64_t now) {
        bool more = true;

        for (unsigned turns = 0; more && turns < 50; turns++) {
                struct pollfd fds[4];
                unsigned n = hb_world_poll(w, fds, 4);

                poll(fds, n, 0);
                hb_world_pump(w, fds, n, now, &more);
        }
}

static void tick(int fd, const char *line, size_t len) {
        static const char head[] = "{\"id\":1,\"progress\":", tail[] = "}\n";

        if (send(fd, head, sizeof(head) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ||
            send(fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                return; /* it was cut off */
        if (send(fd, tail, sizeof(tail) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
                return;
}

static void look_at_guests(hb_world *w) {
        double v[HB_TRAIL_POINTS];
        const struct hb_guest_seen *g;
        unsigned n = hb_world_guests(w, &g);

        check(n <= HB_WORLD_GUESTS);
        for (unsigned i = 0; i < n; i++) {
                check(i == 0 || strcmp(g[i - 1].id, g[i].id) < 0);
                check(hb_world_guest(w, g[i].id) == &g[i]);
                check(g[i].seat == HB_NO_SEAT || hb_world_seat(w, g[i].seat));
                check(g[i].target == HB_NO_SEAT || hb_world_seat(w, g[i].target));
                check(g[i].seat != HB_NO_SEAT || g[i].target != HB_NO_SEAT);
                check(!g[i].guest || json_is_object(g[i].guest));
                check(!g[i].incoming || json_is_object(g[i].incoming));
                check(!g[i].handover || json_is_object(g[i].handover));
                for (int f = 0; f < HB_TRAIL_FIGURES; f++)
                        check(hb_world_trail(w, g[i].trail, (enum hb_trail_figure)f, v) >= 1);
                size_t shares = hb_world_trail(w, g[i].trail, HB_TRAIL_FRESH, v);
                for (size_t k = 0; k < shares; k++)
                        check(isnan(v[k]) || (v[k] >= 0 && v[k] <= 1));
        }
}

static void look_at_the_rest(hb_world *w) {
        struct hb_event_seen e;
        uint64_t last = UINT64_MAX;

        for (size_t i = 0; i < hb_world_events(w); i++) {
                check(hb_world_event(w, i, &e) && e.number < last);
                check(strlen(e.kind) < 512 && strlen(e.guest) < 512 && strlen(e.host) < 512);
                check(strlen(e.text) < 512 && strlen(e.next) < 512);
                last = e.number;
        }
        for (unsigned i = 0; i < hb_world_seats(w); i++) {
                const struct hb_seat *s = hb_world_seat(w, i);

                check(s && strlen(s->label) < sizeof(s->label));
                check(hb_world_seat_named(w, s->label) == i);
                check(!s->replay || json_is_object(s->replay));
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct hb_world_options o = {0};
        const char *at = (const char *)data, *end = at + size;
        int fd[2];
        hb_world *w;

        check(hb_world_new(&o, &w, NULL) == 0);
        for (unsigned i = 0; i < 2; i++) {
                int pair[2];

                check(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
                check(hb_world_add_fd(w, pair[0], i ? "two" : "one", NULL) == (int)i);
                fd[i] = pair[1];
        }
        pump(w, 1);
        for (unsigned i = 0; at < end && i < 16; i++) {
                const char *nl = memchr(at, '\n', (size_t)(end - at));
                size_t len = (size_t)((nl ? nl : end) - at);

                tick(fd[i % 2], at, len < 65536 ? len : 65536);
                pump(w, 1 + i * 500000000ll);
                look_at_guests(w);
                look_at_the_rest(w);
                at += len + 1;
        }
        hb_world_drop(w, 0);
        hb_world_free(w);
        close(fd[0]);
        close(fd[1]);
        return 0;
}
