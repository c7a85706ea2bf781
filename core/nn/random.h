/* random: numbers of a seed. Internal to the room: seeds are given, so a run can be repeated. */
#pragma once
#include "base/splitmix.h"

static inline uint32_t hb_random_below(uint64_t *state, uint32_t n) { /* n > 0 */
        return (uint32_t)((hb_splitmix64(state) >> 32) * n >> 32);
}

static inline float hb_random_between(uint64_t *state, float low, float high) {
        return low + (high - low) * (float)(hb_splitmix64(state) >> 40) * 0x1p-24f;
}
