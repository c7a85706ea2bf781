/* gemm_exact: the exact product as a processor of 2003 does it, or with wide vectors where there are such.
 * For tests and benches: both give the same bits. */
#pragma once
#include "nn/nn.h"

void hb_nn_gemm_exact_as(bool wide, uint32_t m, uint32_t n, uint32_t k, const float *a, const float *b,
                         float *c, bool add);
