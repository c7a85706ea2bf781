/* moving: one move in a simulated replay. Deterministic, like the simulation it steps. */
#include "replay/moving.h"
#include "base/clock.h"
#include "base/fault.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define SHORT_NS       (50 * HB_NS_PER_MS)
#define REPORT_NS      (100 * HB_NS_PER_MS)
#define SETTLE_NS      (600 * HB_NS_PER_MS)
#define STALL_NS       (8 * HB_NS_PER_S)
#define TIMEOUT_NS     (120 * HB_NS_PER_S)
#define MAX_DOWNTIME_S 0.3
#define OVERHEAD_S     0.03 /* of stopping and starting a machine; counted against what is bearable only */
#define NEXT_TO_NONE   (256.0 * 1024)
#define MOST_WRITES    1000000u

/* ---- when a page was written ---- */

/* Between 0 and 1, without 0: where in its stride a page's writes begin. */
static double phase_of(uint32_t gfn) {
        return (double)(((gfn + 1) * 0x9E3779B97F4A7C15ull >> 40) + 1) / (double)(1u << 24);
}

static bool written_in(const struct hb_moving *m, const struct hb_trace_access *a, uint64_t from_ns,
                       uint64_t to_ns) {
        double n = a->writes < MOST_WRITES ? a->writes : MOST_WRITES,
               length = (double)(m->to_ns - m->from_ns), phase = phase_of(a->gfn);
        double before = floor((double)(from_ns - m->from_ns) / length * n - phase),
               by = floor((double)(to_ns - m->from_ns) / length * n - phase);

        return a->writes && by >= 0 && by > before;
}

static int scan(struct hb_moving *m, uint64_t at_ns) {
        struct hb_sim *s = m->s;
        uint64_t to_ns = at_ns < m->to_ns ? at_ns : m->to_ns;

        hb_sim_advance(s, at_ns);
        hb_bitmap_clear_all(&s->accessed);
        hb_bitmap_clear_all(&s->written);
        for (size_t i = 0; i < m->n; i++) {
                bool written = written_in(m, &m->a[i], m->scanned_ns, to_ns);

                if (written)
                        hb_bitmap_set(&s->written, m->a[i].gfn);
                if (written || to_ns == m->to_ns) /* reads: once an epoch */
                        hb_bitmap_set(&s->accessed, m->a[i].gfn);
        }
        m->scanned_ns = to_ns;
        return hb_sim_scan(s, at_ns);
}

/* ---- the end ---- */

static int freeze(struct hb_moving *m, bool converged) {
        struct hb_sim *s = m->s;
        uint64_t stop_ns = s->now_ns + s->link.way_ns; /* the source hears that it is time */
        struct hb_engine_stats st;
        int rc = scan(m, stop_ns);

        if (rc < 0)
                return rc;
        hb_engine_freeze(s->engine, s->now_ns, hb_page_map_epoch(s->map));
        hb_engine_step(s->engine, s->now_ns);
        m->over = true;
        m->stop_ns = stop_ns;
        m->m.converged = hb_sim_finish(s) && converged;
        hb_engine_stats(s->engine, &st);
        m->m.drain_s = (double)(stop_ns - m->asked_ns) / 1e9;
        m->m.downtime_s = s->complete ? (double)(s->now_ns + s->link.way_ns - stop_ns) / 1e9 : INFINITY;
        m->m.bytes_after = s->arrived_wire - m->asked_wire;
        m->m.final_pages = st.final_pages;
        return 0;
}

static int refuse(struct hb_moving *m) {
        m->refused = true;
        hb_engine_drain(m->s->engine, m->s->now_ns, false);
        hb_engine_step(m->s->engine, m->s->now_ns);
        return 0;
}

static bool bearable(const struct hb_moving *m) {
        double bytes, final_s, ready_s;
        bool converging;

        hb_engine_estimate(m->s->engine, &bytes, &final_s, &ready_s, &converging);
        return final_s + OVERHEAD_S <= m->max_downtime_s;
}

/* The source's rule, at each report of the target. */
static int consider(struct hb_moving *m) {
        struct hb_engine_stats st;
        uint64_t now = m->s->now_ns;
        double rest;
        bool can, settled;

        if (now < m->report_ns || m->s->processed < m->first_epoch)
                return 0;
        m->report_ns = now + REPORT_NS;
        hb_engine_stats(m->s->engine, &st);
        rest = (double)(st.stale + st.absent + st.fetching) * HB_PAGE_SIZE;
        if (rest < m->best_bytes * 0.98 - 1) {
                m->best_bytes = rest;
                m->best_at_ns = now;
        }
        can = bearable(m);
        settled = now - m->best_at_ns > SETTLE_NS && rest <= m->best_bytes * 1.25 + NEXT_TO_NONE;
        if (can && (rest <= NEXT_TO_NONE || settled))
                return freeze(m, true);
        if ((!can && now - m->best_at_ns > STALL_NS) || now - m->asked_ns > TIMEOUT_NS)
                return m->may_refuse ? refuse(m) : freeze(m, false);
        return 0;
}

/* ---- short epochs ---- */

int hb_moving_short(struct hb_moving *m) {
        uint64_t next = m->scanned_ns + SHORT_NS;
        int rc;

        if (next + SHORT_NS / 2 > m->to_ns) /* no crumb at the end */
                next = m->to_ns;
        rc = scan(m, next);
        return rc < 0 ? rc : consider(m);
}

int hb_moving_rest(struct hb_moving *m) {
        return scan(m, m->to_ns);
}

void hb_moving_epoch(struct hb_moving *m, uint64_t to_ns) {
        m->from_ns = m->scanned_ns = m->to_ns;
        m->to_ns = to_ns > m->from_ns ? to_ns : m->from_ns + 1;
}

int hb_moving_remember(struct hb_moving *m, const struct hb_trace_item *i) {
        size_t bytes = (i->naccess ? i->naccess : 1) * sizeof(*m->last);
        struct hb_trace_access *more = hb_fault("replay.migrate") ? NULL : realloc(m->last, bytes);

        if (!more)
                return -ENOMEM;
        if (i->naccess)
                memcpy(more, i->access, i->naccess * sizeof(*more));
        m->a = m->last = more;
        m->n = i->naccess;
        return 0;
}

uint64_t hb_moving_sim_time(const struct hb_replay *r, uint64_t trace_ns) {
        return trace_ns - r->begin_ns + HB_REPLAY_BASE_NS;
}

void hb_moving_init(struct hb_moving *m, struct hb_replay *r) {
        *m = (struct hb_moving){.r = r, .s = r->sim, .max_downtime_s = MAX_DOWNTIME_S};
}

void hb_moving_fini(struct hb_moving *m) {
        free(m->last);
        *m = (struct hb_moving){0};
}

void hb_moving_ask(struct hb_moving *m) {
        struct hb_sim *s = m->s;
        double ready_s;
        bool converging;

        m->asked_ns = s->now_ns;
        m->asked_wire = s->arrived_wire;
        m->to_ns = m->scanned_ns = s->source_ns;
        m->best_bytes = INFINITY;
        m->best_at_ns = s->now_ns;
        m->first_epoch = hb_page_map_epoch(s->map) + 2;
        hb_engine_estimate(s->engine, &m->m.predicted_bytes, &m->m.predicted_downtime_s, &ready_s,
                           &converging);
        hb_sim_advance(s, s->now_ns + s->link.way_ns);
        hb_engine_drain(s->engine, s->now_ns, true);
        hb_engine_step(s->engine, s->now_ns);
}
