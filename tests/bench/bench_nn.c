/* bench_nn: what the network costs.  bench_nn [--json]
 *
 * Products of the model's shapes, exact (wide, and as a processor without wide vectors) beside CBLAS;
 * sequences an LSTM learns from a second (forward, back through 16 steps of 32 sequences, Adam); a training
 * step of 512 pages and 32 blocks; features and answers of 131072 pages. */
#include "base/clock.h"
#include "nn/features.h"
#include "nn/gemm_exact.h"
#include "nn/random.h"
#include "nn/trainer.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGES   131072u
#define WINDOWS 120u
#define ROUNDS  5

enum how { EXACT, NARROW, CBLAS, HOWS };

static float *floats(size_t n) {
        float *x = malloc(n * sizeof *x);
        uint64_t random = n;

        if (!x)
                abort();
        for (size_t i = 0; i < n; i++)
                x[i] = hb_random_between(&random, -0.5f, 0.5f);
        return x;
}

static double seconds_since(uint64_t from) {
        return (double)(hb_now_ns() - from) * 1e-9;
}

static double product_gflops(enum how how, uint32_t m, uint32_t n, uint32_t k) {
        float *a = floats((size_t)m * k), *b = floats((size_t)k * n), *c = floats((size_t)m * n);
        double best = 0;

        for (unsigned r = 0; r < 20; r++) {
                uint64_t from = hb_now_ns();
                double rate;

                for (unsigned i = 0; i < 20; i++)
                        if (how == CBLAS)
                                hb_nn_gemm(false, false, m, n, k, a, b, c, false);
                        else
                                hb_nn_gemm_exact_as(how == EXACT, m, n, k, a, b, c, false);
                rate = 20 * 2.0 * m * n * k / seconds_since(from) / 1e9;
                best = rate > best ? rate : best;
        }
        free(a);
        free(b);
        free(c);
        return best;
}

static struct hb_nn_param param(uint32_t rows, uint32_t cols) {
        size_t n = (size_t)rows * cols;

        return (struct hb_nn_param){rows,
                                    cols,
                                    floats(n),
                                    calloc(n, sizeof(float)),
                                    calloc(n, sizeof(float)),
                                    calloc(n, sizeof(float))};
}

static void param_free(struct hb_nn_param *p) {
        free(p->w);
        free(p->grad);
        free(p->m);
        free(p->v);
}

static double lstm_sequences_per_s(uint32_t hidden) {
        enum { T = 16, N = 32, IN = 8, STEPS = 30 };
        struct hb_nn_lstm l = {IN, hidden, param(IN, 4 * hidden), param(hidden, 4 * hidden),
                               param(1, 4 * hidden)};
        struct hb_nn_param *all[] = {&l.wx, &l.wh, &l.b};
        struct hb_nn_adam adam = {.rate = 1e-4f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .clip = 1};
        float *x = floats((size_t)T * N * IN), *h = floats((size_t)T * N * hidden);
        float *dh = floats((size_t)T * N * hidden), *keep = floats(hb_nn_lstm_keep_floats(&l, T, N));
        double best = 0;

        for (unsigned r = 0; r < ROUNDS; r++) {
                uint64_t from = hb_now_ns();
                double rate;

                for (unsigned s = 0; s < STEPS; s++)
                        if (hb_nn_lstm_forward(&l, T, N, x, h, keep) < 0 ||
                            hb_nn_lstm_back(&l, T, N, x, h, keep, dh, NULL) < 0 ||
                            hb_nn_adam_step(&adam, all, 3, NULL) < 0)
                                abort();
                rate = STEPS * N / seconds_since(from);
                best = rate > best ? rate : best;
        }
        param_free(&l.wx);
        param_free(&l.wh);
        param_free(&l.b);
        free(x);
        free(h);
        free(dh);
        free(keep);
        return best;
}

static hb_history *past(void) {
        hb_history *h = NULL;
        uint64_t random = 1;

        if (hb_history_new(PAGES, &h) < 0)
                abort();
        for (uint32_t w = 1; w <= WINDOWS; w++)
                for (uint32_t g = 0; g < PAGES; g++)
                        if ((w + g / 100) % (1 + g / 1000 % 60) == 0 || hb_random_below(&random, 100) == 0)
                                if (hb_history_note(h, g, w, g % 3 == 0) < 0)
                                        abort();
        return h;
}

static double feature_ns(const hb_history *h) {
        struct hb_features *f = malloc(sizeof *f);
        float out[HB_MODEL_PAGE_IN], steps[HB_MODEL_STEPS * HB_MODEL_BLOCK_IN];
        volatile float sum = 0;
        double best = 1e9;

        if (!f)
                abort();
        for (unsigned r = 0; r < ROUNDS; r++) {
                uint64_t from = hb_now_ns();
                double ns;

                hb_features_moment(f, h, WINDOWS, 10);
                for (uint32_t g = 0; g < PAGES / 4; g++) {
                        if (g % HB_BLOCK_PAGES == 0)
                                hb_features_block(f, g / HB_BLOCK_PAGES, steps, HB_MODEL_BLOCK_IN);
                        hb_features_page(f, g, out);
                        sum += out[0];
                }
                ns = seconds_since(from) * 1e9 / (PAGES / 4);
                best = ns < best ? ns : best;
        }
        free(f);
        return best;
}

static double ask_ns(const hb_model *m, const hb_history *h) {
        float *x = floats(4 * (size_t)PAGES);
        struct hb_model_answer a = {x, x + PAGES, x + 2 * PAGES, x + 3 * PAGES};
        uint32_t *gfn = malloc(PAGES * sizeof *gfn);
        double best = 1e9;

        if (!gfn)
                abort();
        for (uint32_t g = 0; g < PAGES; g++)
                gfn[g] = g;
        for (unsigned r = 0; r < ROUNDS; r++) {
                uint64_t from = hb_now_ns();
                double ns;

                if (hb_model_ask(m, h, WINDOWS, 10, gfn, PAGES, &a) < 0)
                        abort();
                ns = seconds_since(from) * 1e9 / PAGES;
                best = ns < best ? ns : best;
        }
        free(gfn);
        free(x);
        return best;
}

static double step_ms(const hb_model *m, const hb_history *h) {
        struct hb_trainer_options o = {.seed = 1};
        hb_trainer *t = NULL;
        double best = 1e9;

        if (hb_trainer_new(m, &o, &t) < 0)
                abort();
        for (unsigned i = 0; i < 4; i++) {
                struct hb_model_lesson *l = calloc(1, sizeof *l);
                uint32_t gfn[4096];

                for (uint32_t g = 0; g < 4096; g++)
                        gfn[g] = g * 8 + i;
                if (!l || hb_model_batch_make(h, WINDOWS, 10, gfn, 4096, &l->batch) < 0)
                        abort();
                l->labels = calloc(4096 * HB_MODEL_OUT, sizeof(float));
                if (!l->labels)
                        abort();
                for (uint32_t g = 0; g < 4096; g++)
                        l->labels[g * HB_MODEL_OUT] = l->labels[g * HB_MODEL_OUT + 2] = (float)(g / 100 % 2);
                hb_trainer_add(t, l);
        }
        for (unsigned r = 0; r < ROUNDS; r++) {
                uint64_t from = hb_now_ns();
                double ms;

                if (hb_trainer_step(t, 20) < 0)
                        abort();
                ms = seconds_since(from) * 1e3 / 20;
                best = ms < best ? ms : best;
        }
        hb_trainer_free(t);
        return best;
}

struct figure {
        const char *name, *about;
        double value;
};

static void show(const struct figure *f, unsigned n, bool json) {
        for (unsigned i = 0; i < n; i++)
                if (json)
                        printf("%s\"%s\": %.4g%s", i ? ", " : "{", f[i].name, f[i].value,
                               i + 1 < n ? "" : "}\n");
                else
                        printf("%-26s %10.4g  %s\n", f[i].name, f[i].value, f[i].about);
}

int main(int argc, char **argv) {
        hb_history *h = past();
        hb_model *m = NULL;

        if (hb_model_new(32, 48, 1, &m) < 0)
                abort();
        const struct figure all[] = {
                {"gemm_exact_gflops", "1024 x 64 by 64 x 48", product_gflops(EXACT, 1024, 48, 64)},
                {"gemm_narrow_gflops", "the same without wide vectors", product_gflops(NARROW, 1024, 48, 64)},
                {"gemm_cblas_gflops", "the same by CBLAS", product_gflops(CBLAS, 1024, 48, 64)},
                {"gemm_exact_small_gflops", "32 x 32 by 32 x 128", product_gflops(EXACT, 32, 128, 32)},
                {"gemm_cblas_small_gflops", "the same by CBLAS", product_gflops(CBLAS, 32, 128, 32)},
                {"lstm32_sequences_per_s", "T 16, batch 32, trained; plain C 36-50 k",
                 lstm_sequences_per_s(32)},
                {"lstm64_sequences_per_s", "plain C 11-21 k", lstm_sequences_per_s(64)},
                {"features_ns_per_page", "block's share included", feature_ns(h)},
                {"ask_ns_per_page", "131072 pages", ask_ns(m, h)},
                {"step_ms", "of training, 512 pages of 32 blocks", step_ms(m, h)},
        };

        show(all, sizeof all / sizeof all[0], argc > 1 && strcmp(argv[1], "--json") == 0);
        hb_model_free(m);
        hb_history_free(h);
        return 0;
}
