/* The page codec: what goes in comes out, damage is noticed, and compression is used when and only when it
 * pays. */
#include "base/shape.h"
#include "check.h"
#include "transport/page_codec.h"
#include "transport/tcp.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RUN       64u
#define RUN_BYTES (RUN * HB_PAGE_SIZE)

struct rig {
        hb_page_codec *c;
        uint8_t *pages, *dst;
        struct hb_buf out;
        struct hb_packed p;
};

static void open_rig(struct rig *r, int level) {
        *r = (struct rig){.pages = malloc(RUN_BYTES), .dst = malloc(RUN_BYTES)};
        assert_int_equal(hb_page_codec_new(level, &r->c), 0);
}

static void close_rig(struct rig *r) {
        hb_page_codec_free(r->c);
        hb_buf_free(&r->out);
        free(r->pages);
        free(r->dst);
}

static void randomise(uint8_t *p, size_t n, uint64_t x) {
        for (size_t i = 0; i < n; i++) {
                x = x * 6364136223846793005ull + 1442695040888963407ull;
                p[i] = (uint8_t)(x >> 56);
        }
}

/* About four to one. */
static void write_text(uint8_t *p, size_t n) {
        uint64_t x = 5;

        for (size_t i = 0; i < n; i++) {
                if (i % 4 == 0)
                        x = x * 6364136223846793005ull + 1442695040888963407ull;
                p[i] = (uint8_t)('a' + (i % 4 ? 0 : x >> 60));
        }
}

static void pack(struct rig *r, uint32_t n) {
        hb_buf_reset(&r->out);
        assert_int_equal(hb_page_codec_pack(r->c, r->pages, n, &r->p, &r->out), 0);
}

static void expect_same(struct rig *r, uint32_t n) {
        static const uint8_t zero[HB_PAGE_SIZE];

        memset(r->dst, 0xEE, RUN_BYTES);
        assert_int_equal(hb_page_codec_unpack(r->c, &r->p, r->out.data, r->out.len, r->dst, n), 0);
        for (uint32_t i = 0; i < n; i++)
                assert_memory_equal(r->p.zero_mask >> i & 1 ? zero : r->dst + i * HB_PAGE_SIZE,
                                    r->pages + i * HB_PAGE_SIZE, HB_PAGE_SIZE);
}

static void test_every_length_and_level(void **state) {
        static const int levels[] = {HB_ZSTD_OFF, HB_ZSTD_AUTO, -7, -1, 1, 3};

        for (unsigned i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
                struct rig r;

                open_rig(&r, levels[i]);
                for (uint32_t n = 1; n <= RUN; n++) {
                        randomise(r.pages, n * HB_PAGE_SIZE, n);
                        for (uint32_t k = 0; k < n; k++) {
                                if ((k * 7 + n) % 5 == 0)
                                        memset(r.pages + k * HB_PAGE_SIZE, 0, HB_PAGE_SIZE);
                                if ((k * 3 + n) % 4 == 0)
                                        write_text(r.pages + k * HB_PAGE_SIZE, HB_PAGE_SIZE);
                        }
                        pack(&r, n);
                        expect_same(&r, n);
                }
                close_rig(&r);
        }
}

static void test_zero_is_every_byte(void **state) {
        struct rig r;

        open_rig(&r, HB_ZSTD_OFF);
        memset(r.pages, 0, RUN_BYTES);
        pack(&r, RUN);
        assert_int_equal(r.out.len, 0);
        assert_int_equal(r.p.encoding, HB_PACKED_NOTHING);
        assert_true(r.p.zero_mask == ~0ull);
        expect_same(&r, RUN);
        for (unsigned at = 0; at < HB_PAGE_SIZE; at++) { /* one bit anywhere makes a page */
                r.pages[at] = (uint8_t)(1 << at % 8);
                pack(&r, 1);
                assert_true(r.p.zero_mask == 0 && r.out.len == HB_PAGE_SIZE);
                r.pages[at] = 0;
        }
        close_rig(&r);
}

static void test_damage_is_noticed(void **state) {
        static const int levels[] = {HB_ZSTD_OFF, 1};

        for (unsigned i = 0; i < 2; i++) {
                struct rig r;

                open_rig(&r, levels[i]);
                write_text(r.pages, RUN_BYTES);
                memset(r.pages + 5 * HB_PAGE_SIZE, 0, HB_PAGE_SIZE);
                pack(&r, RUN);
                for (size_t at = 0; at < r.out.len; at += 1 + r.out.len / 500) {
                        r.out.data[at] ^= 0x10;
                        /* bits of a compressed frame may be without meaning: then the pages are still right
                         */
                        memset(r.dst, 0, RUN_BYTES);
                        if (hb_page_codec_unpack(r.c, &r.p, r.out.data, r.out.len, r.dst, RUN) == 0)
                                assert_memory_equal(r.dst, r.pages, RUN_BYTES);
                        r.out.data[at] ^= 0x10;
                }
                assert_int_equal(hb_page_codec_unpack(r.c, &r.p, r.out.data, r.out.len - 1, r.dst, RUN),
                                 -EBADMSG);
                assert_int_equal(hb_page_codec_unpack(r.c, &r.p, r.out.data, r.out.len, r.dst, RUN - 1),
                                 -EBADMSG);
                r.p.zero_mask = 1ull << 6; /* another page than the one that was zero */
                assert_int_equal(hb_page_codec_unpack(r.c, &r.p, r.out.data, r.out.len, r.dst, RUN),
                                 -EBADMSG);
                r.p.zero_mask = 1ull << 5;
                r.p.checksum++;
                assert_int_equal(hb_page_codec_unpack(r.c, &r.p, r.out.data, r.out.len, r.dst, RUN),
                                 -EBADMSG);
                close_rig(&r);
        }
}

static void test_impossible_arguments(void **state) {
        struct rig r;
        hb_page_codec *c;

        open_rig(&r, HB_ZSTD_OFF);
        assert_int_equal(hb_page_codec_pack(r.c, r.pages, 0, &r.p, &r.out), -EINVAL);
        assert_int_equal(hb_page_codec_pack(r.c, r.pages, RUN + 1, &r.p, &r.out), -EINVAL);
        assert_int_equal(hb_page_codec_new(4, &c), -EINVAL);
        assert_int_equal(hb_page_codec_new(-8, &c), -EINVAL);
        assert_null(hb_page_codec_free(NULL));
        close_rig(&r);
}

/* A receiver that places raw bytes itself gets the same pages, and check() agrees with unpack(). */
static void test_placing_by_hand(void **state) {
        struct rig r;

        open_rig(&r, HB_ZSTD_OFF);
        for (unsigned round = 0; round < 40; round++) {
                uint32_t n = 1 + round * 13 % RUN;

                randomise(r.pages, n * HB_PAGE_SIZE, round);
                for (uint32_t k = 0; k < n; k++)
                        if ((k * 5 + round) % 3 == 0)
                                memset(r.pages + k * HB_PAGE_SIZE, 0, HB_PAGE_SIZE);
                pack(&r, n);
                memset(r.dst, 0, RUN_BYTES);
                for (size_t at = 0, step; at < r.out.len; at += step) {
                        size_t room;
                        uint8_t *to = hb_page_codec_place(&r.p, r.dst, n, at, &room);

                        step = 1 + (at * 31 + round) % 9000;
                        step = step < room ? step : room;
                        memcpy(to, r.out.data + at, step);
                }
                assert_memory_equal(r.dst, r.pages, n * HB_PAGE_SIZE);
                assert_int_equal(hb_page_codec_check(&r.p, r.dst, n), 0);
                if (r.out.len > 0) {
                        size_t room;
                        *hb_page_codec_place(&r.p, r.dst, n, r.out.len - 1, &room) ^= 1;
                        assert_int_equal(hb_page_codec_check(&r.p, r.dst, n), -EBADMSG);
                }
        }
        close_rig(&r);
}

static unsigned compressed_of(struct rig *r, unsigned runs) {
        unsigned n = 0;

        for (unsigned i = 0; i < runs; i++) {
                pack(r, RUN);
                n += r->p.encoding == HB_PACKED_ZSTD;
        }
        return n;
}

/* Auto: text over a slow link is compressed; over one faster than any processor compresses, or when the bytes
 * are random, only the odd probe is. And it changes its mind. */
static void test_auto_follows_link_and_bytes(void **state) {
        struct rig r;

        open_rig(&r, HB_ZSTD_AUTO);
        write_text(r.pages, RUN_BYTES);
        hb_page_codec_link(r.c, 10e6);
        compressed_of(&r, 40);
        assert_true(compressed_of(&r, 64) == 64);
        hb_page_codec_link(r.c, 1e12);
        compressed_of(&r, 40);
        assert_true(compressed_of(&r, 64) <= 3);
        hb_page_codec_link(r.c, 10e6);
        compressed_of(&r, 100);
        assert_true(compressed_of(&r, 64) == 64);
        randomise(r.pages, RUN_BYTES, 9);
        compressed_of(&r, 40);
        assert_int_equal(compressed_of(&r, 64), 0);
        close_rig(&r);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_length_and_level),
                cmocka_unit_test(test_zero_is_every_byte),
                cmocka_unit_test(test_damage_is_noticed),
                cmocka_unit_test(test_impossible_arguments),
                cmocka_unit_test(test_placing_by_hand),
                cmocka_unit_test(test_auto_follows_link_and_bytes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
