/* source: what a recording of a guest that runs here holds: the tracker's word, epoch by epoch, which pages
 * hold data, and what goes out to a target. Owned by the loop. */
#pragma once
#include "record/recorder.h"

typedef struct hb_record_source hb_record_source;

/* Pages that hold data when the recording begins; NULL: none are known yet. The recorder is borrowed.
 * -ENOMEM. */
int hb_record_source_new(hb_recorder *r, uint64_t pages, const struct hb_bitmap *resident, uint64_t now_ns,
                         hb_record_source **ret);
hb_record_source *hb_record_source_free(hb_record_source *s);
/* A completed scan. lost: `written` is no evidence of writes, only of what may hold data; so is the first
 * epoch of all. accessed: where the tracker looked, NULL or empty: it does not see reads. */
void hb_record_source_epoch(hb_record_source *s, uint32_t epoch, uint64_t now_ns,
                            const struct hb_bitmap *written, const struct hb_bitmap *accessed, bool lost);
