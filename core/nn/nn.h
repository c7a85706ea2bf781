/* nn: the layers of small networks, forward and backward, single precision. Matrices are row-major; a batch
 * has one row an example. Gradients are added to, never assigned, so that a weight may be used twice.
 *
 * Training goes through CBLAS (sgemm, one thread). What decides (hb_nn_gemm_exact and everything without
 * _train in its name's file) uses loops of a fixed order instead: the same bits on every x86-64.
 *
 * LSTM: Hochreiter and Schmidhuber 1997 with forget gates (Gers 1999), biases of the forget gate begin at 1;
 * layer norm: Ba 2016; attention: Vaswani 2017, one head; Adam: Kingma and Ba 2015, with its bias correction;
 * clipping by global norm: Pascanu 2013. Every backward is checked against central differences by a test. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hb_nn_param { /* one matrix (or vector: rows 1) of weights with what training keeps beside it */
        uint32_t rows, cols;
        float *w, *grad, *m, *v; /* grad, m, v: NULL while it is only asked */
};

/* c[m x n] = a[m x k] b[k x n] (+ c when add), each of a, b transposed in memory when asked. */
void hb_nn_gemm(bool ta, bool tb, uint32_t m, uint32_t n, uint32_t k, const float *a, const float *b,
                float *c, bool add); /* CBLAS */
void hb_nn_gemm_exact(uint32_t m, uint32_t n, uint32_t k, const float *a, const float *b, float *c, bool add);

/* y[n x out] = x[n x in] W[in x out] + b; exact. */
void hb_nn_dense(const struct hb_nn_param *w, const struct hb_nn_param *b, uint32_t n, const float *x,
                 float *y);
void hb_nn_dense_back(struct hb_nn_param *w, struct hb_nn_param *b, uint32_t n, const float *x,
                      const float *dy, float *dx /* may be NULL */);
void hb_nn_relu(uint32_t count, float *x);
void hb_nn_relu_back(uint32_t count, const float *y, float *dy); /* y: its output */

/* LSTM over T steps of n sequences: x[T][n][in], h[T][n][H] (out), gates i f g o. `keep` (as
 * hb_nn_lstm_keep_floats) holds what backward needs; NULL when only asked. Starts from zeros. */
struct hb_nn_lstm {
        uint32_t in, hidden;
        struct hb_nn_param wx /* in x 4H */, wh /* H x 4H */, b /* 1 x 4H */;
};
size_t hb_nn_lstm_keep_floats(const struct hb_nn_lstm *l, uint32_t T, uint32_t n);
int hb_nn_lstm_forward(const struct hb_nn_lstm *l, uint32_t T, uint32_t n, const float *x, float *h,
                       float *keep);
/* dh[T][n][H]: gradients of every step's output. dx may be NULL. -ENOMEM. */
int hb_nn_lstm_back(struct hb_nn_lstm *l, uint32_t T, uint32_t n, const float *x, const float *h,
                    const float *keep, const float *dh, float *dx);

void hb_nn_norm(const struct hb_nn_param *gain, const struct hb_nn_param *bias, uint32_t n, const float *x,
                float *y, float *keep /* 2n floats, may be NULL */);
void hb_nn_norm_back(struct hb_nn_param *gain, struct hb_nn_param *bias, uint32_t n, const float *x,
                     const float *keep, const float *dy, float *dx);
/* One head over T steps of one sequence: q, k, v[T][d] -> y[T][d]; causal: a step sees itself and earlier
 * ones. keep: T*T floats. */
void hb_nn_attend(uint32_t T, uint32_t d, bool causal, const float *q, const float *k, const float *v,
                  float *y, float *keep);
void hb_nn_attend_back(uint32_t T, uint32_t d, const float *q, const float *k, const float *v,
                       const float *keep, const float *dy, float *dq, float *dk, float *dv);

/* Mean binary cross entropy of logits; dy = d loss / d logits (weights per example may be NULL). */
double hb_nn_bce(uint32_t count, const float *logits, const float *labels, const float *weights, float *dy);
double hb_nn_mse(uint32_t count, const float *y, const float *target, const float *weights, float *dy);

struct hb_nn_adam {
        float rate, beta1, beta2, eps, clip /* global norm; 0: none */, decay;
        uint64_t steps;
};
/* One step over all params; gradients are cleared. -EDOM: a gradient is not finite: nothing was changed but
 * that the gradients are cleared. */
int hb_nn_adam_step(struct hb_nn_adam *a, struct hb_nn_param *const *params, unsigned nparams,
                    double *ret_norm);
