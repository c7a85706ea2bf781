/* gather: accesses in the order they come, joined into epochs of (page, reads, writes).
 *
 * Foreign page numbers are made gfns in one of three ways. Memory: 16 bytes and a slot of 4 (at most half
 * full) for each page touched in one epoch, the same for each block (or page) ever seen. */
#pragma once
#include "convert/import.h"
#include "trace/trace.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Numbers keys in the order they are first seen: open addressing, linear probing. */
struct hb_first {
        uint64_t key;
        uint32_t reads, writes; /* the owner's */
};

struct hb_firsts {
        struct hb_first *entries; /* in the order of first sight */
        uint32_t *slots;          /* index + 1; 0: free */
        uint32_t n, most;         /* most: never more than this */
        uint32_t room;            /* how many fit before it must grow */
        unsigned bits;            /* 1 << bits slots, half as many entries; 0: nothing allocated */
        bool full;                /* why find failed: `most`, else memory */
};

int hb_firsts_grow(struct hb_firsts *f);
void hb_firsts_clear(struct hb_firsts *f); /* also gives memory back that was far too much */
void hb_firsts_free(struct hb_firsts *f);

static inline uint64_t hb_firsts_home(uint64_t key, unsigned bits) {
        return (key ^ key >> 29) * 0x9E3779B97F4A7C15ull >> (64 - bits);
}

/* Its entry, new with zero counts; good until the next find. NULL: full or no memory. */
static inline struct hb_first *hb_firsts_find(struct hb_firsts *f, uint64_t key) {
        if (f->n == f->room && hb_firsts_grow(f) < 0)
                return NULL;
        for (uint64_t i = hb_firsts_home(key, f->bits);; i = (i + 1) & ((1ull << f->bits) - 1)) {
                uint32_t at = f->slots[i];

                if (at == 0) {
                        f->entries[f->n] = (struct hb_first){.key = key};
                        f->slots[i] = ++f->n;
                        return &f->entries[f->n - 1];
                }
                if (f->entries[at - 1].key == key)
                        return &f->entries[at - 1];
        }
}

struct hb_gather {
        const struct hb_import_sink *sink;
        enum hb_import_map map;
        unsigned block_shift; /* pages of a block, as a power of two */
        uint64_t last_page_allowed;

        struct hb_firsts pages;  /* of the epoch being gathered */
        struct hb_firsts blocks; /* or pages, by the map; since the beginning */
        struct hb_first *last;   /* the page touched last, or NULL */
        struct hb_trace_access *out;
        uint32_t out_cap;

        uint32_t epoch; /* being gathered; 0: none yet */
        uint64_t time_ns;
        uint64_t guest_pages; /* the highest gfn + 1 */
        uint64_t records, epochs;
};

/* most_pages: of one epoch. */
void hb_gather_init(struct hb_gather *g, const struct hb_import_sink *sink, enum hb_import_map map,
                    uint32_t page_size, uint32_t most_pages);
void hb_gather_free(struct hb_gather *g);
/* What comes now belongs to this epoch: the one before is told to the sink, if it had accesses. */
int hb_gather_epoch(struct hb_gather *g, uint32_t epoch, uint64_t time_ns, struct hb_err *e);
int hb_gather_flush(struct hb_gather *g, struct hb_err *e);
int hb_gather_page(struct hb_gather *g, uint64_t page); /* sets g->last; -ERANGE, -E2BIG, -ENOMEM */

static inline uint32_t hb_gather_sum(uint32_t a, uint64_t b) {
        return b > UINT32_MAX - a ? UINT32_MAX : a + (uint32_t)b;
}

static inline int hb_gather_add(struct hb_gather *g, uint64_t page, uint64_t reads, uint64_t writes) {
        int r = g->last && g->last->key == page ? 0 : hb_gather_page(g, page);

        if (r == 0) {
                g->last->reads = hb_gather_sum(g->last->reads, reads);
                g->last->writes = hb_gather_sum(g->last->writes, writes);
        }
        return r;
}
