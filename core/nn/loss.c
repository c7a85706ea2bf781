/* loss: means over examples, weighted, with their gradients. Sums are doubles. An empty or weightless batch
 * has loss 0 and gradient 0. Pure, no allocation. */
#include "nn/nn.h"
#include <math.h>

#pragma GCC optimize("O3", "no-math-errno", "fp-contract=off")

static double weight_of(uint32_t count, const float *weights) {
        double sum = 0;

        if (!weights)
                return count;
        for (uint32_t i = 0; i < count; i++)
                sum += weights[i];
        return sum;
}

/* log(1 + exp(-|x|)) + max(x, 0) - x y: no overflow for any logit. */
double hb_nn_bce(uint32_t count, const float *logits, const float *labels, const float *weights, float *dy) {
        double all = weight_of(count, weights), loss = 0;

        for (uint32_t i = 0; i < count; i++) {
                double w = all > 0 ? (weights ? weights[i] : 1.0) / all : 0, x = logits[i], e = exp(-fabs(x));
                double chance = x >= 0 ? 1 / (1 + e) : e / (1 + e);

                loss += w * (log1p(e) + (x > 0 ? x : 0) - x * labels[i]);
                dy[i] = (float)(w * (chance - labels[i]));
        }
        return isnan(all) ? NAN : loss;
}

double hb_nn_mse(uint32_t count, const float *y, const float *target, const float *weights, float *dy) {
        double all = weight_of(count, weights), loss = 0;

        for (uint32_t i = 0; i < count; i++) {
                double w = all > 0 ? (weights ? weights[i] : 1.0) / all : 0, d = (double)y[i] - target[i];

                loss += w * d * d;
                dy[i] = (float)(2 * w * d);
        }
        return isnan(all) ? NAN : loss;
}
