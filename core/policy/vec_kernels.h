/* vec_kernels: the loops under hb.vec. Each writes `n` floats of `d` from up to three sources; d overlaps
 * none of them. Bit-equal on every machine (see vec_math.h). */
#pragma once
#include <stdbool.h>
#include <stddef.h>

enum hb_vec_op {
        HB_VEC_ADD,
        HB_VEC_SUB,
        HB_VEC_MUL,
        HB_VEC_DIV,
        HB_VEC_MIN,
        HB_VEC_MAX,
        HB_VEC_LT,
        HB_VEC_LE,
        HB_VEC_GT,
        HB_VEC_GE,
        HB_VEC_EQ,
        HB_VEC_NE,
        HB_VEC_NEG,
        HB_VEC_ABS,
        HB_VEC_SQRT,
        HB_VEC_FLOOR,
        HB_VEC_EXP,
        HB_VEC_LOG1P,
        HB_VEC_WHERE, /* a != 0 ? b : c */
        HB_VEC_EWMA,  /* a + c * (b - a) */
        HB_VEC_CLAMP, /* min(max(a, b), c) */
        HB_VEC_OPS
};

typedef void hb_vec_kernel(float *d, const float *a, const float *b, const float *c, size_t n);
hb_vec_kernel *hb_vec_kernel_of(enum hb_vec_op op);
unsigned hb_vec_operands(enum hb_vec_op op); /* 1..3 */
const char *hb_vec_op_name(enum hb_vec_op op);

/* Sum in double over 8 fixed lanes. */
double hb_vec_sum(const float *a, size_t n);
bool hb_vec_all_finite(const float *a, size_t n);
/* d = min(max(a, lo), hi); in place allowed. */
void hb_vec_clamp_into(float *d, const float *a, float lo, float hi, size_t n);
