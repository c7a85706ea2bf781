/* Random histories of every operation, compared bit for bit with an array of bool. */
#include "base/bitmap.h"
#include "base/fault.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MAX_BITS 400u

struct pair {
        struct hb_bitmap map;
        bool naive[MAX_BITS];
        uint64_t bits;
};

static uint64_t seed;

static uint64_t below(uint64_t n) {
        seed = seed * 6364136223846793005ull + 1442695040888963407ull;
        return n ? (seed >> 33) % n : 0;
}

static void open_pair(struct pair *p, uint64_t bits) {
        memset(p, 0, sizeof(*p));
        p->bits = bits;
        assert_int_equal(hb_bitmap_init(&p->map, bits), 0);
}

static void check_bits(const struct pair *p) {
        uint64_t n = 0;

        for (uint64_t i = 0; i < p->bits; i++) {
                assert_int_equal(hb_bitmap_test(&p->map, i), p->naive[i]);
                n += p->naive[i];
        }
        assert_int_equal(hb_bitmap_count(&p->map), n);
}

static bool naive_run(const struct pair *p, uint64_t from, uint64_t max, uint64_t *first, uint64_t *count) {
        uint64_t i = from;

        while (i < p->bits && !p->naive[i])
                i++;
        if (i >= p->bits)
                return false;
        *first = i;
        while (i < p->bits && p->naive[i] && (max == 0 || i - *first < max))
                i++;
        *count = i - *first;
        return true;
}

static void check_runs(const struct pair *p, uint64_t max) {
        for (uint64_t from = 0; from <= p->bits + 2; from++) {
                uint64_t f1 = 77, c1 = 77, f2 = 77, c2 = 77;
                bool some = hb_bitmap_next_run(&p->map, from, max, &f1, &c1);

                assert_int_equal(some, naive_run(p, from, max, &f2, &c2));
                assert_int_equal(f1, f2); /* untouched when there is none */
                assert_int_equal(c1, c2);
        }
}

static void put_naive(struct pair *p, uint64_t first, uint64_t count, bool on) {
        for (uint64_t i = first; i < p->bits && i - first < count; i++)
                p->naive[i] = on;
}

static void join(struct pair *p) {
        struct pair q;
        unsigned how = (unsigned)below(3);

        open_pair(&q, p->bits);
        for (uint64_t i = 0; i < q.bits; i++)
                if (below(3) == 0) {
                        hb_bitmap_set(&q.map, i);
                        q.naive[i] = true;
                }
        if (how == 0)
                hb_bitmap_or(&p->map, &q.map);
        else if (how == 1)
                hb_bitmap_and_not(&p->map, &q.map);
        else
                hb_bitmap_copy(&p->map, &q.map);
        for (uint64_t i = 0; i < p->bits; i++)
                p->naive[i] = how == 0   ? p->naive[i] || q.naive[i]
                              : how == 1 ? p->naive[i] && !q.naive[i]
                                         : q.naive[i];
        hb_bitmap_fini(&q.map);
}

static void step(struct pair *p) {
        uint64_t i = below(p->bits), n = below(p->bits + 20);
        unsigned op = (unsigned)below(32);

        if (op < 10) {
                hb_bitmap_set(&p->map, i);
                p->naive[i] = true;
        } else if (op < 20) {
                hb_bitmap_clear(&p->map, i);
                p->naive[i] = false;
        } else if (op < 25) {
                hb_bitmap_set_range(&p->map, i, n); /* often past the end: cut there */
                put_naive(p, i, n, true);
        } else if (op < 28) {
                hb_bitmap_clear_range(&p->map, i, n);
                put_naive(p, i, n, false);
        } else if (op < 30) {
                join(p);
        } else if (op == 30) {
                hb_bitmap_set_all(&p->map);
                put_naive(p, 0, p->bits, true);
        } else {
                hb_bitmap_clear_all(&p->map);
                put_naive(p, 0, p->bits, false);
        }
}

static void random_histories_agree(void **state) {
        static const uint64_t sizes[] = {1, 2, 63, 64, 65, 127, 128, 129, 191, 192, 200, 256, 321, MAX_BITS};

        for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
                struct pair p;

                seed = 0xBEEF + s;
                open_pair(&p, sizes[s]);
                check_bits(&p);
                for (unsigned n = 0; n < 200; n++) {
                        step(&p);
                        check_bits(&p);
                        check_runs(&p, below(3) ? below(70) : 0);
                }
                hb_bitmap_fini(&p.map);
        }
}

/* Every range over three words: ends at, before and after each word boundary. */
static void every_range(void **state) {
        struct pair p;

        open_pair(&p, 150);
        for (uint64_t first = 0; first < 150; first++) {
                for (uint64_t count = 0; count <= 150 - first; count++) {
                        hb_bitmap_clear_all(&p.map);
                        hb_bitmap_set_range(&p.map, first, count);
                        assert_int_equal(hb_bitmap_count(&p.map), count);
                        assert_true(count == 0 || (hb_bitmap_test(&p.map, first) &&
                                                   hb_bitmap_test(&p.map, first + count - 1)));
                        hb_bitmap_clear_range(&p.map, first, count);
                        assert_int_equal(hb_bitmap_count(&p.map), 0);
                }
        }
        hb_bitmap_fini(&p.map);
}

static void ranges_cannot_overflow(void **state) {
        struct hb_bitmap b;

        assert_int_equal(hb_bitmap_init(&b, 100), 0);
        hb_bitmap_set_range(&b, 90, UINT64_MAX);
        assert_int_equal(hb_bitmap_count(&b), 10);
        hb_bitmap_set_range(&b, UINT64_MAX, UINT64_MAX);
        hb_bitmap_set_range(&b, 100, 1);
        assert_int_equal(hb_bitmap_count(&b), 10);
        hb_bitmap_fini(&b);
}

static void runs_are_cut_at_max(void **state) {
        uint64_t first, count, from = 0, runs = 0;
        struct hb_bitmap b;

        assert_int_equal(hb_bitmap_init(&b, 1000), 0);
        hb_bitmap_set_range(&b, 10, 200);
        for (; hb_bitmap_next_run(&b, from, 64, &first, &count); from = first + count, runs++)
                assert_int_equal(count, runs < 3 ? 64 : 8);
        assert_int_equal(runs, 4);
        assert_true(hb_bitmap_next_run(&b, 0, UINT64_MAX, &first, &count));
        assert_int_equal(count, 200);
        hb_bitmap_fini(&b);
}

static void empty_bitmap(void **state) {
        uint64_t first, count;
        struct hb_bitmap b;

        assert_int_equal(hb_bitmap_init(&b, 0), 0);
        hb_bitmap_set_all(&b);
        hb_bitmap_clear_all(&b);
        hb_bitmap_set_range(&b, 0, 5);
        assert_int_equal(hb_bitmap_count(&b), 0);
        assert_false(hb_bitmap_next_run(&b, 0, 0, &first, &count));
        hb_bitmap_fini(&b);
        hb_bitmap_fini(&b);
        hb_bitmap_fini(NULL);
}

static void failure_leaves_it_unwritten(void **state) {
        struct hb_bitmap b = {.bits = 42};

        assert_true(hb_fail_nth(1));
        assert_int_equal(hb_bitmap_init(&b, 64), -ENOMEM);
        hb_fault_disarm();
        assert_int_equal(b.bits, 42);
        assert_int_equal(hb_bitmap_init(&b, UINT64_MAX), -ENOMEM);
        assert_int_equal(b.bits, 42);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(random_histories_agree), cmocka_unit_test(every_range),
                cmocka_unit_test(ranges_cannot_overflow), cmocka_unit_test(runs_are_cut_at_max),
                cmocka_unit_test(empty_bitmap),           cmocka_unit_test(failure_leaves_it_unwritten),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
