/* Shapes: what cannot be a guest's memory is refused by name, on the way in by hand and from a peer alike. */
#include "base/shape.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MIB (1ull << 20)
#define GIB (1ull << 30)

static struct hb_shape two_regions(void) {
        struct hb_shape s = {0};

        assert_int_equal(hb_shape_add(&s, "pc.ram", 512 * MIB, 4096, NULL), 0);
        assert_int_equal(hb_shape_add(&s, "dimm1", 64 * MIB, 2u << 20, NULL), 0);
        return s;
}

static void gfns_are_dense(void **state) {
        struct hb_shape s = two_regions();

        assert_int_equal(s.pages, 147456);
        assert_int_equal(s.regions[1].first_gfn, 131072);
        assert_int_equal(hb_shape_region_of(&s, 0), 0);
        assert_int_equal(hb_shape_region_of(&s, 131071), 0);
        assert_int_equal(hb_shape_region_of(&s, 131072), 1);
        assert_int_equal(hb_shape_region_of(&s, 147455), 1);
        assert_int_equal(hb_shape_region_of(&s, 147456), -ENOENT);
        assert_int_equal(hb_shape_region_of(&s, UINT64_MAX), -ENOENT);
}

static void refused(const char *name, uint64_t bytes, uint32_t backing, int code) {
        struct hb_shape s = two_regions(), before = s;
        struct hb_err e = {0};

        assert_int_equal(hb_shape_add(&s, name, bytes, backing, &e), code);
        assert_int_equal(e.code, code);
        assert_true(e.what[0] && e.next[0]);
        assert_memory_equal(&s, &before, sizeof(s));
}

static void what_cannot_be_is_refused(void **state) {
        refused("dimm1", MIB, 4096, -EEXIST);
        refused("", MIB, 4096, -EINVAL);
        refused("a/b", MIB, 4096, -EINVAL);
        refused("x", 0, 4096, -EINVAL);
        refused("x", 4097, 4096, -EINVAL);
        refused("x", MIB, 2u << 20, -EINVAL);
        refused("x", MIB, 8192, -EINVAL);
        refused("x", MIB, 0, -EINVAL);
        refused("x", 16 * 1024 * GIB, 4096, -EFBIG);
        refused("x", UINT64_MAX - 4095, 4096, -EFBIG);
}

static void largest_guest(void **state) {
        struct hb_shape s = {0};

        assert_int_equal(hb_shape_add(&s, "a", 16 * 1024 * GIB, 1u << 30, NULL), 0);
        assert_true(s.pages == HB_MAX_PAGES);
        assert_int_equal(hb_shape_region_of(&s, HB_MAX_PAGES - 1), 0);
        assert_int_equal(hb_shape_add(&s, "b", 4096, 4096, NULL), -EFBIG);
}

static void sixteen_regions(void **state) {
        struct hb_shape s = {0}, back;
        struct hb_buf b = {0};
        struct hb_rd r;
        char name[16];

        for (unsigned i = 0; i < HB_MAX_REGIONS; i++) {
                snprintf(name, sizeof(name), "r%u", i);
                assert_int_equal(hb_shape_add(&s, name, (i + 1) * MIB, 4096, NULL), 0);
        }
        assert_int_equal(hb_shape_add(&s, "more", MIB, 4096, NULL), -E2BIG);
        hb_shape_encode(&s, &b);
        r = hb_rd_init(b.data, b.len);
        assert_int_equal(hb_shape_decode(&r, &back), 0);
        assert_true(hb_rd_done(&r) && hb_shape_equal(&s, &back));
        hb_buf_free(&b);
}

static void names(void **state) {
        char name[70];

        assert_true(hb_name_ok("a"));
        assert_true(hb_name_ok("vm-1.example_x"));
        assert_true(hb_name_ok("_"));
        assert_true(hb_name_ok("7"));
        assert_false(hb_name_ok(""));
        assert_false(hb_name_ok(NULL));
        assert_false(hb_name_ok("."));
        assert_false(hb_name_ok(".."));
        assert_false(hb_name_ok("-rf"));
        assert_false(hb_name_ok("a b"));
        assert_false(hb_name_ok("a/b"));
        assert_false(hb_name_ok("a\n"));
        assert_false(hb_name_ok("\xC3\xA9"));
        memset(name, 'n', sizeof(name));
        name[63] = '\0';
        assert_true(hb_name_ok(name));
        name[63] = 'n';
        name[64] = '\0';
        assert_false(hb_name_ok(name));
        for (int c = 1; c < 256; c++) {
                char s[] = {'a', (char)c, '\0'};
                bool want = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                            c == '.' || c == '_' || c == '-';

                assert_int_equal(hb_name_ok(s), want);
        }
}

static void any_difference_is_one(void **state) {
        struct hb_shape a = two_regions(), b;

        b = a;
        assert_true(hb_shape_equal(&a, &b));
        b.regions[1].backing_page = 4096;
        assert_false(hb_shape_equal(&a, &b));
        b = a;
        strcpy(b.regions[0].name, "pc.rom");
        assert_false(hb_shape_equal(&a, &b));
        b = (struct hb_shape){0};
        hb_shape_add(&b, "dimm1", 64 * MIB, 2u << 20, NULL);
        hb_shape_add(&b, "pc.ram", 512 * MIB, 4096, NULL);
        assert_false(hb_shape_equal(&a, &b)); /* order matters: it numbers the pages */
        b = (struct hb_shape){0};
        hb_shape_add(&b, "pc.ram", 576 * MIB, 4096, NULL);
        assert_false(hb_shape_equal(&a, &b));
        b = two_regions();
        b.regions[0].pages--, b.regions[1].pages++, b.regions[1].first_gfn--;
        assert_false(hb_shape_equal(&a, &b));
}

static void every_cut_and_every_flip(void **state) {
        struct hb_shape s = two_regions(), back, untouched;
        struct hb_buf b = {0};

        memset(&untouched, 0x5A, sizeof(untouched));
        hb_shape_encode(&s, &b);
        for (size_t cut = 0; cut < b.len; cut++) {
                struct hb_rd r = hb_rd_init(b.data, cut);

                back = untouched;
                assert_int_equal(hb_shape_decode(&r, &back), -EBADMSG);
                assert_memory_equal(&back, &untouched, sizeof(back));
                assert_false(hb_rd_ok(&r));
        }
        for (size_t bit = 0; bit < b.len * 8; bit++) {
                struct hb_rd r;

                b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
                r = hb_rd_init(b.data, b.len);
                if (hb_shape_decode(&r, &back) == 0)
                        assert_false(hb_shape_equal(&s, &back)); /* never silently the same */
                b.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        hb_buf_free(&b);
}

static void decode_refuses(uint8_t regions, const char *n1, uint64_t p1, uint32_t b1, const char *n2,
                           uint64_t p2) {
        struct hb_buf b = {0};
        struct hb_shape s;
        struct hb_rd r;

        hb_buf_u8(&b, regions);
        hb_buf_str(&b, n1);
        hb_buf_u64(&b, p1);
        hb_buf_u32(&b, b1);
        hb_buf_str(&b, n2);
        hb_buf_u64(&b, p2);
        hb_buf_u32(&b, 4096);
        r = hb_rd_init(b.data, b.len);
        assert_int_equal(hb_shape_decode(&r, &s), -EBADMSG);
        hb_buf_free(&b);
}

static void hostile_shapes(void **state) {
        decode_refuses(0, "a", 1, 4096, "b", 1);
        decode_refuses(17, "a", 1, 4096, "b", 1);
        decode_refuses(255, "a", 1, 4096, "b", 1);
        decode_refuses(2, "a", 1, 4096, "a", 1);
        decode_refuses(2, "a", 0, 4096, "b", 1);
        decode_refuses(2, "a", 1, 4096, "b", HB_MAX_PAGES);
        decode_refuses(2, "a", (1ull << 52) + 1, 4096, "b", 1); /* wraps to one page when made bytes */
        decode_refuses(2, "a", UINT64_MAX, 4096, "b", 1);
        decode_refuses(2, "a", 511, 2u << 20, "b", 1);
        decode_refuses(2, "a", 1, 4095, "b", 1);
        decode_refuses(2, "../x", 1, 4096, "b", 1);
        decode_refuses(2, "", 1, 4096, "b", 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(gfns_are_dense),
                cmocka_unit_test(what_cannot_be_is_refused),
                cmocka_unit_test(largest_guest),
                cmocka_unit_test(sixteen_regions),
                cmocka_unit_test(names),
                cmocka_unit_test(any_difference_is_one),
                cmocka_unit_test(every_cut_and_every_flip),
                cmocka_unit_test(hostile_shapes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
