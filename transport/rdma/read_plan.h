/* read_plan: which fetches one READ serves, and where short ones land. Pure; no lock. */
#pragma once
#include "transport/transport.h"

struct hb_fetch_list {
        struct hb_fetch *first, *last;
        unsigned n;
};
void hb_fetch_list_push(struct hb_fetch_list *l, struct hb_fetch *f);
void hb_fetch_list_unshift(struct hb_fetch_list *l, struct hb_fetch *f);
struct hb_fetch *hb_fetch_list_pop(struct hb_fetch_list *l);                     /* NULL: empty */
void hb_fetch_list_append(struct hb_fetch_list *l, struct hb_fetch_list *more);  /* `more` is empty then */
void hb_fetch_list_prepend(struct hb_fetch_list *l, struct hb_fetch_list *more); /* the same, before */

struct hb_read_limits {
        uint64_t end_gfn;      /* of the run with one key that holds the first fetch */
        unsigned bounce_pages; /* the most that may land in the bounce ring at once */
        unsigned direct_pages; /* the most that may go straight to dst; 0: nothing may */
        unsigned look;         /* how far ahead in the list neighbours are looked for */
};
struct hb_read_plan { /* one READ of `pages` pages from `gfn` */
        uint64_t gfn;
        uint32_t pages;
        struct hb_fetch_list fetches; /* in order, each beginning where the one before ends */
        bool contiguous;              /* their dst too */
};
/* Takes the first of `ready`, and neighbours that follow it and have wire_bytes 0 (nothing of them is on its
 * way). The first lies within end_gfn. */
void hb_read_plan_take(struct hb_fetch_list *ready, const struct hb_read_limits *limits,
                       struct hb_read_plan *ret);

/* A ring of pages given out in order and taken back in the same order. */
struct hb_bounce {
        unsigned size, head, used;
};
/* Where `pages` contiguous pages are, and how many the ring counts for them (what is skipped at its end
 * included); false: no room now. */
bool hb_bounce_take(struct hb_bounce *b, unsigned pages, unsigned *ret_at, unsigned *ret_took);
unsigned hb_bounce_room(const struct hb_bounce *b);      /* the most that can be taken at once */
void hb_bounce_give(struct hb_bounce *b, unsigned took); /* the oldest that is out */
