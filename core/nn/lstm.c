/* lstm: a long short-term memory over n sequences at once, forward and back through time. The input's share
 * of all gates is one product over all steps; only the share of the state before goes step by step.
 *
 * What backward needs of each step: the four gates after their functions, the cell, tanh of the cell.
 * Cost: 8 H (in + H) + 60 H operations a sequence and step forward, twice that back. Forward is exact. */
#include "nn/nn.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#pragma GCC optimize("O3", "no-math-errno", "no-trapping-math", "fp-contract=off")
#include "base/f32_math.h"

size_t hb_nn_lstm_keep_floats(const struct hb_nn_lstm *l, uint32_t T, uint32_t n) {
        return (size_t)6 * l->hidden * T * n;
}

/* The kept parts: gates [T][n][4H], cells [T][n][H], squashed cells [T][n][H]. */
struct kept {
        float *gates, *cell, *squashed;
};

static struct kept kept_in(float *keep, const struct hb_nn_lstm *l, uint32_t T, uint32_t n) {
        size_t one = (size_t)l->hidden * T * n;

        return (struct kept){keep, keep + 4 * one, keep + 5 * one};
}

/* Gates of one sequence from their sums: i, f, o sigmoid, g tanh, in place. */
static void squash_gates(uint32_t H, float *restrict gates) {
        for (uint32_t j = 0; j < 2 * H; j++)
                gates[j] = hb_f32_sigmoid(gates[j]);
        for (uint32_t j = 2 * H; j < 3 * H; j++)
                gates[j] = hb_f32_tanh(gates[j]);
        for (uint32_t j = 3 * H; j < 4 * H; j++)
                gates[j] = hb_f32_sigmoid(gates[j]);
}

static void step_cell(uint32_t H, const float *restrict gates, const float *before, float *cell,
                      float *restrict squashed, float *restrict h) {
#pragma GCC ivdep /* before may be cell itself: each is read before it is written */
        for (uint32_t j = 0; j < H; j++)
                cell[j] = gates[j] * gates[2 * H + j] + (before ? gates[H + j] * before[j] : 0.0f);
        for (uint32_t j = 0; j < H; j++) {
                float c = cell[j];

                squashed[j] = hb_f32_tanh(c);
                h[j] = gates[3 * H + j] * squashed[j];
        }
}

static void add_input(const struct hb_nn_lstm *l, uint32_t rows, const float *x, float *gates) {
        uint32_t wide = 4 * l->hidden;

        for (uint32_t i = 0; i < rows; i++)
                memcpy(gates + (size_t)i * wide, l->b.w, wide * sizeof *gates);
        hb_nn_gemm_exact(rows, wide, l->in, x, l->wx.w, gates, true);
}

static void step_all(const struct hb_nn_lstm *l, uint32_t n, float *gates, const float *h_before,
                     const float *before, float *cell, float *squashed, float *h) {
        uint32_t H = l->hidden;

        if (h_before)
                hb_nn_gemm_exact(n, 4 * H, H, h_before, l->wh.w, gates, true);
        for (uint32_t i = 0; i < n; i++) {
                size_t at = (size_t)i * H;

                squash_gates(H, gates + 4 * at);
                step_cell(H, gates + 4 * at, before ? before + at : NULL, cell + at, squashed + at, h + at);
        }
}

static void forward_kept(const struct hb_nn_lstm *l, uint32_t T, uint32_t n, const float *x, float *h,
                         float *keep) {
        struct kept k = kept_in(keep, l, T, n);
        size_t one = (size_t)n * l->hidden;

        add_input(l, T * n, x, k.gates);
        for (uint32_t t = 0; t < T; t++)
                step_all(l, n, k.gates + 4 * one * t, t ? h + one * (t - 1) : NULL,
                         t ? k.cell + one * (t - 1) : NULL, k.cell + one * t, k.squashed + one * t,
                         h + one * t);
}

int hb_nn_lstm_forward(const struct hb_nn_lstm *l, uint32_t T, uint32_t n, const float *x, float *h,
                       float *keep) {
        size_t one = (size_t)n * l->hidden;
        float *gates, *cell;

        if (keep) {
                forward_kept(l, T, n, x, h, keep);
                return 0;
        }
        gates = malloc(6 * one * sizeof *gates);
        if (!gates)
                return one ? -ENOMEM : 0;
        cell = gates + 4 * one;
        for (uint32_t t = 0; t < T; t++) {
                add_input(l, n, x + (size_t)t * n * l->in, gates);
                step_all(l, n, gates, t ? h + one * (t - 1) : NULL, t ? cell : NULL, cell, cell + one,
                         h + one * t);
        }
        free(gates);
        return 0;
}

/* One sequence at one step. dh: of its output; dc: of its cell from the step after, becomes that for the step
 * before. dgates: of the sums before the gates' functions. */
static void back_cell(uint32_t H, const float *restrict gates, const float *restrict squashed,
                      const float *restrict before, const float *restrict dh, float *restrict dc,
                      float *restrict dgates) {
        for (uint32_t j = 0; j < H; j++) {
                float in = gates[j], forget = gates[H + j], g = gates[2 * H + j], out = gates[3 * H + j];
                float s = squashed[j], d = dc[j] + dh[j] * out * (1.0f - s * s);

                dgates[j] = d * g * in * (1.0f - in);
                dgates[H + j] = before ? d * before[j] * forget * (1.0f - forget) : 0.0f;
                dgates[2 * H + j] = d * in * (1.0f - g * g);
                dgates[3 * H + j] = dh[j] * s * out * (1.0f - out);
                dc[j] = d * forget;
        }
}

/* All steps, newest first; dgates[T][n][4H] filled. work: 2 n H floats. */
static void back_steps(const struct hb_nn_lstm *l, uint32_t T, uint32_t n, const struct kept *k,
                       const float *dh, float *dgates, float *work) {
        uint32_t H = l->hidden;
        size_t one = (size_t)n * H;
        float *dc = work, *dh_all = work + one;

        memset(work, 0, 2 * one * sizeof *work);
        for (uint32_t t = T; t-- > 0;) {
                for (size_t j = 0; j < one; j++)
                        dh_all[j] += dh[one * t + j];
                for (uint32_t i = 0; i < n; i++) {
                        size_t at = one * t + (size_t)i * H;

                        back_cell(H, k->gates + 4 * at, k->squashed + at, t ? k->cell + at - one : NULL,
                                  dh_all + (size_t)i * H, dc + (size_t)i * H, dgates + 4 * at);
                }
                hb_nn_gemm(false, true, n, H, 4 * H, dgates + 4 * one * t, l->wh.w, dh_all, false);
        }
}

int hb_nn_lstm_back(struct hb_nn_lstm *l, uint32_t T, uint32_t n, const float *x, const float *h,
                    const float *keep, const float *dh, float *dx) {
        uint32_t H = l->hidden, rows = T * n;
        size_t one = (size_t)n * H;
        struct kept k = kept_in((float *)keep, l, T, n);
        float *dgates;

        if (rows == 0)
                return 0;
        dgates = malloc((4 * one * T + 2 * one) * sizeof *dgates);
        if (!dgates)
                return -ENOMEM;
        back_steps(l, T, n, &k, dh, dgates, dgates + 4 * one * T);
        hb_nn_gemm(true, false, l->in, 4 * H, rows, x, dgates, l->wx.grad, true);
        if (T > 1)
                hb_nn_gemm(true, false, H, 4 * H, rows - n, h, dgates + 4 * one, l->wh.grad, true);
        for (uint32_t i = 0; i < rows; i++)
                for (uint32_t j = 0; j < 4 * H; j++)
                        l->b.grad[j] += dgates[(size_t)i * 4 * H + j];
        if (dx)
                hb_nn_gemm(false, true, rows, l->in, 4 * H, dgates, l->wx.w, dx, false);
        free(dgates);
        return 0;
}
