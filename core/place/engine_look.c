/* engine_look: the engine's pages, for people who want to know why. Decides and changes nothing: the
 * planner's batch, which it uses, is scratch between two plans. Cost: the pages looked at, and one batch of
 * the policies for each HB_POLICY_BATCH of them. */
#include "place/engine_priv.h"
#include "policy/change.h"
#include <errno.h>
#include <math.h>
#include <string.h>

struct hb_engine_page_view hb_engine_view_of(const struct hb_engine *e, uint64_t gfn, uint32_t i) {
        const struct hb_image_page *p = &e->ledger.pages[gfn];
        const struct hb_columns *c = &e->planner.batch;

        return (struct hb_engine_page_view){.state = hb_page_ledger_state_of(p),
                                            .resident = p->flags & HB_IP_RESIDENT,
                                            .zero = p->flags & HB_IP_ZERO,
                                            .prefetched = p->flags & HB_IP_PREFETCHED,
                                            .used = p->flags & HB_IP_USED,
                                            .wanted = hb_page_ledger_wants(p),
                                            .known = p->flags & HB_IP_KNOWN,
                                            .fetches = p->fetches,
                                            .stamp = p->c.stamp,
                                            .invalid = p->c.invalid,
                                            .last_access = p->last_access,
                                            .read_heat = c->read_heat[i],
                                            .write_heat = c->write_heat[i],
                                            .age_s = c->age_s[i],
                                            .version_age_s = c->version_age_s[i],
                                            .run_length = c->run_length[i],
                                            .bytes_to_send = c->bytes_to_send[i],
                                            .predicted = NAN,
                                            .predicted_writes = NAN,
                                            .score = NAN};
}

static uint64_t beside(const struct hb_planner *p) {
        return p->batch_max >= 4 * p->run_pages ? p->run_pages : 0;
}

/* As many pages as a batch holds beside the neighbours on both sides that could belong to their runs: what a
 * page is shown as does not depend on how many are looked at. */
static uint64_t most(const struct hb_planner *p) {
        return p->batch_max - 2 * beside(p);
}

uint64_t hb_engine_look_around(struct hb_engine *e, const struct hb_plan_inputs *in, hb_policies *with,
                               uint64_t gfn, uint64_t n) {
        uint64_t more = beside(&e->planner), from = gfn > more ? gfn - more : 0, to;

        to = gfn + n + more < e->ledger.npages ? gfn + n + more : e->ledger.npages;
        hb_planner_look(&e->planner, in, with, from, (uint32_t)(to - from));
        return from;
}

static uint64_t look(struct hb_engine *e, const struct hb_plan_inputs *in, hb_policies *with, uint64_t gfn,
                     uint64_t n, struct hb_engine_page_view *ret) {
        const struct hb_columns *c = &e->planner.batch;
        uint64_t from;

        n = n < most(&e->planner) ? n : most(&e->planner);
        from = hb_engine_look_around(e, in, with, gfn, n);
        for (uint64_t i = 0; i < n; i++) {
                uint32_t at = (uint32_t)(gfn - from + i);

                ret[i] = hb_engine_view_of(e, gfn + i, at);
                if (!with)
                        continue;
                ret[i].predicted = c->predicted[at];
                ret[i].predicted_writes = c->predicted_writes[at];
                ret[i].score = c->score[at];
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

int hb_engine_glance(hb_engine *e, const uint32_t *gfn, uint32_t n, float *read_heat, float *write_heat,
                     float *expected) {
        struct hb_columns *c = &e->planner.batch;
        struct hb_policy_guest guest;
        struct hb_plan_inputs in;
        int r = n <= e->planner.batch_max ? 0 : -EINVAL;

        if (expected)
                memset(expected, 0, n * sizeof(*expected));
        memset(read_heat, 0, n * sizeof(*read_heat));
        memset(write_heat, 0, n * sizeof(*write_heat));
        for (uint32_t i = 0; i < n && r == 0; i++)
                if (gfn[i] >= e->ledger.npages)
                        r = -EINVAL;
        if (r < 0 || n == 0)
                return r;
        hb_engine_plan_view(e, e->now_ns, &guest, &in);
        memcpy(c->gfn, gfn, n * sizeof(*gfn));
        hb_columns_fill(c, &in, n);
        for (uint32_t i = 0; i < n; i++)
                c->run_length[i] = 1; /* of no matter to a predictor, but it must be a number */
        memcpy(read_heat, c->read_heat, n * sizeof(*read_heat));
        memcpy(write_heat, c->write_heat, n * sizeof(*write_heat));
        if (!expected)
                return 0;
        r = hb_policies_expect(e->planner.policies, &c->view, &guest, c->predicted, c->predicted_writes,
                               NULL);
        if (r == 0)
                memcpy(expected, c->predicted, n * sizeof(*expected));
        return r;
}
