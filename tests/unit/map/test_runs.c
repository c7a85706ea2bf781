/* Page runs: random sets there and back, one spelling only, and bad lists that change nothing. */
#include "check.h"
#include "map/summary.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BITS  1000u
#define WORDS ((BITS + 63) / 64)

static void test_there_and_back(void **state) {
        struct hb_bitmap a, b;
        struct hb_buf buf = {0};

        srandom(3);
        assert_int_equal(hb_bitmap_init(&a, BITS), 0);
        assert_int_equal(hb_bitmap_init(&b, BITS), 0);
        for (unsigned round = 0; round < 500; round++) {
                struct hb_rd rd;

                hb_bitmap_clear_all(&a);
                hb_bitmap_clear_all(&b);
                hb_buf_reset(&buf);
                for (unsigned i = 0; i < round % 40; i++)
                        hb_bitmap_set_range(&a, (uint64_t)random() % BITS, (uint64_t)random() % (round + 1));
                hb_runs_encode(&a, &buf);
                rd = hb_rd_init(buf.data, buf.len);
                assert_int_equal(hb_runs_decode(&rd, &b), hb_bitmap_count(&a));
                assert_true(hb_rd_done(&rd));
                assert_memory_equal(a.words, b.words, WORDS * 8);
        }
        hb_buf_free(&buf);
        hb_bitmap_fini(&a);
        hb_bitmap_fini(&b);
}

static void refuse(const char *bytes, size_t n) {
        struct hb_bitmap b;
        struct hb_rd rd = hb_rd_init(bytes, n);

        assert_int_equal(hb_bitmap_init(&b, 100), 0);
        assert_int_equal(hb_runs_decode(&rd, &b), -EBADMSG);
        assert_false(hb_rd_ok(&rd));
        assert_int_equal(hb_bitmap_count(&b), 0); /* nothing of a bad list is kept */
        hb_bitmap_fini(&b);
}

static void test_bad_lists(void **state) {
        refuse("\x01", 1);                                                  /* a gap without a length */
        refuse("\x01\x00", 2);                                              /* empty run */
        refuse("\x01\x02\x00\x02", 4);                                      /* touching runs */
        refuse("\x01\x02\x05\x64", 4);                                      /* past the end */
        refuse("\x64\x01", 2);                                              /* begins at the end */
        refuse("\x01\x80\x00", 3);                                          /* overlong varint */
        refuse("\x01\x02\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02", 13); /* wraps */
        refuse("\x05\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
}

static void test_whole_and_empty(void **state) {
        struct hb_bitmap b;
        struct hb_rd rd = hb_rd_init("\x00\x64", 2);

        assert_int_equal(hb_bitmap_init(&b, 100), 0);
        assert_int_equal(hb_runs_decode(&rd, &b), 100);
        assert_int_equal(hb_bitmap_count(&b), 100);
        rd = hb_rd_init("", 0);
        assert_int_equal(hb_runs_decode(&rd, &b), 0);
        hb_bitmap_fini(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_there_and_back),
                cmocka_unit_test(test_bad_lists),
                cmocka_unit_test(test_whole_and_empty),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
