/* Damage of every kind: what is whole is still told, what is not is named with its place, and nothing else
 * happens. */
#include "sum/sum.h"
#include "trace/block.h"
#include "trace_rig.h"
#include <errno.h>

static const struct hb_synth synth = {HB_SYNTH_MIX, 400, 60, 5, 0, false};

/* A trace of several small blocks; where each head is, and what follows the last block. */
#define MOST_BLOCKS 32
static struct {
        uint64_t at[MOST_BLOCKS + 1];
        uint32_t last_epoch[MOST_BLOCKS];
        unsigned n;
        uint8_t *data;
        size_t size;
} t;

static void put_fields(void) {
        size_t at;

        t.data = read_file(path(), &t.size);
        t.n = 0;
        for (at = *(uint32_t *)(t.data + 12); memcmp(t.data + at, "HBTB", 4) == 0;) {
                struct hb_block_head h;

                assert_int_equal(hb_block_head_decode(t.data + at, &h), 0);
                assert_true(t.n < MOST_BLOCKS);
                t.at[t.n] = at;
                t.last_epoch[t.n++] = h.last_epoch;
                at += HB_BLOCK_HEAD + h.packed;
        }
        t.at[t.n] = at;
}

static struct { /* what each epoch holds, made once */
        struct hb_trace_access a[400];
        size_t n;
} made[61];

static int make_blocks(void **state) {
        struct hb_trace_writer_options o = {.block_bytes = 1500};
        struct hb_trace_header h;
        hb_trace_writer *w;

        if (rig_begin(state) < 0)
                return -1;
        hb_synth_header(&synth, &h);
        assert_int_equal(hb_trace_writer_new(path(), &h, &o, &w, NULL), 0);
        assert_int_equal(hb_synth_fill(&synth, w), 0);
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
        put_fields();
        assert_true(t.n >= 5);
        for (uint32_t e = 1; e <= synth.epochs && made[synth.epochs].n == 0; e++)
                made[e].n = hb_synth_epoch(&synth, e, made[e].a);
        return 0;
}

static int drop_blocks(void **state) {
        free(t.data);
        return rig_end(state);
}

struct found {
        uint32_t epochs, errors, first_missing;
        struct hb_trace_info info;
};

/* Reads what there is; every epoch told must be the right one, in order. -1: not even a header. */
static int read_all(struct found *f) {
        struct hb_trace_item item;
        hb_trace_reader *r;
        struct hb_err e = {0};
        uint32_t last = 0;
        int rc;

        *f = (struct found){0};
        if (hb_trace_reader_open(path(), &r, &e) < 0) {
                assert_true(e.code < 0 && e.what[0] && strcmp(e.which, path()) == 0);
                return -1;
        }
        while ((rc = hb_trace_reader_next(r, &item, &e)) != 0) {
                if (rc < 0) {
                        assert_int_equal(rc, -EBADMSG);
                        assert_non_null(strstr(e.what, " at byte "));
                        assert_true(++f->errors < 100);
                        continue;
                }
                if (item.kind != HB_TRACE_EPOCH)
                        continue;
                assert_true(item.epoch > last && item.epoch <= synth.epochs);
                if (item.epoch != last + 1 && !f->first_missing)
                        f->first_missing = last + 1;
                last = item.epoch;
                assert_int_equal(item.naccess, made[item.epoch].n);
                assert_memory_equal(item.access, made[item.epoch].a, item.naccess * sizeof(*item.access));
                f->epochs++;
        }
        hb_trace_reader_info(r, &f->info);
        hb_trace_reader_free(r);
        return 0;
}

static void cut_at(uint64_t size) {
        assert_int_equal(truncate(path(), (off_t)size), 0);
}

/* From the end to the last block's first byte: the blocks before it, and it too while it is whole. */
static void test_cut_at_every_byte_of_the_last_block(void **state) {
        struct found f;

        assert_int_equal(read_all(&f), 0);
        assert_true(f.info.indexed && !f.info.damaged && f.epochs == synth.epochs && !f.errors);
        for (uint64_t size = t.size - 1; size >= t.at[t.n - 1]; size--) {
                bool whole = size >= t.at[t.n];

                cut_at(size);
                assert_int_equal(read_all(&f), 0);
                assert_int_equal(f.epochs, whole ? synth.epochs : t.last_epoch[t.n - 2]);
                assert_int_equal(f.info.blocks, whole ? t.n : t.n - 1);
                assert_false(f.info.indexed);
                assert_false(f.info.damaged);
                assert_int_equal(f.errors, 0);
                if (!whole && size > t.at[t.n - 1])
                        assert_non_null(strstr(f.info.damage, "cut short"));
        }
}

static void test_cut_within_the_header(void **state) {
        struct found f;

        for (uint64_t size = t.at[0]; size-- > 0;) {
                cut_at(size);
                assert_int_equal(read_all(&f), -1);
        }
        cut_at(0);
}

static void put_byte(uint64_t at, uint8_t byte) {
        int fd = open(path(), O_WRONLY | O_CLOEXEC);

        assert_int_equal(pwrite(fd, &byte, 1, (off_t)at), 1);
        close(fd);
}

/* Flips each `step`-th bit in turn; whatever it hits, one block at most is lost, and it is noticed. */
static void flip(uint64_t from, uint64_t to, unsigned step, bool header) {
        struct found f;

        for (uint64_t bit = from * 8; bit < to * 8; bit += step) {
                uint64_t at = bit / 8;
                unsigned lost = 0;

                put_byte(at, t.data[at] ^ (uint8_t)(1u << bit % 8));
                if (read_all(&f) < 0) {
                        assert_true(header);
                } else {
                        assert_false(header);
                        for (unsigned i = 0; i < t.n; i++)
                                if (at >= t.at[i] && at < t.at[i + 1])
                                        lost = t.last_epoch[i] - (i ? t.last_epoch[i - 1] : 0);
                        assert_int_equal(f.epochs, synth.epochs - lost);
                        assert_true(f.info.damaged || (!f.info.indexed && at >= t.at[t.n]));
                        assert_true(lost == 0 || f.errors == 1 || !f.info.indexed);
                }
                put_byte(at, t.data[at]);
        }
}

static void test_flip_every_bit_of_the_header(void **state) {
        flip(0, t.at[0], 1, true);
}

static void test_flip_every_bit_of_a_head(void **state) {
        flip(t.at[2], t.at[2] + HB_BLOCK_HEAD, 1, false);
        flip(t.at[0], t.at[0] + HB_BLOCK_HEAD, 7, false);
        flip(t.at[t.n - 1], t.at[t.n - 1] + HB_BLOCK_HEAD, 7, false);
}

static void test_flip_bits_anywhere(void **state) {
        flip(t.at[0], t.size, 61, false);
}

/* Without the index a damaged head cannot tell where the next one is. */
static void test_flip_every_bit_of_a_head_without_index(void **state) {
        struct found f;

        cut_at(t.at[t.n]);
        for (uint64_t bit = t.at[2] * 8; bit < (t.at[2] + HB_BLOCK_HEAD) * 8; bit++) {
                put_byte(bit / 8, t.data[bit / 8] ^ (uint8_t)(1u << bit % 8));
                assert_int_equal(read_all(&f), 0);
                assert_true(f.info.damaged);
                assert_int_equal(f.epochs, synth.epochs - (t.last_epoch[2] - t.last_epoch[1]));
                assert_int_equal(f.first_missing, t.last_epoch[1] + 1);
                put_byte(bit / 8, t.data[bit / 8]);
        }
}

/* A run of zeros where a disk lost a piece; then a whole block gone without a trace. */
static void test_holes(void **state) {
        static const uint8_t zeros[1 << 16];
        uint64_t from = t.at[1] + 20, to = t.at[3] + 60;
        struct found f;
        uint8_t *d;

        write_file(path(), t.data, t.at[t.n]);
        d = malloc(t.size);
        memcpy(d, t.data, t.size);
        memcpy(d + from, zeros, to - from);
        write_file(path(), d, t.at[t.n]);
        assert_int_equal(read_all(&f), 0);
        assert_true(f.info.damaged);
        assert_int_equal(f.epochs, synth.epochs - (t.last_epoch[3] - t.last_epoch[0]));
        memcpy(d, t.data, t.at[2]);
        memcpy(d + t.at[2], t.data + t.at[3], t.size - t.at[3]);
        write_file(path(), d, t.size - (t.at[3] - t.at[2]));
        assert_int_equal(read_all(&f), 0);
        assert_true(f.info.damaged);
        assert_non_null(strstr(f.info.damage, "1 blocks are missing"));
        assert_int_equal(f.epochs, synth.epochs - (t.last_epoch[2] - t.last_epoch[1]));
        memset(d + t.at[1], 'x', t.size - t.at[1]);
        write_file(path(), d, t.size);
        assert_int_equal(read_all(&f), 0);
        assert_true(f.info.damaged);
        assert_int_equal(f.epochs, t.last_epoch[0]);
        free(d);
}

/* A file made to look like the begin of a block everywhere is searched in time that grows with its size. */
static void test_a_search_that_finds_too_much(void **state) {
        enum { SIZE = 8 << 20 };
        uint8_t *d = malloc(SIZE);
        struct found f;

        memcpy(d, t.data, t.at[1]);
        for (size_t i = t.at[1]; i + 4 <= SIZE; i += 4)
                memcpy(d + i, "HBTB", 4);
        memcpy(d + SIZE - (t.at[t.n] - t.at[2]), t.data + t.at[2], t.at[t.n] - t.at[2]);
        write_file(path(), d, SIZE);
        free(d);
        assert_int_equal(read_all(&f), 0);
        assert_true(f.info.damaged);
        assert_int_equal(f.epochs, synth.epochs - (t.last_epoch[1] - t.last_epoch[0]));
}

static void expect_refused(const char *name, int code, const char *what) {
        hb_trace_reader *r = (void *)1;
        struct hb_err e = {0};

        assert_int_equal(hb_trace_reader_open(name, &r, &e), code);
        assert_ptr_equal(r, (void *)1);
        if (!strstr(e.what, what))
                fail_msg("\"%s\" is not in \"%s\"", what, e.what);
        assert_string_equal(e.which, name);
        assert_int_equal(hb_trace_reader_open(name, &r, NULL), code);
}

static void test_what_is_no_trace(void **state) {
        char other[160];

        snprintf(other, sizeof(other), "%s/fifo", rig_dir);
        assert_int_equal(mkfifo(other, 0600), 0);
        expect_refused(other, -EINVAL, "regular file");
        expect_refused(rig_dir, -EISDIR, "folder");
        expect_refused("/dev/null", -EINVAL, "regular file");
        expect_refused("/nonexistent/x.hbt", -ENOENT, "cannot read");
        write_file(path(), "", 0);
        expect_refused(path(), -EBADMSG, "empty");
        write_file(path(), "epoch,page,reads,writes\n1,2,3,4\n", 32);
        expect_refused(path(), -EBADMSG, "not a Harbinger trace");
        snprintf(other, sizeof(other), "%s/loop", rig_dir);
        assert_int_equal(symlink(other, other), 0);
        expect_refused(other, -ELOOP, "cannot read");
}

static void put_u32(uint8_t *p, uint32_t v) {
        memcpy(p, &v, 4);
}

static void test_other_versions_and_lengths(void **state) {
        size_t header = t.at[0];
        uint8_t *d = malloc(t.size + 16);
        struct found f;

        memcpy(d, t.data, t.size);
        d[8] = 2;
        write_file(path(), d, t.size);
        expect_refused(path(), -EPROTONOSUPPORT, "version 2.0");
        d[8] = 1;
        for (uint64_t length = 0; length <= UINT32_MAX; length = length * 16 + 15) {
                put_u32(d + 12, (uint32_t)length);
                write_file(path(), d, t.size);
                expect_refused(path(), -EBADMSG, "header");
        }
        /* A higher minor may have more in its header. */
        memcpy(d, t.data, header - 4);
        memcpy(d + header - 4, "more", 4);
        memcpy(d + header + 4, t.data + header, t.at[t.n] - header);
        d[10] = 9;
        put_u32(d + 12, (uint32_t)header + 4);
        put_u32(d + header, hb_crc32c(d, header));
        write_file(path(), d, t.at[t.n] + 4);
        assert_int_equal(read_all(&f), 0);
        assert_int_equal(f.epochs, synth.epochs);
        d[10] = 0; /* this one may not */
        put_u32(d + header, hb_crc32c(d, header));
        write_file(path(), d, t.at[t.n] + 4);
        expect_refused(path(), -EBADMSG, "do not fill it");
        free(d);
}

/* Whatever is told, the reader ends, and what lies before the lie is told. */
static void read_lies(void) {
        struct hb_trace_item item;
        hb_trace_reader *r = open_trace(path());
        uint32_t epochs = 0, errors = 0;
        int rc;

        while ((rc = hb_trace_reader_next(r, &item, NULL)) != 0) {
                assert_true(rc == 1 || rc == -EBADMSG);
                epochs += rc == 1 && item.kind == HB_TRACE_EPOCH;
                errors += rc < 0;
                if (rc == 1)
                        assert_true(item.naccess <= 400 &&
                                    (!item.naccess || item.access[item.naccess - 1].gfn < 400));
        }
        assert_true(epochs >= t.last_epoch[1] && epochs <= synth.epochs && errors <= t.n);
        hb_trace_reader_free(r);
}

/* Heads that lie with a right checksum: no length is believed before it was held against the file and the
 * caps. */
static void test_heads_that_lie(void **state) {
        static const uint64_t lies[] = {0, 1, 0x7FFFFFFF, 0x80000000, UINT32_MAX, UINT64_MAX, 1ull << 40};

        for (unsigned field = 4; field < 136; field += 4)
                for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++)
                        for (unsigned with_index = 0; with_index < 2; with_index++) {
                                uint8_t *d = malloc(t.size);
                                uint8_t *head = d + t.at[2];

                                memcpy(d, t.data, t.size);
                                memcpy(head + field, &lies[i], field >= 40 && field < 72 ? 8 : 4);
                                put_u32(head + 140, hb_crc32c(head, 140));
                                write_file(path(), d, with_index ? t.size : t.at[t.n]);
                                read_lies();
                                free(d);
                        }
}

#define with_blocks(test) cmocka_unit_test_setup_teardown(test, make_blocks, drop_blocks)

int main(void) {
        const struct CMUnitTest tests[] = {
                with_blocks(test_cut_at_every_byte_of_the_last_block),
                with_blocks(test_cut_within_the_header),
                with_blocks(test_flip_every_bit_of_the_header),
                with_blocks(test_flip_every_bit_of_a_head),
                with_blocks(test_flip_every_bit_of_a_head_without_index),
                with_blocks(test_flip_bits_anywhere),
                with_blocks(test_holes),
                with_blocks(test_a_search_that_finds_too_much),
                with_blocks(test_other_versions_and_lengths),
                with_blocks(test_heads_that_lie),
                in_folder(test_what_is_no_trace),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
