/* top_k: the K largest of n values, ties by the lower place. Pure; four passes over the values whatever they
 * are, so the cost is O(n) and does not depend on them. Internal to the room. */
#pragma once
#include "base/bitmap.h"

#define HB_TOP_K_ROOM 2048u /* counters the caller lends */

/* Adds the places of the `k` largest of value[0..n) to `out`. Below 0 and NaN count as 0. k <= n. */
void hb_top_k(const float *value, uint64_t n, uint64_t k, uint32_t room[HB_TOP_K_ROOM],
              struct hb_bitmap *out);
