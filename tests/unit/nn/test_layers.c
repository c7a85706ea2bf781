/* Layers: each one's way back against central differences, the exact product against sums in double, what is
 * promised about order. */
#include "check.h"
#include "nn/gemm_exact.h"
#include "nn/random.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 4096u

static void fill(float *x, size_t n, uint64_t seed) {
        for (size_t i = 0; i < n; i++)
                x[i] = hb_random_between(&seed, -1.0f, 1.0f);
}

static struct hb_nn_param param(uint32_t rows, uint32_t cols, uint64_t seed) {
        size_t n = (size_t)rows * cols;
        struct hb_nn_param p = {rows, cols, malloc(n * 4), calloc(n, 4), calloc(n, 4), calloc(n, 4)};

        fill(p.w, n, seed);
        return p;
}

static void param_free(struct hb_nn_param *p) {
        free(p->w);
        free(p->grad);
        free(p->m);
        free(p->v);
}

/* A layer under test: `run` computes y from what it holds; the loss is the sum of y times `dy`. */
struct layer {
        void (*run)(struct layer *l);
        struct hb_nn_param p[3];
        struct hb_nn_lstm lstm;
        uint32_t T, n, in, out, d;
        float x[3][MOST], y[MOST], dy[MOST], dx[3][MOST], keep[4 * MOST];
};

static double loss_of(struct layer *l, size_t n) {
        double sum = 0;

        l->run(l);
        for (size_t i = 0; i < n; i++)
                sum += (double)l->y[i] * l->dy[i];
        return sum;
}

/* Every number of w: (loss(w + h) - loss(w - h)) / 2h against grad, relative to the largest gradient. */
static void check(struct layer *l, size_t outputs, const char *name, float *w, const float *grad, size_t n) {
        const float h = 1e-2f;
        double largest = 1e-3, worst = 0;

        for (size_t i = 0; i < n; i++)
                largest = fabs(grad[i]) > largest ? fabs(grad[i]) : largest;
        for (size_t i = 0; i < n; i++) {
                float was = w[i];
                double up, down, off;

                w[i] = was + h;
                up = loss_of(l, outputs);
                w[i] = was - h;
                down = loss_of(l, outputs);
                w[i] = was;
                off = fabs((up - down) / (2.0 * h) - grad[i]) / largest;
                worst = off > worst ? off : worst;
        }
        if (!(worst < 1e-2))
                fail_msg("%s: gradient off by %g", name, worst);
}

static struct layer *layer_new(void (*run)(struct layer *l)) {
        struct layer *l = calloc(1, sizeof *l);

        l->run = run;
        for (unsigned i = 0; i < 3; i++)
                fill(l->x[i], MOST, 10 + i);
        fill(l->dy, MOST, 20);
        return l;
}

static void run_dense(struct layer *l) {
        hb_nn_dense(&l->p[0], &l->p[1], l->n, l->x[0], l->y);
        hb_nn_relu(l->n * l->out, l->y);
}

static void test_dense(void **state) {
        struct layer *l = layer_new(run_dense);
        float dy[64];

        l->n = 5, l->in = 7, l->out = 6;
        l->p[0] = param(7, 6, 1);
        l->p[1] = param(1, 6, 2);
        l->run(l);
        memcpy(dy, l->dy, 30 * sizeof *dy);
        hb_nn_relu_back(30, l->y, dy);
        hb_nn_dense_back(&l->p[0], &l->p[1], 5, l->x[0], dy, l->dx[0]);
        check(l, 30, "dense w", l->p[0].w, l->p[0].grad, 42);
        check(l, 30, "dense b", l->p[1].w, l->p[1].grad, 6);
        check(l, 30, "dense x", l->x[0], l->dx[0], 35);
        /* Added, never assigned. */
        memcpy(l->keep, l->p[0].grad, 42 * sizeof(float));
        hb_nn_dense_back(&l->p[0], &l->p[1], 5, l->x[0], dy, NULL);
        for (unsigned i = 0; i < 42; i++)
                assert_true(fabsf(l->p[0].grad[i] - 2 * l->keep[i]) < 1e-5f);
        param_free(&l->p[0]);
        param_free(&l->p[1]);
        free(l);
}

static void run_lstm(struct layer *l) {
        assert_int_equal(hb_nn_lstm_forward(&l->lstm, l->T, l->n, l->x[0], l->y, l->keep), 0);
}

static void test_lstm(void **state) {
        struct layer *l = layer_new(run_lstm);
        uint32_t T = 6, n = 3, in = 4, H = 5;
        float asked[90];

        l->T = T, l->n = n;
        l->lstm = (struct hb_nn_lstm){in, H, param(in, 4 * H, 1), param(H, 4 * H, 2), param(1, 4 * H, 3)};
        assert_true(hb_nn_lstm_keep_floats(&l->lstm, T, n) <= sizeof l->keep / sizeof(float));
        run_lstm(l);
        assert_int_equal(hb_nn_lstm_forward(&l->lstm, T, n, l->x[0], asked, NULL), 0);
        assert_memory_equal(asked, l->y, sizeof asked); /* what is kept changes nothing */
        assert_int_equal(hb_nn_lstm_back(&l->lstm, T, n, l->x[0], l->y, l->keep, l->dy, l->dx[0]), 0);
        check(l, 90, "lstm wx", l->lstm.wx.w, l->lstm.wx.grad, (size_t)in * 4 * H);
        check(l, 90, "lstm wh", l->lstm.wh.w, l->lstm.wh.grad, (size_t)H * 4 * H);
        check(l, 90, "lstm b", l->lstm.b.w, l->lstm.b.grad, 4 * H);
        check(l, 90, "lstm x", l->x[0], l->dx[0], (size_t)T * n * in);
        param_free(&l->lstm.wx);
        param_free(&l->lstm.wh);
        param_free(&l->lstm.b);
        free(l);
}

static void run_norm(struct layer *l) {
        hb_nn_norm(&l->p[0], &l->p[1], l->n, l->x[0], l->y, l->keep);
}

static void test_norm(void **state) {
        struct layer *l = layer_new(run_norm);

        l->n = 4;
        l->p[0] = param(1, 9, 1);
        l->p[1] = param(1, 9, 2);
        l->run(l);
        hb_nn_norm_back(&l->p[0], &l->p[1], 4, l->x[0], l->keep, l->dy, l->dx[0]);
        check(l, 36, "norm gain", l->p[0].w, l->p[0].grad, 9);
        check(l, 36, "norm bias", l->p[1].w, l->p[1].grad, 9);
        check(l, 36, "norm x", l->x[0], l->dx[0], 36);
        param_free(&l->p[0]);
        param_free(&l->p[1]);
        free(l);
}

static void run_attend(struct layer *l) {
        hb_nn_attend(l->T, l->d, l->in, l->x[0], l->x[1], l->x[2], l->y, l->keep);
}

static void test_attend(void **state) {
        for (unsigned causal = 0; causal < 2; causal++) {
                struct layer *l = layer_new(run_attend);

                l->T = 7, l->d = 4, l->in = causal;
                l->run(l);
                hb_nn_attend_back(7, 4, l->x[0], l->x[1], l->x[2], l->keep, l->dy, l->dx[0], l->dx[1],
                                  l->dx[2]);
                check(l, 28, "attention q", l->x[0], l->dx[0], 28);
                check(l, 28, "attention k", l->x[1], l->dx[1], 28);
                check(l, 28, "attention v", l->x[2], l->dx[2], 28);
                if (causal) { /* a later step's value is not seen by an earlier one */
                        memcpy(l->dx[0], l->y, 28 * sizeof(float));
                        l->x[2][6 * 4] += 1.0f;
                        l->run(l);
                        assert_memory_equal(l->dx[0], l->y, 24 * sizeof(float));
                        assert_memory_not_equal(l->dx[0] + 24, l->y + 24, 4 * sizeof(float));
                }
                free(l);
        }
}

static void test_losses(void **state) {
        float y[16], want[16], w[16], dy[16], up[16], none[16];

        for (unsigned kind = 0; kind < 2; kind++) {
                double (*loss)(uint32_t, const float *, const float *, const float *, float *) =
                        kind ? hb_nn_mse : hb_nn_bce;

                fill(y, 16, 1);
                fill(w, 16, 2);
                for (unsigned i = 0; i < 16; i++) {
                        want[i] = (float)(i & 1);
                        w[i] = fabsf(w[i]);
                }
                loss(16, y, want, w, dy);
                for (unsigned i = 0; i < 16; i++) {
                        double a, b;

                        memcpy(up, y, sizeof up);
                        up[i] += 1e-2f;
                        a = loss(16, up, want, w, none);
                        up[i] -= 2e-2f;
                        b = loss(16, up, want, w, none);
                        assert_true(fabs((a - b) / 2e-2 - dy[i]) < 1e-4);
                }
        }
        y[0] = 1e6f, want[0] = 1.0f; /* far out: no overflow, and nothing left to learn */
        assert_true(hb_nn_bce(1, y, want, NULL, dy) < 1e-6 && dy[0] == 0.0f);
        want[0] = 0.0f;
        assert_true(fabs(hb_nn_bce(1, y, want, NULL, dy) - 1e6) < 1 && dy[0] == 1.0f);
        assert_true(hb_nn_bce(0, y, want, NULL, dy) == 0);
}

/* The order that is promised, in the plainest words. */
static void product_in_order(uint32_t m, uint32_t n, uint32_t k, const float *a, const float *b, float *c,
                             bool add) {
        for (uint32_t i = 0; i < m; i++)
                for (uint32_t j = 0; j < n; j++) {
                        volatile float sum = add ? c[i * n + j] : 0.0f;

                        for (uint32_t l = 0; l < k; l++) {
                                volatile float once = a[i * k + l] * b[l * n + j];

                                sum = sum + once;
                        }
                        c[i * n + j] = sum;
                }
}

static void test_exact(void **state) {
        float *a = malloc(65536), *b = malloc(65536), *c = malloc(65536), *d = malloc(65536);
        uint64_t random = 5;

        fill(a, 16384, 1);
        fill(b, 16384, 2);
        for (unsigned round = 0; round < 200; round++) {
                uint32_t m = 1 + hb_random_below(&random, 40), n = 1 + hb_random_below(&random, 60),
                         k = hb_random_below(&random, 70);

                fill(c, 16384, round);
                memcpy(d, c, 65536);
                hb_nn_gemm_exact_as(round & 2, m, n, k, a, b, c, round & 1);
                product_in_order(m, n, k, a, b, d, round & 1);
                assert_memory_equal(c, d, 65536);
        }
        free(a);
        free(b);
        free(c);
        free(d);
}

/* CBLAS under all four transpositions gives what the exact one does, nearly. */
static void test_cblas(void **state) {
        enum { M = 9, N = 11, K = 13 };
        float a[M * K], b[K * N], at[M * K], bt[K * N], want[M * N], got[M * N];

        fill(a, M * K, 1);
        fill(b, K * N, 2);
        for (unsigned i = 0; i < M; i++)
                for (unsigned l = 0; l < K; l++)
                        at[l * M + i] = a[i * K + l];
        for (unsigned l = 0; l < K; l++)
                for (unsigned j = 0; j < N; j++)
                        bt[j * K + l] = b[l * N + j];
        for (unsigned t = 0; t < 8; t++) {
                fill(want, M * N, 3);
                fill(got, M * N, 3);
                hb_nn_gemm_exact(M, N, K, a, b, want, t & 4);
                hb_nn_gemm(t & 1, t & 2, M, N, K, t & 1 ? at : a, t & 2 ? bt : b, got, t & 4);
                for (unsigned i = 0; i < M * N; i++)
                        assert_true(fabsf(want[i] - got[i]) < 1e-5f);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_dense),  cmocka_unit_test(test_lstm),   cmocka_unit_test(test_norm),
                cmocka_unit_test(test_attend), cmocka_unit_test(test_losses), cmocka_unit_test(test_exact),
                cmocka_unit_test(test_cblas),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
