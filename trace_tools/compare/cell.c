/* cell: watches a replay and keeps its moments and spans. Spans begin at the trace's first epoch, whatever
 * the policy, so that the n-th span of two cells of a trace is the same time. Memory: some hundred rows. */
#include "compare/cell.h"
#include "base/clock.h"
#include "base/fault.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct watch {
        struct hb_compare_cell c;
        unsigned moment_room, span_room;
        uint64_t first_ns, span_ns, n; /* epochs in the span that is open */
        double accessed, covered, fresh, resident, bytes, threshold;
        uint64_t last_ns;
        bool failed;
};

static void *room_for_one(struct watch *w, void *items, unsigned n, unsigned *room, size_t size) {
        void *more;

        if (n < *room)
                return items;
        *room = *room ? *room * 2 : 64;
        more = hb_fault("compare.cell") ? NULL : realloc(items, *room * size);
        w->failed = w->failed || !more;
        return more ? more : items;
}

static void on_moment(void *arg, uint64_t time_ns, const struct hb_quality_result *q) {
        struct watch *w = arg;
        struct hb_compare_cell *c = &w->c;

        if (w->failed)
                return;
        c->moments = room_for_one(w, c->moments, c->nmoments, &w->moment_room, sizeof(*c->moments));
        if (w->failed)
                return;
        c->moments[c->nmoments++] =
                (struct hb_compare_moment){time_ns,         q->all.precision, q->all.recall, q->all.f1,
                                           q->returning.f1, q->fresh.f1,      q->writes.f1};
}

static void end_span(struct watch *w) {
        struct hb_compare_cell *c = &w->c;

        if (w->n == 0 || w->failed)
                return;
        c->spans = room_for_one(w, c->spans, c->nspans, &w->span_room, sizeof(*c->spans));
        if (w->failed)
                return;
        c->spans[c->nspans++] =
                (struct hb_compare_span){.time_ns = w->last_ns,
                                         .accessed = w->accessed,
                                         .coverage = w->accessed > 0 ? w->covered / w->accessed : NAN,
                                         .fresh = w->fresh,
                                         .resident = w->resident,
                                         .bytes = w->bytes,
                                         .threshold = w->threshold};
        w->n = 0;
        w->accessed = w->covered = 0;
}

static void on_point(void *arg, const struct hb_replay_point *p) {
        struct watch *w = arg;

        if (w->n && (p->time_ns - w->first_ns) / w->span_ns != (w->last_ns - w->first_ns) / w->span_ns)
                end_span(w);
        w->n++;
        w->last_ns = p->time_ns;
        if (p->accessed && !isnan(p->coverage)) {
                w->accessed += (double)p->accessed;
                w->covered += (double)p->accessed * p->coverage;
        }
        w->fresh = (double)p->fresh;
        w->resident = (double)p->resident;
        w->bytes = (double)p->bytes;
        w->threshold = p->threshold;
}

void hb_compare_cell_fini(struct hb_compare_cell *c) {
        free(c->moments);
        free(c->spans);
        memset(c, 0, sizeof(*c));
}

int hb_compare_cell_run(const struct hb_compare_plan *p, unsigned cell, hb_compare_replay *replay,
                        int (*tick)(void *arg, double share, const struct hb_replay_point *p), void *arg,
                        struct hb_compare_cell *ret, struct hb_err *e) {
        struct hb_compare_at at = hb_compare_at(p, cell);
        const struct hb_compare_trace *t = &p->traces[at.trace];
        struct watch w = {.first_ns = t->first_ns, .span_ns = hb_compare_span_ns(t)};
        uint64_t began = hb_now_ns();
        struct hb_replay_options o;
        int r;

        if (p->policies[at.policy].kind == HB_COMPARE_OPTIMUM)
                replay = hb_compare_optimum;
        hb_compare_replay_options(p, cell, &o);
        o.on_moment = on_moment;
        o.on_point = on_point;
        o.watch_arg = &w;
        r = replay(t->path, &o, tick, arg, &w.c.r, e);
        end_span(&w);
        if (r == 0 && w.failed)
                r = hb_err_set(e, -ENOMEM, t->path, NULL, "out of memory");
        if (r < 0) {
                hb_compare_cell_fini(&w.c);
                return r;
        }
        w.c.r.took_s = (double)(hb_now_ns() - began) / HB_NS_PER_S;
        hb_compare_key(p, cell, w.c.key);
        *ret = w.c;
        return 0;
}
