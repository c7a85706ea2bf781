/* judge: makes epochs of what is heard. One is open from its announcement until the next one, or until its
 * summary has had time to come; then it is given to quality, and if a moment is due, before anything newer is
 * known to the engine, the predictor is asked. */
#include "place/judge.h"
#include "base/clock.h"
#include "base/fault.h"
#include "map/summary.h"
#include <errno.h>
#include <stdlib.h>

#define OPEN_NS (100 * HB_NS_PER_MS)

struct hb_judge {
        hb_engine *engine;
        hb_policies *with;
        hb_quality *quality;
        uint64_t pages, opened_ns;
        uint32_t epoch, newest; /* epoch 0: none is open */
        bool informed;
        struct hb_bitmap accessed, written;
};

int hb_judge_new(hb_engine *e, hb_policies *with, uint64_t pages, double horizon_s, uint64_t begin_ns,
                 hb_judge **ret) {
        struct hb_quality_options o = {.horizon_s = horizon_s, .begin_ns = begin_ns};
        hb_judge *j = hb_fault("judge.new") ? NULL : calloc(1, sizeof(*j));
        struct hb_engine_stats s;

        if (!j)
                return -ENOMEM;
        hb_engine_stats(e, &s);
        j->newest = s.processed; /* an image that is resumed is announced what came since */
        j->engine = e;
        j->with = with;
        j->pages = pages;
        if (hb_bitmap_init(&j->accessed, pages) < 0 || hb_bitmap_init(&j->written, pages) < 0 ||
            hb_quality_new(pages, &o, &j->quality) < 0) {
                hb_judge_free(j);
                return -ENOMEM;
        }
        hb_engine_inform(e, with);
        j->informed = true;
        *ret = j;
        return 0;
}

hb_judge *hb_judge_free(hb_judge *j) {
        if (!j)
                return NULL;
        if (j->informed)
                hb_engine_inform(j->engine, NULL);
        hb_quality_free(j->quality);
        hb_bitmap_fini(&j->accessed);
        hb_bitmap_fini(&j->written);
        free(j);
        return NULL;
}

/* Without memory to ask, this moment is left out. */
static void ask(hb_judge *j) {
        float *accesses = hb_fault("judge.ask") ? NULL : malloc(2 * j->pages * sizeof(*accesses));

        if (!accesses)
                return;
        hb_engine_predict(j->engine, j->with, 0, accesses, accesses + j->pages);
        hb_quality_predicted(j->quality, accesses, accesses + j->pages);
        free(accesses);
}

/* Asking takes milliseconds a GiB of the engine's thread, and a stopped guest would wait for them. */
static bool moving(const hb_judge *j) {
        struct hb_engine_stats s;

        hb_engine_stats(j->engine, &s);
        return s.draining || s.frozen;
}

static void close_epoch(hb_judge *j) {
        if (j->epoch == 0)
                return;
        hb_quality_epoch(j->quality, j->opened_ns, &j->accessed, &j->written);
        hb_bitmap_clear_all(&j->accessed);
        hb_bitmap_clear_all(&j->written);
        j->epoch = 0;
        if (hb_quality_due(j->quality) && !moving(j))
                ask(j);
}

/* A first announcement (from 0) tells what is there, not what was written. */
void hb_judge_announced(hb_judge *j, uint64_t now_ns, uint32_t from, uint32_t to,
                        const struct hb_bitmap *written) {
        if (to <= j->newest || from > j->newest)
                return; /* old, or too early: the engine refuses it too */
        close_epoch(j);
        j->epoch = j->newest = to;
        j->opened_ns = now_ns;
        if (from == 0)
                return;
        hb_bitmap_or(&j->written, written);
        hb_bitmap_or(&j->accessed, written);
}

void hb_judge_summary(hb_judge *j, const struct hb_summary_entry *entry) {
        if (!entry->block && j->epoch && entry->last_access == j->epoch &&
            entry->last_access > entry->version && entry->gfn < j->pages &&
            entry->pages <= j->pages - entry->gfn)
                hb_bitmap_set_range(&j->accessed, entry->gfn, entry->pages);
}

void hb_judge_tick(hb_judge *j, uint64_t now_ns) {
        if (j->epoch && now_ns - j->opened_ns >= OPEN_NS)
                close_epoch(j);
}

void hb_judge_result(const hb_judge *j, struct hb_quality_result *ret) {
        hb_quality_result(j->quality, ret);
}
