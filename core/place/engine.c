/* engine: the target's state machine for one placement: made, unmade and asked here; see engine_priv.h for
 * the rest.
 *
 * Invariant: everything the engine knows came in by an input, and nothing leaves but by ops; so equal inputs
 * give equal actions, and the digest over all fetches sent proves it. Memory: the image's records (given), a
 * bit a page, one planning batch, one bounded queue: nothing grows after hb_engine_new. Owned by one
 * thread. */
#include "place/engine.h"
#include "base/clock.h"
#include "base/fault.h"
#include "place/engine_priv.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RUN_MAX 64u /* a fetch's zero mask has 64 bits */

static struct hb_engine_options with_defaults(const struct hb_engine_options *o) {
        struct hb_engine_options r = *o;
        uint64_t pages;

        r.window_bytes = r.window_bytes ? r.window_bytes : 8ull << 20;
        if (r.window_bytes < HB_PAGE_SIZE)
                r.window_bytes = HB_PAGE_SIZE;
        pages = r.window_bytes >> HB_PAGE_SHIFT;
        r.run_pages = r.run_pages && r.run_pages < RUN_MAX ? r.run_pages : RUN_MAX;
        if (r.run_pages > (pages + 1) / 2)
                r.run_pages = (uint32_t)((pages + 1) / 2);
        r.horizon_s = r.horizon_s > 0 ? r.horizon_s : 10.0;
        r.epoch_s = r.epoch_s > 0 ? r.epoch_s : 1.0;
        r.plan_ns = r.plan_ns ? r.plan_ns : 200 * HB_NS_PER_MS;
        if (r.plan_pages == 0 || r.plan_pages > HB_POLICY_BATCH)
                r.plan_pages = HB_POLICY_BATCH;
        return r;
}

/* What this host has was known to whoever had this image before; nobody says it is there still. */
static void forget_known(const struct hb_engine_image *image) {
        for (uint64_t g = 0; g < image->shape->pages && !image->blank; g++)
                if (image->pages[g].flags & HB_IP_KNOWN)
                        image->pages[g].flags &= (uint8_t)~HB_IP_KNOWN;
}

int hb_engine_new(const struct hb_engine_options *o, const struct hb_engine_image *image,
                  hb_policies *policies, const struct hb_engine_ops *ops, void *arg, hb_engine **ret) {
        hb_engine *e = hb_fault("engine.new") ? NULL : calloc(1, sizeof(*e));
        int rc = -ENOMEM;

        if (!e)
                return -ENOMEM;
        e->o = with_defaults(o);
        e->image = *image;
        e->ops = *ops;
        e->arg = arg;
        hb_epochs_init(&e->epochs, e->o.epoch_s);
        hb_accuracy_init(&e->accuracy);
        hb_rates_init(&e->rates);
        forget_known(image);
        rc = hb_page_ledger_init(&e->ledger, image);
        if (rc == 0)
                rc = hb_block_words_init(&e->words, image->shape->pages);
        if (rc == 0)
                rc = hb_planner_init(&e->planner, policies, image->shape->pages, e->o.plan_pages,
                                     e->o.run_pages);
        if (rc < 0)
                goto fail;
        hb_engine_reconnected(e, 0); /* what an image that is resumed says of fetches was before us */
        e->s.failed_pages = 0;
        e->told = false;
        *ret = e;
        return 0;
fail:
        hb_engine_free(e);
        return rc;
}

hb_engine *hb_engine_free(hb_engine *e) {
        if (!e)
                return NULL;
        hb_engine_learn_free(e);
        hb_planner_fini(&e->planner);
        hb_block_words_fini(&e->words);
        hb_page_ledger_fini(&e->ledger);
        free(e);
        return NULL;
}

void hb_engine_clock(struct hb_engine *e, uint64_t now_ns) {
        if (now_ns > e->now_ns)
                e->now_ns = now_ns;
}

void hb_engine_mix(struct hb_engine *e, uint64_t a, uint64_t b) {
        uint64_t h = e->s.digest ^ (a * 0x9E3779B97F4A7C15ull) ^
                     (b + 0xD1B54A32D192ED03ull) * 0xBF58476D1CE4E5B9ull;

        h ^= h >> 29;
        h *= 0x94D049BB133111EBull;
        e->s.digest = h ^ h >> 32;
}

enum hb_page_state hb_engine_page(const hb_engine *e, uint64_t gfn) {
        return gfn < e->ledger.npages ? hb_page_ledger_state_of(&e->ledger.pages[gfn]) : HB_PAGE_ABSENT;
}

void hb_engine_stats(const hb_engine *e, struct hb_engine_stats *ret) {
        struct hb_engine_stats s = e->s;

        s.resident = e->ledger.resident;
        s.fresh = e->ledger.state[HB_PAGE_FRESH];
        s.stale = e->ledger.state[HB_PAGE_STALE];
        s.absent = e->ledger.state[HB_PAGE_ABSENT];
        s.fetching = e->ledger.state[HB_PAGE_FETCHING];
        s.zero_pages = e->ledger.zero;
        s.known_pages = e->ledger.known;
        s.above_threshold = hb_engine_above(e);
        s.threshold = e->planner.cut;
        s.precision = e->accuracy.out.precision;
        s.recall = e->accuracy.out.recall;
        s.wasted_share = e->accuracy.out.wasted_share;
        s.dirty_bytes_per_s = e->rates.dirty_bytes_per_s;
        s.rate_bytes_per_s = e->rates.bytes_per_s;
        s.processed = *e->image.processed;
        *ret = s;
}

void hb_engine_histogram(const hb_engine *e, uint32_t ret[HB_POLICY_BUCKETS]) {
        memcpy(ret, e->planner.rounds ? e->planner.histogram : e->planner.histogram_now,
               sizeof(e->planner.histogram));
}
