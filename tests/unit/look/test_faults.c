/* Everything that can fail below fails once, in turn: each operation says so and leaves nothing behind, or
 * was not hurt by it. */
#include "base/fault.h"
#include "look_rig.h"

static int do_cut(struct rig *r, const struct hb_look_output *o, struct hb_look_result *ret,
                  struct hb_err *e) {
        return hb_look_cut(r->a, &(struct hb_look_cut){.from = 5, .to = 9, .npages = 300}, o, ret, e);
}

static int do_merge(struct rig *r, const struct hb_look_output *o, struct hb_look_result *ret,
                    struct hb_err *e) {
        return hb_look_merge((const char *const[]){r->a, r->b}, 2, o, ret, e);
}

static int do_side(struct rig *r, const struct hb_look_output *o, struct hb_look_result *ret,
                   struct hb_err *e) {
        return hb_look_merge_side((const char *const[]){r->a, r->b}, 2, o, ret, e);
}

static int do_anonymize(struct rig *r, const struct hb_look_output *o, struct hb_look_result *ret,
                        struct hb_err *e) {
        return hb_look_anonymize(r->a, &(struct hb_look_key){{1, 2}}, o, ret, e);
}

static int do_repair(struct rig *r, const struct hb_look_output *o, struct hb_look_result *ret,
                     struct hb_err *e) {
        return hb_look_repair(r->a, o, ret, e);
}

static int do_look(struct rig *r, const struct hb_look_output *o, struct hb_look_result *ret,
                   struct hb_err *e) {
        struct hb_scan *s = calloc(1, sizeof(*s));
        struct hb_heatmap *m = NULL;
        hb_trace_reader *reader = NULL;
        int rc = hb_trace_reader_open(r->a, &reader, e);

        if (rc == 0)
                rc = hb_look_scan(reader, NULL, NULL, s, e);
        if (rc == 0)
                rc = hb_heatmap_read(reader, &(struct hb_heatmap_options){0}, NULL, NULL, &m, e);
        hb_heatmap_free(m);
        hb_trace_reader_free(reader);
        free(s);
        return rc < 0 ? rc : 1; /* no file to be expected */
}

static void make(const char *path, uint32_t from) {
        struct hb_trace_header h = head("vm1", 2000);
        static const uint8_t runs[] = {1, 100};
        hb_trace_writer *w = begin_trace(path, &h);

        put_raw(w, from * S, HB_TRACE_RESIDENT, runs, sizeof(runs));
        for (uint32_t k = 1; k <= 20; k++)
                put_epoch(w, from + k, k * 9, 1, k);
        end_trace(w);
}

static void fail_each(struct rig *r, int (*run)(struct rig *r, const struct hb_look_output *o,
                                                struct hb_look_result *ret, struct hb_err *e)) {
        struct hb_look_output o = {.path = r->out};
        unsigned failed = 0, rounds = 0;

        make(r->a, 0);
        make(r->b, 20);
        for (unsigned n = 1; hb_fail_nth(n); n++, rounds++) {
                struct hb_look_result result;
                struct hb_err e = {0};
                int rc = run(r, &o, &result, &e);

                if (rc < 0) {
                        failed++;
                        assert_true(e.what[0]);
                        assert_int_equal(access(r->out, F_OK), -1);
                } else if (rc == 0) {
                        assert_int_equal(unlink(r->out), 0);
                }
        }
        hb_fault_disarm();
        assert_true(failed > 3 && rounds > failed);
}

static void each_fails_in_turn(void **state) {
        fail_each(*state, do_cut);
        fail_each(*state, do_merge);
        fail_each(*state, do_side);
        fail_each(*state, do_anonymize);
        fail_each(*state, do_repair);
        fail_each(*state, do_look);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(each_fails_in_turn, rig_setup, rig_teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
