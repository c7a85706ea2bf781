/* sim_link: a link with a bandwidth and a latency, as the target's transport would show it: runs of pages are
 * asked for, wait for the wire in turn, and arrive in order, each with the stamp its source would have given
 * it. Full like the real one. Time comes in; nothing here waits. Internal to the room. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define HB_SIM_FLIGHTS 8256u /* what the daemon's pool holds with its default window */

struct hb_sim_flight {
        uint64_t gfn, serve_ns, done_ns, wire_bytes; /* serve: when its first byte is read at the source */
        uint32_t pages, stamp;                       /* stamp 0: not served yet, as far as is known */
};

struct hb_sim_link {
        double bytes_per_s, wire_share;
        uint64_t way_ns;  /* half the latency */
        uint64_t free_ns; /* when the wire is */
        struct hb_sim_flight *ring;
        uint32_t first, count, stamped; /* the oldest `stamped` of them have their stamp */
        uint64_t pages;                 /* in flight */
        /* what the transport would measure */
        uint64_t window_ns, busy_since_ns, busy_ns, wire;
        double rate, used_share;
};

int hb_sim_link_init(struct hb_sim_link *l, double bytes_per_s, double latency_s, double wire_share,
                     uint64_t now_ns); /* -EINVAL: no link is like that; -ENOMEM */
void hb_sim_link_fini(struct hb_sim_link *l);
int hb_sim_link_fetch(struct hb_sim_link *l, uint64_t now_ns, uint64_t gfn, uint32_t pages); /* -EAGAIN */
/* A scan completed at now_ns; what was served before it bears the stamp of the one before. */
void hb_sim_link_scanned(struct hb_sim_link *l, uint64_t now_ns, uint32_t before);
uint64_t hb_sim_link_next(const struct hb_sim_link *l); /* when the oldest arrives; UINT64_MAX: none */
/* Takes the oldest, when it has arrived; `completed`: the source's newest scan. */
bool hb_sim_link_take(struct hb_sim_link *l, uint64_t now_ns, uint32_t completed, struct hb_sim_flight *ret);
void hb_sim_link_measure(struct hb_sim_link *l,
                         uint64_t now_ns); /* folds the present window when it is over */
