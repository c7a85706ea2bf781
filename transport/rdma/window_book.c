/* window_book: a chained hash table and an intrusive list by last use, over the same entries. Invariant: an
 * entry is in its bucket's chain and in the list, or in neither. */
#include "rdma/window_book.h"
#include "base/fault.h"
#include <errno.h>
#include <stdlib.h>

int hb_window_book_init(struct hb_window_book *b, uint64_t expected) {
        uint32_t size = 16;

        while (size < expected && size < 1u << 20)
                size *= 2;
        *b = (struct hb_window_book){.mask = size - 1};
        b->buckets = hb_fault("rdma.book") ? NULL : calloc(size, sizeof(struct hb_window *));
        return b->buckets ? 0 : -ENOMEM;
}

void hb_window_book_fini(struct hb_window_book *b) {
        free(b->buckets);
        *b = (struct hb_window_book){0};
}

static struct hb_window **bucket(const struct hb_window_book *b, uint32_t number) {
        return &b->buckets[(number * 2654435769u >> 12) & b->mask];
}

struct hb_window *hb_window_book_find(const struct hb_window_book *b, uint32_t number) {
        struct hb_window *w = *bucket(b, number);

        while (w && w->number != number)
                w = w->chain;
        return w;
}

static void link_newest(struct hb_window_book *b, struct hb_window *w) {
        w->newer = NULL;
        w->older = b->newest;
        if (b->newest)
                b->newest->newer = w;
        else
                b->oldest = w;
        b->newest = w;
}

static void unlink_used(struct hb_window_book *b, struct hb_window *w) {
        if (w->newer)
                w->newer->older = w->older;
        else
                b->newest = w->older;
        if (w->older)
                w->older->newer = w->newer;
        else
                b->oldest = w->newer;
}

void hb_window_book_add(struct hb_window_book *b, struct hb_window *w) {
        struct hb_window **at = bucket(b, w->number);

        w->chain = *at;
        *at = w;
        link_newest(b, w);
        b->n++;
}

void hb_window_book_remove(struct hb_window_book *b, struct hb_window *w) {
        struct hb_window **at = bucket(b, w->number);

        while (*at != w)
                at = &(*at)->chain;
        *at = w->chain;
        unlink_used(b, w);
        b->n--;
}

void hb_window_book_touch(struct hb_window_book *b, struct hb_window *w) {
        if (b->newest == w)
                return;
        unlink_used(b, w);
        link_newest(b, w);
}

struct hb_window *hb_window_book_oldest(const struct hb_window_book *b, uint8_t state) {
        struct hb_window *w = b->oldest;

        while (w && (w->in_use > 0 || w->state != state))
                w = w->newer;
        return w;
}
