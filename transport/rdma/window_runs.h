/* window_runs: which runs of a window are worth a registration. Pure. */
#pragma once
#include "rdma/rdma_msg.h"

/* resident[i]: page `first + i` is there (bit 0, as mincore tells). Adds its runs to ret[0..n), keeping the
 * HB_RDMA_MAX_RUNS longest, in ascending order; returns the new n. To be called with ascending `first`. */
unsigned hb_window_runs(const uint8_t *resident, uint32_t first, uint32_t pages, struct hb_rdma_run *ret,
                        unsigned n);
