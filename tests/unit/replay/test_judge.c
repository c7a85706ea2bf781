/* Judged live, by what a target hears, is judged as in a replay, by what the trace says. */
#include "place/judge.h"
#include "replay_rig.h"

struct ear {
        hb_judge *j;
        uint32_t newest;
};

/* After the engine has heard it; at an epoch's end the judge has closed the one before, so the order is
 * right. */
static void hear(void *arg, const struct hb_engine_input *in) {
        struct ear *ear = arg;

        if (in->kind == HB_IN_INVALIDATE)
                hb_judge_announced(ear->j, in->now_ns, in->from, in->to, in->set);
        else if (in->kind == HB_IN_SUMMARY)
                hb_judge_summary(ear->j, &in->entry);
}

static void same(const struct hb_quality_score *a, const struct hb_quality_score *b) {
        assert_int_equal(a->moments, b->moments);
        assert_true(a->moments == 0 ||
                    (a->precision == b->precision && a->recall == b->recall && a->f1 == b->f1));
}

/* A migration is asked for: nothing is judged until it is given up. */
static void test_not_while_moving(void **state) {
        struct hb_replay_options o = {0};
        const char *path = rig_synth("moving.hbt", HB_SYNTH_HOT, 3000, 120);
        struct hb_policy_options po = {0};
        struct hb_quality_result live;
        uint64_t moments[3];
        struct ear ear = {0};
        hb_policies *with;
        struct hb_err e;
        hb_replay *r;

        assert_int_equal(hb_replay_open(path, &o, &r, &e), 0);
        assert_int_equal(hb_policies_new(&po, &with, &e), 0);
        assert_int_equal(
                hb_judge_new(r->sim->engine, with, 3000, hb_replay_horizon(r), HB_REPLAY_BASE_NS, &ear.j), 0);
        assert_int_equal(hb_engine_set_tap(r->sim->engine, hear, &ear), 0);
        for (unsigned third = 0; third < 3; third++) {
                if (third > 0)
                        hb_engine_drain(r->sim->engine, r->sim->now_ns, third == 1);
                for (unsigned i = 0; i < 40; i++) {
                        assert_int_equal(hb_replay_step(r, &e), 1);
                        hb_judge_tick(ear.j, r->sim->now_ns + S / 2);
                }
                hb_judge_result(ear.j, &live);
                moments[third] = live.all.moments;
        }
        /* Moments asked before it began are still judged, one horizon later. */
        assert_true(moments[1] >= moments[0] && moments[1] <= moments[0] + 3);
        assert_true(moments[2] >= moments[1] + 4);
        hb_judge_free(ear.j);
        hb_policies_free(with);
        hb_replay_free(r);
}

static void judge_both_ways(enum hb_synth_shape shape) {
        struct hb_replay_options o = {.quality = true};
        const char *path = rig_synth("judge.hbt", shape, 3000, 70);
        struct hb_policy_options po = {0};
        struct hb_quality_result live;
        struct hb_replay_result res;
        struct hb_bitmap all;
        struct ear ear = {0};
        hb_policies *with;
        struct hb_err e;
        hb_replay *r;

        assert_int_equal(hb_replay_open(path, &o, &r, &e), 0);
        assert_int_equal(hb_bitmap_init(&all, 3000), 0); /* else a first touch is announced like a write */
        hb_bitmap_set_all(&all);
        hb_sim_resident(r->sim, &all);
        hb_bitmap_fini(&all);
        assert_int_equal(hb_policies_new(&po, &with, &e), 0);
        assert_int_equal(hb_judge_new(r->sim->engine, with, 3000, hb_replay_horizon(r),
                                      HB_REPLAY_BASE_NS + r->sim->link.way_ns, &ear.j),
                         0);
        assert_int_equal(hb_engine_set_tap(r->sim->engine, hear, &ear), 0);
        while (hb_replay_step(r, &e) > 0) {
                hb_judge_tick(ear.j, r->sim->now_ns); /* too early: nothing is closed */
                hb_judge_tick(ear.j, r->sim->now_ns + S / 2);
        }
        hb_replay_result(r, &res);
        hb_judge_result(ear.j, &live);
        assert_true(res.quality.all.moments >= 7);
        same(&live.all, &res.quality.all);
        same(&live.returning, &res.quality.returning);
        same(&live.fresh, &res.quality.fresh);
        same(&live.writes, &res.quality.writes);
        hb_judge_free(ear.j);
        hb_policies_free(with);
        hb_replay_free(r);
}

static void test_live_is_as_in_a_replay(void **state) {
        judge_both_ways(HB_SYNTH_HOT);
        judge_both_ways(HB_SYNTH_PHASES);
        judge_both_ways(HB_SYNTH_MIX);
}

static void test_what_is_refused_does_not_count(void **state) {
        struct hb_replay_options o = {0};
        struct hb_policy_options po = {0};
        struct hb_summary_entry s = {.gfn = 5, .pages = 1, .last_access = 2};
        struct hb_quality_result q;
        struct hb_bitmap b;
        hb_policies *with;
        struct hb_err e;
        hb_replay *r;
        hb_judge *j;

        assert_int_equal(hb_replay_open(rig_synth("few.hbt", HB_SYNTH_MIX, 100, 2), &o, &r, &e), 0);
        assert_int_equal(hb_policies_new(&po, &with, &e), 0);
        assert_int_equal(hb_judge_new(r->sim->engine, with, 100, 10, 0, &j), 0);
        assert_int_equal(hb_bitmap_init(&b, 100), 0);
        hb_bitmap_set(&b, 7);
        for (uint32_t k = 1; k <= 60; k++) {
                hb_judge_announced(j, k * S, k - 1, k, &b);
                hb_judge_announced(j, k * S, k - 1, k, &b);     /* twice */
                hb_judge_announced(j, k * S, k + 5, k + 6, &b); /* a gap */
                s.last_access = k;
                s.gfn = 5;
                hb_judge_summary(j, &s);
                s.gfn = 100; /* outside */
                hb_judge_summary(j, &s);
        }
        hb_judge_result(j, &q);
        assert_int_equal(q.all.moments, 4); /* 30, 35, 40, 45 s; 50 s is open */
        assert_int_equal(q.fresh.moments, 0);
        hb_judge_free(j);
        hb_judge_free(NULL);
        hb_bitmap_fini(&b);
        hb_policies_free(with);
        hb_replay_free(r);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_live_is_as_in_a_replay),
                cmocka_unit_test(test_what_is_refused_does_not_count),
                cmocka_unit_test(test_not_while_moving),
        };

        return cmocka_run_group_tests(tests, rig_begin, rig_end);
}
