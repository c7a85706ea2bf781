/* random: splitmix64 (Steele 2014). Internal to the room: seeds are given, so a run can be repeated. */
#pragma once
#include <stdint.h>

static inline uint64_t hb_random_next(uint64_t *state) {
        uint64_t z = *state += 0x9e3779b97f4a7c15ull;

        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ z >> 27) * 0x94d049bb133111ebull;
        return z ^ z >> 31;
}

static inline uint32_t hb_random_below(uint64_t *state, uint32_t n) { /* n > 0 */
        return (uint32_t)((hb_random_next(state) >> 32) * n >> 32);
}

static inline float hb_random_between(uint64_t *state, float low, float high) {
        return low + (high - low) * (float)(hb_random_next(state) >> 40) * 0x1p-24f;
}
