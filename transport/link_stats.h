/* link_stats: measures what struct hb_link_stats reports. Shared by the threads of one fetcher or server: has
 * its lock. Time is a parameter, so the estimator is pure (tests/unit/transport/test_link_stats.c drives it
 * with simulated links).
 *
 * What it promises: when the link's capacity changes, bytes_per_s is within a tenth of the new one after
 * HB_LINK_SETTLES_NS of busy time. An idle link, one that carries single small requests, and one held back by
 * our own cap keep the estimate, and confidence fades with its age. */
#pragma once
#include "transport/transport.h"
#include <pthread.h>

#define HB_LINK_SLICES     16u
#define HB_LINK_SETTLES_NS 600000000ull /* for transfers of which at least eight end in 50 ms */

struct hb_link_slice { /* some 50 ms of busy time */
        double rate, busy_ns;
};

struct hb_link_meter {
        pthread_mutex_t lock;
        struct hb_link_stats s;
        unsigned in_flight;
        uint64_t busy_since_ns;
        uint64_t window_ns, busy_ns, wire, memory; /* of the running window */
        bool any_window;
        /* the running slice: busy time, what moved in it, transfers ended, transfers in flight times time */
        double slice_busy_ns, slice_bytes, slice_depth_ns;
        unsigned slice_ends;
        bool slice_capped;
        struct hb_link_slice slices[HB_LINK_SLICES];
        unsigned nslices, next_slice;
        uint64_t last_slice_ns; /* when the newest was taken */
};

void hb_link_meter_init(struct hb_link_meter *m, uint64_t now_ns);
void hb_link_meter_fini(struct hb_link_meter *m);
/* `runs` transfers began or ended; the link counts as busy while any is in flight. */
void hb_link_meter_begin(struct hb_link_meter *m, uint64_t now_ns, unsigned runs);
void hb_link_meter_end(struct hb_link_meter *m, uint64_t now_ns, unsigned runs);
void hb_link_meter_moved(struct hb_link_meter *m, uint64_t now_ns, uint64_t wire_bytes, uint32_t pages,
                         uint32_t zero_pages);
/* Request to answer, or round trip, with nothing else of ours on the way. */
void hb_link_meter_latency(struct hb_link_meter *m, double sample_s);
void hb_link_meter_capped(struct hb_link_meter *m, bool limited);
void hb_link_meter_error(struct hb_link_meter *m);
void hb_link_meter_connected(struct hb_link_meter *m, int change); /* +1, -1 */
void hb_link_meter_get(struct hb_link_meter *m, uint64_t now_ns, struct hb_link_stats *ret);
