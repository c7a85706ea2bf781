/* announce: what is cut into parts comes together again, whatever the pattern; hostile parts are refused. */
#include "map/announce.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define PAGES (HB_ANNOUNCE_SPAN * 3 + 12345)

struct sink {
        struct hb_bitmap got;
        unsigned parts, last;
        uint64_t biggest;
        struct hb_announce a;
};

static int take(void *arg, const void *part, size_t size) {
        struct sink *s = arg;
        struct hb_announce a;
        assert_int_equal(s->last, 0);
        assert_int_equal(hb_announce_decode(part, size, &a, &s->got), 0);
        s->parts++;
        s->last += !a.more;
        s->a = a;
        if (size > s->biggest)
                s->biggest = size;
        return 0;
}

static void round_trip(const struct hb_bitmap *b, unsigned parts) {
        struct sink s = {0};
        struct hb_buf buf = {0};
        struct hb_announce a = {.from = 7, .to = 9, .time_ns = 123456789};
        assert_int_equal(hb_bitmap_init(&s.got, b->bits), 0);
        assert_true(hb_announce_encode(&a, b, &buf, take, &s) > 0);
        assert_int_equal(s.last, 1);
        assert_int_equal(s.parts, parts);
        assert_int_equal(s.a.from, 7);
        assert_int_equal(s.a.to, 9);
        assert_int_equal(s.a.time_ns, 123456789);
        assert_memory_equal(s.got.words, b->words, (b->bits + 63) / 64 * 8);
        assert_true(s.biggest < (4u << 20));
        hb_bitmap_fini(&s.got);
        hb_buf_free(&buf);
}

static void test_patterns(void **state) {
        struct hb_bitmap b;
        assert_int_equal(hb_bitmap_init(&b, PAGES), 0);
        round_trip(&b, 1); /* nothing written is said too: epochs are dense */
        hb_bitmap_set(&b, 0);
        round_trip(&b, 1);
        hb_bitmap_set(&b, PAGES - 1);
        round_trip(&b, 2); /* the empty middle is left out */
        hb_bitmap_set_all(&b);
        round_trip(&b, 4);
        hb_bitmap_clear_all(&b);
        for (uint64_t g = 0; g < PAGES; g += 2) /* the longest encoding there is */
                hb_bitmap_set(&b, g);
        round_trip(&b, 4);
        hb_bitmap_fini(&b);
}

static int refuse(void *arg, const void *part, size_t size) {
        return -ENOBUFS;
}

static void test_sender_fails(void **state) {
        struct hb_bitmap b;
        struct hb_buf buf = {0};
        struct hb_announce a = {.to = 1};
        assert_int_equal(hb_bitmap_init(&b, 64), 0);
        assert_int_equal(hb_announce_encode(&a, &b, &buf, refuse, NULL), -ENOBUFS);
        hb_buf_free(&buf);
        hb_bitmap_fini(&b);
}

static void put(struct hb_buf *b, uint8_t version, uint8_t more, uint32_t from, uint32_t to, uint64_t base) {
        hb_buf_reset(b);
        hb_buf_u8(b, version);
        hb_buf_u8(b, more);
        hb_buf_u32(b, from);
        hb_buf_u32(b, to);
        hb_buf_u64(b, 1);
        hb_buf_u64(b, base);
}

static void test_hostile(void **state) {
        static const struct {
                uint8_t version, more;
                uint32_t from, to;
                uint64_t base;
        } bad[] = {{0, 0, 0, 1, 0},
                   {2, 0, 0, 1, 0},
                   {1, 2, 0, 1, 0},
                   {1, 0, 1, 1, 0},
                   {1, 0, 2, 1, 0},
                   {1, 0, 0, 1, 64},
                   {1, 0, 0, 1, HB_ANNOUNCE_SPAN},
                   {1, 0, 0, 1, UINT64_MAX - HB_ANNOUNCE_SPAN + 1}};
        struct hb_bitmap b;
        struct hb_buf buf = {0};
        struct hb_announce a;
        assert_int_equal(hb_bitmap_init(&b, 1000), 0);
        put(&buf, 1, 0, 0, 1, 0);
        assert_int_equal(hb_announce_decode(buf.data, buf.len, &a, &b), 0);
        for (size_t n = 0; n < buf.len; n++)
                assert_int_equal(hb_announce_decode(buf.data, n, &a, &b), -EBADMSG);
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
                put(&buf, bad[i].version, bad[i].more, bad[i].from, bad[i].to, bad[i].base);
                assert_int_equal(hb_announce_decode(buf.data, buf.len, &a, &b), -EBADMSG);
        }
        put(&buf, 1, 0, 0, 1, 0);
        hb_buf_raw(&buf, "\xff\xff\xff\xff\xff", 5);
        assert_int_equal(hb_announce_decode(buf.data, buf.len, &a, &b), -EBADMSG);
        assert_int_equal(hb_bitmap_count(&b), 0);
        hb_buf_free(&buf);
        hb_bitmap_fini(&b);
}

/* The head of every part that decodes is the part's; it needs nothing behind it, and refuses what decode
 * refuses. */
static void test_head(void **state) {
        struct hb_buf buf = {0};
        struct hb_announce a;
        put(&buf, 1, 1, 7, 9, HB_ANNOUNCE_SPAN);
        assert_int_equal(hb_announce_head(buf.data, buf.len, &a), 0);
        assert_true(a.more && a.from == 7 && a.to == 9 && a.time_ns == 1);
        for (size_t n = 0; n < 18; n++)
                assert_int_equal(hb_announce_head(buf.data, n, &a), -EBADMSG);
        assert_int_equal(hb_announce_head(buf.data, 18, &a), 0);
        put(&buf, 1, 2, 7, 9, 0);
        assert_int_equal(hb_announce_head(buf.data, buf.len, &a), -EBADMSG);
        put(&buf, 1, 0, 9, 9, 0);
        assert_int_equal(hb_announce_head(buf.data, buf.len, &a), -EBADMSG);
        hb_buf_free(&buf);
}

int main(void) {
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_patterns),
                                           cmocka_unit_test(test_sender_fails),
                                           cmocka_unit_test(test_hostile), cmocka_unit_test(test_head)};
        return cmocka_run_group_tests(tests, NULL, NULL);
}
