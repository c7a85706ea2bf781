/* What the plugin sends: whole frames in any pieces; nothing that is wrong. */
#include "check.h"

#include "base/fault.h"
#include "capture/frames.h"
#include "capture/sink.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static size_t head(struct hb_buf *b, unsigned kind, uint32_t size) {
        hb_buf_u32(b, size);
        hb_buf_u8(b, (uint8_t)kind);
        return b->len;
}

static void hello(struct hb_buf *b, bool whole, unsigned unit, uint64_t window) {
        head(b, HB_FRAME_HELLO, HB_FRAME_HELLO_SIZE);
        hb_buf_u32(b, HB_FRAME_MAGIC);
        hb_buf_u8(b, HB_FRAME_VERSION);
        hb_buf_u8(b, whole);
        hb_buf_u8(b, (uint8_t)unit);
        hb_buf_u8(b, 12);
        hb_buf_u64(b, window);
        hb_buf_u64(b, 1700000000000000000ull);
}

static void page(struct hb_buf *b, uint64_t page, uint32_t reads, uint32_t writes) {
        head(b, HB_FRAME_PAGES, HB_FRAME_PAGE_SIZE);
        hb_buf_u64(b, page);
        hb_buf_u32(b, reads);
        hb_buf_u32(b, writes);
}

static void window(struct hb_buf *b, uint32_t number, uint64_t accesses) {
        head(b, HB_FRAME_WINDOW, HB_FRAME_WINDOW_SIZE);
        hb_buf_u32(b, number);
        hb_buf_u64(b, accesses);
        hb_buf_u64(b, 0);
        hb_buf_u64(b, number * 1000000ull);
}

static void end(struct hb_buf *b, uint64_t accesses, uint32_t windows) {
        head(b, HB_FRAME_END, HB_FRAME_END_SIZE);
        hb_buf_u64(b, accesses);
        hb_buf_u64(b, 0);
        hb_buf_u32(b, windows);
        hb_buf_u32(b, 2);
}

static void whole_stream(struct hb_buf *b) {
        hello(b, false, HB_UNIT_ACCESSES, 100);
        page(b, 0x400000, 70, 0);
        page(b, 0x7fff00100, 10, 20);
        window(b, 1, 100);
        page(b, 0x400001, 0, 50);
        window(b, 2, 150);
        end(b, 150, 2);
}

/* Frames until the bytes end or are refused. */
static int count(const struct hb_buf *b, size_t step, unsigned *ret_frames) {
        struct hb_frames f = {0};
        struct hb_frame frame;
        int r = 0;

        *ret_frames = 0;
        for (size_t at = 0; r >= 0 && at < b->len; at += step) {
                assert_int_equal(hb_frames_add(&f, b->data + at, b->len - at < step ? b->len - at : step), 0);
                while ((r = hb_frames_next(&f, &frame)) == 1)
                        ++*ret_frames;
        }
        hb_frames_fini(&f);
        return r;
}

static void any_pieces_give_the_same(void **state) {
        struct hb_buf b = {0};
        unsigned n;

        whole_stream(&b);
        for (size_t step = 1; step <= b.len; step++) {
                assert_int_equal(count(&b, step, &n), 0);
                assert_int_equal(n, 7);
        }
        hb_buf_free(&b);
}

static void refused(struct hb_buf *b, int want) {
        unsigned n;
        int r = count(b, b->len, &n);

        if (r != want)
                fail_msg("%d instead of %d after %u frames", r, want, n);
        hb_buf_free(b);
}

static void what_is_wrong_is_refused(void **state) {
        struct hb_buf b = {0};

        window(&b, 1, 0); /* no hello */
        refused(&b, -EBADMSG);
        hello(&b, false, HB_UNITS, 100);
        refused(&b, -EBADMSG);
        hello(&b, false, HB_UNIT_NS, 0);
        refused(&b, -EBADMSG);
        hello(&b, false, HB_UNIT_NS, 1);
        hello(&b, false, HB_UNIT_NS, 1);
        refused(&b, -EBADMSG);
        hello(&b, false, HB_UNIT_NS, 1);
        b.data[HB_FRAME_HEAD + 4]++;
        refused(&b, -EPROTONOSUPPORT);
        hello(&b, false, HB_UNIT_NS, 1);
        page(&b, 1, 0, 0); /* no access at all */
        refused(&b, -EBADMSG);
        hello(&b, false, HB_UNIT_NS, 1);
        page(&b, 1ull << 52, 1, 0);
        refused(&b, -EBADMSG);
        hello(&b, false, HB_UNIT_NS, 1);
        page(&b, 1, 6, 0); /* more than the window says */
        window(&b, 1, 5);
        refused(&b, -EBADMSG);
        hello(&b, false, HB_UNIT_NS, 1);
        window(&b, 2, 0); /* one is missing */
        refused(&b, -EBADMSG);
        hello(&b, false, HB_UNIT_NS, 1);
        page(&b, 1, 6, 0);
        end(&b, 6, 0); /* pages of no window */
        refused(&b, -EBADMSG);
        hello(&b, false, HB_UNIT_NS, 1);
        end(&b, 0, 0);
        window(&b, 1, 0);
        refused(&b, -EBADMSG);
        hello(&b, false, HB_UNIT_NS, 1);
        head(&b, HB_FRAME_PAGES, HB_FRAME_MAX + 16); /* would be waited for for ever */
        refused(&b, -EBADMSG);
        hello(&b, false, HB_UNIT_NS, 1);
        head(&b, 9, 0);
        refused(&b, -EBADMSG);
}

/* ---- windows to epochs ---- */

static char path[64];

static int make_path(void **state) {
        snprintf(path, sizeof(path), "/tmp/hb-sink-%d.hbt", (int)getpid());
        unlink(path);
        return 0;
}

static int remove_path(void **state) {
        unlink(path);
        return 0;
}

static const struct hb_capture_shape program = {.guest = "p", .region = "program", .note = "p --all"};

static void windows_become_epochs(void **state) {
        struct hb_buf b = {0};
        hb_capture_sink *s;
        struct hb_capture_sums sums;
        struct hb_trace_item item;
        struct hb_err e = {0};
        hb_trace_reader *r;

        whole_stream(&b);
        assert_int_equal(hb_capture_sink_new(path, false, &program, &s, &e), 0);
        assert_int_equal(access(path, F_OK), -1); /* not before the command runs */
        assert_int_equal(hb_capture_sink_feed(s, b.data, b.len, &e), 0);
        assert_int_equal(hb_capture_sink_close(s, "why", &e), 0);
        hb_capture_sink_sums(s, &sums);
        assert_true(sums.ended);
        assert_int_equal(sums.records, 3);
        assert_int_equal(sums.forks, 2);
        hb_capture_sink_free(s);
        hb_buf_free(&b);

        assert_int_equal(hb_trace_reader_open(path, &r, &e), 0);
        assert_int_equal(hb_trace_reader_header(r)->origin, HB_TRACE_PROGRAM);
        assert_int_equal(hb_trace_reader_header(r)->shape.pages, 2 * HB_DENSE_BLOCK_PAGES);
        assert_string_equal(hb_trace_reader_header(r)->note, "p --all");
        assert_int_equal(hb_trace_reader_next(r, &item, &e), 1);
        assert_int_equal(item.time_ns, 1000000000); /* a window is a second */
        assert_int_equal(item.naccess, 2);
        assert_int_equal(item.access[0].gfn, 0);
        assert_int_equal(item.access[0].reads, 70);
        assert_int_equal(item.access[1].gfn, 512 + 0x100); /* the second block met */
        assert_int_equal(item.access[1].writes, 20);
        assert_int_equal(hb_trace_reader_next(r, &item, &e), 1);
        assert_int_equal(item.time_ns, 1500000000); /* a part of one, its part */
        assert_int_equal(item.access[0].gfn, 1);
        assert_int_equal(hb_trace_reader_next(r, &item, &e), 1);
        assert_int_equal(item.event.mark.kind, HB_MARK_NOTE);
        assert_int_equal(hb_trace_reader_next(r, &item, &e), 0);
        hb_trace_reader_free(r);
}

static void an_existing_file_is_kept(void **state) {
        struct hb_err e = {0};
        hb_capture_sink *s;
        FILE *f = fopen(path, "w");

        fputs("mine", f);
        fclose(f);
        assert_int_equal(hb_capture_sink_new(path, false, &program, &s, &e), -EEXIST);
        assert_int_equal(e.code, -EEXIST);
}

static void pages_outside_of_the_guest_are_refused(void **state) {
        static const struct hb_capture_shape guest = {
                .guest = "g", .region = "mem", .note = "", .pages = 100};
        struct hb_buf b = {0};
        struct hb_err e = {0};
        hb_capture_sink *s;

        hello(&b, true, HB_UNIT_NS, 1000000000);
        page(&b, 100, 1, 0);
        window(&b, 1, 1);
        assert_int_equal(hb_capture_sink_new(path, false, &guest, &s, &e), 0);
        assert_int_equal(hb_capture_sink_feed(s, b.data, b.len, &e), -EBADMSG);
        assert_true(e.next[0]);
        hb_capture_sink_free(s);
        assert_int_equal(access(path, F_OK), -1); /* and nothing is left */
        b.len = 0;
        hello(&b, false, HB_UNIT_NS, 1000000000); /* a program, where a guest was started */
        assert_int_equal(hb_capture_sink_new(path, false, &guest, &s, &e), 0);
        assert_int_equal(hb_capture_sink_feed(s, b.data, b.len, &e), -EBADMSG);
        hb_capture_sink_free(s);
        hb_buf_free(&b);
}

static void every_failure_leaves_nothing(void **state) {
        struct hb_buf b = {0};
        unsigned n, failed = 0;

        whole_stream(&b);
        for (n = 1; hb_fail_nth(n); n++) {
                struct hb_err e = {0};
                hb_capture_sink *s;
                int r = hb_capture_sink_new(path, false, &program, &s, &e);

                if (r < 0)
                        continue;
                r = hb_capture_sink_feed(s, b.data, b.len, &e);
                if (r == 0)
                        r = hb_capture_sink_close(s, NULL, &e);
                hb_capture_sink_free(s);
                failed += r < 0;
                if (r < 0) {
                        assert_true(e.code < 0 && e.what[0]);
                        unlink(path); /* a close that failed leaves what a kill would */
                } else {
                        assert_int_equal(unlink(path), 0);
                }
        }
        hb_fault_disarm();
        assert_true(failed >= 2);
        hb_buf_free(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(any_pieces_give_the_same),
                cmocka_unit_test(what_is_wrong_is_refused),
                cmocka_unit_test_setup_teardown(windows_become_epochs, make_path, remove_path),
                cmocka_unit_test_setup_teardown(an_existing_file_is_kept, make_path, remove_path),
                cmocka_unit_test_setup_teardown(pages_outside_of_the_guest_are_refused, make_path,
                                                remove_path),
                cmocka_unit_test_setup_teardown(every_failure_leaves_nothing, make_path, remove_path),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
