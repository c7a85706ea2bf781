/* A reader: the order of epochs and events, finding an epoch, what the index says against what walking finds,
 * and a file that is still being written. */
#include "trace_rig.h"
#include <errno.h>

static const struct hb_synth synth = {HB_SYNTH_MIX, 500, 80, 11, 0, false};

static hb_trace_writer *begin(uint32_t block_bytes) {
        struct hb_trace_writer_options o = {.block_bytes = block_bytes};
        struct hb_trace_header h;
        hb_trace_writer *w = NULL;

        hb_synth_header(&synth, &h);
        assert_int_equal(hb_trace_writer_new(path(), &h, &o, &w, NULL), 0);
        return w;
}

/* A script of items: e an epoch, v an event, f a flush; any mixture comes back as it went in. */
static void play(const char *script) {
        struct hb_trace_access a = {1, 1, 0};
        hb_trace_writer *w = begin(0);
        hb_trace_reader *r;
        uint32_t epoch = 0;
        uint64_t now = 0;

        for (const char *s = script; *s; s++) {
                now += 5;
                if (*s == 'e')
                        assert_int_equal(hb_trace_writer_epoch(w, ++epoch, now, &a, 1), 0);
                else if (*s == 'v')
                        assert_int_equal(
                                hb_trace_writer_mark(w, now, HB_MARK_NOTE, (uint64_t)(s - script), "x"), 0);
                else
                        assert_int_equal(hb_trace_writer_flush(w), 0);
        }
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
        r = open_trace(path());
        epoch = 0;
        now = 0;
        for (const char *s = script; *s; s++) {
                struct hb_trace_item item;

                now += 5;
                if (*s == 'f')
                        continue;
                next_item(r, &item);
                assert_int_equal(item.kind, *s == 'e' ? HB_TRACE_EPOCH : HB_TRACE_EVENT);
                assert_int_equal(item.time_ns, now);
                epoch += *s == 'e';
                assert_int_equal(item.epoch, epoch);
                if (*s == 'v')
                        assert_int_equal(item.event.mark.value, s - script);
        }
        expect_end(r);
        hb_trace_reader_free(r);
        assert_int_equal(unlink(path()), 0);
}

static void test_the_order_of_items(void **state) {
        char script[24];
        uint64_t seed = 1;

        play("");
        play("e");
        play("v");
        play("vvv");
        play("eee");
        play("vevveeev");
        play("vfefvvfefefv");
        for (unsigned i = 0; i < 200; i++) {
                for (unsigned k = 0; k < sizeof(script) - 1; k++)
                        script[k] = "eevvf"[(seed = hb_synth_mix(seed)) % 5];
                script[sizeof(script) - 1] = '\0';
                play(script);
        }
}

static void test_every_event(void **state) {
        hb_trace_writer *w = begin(400);
        hb_trace_reader *r;
        struct hb_trace_info info;

        every_event(w, 0);
        for (uint32_t e = 1; e <= 20; e++) {
                assert_int_equal(hb_trace_writer_epoch(w, e, e * 1000, NULL, 0), 0);
                every_event(w, e * 1000);
        }
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
        r = open_trace(path());
        info = info_of(r);
        for (unsigned s = 1; s < HB_TRACE_STREAMS; s++)
                assert_int_equal(info.events[s], 21 * (s == HB_TRACE_MARK ? HB_MARKS - 1 : 1));
        expect_every_event(r, 0, 0);
        for (uint32_t e = 1; e <= 20; e++) {
                expect_epoch(r, e, e * 1000, NULL, 0);
                expect_every_event(r, e, e * 1000);
        }
        expect_end(r);
        hb_trace_reader_free(r);
}

static void write_synth(uint32_t block_bytes, uint32_t step) {
        static struct hb_trace_access a[500];
        hb_trace_writer *w = begin(block_bytes);

        for (uint32_t e = 1; e <= synth.epochs; e++) {
                assert_int_equal(hb_trace_writer_epoch(w, e * step, e * 100, a, hb_synth_epoch(&synth, e, a)),
                                 0);
                assert_int_equal(hb_trace_writer_mark(w, e * 100 + 7, HB_MARK_NOTE, e, NULL), 0);
        }
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
}

static void test_seek(void **state) {
        struct hb_trace_item item;
        uint64_t at, of;
        hb_trace_reader *r;

        write_synth(800, 3); /* epochs 3, 6 ... 240 */
        r = open_trace(path());
        assert_true(info_of(r).blocks > 5);
        for (uint32_t e = 0; e <= 240; e++) {
                assert_int_equal(hb_trace_reader_seek(r, e, NULL), 0);
                next_item(r, &item);
                assert_int_equal(item.kind, HB_TRACE_EPOCH);
                assert_int_equal(item.epoch, e ? (e + 2) / 3 * 3 : 3);
                at = hb_trace_reader_at(r, &of);
                assert_true(at > 0 && at < of && of == info_of(r).bytes);
                next_item(r, &item);
                assert_int_equal(item.event.mark.value, e ? (e + 2) / 3 : 1);
        }
        assert_int_equal(hb_trace_reader_seek(r, 241, NULL), 0);
        expect_end(r);
        hb_trace_reader_rewind(r);
        next_item(r, &item);
        assert_int_equal(item.epoch, 3);
        hb_trace_reader_free(r);
}

static void test_index_and_walking_agree(void **state) {
        struct hb_trace_info by_index, by_walking;
        hb_trace_reader *r;
        size_t size;
        uint8_t *data;

        write_synth(800, 1);
        r = open_trace(path());
        by_index = info_of(r);
        hb_trace_reader_free(r);
        assert_true(by_index.indexed);
        data = read_file(path(), &size);
        for (uint8_t *p = data + size - 24; memcmp(p, "HBTI", 4) != 0; p--)
                size = (size_t)(p - data) - 1;
        write_file(path(), data, size);
        free(data);
        r = open_trace(path());
        by_walking = info_of(r);
        assert_false(by_walking.indexed);
        by_walking.indexed = true;
        by_walking.bytes = by_index.bytes;
        memset(by_walking.damage, 0, sizeof(by_walking.damage));
        assert_memory_equal(&by_walking, &by_index, sizeof(by_index));
        expect_synth(r, &synth, 1, synth.epochs);
        hb_trace_reader_free(r);
}

static void test_a_file_being_written(void **state) {
        static struct hb_trace_access a[500];
        hb_trace_writer *w = begin(0);
        hb_trace_reader *r;

        for (uint32_t e = 1; e <= synth.epochs; e++) {
                assert_int_equal(hb_trace_writer_epoch(w, e, e, a, hb_synth_epoch(&synth, e, a)), 0);
                if (e % 20 == 0) {
                        assert_int_equal(hb_trace_writer_flush(w), 0);
                        assert_int_equal(hb_trace_writer_flush(w), 0);
                }
                if (e % 10 != 5)
                        continue;
                r = open_trace(path());
                assert_false(info_of(r).indexed);
                assert_false(info_of(r).damaged);
                assert_int_equal(info_of(r).epochs, e / 20 * 20);
                assert_int_equal(info_of(r).blocks, e / 20);
                expect_synth(r, &synth, 1, e / 20 * 20);
                expect_end(r);
                hb_trace_reader_free(r);
        }
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
}

static void test_a_file_that_shrinks(void **state) {
        struct hb_trace_item item;
        struct hb_err e = {0};
        hb_trace_reader *r;

        write_synth(800, 1);
        r = open_trace(path());
        next_item(r, &item);
        assert_int_equal(truncate(path(), (off_t)hb_trace_reader_at(r, NULL) + 20), 0);
        while (hb_trace_reader_next(r, &item, &e) == 1)
                ;
        assert_int_equal(e.code, -EBADMSG);
        assert_non_null(strstr(e.what, "shorter"));
        assert_true(info_of(r).damaged);
        hb_trace_reader_free(r);
}

/* Blocks of every size, and epochs too large for the block they were meant for. */
static void test_large_epochs(void **state) {
        const uint32_t n = 600000;
        struct hb_trace_access *a = malloc(n * sizeof(*a));
        struct hb_trace_header h;
        hb_trace_writer *w;
        hb_trace_reader *r;

        simple_header(&h, 1u << 31);
        assert_int_equal(hb_trace_writer_new(path(), &h, NULL, &w, NULL), 0);
        for (uint32_t i = 0; i < n; i++)
                a[i] = (struct hb_trace_access){i * 3571u, (uint32_t)hb_synth_mix(i) | 1,
                                                (uint32_t)(hb_synth_mix(i) >> 32)};
        assert_int_equal(hb_trace_writer_epoch(w, 1, 1, a, n), 0);
        assert_int_equal(hb_trace_writer_epoch(w, 2, 2, a, n), 0);
        assert_int_equal(hb_trace_writer_epoch(w, 3, 3, a, (33u << 20)), -E2BIG);
        assert_int_equal(hb_trace_writer_epoch(w, 3, 3, a, 1), 0);
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
        r = open_trace(path());
        assert_int_equal(info_of(r).blocks, 3);
        expect_epoch(r, 1, 1, a, n);
        expect_epoch(r, 2, 2, a, n);
        expect_epoch(r, 3, 3, a, 1);
        expect_end(r);
        hb_trace_reader_free(r);
        free(a);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                in_folder(test_the_order_of_items),
                in_folder(test_every_event),
                in_folder(test_seek),
                in_folder(test_index_and_walking_agree),
                in_folder(test_a_file_being_written),
                in_folder(test_a_file_that_shrinks),
                in_folder(test_large_epochs),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
