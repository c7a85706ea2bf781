/* page_codec_zstd: one thread's zstd: a run of bytes to a frame and back, with an accelerator's match finder
 * where there is one (producer.h). */
#pragma once
#include "transport/producer.h"
#include <stdbool.h>
#include <stddef.h>

typedef struct hb_zstd hb_zstd;
int hb_zstd_new(hb_zstd **ret);
hb_zstd *hb_zstd_free(hb_zstd *z);
size_t hb_zstd_bound(size_t size);
/* From now on `p` finds the matches (NULL: zstd itself). False: it has no state for us, and zstd goes on
 * alone. */
bool hb_zstd_set_producer(hb_zstd *z, hb_producer *p);
/* Size of the frame in `to`, 0 when it does not fit or cannot be made. */
size_t hb_zstd_compress(hb_zstd *z, int level, const void *from, size_t size, void *to, size_t room);
/* True when the frame holds exactly `size` bytes, now in `to`. */
bool hb_zstd_decompress(hb_zstd *z, const void *from, size_t packed, void *to, size_t size);
const char *hb_zstd_version(void);
