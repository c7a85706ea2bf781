/* crowd_json: a crowd as its daemon writes it: the members of a `watch` tick (docs/CONTROL.md). */
#pragma once
#include "control/json_out.h"
#include "crowd_model.h"

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
