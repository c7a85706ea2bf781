/* engine_explain: why a page is fetched, or is not, in numbers: what policies are shown of it, what they make
 * of that and by which terms, and where it would stand among the candidates of the last round.
 *
 * Decides and changes nothing: policies are asked aside (policy/change.h), the planner's batch is scratch
 * between two plans. Scores are of now, the round's are of when it was: a page at the edge may be told
 * otherwise than it was decided. Cost: one small batch. */
#include "place/engine_priv.h"
#include "policy/change.h"
#include <errno.h>
#include <math.h>

static const char *const words[HB_WHYS] = {
        [HB_WHY_NO_DATA] = "it holds no data on the source: there is nothing to fetch",
        [HB_WHY_FRESH] = "its copy here is up to date",
        [HB_WHY_IN_FLIGHT] = "it is on its way",
        [HB_WHY_MOVING] = "a migration is under way: every page goes, and no policy is asked",
        [HB_WHY_NOT_YET] = "no plan has been made yet",
        [HB_WHY_OBSERVING] = "the threshold lets no page through",
        [HB_WHY_BELOW_CUT] = "its score is below the threshold's cut",
        [HB_WHY_WAITS] = "it is worth fetching and waits for its turn",
};

const char *hb_engine_why_text(enum hb_engine_why why) {
        return (unsigned)why < HB_WHYS ? words[why] : "";
}

static enum hb_engine_why why_of(const struct hb_engine *e, const struct hb_engine_page_view *v) {
        if (!v->resident)
                return HB_WHY_NO_DATA;
        if (v->state == HB_PAGE_FETCHING)
                return HB_WHY_IN_FLIGHT;
        if (v->state == HB_PAGE_FRESH)
                return HB_WHY_FRESH;
        if (e->s.draining || e->s.frozen)
                return HB_WHY_MOVING;
        if (!e->planner.cut_known)
                return HB_WHY_NOT_YET;
        if (e->planner.cut > 1)
                return HB_WHY_OBSERVING;
        return (double)v->score >= e->planner.cut ? HB_WHY_WAITS : HB_WHY_BELOW_CUT;
}

/* By buckets: candidates in better ones go first, those in its own are all alike. */
static void rank(const struct hb_engine *e, struct hb_engine_explained *x) {
        uint32_t histogram[HB_POLICY_BUCKETS];
        unsigned bucket = hb_planner_bucket_of(x->page.score);

        hb_engine_histogram(e, histogram);
        for (unsigned b = 0; b < HB_POLICY_BUCKETS; b++) {
                x->candidates += histogram[b];
                x->ahead += b > bucket ? histogram[b] : 0;
        }
        x->alike = histogram[bucket];
        x->cut = e->planner.cut_known ? e->planner.cut : (double)NAN;
}

int hb_engine_explain(hb_engine *e, hb_policies *with, bool shadow, uint64_t gfn, hb_policy_term *term,
                      void *arg, struct hb_engine_explained *ret, struct hb_err *err) {
        struct hb_engine_explained x = {.cut = (double)NAN};
        struct hb_policy_explained said;
        struct hb_policy_guest guest;
        struct hb_plan_inputs in;
        uint64_t from;
        int rc;

        if (gfn >= e->ledger.npages)
                return hb_err_set(err, -EINVAL, NULL, NULL, "the guest has %llu pages, numbered from 0",
                                  (unsigned long long)e->ledger.npages);
        hb_engine_plan_view(e, e->now_ns, &guest, &in);
        from = hb_engine_look_around(e, &in, NULL, gfn, 1);
        rc = hb_policies_explain(with ? with : e->planner.policies, shadow, &e->planner.batch.view,
                                 (uint32_t)(gfn - from), &guest, &e->link, &e->accuracy.out, term, arg, &said,
                                 err);
        if (rc < 0)
                return rc;
        x.page = hb_engine_view_of(e, gfn, (uint32_t)(gfn - from));
        x.page.predicted = (float)said.accesses;
        x.page.predicted_writes = (float)said.writes;
        x.page.score = (float)said.score;
        x.why = why_of(e, &x.page);
        rank(e, &x);
        *ret = x;
        return 0;
}
