/* random: numbers of a seed, and nothing else (splitmix64; Steele, Lea and Flood 2014). */
#pragma once
#include <stddef.h>
#include <stdint.h>

static inline uint64_t hb_random_next(uint64_t *state) {
        uint64_t z = *state += 0x9E3779B97F4A7C15ull;

        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
        return z ^ (z >> 31);
}

/* Below n > 0; for n far below 2^64 as good as even. */
static inline size_t hb_random_below(uint64_t *state, size_t n) {
        return (size_t)(((unsigned __int128)hb_random_next(state) * n) >> 64);
}
