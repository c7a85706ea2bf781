/* runs: page runs as bytes, as in the stream "resident": per run a varint gap (pages since the end of the run
 * before, or since page 0) and a varint length. Internal to the room. */
#pragma once
#include "base/bitmap.h"
#include "base/bytes.h"

/* Sets the runs' bits; -EBADMSG: not such bytes, or a run beyond the bitmap. */
int hb_look_runs_read(const uint8_t *data, size_t size, struct hb_bitmap *into);
void hb_look_runs_write(const struct hb_bitmap *pages, struct hb_buf *out);
