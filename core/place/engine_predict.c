/* engine_predict: what policies are shown of the engine; and what a predictor says of the whole guest, asked
 * from outside: to judge it, never to decide.
 *
 * Invariant: nothing that decisions depend on is touched; the planner's batch is scratch between two plans.
 */
#include "place/engine_priv.h"

void hb_engine_plan_view(struct hb_engine *e, uint64_t now_ns, struct hb_policy_guest *guest,
                         struct hb_plan_inputs *in) {
        *guest = (struct hb_policy_guest){.now_s = (double)now_ns / 1e9,
                                          .horizon_s = e->o.horizon_s,
                                          .pages = (double)e->ledger.npages,
                                          .resident_pages = (double)e->ledger.resident,
                                          .fresh_pages = (double)e->ledger.state[HB_PAGE_FRESH],
                                          .stale_pages = (double)e->ledger.state[HB_PAGE_STALE],
                                          .absent_pages = (double)e->ledger.state[HB_PAGE_ABSENT],
                                          .dirty_bytes_per_s = e->rates.dirty_bytes_per_s,
                                          .epoch_s = e->epochs.epoch_s,
                                          .draining = e->s.draining};
        *in = (struct hb_plan_inputs){.ledger = &e->ledger,
                                      .shape = e->image.shape,
                                      .epochs = &e->epochs,
                                      .guest = guest,
                                      .link = &e->link,
                                      .accuracy = &e->accuracy.out,
                                      .history = e->learning.room ? e->learning.room->history : NULL,
                                      .words = e->words.any ? &e->words : NULL,
                                      .window = hb_engine_window(e),
                                      .now_ns = now_ns,
                                      .processed = *e->image.processed,
                                      .wire_bytes_per_page = e->rates.wire_per_page};
}

void hb_engine_predict(hb_engine *e, hb_policies *with, uint64_t now_ns, float *accesses, float *writes) {
        struct hb_policy_guest guest;
        struct hb_plan_inputs in;

        hb_engine_plan_view(e, now_ns > e->now_ns ? now_ns : e->now_ns, &guest, &in);
        hb_planner_predict(&e->planner, &in, with, accesses, writes);
}
