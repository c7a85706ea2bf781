/* table: why it may grow in the hot path: a program that touches a million pages in one window has to be
 * counted too; growth doubles, so each page pays for it about once. Clearing walks the cells, not the memory
 * behind them, and a table that was needed once keeps its size. */
#include "plugin/table.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int hb_table_init(struct hb_table *t, unsigned log2_cells) {
        t->cells = calloc((size_t)1 << log2_cells, sizeof(*t->cells));
        if (!t->cells)
                return -ENOMEM;
        t->shift = 64 - log2_cells;
        t->used = 0;
        t->limit = (size_t)1 << (log2_cells - 1);
        return 0;
}

static struct hb_cell *place(struct hb_table *t, uint64_t key) {
        size_t mask = ((size_t)1 << (64 - t->shift)) - 1, i = hb_table_slot(t, key);

        while (t->cells[i].key)
                i = (i + 1) & mask;
        t->cells[i].key = key;
        t->used++;
        return &t->cells[i];
}

static int grow(struct hb_table *t) {
        struct hb_table larger;

        if (hb_table_init(&larger, 64 - t->shift + 1) < 0)
                return -ENOMEM;
        for (size_t i = 0; i < (size_t)1 << (64 - t->shift); i++)
                if (t->cells[i].key) {
                        struct hb_cell *c = place(&larger, t->cells[i].key);

                        c->reads = t->cells[i].reads;
                        c->writes = t->cells[i].writes;
                }
        free(t->cells);
        *t = larger;
        return 0;
}

struct hb_cell *hb_table_insert(struct hb_table *t, uint64_t key) {
        if (t->used >= t->limit && grow(t) < 0)
                return NULL;
        return place(t, key);
}

static uint32_t sum(uint32_t a, uint32_t b) {
        return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

uint64_t hb_table_move(struct hb_table *to, struct hb_table *from) {
        size_t cells = (size_t)1 << (64 - from->shift);
        uint64_t lost = 0;

        for (size_t i = 0; from->used && i < cells; i++) {
                struct hb_cell *f = &from->cells[i], *c;

                if (!f->key)
                        continue;
                c = hb_table_get(to, f->key);
                if (c) {
                        c->reads = sum(c->reads, f->reads);
                        c->writes = sum(c->writes, f->writes);
                } else {
                        lost += (uint64_t)f->reads + f->writes;
                }
        }
        hb_table_clear(from);
        return lost;
}

void hb_table_clear(struct hb_table *t) {
        if (t->used)
                memset(t->cells, 0, sizeof(*t->cells) << (64 - t->shift));
        t->used = 0;
}
