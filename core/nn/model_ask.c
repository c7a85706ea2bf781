/* model_ask: features and network together, a few blocks at a time, so that memory is the same for a thousand
 * pages and for a million. Each page's answer is its own: how pages are cut into parts changes no bit.
 *
 * Cost (H 32, dense 48, one core with AVX2): some 0.45 us a page where all of a block is asked
 * about; 60 us for a page alone in its block. */
#include "base/fault.h"
#include "nn/features.h"
#include "nn/model_net.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC optimize("O3", "no-math-errno", "no-trapping-math", "fp-contract=off")
#include "base/f32_math.h"

#define PART_PAGES  2048u
#define PART_BLOCKS 32u
#define STEP_FLOATS (HB_MODEL_STEPS * HB_MODEL_BLOCK_IN)

static uint32_t block_of(uint32_t gfn) {
        return gfn >> HB_BLOCK_SHIFT;
}

static uint32_t count_blocks(const uint32_t *gfn, uint32_t n) {
        uint32_t blocks = 0;

        for (uint32_t i = 0; i < n; i++)
                blocks += i == 0 || block_of(gfn[i]) != block_of(gfn[i - 1]);
        return blocks;
}

/* n pages of `blocks` blocks into b's arrays. */
static void fill(struct hb_features *f, const uint32_t *gfn, uint32_t n, uint32_t blocks,
                 struct hb_model_batch *b) {
        uint32_t at = 0;

        b->n = n;
        b->blocks = blocks;
        for (uint32_t i = 0; i < n; i++) {
                if (i == 0 || block_of(gfn[i]) != block_of(gfn[i - 1])) {
                        at += i != 0;
                        hb_features_block(f, block_of(gfn[i]), b->sequence + (size_t)at * HB_MODEL_BLOCK_IN,
                                          (size_t)blocks * HB_MODEL_BLOCK_IN);
                }
                b->block[i] = at;
                hb_features_page(f, gfn[i], b->page + (size_t)i * HB_MODEL_PAGE_IN);
        }
}

static int take_batch(struct hb_model_batch *b, uint32_t n, uint32_t blocks) {
        *b = (struct hb_model_batch){
                .page = malloc(((size_t)n * HB_MODEL_PAGE_IN + 1) * sizeof(float)),
                .block = malloc(((size_t)n + 1) * sizeof(uint32_t)),
                .sequence = malloc(((size_t)blocks * STEP_FLOATS + 1) * sizeof(float)),
        };
        if (b->page && b->block && b->sequence)
                return 0;
        hb_model_batch_free(b);
        return -ENOMEM;
}

int hb_model_batch_make(const hb_history *h, uint32_t window, double horizon_s, const uint32_t *gfn,
                        uint32_t n, struct hb_model_batch *ret) {
        uint32_t blocks = count_blocks(gfn, n);
        struct hb_features *f = hb_fault("model.batch") ? NULL : malloc(sizeof *f);
        struct hb_model_batch b;
        int r = f ? take_batch(&b, n, blocks) : -ENOMEM;

        if (r == 0) {
                hb_features_moment(f, h, window, horizon_s);
                fill(f, gfn, n, blocks, &b);
                b.horizon_s = horizon_s;
                *ret = b;
        }
        free(f);
        return r;
}

/* How often cannot be more than the windows there are; a page written was accessed. */
static void put_answers(const float *out, uint32_t n, double horizon_s, uint32_t at,
                        const struct hb_model_answer *ret) {
        float most = (float)(horizon_s * 1e9 / HB_HISTORY_WINDOW_NS);

        for (uint32_t i = 0; i < n; i++, out += HB_MODEL_OUT) {
                float accessed = hb_f32_sigmoid(out[0]);

                ret->accessed[at + i] = accessed;
                ret->written[at + i] = hb_f32_min(hb_f32_sigmoid(out[1]), accessed);
                ret->windows[at + i] = hb_f32_min(hb_f32_max(hb_f32_exp(out[2]) - 1.0f, 0.0f), most);
                ret->windows_written[at + i] = hb_f32_min(hb_f32_max(hb_f32_exp(out[3]) - 1.0f, 0.0f), most);
        }
}

int hb_model_ask_batch(const hb_model *m, const struct hb_model_batch *b, const struct hb_model_answer *ret) {
        struct hb_model_pass p;
        int r = hb_fault("model.ask") ? -ENOMEM : hb_model_pass_begin(&p, m, b->n, b->blocks, false);

        if (r < 0)
                return r;
        p.page = b->page;
        p.block = b->block;
        p.sequence = b->sequence;
        r = hb_model_forward(m, &p);
        if (r == 0)
                put_answers(p.out, b->n, b->horizon_s, 0, ret);
        hb_model_pass_end(&p);
        return r;
}

/* How many of gfn are the first part: at most PART_PAGES, of at most PART_BLOCKS blocks. */
static uint32_t first_part(const uint32_t *gfn, uint32_t n, uint32_t *ret_blocks) {
        uint32_t blocks = 0, i;

        for (i = 0; i < n && i < PART_PAGES; i++) {
                if (i != 0 && block_of(gfn[i]) == block_of(gfn[i - 1]))
                        continue;
                if (blocks == PART_BLOCKS)
                        break;
                blocks++;
        }
        *ret_blocks = blocks;
        return i;
}

static int ask_part(const hb_model *m, struct hb_features *f, struct hb_model_batch *b, const uint32_t *gfn,
                    uint32_t n, uint32_t blocks, struct hb_model_pass *p) {
        fill(f, gfn, n, blocks, b);
        p->n = n;
        p->blocks = blocks;
        p->page = b->page;
        p->block = b->block;
        p->sequence = b->sequence;
        return hb_model_forward(m, p);
}

int hb_model_ask(const hb_model *m, const hb_history *h, uint32_t window, double horizon_s,
                 const uint32_t *gfn, uint32_t n, const struct hb_model_answer *ret) {
        uint32_t pages = n < PART_PAGES ? n : PART_PAGES, blocks = pages < PART_BLOCKS ? pages : PART_BLOCKS;
        struct hb_features *f = hb_fault("model.ask") ? NULL : malloc(sizeof *f);
        struct hb_model_batch b = {0};
        struct hb_model_pass p = {0};
        int r = f ? take_batch(&b, pages, blocks) : -ENOMEM;

        if (r == 0)
                r = hb_model_pass_begin(&p, m, pages, blocks, false);
        if (r == 0)
                hb_features_moment(f, h, window, horizon_s);
        for (uint32_t at = 0, part; r == 0 && at < n; at += part) {
                part = first_part(gfn + at, n - at, &blocks);
                r = ask_part(m, f, &b, gfn + at, part, blocks, &p);
                if (r == 0)
                        put_answers(p.out, part, horizon_s, at, ret);
        }
        hb_model_pass_end(&p);
        hb_model_batch_free(&b);
        free(f);
        return r;
}
