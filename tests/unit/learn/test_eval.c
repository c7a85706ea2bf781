/* Evaluations through the production engine: the same whatever the number of threads, fine-tuning changes a
 * tuned predictor alone, and what the figures come to. */
#include "learn/eval.h"
#include "learn/train.h"
#include "learn_rig.h"

#define POLICIES HB_SOURCE_DIR "/policies"

/* Eight groups of pages that take turns, and a quarter that is always there. */
static int turns(uint32_t p, uint32_t t) {
        if (p < 64)
                return 1 + (int)(p % 2);
        return p < 320 && t / 4 % 8 == p % 8 ? 1 : 0;
}

static struct hb_eval *evaluate(unsigned jobs, const char *model) {
        const char *trace = rig_file("turns.hbt");
        struct hb_eval_options o = {.traces = &trace,
                                    .ntraces = 1,
                                    .policy_dir = POLICIES,
                                    .model = model,
                                    .baselines = "recency,lfu",
                                    .horizons = "5,10",
                                    .finetune = 10,
                                    .jobs = jobs};
        struct hb_eval *v;
        struct hb_err e = {0};

        if (access(trace, F_OK) < 0)
                rig_trace(trace, 1024, 60, turns);
        if (hb_eval_run(&o, NULL, NULL, &v, &e) < 0)
                fail_msg("%s (%s)", e.what, e.which);
        return v;
}

static const char *new_model(void) {
        const char *path = rig_file("new.hbm");
        hb_model *m;
        struct hb_err e;

        assert_int_equal(hb_model_new(8, 12, 3, &m), 0);
        assert_int_equal(hb_model_write(m, path, &e), 0);
        hb_model_free(m);
        return path;
}

static void test_the_same_by_any_number_of_threads(void **state) {
        const char *model = new_model();
        struct hb_eval *one = evaluate(1, model), *three = evaluate(3, model);
        unsigned cells = one->ntraces * one->nhorizons * one->npredictors;

        assert_int_equal(one->npredictors, 5); /* two baselines; frozen, tuned, guarded */
        assert_int_equal(cells, 10);
        for (unsigned i = 0; i < cells; i++) {
                assert_memory_equal(&one->cells[i].q, &three->cells[i].q, sizeof(one->cells[i].q));
                assert_int_equal(one->cells[i].errors, 0);
                assert_true(one->cells[i].q.all.moments > 0);
        }
        hb_eval_free(one);
        hb_eval_free(three);
}

static void test_only_the_tuned_ones_learn(void **state) {
        struct hb_eval *v = evaluate(2, new_model());

        for (unsigned h = 0; h < v->nhorizons; h++)
                for (unsigned p = 0; p < v->npredictors; p++) {
                        const struct hb_eval_cell *c = hb_eval_at(v, 0, h, p);
                        bool learns = v->predictors[p].kind >= HB_EVAL_TUNED;

                        assert_int_equal(c->lessons > 0, learns);
                        assert_int_equal(c->steps, c->lessons * 10);
                }
        assert_string_equal(v->predictors[2].name, "lstm frozen");
        assert_string_equal(v->predictors[4].name, "lstm guarded");
        assert_non_null(strstr(hb_eval_at(v, 0, 1, 4)->note, "model")); /* it says who answers */
        hb_eval_free(v);
}

static struct hb_eval_cell cell(double all, double returning) {
        return (struct hb_eval_cell){.q = {.all = {all, all, all, 3},
                                           .returning = {returning, returning, returning, returning > 0}}};
}

static void test_figures(void **state) {
        /* Two traces, one horizon; recency, blend, the model. */
        struct hb_eval_cell cells[] = {cell(0.5, 0.2), cell(0.9, 0.9), cell(0.6, 0.1),
                                       cell(0.3, 0),   cell(0.9, 0),   cell(0.2, 0)};
        struct hb_eval_trace traces[2] = {{.name = "a"}, {.name = "b"}};
        struct hb_eval v = {.traces = traces,
                            .predictors = {{"recency", "recency", HB_EVAL_BASELINE},
                                           {"blend", "blend", HB_EVAL_BASELINE},
                                           {"lstm", "lstm tuned", HB_EVAL_TUNED}},
                            .horizons = {10},
                            .ntraces = 2,
                            .npredictors = 3,
                            .nhorizons = 1,
                            .cells = cells};
        struct hb_eval_verdict d;

        assert_true(fabs(hb_eval_mean(&v, 0, 0, HB_EVAL_ALL).f1 - 0.4) < 1e-12);
        assert_true(fabs(hb_eval_mean(&v, 0, 0, HB_EVAL_RETURNING).f1 - 0.2) < 1e-12); /* of one trace */
        assert_true(hb_eval_against(&v, 0, 0, 2, HB_EVAL_ALL, &d));
        assert_int_equal(d.best, 0); /* blend is no single baseline */
        assert_true(fabs(d.gain - 0.2) < 1e-12);
        assert_true(hb_eval_against(&v, v.ntraces, 0, 2, HB_EVAL_ALL, &d));
        assert_true(fabs(d.gain - 0.0) < 1e-12);
        assert_false(hb_eval_against(&v, 1, 0, 2, HB_EVAL_RETURNING, &d)); /* nothing returned there */
}

static void test_refused(void **state) {
        const char *trace = rig_file("turns.hbt");
        struct hb_eval_options o = {.traces = &trace, .ntraces = 1, .policy_dir = POLICIES};
        struct hb_eval *v;
        struct hb_err e;

        if (access(trace, F_OK) < 0)
                rig_trace(trace, 1024, 60, turns);
        o.horizons = "5,soon";
        assert_int_equal(hb_eval_run(&o, NULL, NULL, &v, &e), -EINVAL);
        o.horizons = "5";
        o.baselines = "recency,,lfu";
        assert_int_equal(hb_eval_run(&o, NULL, NULL, &v, &e), -EINVAL);
        o.baselines = "nobody";
        assert_true(hb_eval_run(&o, NULL, NULL, &v, &e) < 0);
        assert_non_null(strstr(e.which, "nobody"));
        trace = rig_file("none.hbt");
        assert_int_equal(hb_eval_run(&o, NULL, NULL, &v, &e), -ENOENT);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_same_by_any_number_of_threads),
                cmocka_unit_test(test_only_the_tuned_ones_learn),
                cmocka_unit_test(test_figures),
                cmocka_unit_test(test_refused),
        };

        return cmocka_run_group_tests(tests, rig_begin, rig_end);
}
