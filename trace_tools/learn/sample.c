/* sample: candidates are listed, the wanted number drawn without repetition (a shuffle that stops early), and
 * put in order. Cost: O(touched pages) a sample. */
#include "learn/sample.h"
#include "base/fault.h"
#include "learn/random.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define NEW_SHARE 8u

struct list {
        uint32_t *gfn;
        size_t n;
};

static int by_page(const void *a, const void *b) {
        uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

        return (x > y) - (x < y);
}

static bool block_touched(const struct hb_bitmap *touched, uint64_t first) {
        for (uint64_t w = first / 64; w < (first + HB_BLOCK_PAGES) / 64 && w * 64 < touched->bits; w++)
                if (touched->words[w])
                        return true;
        return false;
}

/* Pages of touched blocks that are (not) touched themselves. */
static size_t list_block(const struct hb_bitmap *touched, uint64_t first, bool want, uint32_t *out) {
        size_t n = 0;

        for (uint64_t g = first; g < first + HB_BLOCK_PAGES && g < touched->bits; g++)
                if (hb_bitmap_test(touched, g) == want) {
                        if (out)
                                out[n] = (uint32_t)g;
                        n++;
                }
        return n;
}

static int list_pages(const struct hb_bitmap *touched, bool want, struct list *ret) {
        for (int pass = 0; pass < 2; pass++) {
                size_t n = 0;

                for (uint64_t g = 0; g < touched->bits; g += HB_BLOCK_PAGES)
                        if (block_touched(touched, g))
                                n += list_block(touched, g, want, pass ? ret->gfn + n : NULL);
                ret->n = n;
                if (pass)
                        break;
                ret->gfn = hb_fault("learn.sample") ? NULL : malloc((n + 1) * sizeof(*ret->gfn));
                if (!ret->gfn)
                        return -ENOMEM;
        }
        return 0;
}

static uint32_t draw(struct list *from, uint32_t most, uint64_t *random, uint32_t *out) {
        uint32_t n = 0;

        for (; n < most && n < from->n; n++) {
                size_t at = n + hb_random_below(random, from->n - n);
                uint32_t g = from->gfn[at];

                from->gfn[at] = from->gfn[n];
                from->gfn[n] = g;
                out[n] = g;
        }
        return n;
}

int hb_sample_take(const struct hb_bitmap *touched, uint32_t most, uint64_t *random, struct hb_sample *ret) {
        struct list seen = {0}, fresh = {0};
        struct hb_sample s = {.gfn = malloc((size_t)most * sizeof(*s.gfn) + 1)};
        uint32_t of_new;
        int rc = s.gfn ? list_pages(touched, true, &seen) : -ENOMEM;

        if (rc == 0)
                rc = list_pages(touched, false, &fresh);
        if (rc == 0) {
                of_new = fresh.n < most / NEW_SHARE ? (uint32_t)fresh.n : most / NEW_SHARE;
                s.n = draw(&seen, most - of_new, random, s.gfn);
                s.n += draw(&fresh, of_new, random, s.gfn + s.n);
                qsort(s.gfn, s.n, sizeof(*s.gfn), by_page);
                *ret = s;
        } else {
                free(s.gfn);
        }
        free(seen.gfn);
        free(fresh.gfn);
        return rc;
}
