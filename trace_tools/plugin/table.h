/* table: reads and writes by page: open addressing, power of two, at most half full, emptied as a whole.
 *
 * The common case, a page met before, is inline: one multiplication and usually one comparison. One thread at
 * a time; who may touch which table is windows.c's business. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hb_cell {
        uint64_t key; /* page + 1; 0: free */
        uint32_t reads, writes;
};

struct hb_table {
        struct hb_cell *cells;
        unsigned shift; /* 64 - log2 of the number of cells */
        size_t used, limit;
};

int hb_table_init(struct hb_table *t, unsigned log2_cells); /* -ENOMEM */
/* The cell of a page that has none yet; NULL: no memory for a larger table. */
struct hb_cell *hb_table_insert(struct hb_table *t, uint64_t key);
/* Adds all of `from` and empties it. Counts stop at UINT32_MAX. Returns the accesses that found no memory. */
uint64_t hb_table_move(struct hb_table *to, struct hb_table *from);
void hb_table_clear(struct hb_table *t);

static inline size_t hb_table_slot(const struct hb_table *t, uint64_t key) {
        return (size_t)((key * 0x9E3779B97F4A7C15ull) >> t->shift);
}

static inline struct hb_cell *hb_table_get(struct hb_table *t, uint64_t key) {
        size_t mask = ((size_t)1 << (64 - t->shift)) - 1;

        for (size_t i = hb_table_slot(t, key);; i = (i + 1) & mask) {
                if (t->cells[i].key == key)
                        return &t->cells[i];
                if (!t->cells[i].key)
                        return hb_table_insert(t, key);
        }
}
