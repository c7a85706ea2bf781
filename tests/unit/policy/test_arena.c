/* The arena against a plain bookkeeping of blocks: contents survive, neighbours are not touched, nothing is
 * lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include "policy/arena.h"
#include <cmocka.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define BLOCKS 300
#define BYTES  (1u << 20)

struct owned {
        uint8_t *p;
        size_t size;
        uint8_t fill;
};

static uint32_t next(uint32_t *seed) {
        *seed = *seed * 1664525u + 1013904223u;
        return *seed >> 8;
}

static bool intact(const struct owned *b, size_t size) {
        for (size_t i = 0; i < size; i++)
                if (b->p[i] != b->fill)
                        return false;
        return true;
}

static size_t some_size(uint32_t *seed) {
        uint32_t kind = next(seed) % 10;
        return kind < 6 ? 1 + next(seed) % 200 : kind < 9 ? 1 + next(seed) % 5000 : 1 + next(seed) % 200000;
}

static void step(hb_arena *a, struct owned *b, uint32_t *seed) {
        size_t size = next(seed) % 3 ? some_size(seed) : 0, old = b->size;
        uint8_t *p = hb_arena_realloc(a, b->p, size);

        if (size && !p) { /* no room: the old block is as it was */
                if (old)
                        assert_true(intact(b, old));
                return;
        }
        assert_true(size || !p);
        assert_int_equal((uintptr_t)p % 16, 0);
        b->p = p;
        if (p && old)
                assert_true(intact(b, old < size ? old : size));
        b->size = size;
        b->fill = (uint8_t)next(seed);
        if (p)
                memset(p, b->fill, size);
}

static void test_random(void **state) {
        struct owned blocks[BLOCKS] = {0};
        uint32_t seed = 99;
        hb_arena *a;
        void *all;

        assert_int_equal(hb_arena_new(BYTES, &a), 0);
        for (int round = 0; round < 60000; round++) {
                struct owned *b = &blocks[next(&seed) % BLOCKS];
                if (b->size)
                        assert_true(intact(b, b->size));
                step(a, b, &seed);
                assert_true(hb_arena_used(a) <= BYTES && hb_arena_peak(a) >= hb_arena_used(a));
        }
        for (int i = 0; i < BLOCKS; i++) {
                if (blocks[i].size)
                        assert_true(intact(&blocks[i], blocks[i].size));
                hb_arena_realloc(a, blocks[i].p, 0);
        }
        assert_int_equal(hb_arena_used(a), 0); /* and all of it has grown together again: */
        all = hb_arena_realloc(a, NULL, BYTES - 16);
        assert_non_null(all);
        assert_null(hb_arena_realloc(a, NULL, 1));
        hb_arena_realloc(a, all, 0);
        hb_arena_free(a);
}

static void test_limits(void **state) {
        hb_arena *a;
        uint8_t *p;

        assert_int_equal(hb_arena_new(1000, &a), -EINVAL);
        assert_int_equal(hb_arena_new((2ull << 30), &a), -EINVAL);
        assert_int_equal(hb_arena_new(BYTES, &a), 0);
        assert_null(hb_arena_realloc(a, NULL, BYTES));
        assert_null(hb_arena_realloc(a, NULL, SIZE_MAX));
        p = hb_arena_realloc(a, NULL, 100);
        assert_non_null(p);
        memset(p, 7, 100);
        assert_null(hb_arena_realloc(a, p, SIZE_MAX - 8));
        assert_true(p[99] == 7);
        hb_arena_reset(a);
        assert_int_equal(hb_arena_used(a), 0);
        p = hb_arena_realloc(a, NULL, 100);
        assert_true(p && p[99] == 0); /* its pages went back to the kernel */
        assert_null(hb_arena_free(a));
        assert_null(hb_arena_free(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_limits)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
