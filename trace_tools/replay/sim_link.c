/* sim_link: one queue. A run is served when the request has come over and the wire is free, and arrives when
 * its last byte has left and come over; so order is kept and nothing needs a heap. The measuring is that of
 * the transport (windows of 200 ms, busy time only), so that policies see the link they would see.
 * Cost: O(1) a run. */
#include "replay/sim_link.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/shape.h"
#include <errno.h>
#include <stdlib.h>

#define REPLY_BYTES  64u /* head and TLS record of a reply */
#define SLOWEST      1e3
#define FASTEST      1e12
#define LONGEST_S    60.0
#define WINDOW_NS    (200 * HB_NS_PER_MS)
#define BUSY_MIN_NS  (2 * HB_NS_PER_MS)
#define SHARE        0.3
#define MANY_WINDOWS 64u

int hb_sim_link_init(struct hb_sim_link *l, double bytes_per_s, double latency_s, double wire_share,
                     uint64_t now_ns) {
        bool sane = bytes_per_s >= SLOWEST && bytes_per_s <= FASTEST && latency_s >= 0 &&
                    latency_s <= LONGEST_S && wire_share > 0 && wire_share <= 2;

        *l = (struct hb_sim_link){0};
        if (!sane)
                return -EINVAL;
        *l = (struct hb_sim_link){.bytes_per_s = bytes_per_s,
                                  .wire_share = wire_share,
                                  .way_ns = (uint64_t)(latency_s / 2 * (double)HB_NS_PER_S),
                                  .window_ns = now_ns,
                                  .busy_since_ns = now_ns};
        l->ring = hb_fault("replay.link") ? NULL : malloc(HB_SIM_FLIGHTS * sizeof(*l->ring));
        return l->ring ? 0 : -ENOMEM;
}

void hb_sim_link_fini(struct hb_sim_link *l) {
        free(l->ring);
        *l = (struct hb_sim_link){0};
}

static struct hb_sim_flight *at(const struct hb_sim_link *l, uint32_t i) {
        return &l->ring[(l->first + i) % HB_SIM_FLIGHTS];
}

static void count_busy(struct hb_sim_link *l, uint64_t now_ns) {
        if (l->count > 0 && now_ns > l->busy_since_ns)
                l->busy_ns += now_ns - l->busy_since_ns;
        l->busy_since_ns = now_ns;
}

static double blend(double old, double now) {
        return old + SHARE * (now - old);
}

void hb_sim_link_measure(struct hb_sim_link *l, uint64_t now_ns) {
        uint64_t span = now_ns - l->window_ns, windows = span / WINDOW_NS;
        double share;

        if (now_ns < l->window_ns + WINDOW_NS)
                return;
        count_busy(l, now_ns);
        if (l->busy_ns >= BUSY_MIN_NS && l->wire > 0) {
                double rate = (double)l->wire / ((double)l->busy_ns / 1e9);

                l->rate = l->rate > 0 ? blend(l->rate, rate) : rate;
        }
        share = (double)l->busy_ns / (double)span;
        for (uint64_t n = windows; n > 0 && n < MANY_WINDOWS; n--)
                l->used_share = blend(l->used_share, share);
        if (windows >= MANY_WINDOWS)
                l->used_share = share;
        l->window_ns = now_ns;
        l->busy_ns = l->wire = 0;
}

int hb_sim_link_fetch(struct hb_sim_link *l, uint64_t now_ns, uint64_t gfn, uint32_t pages) {
        double bytes = (double)pages * HB_PAGE_SIZE * l->wire_share + REPLY_BYTES;
        uint64_t serve = now_ns + l->way_ns;

        if (l->count == HB_SIM_FLIGHTS || hb_fault("replay.fetch"))
                return -EAGAIN;
        hb_sim_link_measure(l, now_ns);
        count_busy(l, now_ns);
        serve = serve > l->free_ns ? serve : l->free_ns;
        l->free_ns = serve + (uint64_t)(bytes / l->bytes_per_s * (double)HB_NS_PER_S) + 1;
        *at(l, l->count++) = (struct hb_sim_flight){.gfn = gfn,
                                                    .pages = pages,
                                                    .serve_ns = serve,
                                                    .done_ns = l->free_ns + l->way_ns,
                                                    .wire_bytes = (uint64_t)bytes};
        l->pages += pages;
        return 0;
}

void hb_sim_link_scanned(struct hb_sim_link *l, uint64_t now_ns, uint32_t before) {
        for (; l->stamped < l->count && at(l, l->stamped)->serve_ns < now_ns; l->stamped++)
                at(l, l->stamped)->stamp = before;
}

uint64_t hb_sim_link_next(const struct hb_sim_link *l) {
        return l->count ? at(l, 0)->done_ns : UINT64_MAX;
}

bool hb_sim_link_take(struct hb_sim_link *l, uint64_t now_ns, uint32_t completed, struct hb_sim_flight *ret) {
        if (l->count == 0 || at(l, 0)->done_ns > now_ns)
                return false;
        count_busy(l, now_ns);
        *ret = *at(l, 0);
        if (ret->stamp == 0)
                ret->stamp = completed;
        l->wire += ret->wire_bytes;
        l->pages -= ret->pages;
        l->first = (l->first + 1) % HB_SIM_FLIGHTS;
        l->count--;
        l->stamped -= l->stamped > 0;
        return true;
}
