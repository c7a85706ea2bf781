/* top_k: the bits of a float that is not negative order as the float does, so the K-th largest is found by
 * counting: its upper half among all values, then its lower half among those that share the upper one.
 * A last pass marks what is above it, and as many of its equals as are still missing, first ones first. */
#include "place/top_k.h"
#include <string.h>

static inline uint32_t key_of(float v) {
        uint32_t u;

        memcpy(&u, &v, sizeof(u));
        return v > 0.0f ? u : 0;
}

/* The highest counter at which `k` are reached; *k: how many of it are wanted. */
static uint32_t find(const uint32_t room[HB_TOP_K_ROOM], uint64_t *k) {
        uint32_t i = HB_TOP_K_ROOM;

        while (--i > 0 && room[i] < *k)
                *k -= room[i];
        return i;
}

static uint32_t kth(const float *value, uint64_t n, uint64_t *k, uint32_t room[HB_TOP_K_ROOM]) {
        uint32_t high;

        memset(room, 0, HB_TOP_K_ROOM * sizeof(*room));
        for (uint64_t i = 0; i < n; i++)
                room[key_of(value[i]) >> 16]++;
        high = find(room, k);
        memset(room, 0, HB_TOP_K_ROOM * sizeof(*room));
        for (uint64_t i = 0; i < n; i++)
                if (key_of(value[i]) >> 16 == high)
                        room[key_of(value[i]) & 0xffff]++;
        return high << 16 | find(room, k);
}

void hb_top_k(const float *value, uint64_t n, uint64_t k, uint32_t room[HB_TOP_K_ROOM],
              struct hb_bitmap *out) {
        uint64_t equals = k;
        uint32_t least;

        if (k == 0)
                return;
        least = kth(value, n, &equals, room);
        for (uint64_t i = 0; i < n; i++) {
                uint32_t key = key_of(value[i]);

                if (key > least || (key == least && equals > 0)) {
                        equals -= key == least;
                        hb_bitmap_set(out, i);
                }
        }
}
