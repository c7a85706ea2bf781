/* oracleGeneral in: records as the format's description has them, packed and plain; wrong files are told at
 * the byte. */
#include "base/bytes.h"
#include "import_rig.h"
#include <errno.h>
#include <zstd.h>

static void put(struct hb_buf *b, uint32_t clock, uint64_t object, int64_t next) {
        hb_buf_u32(b, clock);
        hb_buf_u64(b, object);
        hb_buf_u32(b, 4096);
        hb_buf_u64(b, (uint64_t)next);
}

static void some(struct hb_buf *b) {
        *b = (struct hb_buf){0};
        put(b, 0, 7, 3);
        put(b, 0, 2, -1);
        put(b, 0, 7, 4);
        put(b, 2, 7, INT64_MAX);
}

static int import(struct rig *r, const struct hb_buf *b, struct hb_import_options o) {
        memset(r, 0, sizeof(*r));
        r->o = o;
        return rig_bytes(r, b->data, b->len);
}

static int setup(void **state) {
        *state = calloc(1, sizeof(struct rig));
        return 0;
}

static int teardown(void **state) {
        free(*state);
        return 0;
}

static void records(void **state) {
        struct rig *r = *state;
        struct hb_buf b;

        some(&b);
        assert_int_equal(import(r, &b, (struct hb_import_options){0}), 0);
        assert_string_equal(rig_said(r), "1@1 2/1/0 7/2/0 3@3 7/1/0");
        assert_int_equal(r->stats.format, HB_IMPORT_ORACLE);
        assert_true(r->stats.guessed);
        assert_int_equal(r->stats.unknown, 4);
        assert_int_equal(r->header.flags, HB_TRACE_COUNTS | HB_TRACE_EXACT_READS);
        assert_int_equal(import(r, &b, (struct hb_import_options){.unknown = HB_IMPORT_AS_WRITES}), 0);
        assert_string_equal(rig_said(r), "1@1 2/0/1 7/0/2 3@3 7/0/1");
        assert_int_equal(import(r, &b, (struct hb_import_options){.epoch_ns = 3000000000}), 0);
        assert_string_equal(rig_said(r), "1@3 2/1/0 7/3/0");
        assert_int_equal(import(r, &b, (struct hb_import_options){.from_ns = 1000000000}), 0);
        assert_string_equal(rig_said(r), "3@3 7/1/0");
        assert_int_equal(import(r, &b, (struct hb_import_options){.to_ns = 1000000000}), 0);
        assert_string_equal(rig_said(r), "1@1 2/1/0 7/2/0");
        assert_int_equal(import(r, &b, (struct hb_import_options){.unknown = HB_IMPORT_SKIP}), -EINVAL);
        hb_buf_free(&b);
}

static void object_ids_that_are_hashes(void **state) {
        struct rig *r = *state;
        struct hb_buf b = {0};

        put(&b, 5, 0xFFFFFFFFFFFFFFFFull, 3);
        put(&b, 5, 0x123456789ABCDEFull, -1);
        put(&b, 6, 0xFFFFFFFFFFFFFFFFull, -1);
        assert_int_equal(import(r, &b, (struct hb_import_options){0}), -ERANGE);
        assert_string_equal(r->err.which, "input byte 0");
        assert_non_null(strstr(r->err.next, "--map pages"));
        assert_int_equal(r->epochs, 0);
        assert_int_equal(import(r, &b, (struct hb_import_options){.map = HB_IMPORT_PAGES}), 0);
        assert_string_equal(rig_said(r), "6@6 0/1/0 1/1/0 7@7 0/1/0");
        hb_buf_free(&b);
}

static void wrong(void **state) {
        struct rig *r = *state;
        struct hb_buf b;

        some(&b);
        b.len -= 1;
        assert_int_equal(import(r, &b, (struct hb_import_options){0}), -EBADMSG);
        assert_string_equal(r->err.which, "input byte 72");
        assert_non_null(strstr(r->err.what, "23 of 24"));
        b.len += 1;
        put(&b, 1, 7, -1);
        assert_int_equal(import(r, &b, (struct hb_import_options){.format = HB_IMPORT_ORACLE}), -EBADMSG);
        assert_string_equal(r->err.which, "input byte 96");
        assert_non_null(strstr(r->err.what, "before"));
        hb_buf_free(&b);
        some(&b);
        put(&b, 2, 7, -3);
        assert_int_equal(import(r, &b, (struct hb_import_options){.format = HB_IMPORT_ORACLE}), -EBADMSG);
        assert_string_equal(r->err.which, "input byte 96");
        assert_non_null(strstr(r->err.what, "record 5"));
        assert_int_equal(import(r, &b, (struct hb_import_options){0}), -EBADMSG); /* nothing guesses that */
        hb_buf_free(&b);
}

static struct hb_buf packed(const struct hb_buf *b) {
        struct hb_buf out = {0};
        void *p = hb_buf_space(&out, ZSTD_compressBound(b->len));

        out.len = ZSTD_compress(p, ZSTD_compressBound(b->len), b->data, b->len, 3);
        return out;
}

/* Cut anywhere, a packed trace is never a shorter trace. */
static void packed_and_cut(void **state) {
        struct rig *r = *state;
        struct hb_buf b, z;
        size_t whole;

        some(&b);
        for (int i = 0; i < 50000; i++)
                put(&b, 3, (uint64_t)i * 17 % 911, -1);
        z = packed(&b);
        assert_int_equal(import(r, &z, (struct hb_import_options){0}), 0);
        assert_int_equal(r->stats.accesses, 50004);
        assert_int_equal(r->stats.records, 3 + 911);
        assert_int_equal(r->stats.in_bytes, z.len);
        whole = z.len;
        for (z.len = 0; z.len < whole; z.len += 1 + z.len / 50)
                assert_true(import(r, &z, (struct hb_import_options){.format = HB_IMPORT_ORACLE}) < 0);
        z.len = whole;
        z.data[whole / 2] ^= 0x40;
        assert_true(import(r, &z, (struct hb_import_options){0}) < 0 || r->stats.accesses == 50004);
        z.data[whole / 2] ^= 0x40;
        hb_buf_raw(&z, "garbage", 7);
        assert_int_equal(import(r, &z, (struct hb_import_options){0}), -EBADMSG);
        assert_non_null(strstr(r->err.what, "damaged before its byte"));
        hb_buf_free(&z);
        hb_buf_free(&b);
}

/* Two frames one after the other are one input; a record lies across their border. */
static void frames_are_joined(void **state) {
        struct rig *r = *state;
        struct hb_buf b, first, second, z, part;

        some(&b);
        part = (struct hb_buf){.data = b.data, .len = 40};
        first = packed(&part);
        part = (struct hb_buf){.data = b.data + 40, .len = b.len - 40};
        second = packed(&part);
        z = (struct hb_buf){0};
        hb_buf_raw(&z, first.data, first.len);
        hb_buf_raw(&z, second.data, second.len);
        assert_int_equal(import(r, &z, (struct hb_import_options){0}), 0);
        assert_string_equal(rig_said(r), "1@1 2/1/0 7/2/0 3@3 7/1/0");
        hb_buf_free(&z);
        hb_buf_free(&first);
        hb_buf_free(&second);
        hb_buf_free(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(records, setup, teardown),
                cmocka_unit_test_setup_teardown(object_ids_that_are_hashes, setup, teardown),
                cmocka_unit_test_setup_teardown(wrong, setup, teardown),
                cmocka_unit_test_setup_teardown(packed_and_cut, setup, teardown),
                cmocka_unit_test_setup_teardown(frames_are_joined, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
