/* Every sum both ways: known answers, and equality over lengths, alignments, seeds and cuts. Whatever this
 * machine offers, the forced plain way is compared with bit-by-bit definitions too, so that both cannot be
 * wrong alike. */
#include "sum/sum.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SIZE = 70000 };

static uint64_t next(uint64_t *x) {
        *x ^= *x << 13;
        *x ^= *x >> 7;
        *x ^= *x << 17;
        return *x;
}

static uint8_t *random_bytes(size_t n) {
        uint8_t *p = malloc(n);
        uint64_t x = 88172645463325252ull;

        assert_non_null(p);
        for (size_t i = 0; i < n; i++)
                p[i] = (uint8_t)(next(&x) >> 24);
        return p;
}

static uint64_t by_bits(uint64_t polynomial, uint64_t ones, uint64_t seed, const uint8_t *p, size_t n) {
        uint64_t crc = seed ^ ones;

        for (size_t i = 0; i < n; i++) {
                crc ^= p[i];
                for (unsigned bit = 0; bit < 8; bit++)
                        crc = crc >> 1 ^ (crc & 1 ? polynomial : 0);
        }
        return crc ^ ones;
}

static void known_answers(bool plain) {
        static const uint8_t zeros[32];

        hb_sum_force_plain(plain);
        assert_int_equal(hb_crc32c("123456789", 9), 0xE3069283);
        assert_int_equal(hb_crc32c(zeros, 32), 0x8A9136AA); /* RFC 3720, B.4 */
        assert_int_equal(hb_crc32c("", 0), 0);
        assert_true(hb_crc64(0, "123456789", 9) == 0x995DC9BBDF1939FAull); /* CRC-64/XZ's check value */
        assert_true(hb_crc64(0, "", 0) == 0);
        assert_true(hb_crc64(77, NULL, 0) == 77);
        assert_true(hb_hash64(0, "", 0) == 0x2D06800538D394C2ull); /* XXH3-64 of nothing */
        hb_sum_force_plain(false);
}

static void test_known(void **state) {
        known_answers(false);
        known_answers(true);
}

static void test_definition(void **state) {
        uint8_t *p = random_bytes(600);

        for (int plain = 0; plain < 2; plain++) {
                hb_sum_force_plain(plain);
                for (size_t n = 0; n < 600; n++) {
                        uint64_t seed = n * 0x9E3779B97F4A7C15ull;

                        assert_int_equal(hb_crc32c_more((uint32_t)seed, p, n),
                                         (uint32_t)by_bits(0x82F63B78, 0xFFFFFFFF, (uint32_t)seed, p, n));
                        assert_true(hb_crc64(seed, p, n) ==
                                    by_bits(0xC96C5795D7870F42ull, ~0ull, seed, p, n));
                }
        }
        hb_sum_force_plain(false);
        free(p);
}

struct sums {
        uint32_t crc32c;
        uint64_t crc64, hash64, in_pieces;
};

static struct sums all_of(uint64_t seed, const uint8_t *p, size_t n, size_t cut) {
        struct sums s = {hb_crc32c_more((uint32_t)seed, p, n), hb_crc64(seed, p, n), hb_hash64(seed, p, n),
                         0};
        struct hb_hash64 h;

        hb_hash64_start(&h, seed);
        hb_hash64_more(&h, p, cut);
        hb_hash64_more(&h, p + cut, n - cut);
        s.in_pieces = hb_hash64_end(&h);
        assert_true(s.in_pieces == s.hash64);
        assert_int_equal(hb_crc32c_more(hb_crc32c_more((uint32_t)seed, p, cut), p + cut, n - cut), s.crc32c);
        assert_true(hb_crc64(hb_crc64(seed, p, cut), p + cut, n - cut) == s.crc64);
        return s;
}

static void compare(uint64_t seed, const uint8_t *p, size_t n, size_t cut) {
        struct sums fast, plain;

        fast = all_of(seed, p, n, cut);
        hb_sum_force_plain(true);
        plain = all_of(seed, p, n, cut);
        hb_sum_force_plain(false);
        assert_memory_equal(&fast, &plain, sizeof fast);
}

/* Each length up to 1,100 at each alignment, then random ones up to 64 KiB, each with seeds and a cut. */
static void test_both_ways(void **state) {
        uint8_t *p = random_bytes(SIZE), *own;
        uint64_t x = 2463534242u;

        for (size_t n = 0; n <= 1100; n++)
                compare(n % 3 ? next(&x) : 0, p + n % 64, n, n ? next(&x) % (n + 1) : 0);
        for (unsigned from = 0; from < 64; from++)
                compare(from, p + from, 4096, next(&x) % 4097);
        for (unsigned i = 0; i < 150; i++) {
                size_t n = next(&x) % 65536, from = next(&x) % 4096;

                compare(next(&x), p + from, n, n ? next(&x) % (n + 1) : 0);
        }
        for (size_t n = 1; n < 300; n++) { /* nothing beyond the end is read: a sanitizer would see it */
                own = malloc(n);
                assert_non_null(own);
                memcpy(own, p, n);
                compare(n, own, n, n / 2);
                free(own);
        }
        free(p);
}

/* A state that was begun one way is ended the other. */
static void test_state_changes_hands(void **state) {
        uint8_t *p = random_bytes(20000);
        struct hb_hash64 h;

        for (int plain = 0; plain < 2; plain++) {
                hb_hash64_start(&h, 5);
                hb_sum_force_plain(plain);
                hb_hash64_more(&h, p, 9001);
                hb_sum_force_plain(!plain);
                hb_hash64_more(&h, p + 9001, 20000 - 9001);
                assert_true(hb_hash64_end(&h) == hb_hash64(5, p, 20000));
        }
        hb_sum_force_plain(false);
        free(p);
}

static void test_describe(void **state) {
        struct hb_sum_described d;

        hb_sum_describe(&d);
        assert_true(strstr(d.crc32c, "ISA-L (") == d.crc32c || strstr(d.crc32c, "lacks") != NULL);
        assert_true(strstr(d.hash64, "XXH3 (") == d.hash64);
        hb_sum_force_plain(true);
        hb_sum_describe(&d);
        assert_string_equal(d.crc32c, "plain C (asked for)");
        assert_string_equal(d.crc64, "plain C (asked for)");
        assert_string_equal(d.hash64, "plain C (asked for)");
        hb_sum_force_plain(false);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_known),     cmocka_unit_test(test_definition),
                cmocka_unit_test(test_both_ways), cmocka_unit_test(test_state_changes_hands),
                cmocka_unit_test(test_describe),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
