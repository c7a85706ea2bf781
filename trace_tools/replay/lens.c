/* lens: listens to the engine's decisions and asks policies of its own.
 *
 * An exact replay makes a new engine where the recording's began anew, so the listener is set again around
 * each step; fetches of the very step in which an engine begins are not heard. Memory: the ring. One thread.
 */
#include "replay/lens.h"
#include "base/fault.h"
#include "replay/replay_priv.h"
#include <errno.h>
#include <stdlib.h>

struct hb_replay_lens {
        hb_replay *r; /* borrowed */
        hb_policies *policies;
        struct hb_lens_decision ring[HB_LENS_DECISIONS];
        uint64_t count; /* ever */
        uint32_t epoch;
        uint64_t time_ns;
};

static void decided(void *arg, uint64_t gfn, uint32_t pages, enum hb_fetch_class c, unsigned bucket) {
        hb_replay_lens *l = arg;

        l->ring[l->count++ % HB_LENS_DECISIONS] = (struct hb_lens_decision){.gfn = gfn,
                                                                            .pages = pages,
                                                                            .fetch_class = c,
                                                                            .bucket = bucket,
                                                                            .epoch = l->epoch,
                                                                            .time_ns = l->time_ns};
}

static void listen(hb_replay_lens *l, bool on) {
        hb_engine *e = hb_replay_engine_of(l->r);

        if (e)
                hb_engine_set_decided(e, on ? decided : NULL, on ? l : NULL);
}

int hb_replay_lens_new(hb_replay *r, hb_replay_lens **ret, struct hb_err *e) {
        hb_replay_lens *l = hb_fault("replay.lens") ? NULL : calloc(1, sizeof(*l));
        int rc;

        if (!l)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory to look into a replay");
        l->r = r;
        rc = hb_replay_policies(r, &l->policies, e);
        if (rc < 0) {
                free(l);
                return rc;
        }
        listen(l, true);
        *ret = l;
        return 0;
}

hb_replay_lens *hb_replay_lens_free(hb_replay_lens *l) {
        if (!l)
                return NULL;
        listen(l, false);
        hb_policies_free(l->policies);
        free(l);
        return NULL;
}

int hb_replay_lens_step(hb_replay_lens *l, struct hb_err *e) {
        struct hb_replay_point p;
        int rc;

        listen(l, true);
        rc = hb_replay_step(l->r, e);
        listen(l, true);
        hb_replay_point(l->r, &p);
        if (rc > 0) {
                l->epoch = p.epoch;
                l->time_ns = p.time_ns;
        }
        return rc;
}

int hb_replay_lens_pages(hb_replay_lens *l, uint64_t gfn, uint64_t n, struct hb_engine_page_view *ret) {
        hb_engine *e = hb_replay_engine_of(l->r);

        return e ? hb_engine_look(e, l->policies, gfn, n, ret) : -ENODATA;
}

bool hb_replay_lens_decision(const hb_replay_lens *l, unsigned i, struct hb_lens_decision *ret) {
        if (i >= l->count || i >= HB_LENS_DECISIONS)
                return false;
        *ret = l->ring[(l->count - 1 - i) % HB_LENS_DECISIONS];
        return true;
}

bool hb_replay_lens_fetched(const hb_replay_lens *l, uint64_t gfn, struct hb_lens_decision *ret) {
        struct hb_lens_decision d;

        for (unsigned i = 0; hb_replay_lens_decision(l, i, &d); i++)
                if (gfn >= d.gfn && gfn - d.gfn < d.pages) {
                        *ret = d;
                        return true;
                }
        return false;
}
