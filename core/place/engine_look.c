/* engine_look: the engine's pages, for people who want to know why. Decides and changes nothing: the
 * planner's batch, which it uses, is scratch between two plans. Cost: the pages looked at, and one batch of
 * the policies for each HB_POLICY_BATCH of them. */
#include "place/engine_priv.h"
#include <errno.h>
#include <math.h>

static struct hb_engine_page_view view_of(const struct hb_image_page *p) {
        return (struct hb_engine_page_view){.state = hb_page_ledger_state_of(p),
                                            .resident = p->flags & HB_IP_RESIDENT,
                                            .zero = p->flags & HB_IP_ZERO,
                                            .prefetched = p->flags & HB_IP_PREFETCHED,
                                            .used = p->flags & HB_IP_USED,
                                            .wanted = hb_page_ledger_wants(p),
                                            .fetches = p->fetches,
                                            .stamp = p->c.stamp,
                                            .invalid = p->c.invalid,
                                            .last_access = p->last_access};
}

static void add_columns(const struct hb_planner *p, bool asked, uint32_t i, struct hb_engine_page_view *v) {
        v->read_heat = p->batch.view.read_heat[i];
        v->write_heat = p->batch.view.write_heat[i];
        v->age_s = p->batch.view.age_s[i];
        v->version_age_s = p->batch.view.version_age_s[i];
        v->run_length = p->batch.view.run_length[i];
        v->bytes_to_send = p->batch.view.bytes_to_send[i];
        v->predicted = asked ? p->batch.predicted[i] : NAN;
        v->predicted_writes = asked ? p->batch.predicted_writes[i] : NAN;
        v->score = asked ? p->batch.score[i] : NAN;
}

/* As many pages from gfn on as a batch holds beside the neighbours on both sides that could belong to their
 * runs: what a page is shown as does not depend on how many are looked at. */
static uint64_t look(struct hb_engine *e, const struct hb_plan_inputs *in, hb_policies *with, uint64_t gfn,
                     uint64_t n, struct hb_engine_page_view *ret) {
        struct hb_planner *p = &e->planner;
        uint64_t beside = p->batch_max >= 4 * p->run_pages ? p->run_pages : 0,
                 most = p->batch_max - 2 * beside;
        uint64_t from = gfn > beside ? gfn - beside : 0, to;

        n = n < most ? n : most;
        to = gfn + n + beside < e->ledger.npages ? gfn + n + beside : e->ledger.npages;
        hb_planner_look(p, in, with, from, (uint32_t)(to - from));
        for (uint64_t i = 0; i < n; i++) {
                ret[i] = view_of(&e->ledger.pages[gfn + i]);
                add_columns(p, with, (uint32_t)(gfn - from + i), &ret[i]);
        }
        return n;
}

int hb_engine_look(hb_engine *e, hb_policies *with, uint64_t gfn, uint64_t n,
                   struct hb_engine_page_view *ret) {
        struct hb_policy_guest guest;
        struct hb_plan_inputs in;

        if (gfn >= e->ledger.npages || n > e->ledger.npages - gfn)
                return -EINVAL;
        hb_engine_plan_view(e, e->now_ns, &guest, &in);
        for (uint64_t done = 0; done < n;)
                done += look(e, &in, with, gfn + done, n - done, ret + done);
        return 0;
}
