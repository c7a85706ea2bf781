/* dense: open addressing over the blocks met; at most half full. Cost: one probe a page. */
#include "capture/dense.h"
#include "base/fault.h"
#include "base/shape.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 64u

struct hb_dense_slot {
        uint64_t key; /* block + 1; 0: free */
        uint32_t index;
};

static struct hb_dense_slot *find(const struct hb_dense *d, uint64_t key) {
        size_t i = (size_t)((key * 0x9E3779B97F4A7C15ull) >> 32);

        while (d->slots[i & (d->size - 1)].key && d->slots[i & (d->size - 1)].key != key)
                i++;
        return &d->slots[i & (d->size - 1)];
}

static int grow(struct hb_dense *d) {
        struct hb_dense larger = {.size = d->size ? d->size * 2 : FIRST_SIZE, .blocks = d->blocks};

        larger.slots = hb_fault("capture.dense") ? NULL : calloc(larger.size, sizeof(*larger.slots));
        if (!larger.slots)
                return -ENOMEM;
        for (size_t i = 0; i < d->size; i++)
                if (d->slots[i].key)
                        *find(&larger, d->slots[i].key) = d->slots[i];
        free(d->slots);
        *d = larger;
        return 0;
}

int hb_dense_gfn(struct hb_dense *d, uint64_t page, uint32_t *ret) {
        uint64_t key = page / HB_DENSE_BLOCK_PAGES + 1;
        struct hb_dense_slot *s;
        int r;

        if (d->blocks >= d->size / 2) {
                r = grow(d);
                if (r < 0)
                        return r;
        }
        s = find(d, key);
        if (!s->key) {
                if (d->blocks >= HB_MAX_PAGES / HB_DENSE_BLOCK_PAGES)
                        return -E2BIG;
                *s = (struct hb_dense_slot){key, d->blocks++};
        }
        *ret = s->index * HB_DENSE_BLOCK_PAGES + (uint32_t)(page % HB_DENSE_BLOCK_PAGES);
        return 0;
}

uint64_t hb_dense_pages(const struct hb_dense *d) {
        return (uint64_t)d->blocks * HB_DENSE_BLOCK_PAGES;
}

void hb_dense_fini(struct hb_dense *d) {
        free(d->slots);
        memset(d, 0, sizeof(*d));
}
