/* read_plan: joining neighbours. Prefetch asks for long stretches in runs of 64 pages, and for scattered
 * pages in an order of their worth; looking a few places ahead finds nearly all neighbours at O(look) a READ.
 */
#include "rdma/read_plan.h"

void hb_fetch_list_push(struct hb_fetch_list *l, struct hb_fetch *f) {
        f->next = NULL;
        if (l->last)
                l->last->next = f;
        else
                l->first = f;
        l->last = f;
        l->n++;
}

void hb_fetch_list_unshift(struct hb_fetch_list *l, struct hb_fetch *f) {
        f->next = l->first;
        l->first = f;
        if (!l->last)
                l->last = f;
        l->n++;
}

struct hb_fetch *hb_fetch_list_pop(struct hb_fetch_list *l) {
        struct hb_fetch *f = l->first;

        if (!f)
                return NULL;
        l->first = f->next;
        if (!l->first)
                l->last = NULL;
        l->n--;
        f->next = NULL;
        return f;
}

void hb_fetch_list_append(struct hb_fetch_list *l, struct hb_fetch_list *more) {
        if (!more->first)
                return;
        if (l->last)
                l->last->next = more->first;
        else
                l->first = more->first;
        l->last = more->last;
        l->n += more->n;
        *more = (struct hb_fetch_list){0};
}

void hb_fetch_list_prepend(struct hb_fetch_list *l, struct hb_fetch_list *more) {
        hb_fetch_list_append(more, l);
        *l = *more;
        *more = (struct hb_fetch_list){0};
}

/* ---- joining ---- */

static bool fits(const struct hb_read_plan *p, const struct hb_fetch *f, const struct hb_read_limits *limits,
                 bool *ret_contiguous) {
        const struct hb_fetch *last = p->fetches.last;
        bool straight = p->contiguous && f->dst == last->dst + (uint64_t)last->pages * HB_PAGE_SIZE;
        uint64_t pages = (uint64_t)p->pages + f->pages;

        *ret_contiguous = straight;
        return f->wire_bytes == 0 && f->gfn == p->gfn + p->pages && p->gfn + pages <= limits->end_gfn &&
               (pages <= limits->bounce_pages || (straight && pages <= limits->direct_pages));
}

/* Takes the entry after `before` (NULL: the first) out. */
static struct hb_fetch *take_after(struct hb_fetch_list *l, struct hb_fetch *before) {
        struct hb_fetch *f;

        if (!before)
                return hb_fetch_list_pop(l);
        f = before->next;
        before->next = f->next;
        if (l->last == f)
                l->last = before;
        l->n--;
        return f;
}

static bool join_one(struct hb_fetch_list *ready, const struct hb_read_limits *limits,
                     struct hb_read_plan *p) {
        struct hb_fetch *before = NULL, *f = ready->first;

        for (unsigned i = 0; f && i < limits->look; i++, before = f, f = f->next) {
                bool contiguous;

                if (!fits(p, f, limits, &contiguous))
                        continue;
                hb_fetch_list_push(&p->fetches, take_after(ready, before));
                p->pages += p->fetches.last->pages;
                p->contiguous = contiguous;
                return true;
        }
        return false;
}

void hb_read_plan_take(struct hb_fetch_list *ready, const struct hb_read_limits *limits,
                       struct hb_read_plan *ret) {
        struct hb_fetch *f = hb_fetch_list_pop(ready);

        *ret = (struct hb_read_plan){.gfn = f->gfn, .pages = f->pages, .contiguous = true};
        hb_fetch_list_push(&ret->fetches, f);
        while (join_one(ready, limits, ret))
                ;
}

/* ---- bounce ring ---- */

bool hb_bounce_take(struct hb_bounce *b, unsigned pages, unsigned *ret_at, unsigned *ret_took) {
        unsigned skip = b->head + pages > b->size ? b->size - b->head : 0;

        if (b->used + skip + pages > b->size)
                return false;
        *ret_at = skip ? 0 : b->head;
        *ret_took = skip + pages;
        b->head = (b->head + skip + pages) % b->size;
        b->used += skip + pages;
        return true;
}

unsigned hb_bounce_room(const struct hb_bounce *b) {
        unsigned left = b->size - b->used, end = b->size - b->head;
        unsigned here = left < end ? left : end, around = left > end ? left - end : 0;

        return here > around ? here : around;
}

void hb_bounce_give(struct hb_bounce *b, unsigned took) {
        b->used -= took;
        if (b->used == 0)
                b->head = 0; /* nothing is out: begin anew, without a skip ahead */
}
