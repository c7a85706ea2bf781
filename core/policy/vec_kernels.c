/* vec_kernels: written so that gcc vectorises every loop, in debug builds too; the flags below forbid what
 * would change bits (contraction to fused multiply-add) and allow what does not (no errno, no floating-point
 * traps). Cost: 0.1-1.5 ns an element from the first-level cache. */
#include "policy/vec_kernels.h"
#include <math.h>

/* Before the inline functions: gcc does not inline across different settings. */
#pragma GCC optimize("O3", "no-math-errno", "no-trapping-math", "fp-contract=off")
#include "policy/vec_math.h"

#define KERNEL(name, expression)                                                                             \
        static void k_##name(float *restrict d, const float *restrict a, const float *restrict b,            \
                             const float *restrict c, size_t n) {                                            \
                for (size_t i = 0; i < n; i++)                                                               \
                        d[i] = (expression);                                                                 \
        }

KERNEL(add, a[i] + b[i])
KERNEL(sub, a[i] - b[i])
KERNEL(mul, a[i] * b[i])
KERNEL(div, hb_f32_div(a[i], b[i]))
KERNEL(min, hb_f32_min(a[i], b[i]))
KERNEL(max, hb_f32_max(a[i], b[i]))
KERNEL(lt, a[i] < b[i] ? 1.0f : 0.0f)
KERNEL(le, a[i] <= b[i] ? 1.0f : 0.0f)
KERNEL(gt, a[i] > b[i] ? 1.0f : 0.0f)
KERNEL(ge, a[i] >= b[i] ? 1.0f : 0.0f)
KERNEL(eq, a[i] == b[i] ? 1.0f : 0.0f)
KERNEL(ne, a[i] != b[i] ? 1.0f : 0.0f)
KERNEL(neg, -a[i])
KERNEL(abs, fabsf(a[i]))
KERNEL(sqrt, sqrtf(hb_f32_max(a[i], 0.0f)))
KERNEL(floor, hb_f32_floor(a[i]))
KERNEL(exp, hb_f32_exp(a[i]))
KERNEL(log1p, hb_f32_log1p(a[i]))
KERNEL(where, a[i] != 0.0f ? b[i] : c[i])
KERNEL(ewma, a[i] + c[i] * (b[i] - a[i]))
KERNEL(clamp, hb_f32_min(hb_f32_max(a[i], b[i]), c[i]))

static const struct {
        const char *name;
        unsigned operands;
        hb_vec_kernel *run;
} ops[HB_VEC_OPS] = {
        [HB_VEC_ADD] = {"add", 2, k_add},       [HB_VEC_SUB] = {"sub", 2, k_sub},
        [HB_VEC_MUL] = {"mul", 2, k_mul},       [HB_VEC_DIV] = {"div", 2, k_div},
        [HB_VEC_MIN] = {"min", 2, k_min},       [HB_VEC_MAX] = {"max", 2, k_max},
        [HB_VEC_LT] = {"lt", 2, k_lt},          [HB_VEC_LE] = {"le", 2, k_le},
        [HB_VEC_GT] = {"gt", 2, k_gt},          [HB_VEC_GE] = {"ge", 2, k_ge},
        [HB_VEC_EQ] = {"eq", 2, k_eq},          [HB_VEC_NE] = {"ne", 2, k_ne},
        [HB_VEC_NEG] = {"neg", 1, k_neg},       [HB_VEC_ABS] = {"abs", 1, k_abs},
        [HB_VEC_SQRT] = {"sqrt", 1, k_sqrt},    [HB_VEC_EXP] = {"exp", 1, k_exp},
        [HB_VEC_LOG1P] = {"log1p", 1, k_log1p}, [HB_VEC_WHERE] = {"where", 3, k_where},
        [HB_VEC_EWMA] = {"ewma", 3, k_ewma},    [HB_VEC_CLAMP] = {"clamp", 3, k_clamp},
        [HB_VEC_FLOOR] = {"floor", 1, k_floor},
};

hb_vec_kernel *hb_vec_kernel_of(enum hb_vec_op op) {
        return ops[op].run;
}

unsigned hb_vec_operands(enum hb_vec_op op) {
        return ops[op].operands;
}

const char *hb_vec_op_name(enum hb_vec_op op) {
        return ops[op].name;
}

double hb_vec_sum(const float *a, size_t n) {
        double lane[8] = {0}, sum = 0;
        size_t whole = n & ~(size_t)7;

        for (size_t i = 0; i < whole; i += 8)
                for (int k = 0; k < 8; k++)
                        lane[k] += (double)a[i + (size_t)k];
        for (size_t i = whole; i < n; i++)
                lane[i - whole] += (double)a[i];
        for (int k = 0; k < 8; k++)
                sum += lane[k];
        return sum;
}

bool hb_vec_all_finite(const float *a, size_t n) {
        uint32_t bad = 0;

        for (size_t i = 0; i < n; i++)
                bad |= (hb_f32_bits(a[i]) & 0x7f800000u) == 0x7f800000u ? 1u : 0u;
        return !bad;
}

void hb_vec_clamp_into(float *d, const float *a, float lo, float hi, size_t n) {
        for (size_t i = 0; i < n; i++)
                d[i] = hb_f32_min(hb_f32_max(a[i], lo), hi);
}
