/* crowd_model: a host with many guests and peers that never was, for tests of what looks at daemons. Figures
 * move, and fit together: pages of a placement add up, a trend is what its rates make it, a guest that leaves
 * is handed over first. The same seed gives the same story; nothing here asks a clock. */
#pragma once
#include "base/log.h"
#include "base/splitmix.h"
#include "serve/event_ring.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CROWD_PAGE    4096.0
#define CROWD_LINK    1.1e9 /* bytes/s each peer takes */
#define CROWD_MOVE_S  6     /* ticks a hand-over lasts */
#define CROWD_HISTORY 20u

struct crowd_guest {
        char name[24], id[33];
        bool there, coming; /* coming: it runs elsewhere and is placed here */
        unsigned peer;      /* hosts[]; where it goes to or comes from */
        bool placed, cannot;
        double ram, resident;                                             /* pages */
        double fresh, stale, absent, zero, fetched, copied, wasted, wire; /* pages; wire: bytes */
        double dirty, base, rate;                                         /* bytes/s */
        bool ready, stalled;
        double since, trend_since; /* ticks' seconds */
        unsigned move;             /* ticks left of its hand-over; 0: none */
        double began;
};

struct crowd_move {
        char guest[24];
        unsigned to;
        double when, downtime;
        bool done;
};

struct crowd {
        uint64_t random;
        unsigned nhosts, nguests, born;
        double events_per_s, tick_s, time;
        uint64_t events; /* so far */
        struct crowd_guest *guests;
        unsigned *load; /* placements there, of each host */
        struct crowd_move moves[CROWD_HISTORY];
        unsigned nmoves;
        hb_event_ring *ring;
        double wall; /* of the beginning */
};

static inline double crowd_real(struct crowd *c) {
        return (double)(hb_splitmix64(&c->random) >> 11) / 9007199254740992.0;
}

static inline unsigned crowd_below(struct crowd *c, unsigned n) {
        return (unsigned)(hb_splitmix64(&c->random) % (n ? n : 1));
}

static inline const char *crowd_host(unsigned i, char buf[16]) {
        snprintf(buf, 16, "h%02u", i + 1);
        return buf;
}

static inline bool crowd_host_down(const struct crowd *c, unsigned i) {
        return i % 17 == 5 && (unsigned)(c->time / 40) % 3 == 1;
}

static inline void crowd_say(struct crowd *c, int level, enum hb_event_kind kind, const struct crowd_guest *g,
                             const char *text, const char *next) {
        char host[16];

        c->events++;
        hb_event_ring_add(c->ring, (uint64_t)((c->wall + c->time) * 1e9), level, kind, g ? g->name : "",
                          g ? crowd_host(g->peer, host) : "", text, next);
}

static inline void crowd_birth(struct crowd *c, struct crowd_guest *g) {
        static const char *const words[] = {"web", "db", "cache", "batch", "mail", "build", "desk", "app"};
        unsigned kind = crowd_below(c, 8);

        memset(g, 0, sizeof(*g));
        snprintf(g->name, sizeof(g->name), "%s%u", words[kind], ++c->born);
        snprintf(g->id, sizeof(g->id), "%016llx%016llx", (unsigned long long)hb_splitmix64(&c->random),
                 (unsigned long long)c->born);
        g->there = true;
        g->coming = crowd_below(c, 10) == 0;
        g->cannot = kind == 3;
        g->peer = crowd_below(c, c->nhosts);
        g->ram = (double)(1u << (18 + crowd_below(c, 4)));
        g->resident = g->ram * (0.3 + 0.5 * crowd_real(c));
        g->resident -= (double)((uint64_t)g->resident % 64);
        g->absent = g->resident;
        g->base = 1e6 * (1 + 40 * crowd_real(c)) * (kind == 2 ? 12 : 1);
        g->dirty = g->base;
        g->placed = g->coming || (!g->cannot && crowd_below(c, 4) != 0);
        g->since = g->trend_since = g->began = c->time;
}

static inline void crowd_begin(struct crowd *c) {
        c->guests = calloc(c->nguests ? c->nguests : 1, sizeof(*c->guests));
        c->load = calloc(c->nhosts ? c->nhosts : 1, sizeof(*c->load));
        if (!c->guests || !c->load ||
            hb_event_ring_new(HB_EVENTS_KEPT, (uint64_t)(c->wall * 1e9), &c->ring) < 0)
                abort();
        for (unsigned i = 0; i < c->nguests; i++)
                crowd_birth(c, &c->guests[i]);
}

static inline void crowd_end(struct crowd *c) {
        free(c->guests);
        free(c->load);
        hb_event_ring_free(c->ring);
}

/* ---- a tick ---- */

static inline double crowd_most(double v, double most) {
        return v < most ? v : most;
}

static inline void crowd_judge(struct crowd *c, struct crowd_guest *g) {
        double missing = g->stale + g->absent;
        bool ready = missing < 0.004 * g->resident, stalled = !ready && g->rate < g->dirty;

        if (ready != g->ready) {
                g->since = c->time;
                crowd_say(c, HB_LOG_NOTICE, HB_ON_PLACEMENT, g,
                          ready ? "the guest is ready there" : "the guest is not ready any more", "");
        }
        if (stalled != g->stalled) {
                g->trend_since = c->time;
                if (stalled)
                        crowd_say(c, HB_LOG_WARNING, HB_ON_PLACEMENT, g,
                                  "no headway: it writes faster than the link brings pages over",
                                  "move it when it is quieter");
        }
        g->ready = ready;
        g->stalled = stalled;
}

static inline void crowd_fill(struct crowd *c, struct crowd_guest *g) {
        double share = CROWD_LINK / (c->load[g->peer] + 1), dt = c->tick_s, pages, written;

        if (crowd_host_down(c, g->peer)) {
                g->rate = 0;
                return;
        }
        written = crowd_most(g->dirty * dt / CROWD_PAGE * 0.6, g->fresh);
        written -= (double)((uint64_t)(written * 16) % 16) / 16;
        g->fresh -= written;
        g->stale += written;
        g->wasted += written * 0.3;
        pages = crowd_most(share * dt / CROWD_PAGE, g->stale + g->absent);
        g->rate = pages * CROWD_PAGE / dt;
        g->fetched += pages * 0.9;
        g->copied += pages * 0.02;
        g->wire += pages * CROWD_PAGE * 0.45;
        g->zero = crowd_most(g->zero + pages * 0.08, g->fresh);
        g->fresh += pages;
        written = crowd_most(pages, g->stale);
        g->stale -= written;
        g->absent -= crowd_most(pages - written, g->absent);
        crowd_judge(c, g);
}

static inline void crowd_moved(struct crowd *c, struct crowd_guest *g, bool done) {
        struct crowd_move *m = &c->moves[c->nmoves++ % CROWD_HISTORY];

        snprintf(m->guest, sizeof(m->guest), "%s", g->name);
        m->to = g->peer;
        m->when = c->wall + c->time;
        m->downtime = 30 + 1000 * (g->stale + g->absent) * CROWD_PAGE * 0.45 / CROWD_LINK;
        m->done = done;
        crowd_say(c, HB_LOG_NOTICE, HB_ON_MIGRATION, g,
                  done ? "the guest has moved there" : "the move was undone", "");
}

/* What befalls guests: one begins to move, one goes, one comes. */
static inline void crowd_befall(struct crowd *c) {
        struct crowd_guest *g = &c->guests[crowd_below(c, c->nguests)];
        unsigned what = crowd_below(c, 12);

        if (!c->nguests)
                return;
        if (!g->there) {
                crowd_birth(c, g);
                crowd_say(c, HB_LOG_INFO, HB_ON_GUEST, g, "a guest is looked after", "");
        } else if (what == 0 && !g->move && !g->coming && g->placed && g->ready) {
                g->move = CROWD_MOVE_S;
                g->began = c->time;
                crowd_say(c, HB_LOG_NOTICE, HB_ON_MIGRATION, g, "begins to move the guest", "");
        } else if (what == 1 && !g->move && !g->coming && !g->cannot) {
                g->placed = !g->placed;
                g->fresh = g->stale = g->zero = 0;
                g->absent = g->resident;
                g->since = g->trend_since = c->time;
        } else if (what == 2 && !g->move && !g->placed) {
                crowd_say(c, HB_LOG_INFO, HB_ON_GUEST, g, "the guest was shut down", "");
                g->there = false;
        }
}

static inline void crowd_chatter(struct crowd *c, double n) {
        for (; n >= 1; n--) {
                unsigned what = crowd_below(c, 200);
                char text[96];

                snprintf(text, sizeof(text), "fetched a run of %u pages in %u us", 1 + crowd_below(c, 64),
                         80 + crowd_below(c, 900));
                crowd_say(c, what == 0 ? HB_LOG_WARNING : HB_LOG_INFO, HB_ON_PLACEMENT,
                          &c->guests[crowd_below(c, c->nguests)], what == 0 ? "a fetch took long" : text,
                          what == 0 ? "harbinger status" : "");
        }
        if (crowd_below(c, 90) == 0)
                crowd_say(c, HB_LOG_ERR, HB_ON_NETWORK, &c->guests[crowd_below(c, c->nguests)],
                          "the session ended: connection reset", "systemctl status harbingerd there");
}

static inline void crowd_step(struct crowd *c) {
        uint64_t before = c->events;

        c->time += c->tick_s;
        memset(c->load, 0, c->nhosts * sizeof(*c->load));
        for (unsigned i = 0; i < c->nguests; i++)
                if (c->guests[i].there && c->guests[i].placed && !c->guests[i].ready)
                        c->load[c->guests[i].peer]++;
        for (unsigned i = 0; i < c->nguests; i++) {
                struct crowd_guest *g = &c->guests[i];

                if (!g->there)
                        continue;
                g->dirty = crowd_most(g->dirty * (0.9 + 0.2 * crowd_real(c)) + 0.02 * g->base, 4 * g->base);
                if (g->placed)
                        crowd_fill(c, g);
                if (g->move && --g->move == 0) {
                        crowd_moved(c, g, true);
                        g->there = false;
                }
        }
        for (unsigned i = 0; c->nguests && i < 1 + c->nguests / 100; i++)
                crowd_befall(c);
        if (c->nguests)
                crowd_chatter(c, c->events_per_s * c->tick_s - (double)(c->events - before));
}
