/* splitmix: SplitMix64 (Steele, Lea and Flood 2014), the generator wherever a seed must give the same numbers
 * on every machine. Any state is a good one. */
#pragma once
#include <stdint.h>

static inline uint64_t hb_splitmix64(uint64_t *state) {
        uint64_t z = *state += 0x9e3779b97f4a7c15ull;

        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
        z = (z ^ z >> 27) * 0x94d049bb133111ebull;
        return z ^ z >> 31;
}
