/* random: numbers of a seed, and nothing else. */
#pragma once
#include "base/splitmix.h"
#include <stddef.h>

/* Below n > 0; for n far below 2^64 as good as even. */
static inline size_t hb_random_below(uint64_t *state, size_t n) {
        return (size_t)(((unsigned __int128)hb_splitmix64(state) * n) >> 64);
}
