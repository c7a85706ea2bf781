/* bench_world: what a console's tick costs: 500 guests and 256 events of a crowd, from the socket to the
 * guests put together.  bench_world [--json]
 *
 * Beside it the share that is the parser's own, of the same bytes. CPU time of this thread, medians; resident
 * memory is taken when the trails and the ring of events are full, and again after as many ticks more. */
#include "base/clock.h"
#include "bench_cost.h"
#include "crowd_json.h"
#include "world/world.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TICKS 600u

static void die(const char *what) {
        fprintf(stderr, "bench_world: %s\n", what);
        exit(1);
}

static int by_value(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return x < y ? -1 : x > y;
}

static double median(double *v, unsigned n) {
        qsort(v, n, sizeof(*v), by_value);
        return v[n / 2];
}

/* The tick as the daemon writes it, as one line of the control socket. */
static void write_tick(struct crowd *c, unsigned n, uint64_t *heard, struct hb_json_out *o) {
        uint64_t chosen[256], skipped;
        unsigned count = hb_event_ring_choose(c->ring, *heard, 256, chosen, &skipped);

        o->buf.len = 0;
        o->comma = false;
        hb_json_open(o, NULL, '{');
        hb_json_int(o, "id", 1);
        hb_json_open(o, "progress", '{');
        hb_json_int(o, "seq", n);
        hb_json_time(o, "time", c->wall + c->time);
        crowd_write(c, o);
        hb_json_open(o, "events", '[');
        for (unsigned i = 0; i < count; i++)
                hb_event_write(hb_event_ring_get(c->ring, chosen[i]), o);
        hb_json_close(o, ']');
        hb_json_pages(o, "events_skipped", skipped);
        hb_json_close(o, '}');
        hb_json_close(o, '}');
        hb_buf_u8(&o->buf, '\n');
        *heard = hb_event_ring_newest(c->ring);
}

struct costs {
        double all[TICKS], parse[TICKS];
};

static double parse_ms(const struct hb_buf *b) {
        double began = bench_cpu_ms();
        json_t *msg = json_loadb((const char *)b->data, b->len, 0, NULL);

        if (!msg)
                die("the tick cannot be parsed");
        json_decref(msg);
        return bench_cpu_ms() - began;
}

/* The console's share: what it takes to have read the tick and to know the guests. */
static double take_ms(hb_world *w, int fd, const struct hb_buf *b, int64_t now) {
        const struct hb_guest_seen *g;
        double spent = 0;

        for (size_t at = 0; at < b->len;) {
                ssize_t n = send(fd, b->data + at, b->len - at, MSG_DONTWAIT | MSG_NOSIGNAL);
                double began = bench_cpu_ms();
                bool more = true;

                if (n < 0)
                        die("the console hung up");
                at += (size_t)n;
                while (more) {
                        struct pollfd p;
                        unsigned k = hb_world_poll(w, &p, 1);

                        poll(&p, k, 0);
                        hb_world_pump(w, &p, k, now, &more);
                }
                if (at == b->len && hb_world_guests(w, &g) < 400)
                        die("guests are missing");
                spent += bench_cpu_ms() - began;
        }
        return spent;
}

static double run(hb_world *w, int fd, struct crowd *c, uint64_t *heard, struct costs *costs,
                  double *ret_bytes) {
        struct hb_json_out o = {0};

        for (unsigned n = 0; n < TICKS; n++) {
                crowd_step(c);
                write_tick(c, n, heard, &o);
                costs->parse[n] = parse_ms(&o.buf);
                costs->all[n] = take_ms(w, fd, &o.buf, (int64_t)(c->time * 1e9));
        }
        *ret_bytes = (double)o.buf.len;
        hb_buf_free(&o.buf);
        return bench_resident_bytes();
}

int main(int argc, char **argv) {
        static struct costs costs;
        struct crowd c = {
                .nhosts = 50, .nguests = 500, .events_per_s = 10000, .random = 1, .tick_s = 1, .wall = 1e9};
        struct hb_world_options o = {0};
        double full, later, bytes, all, parse;
        uint64_t heard = 0;
        int pair[2];
        hb_world *w;

        if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0 || hb_world_new(&o, &w, NULL) < 0 ||
            hb_world_add_fd(w, pair[0], "crowd", NULL) < 0)
                die("no memory");
        crowd_begin(&c);
        full = run(w, pair[1], &c, &heard, &costs, &bytes);
        later = run(w, pair[1], &c, &heard, &costs, &bytes);
        all = median(costs.all, TICKS);
        parse = median(costs.parse, TICKS);
        if (argc > 1 && strcmp(argv[1], "--json") == 0)
                printf("{\"tick_bytes\":%.0f,\"tick_ms\":%.3f,\"parse_ms\":%.3f,\"share_of_a_core\":%.5f,"
                       "\"resident_bytes\":%.0f,\"growth_bytes\":%.0f}\n",
                       bytes, all, parse, all / 1e3, later, later - full);
        else
                printf("a tick of %.0f KB, 500 guests, 256 events: %.2f ms, of which parsing %.2f ms; %.2f "
                       "%% of a core "
                       "at one a second\nresident %.1f MB (this bench's crowd in it), %.2f MB more after %u "
                       "ticks more\n",
                       bytes / 1e3, all, parse, all / 10, later / 1e6, (later - full) / 1e6, TICKS);
        hb_world_free(w);
        close(pair[1]);
        crowd_end(&c);
        return 0;
}
