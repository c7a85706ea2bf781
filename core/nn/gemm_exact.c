/* gemm_exact: products of matrices that come out bit by bit the same on every x86-64. Invariant: each element
 * of c begins at 0 (at c when adding) and takes a[i][0] b[0][j], a[i][1] b[1][j], ... in that order, each
 * product rounded before it is added. Vectors run along j, so their width changes speed alone, never a sum;
 * the processor is asked which width it has. No fused multiply-add, which would round once instead of twice.
 *
 * Tiles of 4 rows and 2 vectors stay in registers over the whole of k. Pure, any thread, no allocation. */
#include "nn/gemm_exact.h"
#include <string.h>

#pragma GCC optimize("O3", "fp-contract=off")

#define INLINE static inline __attribute__((always_inline))
#define ROWS   4u

typedef float four __attribute__((vector_size(16), aligned(4), may_alias));
typedef float eight __attribute__((vector_size(32), aligned(4), may_alias));

struct product {
        uint32_t m, n, k;
        const float *a, *b;
        float *c;
        bool add;
};

/* Columns [j, j + W) of `rows` (1 or 4) rows from i, W floats in VECTORS vectors. */
#define TILE(name, type, vectors)                                                                            \
        INLINE void tile_##name(const struct product *p, uint32_t i, uint32_t rows, uint32_t j) {            \
                const uint32_t wide = sizeof(type) / sizeof(float);                                          \
                type sum[ROWS][vectors];                                                                     \
                for (uint32_t r = 0; r < rows; r++)                                                          \
                        for (uint32_t v = 0; v < vectors; v++)                                               \
                                sum[r][v] = p->add ? *(const type *)(p->c + (size_t)(i + r) * p->n + j +     \
                                                                     v * wide)                               \
                                                   : (type){0};                                              \
                for (uint32_t l = 0; l < p->k; l++) {                                                        \
                        const float *b = p->b + (size_t)l * p->n + j;                                        \
                        for (uint32_t r = 0; r < rows; r++) {                                                \
                                float a = p->a[(size_t)(i + r) * p->k + l];                                  \
                                for (uint32_t v = 0; v < vectors; v++)                                       \
                                        sum[r][v] += a * *(const type *)(b + v * wide);                      \
                        }                                                                                    \
                }                                                                                            \
                for (uint32_t r = 0; r < rows; r++)                                                          \
                        for (uint32_t v = 0; v < vectors; v++)                                               \
                                *(type *)(p->c + (size_t)(i + r) * p->n + j + v * wide) = sum[r][v];         \
        }

TILE(1, float, 1)
TILE(4, four, 1)
TILE(8, four, 2)
TILE(16, eight, 2)

INLINE void rows_of(const struct product *p, uint32_t i, uint32_t rows, bool wide) {
        uint32_t j = 0;

        if (wide)
                for (; j + 16 <= p->n; j += 16)
                        tile_16(p, i, rows, j);
        for (; j + 8 <= p->n; j += 8)
                tile_8(p, i, rows, j);
        for (; j + 4 <= p->n; j += 4)
                tile_4(p, i, rows, j);
        for (; j < p->n; j++)
                tile_1(p, i, rows, j);
}

INLINE void product(const struct product *p, bool wide) {
        uint32_t i = 0;

        for (; i + ROWS <= p->m; i += ROWS)
                rows_of(p, i, ROWS, wide);
        for (; i < p->m; i++)
                rows_of(p, i, 1, wide);
}

__attribute__((target("avx2"))) static void product_avx2(const struct product *p) {
        product(p, true);
}

static void product_plain(const struct product *p) {
        product(p, false);
}

void hb_nn_gemm_exact_as(bool wide, uint32_t m, uint32_t n, uint32_t k, const float *a, const float *b,
                         float *c, bool add) {
        struct product p = {.m = m, .n = n, .k = k, .a = a, .b = b, .c = c, .add = add};

        if (wide && __builtin_cpu_supports("avx2"))
                product_avx2(&p);
        else
                product_plain(&p);
}

void hb_nn_gemm_exact(uint32_t m, uint32_t n, uint32_t k, const float *a, const float *b, float *c,
                      bool add) {
        hb_nn_gemm_exact_as(true, m, n, k, a, b, c, add);
}
