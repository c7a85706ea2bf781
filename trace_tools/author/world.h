/* world: a made-up guest for trying policies: patterns of access, and what a target would know of them epoch
 * by epoch.
 *
 * An epoch is one second, as a history window is. What is accessed in an epoch depends on the patterns, the
 * seed and the epoch's number alone, so the future can be asked as well as the past. Columns are those of the
 * engine, all pages ever touched being candidates: decayed rates, ages, and a history. One thread. */
#pragma once
#include "base/err.h"
#include "map/history.h"
#include "policy/plugin.h"

#define HB_WORLD_PAGES    65536u /* at most: one batch */
#define HB_WORLD_PATTERNS 16u
#define HB_WORLD_LONGEST  100000u /* epochs */

enum hb_pattern_kind {
        HB_PATTERN_HOT,
        HB_PATTERN_SCAN,
        HB_PATTERN_RANDOM,
        HB_PATTERN_RETURNING,
        HB_PATTERN_KINDS
};
struct hb_pattern {
        enum hb_pattern_kind kind;
        uint32_t from, pages; /* the pages concerned: all of them are hot, or return; a scan passes them; some
                                 are drawn */
        double per_s;         /* SCAN, RANDOM: pages in an epoch */
        double reads;         /* of an accessed page in an epoch */
        double write_share;   /* of its accessed pages that are written, too: the same ones each time */
        double every_s, for_s;  /* RETURNING: accessed in the first for_s of each every_s */
        double start_s, stop_s; /* nothing before and after */
};
const char *hb_pattern_name(enum hb_pattern_kind k);
void hb_pattern_default(enum hb_pattern_kind k,
                        struct hb_pattern *ret); /* from 0, 64 pages, no writes, for ever */

typedef struct hb_made_world hb_made_world;
int hb_made_world_new(uint32_t pages, uint64_t seed, hb_made_world **ret); /* -EINVAL, -ENOMEM */
hb_made_world *hb_made_world_free(hb_made_world *w);
/* -EINVAL with the reason, -E2BIG. */
int hb_made_world_add(hb_made_world *w, const struct hb_pattern *p, struct hb_err *e);

/* Lives through so many epochs. With a predictor, it observes each, and every HB_LESSON_S epochs is shown a
 * sample and, a horizon later, what became of it. -EINVAL and the policy's message when it fails; -ENOMEM. */
int hb_made_world_run(hb_made_world *w, uint32_t epochs, hb_plugin *with, char message[HB_PLUGIN_MESSAGE]);

uint32_t hb_made_world_epoch(const hb_made_world *w); /* how many are over */
double hb_made_world_horizon(const hb_made_world *w);
void hb_made_world_set_horizon(hb_made_world *w, double horizon_s); /* 10 unless set; 1 to 60 */
/* Valid until the next run. */
void hb_made_world_pages(hb_made_world *w, struct hb_policy_pages *ret);
void hb_made_world_guest(const hb_made_world *w, struct hb_policy_guest *ret);

struct hb_made_world_quality { /* docs/POLICY_API.md, "Prediction quality"; -1: unknown */
        double precision, recall, f1, f1_returning, f1_writes;
};
/* Of predictions for the pages of hb_made_world_pages: the best as many as were accessed (written) within the
 * horizon before, beside what will be. */
int hb_made_world_judge(hb_made_world *w, const float *accesses, const float *writes,
                        struct hb_made_world_quality *ret); /* -ENOMEM */
