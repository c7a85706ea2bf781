/* Cutting: the right epochs, events and pages; what a part must know of the time before it. */
#include "look_rig.h"

static const uint8_t runs_a[] = {2, 3, 10, 1}; /* 2-4, 15 */

/* Epochs 1 to 6, each touching its own page, with an event of each kind in between. */
static void make(const char *path) {
        struct hb_trace_header h = head("vm1", 1024);
        hb_trace_writer *w = begin_trace(path, &h);

        put_raw(w, 0, HB_TRACE_RESIDENT, runs_a, sizeof(runs_a));
        put_epoch(w, 1, 100, 1, 0);
        put_epoch(w, 2, 200, 2, 0);
        put_mark(w, 2 * S, HB_MARK_NOTE, 0, "of the second");
        put_mark(w, 2 * S + 5, HB_MARK_POLICY, 0, "lru 2.0.0 bbbb");
        put_raw(w, 2 * S + 6, HB_TRACE_INPUT, "i", 1);
        put_epoch(w, 3, 300, 0, 3);
        put_mark(w, 3 * S + S / 2, HB_MARK_ENGINE, 0, "");
        put_raw(w, 3 * S + S / 2, HB_TRACE_INPUT, "j", 1);
        put_epoch(w, 4, 400, 4, 0);
        put_mark(w, 4 * S + 1, HB_MARK_DIGEST, 7, "");
        put_epoch(w, 5, 500, 5, 0);
        put_mark(w, 5 * S + 9, HB_MARK_NOTE, 0, "of the sixth");
        put_epoch(w, 6, 600, 6, 0);
        put_mark(w, 6 * S + 9, HB_MARK_NOTE, 0, "last");
        end_trace(w);
}

static void cut(struct rig *r, struct hb_look_cut what, int expected, struct hb_look_result *ret) {
        struct hb_look_output o = {.path = r->out, .replace = true};
        struct hb_look_result unused;
        struct hb_err e = {0};
        int rc = hb_look_cut(r->a, &what, &o, ret ? ret : &unused, &e);

        if (rc != expected)
                fail_msg("%d: %s", rc, e.what);
        if (expected < 0)
                assert_true(e.what[0] && access(r->out, F_OK) != 0);
}

static void all_of_it_is_the_same(void **state) {
        struct rig *r = *state;
        char *before;

        make(r->a);
        before = story(r->a);
        cut(r, (struct hb_look_cut){.from = 1, .to = 6}, 0, NULL);
        tells(r->out, before);
        cut(r, (struct hb_look_cut){.by_time = true}, 0, NULL);
        tells(r->out, before);
        cut(r, (struct hb_look_cut){.from = 1, .to = UINT32_MAX, .npages = 1024}, 0, NULL);
        tells(r->out, before);
        free(before);
}

static void events_go_with_the_epoch_they_end_in(void **state) {
        struct rig *r = *state;
        struct hb_look_result result;

        make(r->a);
        cut(r, (struct hb_look_cut){.from = 2, .to = 3}, 0, &result);
        /* 2-4, 15, and page 100 of the epoch before */
        tells(r->out, "resident@1.0 2 3 10 1 84 1\nE2@2.0 200:2/0\nnote@2.0 0 of the second\n"
                      "policy@2.0 0 lru 2.0.0 bbbb\nE3@3.0 300:0/3\n");
        assert_int_equal(result.epochs, 2);
        assert_int_equal(result.records, 2);
        assert_int_equal(result.first_epoch, 2);
        assert_int_equal(result.last_epoch, 3);
        assert_int_equal(result.seconds_ns, 2 * S);
        assert_false(result.cut_short);
        assert_string_equal(header_of(r->out).policies[0].name, "ewma");
        assert_non_null(strstr(header_of(r->out).note, "[cut: epochs 2 to 3]"));
}

static void a_later_part_knows_what_was_before(void **state) {
        struct rig *r = *state;

        make(r->a);
        cut(r, (struct hb_look_cut){.from = 4, .to = 5}, 0, NULL);
        /* the engine began inside: its inputs and digests stay; "of the sixth" goes */
        tells(r->out, "resident@3.0 2 3 10 1 84 1 99 1 99 1\nengine@3.5 0 \ninput@3.5 106\nE4@4.0 400:4/0\n"
                      "digest@4.0 7 \nE5@5.0 500:5/0\n");
        assert_string_equal(header_of(r->out).policies[0].name, "lru"); /* swapped before the part */
        assert_string_equal(header_of(r->out).policies[0].version, "2.0.0");
        cut(r, (struct hb_look_cut){.from = 5}, 0, NULL); /* the engine began before */
        tells(r->out, "resident@4.0 2 3 10 1 84 1 99 1 99 1 99 1\nE5@5.0 500:5/0\nnote@5.0 0 of the sixth\n"
                      "E6@6.0 600:6/0\nnote@6.0 0 last\n");
}

static void seconds_are_a_way_to_say_it_too(void **state) {
        struct rig *r = *state;

        make(r->a);
        cut(r, (struct hb_look_cut){.by_time = true, .from_ns = 4 * S + 1, .to_ns = 6 * S}, 0, NULL);
        tells(r->out, "resident@4.0 2 3 10 1 84 1 99 1 99 1 99 1\nE5@5.0 500:5/0\nnote@5.0 0 of the sixth\n"
                      "E6@6.0 600:6/0\n");
}

static void pages_are_cut_and_stay_where_they_are(void **state) {
        struct hb_trace_header h = head("vm1", 1024);
        struct hb_trace_access a[] = {{1, 1, 1}, {10, 2, 0}, {19, 3, 0}, {20, 4, 0}};
        struct hb_trace_event d = {.stream = HB_TRACE_DECISION, .time_ns = S};
        struct rig *r = *state;
        hb_trace_writer *w = begin_trace(r->a, &h);

        put_raw(w, 0, HB_TRACE_RESIDENT, runs_a, sizeof(runs_a));
        assert_int_equal(hb_trace_writer_epoch(w, 1, S, a, 4), 0);
        d.decision.gfn = 5;
        d.decision.pages = 10; /* 5-14 */
        assert_int_equal(hb_trace_writer_event(w, &d), 0);
        d.decision.gfn = 900;
        assert_int_equal(hb_trace_writer_event(w, &d), 0);
        put_mark(w, S, HB_MARK_ENGINE, 0, "");
        put_raw(w, S, HB_TRACE_INPUT, "x", 1);
        end_trace(w);
        cut(r, (struct hb_look_cut){.first_page = 10, .npages = 10}, 0, NULL);
        tells(r->out, "resident@0.0 15 1\nE1@1.0 10:2/0 19:3/0\ndecision 10+5\n");
        assert_int_equal(header_of(r->out).shape.pages, 1024);
        cut(r, (struct hb_look_cut){.first_page = 20}, 0, NULL);
        tells(r->out, "E1@1.0 20:4/0\ndecision 900+10\n");
        unlink(r->out);
        cut(r, (struct hb_look_cut){.first_page = 1024}, -EINVAL, NULL);
}

static void what_holds_nothing_is_no_file(void **state) {
        struct hb_look_output o;
        struct rig *r = *state;
        struct hb_look_result result;
        struct hb_err e = {0};

        make(r->a);
        cut(r, (struct hb_look_cut){.from = 7}, -ENODATA, NULL);
        cut(r, (struct hb_look_cut){.from = 4, .to = 2}, -ENODATA, NULL);
        cut(r, (struct hb_look_cut){.by_time = true, .from_ns = 100 * S}, -ENODATA, NULL);
        o = (struct hb_look_output){.path = r->a, .replace = true}; /* onto itself */
        assert_int_equal(hb_look_cut(r->a, &(struct hb_look_cut){.from = 2}, &o, &result, &e), -EINVAL);
        o = (struct hb_look_output){.path = r->out};
        cut(r, (struct hb_look_cut){.from = 2}, 0, NULL);
        assert_int_equal(hb_look_cut(r->a, &(struct hb_look_cut){.from = 2}, &o, &result, &e), -EEXIST);
}

static int stop_at_once(void *arg, uint64_t at, uint64_t of) {
        return 1;
}

static void stopped_means_nothing_there(void **state) {
        struct hb_synth s = {.pages = 64, .epochs = 300, .seed = 2};
        struct rig *r = *state;
        struct hb_look_output o = {.path = r->out, .tick = stop_at_once};
        struct hb_look_result result;
        struct hb_err e = {0};

        assert_int_equal(hb_synth_write(&s, r->a, NULL), 0);
        assert_int_equal(hb_look_cut(r->a, &(struct hb_look_cut){.from = 2}, &o, &result, &e), -ECANCELED);
        assert_int_equal(access(r->out, F_OK), -1);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, rig_setup, rig_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(all_of_it_is_the_same),
                TEST(events_go_with_the_epoch_they_end_in),
                TEST(a_later_part_knows_what_was_before),
                TEST(seconds_are_a_way_to_say_it_too),
                TEST(pages_are_cut_and_stay_where_they_are),
                TEST(what_holds_nothing_is_no_file),
                TEST(stopped_means_nothing_there),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
