/* target: what a recording of a placement holds, taken from its engine's tap: every input, and what follows
 * from them for those who do not replay: the pages heard of epoch by epoch (W(e), and reads as summaries tell
 * them), decisions, transfers, the link, outcomes, the digest after each epoch.
 *
 * An epoch is written a moment after its announcement, when the summary that belongs to it has come. Reads
 * that are told later than that are not in the trace, as nobody knows when they were. Owned by the loop. */
#pragma once
#include "policy/policy.h"
#include "record/recorder.h"

typedef struct hb_record_target hb_record_target;

/* Fills the header's policies, seed and engine options. */
void hb_record_target_header(const hb_policies *p, const struct hb_engine_options *o, uint64_t seed,
                             struct hb_trace_header *h);
/* Taps the engine (nobody else may) until it is freed. One that has been given inputs already can be
 * recorded, but not be replayed exactly: its inputs are left out, and a note says so. Engine, policies and
 * recorder are borrowed. -ENOMEM. */
int hb_record_target_new(hb_recorder *r, hb_engine *e, const hb_policies *p, const struct hb_shape *shape,
                         uint64_t now_ns, hb_record_target **ret);
/* Writes what is under way and the last digest; the recorder goes on. */
hb_record_target *hb_record_target_free(hb_record_target *t);
/* A summary of so many bytes was heard; its entries came through the tap. */
void hb_record_target_summary(hb_record_target *t, uint64_t now_ns, uint32_t epoch, uint64_t bytes);
bool hb_record_target_exact(const hb_record_target *t); /* can be replayed exactly so far */
