/* A page's past against a naive one that lists its windows: words, counts, rings; and that memory follows
 * what is touched. */
#include "base/bitmap.h"
#include "base/fault.h"
#include "check.h"
#include "map/history_word.h"
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#define PAGES 1500u
#define SPAN  1200u /* windows a run of the model lasts */

static uint64_t rng_state;

static uint32_t rnd(uint32_t below) {
        rng_state = rng_state * 6364136223846793005ull + 1442695040888963407ull;
        return (uint32_t)((rng_state >> 33) % below);
}

/* ---- the naive past: bit of each window, by walking back from now ---- */

static void walk(uint32_t now, uint8_t bit_of[HB_HISTORY_WINDOWS]) {
        unsigned bit = 0;

        memset(bit_of, HB_HISTORY_BITS, HB_HISTORY_WINDOWS);
        for (uint32_t age = 0; age < HB_HISTORY_WINDOWS && age < now && bit < 64; age++) {
                uint32_t w = now - age;

                bit_of[age] = (uint8_t)bit;
                if (bit < 32 || (bit < 48 && w % 4 == 0) || (bit >= 48 && w % 16 == 0))
                        bit++;
        }
}

struct naive {
        uint8_t at[SPAN]; /* by window less the first: 1 seen, 2 written */
        uint32_t first, last;
        unsigned times, times_written;
};

static uint64_t word_of(const struct naive *n, uint32_t base, uint32_t now, uint8_t what) {
        uint8_t bit_of[HB_HISTORY_WINDOWS];
        uint64_t word = 0;

        walk(now, bit_of);
        for (uint32_t age = 0; age < HB_HISTORY_WINDOWS && now - age >= base && age < now; age++)
                if (now - age - base < SPAN && n->at[now - age - base] & what && bit_of[age] < 64)
                        word |= 1ull << bit_of[age];
        return word;
}

static void naive_note(struct naive *n, uint32_t base, uint32_t w, bool written) {
        uint8_t *at = &n->at[w - base];

        n->times += !(*at & 1);
        n->times_written += written && !(*at & 2);
        *at |= written ? 3 : 1;
        n->first = n->first && n->first < w ? n->first : w;
        n->last = n->last > w ? n->last : w;
}

static void assert_same(const hb_history *h, const struct naive *n, uint64_t gfn, uint32_t base,
                        uint32_t now) {
        struct hb_history_page p;

        hb_history_page(h, gfn, now, &p);
        if (p.seen != word_of(n, base, now, 1) || p.written != word_of(n, base, now, 2))
                fail_msg("page %lu as of %u: %016lx, not %016lx", gfn, now, p.seen, word_of(n, base, now, 1));
        assert_int_equal(p.times, n->times);
        assert_int_equal(p.times_written, n->times_written);
        assert_int_equal(p.first, n->first);
        assert_int_equal(p.last, n->last);
}

static void assert_rings(const hb_history *h, const struct naive *n, uint32_t base, uint32_t now) {
        static struct hb_history_counts want[3 + 1][HB_HISTORY_RING];
        struct hb_history_counts got[HB_HISTORY_RING];

        memset(want, 0, sizeof(want));
        for (unsigned g = 0; g < PAGES; g++)
                for (uint32_t i = 0; i < HB_HISTORY_RING && now - i >= base; i++) {
                        uint8_t at = n[g].at[now - i - base];

                        want[g / 512][i].seen += at & 1;
                        want[g / 512][i].written += at >> 1;
                        want[3][i].seen += at & 1;
                        want[3][i].written += at >> 1;
                }
        for (unsigned b = 0; b < 3; b++) {
                hb_history_block(h, b, now, HB_HISTORY_RING, got);
                assert_memory_equal(got, want[b], sizeof(got));
        }
        hb_history_guest(h, now, HB_HISTORY_RING, got);
        assert_memory_equal(got, want[3], sizeof(got));
}

/* Random pages, each with its own rhythm; writes noted as they happen, reads up to `late` windows later. */
static void run_model(uint32_t base, uint32_t late) {
        struct naive *n = calloc(PAGES, sizeof(*n));
        hb_history *h = NULL;

        assert_non_null(n);
        assert_int_equal(hb_history_new(PAGES, &h), 0);
        for (uint32_t i = 0; i < SPAN; i++) {
                uint32_t w = base + i;

                for (unsigned k = 0; k < 40; k++) {
                        uint64_t g = rnd(PAGES);
                        bool written = rnd(2);
                        uint32_t at = written || i < late ? w : w - rnd(late + 1);

                        if (g % 7 == 0 && i % 211 > 20)
                                continue; /* long absences */
                        naive_note(&n[g], base, at, written);
                        assert_int_equal(hb_history_note(h, g, at, written), 0);
                        if (rnd(4) == 0)
                                assert_int_equal(hb_history_note(h, g, at, written && rnd(2)), 0);
                }
                for (unsigned k = 0; k < 20; k++) {
                        uint64_t g = rnd(PAGES);

                        assert_same(h, &n[g], g, base, w);
                }
                if (i % 100 == 99)
                        assert_rings(h, n, base, w);
        }
        for (unsigned g = 0; g < PAGES; g++) /* as of later, asked in one go */
                assert_same(h, &n[g], g, base, base + SPAN - 1 + g % 400);
        hb_history_free(h);
        free(n);
}

static void test_as_the_naive_one(void **state) {
        rng_state = 1;
        run_model(1, 0);
        run_model(2, 5);
        run_model(1000003, 31);
        run_model(UINT32_MAX - SPAN - 500, 12);
}

static void test_each_window_has_one_bit(void **state) {
        for (uint32_t now = 1; now < 2000; now += now < 400 ? 1 : 17) {
                uint8_t bit_of[HB_HISTORY_WINDOWS];
                uint32_t from, to, end = 0;

                walk(now, bit_of);
                for (unsigned b = 0; b < HB_HISTORY_BITS; b++) {
                        hb_history_bit_age(b, now, &from, &to);
                        assert_int_equal(from, end); /* one after the other, no gap */
                        assert_true(to > from && to - from <= (b < 32 ? 1 : b < 48 ? 4 : 16));
                        for (uint32_t age = from; age < to && age < now; age++) {
                                assert_int_equal(bit_of[age], b);
                                assert_int_equal(hb_history_bit_of(now - age, now), b);
                        }
                        end = to;
                }
                assert_true(end <= HB_HISTORY_WINDOWS && end > HB_HISTORY_WINDOWS - 16);
        }
}

static void test_a_word_moves_as_well_in_steps(void **state) {
        rng_state = 7;
        for (unsigned k = 0; k < 2000; k++) {
                uint32_t from = 1 + rnd(5000), to = from + rnd(400), w = from;
                uint64_t word = ((uint64_t)rnd(1u << 31) << 33) ^ ((uint64_t)rnd(1u << 31) << 11) ^ rnd(2048);
                uint64_t steps = word;

                while (w < to) {
                        uint32_t next = w + 1 + rnd(to - w);

                        steps = hb_history_move(steps, w, next);
                        w = next;
                }
                assert_true(steps == hb_history_move(word, from, to));
        }
}

static void test_late_notes_of_long_ago(void **state) {
        hb_history *h = NULL;
        struct hb_history_page p;

        assert_int_equal(hb_history_new(512, &h), 0);
        assert_int_equal(hb_history_note(h, 3, 500, false), 0);
        assert_int_equal(hb_history_note(h, 3, 450, false), 0); /* before the first: counted */
        assert_int_equal(hb_history_note(h, 3, 451, true), 0);  /* same span (448..451): not told apart */
        assert_int_equal(hb_history_note(h, 3, 100, true), 0);  /* beyond reach */
        hb_history_page(h, 3, 500, &p);
        assert_int_equal(p.times, 3);
        assert_int_equal(p.times_written, 2);
        assert_int_equal(p.first, 100);
        assert_int_equal(p.last, 500);
        assert_true(p.seen == (1ull | 1ull << 37)); /* 500-32 = 468: span 117; 450: span 112 */
        assert_true(p.written == 1ull << 37);
        assert_int_equal(hb_history_note(h, 3, 99, false), 0);
        assert_int_equal(hb_history_note(h, 3, 99, false), 0);
        hb_history_page(h, 3, 500, &p);
        assert_int_equal(p.times, 4);
        hb_history_page(h, 3, 400, &p); /* not a question: answered as of the newest */
        assert_true(p.seen & 1);
        hb_history_free(h);
}

static void test_times_saturate(void **state) {
        hb_history *h = NULL;
        struct hb_history_page p;

        assert_int_equal(hb_history_new(1, &h), 0);
        for (uint32_t w = 1; w <= 70000; w++)
                assert_int_equal(hb_history_note(h, 0, w, w % 2), 0);
        hb_history_page(h, 0, 70000, &p);
        assert_int_equal(p.times, UINT16_MAX);
        assert_int_equal(p.times_written, 35000);
        assert_true(p.seen == UINT64_MAX);
        hb_history_free(h);
}

static void test_strangers(void **state) {
        hb_history *h = NULL;
        struct hb_history_page p = {.times = 1};
        struct hb_history_counts c = {.seen = 9};

        assert_int_equal(hb_history_new(1000, &h), 0);
        assert_int_equal(hb_history_pages(h), 1000);
        assert_int_equal(hb_history_note(h, 1000, 5, true), -EINVAL);
        assert_int_equal(hb_history_note(h, 0, 0, true), -EINVAL);
        hb_history_page(h, 5000, 9, &p);
        assert_int_equal(p.times, 0);
        hb_history_page(h, 700, 9, &p);
        assert_true(p.seen == 0 && p.first == 0);
        hb_history_block(h, 77, 9, 1, &c);
        assert_int_equal(c.seen, 0);
        assert_false(hb_history_block_known(h, 1));
        assert_int_equal(hb_history_note(h, 700, 9, false), 0);
        assert_true(hb_history_block_known(h, 1));
        assert_false(hb_history_block_known(h, 0));
        assert_false(hb_history_block_known(h, 2));
        hb_history_free(h);
        assert_null(hb_history_free(NULL));
}

static size_t in_use(void) {
        struct mallinfo2 m = mallinfo2();

        return m.uordblks + m.hblkhd;
}

static void test_memory_follows_what_is_touched(void **state) {
        const uint64_t pages = 64ull << 18; /* 64 GiB */
        hb_history *h = NULL;
        size_t before, empty;

#if defined(__SANITIZE_ADDRESS__)
        skip();
#endif
        before = in_use();
        assert_int_equal(hb_history_new(pages, &h), 0);
        empty = in_use();
        assert_true(empty - before < pages / 32);
        for (uint64_t b = 0; b < 100; b++)
                for (uint64_t g = 0; g < 512; g++)
                        assert_int_equal(hb_history_note(h, b * 300 * 512 + g, 1 + (uint32_t)g % 9, g & 1),
                                         0);
        assert_true(in_use() - empty < 100 * 512 * 30);
        hb_history_free(h);
}

static void test_no_memory_loses_only_the_page(void **state) {
        hb_history *h = NULL;
        struct hb_history_page p;

        assert_int_equal(hb_fault_arm("history.new=fail"), 0);
        assert_int_equal(hb_history_new(10, &h), -ENOMEM);
        hb_fault_disarm();
        assert_int_equal(hb_history_new(10, &h), 0);
        assert_int_equal(hb_fault_arm("history.block=fail"), 0);
        assert_int_equal(hb_history_note(h, 1, 1, true), -ENOMEM);
        hb_fault_disarm();
        assert_false(hb_history_block_known(h, 0));
        assert_int_equal(hb_history_note(h, 1, 2, true), 0);
        hb_history_page(h, 1, 2, &p);
        assert_int_equal(p.first, 2);
        hb_history_free(h);
}

static void test_a_set_is_noted_as_its_pages(void **state) {
        hb_history *a = NULL, *b = NULL;
        struct hb_bitmap set;

        rng_state = 3;
        assert_int_equal(hb_history_new(PAGES, &a), 0);
        assert_int_equal(hb_history_new(PAGES, &b), 0);
        assert_int_equal(hb_bitmap_init(&set, PAGES), 0);
        for (uint32_t w = 1; w < 80; w++) {
                hb_bitmap_clear_all(&set);
                for (unsigned k = 0; k < 400; k++)
                        hb_bitmap_set(&set, rnd(PAGES));
                hb_history_note_all(a, &set, w, w % 3);
                for (uint64_t g = 0; g < PAGES; g++)
                        if (hb_bitmap_test(&set, g))
                                assert_int_equal(hb_history_note(b, g, w, w % 3), 0);
        }
        for (uint64_t g = 0; g < PAGES; g++) {
                struct hb_history_page x, y;

                hb_history_page(a, g, 90, &x);
                hb_history_page(b, g, 90, &y);
                assert_true(x.seen == y.seen && x.written == y.written && x.times == y.times &&
                            x.times_written == y.times_written && x.first == y.first && x.last == y.last);
        }
        hb_bitmap_fini(&set);
        hb_history_free(a);
        hb_history_free(b);
}

static void test_within(void **state) {
        assert_true(hb_history_within(1, 1));
        assert_false(hb_history_within(2, 1));
        assert_true(hb_history_within(2, 2));
        assert_false(hb_history_within(1ull << 32, 100)); /* exact only for single windows */
        assert_true(hb_history_within(1u << 31, 32));
        assert_false(hb_history_within(1u << 31, 31));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_as_the_naive_one),
                cmocka_unit_test(test_each_window_has_one_bit),
                cmocka_unit_test(test_a_word_moves_as_well_in_steps),
                cmocka_unit_test(test_late_notes_of_long_ago),
                cmocka_unit_test(test_times_saturate),
                cmocka_unit_test(test_strangers),
                cmocka_unit_test(test_memory_follows_what_is_touched),
                cmocka_unit_test(test_no_memory_loses_only_the_page),
                cmocka_unit_test(test_a_set_is_noted_as_its_pages),
                cmocka_unit_test(test_within),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
