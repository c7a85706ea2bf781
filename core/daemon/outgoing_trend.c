/* outgoing_trend: what reports say of how a placement comes along, over time: whether it converges or stalls
 * and since when, and the moments of it that are events. Loop thread. */
#include "base/clock.h"
#include "daemon/events.h"
#include "daemon/outgoing_priv.h"
#include <stdio.h>
#include <string.h>

#define TREND_NS (3 * HB_NS_PER_S)

/* A trend that turns every other report is no event: one that has lasted is. The first good one is not news.
 */
static void tell_trend(struct hb_outgoing *p) {
        bool stalled = strcmp(p->trend, "stalled") == 0;
        if (stalled == p->told_stalled || p->report_ns - p->trend_since_ns < TREND_NS)
                return;
        p->told_stalled = stalled;
        if (stalled)
                hb_daemon_event(
                        p->d, HB_LOG_WARNING, HB_ON_PLACEMENT, p->g->name, p->host,
                        "raise the link's cap, or wait for a quieter time",
                        "placement of %s on %s: stalled, the guest writes %.1f MiB/s and %.1f MiB/s cross",
                        p->g->name, p->host,
                        hb_page_map_dirty_pages_per_s(p->g->map) * HB_PAGE_SIZE / 1048576.0,
                        p->report.rate_bytes_per_s / 1048576.0);
        else
                hb_daemon_event(p->d, HB_LOG_NOTICE, HB_ON_PLACEMENT, p->g->name, p->host, NULL,
                                "placement of %s on %s: converging again", p->g->name, p->host);
}

static void track_trend(struct hb_outgoing *p) {
        const char *now = p->report.converging || p->report.ready ? "converging" : "stalled";
        if (strcmp(now, p->trend) == 0) {
                tell_trend(p);
                return;
        }
        snprintf(p->trend, sizeof p->trend, "%s", now);
        p->trend_since_ns = hb_now_ns();
}

/* Once a session: a guest that writes makes it flicker. */
static void tell_ready(struct hb_outgoing *p) {
        if (!p->report.ready || p->told_ready)
                return;
        p->told_ready = true;
        hb_daemon_event(p->d, HB_LOG_NOTICE, HB_ON_PLACEMENT, p->g->name, p->host, NULL,
                        "placement of %s on %s: ready, %llu of %llu pages are fresh there", p->g->name,
                        p->host, (unsigned long long)p->report.fresh, (unsigned long long)p->report.resident);
}

void hb_outgoing_track(struct hb_outgoing *p) {
        tell_ready(p);
        track_trend(p);
}
