/* link_stats: measures what struct hb_link_stats reports. Shared by the threads of one fetcher or server: has
 * its lock. Time is a parameter. */
#pragma once
#include "transport/transport.h"
#include <pthread.h>

struct hb_link_meter {
        pthread_mutex_t lock;
        struct hb_link_stats s;
        unsigned in_flight;
        uint64_t busy_since_ns;
        uint64_t window_ns, busy_ns, wire, memory; /* of the running window */
        bool any_window;
};

void hb_link_meter_init(struct hb_link_meter *m, uint64_t now_ns);
void hb_link_meter_fini(struct hb_link_meter *m);
/* `runs` transfers began or ended; the link counts as busy while any is in flight. */
void hb_link_meter_begin(struct hb_link_meter *m, uint64_t now_ns, unsigned runs);
void hb_link_meter_end(struct hb_link_meter *m, uint64_t now_ns, unsigned runs);
void hb_link_meter_moved(struct hb_link_meter *m, uint64_t now_ns, uint64_t wire_bytes, uint32_t pages,
                         uint32_t zero_pages);
void hb_link_meter_latency(struct hb_link_meter *m, double sample_s);
void hb_link_meter_capped(struct hb_link_meter *m, bool limited);
void hb_link_meter_error(struct hb_link_meter *m);
void hb_link_meter_connected(struct hb_link_meter *m, int change); /* +1, -1 */
void hb_link_meter_get(struct hb_link_meter *m, uint64_t now_ns, struct hb_link_stats *ret);
