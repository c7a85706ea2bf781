/* link_stats: windows of WINDOW_NS, folded into smoothed values when they close.
 *
 * Invariant: the rate is wire bytes per *busy* second, so an idle link keeps its last known rate; the used
 * share is busy time per time, so an idle link's falls to zero. Latency comes from requests sent on an idle
 * connection only, else it would measure our own queue. Any thread (one lock, a few additions). */
#include "transport/link_stats.h"
#include "base/clock.h"
#include "base/shape.h"

#define WINDOW_NS    (200 * HB_NS_PER_MS)
#define BUSY_MIN_NS  (2 * HB_NS_PER_MS) /* a shorter busy time tells nothing of a rate */
#define SHARE        0.3                /* of a new window in a smoothed value */
#define LATENCY_GAIN 0.125

static double blend(double old, double sample, double share, bool first) {
        return first ? sample : old + share * (sample - old);
}

static void count_busy(struct hb_link_meter *m, uint64_t now) {
        if (m->in_flight > 0 && now > m->busy_since_ns)
                m->busy_ns += now - m->busy_since_ns;
        m->busy_since_ns = now;
}

static void roll(struct hb_link_meter *m, uint64_t now) {
        uint64_t span = now - m->window_ns;

        if (now < m->window_ns + WINDOW_NS)
                return;
        count_busy(m, now);
        if (m->busy_ns >= BUSY_MIN_NS && m->wire > 0) {
                m->s.bytes_per_s = blend(m->s.bytes_per_s, (double)m->wire / ((double)m->busy_ns / 1e9),
                                         SHARE, !m->any_window);
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
        count_busy(m, now);
        m->in_flight -= runs < m->in_flight ? runs : m->in_flight;
        roll(m, now);
        pthread_mutex_unlock(&m->lock);
}

void hb_link_meter_moved(struct hb_link_meter *m, uint64_t now, uint64_t wire_bytes, uint32_t pages,
                         uint32_t zero_pages) {
        pthread_mutex_lock(&m->lock);
        m->wire += wire_bytes;
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
        roll(m, now);
        *ret = m->s;
        pthread_mutex_unlock(&m->lock);
}
