/* lessons: two passes over the pages of the blocks that are looked at: one to count each class, one to draw
 * from it. Drawing is selection sampling: going through N things of which n are wanted, the next is taken
 * with chance n/N of what is left of both, so exactly n come out, in order, each as likely as another; the
 * dice are a hash, so the same lesson draws the same pages everywhere.
 *
 * Invariant: a class is drawn without regard to what came after; an outcome is read from windows of which
 * everything is known. Cost: a history's word for each of at most 262144 pages every HB_LESSON_S seconds, and
 * a look at each block. No memory is taken after it was made. */
#include "place/lessons.h"
#include <errno.h>

#define NONE    3u /* of no class */
#define CLASSES 3u
#define LATEST  32u /* windows after it was asked: single ones until then */

static uint64_t hash(uint64_t x) {
        x += 0x9E3779B97F4A7C15ull;
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ull;
        x = (x ^ x >> 27) * 0x94D049BB133111EBull;
        return x ^ x >> 31;
}

struct draw { /* n of N */
        uint64_t wanted, left, salt;
};

static bool drawn(struct draw *d, uint64_t thing) {
        uint64_t dice = hash(d->salt ^ hash(thing)) >> 32;
        bool yes = d->wanted > 0 && dice * d->left < d->wanted << 32;

        d->left--;
        d->wanted -= yes;
        return yes;
}

/* ---- blocks ---- */

static unsigned draw_blocks(struct hb_lessons *l, const hb_history *h, uint64_t number) {
        uint64_t blocks = (hb_history_pages(h) + HB_BLOCK_PAGES - 1) >> HB_BLOCK_SHIFT, known = 0;
        struct draw d = {.salt = hash(number * 2)};
        unsigned n = 0;

        for (uint64_t b = 0; b < blocks; b++)
                known += hb_history_block_known(h, b);
        d.left = known;
        d.wanted = known < HB_LESSON_BLOCKS ? known : HB_LESSON_BLOCKS;
        for (uint64_t b = 0; b < blocks && d.wanted > 0; b++)
                if (hb_history_block_known(h, b) && drawn(&d, b))
                        l->block[n++] = b;
        return n;
}

/* ---- classes ---- */

static unsigned class_of(const hb_history *h, uint64_t gfn, uint32_t window, uint32_t horizon) {
        struct hb_history_page p;

        hb_history_page(h, gfn, window, &p);
        if (p.last == 0)
                return HB_LESSON_NEW;
        return hb_history_within(p.seen, horizon) ? HB_LESSON_RECENT : HB_LESSON_RETURNING;
}

static void classify(struct hb_lessons *l, unsigned blocks, const hb_history *h,
                     const struct hb_image_page *pages, const struct hb_lesson *s,
                     uint64_t counts[CLASSES + 1]) {
        for (unsigned b = 0; b < blocks; b++)
                for (unsigned i = 0; i < HB_BLOCK_PAGES; i++) {
                        uint64_t g = l->block[b] << HB_BLOCK_SHIFT | i;
                        unsigned c = NONE;

                        if (g < hb_history_pages(h) && pages[g].flags & HB_IP_RESIDENT)
                                c = class_of(h, g, s->window, s->horizon);
                        l->class_of[b * HB_BLOCK_PAGES + i] = (uint8_t)c;
                        counts[c]++;
                }
}

/* How many of each: first what each is promised, the rest by what is left of them. */
static void share_out(const uint64_t counts[CLASSES], uint64_t quota[CLASSES]) {
        static const uint64_t promised[CLASSES] = {HB_LESSON_PAGES / 4, HB_LESSON_PAGES / 4,
                                                   HB_LESSON_PAGES / 8};
        uint64_t room = HB_LESSON_PAGES, more = 0;

        for (unsigned c = 0; c < CLASSES; c++) {
                quota[c] = counts[c] < promised[c] ? counts[c] : promised[c];
                room -= quota[c];
                more += counts[c] - quota[c];
        }
        for (unsigned c = 0; c < CLASSES; c++) {
                uint64_t left = counts[c] - quota[c];

                quota[c] += more <= room ? left : room * left / more;
        }
}

static void draw_pages(struct hb_lessons *l, unsigned blocks, const uint64_t counts[CLASSES],
                       struct hb_lesson *s) {
        uint64_t quota[CLASSES];
        struct draw d[CLASSES];

        share_out(counts, quota);
        for (unsigned c = 0; c < CLASSES; c++)
                d[c] = (struct draw){quota[c], counts[c], hash(s->number * 2 + 1)};
        for (unsigned i = 0; i < blocks * HB_BLOCK_PAGES; i++) {
                uint64_t g = l->block[i / HB_BLOCK_PAGES] << HB_BLOCK_SHIFT | i % HB_BLOCK_PAGES;
                unsigned c = l->class_of[i];

                if (c == NONE || !drawn(&d[c], g))
                        continue;
                s->gfn[s->n] = (uint32_t)g;
                s->class_of[s->n++] = (uint8_t)c;
        }
}

/* ---- begin and end ---- */

static void count_budget(const hb_history *h, struct hb_lesson *s) {
        struct hb_history_page p;

        for (uint32_t i = 0; i < s->n; i++) {
                hb_history_page(h, s->gfn[i], s->window, &p);
                s->budget += hb_history_within(p.seen, s->horizon);
                s->budget_writes += hb_history_within(p.written, s->horizon);
        }
}

const struct hb_lesson *hb_lessons_begin(struct hb_lessons *l, const hb_history *h,
                                         const struct hb_image_page *pages, uint32_t window, uint32_t horizon,
                                         double asked_s) {
        struct hb_lesson *s = &l->open[(l->first + l->count) % HB_LESSONS];
        uint64_t counts[CLASSES + 1] = {0};
        unsigned blocks;

        if (l->count == HB_LESSONS || horizon == 0 || horizon > HB_LESSON_HORIZON)
                return NULL;
        s->number = l->last + 1;
        s->window = window;
        s->horizon = horizon;
        s->asked_s = asked_s;
        s->n = s->budget = s->budget_writes = 0;
        blocks = draw_blocks(l, h, s->number);
        classify(l, blocks, h, pages, s, counts);
        draw_pages(l, blocks, counts, s);
        if (s->n == 0)
                return NULL;
        count_budget(h, s);
        l->last++;
        l->count++;
        return s;
}

/* Windows of the horizon in a word as of `window`, newest first. */
static uint32_t within(uint64_t word, uint32_t window, const struct hb_lesson *s) {
        return (uint32_t)word >> (window - s->window - s->horizon) & ((1u << s->horizon) - 1);
}

static void fill(struct hb_lessons *l, const hb_history *h, uint32_t window, const struct hb_lesson *s) {
        for (uint32_t i = 0; i < s->n; i++) {
                struct hb_history_page p;
                unsigned seen, written;

                hb_history_page(h, s->gfn[i], window, &p);
                seen = (unsigned)__builtin_popcount(within(p.seen, window, s));
                written = (unsigned)__builtin_popcount(within(p.written, window, s));
                l->accessed[i] = seen > 0;
                l->written[i] = written > 0;
                l->reads[i] = (float)seen;
                l->writes[i] = (float)written;
        }
}

const struct hb_lesson *hb_lessons_end(struct hb_lessons *l, const hb_history *h, uint32_t window,
                                       struct hb_policy_outcome *ret, int *ret_rc) {
        const struct hb_lesson *s = &l->open[l->first];

        *ret_rc = 0;
        if (l->count == 0 || window < s->window + s->horizon)
                return NULL;
        if (window - s->window > LATEST) {
                *ret_rc = -ERANGE;
                return NULL;
        }
        fill(l, h, window, s);
        *ret = (struct hb_policy_outcome){.lesson = s->number,
                                          .n = s->n,
                                          .asked_s = s->asked_s,
                                          .horizon_s = s->horizon,
                                          .accessed = l->accessed,
                                          .written = l->written,
                                          .reads = l->reads,
                                          .writes = l->writes,
                                          .class_of = s->class_of,
                                          .budget = s->budget,
                                          .budget_writes = s->budget_writes};
        l->first = (l->first + 1) % HB_LESSONS;
        l->count--;
        return s;
}

void hb_lessons_forget(struct hb_lessons *l) {
        l->first = l->count = 0;
}
