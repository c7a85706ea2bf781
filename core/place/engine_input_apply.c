/* engine_input_apply: an input, seen once by a tap and maybe written down since, given to another engine.
 *
 * Invariant: an engine made on the records of BEGIN and given the inputs after it in order is at every point
 * what the first one was: same pages, same sums, same digest; provided its policies answer the same. */
#include "place/engine_priv.h"
#include <errno.h>
#include <string.h>

static int give(hb_engine *e, const struct hb_engine_input *in) {
        switch (in->kind) {
        case HB_IN_INVALIDATE:
                hb_engine_invalidate(e, in->now_ns, in->from, in->to, in->set);
                break;
        case HB_IN_ZERO:
                hb_engine_zero(e, in->now_ns, in->to, in->set);
                break;
        case HB_IN_SUMMARY:
                hb_engine_summary(e, in->now_ns, in->to, &in->entry);
                break;
        case HB_IN_LINK:
                hb_engine_link(e, in->now_ns, &in->link);
                break;
        case HB_IN_FETCHED:
                hb_engine_fetched(e, in->now_ns, in->gfn, in->pages, in->stamp, in->wire_bytes,
                                  in->zero_mask);
                break;
        case HB_IN_FAILED:
                hb_engine_failed(e, in->now_ns, in->gfn, in->pages);
                break;
        case HB_IN_LOST:
                hb_engine_lost(e, in->now_ns, in->gfn, in->pages);
                break;
        case HB_IN_KNOWN:
                hb_engine_known(e, in->now_ns, in->gfn, in->pages, in->stamp, in->on);
                break;
        case HB_IN_COPIED:
                hb_engine_copied(e, in->now_ns, in->gfn, in->pages, in->stamp, in->zero_mask);
                break;
        case HB_IN_REFUTED:
                hb_engine_refuted(e, in->now_ns, in->gfn, in->pages);
                break;
        case HB_IN_DRAIN:
                hb_engine_drain(e, in->now_ns, in->on);
                break;
        case HB_IN_FREEZE:
                hb_engine_freeze(e, in->now_ns, in->to);
                break;
        case HB_IN_THAW:
                hb_engine_thaw(e, in->now_ns);
                break;
        case HB_IN_DEMAND:
                hb_engine_demand(e, in->now_ns, in->gfn);
                break;
        case HB_IN_RECONNECTED:
                hb_engine_reconnected(e, in->now_ns);
                break;
        case HB_IN_STEP:
                hb_engine_step(e, in->now_ns);
                break;
        case HB_IN_CHANGE:
                return hb_engine_change(e, in->now_ns, in->change, NULL);
        case HB_IN_BEGIN:
        case HB_IN_KINDS:
                break;
        }
        return 0;
}

int hb_engine_input_apply(hb_engine *e, const struct hb_engine_input *in) {
        int rc;

        if (in->kind <= HB_IN_BEGIN || in->kind >= HB_IN_KINDS)
                return -EINVAL;
        e->again = in;
        e->again_run = e->again_used = 0;
        rc = give(e, in);
        e->again = NULL;
        return rc;
}

int hb_engine_input_begin(const struct hb_engine_input *in, struct hb_image_page *pages, uint64_t npages,
                          uint32_t *ret_processed) {
        if (in->kind != HB_IN_BEGIN)
                return -EINVAL;
        if (!in->on)
                return -ENODATA;
        for (uint64_t i = 0; i < in->nbegin; i++)
                if (in->begin[i].gfn >= npages || in->begin[i].pages > npages - in->begin[i].gfn)
                        return -EINVAL;
        memset(pages, 0, npages * sizeof(*pages));
        for (uint64_t i = 0; i < in->nbegin; i++) {
                const struct hb_engine_input_page *r = &in->begin[i];
                struct hb_image_page p = {.c = {r->stamp, r->invalid},
                                          .last_access = r->last_access,
                                          .write_q = r->write_q,
                                          .read_q = r->read_q,
                                          .flags = r->flags,
                                          .fetches = r->fetches};

                for (uint64_t g = r->gfn; g < r->gfn + r->pages; g++)
                        pages[g] = p;
        }
        *ret_processed = in->to;
        return 0;
}
