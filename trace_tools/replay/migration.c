/* migration: what asking for the move at a moment would have given. A replay of its own runs to the last
 * epoch that ends by that moment; from there source and target do what the daemon's do (moving.h). What the
 * daemon would refuse (no end in sight) is done all the same, and said: `converged` is false. Past the
 * trace's end its last epoch goes on. */
#include "base/clock.h"
#include "replay/moving.h"
#include <errno.h>

static int live_epoch(struct hb_moving *m, uint64_t to_ns) {
        int rc = 0;

        hb_moving_epoch(m, to_ns);
        while (rc == 0 && !m->over && m->scanned_ns < m->to_ns)
                rc = hb_moving_short(m);
        return rc;
}

/* From the request on. `i`: the epoch it fell into; kind END: the trace was over by then. */
static int live_on(struct hb_moving *m, struct hb_trace_item *i, struct hb_err *e) {
        uint64_t step = m->r->h->epoch_ns ? m->r->h->epoch_ns : HB_NS_PER_S;
        int rc = 0;

        hb_moving_ask(m);
        while (rc >= 0 && !m->over) {
                bool ended = i->kind == HB_TRACE_END;

                if (i->kind == HB_TRACE_EPOCH)
                        rc = hb_moving_remember(m, i);
                if (rc == 0 && (ended || i->kind == HB_TRACE_EPOCH))
                        rc = live_epoch(m, ended ? m->to_ns + step : hb_moving_sim_time(m->r, i->time_ns));
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

static int run_until(struct hb_moving *m, uint64_t at_ns, struct hb_replay_watch *w, struct hb_trace_item *i,
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
                rc = hb_moving_remember(m, i);
                if (rc == 0)
                        rc = hb_replay_told(w, r);
                if (rc < 0)
                        return hb_err_set(e, rc, r->h->guest, NULL, "the replay was ended");
        }
}

int hb_replay_migrate(const char *path, const struct hb_replay_options *o, uint64_t at_ns,
                      struct hb_replay_watch *w, struct hb_replay_migration *ret, struct hb_err *e) {
        struct hb_replay_options alone = *o;
        struct hb_trace_item i;
        struct hb_moving m;
        struct hb_replay *r;
        int rc;

        alone.mode = HB_REPLAY_SIMULATED;
        alone.quality = false;
        alone.on_point = NULL;
        alone.on_moment = NULL;
        rc = hb_replay_open(path, &alone, &r, e);
        if (rc < 0)
                return rc;
        hb_moving_init(&m, r);
        m.m.at_ns = at_ns;
        rc = run_until(&m, at_ns, w, &i, e);
        if (rc == 0 && !r->began)
                rc = hb_err_set(e, -ENODATA, path, NULL, "there is no epoch in it to migrate in");
        if (rc == 0 && i.kind == HB_TRACE_END && at_ns > r->last_ns - r->begin_ns)
                m.m.at_ns = r->last_ns - r->begin_ns; /* asked for after the end: asked for at the end */
        if (rc == 0)
                rc = live_on(&m, &i, e);
        if (rc == 0)
                *ret = m.m;
        hb_moving_fini(&m);
        hb_replay_free(r);
        return rc;
}
