/* Training: a guest with a period is learned; a run that was stopped and goes on ends as one that went
 * through; checkpoints that are damaged, or of other options, are refused. */
#include "base/fault.h"
#include "learn/checkpoint.h"
#include "learn/train.h"
#include "learn_rig.h"

/* Page p is touched every 8 s, pages of a kind together: after 16 windows of silence nothing comes again. */
static int periodic(uint32_t p, uint32_t t) {
        if (p >= 256)
                return p % 16 == 0 && t < 20;
        return t % 8 == p / 32 ? 1 + (int)(p % 2) : 0;
}

struct watch {
        uint32_t stop_after; /* passes; 0: never */
        unsigned calls;
};

static int watch(void *arg, const struct hb_train_progress *p) {
        struct watch *w = arg;

        w->calls++;
        return w->stop_after && p->pass > w->stop_after;
}

static struct hb_train_options options(const char *const *trace, const char *out) {
        return (struct hb_train_options){.traces = trace,
                                         .ntraces = 1,
                                         .out = out,
                                         .hidden = 8,
                                         .dense = 12,
                                         .passes = 3,
                                         .steps = 4,
                                         .data = {.horizons = {5}, .nhorizons = 1, .pages = 128},
                                         .trainer = {.rate = 0.005f, .batch_pages = 128}};
}

static const char *toy(void) {
        const char *path = rig_file("toy.hbt");

        if (access(path, F_OK) < 0)
                rig_trace(path, 1024, 120, periodic);
        return path;
}

static void *slurp(const char *path, long *ret_size) {
        FILE *f = fopen(path, "r");
        void *data;

        assert_non_null(f);
        fseek(f, 0, SEEK_END);
        *ret_size = ftell(f);
        rewind(f);
        data = malloc((size_t)*ret_size + 1);
        assert_int_equal(fread(data, 1, (size_t)*ret_size, f), *ret_size);
        fclose(f);
        return data;
}

static void expect_same_file(const char *a, const char *b) {
        long na, nb;
        void *x = slurp(a, &na), *y = slurp(b, &nb);

        assert_int_equal(na, nb);
        assert_memory_equal(x, y, (size_t)na);
        free(x);
        free(y);
}

static void test_learns_a_period(void **state) {
        const char *trace = toy();
        struct hb_train_options o = options(&trace, rig_file("period.hbm"));
        struct hb_train_result r;
        struct hb_err e = {0};
        struct watch w = {0};

        o.passes = 12;
        if (hb_train_run(&o, watch, &w, &r, &e) < 0)
                fail_msg("%s", e.what);
        assert_true(r.lessons > 10 && r.held_back > 0 && r.bad_steps == 0);
        assert_true(r.validation < 0.4 * r.untrained);
        assert_true(w.calls >= r.passes);
        assert_string_not_equal(r.model.hash, "");
        assert_int_equal(r.model.hidden, 8);
        assert_int_equal(access(rig_file("period.hbm.part"), F_OK), -1); /* nothing is left to go on with */
}

static void test_goes_on_where_it_was(void **state) {
        const char *trace = toy(), *whole = rig_file("whole.hbm");
        struct hb_train_options o = options(&trace, whole);
        struct watch through = {0}, stopped = {.stop_after = 1};
        struct hb_train_result r;
        struct hb_err e = {0};

        assert_int_equal(hb_train_run(&o, watch, &through, &r, &e), 0);
        assert_false(r.resumed);
        o.out = rig_file("parts.hbm");
        assert_int_equal(hb_train_run(&o, watch, &stopped, &r, &e), -ECANCELED);
        assert_int_equal(access(o.out, F_OK), -1); /* no model until it is done */
        o.resume = true;
        assert_int_equal(hb_train_run(&o, watch, &through, &r, &e), 0);
        assert_true(r.resumed);
        expect_same_file(rig_file("whole.hbm"), rig_file("parts.hbm"));
}

static void test_other_options_do_not_go_on(void **state) {
        const char *trace = toy();
        struct hb_train_options o = options(&trace, rig_file("other.hbm"));
        struct watch stopped = {.stop_after = 1};
        struct hb_train_result r;
        struct hb_err e = {0};

        assert_int_equal(hb_train_run(&o, watch, &stopped, &r, &e), -ECANCELED);
        o.resume = true;
        o.seed = 77;
        assert_int_equal(hb_train_run(&o, NULL, NULL, &r, &e), -EINVAL);
        assert_non_null(strstr(e.what, "trained otherwise"));
        o.resume = false; /* then it begins anew */
        assert_int_equal(hb_train_run(&o, NULL, NULL, &r, &e), 0);
}

static void test_checkpoints_are_checked(void **state) {
        const char *path = rig_file("check.part");
        struct hb_checkpoint c = {.key = "of this run", .pass = 3, .best = 0.5}, back;
        uint8_t bytes[] = {1, 2, 3, 4, 5};
        struct hb_err e = {0};
        uint8_t *data;
        long size;

        hb_buf_raw(&c.trainer, bytes, 5);
        hb_buf_raw(&c.model, bytes, 3);
        assert_int_equal(hb_checkpoint_write(path, &c, &e), 0);
        assert_int_equal(hb_checkpoint_read(path, &back, &e), 0);
        assert_string_equal(back.key, c.key);
        assert_true(back.pass == 3 && back.best == 0.5 && back.trainer.len == 5 && back.model.len == 3);
        hb_checkpoint_fini(&back);
        data = slurp(path, &size);
        for (long i = 0; i < size; i++) { /* any damaged byte, any length */
                data[i] ^= 0x40;
                assert_int_equal(hb_checkpoint_decode(data, (size_t)size, &back), -EBADMSG);
                data[i] ^= 0x40;
                assert_int_equal(hb_checkpoint_decode(data, (size_t)i, &back), -EBADMSG);
        }
        free(data);
        hb_checkpoint_fini(&c);
        assert_int_equal(hb_checkpoint_read(rig_file("none.part"), &back, &e), -ENOENT);
}

static void test_too_short(void **state) {
        const char *trace = rig_file("short.hbt");
        struct hb_train_options o = options(&trace, rig_file("short.hbm"));
        struct hb_train_result r;
        struct hb_err e = {0};

        rig_trace(trace, 64, 10, periodic);
        assert_int_equal(hb_train_run(&o, NULL, NULL, &r, &e), -ENODATA);
        assert_non_null(strstr(e.what, "too short"));
}

/* A full disk while a pass is kept: told, and no file half written. */
static void test_no_room_for_a_checkpoint(void **state) {
        const char *trace = toy();
        struct hb_train_options o = options(&trace, rig_file("full.hbm"));
        struct hb_train_result r;
        struct hb_err e = {0};

        assert_int_equal(hb_fault_arm("learn.checkpoint=fail@1"), 0);
        assert_int_equal(hb_train_run(&o, NULL, NULL, &r, &e), -ENOSPC);
        hb_fault_disarm();
        assert_int_equal(access(rig_file("full.hbm.part"), F_OK), -1);
        assert_int_equal(access(rig_file("full.hbm.part.new"), F_OK), -1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_learns_a_period),
                cmocka_unit_test(test_goes_on_where_it_was),
                cmocka_unit_test(test_other_options_do_not_go_on),
                cmocka_unit_test(test_checkpoints_are_checked),
                cmocka_unit_test(test_too_short),
                cmocka_unit_test(test_no_room_for_a_checkpoint),
        };

        return cmocka_run_group_tests(tests, rig_begin, rig_end);
}
