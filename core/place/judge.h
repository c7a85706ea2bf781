/* judge: a placement's predictor judged while it works, by the definition of quality.h: the target hears of
 * the guest's accesses by announcements (writes) and summaries (reads), and so does this. What a summary had
 * no room for was not heard and does not count. While a migration is under way nothing is asked: that moment
 * is left out.
 *
 * Decides nothing and changes nothing of the engine. Memory: 8 bytes a page, 8 more while it asks, and half a
 * byte for each open moment. One thread, the engine's. */
#pragma once
#include "place/engine.h"
#include "place/quality.h"

typedef struct hb_judge hb_judge;

/* Engine and policies are borrowed; the policies are the judge's alone, and informed (hb_engine_inform) of
 * what the engine's own learn, until the judge goes, which must be before the engine does. `begin_ns`: of the
 * warm-up. */
int hb_judge_new(hb_engine *e, hb_policies *with, uint64_t pages, double horizon_s, uint64_t begin_ns,
                 hb_judge **ret);
hb_judge *hb_judge_free(hb_judge *j);
/* Just before the engine is told the same. */
void hb_judge_announced(hb_judge *j, uint64_t now_ns, uint32_t from, uint32_t to,
                        const struct hb_bitmap *written);
struct hb_summary_entry;
void hb_judge_summary(hb_judge *j, const struct hb_summary_entry *entry);
/* Now and then: an epoch whose summary has had its time is over, and a moment may be due: then the predictor
 * is asked, which takes some 20 ns a page. */
void hb_judge_tick(hb_judge *j, uint64_t now_ns);
void hb_judge_result(const hb_judge *j, struct hb_quality_result *ret);
