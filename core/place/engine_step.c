/* engine_step: plans and acts. Order: what somebody waits for first, then the plan.
 *
 * Invariants: one fetch a page at a time; at most `window_bytes` in flight (four times that when frozen), of
 * which a small share is kept for demands; when half of it has come back it is filled again, so that fetches
 * go out in bunches. A stamp is cleared before the transport hears of the page, and put back if it will not
 * take it: then no byte was written. Cost: at most BATCHES batches of the planner a step. */
#include "place/engine_priv.h"

#define BATCHES       2u
#define FINAL_WINDOWS 4u
#define IDLE_ROUND    5u /* plan_ns between rounds when nothing was heard */

static uint64_t window_pages(const struct hb_engine *e) {
        return (e->o.window_bytes >> HB_PAGE_SHIFT) * (e->s.frozen ? FINAL_WINDOWS : 1);
}

static uint64_t bulk_pages(const struct hb_engine *e) {
        uint64_t w = window_pages(e), kept = w / 8;

        return w - (kept < 16 ? kept : 16);
}

static uint64_t flying_pages(const struct hb_engine *e) {
        return e->ledger.state[HB_PAGE_FETCHING];
}

/* ---- one fetch ---- */

static void mark(struct hb_engine *e, uint64_t gfn, uint32_t pages, struct hb_image_page *before) {
        for (uint32_t i = 0; i < pages; i++) {
                struct hb_image_page *p = hb_page_ledger_take(&e->ledger, gfn + i);

                before[i] = *p;
                hb_coherency_overwriting(&p->c);
                p->flags |= HB_IP_FETCHING;
                p->flags &= (uint8_t)~HB_IP_ZERO;
                if (p->fetches < UINT8_MAX)
                        p->fetches++;
                hb_page_ledger_put(&e->ledger, gfn + i);
        }
}

static void unmark(struct hb_engine *e, uint64_t gfn, uint32_t pages, const struct hb_image_page *before) {
        for (uint32_t i = 0; i < pages; i++) {
                *hb_page_ledger_take(&e->ledger, gfn + i) = before[i];
                hb_page_ledger_put(&e->ledger, gfn + i);
        }
}

static int send(struct hb_engine *e, uint64_t gfn, uint32_t pages, enum hb_fetch_class c, unsigned bucket) {
        struct hb_image_page before[64];
        bool known = e->ledger.pages[gfn].flags & HB_IP_KNOWN;
        int rc;

        mark(e, gfn, pages, before);
        rc = known ? hb_engine_ask_copy(e, gfn, pages, c, bucket)
                   : hb_engine_ask_fetch(e, gfn, pages, c, bucket);
        if (rc < 0) {
                unmark(e, gfn, pages, before);
                return rc;
        }
        hb_engine_mix(e, *e->image.processed, gfn);
        hb_engine_mix(e, pages, (uint64_t)known << 40 | (uint64_t)c << 32 | bucket);
        hb_rates_flight(&e->rates, e->now_ns, hb_engine_on_wire(e) > 0);
        return 0;
}

/* Wanted neighbours from `gfn` on, within [gfn, gfn + most), that this host has all or none of. */
static uint32_t wanted_run(const struct hb_engine *e, uint64_t gfn, uint64_t most) {
        uint32_t k = 0;

        while (k < most && hb_page_ledger_wants_as(&e->ledger.pages[gfn + k], &e->ledger.pages[gfn]))
                k++;
        return k;
}

/* ---- demands ---- */

static bool try_demand(struct hb_engine *e, uint64_t gfn) {
        if (!hb_page_ledger_wants(&e->ledger.pages[gfn]))
                return true; /* here, or on its way */
        return flying_pages(e) < window_pages(e) && send(e, gfn, 1, HB_FETCH_DEMAND, HB_POLICY_BUCKETS) == 0;
}

static void serve_demands(struct hb_engine *e) {
        unsigned kept = 0;

        for (unsigned i = 0; i < e->demands; i++)
                if (!try_demand(e, e->demand[i]))
                        e->demand[kept++] = e->demand[i];
        e->demands = kept;
}

static void demand(struct hb_engine *e, uint64_t gfn) {
        for (unsigned i = 0; i < e->demands; i++)
                if (e->demand[i] == gfn)
                        return;
        serve_demands(e); /* first come, first served */
        if ((e->demands > 0 || !try_demand(e, gfn)) && e->demands < HB_DEMANDS_MAX)
                e->demand[e->demands++] = gfn;
}

void hb_engine_demand(hb_engine *e, uint64_t now_ns, uint64_t gfn) {
        if (gfn >= e->ledger.npages)
                return;
        hb_engine_clock(e, now_ns);
        demand(e, gfn);
        if (hb_engine_heard(e))
                hb_engine_tell(e,
                               (struct hb_engine_input){.kind = HB_IN_DEMAND, .now_ns = now_ns, .gfn = gfn});
}

/* ---- prefetch and drain ---- */

/* Sends the parts of a queued run that are still wanted. 0: all gone. */
static int send_queued(struct hb_engine *e, const struct hb_queued_run *r) {
        enum hb_fetch_class c = e->s.draining ? HB_FETCH_DRAIN : HB_FETCH_PREFETCH;
        uint64_t g = r->gfn, end = g + r->pages;
        int rc = 0;

        while (rc == 0 && g < end) {
                uint32_t k = wanted_run(e, g, end - g);

                if (k > 0)
                        rc = send(e, g, k, c, r->bucket);
                g += k ? k : 1;
        }
        return rc;
}

/* Fills the window from the queue. False: full, or the transport is. */
static bool fill(struct hb_engine *e) {
        const struct hb_queued_run *r;

        if (flying_pages(e) > bulk_pages(e) / 2)
                return false;
        while ((r = hb_run_queue_head(&e->planner.queue)) && hb_planner_head_may_go(&e->planner)) {
                struct hb_queued_run run = *r;

                if (flying_pages(e) + run.pages > bulk_pages(e) || send_queued(e, &run) < 0)
                        return false;
                hb_run_queue_pop(&e->planner.queue);
        }
        return true;
}

/* Between two epochs only time goes by, and worth changes slowly with it. */
static bool round_due(const struct hb_engine *e) {
        uint64_t since = e->now_ns - e->planner.round_ns;

        return since >= e->o.plan_ns * (e->news ? 1 : IDLE_ROUND);
}

static bool batch_due(const struct hb_engine *e) {
        const struct hb_planner *p = &e->planner;
        bool low = p->queue.pages < window_pages(e) || !hb_planner_head_may_go(p);

        if (hb_page_ledger_wanted(&e->ledger) == 0)
                return false;
        if (hb_planner_mid_round(p))
                return low || e->now_ns - p->batch_ns >= e->o.plan_ns;
        if (!p->started || round_due(e))
                return true;
        return p->queue.truncated && p->queue.count == 0;
}

static void plan(struct hb_engine *e) {
        struct hb_policy_guest guest;
        struct hb_plan_inputs in;

        hb_engine_plan_view(e, e->now_ns, &guest, &in);
        e->accuracy.out.hit = (double)e->ledger.hits;
        e->accuracy.out.late = (double)flying_pages(e);
        e->accuracy.out.stale = (double)e->ledger.stale_hits;
        if (!hb_planner_mid_round(&e->planner)) /* what is heard from here on is for the next */
                e->news = false;
        hb_planner_batch(&e->planner, &in);
}

static void go_on(struct hb_engine *e) {
        for (unsigned n = 0; n < BATCHES; n++) {
                bool due = batch_due(e);

                if (due)
                        plan(e);
                if ((n > 0 && !due) || !fill(e))
                        return;
        }
}

/* ---- the last delta ---- */

static void finish(struct hb_engine *e) {
        bool from_start = e->final_cursor == 0;

        while (flying_pages(e) < bulk_pages(e)) {
                uint64_t g = hb_page_ledger_next_wanted(&e->ledger, e->final_cursor),
                         room = bulk_pages(e) - flying_pages(e), end;
                const struct hb_region *r;
                uint32_t k;

                if (g == e->ledger.npages) {
                        if (from_start || e->final_cursor == 0)
                                return;
                        e->final_cursor = 0;
                        from_start = true;
                        continue;
                }
                r = &e->image.shape->regions[hb_shape_region_of(e->image.shape, g)];
                end = r->first_gfn + r->pages - g;
                room = room < e->o.run_pages ? room : e->o.run_pages;
                k = wanted_run(e, g, end < room ? end : room);
                if (send(e, g, k, HB_FETCH_FINAL, 0) < 0)
                        return;
                e->final_cursor = g + k;
        }
}

static bool becomes_complete(struct hb_engine *e) {
        if (!e->s.frozen || e->s.complete ||
            !hb_coherency_complete(*e->image.processed, e->s.final_epoch,
                                   hb_page_ledger_not_fresh(&e->ledger)))
                return false;
        e->s.complete = true;
        hb_engine_mix(e, e->s.final_epoch, UINT64_MAX);
        return true;
}

static bool has_news(struct hb_engine *e) {
        bool filled = hb_page_ledger_not_fresh(&e->ledger) == 0;

        hb_engine_judge_ready(e);
        if (e->s.ready == e->told_ready && filled == e->told_filled)
                return false;
        e->told_ready = e->s.ready;
        e->told_filled = filled;
        return true;
}

/* The step is over, and told, before anybody hears what came of it: who is called may give the next input. */
void hb_engine_step(hb_engine *e, uint64_t now_ns) {
        bool news, complete;
        uint32_t f;

        hb_engine_clock(e, now_ns);
        if (e->resync_wanted) {
                e->resync_wanted = false;
                e->ops.resync(e->arg, *e->image.processed);
        }
        serve_demands(e);
        if (e->s.frozen)
                finish(e);
        else
                go_on(e);
        news = has_news(e);
        complete = becomes_complete(e);
        f = e->s.final_epoch;
        if (hb_engine_heard(e))
                hb_engine_tell(e, (struct hb_engine_input){.kind = HB_IN_STEP, .now_ns = now_ns});
        if (news)
                e->ops.report(e->arg);
        if (complete)
                e->ops.complete(e->arg, f);
}
