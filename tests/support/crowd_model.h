/* crowd_model: a host with many guests and peers that never was, for tests of what looks at daemons. Figures
 * move, and fit together: pages of a placement add up, a trend is what its rates make it, a guest that leaves
 * is handed over first. The same seed gives the same story; nothing here asks a clock. */
#pragma once
#include "base/log.h"
#include "base/splitmix.h"
#include "control/json_out.h"
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

/* ---- as JSON ---- */

static inline void crowd_write_counts(const struct crowd_guest *g, struct hb_json_out *o) {
        double fetching = g->rate > 0 && !g->ready ? crowd_most(64, (double)(uint64_t)g->absent) : 0;
        int64_t resident = (int64_t)g->resident, fresh = (int64_t)g->fresh, stale = (int64_t)g->stale;

        hb_json_int(o, "pages", (int64_t)g->fetched);
        hb_json_int(o, "fresh_pages", fresh);
        hb_json_int(o, "stale_pages", stale);
        hb_json_int(o, "fetching_pages", (int64_t)fetching);
        hb_json_int(o, "absent_pages",
                    resident - fresh - stale - (int64_t)fetching > 0
                            ? resident - fresh - stale - (int64_t)fetching
                            : 0);
        hb_json_int(o, "resident_pages", resident);
        hb_json_int(o, "zero_pages", (int64_t)g->zero);
        hb_json_int(o, "known_pages", (int64_t)(g->absent * 0.01));
        hb_json_int(o, "copied_pages", (int64_t)g->copied);
        hb_json_int(o, "above_threshold", g->ready ? 0 : (int64_t)((g->stale + g->absent) * 0.8));
        hb_json_real(o, "threshold", 0.2);
        hb_json_real(o, "precision", g->stalled ? 0.5 : 0.86);
        hb_json_int(o, "wire_bytes", (int64_t)g->wire);
        hb_json_int(o, "wasted_pages", (int64_t)g->wasted);
}

static inline double crowd_downtime(const struct crowd_guest *g) {
        return 30 + 1000 * (g->stale + g->absent) * CROWD_PAGE * 0.45 / CROWD_LINK;
}

static inline void crowd_write_link(const struct crowd *c, const struct crowd_guest *g,
                                    struct hb_json_out *o) {
        hb_json_open(o, "link", '{');
        hb_json_real(o, "latency_ms", 0.2 + 0.01 * g->peer);
        hb_json_real(o, "bytes_per_s", CROWD_LINK);
        hb_json_real(o, "used_share", crowd_most(1, g->rate / CROWD_LINK));
        hb_json_real(o, "compression", 2.2);
        hb_json_int(o, "cap_bytes_per_s", 0);
        hb_json_int(o, "connections", 4);
        hb_json_close(o, '}');
}

static inline void crowd_write_placement(const struct crowd *c, const struct crowd_guest *g,
                                         struct hb_json_out *o) {
        double missing = (g->stale + g->absent) * CROWD_PAGE;
        bool down = crowd_host_down(c, g->peer);
        char host[16];

        if (!g->placed) {
                hb_json_null(o, "placement");
                return;
        }
        hb_json_open(o, "placement", '{');
        hb_json_str(o, "id", g->id);
        hb_json_str(o, "to", crowd_host(g->peer, host));
        hb_json_str(o, "state", down ? "lost" : g->ready ? "ready" : "filling");
        hb_json_real(o, "since_s", c->time - g->since);
        crowd_write_counts(g, o);
        hb_json_real(o, "rate_bytes_per_s", g->rate);
        hb_json_real(o, "dirty_bytes_per_s", g->dirty);
        hb_json_int(o, "bytes", (int64_t)(g->fetched * CROWD_PAGE));
        hb_json_open(o, "bytes_by_kind", '{');
        hb_json_int(o, "sent", (int64_t)g->wire);
        hb_json_int(o, "compressed_away", (int64_t)(g->fetched * CROWD_PAGE - g->wire));
        hb_json_int(o, "duplicate", (int64_t)(g->copied * CROWD_PAGE));
        hb_json_int(o, "zero", (int64_t)(g->zero * CROWD_PAGE));
        hb_json_close(o, '}');
        hb_json_str(o, "path", g->peer % 3 ? "tcp" : "rdma");
        crowd_write_link(c, g, o);
        hb_json_open(o, "estimate", '{');
        hb_json_real(o, "downtime_ms", crowd_downtime(g));
        if (g->stalled)
                hb_json_null(o, "time_to_ready_s");
        else
                hb_json_real(o, "time_to_ready_s", g->ready ? 0 : missing / (g->rate - g->dirty + 1));
        hb_json_real(o, "bytes_after", missing * 0.45);
        hb_json_close(o, '}');
        hb_json_str(o, "trend", down ? "unknown" : g->stalled ? "stalled" : "converging");
        hb_json_real(o, "trend_since_s", c->time - g->trend_since);
        if (down) {
                hb_json_open(o, "error", '{');
                hb_json_str(o, "code", "ECONNREFUSED");
                hb_json_str(o, "what", "the peer cannot be reached: connection refused");
                hb_json_str(o, "which", host);
                hb_json_str(o, "next", "systemctl status harbingerd there");
                hb_json_close(o, '}');
        } else {
                hb_json_null(o, "error");
        }
        hb_json_close(o, '}');
}

static inline const char *crowd_move_text(const struct crowd_guest *g) {
        return g->move > 3 ? "bringing the rest down below the allowed downtime" : "sending the last pages";
}

static inline void crowd_write_guest(const struct crowd *c, const struct crowd_guest *g,
                                     struct hb_json_out *o) {
        char host[16];

        hb_json_open(o, NULL, '{');
        hb_json_str(o, "name", g->name);
        hb_json_str(o, "kind", "qemu");
        hb_json_str(o, "state", "running");
        hb_json_str(o, "vmm", "7.2.17");
        hb_json_str(o, "tracker", "wp");
        hb_json_int(o, "ram_bytes", (int64_t)(g->ram * CROWD_PAGE));
        hb_json_int(o, "resident_bytes", (int64_t)(g->resident * CROWD_PAGE));
        hb_json_int(o, "epoch", (int64_t)(c->time * 4));
        hb_json_int(o, "epoch_ms", 250);
        hb_json_real(o, "dirty_bytes_per_s", g->dirty);
        hb_json_real(o, "scan_ms", g->ram / 2e5);
        hb_json_real(o, "guest_cost_share", 0.003);
        hb_json_bool(o, "can_move", !g->cannot);
        hb_json_str(o, "cannot_move", g->cannot ? "a PCI device is passed through (vfio-pci)" : "");
        hb_json_null(o, "recording");
        if (g->move) {
                hb_json_open(o, "handover", '{');
                hb_json_str(o, "state", g->move > 3 ? "s-converge" : "s-delta");
                hb_json_str(o, "role", "source");
                hb_json_str(o, "peer", crowd_host(g->peer, host));
                hb_json_str(o, "state_text", crowd_move_text(g));
                hb_json_close(o, '}');
        } else {
                hb_json_null(o, "handover");
        }
        crowd_write_placement(c, g, o);
        hb_json_close(o, '}');
}

static inline void crowd_write_incoming(const struct crowd *c, const struct crowd_guest *g,
                                        struct hb_json_out *o) {
        bool down = crowd_host_down(c, g->peer);
        char host[16];

        hb_json_open(o, NULL, '{');
        hb_json_str(o, "id", g->id);
        hb_json_str(o, "guest", g->name);
        hb_json_str(o, "from", crowd_host(g->peer, host));
        hb_json_str(o, "state", down ? "lost" : g->ready ? "ready" : "filling");
        crowd_write_counts(g, o);
        hb_json_real(o, "recall", 0.8);
        hb_json_bool(o, "no_room", false);
        hb_json_open(o, "spill", '{');
        hb_json_str(o, "state", "off");
        hb_json_int(o, "spilled_pages", 0);
        hb_json_close(o, '}');
        if (down) {
                hb_json_null(o, "paths");
        } else {
                hb_json_open(o, "paths", '{');
                hb_json_str(o, "path", g->peer % 3 ? "tcp" : "rdma");
                hb_json_str(o, "why", g->peer % 3 ? "no RDMA device" : "");
                hb_json_close(o, '}');
        }
        hb_json_close(o, '}');
}

static inline void crowd_write_handover(const struct crowd *c, const struct crowd_guest *g,
                                        struct hb_json_out *o) {
        char host[16];

        hb_json_open(o, NULL, '{');
        hb_json_str(o, "handover", g->id);
        hb_json_str(o, "guest", g->name);
        hb_json_str(o, "role", "source");
        hb_json_str(o, "peer", crowd_host(g->peer, host));
        hb_json_str(o, "state", g->move > 3 ? "s-converge" : "s-delta");
        hb_json_str(o, "state_text", crowd_move_text(g));
        hb_json_real(o, "state_s", c->time - g->began);
        hb_json_open(o, "progress", '{');
        hb_json_int(o, "remaining_bytes", (int64_t)((g->stale + g->absent) * CROWD_PAGE));
        hb_json_real(o, "dirty_bytes_per_s", g->dirty);
        hb_json_real(o, "rate_bytes_per_s", g->rate);
        hb_json_str(o, "trend", g->stalled ? "stalled" : "converging");
        hb_json_real(o, "estimate_downtime_ms", crowd_downtime(g));
        hb_json_real(o, "elapsed_s", c->time - g->began);
        hb_json_close(o, '}');
        hb_json_null(o, "error");
        hb_json_close(o, '}');
}

static inline void crowd_write_host(const struct crowd *c, unsigned i, struct hb_json_out *o) {
        bool down = crowd_host_down(c, i);
        unsigned going = 0, coming = 0;
        double rate = 0, wire = 0;
        char name[16], address[32];

        for (unsigned k = 0; k < c->nguests; k++) {
                const struct crowd_guest *g = &c->guests[k];

                if (!g->there || !g->placed || g->peer != i)
                        continue;
                going += !g->coming;
                coming += g->coming;
                rate += g->rate;
                wire += g->wire;
        }
        snprintf(address, sizeof(address), "10.0.%u.%u:7780", i / 250, i % 250 + 1);
        hb_json_open(o, NULL, '{');
        hb_json_str(o, "name", crowd_host(i, name));
        hb_json_str(o, "address", address);
        hb_json_str(o, "state", down ? "down" : going + coming ? "up" : "idle");
        hb_json_str(o, "why", down ? "connection refused" : "");
        hb_json_str(o, "next", down ? "systemctl status harbingerd there" : "");
        hb_json_int(o, "placements", going);
        hb_json_int(o, "incoming", coming);
        hb_json_real(o, "latency_ms", 0.2 + 0.01 * i);
        hb_json_real(o, "bytes_per_s", CROWD_LINK);
        hb_json_real(o, "used_share", down ? 0 : crowd_most(1, rate / CROWD_LINK));
        hb_json_int(o, "cap_bytes_per_s", 0);
        hb_json_real(o, "compression", 2.2);
        hb_json_int(o, "connections", down ? 0 : 4 * (going + coming));
        hb_json_str(o, "path", i % 3 ? "tcp" : "rdma");
        hb_json_str(o, "path_why", i % 3 ? "no RDMA device" : "");
        hb_json_int(o, "wire_bytes", (int64_t)wire);
        hb_json_close(o, '}');
}

static inline void crowd_write_policies(struct hb_json_out *o) {
        static const char *const rows[3][4] = {{"predictor", "ewma", "lstm", "lfu"},
                                               {"scorer", "cost_benefit", NULL, NULL},
                                               {"threshold", "adaptive", NULL, "fixed"}};

        hb_json_open(o, "policies", '[');
        for (unsigned i = 0; i < 3; i++) {
                hb_json_open(o, NULL, '{');
                hb_json_str(o, "kind", rows[i][0]);
                hb_json_str(o, "active", rows[i][1]);
                if (rows[i][2])
                        hb_json_str(o, "shadow", rows[i][2]);
                else
                        hb_json_null(o, "shadow");
                if (rows[i][3])
                        hb_json_str(o, "previous", rows[i][3]);
                else
                        hb_json_null(o, "previous");
                hb_json_bool(o, "promoted", i != 1);
                hb_json_null(o, "canary");
                hb_json_null(o, "trouble");
                hb_json_close(o, '}');
        }
        hb_json_close(o, ']');
}

static inline void crowd_write_guests(const struct crowd *c, struct hb_json_out *o) {
        hb_json_open(o, "guests", '[');
        for (unsigned i = 0; i < c->nguests; i++)
                if (c->guests[i].there && !c->guests[i].coming)
                        crowd_write_guest(c, &c->guests[i], o);
        hb_json_close(o, ']');
        hb_json_open(o, "incoming", '[');
        for (unsigned i = 0; i < c->nguests; i++)
                if (c->guests[i].there && c->guests[i].coming)
                        crowd_write_incoming(c, &c->guests[i], o);
        hb_json_close(o, ']');
        hb_json_open(o, "handovers", '[');
        for (unsigned i = 0; i < c->nguests; i++)
                if (c->guests[i].there && c->guests[i].move)
                        crowd_write_handover(c, &c->guests[i], o);
        hb_json_close(o, ']');
}

/* The members of a snapshot, as a daemon writes them. */
static inline void crowd_write(const struct crowd *c, struct hb_json_out *o) {
        hb_json_str(o, "host", "crowd");
        hb_json_str(o, "version", HB_VERSION);
        hb_json_real(o, "uptime_s", c->time);
        hb_json_open(o, "process", '{');
        hb_json_real(o, "cpu_share", 0.08);
        hb_json_int(o, "rss_bytes", 200 << 20);
        hb_json_close(o, '}');
        hb_json_open(o, "memory", '{');
        hb_json_int(o, "total_bytes", 512ll << 30);
        hb_json_int(o, "available_bytes", 100ll << 30);
        hb_json_close(o, '}');
        crowd_write_guests(c, o);
        hb_json_open(o, "hosts", '[');
        for (unsigned i = 0; i < c->nhosts; i++)
                crowd_write_host(c, i, o);
        hb_json_close(o, ']');
        crowd_write_policies(o);
        hb_json_open(o, "recordings", '[');
        hb_json_close(o, ']');
        hb_json_null(o, "replay");
}
