/* Merging: parts end to end are the whole again; what does not belong together is refused before anything is
 * written; guests side by side keep their pages apart. */
#include "look_rig.h"

static int merge(struct rig *r, unsigned n, struct hb_look_result *ret, struct hb_err *e) {
        const char *const in[] = {r->a, r->b, r->c};
        struct hb_look_output o = {.path = r->out, .replace = true};

        return hb_look_merge(in, n, &o, ret, e);
}

static void refused(struct rig *r, const char *what) {
        struct hb_look_result result;
        struct hb_err e = {0};

        assert_int_equal(merge(r, 2, &result, &e), -EINVAL);
        if (!strstr(e.what, what))
                fail_msg("\"%s\" says nothing of \"%s\"", e.what, what);
        assert_string_equal(e.which, r->b);
        assert_int_equal(access(r->out, F_OK), -1);
}

/* Recordings on both hosts of a move: each counts from 1. */
static void epochs_are_numbered_on_after_a_move(void **state) {
        struct hb_synth s = {.shape = HB_SYNTH_HOT, .pages = 500, .epochs = 12, .seed = 4};
        struct rig *r = *state;
        const char *const in[] = {r->a, r->b};
        struct hb_look_output o = {.path = r->out, .replace = true, .number_on = true};
        struct hb_look_result result;

        assert_int_equal(hb_synth_write(&s, r->a, NULL), 0);
        s.epochs = 20;
        assert_int_equal(hb_synth_write(&s, r->b, NULL), 0);
        refused(r, "begins with epoch 1");
        assert_int_equal(hb_look_merge(in, 2, &o, &result, NULL), 0);
        assert_int_equal(result.epochs, 32);
        assert_int_equal(result.first_epoch, 1);
        assert_int_equal(result.last_epoch, 32);
        unlink(r->out);
}

static void cut_parts_are_the_whole_again(void **state) {
        struct hb_synth s = {.shape = HB_SYNTH_MIX, .pages = 2000, .epochs = 90, .seed = 4};
        struct rig *r = *state;
        struct hb_look_output o = {.replace = true};
        struct hb_look_result result;
        struct hb_err e = {0};
        char *before;
        char *after;

        assert_int_equal(hb_synth_write(&s, r->out, NULL), 0);
        before = story(r->out);
        o.path = r->a;
        assert_int_equal(hb_look_cut(r->out, &(struct hb_look_cut){.from = 1, .to = 30}, &o, &result, &e), 0);
        o.path = r->b;
        assert_int_equal(hb_look_cut(r->out, &(struct hb_look_cut){.from = 31, .to = 60}, &o, &result, &e),
                         0);
        o.path = r->c;
        assert_int_equal(hb_look_cut(r->out, &(struct hb_look_cut){.from = 61}, &o, &result, &e), 0);
        assert_int_equal(merge(r, 3, &result, &e), 0);
        assert_int_equal(result.epochs, 90);
        after = story(r->out);
        assert_string_equal(before, after);
        free(before);
        free(after);
}

/* As a recorder rotates: times begin anew, the date goes on, the memory grew, a policy was swapped. */
static void rotated_parts_go_on_in_time(void **state) {
        struct hb_trace_header h = head("vm1", 100);
        struct rig *r = *state;
        struct hb_look_result result;
        struct hb_err e = {0};
        hb_trace_writer *w = begin_trace(r->a, &h);
        struct hb_trace_access a = {120, 1, 0};

        put_epoch(w, 1, 7, 1, 0);
        put_epoch(w, 2, 8, 0, 2);
        end_trace(w);
        h.part = 1;
        h.begins_unix_ns += 2 * S;
        h.shape.pages = h.shape.regions[0].pages = 150;
        snprintf(h.policies[0].name, sizeof(h.policies[0].name), "lru");
        w = begin_trace(r->b, &h);
        put_mark(w, 0, HB_MARK_NOTE, 1, "goes on");
        assert_int_equal(hb_trace_writer_epoch(w, 3, S, &a, 1), 0);
        end_trace(w);
        assert_int_equal(merge(r, 2, &result, &e), 0);
        tells(r->out, "E1@1.0 7:1/0\nE2@2.0 8:0/2\npolicy@2.0 0 lru 1.0.0 aaaa\nnote@2.0 1 goes on\n"
                      "E3@3.0 120:1/0\n");
        assert_int_equal(header_of(r->out).shape.pages, 150);
        assert_int_equal(header_of(r->out).part, 0);
        assert_int_equal(result.seconds_ns, 3 * S);
}

static void a_clock_set_back_does_not_turn_time(void **state) {
        struct hb_trace_header h = head("vm1", 100);
        struct rig *r = *state;
        struct hb_look_result result;
        struct hb_err e = {0};
        hb_trace_writer *w = begin_trace(r->a, &h);
        struct hb_trace_access a = {1, 1, 0};

        put_epoch(w, 1, 7, 1, 0);
        put_epoch(w, 2, 8, 0, 2);
        end_trace(w);
        h.begins_unix_ns -= 3600 * S;
        w = begin_trace(r->b, &h);
        assert_int_equal(hb_trace_writer_epoch(w, 3, S, &a, 1), 0);
        end_trace(w);
        assert_int_equal(merge(r, 2, &result, &e), 0);
        tells(r->out, "E1@1.0 7:1/0\nE2@2.0 8:0/2\nE3@3.0 1:1/0\n");
}

static void make(const char *path, const struct hb_trace_header *h, uint32_t epoch) {
        hb_trace_writer *w = begin_trace(path, h);

        put_epoch(w, epoch, 7, 1, 0);
        end_trace(w);
}

static void strangers_are_refused(void **state) {
        struct hb_trace_header h = head("vm1", 100), other;
        struct rig *r = *state;

        make(r->a, &h, 5);
        other = head("vm2", 100);
        make(r->b, &other, 6);
        refused(r, "another guest");
        other = h;
        other.epoch_ns = S / 2;
        make(r->b, &other, 6);
        refused(r, "epoch length");
        other = head("vm1", 99); /* shrank */
        make(r->b, &other, 6);
        refused(r, "shape");
        other = h;
        other.flags |= HB_TRACE_NO_READS;
        make(r->b, &other, 6);
        refused(r, "kind of trace");
        other = h;
        other.seed = 6;
        make(r->b, &other, 6);
        refused(r, "engine");
        make(r->b, &h, 5);
        refused(r, "begins with epoch 5");
        other = h;
        other.part = 3;
        make(r->a, &other, 5);
        other.part = 2;
        make(r->b, &other, 6);
        refused(r, "part 2 comes after part 3");
}

static int side(struct rig *r, unsigned n, struct hb_look_result *ret, struct hb_err *e) {
        const char *const in[] = {r->a, r->b, r->c};
        struct hb_look_output o = {.path = r->out, .replace = true};

        return hb_look_merge_side(in, n, &o, ret, e);
}

static void guests_side_by_side(void **state) {
        struct hb_trace_header h = head("vm1", 100), h2 = head("vm2", 50);
        static const uint8_t runs[] = {2, 3};
        struct rig *r = *state;
        struct hb_look_result result;
        struct hb_err e = {0};
        hb_trace_writer *w = begin_trace(r->a, &h);
        struct hb_trace_access a = {7, 9, 0};

        put_epoch(w, 1, 7, 1, 0);
        put_epoch(w, 2, 8, 0, 2);
        put_mark(w, 2 * S, HB_MARK_ENGINE, 0, "");
        put_epoch(w, 4, 9, 1, 0);
        end_trace(w);
        w = begin_trace(r->b, &h2); /* other epoch numbers, times that jitter */
        put_raw(w, 99 * S, HB_TRACE_RESIDENT, runs, sizeof(runs));
        assert_int_equal(hb_trace_writer_epoch(w, 100, 100 * S, &a, 1), 0);
        assert_int_equal(hb_trace_writer_epoch(w, 101, 100 * S + 980000000, &a, 1), 0);
        put_mark(w, 101 * S, HB_MARK_DROPPED, 3, "accesses");
        assert_int_equal(hb_trace_writer_epoch(w, 102, 102 * S + 30000000, &a, 1), 0);
        end_trace(w);
        assert_int_equal(side(r, 2, &result, &e), 0);
        tells(r->out, "resident@0.0 102 3\nE1@1.0 7:1/0 107:9/0\ndropped@2.0 3 vm2: accesses\n"
                      "E2@2.0 8:0/2 107:9/0\nE3@3.0 107:9/0\nE4@4.0 9:1/0\n");
        h = header_of(r->out);
        assert_int_equal(h.shape.nregions, 2);
        assert_string_equal(h.shape.regions[1].name, "vm2.secret-ram");
        assert_int_equal(h.shape.regions[1].first_gfn, 100);
        assert_int_equal(result.left_out, 1);
}

static void epochs_of_half_the_length_are_joined(void **state) {
        struct hb_trace_header h = head("vm1", 100), h2 = head("vm1", 100);
        struct hb_trace_access a[] = {{3, 1, 0}, {5, 1, 1}};
        struct rig *r = *state;
        struct hb_look_result result;
        struct hb_err e = {0};
        hb_trace_writer *w = begin_trace(r->a, &h);

        put_epoch(w, 1, 1, 1, 0);
        put_epoch(w, 2, 1, 1, 0);
        put_epoch(w, 3, 1, 1, 0);
        end_trace(w);
        h2.epoch_ns = S / 2;
        w = begin_trace(r->b, &h2);
        for (uint32_t k = 1; k <= 4; k++)
                assert_int_equal(hb_trace_writer_epoch(w, k, k * S / 2, a, 2), 0);
        end_trace(w);
        assert_int_equal(side(r, 2, &result, &e), 0);
        /* ends at 1, 1.5, 2, 2.5 s of the result's clock */
        tells(r->out, "E1@1.0 1:1/0 103:1/0 105:1/1\nE2@2.0 1:1/0 103:2/0 105:2/2\n"
                      "E3@3.0 1:1/0 103:1/0 105:1/1\n");
        assert_string_equal(header_of(r->out).shape.regions[1].name, "vm1.secret-ram.1");
        /* one of them without counts: seen or not */
        h2.flags &= ~(uint32_t)HB_TRACE_COUNTS;
        w = begin_trace(r->b, &h2);
        for (uint32_t k = 1; k <= 4; k++)
                assert_int_equal(hb_trace_writer_epoch(w, k, k * S / 2, a, 2), 0);
        end_trace(w);
        assert_int_equal(side(r, 2, &result, &e), 0);
        assert_false(header_of(r->out).flags & HB_TRACE_COUNTS);
        tells(r->out, "E1@1.0 1:1/0 103:1/0 105:1/1\nE2@2.0 1:1/0 103:1/0 105:1/1\n"
                      "E3@3.0 1:1/0 103:1/0 105:1/1\n");
}

static void too_many_regions_are_refused(void **state) {
        struct hb_trace_header h = head("vm1", 10);
        struct rig *r = *state;
        struct hb_look_result result;
        struct hb_err e = {0};
        char name[HB_NAME_MAX];

        for (int k = 1; k < 9; k++) {
                snprintf(name, sizeof(name), "r%d", k);
                assert_int_equal(hb_shape_add(&h.shape, name, 4096, 4096, NULL), 0);
        }
        make(r->a, &h, 1);
        make(r->b, &h, 1);
        assert_true(side(r, 2, &result, &e) < 0);
        assert_non_null(strstr(e.what, "do not fit"));
        assert_int_equal(access(r->out, F_OK), -1);
}

#define TEST(t) cmocka_unit_test_setup_teardown(t, rig_setup, rig_teardown)

int main(void) {
        const struct CMUnitTest tests[] = {
                TEST(cut_parts_are_the_whole_again),
                TEST(epochs_are_numbered_on_after_a_move),
                TEST(rotated_parts_go_on_in_time),
                TEST(a_clock_set_back_does_not_turn_time),
                TEST(strangers_are_refused),
                TEST(guests_side_by_side),
                TEST(epochs_of_half_the_length_are_joined),
                TEST(too_many_regions_are_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
