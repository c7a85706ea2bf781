/* trainer_store: see the header. Invariant: every lesson held has at least one page, and all its blocks'
 * indices are in range, so that drawing needs no check. One thread. */
#include "nn/trainer_store.h"
#include "base/fault.h"
#include "nn/random.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DRAWS 4u /* lessons of a mini-batch: of one alone, the gradient would be that moment's */

int hb_trainer_store_init(struct hb_trainer_store *s, uint32_t most) {
        *s = (struct hb_trainer_store){.most = most};
        s->kept = calloc((size_t)most + 1, sizeof *s->kept);
        return s->kept ? 0 : -ENOMEM;
}

static void drop(struct hb_kept_lesson *k) {
        hb_model_lesson_free(k->lesson);
        free(k->first);
        free(k->row);
        *k = (struct hb_kept_lesson){0};
}

void hb_trainer_store_fini(struct hb_trainer_store *s) {
        for (uint32_t i = 0; i < s->n; i++)
                drop(&s->kept[i]);
        free(s->kept);
        *s = (struct hb_trainer_store){0};
}

/* Rows by block: a counting sort. */
static bool index_rows(struct hb_kept_lesson *k) {
        const struct hb_model_batch *b = &k->lesson->batch;

        if (b->n == 0 || b->blocks == 0 || hb_fault("nn.store"))
                return false;
        k->first = calloc((size_t)b->blocks + 2, sizeof *k->first);
        k->row = malloc((size_t)b->n * sizeof *k->row);
        if (!k->first || !k->row)
                return false;
        for (uint32_t i = 0; i < b->n; i++) {
                if (b->block[i] >= b->blocks)
                        return false;
                k->first[b->block[i] + 2]++;
        }
        for (uint32_t i = 2; i <= b->blocks; i++)
                k->first[i] += k->first[i - 1];
        for (uint32_t i = 0; i < b->n; i++)
                k->row[k->first[b->block[i] + 1]++] = i;
        return true;
}

/* The place in the older half that is missed least. The oldest has no lesson before it: it is taken to stand
 * alone by four times its distance, which lets the places spread back in time, each some way farther. */
static uint32_t least_missed(const struct hb_trainer_store *s) {
        uint32_t half = s->n / 2, least = 0;
        double least_gap = -1;

        for (uint32_t i = 0; i < half; i++) {
                uint64_t before = i ? s->kept[i - 1].number : s->kept[0].number;
                double gap = (double)(s->kept[i + 1].number - before) * (i ? 1 : 4) /
                             (double)(s->added - s->kept[i].number + 1);

                if (least_gap < 0 || gap < least_gap) {
                        least_gap = gap;
                        least = i;
                }
        }
        return least;
}

void hb_trainer_store_add(struct hb_trainer_store *s, struct hb_model_lesson *l) {
        struct hb_kept_lesson k = {.lesson = l, .number = s->added++};

        if (!index_rows(&k)) {
                drop(&k);
                return;
        }
        s->kept[s->n++] = k; /* there is one place more than `most` */
        if (s->n > s->most) {
                uint32_t i = least_missed(s);

                drop(&s->kept[i]);
                memmove(&s->kept[i], &s->kept[i + 1], (--s->n - i) * sizeof *s->kept);
        }
}

int hb_mini_batch_init(struct hb_mini_batch *b, uint32_t pages, uint32_t blocks) {
        size_t steps = (size_t)blocks * HB_MODEL_STEPS * HB_MODEL_BLOCK_IN;

        *b = (struct hb_mini_batch){.most_pages = pages, .most_blocks = blocks};
        b->page = malloc((size_t)pages * HB_MODEL_PAGE_IN * sizeof(float));
        b->sequence = malloc(steps * sizeof(float));
        b->labels = malloc((size_t)pages * HB_MODEL_OUT * sizeof(float));
        b->weights = malloc(pages * sizeof(float));
        b->block = malloc(pages * sizeof(uint32_t));
        if (b->page && b->sequence && b->labels && b->weights && b->block)
                return 0;
        hb_mini_batch_fini(b);
        return -ENOMEM;
}

void hb_mini_batch_fini(struct hb_mini_batch *b) {
        free(b->page);
        free(b->sequence);
        free(b->labels);
        free(b->weights);
        free(b->block);
        *b = (struct hb_mini_batch){0};
}

static void take_row(struct hb_mini_batch *b, const struct hb_model_lesson *l, uint32_t row) {
        uint32_t i = b->n++;

        memcpy(b->page + (size_t)i * HB_MODEL_PAGE_IN, l->batch.page + (size_t)row * HB_MODEL_PAGE_IN,
               HB_MODEL_PAGE_IN * sizeof(float));
        memcpy(b->labels + (size_t)i * HB_MODEL_OUT, l->labels + (size_t)row * HB_MODEL_OUT,
               HB_MODEL_OUT * sizeof(float));
        b->weights[i] = l->weights ? l->weights[row] : 1.0f;
        b->block[i] = b->blocks;
}

static void take_steps(struct hb_mini_batch *b, const struct hb_model_batch *from, uint32_t block) {
        for (uint32_t t = 0; t < HB_MODEL_STEPS; t++)
                memcpy(b->sequence + ((size_t)t * b->most_blocks + b->blocks) * HB_MODEL_BLOCK_IN,
                       from->sequence + ((size_t)t * from->blocks + block) * HB_MODEL_BLOCK_IN,
                       HB_MODEL_BLOCK_IN * sizeof(float));
}

/* At most `most` rows of a block, each set of them as likely as any (Knuth's algorithm S). */
static void take_block(struct hb_mini_batch *b, const struct hb_kept_lesson *k, uint32_t block, uint32_t most,
                       uint64_t *random) {
        uint32_t from = k->first[block], left = k->first[block + 1] - from, want = left < most ? left : most;

        if (want == 0)
                return;
        take_steps(b, &k->lesson->batch, block);
        for (; want; from++, left--) {
                if (hb_random_below(random, left) >= want)
                        continue;
                take_row(b, k->lesson, k->row[from]);
                want--;
        }
        b->blocks++;
}

static void take_lesson(struct hb_mini_batch *b, const struct hb_kept_lesson *k, uint32_t pages,
                        uint32_t blocks, uint64_t *random) {
        uint32_t all = k->lesson->batch.blocks, left = all, want = all < blocks ? all : blocks;
        uint32_t until = b->n + pages;

        for (uint32_t i = 0; i < all && want; i++, left--) {
                if (hb_random_below(random, left) >= want)
                        continue;
                take_block(b, k, i, (until - b->n) / want, random);
                want--;
        }
}

/* Steps lie most_blocks apart while it is not known how many there will be. */
static void close_up(struct hb_mini_batch *b) {
        size_t one = (size_t)b->blocks * HB_MODEL_BLOCK_IN,
               apart = (size_t)b->most_blocks * HB_MODEL_BLOCK_IN;

        for (uint32_t t = 1; one != apart && t < HB_MODEL_STEPS; t++)
                memmove(b->sequence + t * one, b->sequence + t * apart, one * sizeof(float));
}

void hb_mini_batch_draw(struct hb_mini_batch *b, const struct hb_trainer_store *s, uint64_t *random) {
        uint32_t draws = s->n < DRAWS ? s->n : DRAWS, newest = (s->n + 3) / 4;

        draws = draws < b->most_blocks ? draws : b->most_blocks;
        b->n = b->blocks = 0;
        for (uint32_t i = draws; i > 0; i--) {
                uint32_t from = hb_splitmix64(random) & 1 ? s->n - newest : 0;
                uint32_t k = from + hb_random_below(random, s->n - from);

                take_lesson(b, &s->kept[k], (b->most_pages - b->n) / i, (b->most_blocks - b->blocks) / i,
                            random);
        }
        close_up(b);
}
