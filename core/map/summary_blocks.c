/* summary_blocks: format 2. A block's word is made of one look at its pages: those of like age that are most
 * are *the rest*, and the word says what they are like; every other page, and those of the rest whose heat is
 * an octave off, is unlike and becomes due by itself. A block that was never touched since the guest is
 * tracked costs no look at all.
 *
 * Ages are compared by octave, in epochs, so that a word holds for pages that were left at about the same
 * time; heats as they have decayed by now, which in classes is a subtraction. The rest's heat is the mean of
 * its classes (they are logarithms), so one hot page does not make a cold block lukewarm; what a page is
 * taken for while nobody knows which it is, is the plain mean of all, as of the newest access if a fair share
 * of the block is as new. */
#include "base/clock.h"
#include "map/heat.h"
#include "map/summary_format.h"
#include "map/summary_priv.h"
#include <errno.h>

#define AGES      34u /* octaves of epochs; the last: never */
#define LEAST_Q   65u /* class of 2^-8 a second: less is not worth a word of its own */
#define Q_PER_S   (8 * 1.44269504 / HB_HEAT_TAU_S) /* classes that heat loses: eight an octave */
#define NEW_SHARE 8u  /* 1 / of a block's pages are as new as its newest: then it may be any */
#define WORD_MOST 40u /* bytes: gap and blocks 5 each, flags, 2 classes, access 5, unlike 2, flags, 2, 5 */

struct look { /* one block */
        const hb_page_map *map;
        uint32_t n, epoch; /* pages; now */
        uint64_t now_ns;
        uint32_t gfn[HB_BLOCK_PAGES];
        struct hb_map_brief b[HB_BLOCK_PAGES];
        uint8_t age[HB_BLOCK_PAGES], now_q[HB_BLOCK_PAGES]; /* octave of its age; write heat as of now */
};

struct words { /* of a run of blocks alike */
        uint64_t block, blocks, end;
        struct hb_summary_word rest, any;
        uint16_t unlike;
};

static uint8_t age_class(uint32_t epoch, uint32_t access) {
        uint32_t age = epoch - access;

        if (access == 0)
                return AGES - 1;
        return age ? (uint8_t)(32 - __builtin_clz(age)) : 0;
}

/* Classes that a heat as of `access` has lost by now; all of them where that is long forgotten. */
static unsigned lost_q(const struct look *l, uint32_t access) {
        uint64_t t = hb_page_map_epoch_time_ns(l->map, access);
        double s = t && t <= l->now_ns ? (double)(l->now_ns - t) / (double)HB_NS_PER_S : 1e9;
        double q = s * Q_PER_S + 0.5;

        return q < (double)HB_HEAT_Q_MAX ? (unsigned)q : HB_HEAT_Q_MAX;
}

static uint8_t to_now(const struct look *l, uint8_t q, uint32_t access) {
        unsigned lost = q && access != l->epoch ? lost_q(l, access) : 0;

        return q > lost ? (uint8_t)(q - lost) : 0;
}

static uint8_t from_now(const struct look *l, uint8_t q, uint32_t access) {
        unsigned then = q && access ? q + lost_q(l, access) : 0;

        return (uint8_t)(then < HB_HEAT_Q_MAX ? then : HB_HEAT_Q_MAX);
}

static bool q_unlike(unsigned a, unsigned b) {
        return hb_summary_distance(a, b) >= HB_SUMMARY_WORD_STEPS && (a > LEAST_Q || b > LEAST_Q);
}

bool hb_summary_like_word(const struct hb_summary_word *w, const struct hb_map_brief *b) {
        return !q_unlike(w->write_q, b->write_q) && !q_unlike(w->read_q, b->read_q);
}

/* ---- one block ---- */

static uint8_t most_common_age(const struct look *l) {
        uint16_t pages[AGES] = {0};
        uint8_t best = 0;

        for (uint32_t i = 0; i < l->n; i++)
                pages[l->age[i]]++;
        for (uint8_t a = 1; a < AGES; a++)
                if (pages[a] > pages[best])
                        best = a;
        return best;
}

/* Its write heat is as of now here: `rest` and `any` are put in terms of their access last. */
static struct hb_summary_word rest_of(const struct look *l, uint8_t age) {
        uint32_t write_q = 0, read_q = 0, n = 0;
        struct hb_summary_word w = {0};

        for (uint32_t i = 0; i < l->n; i++) {
                if (l->age[i] != age)
                        continue;
                write_q += l->now_q[i];
                read_q += l->b[i].read_q;
                n++;
                if (l->b[i].last_access > w.access)
                        w.access = l->b[i].last_access;
        }
        w.write_q = (uint8_t)(write_q / n);
        w.read_q = (uint8_t)(read_q / n);
        return w;
}

static struct hb_summary_word any_of(const struct look *l, const struct hb_summary_word *rest) {
        struct hb_summary_word w = *rest;
        float write = 0.0f, read = 0.0f;
        uint32_t newest = 0, as_new = 0;

        for (uint32_t i = 0; i < l->n; i++) {
                write += hb_heat_of(l->now_q[i]);
                read += hb_heat_of(l->b[i].read_q);
                if (l->b[i].last_access > newest)
                        newest = l->b[i].last_access;
        }
        for (uint32_t i = 0; i < l->n; i++)
                as_new += newest && l->age[i] == age_class(l->epoch, newest);
        w.write_q = hb_heat_q(write / (float)l->n);
        w.read_q = hb_heat_q(read / (float)l->n);
        if (as_new * NEW_SHARE >= l->n)
                w.access = newest;
        return w;
}

/* version 0: it holds memory that no announcement told of. */
static bool unlike(const struct look *l, uint32_t i, uint8_t age, const struct hb_summary_word *rest) {
        const struct hb_map_brief *b = &l->b[i];

        return l->age[i] != age || b->version == 0 || q_unlike(rest->write_q, l->now_q[i]) ||
               q_unlike(rest->read_q, b->read_q);
}

static uint16_t mark_unlike(hb_summary_encoder *s, const struct look *l, uint8_t age,
                            const struct hb_summary_word *rest) {
        uint16_t n = 0;

        for (uint32_t i = 0; i < l->n; i++) {
                if (!unlike(l, i, age, rest))
                        continue;
                hb_summary_set_due(s, l->gfn[i], &l->b[i], l->epoch);
                n++;
        }
        return n;
}

static bool same_word(const struct hb_summary_word *a, const struct hb_summary_word *b) {
        return a->access == b->access && a->write_q == b->write_q && a->read_q == b->read_q;
}

static bool look(hb_summary_encoder *s, uint64_t block, struct look *l) {
        if (hb_page_map_untouched(s->map, block)) { /* all known pages: never accessed, no heat */
                s->looked += 8;
                l->n = hb_page_map_block(s->map, block, l->gfn);
                return false;
        }
        l->n = hb_page_map_block(s->map, block, l->gfn);
        hb_summary_briefs(s, l->epoch, l->gfn, l->n, l->b);
        for (uint32_t i = 0; i < l->n; i++) {
                l->age[i] = age_class(l->epoch, l->b[i].last_access);
                l->now_q[i] = to_now(l, l->b[i].write_q, l->b[i].last_access);
        }
        s->looked += l->n;
        return l->n > 0;
}

/* False: there is nothing to say of the block. */
static bool sum_up(hb_summary_encoder *s, uint64_t block, struct look *l, struct words *ret) {
        uint8_t age;

        *ret = (struct words){.block = block, .blocks = 1};
        if (!look(s, block, l))
                return l->n > 0;
        age = most_common_age(l);
        ret->rest = rest_of(l, age);
        ret->unlike = mark_unlike(s, l, age, &ret->rest);
        ret->any = ret->unlike ? any_of(l, &ret->rest) : ret->rest;
        ret->any.write_q = from_now(l, ret->any.write_q, ret->any.access);
        ret->rest.write_q = from_now(l, ret->rest.write_q, ret->rest.access);
        return true;
}

/* ---- bytes ---- */

static uint8_t word_flags(const struct hb_summary_word *w) {
        return (uint8_t)((w->write_q ? HB_SF_WRITE_Q : 0) | (w->read_q ? HB_SF_READ_Q : 0) |
                         (w->access ? HB_SF_ACCESS : 0));
}

static uint8_t *put_word(uint8_t *to, const struct hb_summary_word *w, uint32_t epoch) {
        if (w->write_q)
                *to++ = w->write_q;
        if (w->read_q)
                *to++ = w->read_q;
        return w->access ? hb_summary_put_varint(to, epoch - w->access) : to;
}

static void put(struct hb_buf *out, struct words *w, uint32_t epoch) {
        uint8_t *to = out->data + out->len;

        if (w->blocks == 0)
                return;
        to = hb_summary_put_varint(to, w->block - w->end);
        to = hb_summary_put_varint(to, w->blocks);
        *to++ = word_flags(&w->rest) | (w->unlike ? HB_SF_UNLIKE : 0);
        to = put_word(to, &w->rest, epoch);
        if (w->unlike) {
                to = hb_summary_put_varint(to, w->unlike);
                *to++ = word_flags(&w->any);
                to = put_word(to, &w->any, epoch);
        }
        out->len = (size_t)(to - out->data);
        w->end = w->block + w->blocks;
        w->blocks = 0;
}

/* Adds a block to the run, or writes the run and begins another. */
static void join(struct hb_buf *out, struct words *run, const struct words *w, uint32_t epoch) {
        uint64_t end;

        if (run->blocks && run->block + run->blocks == w->block && run->unlike == w->unlike &&
            same_word(&run->rest, &w->rest) && same_word(&run->any, &w->any)) {
                run->blocks++;
                return;
        }
        put(out, run, epoch);
        end = run->end;
        *run = *w;
        run->end = end;
}

int64_t hb_summary_words(hb_summary_encoder *s, uint32_t epoch, uint64_t budget, struct hb_buf *out) {
        uint64_t left = (s->blocks - s->summed + 2) * WORD_MOST, most = left < budget ? left : budget;
        struct look l = {.map = s->map, .epoch = epoch, .now_ns = hb_page_map_epoch_time_ns(s->map, epoch)};
        struct words run = {0}, w;
        size_t start = out->len, limit = start + HB_SUMMARY_HEAD + most;

        if (most < 2 * WORD_MOST)
                return 0;
        if (!hb_summary_begin(s, HB_SUMMARY_BLOCKS, epoch, most, out))
                return -ENOMEM;
        /* the run under way and the next word always have room */
        while (s->summed < s->blocks && s->looked < HB_SUMMARY_LOOKS && out->len + 2 * WORD_MOST <= limit) {
                if (sum_up(s, s->summed, &l, &w)) {
                        s->word[s->summed] = w.rest;
                        join(out, &run, &w, epoch);
                }
                s->summed++;
        }
        put(out, &run, epoch);
        if (out->len == start + HB_SUMMARY_HEAD)
                out->len = start;
        return (int64_t)(out->len - start);
}
