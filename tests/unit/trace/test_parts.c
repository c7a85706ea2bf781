/* The parts a trace is made of: its checksum, columns at their edges, bodies of events that are
 * not as they should be, names. */
#include "check.h"
#include "sum/sum.h"
#include "trace/column.h"
#include "trace/trace_event.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* The sums themselves are the business of core/sum; here only that a trace is sealed with the one its format
 * names. */
static void test_checksums(void **state) {
        assert_int_equal(hb_crc32c("123456789", 9), 0xE3069283);
}

/* Every number near a power of two, and strides; in groups that are small, large and mixed. */
static void test_columns(void **state) {
        enum { N = 3000 };
        static uint32_t in[N], out[3 * N];
        struct hb_column c = {0};
        struct hb_column_in r;
        uint8_t *bits;

        for (unsigned i = 0; i < N; i++)
                in[i] = i < 1000   ? i % 19
                        : i < 2000 ? (1u << i % 32) + i % 3 - 1
                        : i % 2    ? 3
                                   : UINT32_MAX - i;
        hb_column_put(&c, in, 1, N);
        hb_column_end(&c);
        assert_int_equal(c.tokens.len, N);
        bits = malloc(c.bits.len + HB_COLUMN_SLACK);
        memcpy(bits, c.bits.data, c.bits.len);
        memset(bits + c.bits.len, 0xFF, HB_COLUMN_SLACK);
        for (unsigned part = 1; part < 40; part++) {
                hb_column_open(&r, c.tokens.data, c.tokens.len, bits, c.bits.len);
                for (unsigned i = 0; i < N; i += part)
                        assert_true(hb_column_get(&r, out + 3 * i, 3, part < N - i ? part : N - i));
                assert_true(hb_column_done(&r));
                for (unsigned i = 0; i < N; i++)
                        assert_int_equal(out[3 * i], in[i]);
                assert_false(hb_column_get(&r, out, 1, 1));
        }
        for (size_t less = 1; less < c.bits.len; less++) { /* bits that end early */
                hb_column_open(&r, c.tokens.data, c.tokens.len, bits, c.bits.len - less);
                assert_false(hb_column_get(&r, out, 1, N));
        }
        c.tokens.data[1500] = 0x80;
        hb_column_open(&r, c.tokens.data, c.tokens.len, bits, c.bits.len);
        assert_false(hb_column_get(&r, out, 1, N));
        free(bits);
        hb_column_free(&c);
}

static void test_a_column_falls_back(void **state) {
        const uint32_t first[] = {5, 1000, 70000}, second[] = {UINT32_MAX, 17, 3};
        struct hb_column a = {0}, b = {0};
        struct hb_column_mark m;

        hb_column_put(&a, first, 1, 3);
        m = hb_column_here(&a);
        hb_column_put(&a, second, 1, 3);
        hb_column_back(&a, &m);
        hb_column_put(&a, second + 1, 1, 2);
        hb_column_end(&a);
        hb_column_put(&b, first, 1, 3);
        hb_column_put(&b, second + 1, 1, 2);
        hb_column_end(&b);
        assert_int_equal(a.tokens.len, b.tokens.len);
        assert_int_equal(a.bits.len, b.bits.len);
        assert_memory_equal(a.tokens.data, b.tokens.data, a.tokens.len);
        assert_memory_equal(a.bits.data, b.bits.data, a.bits.len);
        hb_column_free(&a);
        hb_column_free(&b);
}

static void test_rising_columns(void **state) {
        const uint32_t gaps[] = {0, 0, 99, UINT32_MAX - 200, 0, 0, 0, 0, 0};
        uint32_t out[9];
        struct hb_column c = {0};
        struct hb_column_in r;
        uint64_t last = UINT64_MAX;
        uint8_t bits[64];

        hb_column_put(&c, gaps, 1, 9);
        hb_column_end(&c);
        memcpy(bits, c.bits.data, c.bits.len);
        hb_column_open(&r, c.tokens.data, c.tokens.len, bits, c.bits.len);
        assert_true(hb_column_get_rising(&r, out, 1, 9, &last, 1ull << 32));
        assert_int_equal(out[2], 101);
        assert_int_equal(out[8], last);
        hb_column_open(&r, c.tokens.data, c.tokens.len, bits, c.bits.len);
        assert_false(hb_column_get_rising(&r, out, 1, 9, &(uint64_t){UINT64_MAX}, last));
        hb_column_open(&r, c.tokens.data, c.tokens.len, bits, c.bits.len);
        assert_true(hb_column_get_rising(&r, out, 1, 9, &(uint64_t){UINT64_MAX}, last + 1));
        hb_column_free(&c);
}

static int decode(const void *data, size_t n, enum hb_trace_stream s, bool newer) {
        struct hb_rd in = hb_rd_init(data, n);
        struct hb_trace_event ev;

        return hb_trace_event_decode(&in, s, newer, &ev);
}

static void test_bodies_that_are_wrong(void **state) {
        const uint8_t mark[] = {HB_MARK_NOTE, 5, 2, 0, 'h', 'i', 'x'},
                      nul[] = {HB_MARK_NOTE, 5, 2, 0, 'h', 0};
        const uint8_t unknown[] = {HB_MARKS, 5, 0, 0}, transfer[] = {1, 2, 3, 4, 2};
        const uint8_t summary[] = {0xFF, 0xFF, 0xFF, 0xFF, 0x1F, 0, 0}; /* an epoch of 33 bits */
        uint8_t network[41] = {0};

        assert_int_equal(decode(mark, 6, HB_TRACE_MARK, false), 0);
        assert_int_equal(decode(mark, 7, HB_TRACE_MARK, false), -EBADMSG);
        assert_int_equal(decode(mark, 7, HB_TRACE_MARK, true), 0);
        for (unsigned n = 0; n < 6; n++)
                assert_int_equal(decode(mark, n, HB_TRACE_MARK, true), -EBADMSG);
        assert_int_equal(decode(nul, sizeof(nul), HB_TRACE_MARK, false), -EBADMSG);
        assert_int_equal(decode(unknown, sizeof(unknown), HB_TRACE_MARK, false), -EOPNOTSUPP);
        assert_int_equal(decode(transfer, 5, HB_TRACE_TRANSFER, false), -EBADMSG);
        assert_int_equal(decode(summary, 7, HB_TRACE_SUMMARY, false), -EBADMSG);
        assert_int_equal(decode(network, 40, HB_TRACE_NETWORK, false), 0);
        assert_int_equal(decode(network, 39, HB_TRACE_NETWORK, false), -EBADMSG);
        assert_int_equal(decode(network, 41, HB_TRACE_NETWORK, false), -EBADMSG);
        assert_int_equal(decode("", 0, 0, false), -EOPNOTSUPP);
        assert_int_equal(decode("", 0, HB_TRACE_STREAMS, true), -EOPNOTSUPP);
        assert_int_equal(decode(NULL, 0, HB_TRACE_INPUT, false), 0);
}

static void test_events_that_cannot_be_written(void **state) {
        struct hb_trace_event ev = {.stream = HB_TRACE_MARK, .mark = {.kind = HB_MARK_NOTE}};
        struct hb_buf b = {0};

        memset(ev.mark.text, 'x', sizeof(ev.mark.text));
        assert_int_equal(hb_trace_event_encode(&ev, &b), -EINVAL);
        ev.mark.text[255] = '\0';
        assert_int_equal(hb_trace_event_encode(&ev, &b), 0);
        ev = (struct hb_trace_event){.stream = HB_TRACE_INPUT, .raw = {b.data, HB_TRACE_BODY_MAX + 1}};
        assert_int_equal(hb_trace_event_encode(&ev, &b), -EINVAL);
        ev = (struct hb_trace_event){.stream = 0};
        assert_int_equal(hb_trace_event_encode(&ev, &b), -EINVAL);
        hb_buf_free(&b);
}

static void test_names(void **state) {
        for (int i = 1; i < HB_TRACE_ORIGINS; i++)
                assert_string_not_equal(hb_trace_origin_name((enum hb_trace_origin)i), "unknown");
        for (int i = 1; i < HB_TRACE_STREAMS; i++)
                assert_non_null(hb_trace_stream_name((enum hb_trace_stream)i));
        for (int i = 1; i < HB_MARKS; i++)
                assert_non_null(hb_trace_mark_name((enum hb_trace_mark)i));
        assert_string_equal(hb_trace_origin_name(99), "unknown");
        assert_null(hb_trace_stream_name(0));
        assert_null(hb_trace_stream_name(HB_TRACE_STREAMS));
        assert_null(hb_trace_mark_name(-1));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_checksums),
                cmocka_unit_test(test_columns),
                cmocka_unit_test(test_a_column_falls_back),
                cmocka_unit_test(test_rising_columns),
                cmocka_unit_test(test_bodies_that_are_wrong),
                cmocka_unit_test(test_events_that_cannot_be_written),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
