/* The cursor must never read past its end, never give data after a failure, and read back all that hb_buf
 * wrote. */
#include "base/bytes.h"
#include "base/fault.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const uint64_t values[] = {0,
                                  1,
                                  127,
                                  128,
                                  255,
                                  256,
                                  16383,
                                  16384,
                                  65535,
                                  65536,
                                  (1u << 21) - 1,
                                  1u << 21,
                                  UINT32_MAX,
                                  1ull << 32,
                                  1ull << 35,
                                  1ull << 62,
                                  1ull << 63,
                                  UINT64_MAX - 1,
                                  UINT64_MAX};
#define NVALUES (sizeof(values) / sizeof(values[0]))

static void write_all(struct hb_buf *b) {
        for (size_t i = 0; i < NVALUES; i++) {
                hb_buf_u8(b, (uint8_t)values[i]);
                hb_buf_u16(b, (uint16_t)values[i]);
                hb_buf_u32(b, (uint32_t)values[i]);
                hb_buf_u64(b, values[i]);
                hb_buf_varint(b, values[i]);
                hb_buf_str(b, i % 2 ? "host-b" : "");
        }
}

/* What is above its bound, and a bool that is neither 0 nor 1, fails; a double comes back to the last bit. */
static void test_bounded_ones(void **state) {
        static const double reals[] = {0, -0.0, 1.5, -1e300, 5e-324};
        struct hb_buf b = {0};
        struct hb_rd r;

        for (size_t i = 0; i < sizeof(reals) / sizeof(reals[0]); i++)
                hb_buf_f64(&b, reals[i]);
        r = hb_rd_init(b.data, b.len);
        for (size_t i = 0; i < sizeof(reals) / sizeof(reals[0]); i++) {
                double v = hb_rd_f64(&r);

                assert_memory_equal(&v, &reals[i], sizeof(v));
        }
        assert_true(hb_rd_done(&r));
        hb_rd_f64(&r);
        assert_false(hb_rd_ok(&r));
        hb_buf_reset(&b);
        hb_buf_varint(&b, 300);
        r = hb_rd_init(b.data, b.len);
        assert_int_equal(hb_rd_upto(&r, 300), 300);
        r = hb_rd_init(b.data, b.len);
        assert_int_equal(hb_rd_upto(&r, 299), 0);
        assert_false(hb_rd_ok(&r));
        r = hb_rd_init("\0\1\2", 3);
        assert_false(hb_rd_bool(&r));
        assert_true(hb_rd_bool(&r) && hb_rd_ok(&r));
        assert_false(hb_rd_bool(&r));
        assert_false(hb_rd_ok(&r));
        hb_buf_free(&b);
}

static bool read_all(struct hb_rd *r) {
        bool same = true;
        char text[8];

        for (size_t i = 0; i < NVALUES; i++) {
                same &= hb_rd_u8(r) == (uint8_t)values[i];
                same &= hb_rd_u16(r) == (uint16_t)values[i];
                same &= hb_rd_u32(r) == (uint32_t)values[i];
                same &= hb_rd_u64(r) == values[i];
                same &= hb_rd_varint(r) == values[i];
                hb_rd_str(r, text, sizeof(text));
                same &= strcmp(text, i % 2 ? "host-b" : "") == 0;
        }
        return same;
}

static void what_was_written_is_read(void **state) {
        struct hb_buf b = {0};
        struct hb_rd r;

        write_all(&b);
        assert_false(b.failed);
        r = hb_rd_init(b.data, b.len);
        assert_true(read_all(&r));
        assert_true(hb_rd_done(&r));
        hb_buf_free(&b);
        assert_null(b.data);
}

static void every_cut_fails_and_stays_failed(void **state) {
        struct hb_buf b = {0};

        write_all(&b);
        for (size_t cut = 0; cut < b.len; cut++) {
                uint8_t *exact = malloc(cut ? cut : 1); /* of exactly its size, for AddressSanitizer */
                struct hb_rd r;

                memcpy(exact, b.data, cut);
                r = hb_rd_init(exact, cut);
                read_all(&r);
                assert_false(hb_rd_ok(&r));
                assert_false(hb_rd_done(&r));
                assert_int_equal(hb_rd_left(&r), 0);
                assert_int_equal(hb_rd_u8(&r), 0);
                assert_int_equal(hb_rd_u64(&r), 0);
                assert_int_equal(hb_rd_varint(&r), 0);
                assert_null(hb_rd_raw(&r, 0));
                free(exact);
        }
        hb_buf_free(&b);
}

static void bytes_are_little_endian(void **state) {
        static const uint8_t data[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0x80, 0x01};
        struct hb_rd r = hb_rd_init(data, sizeof(data));

        assert_int_equal(hb_rd_u16(&r), 0x0201);
        assert_int_equal(hb_rd_u32(&r), 0x06050403);
        assert_true(hb_rd_u64(&r) == 0x0E0D0C0B0A090807ull);
        assert_int_equal(hb_rd_varint(&r), 128);
        assert_true(hb_rd_done(&r));
}

static bool varint_fails(const void *data, size_t size) {
        struct hb_rd r = hb_rd_init(data, size);
        uint64_t v = hb_rd_varint(&r);

        assert_true(hb_rd_ok(&r) || v == 0);
        return !hb_rd_ok(&r);
}

static void varint_has_one_spelling(void **state) {
        assert_false(varint_fails("\x00", 1));
        assert_true(varint_fails("\x80\x00", 2));                                   /* 0 in two bytes */
        assert_true(varint_fails("\xFF\x80\x00", 3));                               /* 127 in three */
        assert_true(varint_fails("\x80", 1));                                       /* no end */
        assert_false(varint_fails("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", 10)); /* 2^64 - 1 */
        assert_true(varint_fails("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", 10));  /* 65 bits */
        assert_true(varint_fails("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", 10));
        assert_true(varint_fails("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", 11)); /* eleven bytes */
        assert_true(varint_fails("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 10));
}

/* All inputs of up to three bytes: what is accepted encodes to exactly the bytes that were read. */
static void varint_exhaustive_short(void **state) {
        unsigned accepted = 0;

        for (uint32_t x = 0; x < 1u << 24; x += x < 1u << 16 ? 1 : 97) {
                uint8_t data[3] = {(uint8_t)x, (uint8_t)(x >> 8), (uint8_t)(x >> 16)};
                struct hb_rd r = hb_rd_init(data, sizeof(data));
                uint64_t v = hb_rd_varint(&r);
                struct hb_buf b = {0};

                if (!hb_rd_ok(&r))
                        continue;
                accepted++;
                hb_buf_varint(&b, v);
                if (b.len != sizeof(data) - hb_rd_left(&r) || memcmp(b.data, data, b.len) != 0)
                        fail_msg("%06x read as %llu is written otherwise", x, (unsigned long long)v);
                hb_buf_free(&b);
        }
        assert_true(accepted > 1000);
}

static void str_fails(const void *data, size_t size, size_t room) {
        struct hb_rd r = hb_rd_init(data, size);
        char out[16];

        memset(out, 'x', sizeof(out));
        hb_rd_str(&r, out, room);
        assert_false(hb_rd_ok(&r));
        for (size_t i = room; i < sizeof(out); i++)
                assert_int_equal(out[i], 'x');
        if (room > 0)
                assert_int_equal(out[0], '\0');
}

static void strings_are_bounded(void **state) {
        struct hb_rd r = hb_rd_init("\x03\x00"
                                    "abc",
                                    5);
        char out[4];

        hb_rd_str(&r, out, sizeof(out));
        assert_true(hb_rd_done(&r));
        assert_string_equal(out, "abc");
        str_fails("\x03\x00"
                  "abc",
                  5, 3); /* no room for the terminator */
        str_fails("\x03\x00"
                  "abc",
                  5, 1);
        str_fails("\x03\x00"
                  "abc",
                  5, 0);
        str_fails("\x00\x00", 2, 0); /* not even for an empty one */
        str_fails("\x03\x00"
                  "ab",
                  4, 8); /* cut */
        str_fails("\xFF\xFF"
                  "ab",
                  4, 8);
        str_fails("\x03\x00"
                  "a\0c",
                  5, 8); /* NUL inside */
        str_fails("\x03", 1, 8);
}

static void raw_points_into_the_data(void **state) {
        static const uint8_t data[4] = {9, 8, 7, 6};
        struct hb_rd r = hb_rd_init(data, sizeof(data));

        assert_ptr_equal(hb_rd_raw(&r, 3), data);
        assert_int_equal(hb_rd_left(&r), 1);
        assert_non_null(hb_rd_raw(&r, 0));
        assert_null(hb_rd_raw(&r, SIZE_MAX));
        assert_false(hb_rd_ok(&r));
        assert_null(hb_rd_raw(&r, 1));
}

static void empty_and_null_input(void **state) {
        struct hb_rd r = hb_rd_init(NULL, 0);

        assert_true(hb_rd_done(&r));
        assert_int_equal(hb_rd_u8(&r), 0);
        assert_false(hb_rd_ok(&r));
        r = hb_rd_init(NULL, 100); /* a caller's bug must not become a read of nothing */
        assert_int_equal(hb_rd_left(&r), 0);
}

static void buffer_fails_and_drops(void **state) {
        struct hb_buf b = {0};

        hb_buf_u32(&b, 7);
        assert_null(hb_buf_space(&b, SIZE_MAX));
        assert_true(b.failed);
        hb_buf_u32(&b, 8);
        hb_buf_set_u32(&b, 0, 9);
        assert_int_equal(b.len, 4);
        assert_int_equal(b.data[0], 7);
        hb_buf_reset(&b);
        assert_false(b.failed);
        assert_int_equal(b.len, 0);
        hb_buf_u8(&b, 1);
        assert_int_equal(b.len, 1);
        hb_buf_free(&b);
        hb_buf_free(&b);
}

static void patching_stays_inside(void **state) {
        struct hb_buf b = {0};
        struct hb_rd r;

        hb_buf_u8(&b, 1);
        hb_buf_u32(&b, 0);
        hb_buf_set_u32(&b, 1, 0xA1B2C3D4);
        r = hb_rd_init(b.data + 1, 4);
        assert_true(hb_rd_u32(&r) == 0xA1B2C3D4);
        hb_buf_set_u32(&b, 2, 1);
        assert_true(b.failed);
        hb_buf_reset(&b);
        hb_buf_u16(&b, 1);
        hb_buf_set_u32(&b, 0, 1);
        assert_true(b.failed);
        hb_buf_reset(&b);
        hb_buf_u32(&b, 1);
        hb_buf_set_u32(&b, SIZE_MAX, 1);
        assert_true(b.failed);
        hb_buf_free(&b);
}

static void long_strings(void **state) {
        char *s = malloc(65537);
        struct hb_buf b = {0};

        memset(s, 'a', 65536);
        s[65536] = '\0';
        hb_buf_str(&b, s);
        assert_true(b.failed);
        hb_buf_reset(&b);
        s[65535] = '\0';
        hb_buf_str(&b, s);
        assert_false(b.failed);
        assert_int_equal(b.len, 65537);
        hb_buf_free(&b);
        free(s);
}

static void growth_failing_each_time(void **state) {
        unsigned failures = 0;

        for (unsigned n = 1; hb_fail_nth(n); n++) {
                struct hb_buf b = {0};

                for (unsigned i = 0; i < 1000; i++)
                        hb_buf_u64(&b, i);
                assert_true(b.failed == (hb_fault_passed() >= n));
                assert_true(b.len <= b.cap);
                assert_true(b.failed ? b.len % 8 == 0 && b.len < 8000 : b.len == 8000);
                failures += b.failed;
                hb_buf_free(&b);
        }
        assert_int_equal(failures, 8); /* 64 B doubled until it holds 8000 */
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_was_written_is_read),
                cmocka_unit_test(every_cut_fails_and_stays_failed),
                cmocka_unit_test(bytes_are_little_endian),
                cmocka_unit_test(varint_has_one_spelling),
                cmocka_unit_test(varint_exhaustive_short),
                cmocka_unit_test(strings_are_bounded),
                cmocka_unit_test(raw_points_into_the_data),
                cmocka_unit_test(empty_and_null_input),
                cmocka_unit_test(buffer_fails_and_drops),
                cmocka_unit_test(patching_stays_inside),
                cmocka_unit_test(long_strings),
                cmocka_unit_test(test_bounded_ones),
                cmocka_unit_test(growth_failing_each_time),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
