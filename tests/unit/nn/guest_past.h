/* guest_past: a small guest with habits, for the tests of the model. Pages of four kinds, a quarter of each
 * block: always there, every 12 windows for two of them, seldom and at random, never. */
#pragma once
#include "map/history.h"
#include "nn/random.h"
#include <stdlib.h>

#define PAST_PAGES 2048u
#define PAST_END   400u

static inline bool past_there(uint32_t gfn, uint32_t window) {
        uint64_t random = (uint64_t)gfn * 7919 + window;

        switch (gfn / 128 % 4) {
        case 0:
                return true;
        case 1:
                return (window + gfn / HB_BLOCK_PAGES) % 12 < 2;
        case 2:
                return hb_random_below(&random, 50) == 0;
        default:
                return false;
        }
}

static inline hb_history *past_make(uint32_t until) {
        hb_history *h = NULL;

        if (hb_history_new(PAST_PAGES, &h) < 0)
                abort();
        for (uint32_t w = 1; w <= until; w++)
                for (uint32_t g = 0; g < PAST_PAGES; g++)
                        if (past_there(g, w) && hb_history_note(h, g, w, g % 3 == 0) < 0)
                                abort();
        return h;
}
