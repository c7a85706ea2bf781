/* outgoing_announce: what the target is told of the guest's memory. The stream's law: `sent_epoch` advances
 * only with what was queued on the present session; after a reconnect the target names what it has processed,
 * and the map (which knows every page's version) gives exactly what it missed. An announcement that cannot be
 * queued in whole does not count: the next one begins where this one did. Loop thread; looking for holes is a
 * job of the guest's. */
#include "base/clock.h"
#include "daemon/events.h"
#include "daemon/outgoing_priv.h"
#include "map/announce.h"
#include <errno.h>
#include <stdlib.h>

/* ---- announcements ---- */

struct sender {
        struct hb_outgoing *p;
        enum hb_msg_type type;
};

static int send_part(void *arg, const void *part, size_t size) {
        struct sender *s = arg;
        return hb_outgoing_send(s->p, s->type, part, size);
}

static int announce(struct hb_outgoing *p, enum hb_msg_type type, uint32_t from, uint32_t to,
                    uint64_t time_ns, const struct hb_bitmap *pages) {
        struct hb_announce a = {.from = from, .to = to, .time_ns = time_ns};
        struct hb_buf b = {0};
        struct sender s = {p, type};
        int64_t n = hb_announce_encode(&a, pages, &b, send_part, &s);
        hb_buf_free(&b);
        if (n < 0)
                return (int)n;
        p->announce_bytes += (uint64_t)n;
        return 0;
}

int hb_outgoing_announce_since(struct hb_outgoing *p, uint32_t since) {
        struct hb_guest *g = p->g;
        uint32_t now = hb_page_map_epoch(g->map);
        if (since >= now)
                return 0;
        struct hb_bitmap missed;
        int r = hb_bitmap_init(&missed, g->target->shape.pages);
        if (r < 0)
                return r;
        hb_page_map_since(g->map, since, &missed);
        r = announce(p, HB_MSG_INVALIDATE, since, now, hb_page_map_epoch_time_ns(g->map, now), &missed);
        hb_bitmap_fini(&missed);
        if (r == 0)
                p->sent_epoch = now;
        return r;
}

/* ---- holes: looked up by a job between two scans ---- */

struct holes {
        const uint32_t *completed_epoch;
        struct hb_target *target;
        struct hb_bitmap pages;
        uint32_t stamp;
        struct hb_err err;
};

static int holes_work(void *arg) {
        struct holes *h = arg;
        /* This thread also scans: the last scan is complete, though the loop may not have numbered it yet;
         * the older number is the careful one. */
        h->stamp = __atomic_load_n(h->completed_epoch, __ATOMIC_ACQUIRE);
        struct hb_bitmap resident;
        int r = hb_bitmap_init(&resident, h->pages.bits);
        if (r < 0)
                return r;
        r = hb_target_resident(h->target, &resident, &h->err);
        if (r >= 0) {
                hb_bitmap_set_all(&h->pages);
                hb_bitmap_and_not(&h->pages, &resident);
        }
        hb_bitmap_fini(&resident);
        return r < 0 ? r : 0;
}

static void holes_done(void *owner, void *arg, int rc) {
        struct holes *h = arg;
        struct hb_guest *g = owner;
        if (rc < 0) {
                hb_daemon_event_err(g->d, HB_LOG_WARNING, HB_ON_GUEST, g->name, NULL,
                                    "looking for holes in the guest's memory", &h->err);
                return;
        }
        struct hb_outgoing *p = g->placement;
        if (!p || !hb_outgoing_usable(p))
                return;
        if (h->stamp)
                announce(p, HB_MSG_ZERO, 0, h->stamp, hb_now_ns(), &h->pages);
        else
                p->holes_due = true; /* no scan is complete yet: there is no epoch to stamp them with */
}

static void holes_drop(void *arg) {
        struct holes *h = arg;
        hb_bitmap_fini(&h->pages);
        free(h);
}

static const struct hb_job_ops holes_job = {holes_work, holes_done, holes_drop};

int hb_outgoing_look_for_holes(struct hb_outgoing *p) {
        struct holes *h = calloc(1, sizeof *h);
        if (!h || hb_bitmap_init(&h->pages, p->g->target->shape.pages) < 0) {
                free(h);
                return -ENOMEM;
        }
        h->completed_epoch = &p->g->completed_epoch;
        h->target = p->g->target;
        return hb_jobs_run(p->g->jobs, &holes_job, h);
}

/* ---- summaries and epochs ---- */

static void send_summary(struct hb_outgoing *p) {
        double rate = (double)p->d->settings->summary_bytes_per_s;
        p->summary_tokens += rate * p->g->epoch_ms / 1000.0;
        if (p->summary_tokens > 4 * rate)
                p->summary_tokens = 4 * rate;
        while (hb_summary_due(p->encoder) && p->summary_tokens > 256) {
                struct hb_buf b = {0};
                double most = p->summary_tokens < (1 << 20) ? p->summary_tokens : (1 << 20);
                int64_t n = hb_summary_encode(p->encoder, (uint64_t)most, &b);
                if (n > 0 && hb_outgoing_send(p, HB_MSG_SUMMARY, b.data, b.len) == 0) {
                        p->summary_tokens -= (double)n;
                        p->summary_bytes += (uint64_t)n;
                }
                hb_buf_free(&b);
                if (n <= 0)
                        return;
        }
}

void hb_outgoing_epoch(struct hb_outgoing *p, const struct hb_bitmap *written) {
        if (!hb_outgoing_usable(p))
                return;
        uint32_t e = hb_page_map_epoch(p->g->map);
        if (p->sent_epoch + 1 != e || p->g->scan.lost) { /* lost: also what is in no scan any more */
                hb_outgoing_announce_since(p, p->sent_epoch);
        } else if (announce(p, HB_MSG_INVALIDATE, e - 1, e, hb_page_map_epoch_time_ns(p->g->map, e),
                            written) == 0) {
                p->sent_epoch = e;
        }
        send_summary(p);
        if (p->holes_due) {
                p->holes_due = false;
                hb_outgoing_look_for_holes(p);
        }
}
