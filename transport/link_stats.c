/* link_stats: windows of WINDOW_NS for shares, slices of busy time for the link's pace.
 *
 * Invariant: a rate is wire bytes per *busy* second, so an idle link keeps its last known one; the used share
 * is busy time per time, so an idle link's falls to zero. Latency comes from requests sent on an idle
 * connection only, else it would measure our own queue; what requests take longer than that is the queue, by
 * Little's law from how many are in flight (queue_delay_s).
 *
 * bytes_per_s is the median, weighed by busy time, of the last HB_LINK_SLICES slices: bursts and stalls
 * shorter than half of those do not move it, a change of capacity does once half of them are new. Slices in
 * which the link was not the limit only raise it: those under our cap, and those whose requests took less
 * than twice the idle latency, i.e. met no queue. Slow slices are what pace_loss counts, over PACE_NS of busy
 * time. Confidence is three factors: enough busy time seen, slices that agree, and the age of the newest.
 *
 * Any thread (one lock, a few additions; a slice's end costs a sort of 16). */
#include "transport/link_stats.h"
#include "base/clock.h"
#include "base/shape.h"
#include <math.h>
#include <string.h>

#define WINDOW_NS     (200 * HB_NS_PER_MS)
#define BUSY_MIN_NS   (2 * HB_NS_PER_MS) /* a shorter busy time tells nothing of a rate */
#define SHARE         0.3                /* of a new window in a smoothed value */
#define LATENCY_GAIN  0.125
#define SLICE_NS      50e6
#define SLICE_ENDS    4u    /* at least so many transfers, */
#define SLICE_MOST_NS 400e6 /* unless they take very long */
#define SLOW          0.7   /* a slice below this share of the estimate has lost pace */
#define AGREES        0.25
#define ENOUGH_NS     500e6
#define PACE_NS       2e9
#define FADE_NS       120e9 /* of idle time, in which confidence halves */

static double blend(double old, double sample, double share, bool first) {
        return first ? sample : old + share * (sample - old);
}

/* ---- the pace ---- */

static double weighted_median(const struct hb_link_meter *m) {
        struct hb_link_slice by[HB_LINK_SLICES] = {0};
        double half = 0, sum = 0;
        unsigned n = m->nslices, i;

        for (i = 0; i < n; i++) {
                unsigned at = i;

                for (; at > 0 && by[at - 1].rate > m->slices[i].rate; at--)
                        by[at] = by[at - 1];
                by[at] = m->slices[i];
                half += m->slices[i].busy_ns / 2;
        }
        for (i = 0; i + 1 < n && (sum += by[i].busy_ns) < half; i++)
                ;
        return by[i].rate;
}

/* Requests that take less than twice the idle latency met no queue: the link could have carried more. */
static bool was_loaded(const struct hb_link_meter *m, double *ret_sojourn_s) {
        *ret_sojourn_s = m->slice_ends ? m->slice_depth_ns / m->slice_ends / 1e9 : INFINITY;
        return !m->slice_capped && (m->s.latency_s <= 0 || *ret_sojourn_s >= 2 * m->s.latency_s);
}

static void end_slice(struct hb_link_meter *m, uint64_t now) {
        double rate = m->slice_bytes / (m->slice_busy_ns / 1e9), sojourn, weight;
        bool loaded = was_loaded(m, &sojourn);

        if (loaded || rate > m->s.bytes_per_s) {
                weight = fmin(m->slice_busy_ns / PACE_NS, 1);
                if (m->nslices > 0)
                        m->s.pace_loss = blend(m->s.pace_loss, rate < SLOW * m->s.bytes_per_s, weight, false);
                m->slices[m->next_slice] = (struct hb_link_slice){rate, m->slice_busy_ns};
                m->next_slice = (m->next_slice + 1) % HB_LINK_SLICES;
                m->nslices += m->nslices < HB_LINK_SLICES;
                m->s.bytes_per_s = weighted_median(m);
                m->last_slice_ns = now;
        }
        if (loaded && isfinite(sojourn))
                m->s.queue_delay_s =
                        blend(m->s.queue_delay_s, fmax(sojourn - m->s.latency_s, 0), SHARE, false);
        m->slice_busy_ns = m->slice_bytes = m->slice_depth_ns = 0;
        m->slice_ends = 0;
        m->slice_capped = m->s.busy_limited_by_cap;
}

static double confidence(const struct hb_link_meter *m, uint64_t now) {
        double busy = 0, agree = 0, age = now > m->last_slice_ns ? (double)(now - m->last_slice_ns) : 0;

        for (unsigned i = 0; i < m->nslices; i++) {
                busy += m->slices[i].busy_ns;
                if (fabs(m->slices[i].rate - m->s.bytes_per_s) <= AGREES * m->s.bytes_per_s)
                        agree += m->slices[i].busy_ns;
        }
        return busy > 0 ? fmin(busy / ENOUGH_NS, 1) * (agree / busy) * exp2(-age / FADE_NS) : 0;
}

/* ---- time ---- */

static void count_busy(struct hb_link_meter *m, uint64_t now) {
        if (m->in_flight > 0 && now > m->busy_since_ns) {
                m->busy_ns += now - m->busy_since_ns;
                m->slice_busy_ns += (double)(now - m->busy_since_ns);
                m->slice_depth_ns += (double)(now - m->busy_since_ns) * m->in_flight;
        }
        m->busy_since_ns = now;
        if (m->slice_busy_ns >= SLICE_MOST_NS ||
            (m->slice_busy_ns >= SLICE_NS && m->slice_ends >= SLICE_ENDS))
                end_slice(m, now);
}

static void roll(struct hb_link_meter *m, uint64_t now) {
        uint64_t span = now - m->window_ns;

        if (now < m->window_ns + WINDOW_NS)
                return;
        count_busy(m, now);
        if (m->busy_ns >= BUSY_MIN_NS && m->wire > 0) {
                if (m->nslices == 0) /* the first word, until a slice is full */
                        m->s.bytes_per_s = (double)m->wire / ((double)m->busy_ns / 1e9);
                m->s.compression =
                        blend(m->s.compression, (double)m->memory / (double)m->wire, SHARE, !m->any_window);
                m->any_window = true;
        }
        for (uint64_t n = span / WINDOW_NS; n > 0 && n < 64; n--) /* an idle hour is as good as 64 windows */
                m->s.used_share = blend(m->s.used_share, (double)m->busy_ns / (double)span, SHARE, false);
        if (span / WINDOW_NS >= 64)
                m->s.used_share = (double)m->busy_ns / (double)span;
        m->window_ns = now;
        m->busy_ns = m->wire = m->memory = 0;
}

void hb_link_meter_init(struct hb_link_meter *m, uint64_t now) {
        *m = (struct hb_link_meter){.window_ns = now, .busy_since_ns = now, .s = {.compression = 1}};
        pthread_mutex_init(&m->lock, NULL);
}

void hb_link_meter_fini(struct hb_link_meter *m) {
        pthread_mutex_destroy(&m->lock);
}

void hb_link_meter_begin(struct hb_link_meter *m, uint64_t now, unsigned runs) {
        pthread_mutex_lock(&m->lock);
        roll(m, now);
        count_busy(m, now);
        m->in_flight += runs;
        pthread_mutex_unlock(&m->lock);
}

void hb_link_meter_end(struct hb_link_meter *m, uint64_t now, unsigned runs) {
        pthread_mutex_lock(&m->lock);
        m->slice_ends += runs;
        count_busy(m, now);
        m->in_flight -= runs < m->in_flight ? runs : m->in_flight;
        roll(m, now);
        pthread_mutex_unlock(&m->lock);
}

void hb_link_meter_moved(struct hb_link_meter *m, uint64_t now, uint64_t wire_bytes, uint32_t pages,
                         uint32_t zero_pages) {
        pthread_mutex_lock(&m->lock);
        m->wire += wire_bytes;
        m->slice_bytes += (double)wire_bytes;
        m->memory += (uint64_t)pages * HB_PAGE_SIZE;
        m->s.wire_bytes += wire_bytes;
        m->s.page_bytes += (uint64_t)pages * HB_PAGE_SIZE;
        m->s.pages += pages;
        m->s.zero_pages += zero_pages;
        roll(m, now);
        pthread_mutex_unlock(&m->lock);
}

void hb_link_meter_latency(struct hb_link_meter *m, double sample_s) {
        pthread_mutex_lock(&m->lock);
        m->s.latency_s = blend(m->s.latency_s, sample_s, LATENCY_GAIN, m->s.latency_s == 0);
        pthread_mutex_unlock(&m->lock);
}

void hb_link_meter_capped(struct hb_link_meter *m, bool limited) {
        pthread_mutex_lock(&m->lock);
        m->s.busy_limited_by_cap = limited;
        m->slice_capped |= limited;
        pthread_mutex_unlock(&m->lock);
}

void hb_link_meter_error(struct hb_link_meter *m) {
        pthread_mutex_lock(&m->lock);
        m->s.errors++;
        pthread_mutex_unlock(&m->lock);
}

void hb_link_meter_connected(struct hb_link_meter *m, int change) {
        pthread_mutex_lock(&m->lock);
        if (change < 0)
                m->s.reconnects++; /* each loss asks for one */
        m->s.connections += (unsigned)change;
        pthread_mutex_unlock(&m->lock);
}

void hb_link_meter_get(struct hb_link_meter *m, uint64_t now, struct hb_link_stats *ret) {
        pthread_mutex_lock(&m->lock);
        count_busy(m, now);
        roll(m, now);
        *ret = m->s;
        ret->confidence = confidence(m, now);
        pthread_mutex_unlock(&m->lock);
}
