/* A writer: what it refuses, what it puts in order, where its file appears, how it goes on after a kill, and
 * that no failure below it leaves half a file. */
#include "base/fault.h"
#include "trace_rig.h"
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

static hb_trace_writer *begin(uint64_t pages, uint32_t flags, const struct hb_trace_writer_options *o) {
        struct hb_trace_header h;
        hb_trace_writer *w = NULL;
        struct hb_err e = {0};

        simple_header(&h, pages);
        h.flags = flags;
        if (hb_trace_writer_new(path(), &h, o, &w, &e) < 0)
                fail_msg("%s", e.what);
        return w;
}

static void test_refuses_what_does_not_ascend(void **state) {
        struct hb_trace_access a = {3, 1, 0}, outside = {100, 1, 0}, none = {3, 0, 0};
        struct hb_trace_event ev = {.stream = HB_TRACE_SUMMARY, .time_ns = 150};
        hb_trace_writer *w = begin(100, HB_TRACE_COUNTS, NULL);
        hb_trace_reader *r;

        assert_int_equal(hb_trace_writer_epoch(w, 0, 10, &a, 1), -EINVAL);
        assert_int_equal(hb_trace_writer_epoch(w, 5, 100, &a, 1), 0);
        assert_int_equal(hb_trace_writer_epoch(w, 5, 200, &a, 1), -EINVAL);
        assert_int_equal(hb_trace_writer_epoch(w, 6, 100, &a, 1), -EINVAL);
        assert_int_equal(hb_trace_writer_epoch(w, 6, 99, &a, 1), -EINVAL);
        assert_int_equal(hb_trace_writer_epoch(w, 6, 200, &outside, 1), -EINVAL);
        assert_int_equal(hb_trace_writer_epoch(w, 6, 200, &none, 1), -EINVAL);
        assert_int_equal(hb_trace_writer_event(w, &ev), 0);
        ev.time_ns = 149;
        assert_int_equal(hb_trace_writer_event(w, &ev), -EINVAL);
        assert_int_equal(hb_trace_writer_epoch(w, 6, 149, &a, 1), -EINVAL);
        ev.time_ns = 150;
        ev.stream = HB_TRACE_STREAMS;
        assert_int_equal(hb_trace_writer_event(w, &ev), -EINVAL);
        assert_int_equal(hb_trace_writer_mark(w, 150, HB_MARKS, 0, NULL), -EINVAL);
        assert_int_equal(hb_trace_writer_grow(w, 99), -EINVAL);
        assert_int_equal(hb_trace_writer_epoch(w, 6, 150, NULL, 0), 0);
        assert_int_equal(hb_trace_writer_epoch(w, UINT32_MAX, UINT64_MAX, &a, 1), 0);
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
        r = open_trace(path());
        expect_epoch(r, 5, 100, &a, 1);
        next_item(r, &(struct hb_trace_item){0});
        expect_epoch(r, 6, 150, NULL, 0);
        expect_epoch(r, UINT32_MAX, UINT64_MAX, &a, 1);
        expect_end(r);
        hb_trace_reader_free(r);
}

static void test_sorts_and_joins(void **state) {
        const struct hb_trace_access in[] = {{9, 1, 0}, {2, UINT32_MAX, 1}, {9, 2, 5}, {2, 1, 0}, {0, 0, 1}};
        const struct hb_trace_access counts[] = {{0, 0, 1}, {2, UINT32_MAX, 1}, {9, 3, 5}};
        const struct hb_trace_access bits_in[] = {{9, 1, 0}, {2, 1, 1}, {9, 0, 1}, {2, 1, 0}};
        const struct hb_trace_access bits[] = {{2, 1, 1}, {9, 1, 1}};
        struct hb_trace_writer_options o = {.atomic = true, .replace = true};
        hb_trace_writer *w = begin(10, HB_TRACE_COUNTS, NULL);
        hb_trace_reader *r;

        assert_int_equal(hb_trace_writer_epoch(w, 1, 1, in, 5), 0);
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
        r = open_trace(path());
        expect_epoch(r, 1, 1, counts, 3);
        hb_trace_reader_free(r);
        w = begin(10, 0, &o);
        assert_int_equal(hb_trace_writer_epoch(w, 1, 1, in, 5), -EINVAL); /* counts, in a trace without */
        assert_int_equal(hb_trace_writer_epoch(w, 1, 1, bits_in, 4), 0);
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
        r = open_trace(path());
        expect_epoch(r, 1, 1, bits, 2);
        hb_trace_reader_free(r);
}

static void test_rounds_counts(void **state) {
        const struct hb_trace_access in[] = {
                {9, 1000, 3}, {2, UINT32_MAX, 63}, {9, 1000, 0}, {3, 33, 31}, {4, 1, 32}};
        const struct hb_trace_access out[] = {{2, 0xF8000000, 64}, {3, 34, 31}, {4, 1, 32}, {9, 1984, 3}};
        struct hb_trace_writer_options o = {.count_bits = 5};
        hb_trace_writer *w = begin(10, HB_TRACE_COUNTS, &o);
        hb_trace_reader *r;

        assert_int_equal(hb_trace_writer_epoch(w, 1, 1, in, 5), 0);
        assert_int_equal(hb_trace_writer_epoch(w, 2, 2, in, 1), 0);
        assert_int_equal(hb_trace_writer_epoch(w, 3, 3, NULL, 0), 0);
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
        r = open_trace(path());
        assert_int_equal(hb_trace_reader_header(r)->flags, HB_TRACE_COUNTS | HB_TRACE_ROUNDED);
        expect_epoch(r, 1, 1, out, 4);
        expect_epoch(r, 2, 2, &(struct hb_trace_access){9, 992, 3}, 1);
        expect_epoch(r, 3, 3, NULL, 0);
        hb_trace_reader_free(r);
}

static void test_bad_headers(void **state) {
        struct hb_trace_header good, h;
        hb_trace_writer *w;
        struct hb_err e;

        full_header(&good);
#define REFUSED(change)                                                                                      \
        h = good;                                                                                            \
        change;                                                                                              \
        e = (struct hb_err){0};                                                                              \
        assert_int_equal(hb_trace_writer_new(path(), &h, NULL, &w, &e), -EINVAL);                            \
        assert_true(e.what[0] && e.which[0]);
        REFUSED(memset(h.guest, 'g', sizeof(h.guest)));
        REFUSED(memset(h.host, 'g', sizeof(h.host)));
        REFUSED(memset(h.note, 'g', sizeof(h.note)));
        REFUSED(memset(h.policies[2].hash, 'g', sizeof(h.policies[2].hash)));
        REFUSED(h.shape.nregions = 0);
        REFUSED(h.shape.nregions = 17);
        REFUSED(h.shape.pages++);
        REFUSED(h.shape.regions[1].first_gfn++);
        REFUSED(h.page_size = 8192);
        REFUSED(h.epoch_ns = 0);
        REFUSED(h.origin = 0);
        REFUSED(h.origin = HB_TRACE_ORIGINS);
        REFUSED(h.flags |= 1u << 31);
        REFUSED(h.salt[31] = 0);
        REFUSED(h.salt[3] = 'g');
        REFUSED(h.engine_size = 257);
        assert_int_equal(files_in(rig_dir), 0);
}

static void test_where_the_file_appears(void **state) {
        struct hb_trace_writer_options atomic = {.atomic = true}, replace = {.atomic = true, .replace = true};
        struct hb_trace_access a = {1, 1, 0};
        struct hb_trace_header h;
        hb_trace_writer *w = begin(10, 0, &atomic), *second;
        struct stat st;
        struct hb_err e;

        simple_header(&h, 10);
        assert_int_equal(hb_trace_writer_epoch(w, 1, 1, &a, 1), 0);
        assert_int_equal(access(path(), F_OK), -1);
        assert_int_equal(files_in(rig_dir), 1);
        hb_trace_writer_free(w);
        assert_int_equal(files_in(rig_dir), 0);

        w = begin(10, 0, &atomic);
        write_file(path(), "mine", 4); /* appears meanwhile: it stays */
        assert_int_equal(hb_trace_writer_close(w, &e), -EEXIST);
        assert_int_equal(stat(path(), &st), 0);
        assert_int_equal(st.st_size, 4);
        assert_int_equal(files_in(rig_dir), 1);
        assert_int_equal(hb_trace_writer_new(path(), &h, &atomic, &w, &e), -EEXIST);
        assert_int_equal(hb_trace_writer_new(path(), &h, NULL, &w, &e), -EEXIST);

        w = begin(10, 0, &replace);
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
        assert_int_equal(stat(path(), &st), 0);
        assert_int_equal(st.st_mode & 0777, 0640);
        assert_int_equal(files_in(rig_dir), 1);

        replace.atomic = false;
        w = begin(10, HB_TRACE_COUNTS | 0,
                  &(struct hb_trace_writer_options){.atomic = true, .replace = true});
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
        w = begin(10, HB_TRACE_COUNTS, &replace);
        h.flags = HB_TRACE_COUNTS;
        assert_int_equal(hb_trace_writer_new(path(), &h, &replace, &second, &e), -EBUSY);
        hb_trace_writer_free(w);
}

static void refuse_to_continue(int code) {
        struct hb_trace_writer_options o = {.replace = true};
        struct hb_trace_header h;
        hb_trace_writer *w;
        struct hb_err e = {0};

        simple_header(&h, 10);
        assert_int_equal(hb_trace_writer_new(path(), &h, &o, &w, &e), code);
        assert_true(e.what[0] && e.which[0]);
}

static void test_what_is_never_written(void **state) {
        struct hb_trace_writer_options o = {.atomic = true, .replace = true};
        struct hb_trace_header h;
        char other[160];
        hb_trace_writer *w = begin(11, 0, NULL);
        struct hb_err e;

        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
        refuse_to_continue(-EINVAL); /* another header */
        write_file(path(), "something else, longer than any magic, in a file of the operator's", 60);
        refuse_to_continue(-EINVAL);
        assert_int_equal(unlink(path()), 0);
        snprintf(other, sizeof(other), "%s/elsewhere", rig_dir);
        assert_int_equal(symlink(other, path()), 0);
        refuse_to_continue(-EINVAL);
        assert_int_equal(access(other, F_OK), -1);
        simple_header(&h, 10);
        assert_int_equal(hb_trace_writer_new(path(), &h, &o, &w, &e), -EINVAL);
        assert_int_equal(unlink(path()), 0);
        assert_int_equal(mkfifo(path(), 0600), 0);
        refuse_to_continue(-EINVAL);
        assert_int_equal(unlink(path()), 0);
        assert_int_equal(mkdir(path(), 0700), 0);
        refuse_to_continue(-EISDIR);
        assert_int_equal(hb_trace_writer_new(path(), &h, &o, &w, &e), -EINVAL);
        assert_int_equal(hb_trace_writer_new("/nonexistent/x.hbt", &h, &o, &w, &e), -ENOENT);
        assert_int_equal(hb_trace_writer_new("/nonexistent/x.hbt", &h, NULL, &w, &e), -ENOENT);
}

/* ---- going on after a kill ---- */

static const struct hb_synth synth = {HB_SYNTH_PHASES, 300, 40, 9, 0, false};

static hb_trace_writer *synth_writer(void) {
        struct hb_trace_writer_options o = {.block_bytes = 900, .replace = true};
        struct hb_trace_header h;
        hb_trace_writer *w = NULL;
        struct hb_err e = {0};

        hb_synth_header(&synth, &h);
        if (hb_trace_writer_new(path(), &h, &o, &w, &e) < 0)
                fail_msg("%s", e.what);
        return w;
}

static void write_epochs(hb_trace_writer *w, uint32_t from, uint32_t to) {
        static struct hb_trace_access a[300];

        for (uint32_t e = from; e <= to; e++)
                assert_int_equal(
                        hb_trace_writer_epoch(w, e, e * 1000000000ull, a, hb_synth_epoch(&synth, e, a)), 0);
}

static void expect_all(bool finished) {
        hb_trace_reader *r = open_trace(path());
        struct hb_trace_info info = info_of(r);

        assert_int_equal(info.indexed, finished);
        assert_false(info.damaged);
        assert_int_equal(info.epochs, synth.epochs);
        expect_synth(r, &synth, 1, synth.epochs);
        expect_end(r);
        hb_trace_reader_free(r);
}

static uint32_t epochs_there(void) {
        hb_trace_reader *r = NULL;
        uint32_t last = 0;

        if (hb_trace_reader_open(path(), &r, NULL) == 0)
                last = info_of(r).last_epoch;
        hb_trace_reader_free(r);
        return last;
}

static void test_goes_on_after_any_cut(void **state) {
        hb_trace_writer *w = synth_writer();
        size_t size;
        uint8_t *data;

        write_epochs(w, 1, synth.epochs);
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
        data = read_file(path(), &size);
        for (size_t cut = 0; cut <= size; cut += cut < 100 || cut + 400 > size ? 1 : 37) {
                uint32_t last;

                write_file(path(), data, cut);
                last = epochs_there();
                w = synth_writer();
                assert_int_equal(hb_trace_writer_epoch(w, last, UINT64_MAX, NULL, 0), -EINVAL);
                write_epochs(w, last + 1, synth.epochs);
                if (cut % 16 == 0) { /* a disk's patience is what closing costs */
                        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
                } else {
                        assert_int_equal(hb_trace_writer_flush(w), 0);
                        hb_trace_writer_free(w);
                }
                expect_all(cut % 16 == 0);
        }
        free(data);
}

/* The disk may have the head and the size, and not the bytes. */
static void test_goes_on_before_a_block_that_is_not_whole(void **state) {
        hb_trace_writer *w = synth_writer();
        size_t size;
        uint8_t *data;

        write_epochs(w, 1, 30);
        hb_trace_writer_free(w); /* as a kill leaves it */
        data = read_file(path(), &size);
        memset(data + size - 700, 0, 700);
        write_file(path(), data, size);
        free(data);
        w = synth_writer();
        assert_true(hb_trace_writer_bytes(w) < size - 700);
        write_epochs(w, epochs_there() + 1, synth.epochs);
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
        expect_all(true);
}

static void test_growth_survives_a_kill(void **state) {
        struct hb_trace_writer_options o = {.replace = true};
        struct hb_trace_access a = {0, 1, 0};
        hb_trace_writer *w = begin(10, 0, NULL);
        hb_trace_reader *r;

        for (uint32_t e = 1; e <= 50; e++) {
                assert_int_equal(hb_trace_writer_grow(w, 10 + e * 100), 0);
                a.gfn = 9 + e * 100;
                assert_int_equal(hb_trace_writer_epoch(w, e, e, &a, 1), 0);
                if (e % 10 == 0)
                        assert_int_equal(hb_trace_writer_flush(w), 0);
        }
        hb_trace_writer_free(w);
        w = begin(10, 0, &o);
        a.gfn = 5009;
        assert_int_equal(hb_trace_writer_epoch(w, 51, 51, &a, 1), 0);
        a.gfn = 5010;
        assert_int_equal(hb_trace_writer_epoch(w, 52, 52, &a, 1), -EINVAL);
        assert_int_equal(hb_trace_writer_grow(w, HB_MAX_PAGES), 0);
        assert_int_equal(hb_trace_writer_grow(w, HB_MAX_PAGES + 1), -EINVAL);
        a.gfn = UINT32_MAX;
        assert_int_equal(hb_trace_writer_epoch(w, 52, 52, &a, 1), 0);
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
        r = open_trace(path());
        assert_true(hb_trace_reader_header(r)->shape.pages == HB_MAX_PAGES);
        assert_int_equal(info_of(r).epochs, 52);
        assert_int_equal(hb_trace_reader_seek(r, 52, NULL), 0);
        expect_epoch(r, 52, 52, &a, 1);
        expect_end(r);
        hb_trace_reader_free(r);
}

/* ---- failures below ---- */

/* 0, or what it failed with; the writer is gone. */
static int write_some(bool atomic, bool sync) {
        struct hb_trace_writer_options o = {
                .block_bytes = 900, .atomic = atomic, .replace = true, .sync = sync};
        static struct hb_trace_access a[300];
        struct hb_trace_header h;
        hb_trace_writer *w;
        int rc, first = 0;

        hb_synth_header(&synth, &h);
        rc = hb_trace_writer_new(path(), &h, &o, &w, NULL);
        if (rc < 0)
                return rc;
        for (uint32_t e = 1; e <= 12; e++) {
                size_t n = hb_synth_epoch(&synth, e, a);

                if (n > 1) { /* unsorted: one more room to be made */
                        struct hb_trace_access x = a[0];

                        a[0] = a[1];
                        a[1] = x;
                }
                rc = hb_trace_writer_epoch(w, e, e, a, n);
                if (rc < 0 && !first)
                        first = rc;
        }
        rc = hb_trace_writer_close(w, NULL);
        assert_true(!first || rc == first); /* errors stay */
        return rc;
}

static void test_each_failure_in_turn(void **state) {
        for (unsigned kind = 0; kind < 3; kind++) {
                bool atomic = kind == 0, sync = kind == 2;
                unsigned met = 0;
                int rc;

                for (unsigned n = 1; hb_fail_nth(n); n++) {
                        bool hit;
                        struct stat st;

                        unlink(path());
                        rc = write_some(atomic, sync);
                        hit = hb_fault_passed() >= n;
                        if (!hit) /* one that was met does not come again */
                                hb_fault_disarm();
                        met += hit;
                        assert_int_equal(rc < 0, hit);
                        if (stat(path(), &st) == 0 && st.st_size > 0) {
                                hb_trace_reader *r = open_trace(path());

                                assert_false(info_of(r).damaged);
                                assert_false(atomic && hit);
                                expect_synth(r, &synth, 1, info_of(r).last_epoch);
                                expect_end(r);
                                hb_trace_reader_free(r);
                        }
                        assert_true(files_in(rig_dir) <= 1);
                }
                assert_true(met > 10);
        }
}

/* A disk that takes part of a block: the part is taken back, what was whole stays. */
static void test_a_full_disk(void **state) {
        struct rlimit was, little;
        struct stat st;
        uint64_t bytes;
        hb_trace_writer *w = synth_writer();
        hb_trace_reader *r;
        struct hb_err e = {0};
        static struct hb_trace_access a[300];
        uint32_t epoch = 20;
        int rc = 0;

        write_epochs(w, 1, epoch);
        assert_int_equal(hb_trace_writer_flush(w), 0);
        bytes = hb_trace_writer_bytes(w);
        signal(SIGXFSZ, SIG_IGN);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
        little = was;
        little.rlim_cur = bytes + 100;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &little), 0);
        while (rc == 0 && ++epoch < synth.epochs)
                rc = hb_trace_writer_epoch(w, epoch, epoch * 1000000000ull, a,
                                           hb_synth_epoch(&synth, epoch, a));
        assert_int_equal(rc, -EFBIG);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
        assert_int_equal(hb_trace_writer_epoch(w, 100, UINT64_MAX, NULL, 0), -EFBIG);
        assert_int_equal(hb_trace_writer_mark(w, UINT64_MAX, HB_MARK_NOTE, 0, NULL), -EFBIG);
        assert_int_equal(hb_trace_writer_flush(w), -EFBIG);
        assert_int_equal(hb_trace_writer_close(w, &e), -EFBIG);
        assert_true(e.what[0] && e.which[0]);
        assert_int_equal(stat(path(), &st), 0);
        assert_int_equal(st.st_size, bytes);
        r = open_trace(path());
        assert_false(info_of(r).damaged);
        expect_synth(r, &synth, 1, 20);
        expect_end(r);
        hb_trace_reader_free(r);
}

static int read_some(void) {
        struct hb_trace_item item;
        hb_trace_reader *r = NULL;
        int rc = hb_trace_reader_open(path(), &r, NULL), first = rc;

        while (rc >= 0 && (rc = hb_trace_reader_next(r, &item, NULL)) != 0 && item.epoch < 100)
                if (rc < 0) {
                        first = rc;
                        rc = 0; /* the next call goes on */
                }
        hb_trace_reader_free(r);
        return first;
}

static void test_each_failure_of_reading(void **state) {
        unsigned met = 0;

        assert_int_equal(write_some(true, false), 0);
        for (unsigned n = 1; hb_fail_nth(n); n++) {
                int rc = read_some();

                if (hb_fault_passed() >= n)
                        met++;
                else
                        assert_int_equal(rc, 0);
        }
        assert_true(met > 10);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_folder(test_refuses_what_does_not_ascend),
                in_folder(test_sorts_and_joins),
                in_folder(test_rounds_counts),
                in_folder(test_bad_headers),
                in_folder(test_where_the_file_appears),
                in_folder(test_what_is_never_written),
                in_folder(test_goes_on_after_any_cut),
                in_folder(test_goes_on_before_a_block_that_is_not_whole),
                in_folder(test_growth_survives_a_kill),
                in_folder(test_each_failure_in_turn),
                in_folder(test_a_full_disk),
                in_folder(test_each_failure_of_reading),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
