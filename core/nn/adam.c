/* adam: Kingma and Ba 2015 with bias correction, gradients clipped by their norm over all parameters
 * together, weight decay apart from the gradient (Loshchilov 2019). Nothing is changed by a gradient that is
 * not finite. Cost: some 2 ns a weight. */
#include "nn/nn.h"
#include <errno.h>
#include <math.h>
#include <string.h>

#pragma GCC optimize("O3", "no-math-errno", "fp-contract=off")

static size_t floats_of(const struct hb_nn_param *p) {
        return (size_t)p->rows * p->cols;
}

static double norm_of(struct hb_nn_param *const *params, unsigned n) {
        double sum = 0;

        for (unsigned i = 0; i < n; i++)
                for (size_t j = 0; j < floats_of(params[i]); j++)
                        sum += (double)params[i]->grad[j] * params[i]->grad[j];
        return sqrt(sum);
}

struct rates {
        float grad, step, beta1, beta2, eps, keep;
};

static void step_param(struct hb_nn_param *p, const struct rates *r) {
        float *restrict w = p->w, *restrict m = p->m, *restrict v = p->v;
        const float *restrict grad = p->grad;
        struct rates k = *r;

        for (size_t j = 0, n = floats_of(p); j < n; j++) {
                float g = grad[j] * k.grad;

                m[j] = k.beta1 * m[j] + (1.0f - k.beta1) * g;
                v[j] = k.beta2 * v[j] + (1.0f - k.beta2) * g * g;
                w[j] = w[j] * k.keep - k.step * m[j] / (sqrtf(v[j]) + k.eps);
        }
}

int hb_nn_adam_step(struct hb_nn_adam *a, struct hb_nn_param *const *params, unsigned nparams,
                    double *ret_norm) {
        double norm = norm_of(params, nparams), first, second;
        bool finite = isfinite(norm);

        if (finite) {
                a->steps++;
                first = 1 - pow(a->beta1, (double)a->steps);
                second = sqrt(1 - pow(a->beta2, (double)a->steps));
                struct rates r = {.grad = a->clip > 0 && norm > a->clip ? (float)(a->clip / norm) : 1.0f,
                                  .step = (float)(a->rate * second / first),
                                  .beta1 = a->beta1,
                                  .beta2 = a->beta2,
                                  .eps = (float)(a->eps * second),
                                  .keep = 1.0f - a->rate * a->decay};

                for (unsigned i = 0; i < nparams; i++)
                        step_param(params[i], &r);
                if (ret_norm)
                        *ret_norm = norm;
        }
        for (unsigned i = 0; i < nparams; i++)
                memset(params[i]->grad, 0, floats_of(params[i]) * sizeof(float));
        return finite ? 0 : -EDOM;
}
