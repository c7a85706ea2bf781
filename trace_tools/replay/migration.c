/* migration: what asking for the move at a moment would have given. A replay of its own runs to the last
 * epoch that ends by that moment; from there source and target do what the daemon's do (core/daemon,
 * migrate_source.c): the target drains, the guest is scanned in short epochs, and it is stopped when the rest
 * is next to nothing, or no longer shrinks and is bearable. What the daemon would refuse (no end in sight) is
 * done all the same, and said: `converged` is false.
 *
 * A trace tells what was written in an epoch, not when. A page written n times is taken to be written n times
 * evenly through it, from a moment that depends on the page; so short scans find what they would have found
 * of a guest that writes steadily. Past the trace's end its last epoch goes on. */
#include "base/clock.h"
#include "base/fault.h"
#include "replay/replay_priv.h"
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

struct move {
        struct hb_replay *r;
        struct hb_sim *s;
        const struct hb_trace_access *a; /* of the epoch (from_ns, to_ns] */
        size_t n;
        uint64_t from_ns, to_ns, scanned_ns;
        uint64_t asked_ns, asked_wire, report_ns, best_at_ns;
        double best_bytes;
        uint32_t first_epoch;
        struct hb_trace_access *last; /* a copy: what goes on when the trace has ended */
        bool over;
        struct hb_replay_migration m;
};

/* ---- when a page was written ---- */

/* Between 0 and 1, without 0: where in its stride a page's writes begin. */
static double phase_of(uint32_t gfn) {
        return (double)(((gfn + 1) * 0x9E3779B97F4A7C15ull >> 40) + 1) / (double)(1u << 24);
}

static bool written_in(const struct move *m, const struct hb_trace_access *a, uint64_t from_ns,
                       uint64_t to_ns) {
        double n = a->writes < MOST_WRITES ? a->writes : MOST_WRITES,
               length = (double)(m->to_ns - m->from_ns), phase = phase_of(a->gfn);
        double before = floor((double)(from_ns - m->from_ns) / length * n - phase),
               by = floor((double)(to_ns - m->from_ns) / length * n - phase);

        return a->writes && by >= 0 && by > before;
}

static int scan(struct move *m, uint64_t at_ns) {
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

static int freeze(struct move *m, bool converged) {
        struct hb_sim *s = m->s;
        uint64_t stop_ns = s->now_ns + s->link.way_ns; /* the source hears that it is time */
        struct hb_engine_stats st;
        int rc = scan(m, stop_ns);

        if (rc < 0)
                return rc;
        hb_engine_freeze(s->engine, s->now_ns, hb_page_map_epoch(s->map));
        hb_engine_step(s->engine, s->now_ns);
        m->over = true;
        m->m.converged = hb_sim_finish(s) && converged;
        hb_engine_stats(s->engine, &st);
        m->m.drain_s = (double)(stop_ns - m->asked_ns) / 1e9;
        m->m.downtime_s = s->complete ? (double)(s->now_ns + s->link.way_ns - stop_ns) / 1e9 : INFINITY;
        m->m.bytes_after = s->arrived_wire - m->asked_wire;
        m->m.final_pages = st.final_pages;
        return 0;
}

static bool bearable(const struct move *m) {
        double bytes, final_s, ready_s;
        bool converging;

        hb_engine_estimate(m->s->engine, &bytes, &final_s, &ready_s, &converging);
        return final_s + OVERHEAD_S <= MAX_DOWNTIME_S;
}

/* The source's rule, at each report of the target. */
static int consider(struct move *m) {
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
                return freeze(m, false);
        return 0;
}

/* ---- short epochs ---- */

static int short_epochs(struct move *m) {
        int rc = 0;

        while (rc == 0 && !m->over && m->scanned_ns < m->to_ns) {
                uint64_t next = m->scanned_ns + SHORT_NS;

                if (next + SHORT_NS / 2 > m->to_ns) /* no crumb at the end */
                        next = m->to_ns;
                rc = scan(m, next);
                if (rc == 0)
                        rc = consider(m);
        }
        return rc;
}

static int live_epoch(struct move *m, uint64_t to_ns) {
        m->from_ns = m->scanned_ns = m->to_ns;
        m->to_ns = to_ns > m->from_ns ? to_ns : m->from_ns + 1;
        return short_epochs(m);
}

static int remember(struct move *m, const struct hb_trace_item *i) {
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

static uint64_t sim_time(const struct hb_replay *r, uint64_t ns) {
        return ns - r->begin_ns + HB_REPLAY_BASE_NS;
}

static int ask(struct move *m) {
        struct hb_sim *s = m->s;
        double ready_s;
        bool converging;

        m->asked_ns = s->now_ns;
        m->asked_wire = s->arrived_wire;
        m->to_ns = s->source_ns;
        m->best_bytes = INFINITY;
        m->best_at_ns = s->now_ns;
        m->first_epoch = hb_page_map_epoch(s->map) + 2;
        hb_engine_estimate(s->engine, &m->m.predicted_bytes, &m->m.predicted_downtime_s, &ready_s,
                           &converging);
        hb_sim_advance(s, s->now_ns + s->link.way_ns);
        hb_engine_drain(s->engine, s->now_ns, true);
        hb_engine_step(s->engine, s->now_ns);
        return 0;
}

/* From the request on. `i`: the epoch it fell into; kind END: the trace was over by then. */
static int live_on(struct move *m, struct hb_trace_item *i, struct hb_err *e) {
        uint64_t step = m->r->h->epoch_ns ? m->r->h->epoch_ns : HB_NS_PER_S;
        int rc = ask(m);

        while (rc >= 0 && !m->over) {
                bool ended = i->kind == HB_TRACE_END;

                if (i->kind == HB_TRACE_EPOCH)
                        rc = remember(m, i);
                if (rc == 0 && (ended || i->kind == HB_TRACE_EPOCH))
                        rc = live_epoch(m, ended ? m->to_ns + step : sim_time(m->r, i->time_ns));
                if (rc < 0)
                        return hb_err_set(e, rc, m->r->h->guest, NULL, "the migration's replay failed");
                if (m->over || ended)
                        continue;
                rc = hb_trace_reader_next(m->r->reader, i, e);
                if (rc < 0)
                        return rc;
                if (rc == 0)
                        i->kind = HB_TRACE_END;
                rc = 0;
        }
        return rc;
}

/* ---- up to the request ---- */

static int run_until(struct move *m, uint64_t at_ns, struct hb_replay_watch *w, struct hb_trace_item *i,
                     struct hb_err *e) {
        struct hb_replay *r = m->r;
        int rc;

        for (;;) {
                i->kind = HB_TRACE_END;
                rc = hb_trace_reader_next(r->reader, i, e);
                if (rc <= 0)
                        return rc;
                if (i->kind == HB_TRACE_EPOCH && r->began && i->time_ns - r->begin_ns > at_ns)
                        return 0;
                rc = hb_replay_sim_item(r, i, e);
                if (rc < 0)
                        return rc;
                if (i->kind != HB_TRACE_EPOCH)
                        continue;
                rc = remember(m, i);
                if (rc == 0)
                        rc = hb_replay_told(w, r);
                if (rc < 0)
                        return hb_err_set(e, rc, r->h->guest, NULL, "the replay was ended");
        }
}

int hb_replay_migrate(const char *path, const struct hb_replay_options *o, uint64_t at_ns,
                      struct hb_replay_watch *w, struct hb_replay_migration *ret, struct hb_err *e) {
        struct hb_replay_options alone = *o;
        struct move m = {.m = {.at_ns = at_ns}};
        struct hb_trace_item i;
        int rc;

        alone.mode = HB_REPLAY_SIMULATED;
        alone.quality = false;
        alone.on_point = NULL;
        alone.on_moment = NULL;
        rc = hb_replay_open(path, &alone, &m.r, e);
        if (rc < 0)
                return rc;
        m.s = m.r->sim;
        rc = run_until(&m, at_ns, w, &i, e);
        if (rc == 0 && !m.r->began)
                rc = hb_err_set(e, -ENODATA, path, NULL, "there is no epoch in it to migrate in");
        if (rc == 0 && i.kind == HB_TRACE_END && at_ns > m.r->last_ns - m.r->begin_ns)
                m.m.at_ns = m.r->last_ns - m.r->begin_ns; /* asked for after the end: asked for at the end */
        if (rc == 0)
                rc = live_on(&m, &i, e);
        if (rc == 0)
                *ret = m.m;
        free(m.last);
        hb_replay_free(m.r);
        return rc;
}
