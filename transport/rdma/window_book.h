/* window_book: which windows one end knows of, found by number and ordered by last use. Both halves keep one:
 * the source of what it has registered, the target of what it was lent. Pure; no lock; O(1) but for oldest(),
 * which passes over entries in use. Entries are the owner's (struct hb_window is their head). */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct hb_window {
        uint32_t number;
        uint32_t in_use; /* target: READs on their way; source: not used */
        uint8_t state;   /* the owner's; 0 for `idle` in hb_window_book_oldest */
        struct hb_window *chain, *newer, *older;
};
struct hb_window_book {
        struct hb_window **buckets;
        uint32_t mask, n;
        struct hb_window *newest, *oldest;
};

int hb_window_book_init(struct hb_window_book *b, uint64_t expected); /* of how many entries; -ENOMEM */
void hb_window_book_fini(struct hb_window_book *b);                   /* entries must be out */
struct hb_window *hb_window_book_find(const struct hb_window_book *b, uint32_t number);
void hb_window_book_add(struct hb_window_book *b, struct hb_window *w); /* as the newest; its number is new */
void hb_window_book_remove(struct hb_window_book *b, struct hb_window *w);
void hb_window_book_touch(struct hb_window_book *b, struct hb_window *w); /* used now */
/* The one unused for longest of those with in_use == 0 and state == `state`; NULL: none. */
struct hb_window *hb_window_book_oldest(const struct hb_window_book *b, uint8_t state);
