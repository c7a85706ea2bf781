/* Damage: scan finds it wherever it is; repair keeps all that is whole, marks what is not, and never touches
 * the file. */
#include "look_rig.h"
#include <fcntl.h>
#include <sys/stat.h>

#define EPOCHS 60u

static void make(const char *path) {
        struct hb_trace_header h = head("vm1", 4096);
        hb_trace_writer *w = begin_trace(path, &h);

        put_mark(w, 0, HB_MARK_ENGINE, 0, "");
        for (uint32_t e = 1; e <= EPOCHS; e++) {
                struct hb_trace_access a[200];

                for (uint32_t k = 0; k < 200; k++)
                        a[k] = (struct hb_trace_access){k * 20 + (e * 7919 + k * 31) % 20, (e * k) % 90 + 1,
                                                        0};
                put_raw(w, (e - 1) * S + 1, HB_TRACE_INPUT, &e, sizeof(e));
                assert_int_equal(hb_trace_writer_epoch(w, e, e * S, a, 200), 0);
                if (e % 10 == 0)
                        assert_int_equal(hb_trace_writer_flush(w), 0);
        }
        end_trace(w);
}

static uint64_t size_of(const char *path) {
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        return (uint64_t)st.st_size;
}

static char *read_file(const char *path, size_t *n) {
        char *bytes = malloc(1 << 20);
        FILE *f = fopen(path, "r");

        assert_non_null(f);
        *n = fread(bytes, 1, 1 << 20, f);
        fclose(f);
        return bytes;
}

static void write_file(const char *path, const char *bytes, size_t n) {
        FILE *f = fopen(path, "w");

        assert_non_null(f);
        assert_int_equal(fwrite(bytes, 1, n, f), n);
        fclose(f);
}

static int repair(struct rig *r, struct hb_look_result *ret, struct hb_err *e) {
        struct hb_look_output o = {.path = r->out, .replace = true};

        return hb_look_repair(r->b, &o, ret, e);
}

static void a_sound_file_stays_as_it_is(void **state) {
        struct rig *r = *state;
        struct hb_look_result result;
        struct hb_scan *s = calloc(1, sizeof(*s));
        struct hb_trace_info info;
        struct hb_err e = {0};
        char *before;

        make(r->b);
        before = story(r->b);
        scan_file(r->b, s, &info);
        assert_int_equal(s->damaged, 0);
        assert_true(info.indexed);
        assert_int_equal(s->epochs, EPOCHS);
        assert_int_equal(s->records, EPOCHS * 200);
        assert_int_equal(s->most, 200);
        assert_int_equal(s->events[HB_TRACE_INPUT], EPOCHS);
        assert_int_equal(repair(r, &result, &e), 0);
        assert_int_equal(result.gaps, 0);
        tells(r->out, before);
        free(before);
        free(s);
}

/* Any one byte of the blocks: either the reader still understands all (a byte that says nothing), or the scan
 * tells of damage, and the repaired file is sound, holds a mark and misses at most two blocks' epochs. */
static void a_byte_anywhere(void **state) {
        struct rig *r = *state;
        struct hb_scan *s = calloc(1, sizeof(*s));
        size_t n, found = 0;
        char *bytes;

        make(r->a);
        bytes = read_file(r->a, &n);
        for (size_t at = n / 40; at < n; at += n / 37) {
                struct hb_look_result result;
                struct hb_trace_info info;
                struct hb_err e = {0};
                hb_trace_reader *reader = NULL;
                char *text;

                bytes[at] ^= 0x10;
                write_file(r->b, bytes, n);
                bytes[at] ^= 0x10;
                if (hb_trace_reader_open(r->b, &reader, &e) < 0)
                        continue; /* the head: told at once */
                hb_trace_reader_free(reader);
                scan_file(r->b, s, &info);
                if (s->damaged == 0 && info.indexed)
                        continue;
                found++;
                if (repair(r, &result, &e) < 0)
                        fail_msg("byte %zu: %s", at, e.what);
                assert_true(result.gaps > 0);
                assert_true(result.epochs >= EPOCHS - 20);
                assert_true(result.missing_epochs <= EPOCHS - result.epochs);
                scan_file(r->out, s, &info);
                assert_int_equal(s->damaged, 0);
                assert_true(info.indexed);
                assert_int_equal(s->mark_kinds[HB_MARK_REPAIRED], result.gaps);
                text = story(r->out);
                assert_non_null(strstr(text, "repaired@"));
                free(text);
        }
        assert_true(found > 20);
        free(bytes);
        free(s);
}

static void inputs_after_a_gap_go(void **state) {
        struct rig *r = *state;
        struct hb_look_result result;
        struct hb_err e = {0};
        size_t n;
        char *bytes, *text, *gap;

        make(r->a);
        bytes = read_file(r->a, &n);
        bytes[n / 2] ^= 1;
        write_file(r->b, bytes, n);
        assert_int_equal(repair(r, &result, &e), 0);
        assert_int_equal(result.gaps, 1);
        assert_int_equal(result.missing_epochs, EPOCHS - result.epochs);
        text = story(r->out);
        gap = strstr(text, "repaired@");
        assert_non_null(gap);
        assert_null(strstr(gap, "input@"));
        *gap = '\0';
        assert_non_null(strstr(text, "input@"));
        free(text);
        free(bytes);
}

static void cut_short_anywhere(void **state) {
        struct rig *r = *state;
        struct hb_scan *s = calloc(1, sizeof(*s));
        size_t n, before = 0;
        uint64_t had = 0;
        char *bytes;

        make(r->a);
        bytes = read_file(r->a, &n);
        for (size_t keep = n / 20; keep < n; keep += n / 19) {
                struct hb_look_result result;
                struct hb_trace_info info;
                struct hb_err e = {0};
                hb_trace_reader *reader = NULL;

                write_file(r->b, bytes, keep);
                if (hb_trace_reader_open(r->b, &reader, &e) < 0)
                        continue;
                hb_trace_reader_free(reader);
                if (repair(r, &result, &e) < 0)
                        fail_msg("%zu bytes: %s", keep, e.what);
                assert_int_equal(size_of(r->b), keep);
                assert_true(result.cut_short && result.gaps == 1);
                assert_true(result.epochs >= had);
                scan_file(r->out, s, &info);
                assert_int_equal(s->damaged, 0);
                assert_true(info.indexed);
                had = result.epochs;
                before++;
        }
        assert_true(before > 10 && had >= EPOCHS - 10);
        free(bytes);
        free(s);
}

static void no_trace_is_refused(void **state) {
        struct rig *r = *state;
        struct hb_look_result result;
        struct hb_err e = {0};

        assert_int_equal(repair(r, &result, &e), -ENOENT);
        write_file(r->b, "this is no trace, whatever its name says; it goes on for a while", 60);
        assert_true(repair(r, &result, &e) < 0);
        assert_true(e.what[0]);
        assert_int_equal(access(r->out, F_OK), -1);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, rig_setup, rig_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(a_sound_file_stays_as_it_is), TEST(a_byte_anywhere),     TEST(inputs_after_a_gap_go),
                TEST(cut_short_anywhere),          TEST(no_trace_is_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
