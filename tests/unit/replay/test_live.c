/* Replays that are told something while they run: a move is the one that was asked about, a placement given
 * up and made again ends up whole, and a replay that is told nothing is what it always was. */
#include "base/fault.h"
#include "replay/live.h"
#include "replay_rig.h"

static hb_replay *open_at(const char *path, const struct hb_replay_options *o, unsigned epochs) {
        struct hb_err e = {0};
        hb_replay *r;

        if (hb_replay_open(path, o, &r, &e) < 0)
                fail_msg("%s", e.what);
        for (unsigned i = 0; i < epochs; i++)
                assert_int_equal(hb_replay_live_step(r, &e), 1);
        return r;
}

static struct hb_replay_live live_of(const hb_replay *r) {
        struct hb_replay_live l;

        hb_replay_live(r, &l);
        return l;
}

static uint64_t digest_of(const hb_replay *r) {
        struct hb_engine_stats s;

        hb_engine_stats(hb_replay_engine(r), &s);
        return s.digest;
}

static void run_to_end(hb_replay *r) {
        struct hb_err e = {0};
        int rc;

        while ((rc = hb_replay_live_step(r, &e)) > 0)
                ;
        if (rc < 0)
                fail_msg("%s", e.what);
}

static void test_the_move_is_the_one_asked_about(void **state) {
        const char *path = rig_synth("move.hbt", HB_SYNTH_MIX, 6000, 50);
        struct hb_replay_options o = {.link_bytes_per_s = 4e6}, asked = o;
        struct hb_replay_result r;
        struct hb_replay_live l;
        hb_replay *live;
        struct hb_err e;

        asked.migrate_moments = 1;
        asked.migrate_at_ns[0] = 30 * S;
        r = rig_run(path, &asked);
        assert_true(r.migrations[0].converged);
        live = open_at(path, &o, 30);
        assert_int_equal(live_of(live).course, HB_COURSE_PLACED);
        assert_int_equal(live_of(live).time_ns, 30 * S);
        assert_int_equal(hb_replay_move(live, 0, &e), 0);
        assert_int_equal(hb_replay_move(live, 0, &e), -EBUSY);
        assert_int_equal(live_of(live).course, HB_COURSE_DRAINING);
        while (live_of(live).course == HB_COURSE_DRAINING)
                assert_int_equal(hb_replay_live_step(live, &e), 1);
        l = live_of(live);
        assert_int_equal(l.course, HB_COURSE_MOVED);
        assert_true(l.move.drain_s == r.migrations[0].drain_s);
        assert_true(l.move.downtime_s == r.migrations[0].downtime_s);
        assert_int_equal(l.move.bytes_after, r.migrations[0].bytes_after);
        assert_int_equal(l.asked_ns, 30 * S);
        assert_true(l.stop_ns > l.asked_ns && l.run_ns > l.stop_ns);
        run_to_end(live); /* it runs there now */
        assert_int_equal(live_of(live).time_ns, 50 * S);
        hb_replay_result(live, &r);
        assert_int_equal(r.epochs, 50);
        hb_replay_free(live);
}

static void test_told_nothing_it_is_what_it_was(void **state) {
        const char *path = rig_synth("still.hbt", HB_SYNTH_PHASES, 4000, 40);
        struct hb_replay_options o = {.link_bytes_per_s = 3e6};
        struct hb_replay_result was = rig_run(path, &o);
        hb_replay *r = open_at(path, &o, 0);

        run_to_end(r);
        assert_int_equal(digest_of(r), was.digest);
        hb_replay_free(r);
}

static void test_given_up_before_the_stop(void **state) {
        const char *path = rig_synth("abort.hbt", HB_SYNTH_RANDOM, 8000, 30);
        struct hb_replay_options o = {.link_bytes_per_s = 1e6};
        hb_replay *r = open_at(path, &o, 10);
        struct hb_engine_stats s;
        struct hb_err e;

        assert_int_equal(hb_replay_drop_move(r, &e), -ENOENT);
        assert_int_equal(hb_replay_move(r, 0.3, &e), 0);
        for (unsigned i = 0; i < 5; i++)
                assert_int_equal(hb_replay_live_step(r, &e), 1);
        assert_int_equal(live_of(r).course, HB_COURSE_DRAINING);
        assert_int_equal(hb_replay_drop_move(r, &e), 0);
        assert_int_equal(hb_replay_drop_move(r, &e), -ENOENT);
        assert_int_equal(live_of(r).course, HB_COURSE_PLACED);
        run_to_end(r);
        hb_engine_stats(hb_replay_engine(r), &s);
        assert_true(!s.draining && !s.frozen && !s.complete);
        assert_int_equal(live_of(r).time_ns, 30 * S);
        hb_replay_free(r);
}

/* Written faster than it can be sent: the guest is left alone. */
static void test_refused_where_no_end_is_in_sight(void **state) {
        const char *path = rig_synth("never.hbt", HB_SYNTH_RANDOM, 20000, 60);
        struct hb_replay_options o = {.link_bytes_per_s = 2e5};
        hb_replay *r = open_at(path, &o, 10);
        struct hb_err e;

        assert_int_equal(hb_replay_move(r, 0.1, &e), 0);
        while (live_of(r).course == HB_COURSE_DRAINING)
                assert_int_equal(hb_replay_live_step(r, &e), 1);
        assert_true(live_of(r).refused);
        assert_int_equal(live_of(r).course, HB_COURSE_PLACED);
        assert_true(live_of(r).time_ns < 60 * S);
        run_to_end(r);
        hb_replay_free(r);
}

static void test_placed_again_and_back(void **state) {
        const char *path = rig_synth("again.hbt", HB_SYNTH_HOT, 4000, 60);
        struct hb_replay_options o = {.quality = true};
        hb_replay *r = open_at(path, &o, 15);
        struct hb_engine_stats before, s;
        struct hb_err e;

        hb_engine_stats(hb_replay_engine(r), &before);
        assert_true(before.fresh > 100);
        assert_int_equal(hb_replay_place(r, &e), -EALREADY);
        assert_int_equal(hb_replay_unplace(r, &e), 0);
        assert_int_equal(hb_replay_unplace(r, &e), -EALREADY);
        assert_int_equal(hb_replay_move(r, 0, &e), -ENOTCONN);
        for (unsigned i = 0; i < 5; i++)
                assert_int_equal(hb_replay_live_step(r, &e), 1);
        assert_int_equal(live_of(r).course, HB_COURSE_ALONE);
        assert_int_equal(hb_page_map_epoch(hb_replay_map(r)), 21); /* the first scan, and an epoch each */
        assert_int_equal(hb_replay_place(r, &e), 0);
        hb_engine_stats(hb_replay_engine(r), &s);
        assert_int_equal(s.fresh, 0);
        assert_true(s.resident >= before.resident);
        for (unsigned i = 0; i < 15; i++)
                assert_int_equal(hb_replay_live_step(r, &e), 1);
        hb_engine_stats(hb_replay_engine(r), &s);
        assert_true(s.fresh > 100 && s.fresh + s.stale + s.absent + s.fetching == s.resident);
        assert_int_equal(hb_replay_move(r, 0, &e), 0);
        while (live_of(r).course == HB_COURSE_DRAINING)
                assert_int_equal(hb_replay_live_step(r, &e), 1);
        assert_int_equal(live_of(r).course, HB_COURSE_MOVED);
        assert_int_equal(hb_replay_place(r, &e), -EBUSY); /* not before the epoch it happened in is over */
        while (hb_replay_place(r, &e) < 0)
                assert_int_equal(hb_replay_live_step(r, &e), 1);
        assert_int_equal(live_of(r).course, HB_COURSE_PLACED);
        run_to_end(r);
        hb_engine_stats(hb_replay_engine(r), &s);
        assert_true(s.fresh > 100 && !s.complete);
        hb_replay_free(r);
}

/* Asked for in the trace's last epochs, a move still has an end. */
static void test_a_move_outlives_the_trace(void **state) {
        const char *path = rig_synth("end.hbt", HB_SYNTH_MIX, 6000, 12);
        struct hb_replay_options o = {.link_bytes_per_s = 1e6};
        hb_replay *r = open_at(path, &o, 12);
        struct hb_err e;

        assert_int_equal(hb_replay_move(r, 5, &e), 0);
        run_to_end(r);
        assert_int_equal(live_of(r).course, HB_COURSE_MOVED);
        assert_true(live_of(r).run_ns > 12 * S);
        hb_replay_free(r);
}

static void test_looked_at(void **state) {
        const char *path = rig_synth("look.hbt", HB_SYNTH_MIX, 3000, 45);
        struct hb_replay_options o = {.quality = true};
        hb_replay *r = open_at(path, &o, 40);
        struct hb_replay_page v[HB_REPLAY_GLANCE];
        uint32_t list[HB_REPLAY_GLANCE];
        struct hb_engine_explained x;
        uint64_t fresh = 0, before = digest_of(r);
        struct hb_engine_stats s;
        struct hb_policy_link l;
        bool expects;
        double sum = 0;
        struct hb_err e;

        for (uint32_t from = 0; from < 3000; from += 1000) {
                for (uint32_t g = 0; g < 1000; g++)
                        list[g] = from + g;
                assert_int_equal(hb_replay_glance(r, list, 1000, v, &expects), 0);
                assert_true(expects);
                for (unsigned g = 0; g < 1000; g++) {
                        fresh += v[g].state == HB_PAGE_FRESH;
                        sum += (double)v[g].expected;
                }
        }
        list[0] = 3000;
        assert_int_equal(hb_replay_glance(r, list, 1, v, &expects), -EINVAL);
        hb_engine_stats(hb_replay_engine(r), &s);
        assert_int_equal(fresh, s.fresh);
        assert_true(sum > 1);
        assert_int_equal(hb_replay_explain(r, false, 7, NULL, NULL, &x, &e), 0);
        assert_int_equal(hb_replay_explain(r, false, 3000, NULL, NULL, &x, &e), -EINVAL);
        hb_replay_link(r, &l);
        assert_true(l.bytes_per_s > 1e6 && l.latency_s > 0);
        assert_int_equal(digest_of(r), before);
        hb_replay_free(r);
}

static void test_every_failure_is_clean(void **state) {
        const char *path = rig_synth("fail.hbt", HB_SYNTH_HOT, 2000, 12);
        struct hb_replay_options o = {0};
        struct hb_err e;

        for (unsigned n = 1; hb_fail_nth(n); n++) {
                hb_replay *r = NULL;
                int rc = hb_replay_open(path, &o, &r, &e);

                for (unsigned i = 0; rc >= 0 && i < 4; i++)
                        rc = hb_replay_live_step(r, &e);
                rc = rc < 0 ? rc : hb_replay_unplace(r, &e);
                rc = rc < 0 ? rc : hb_replay_place(r, &e);
                rc = rc < 0 ? rc : hb_replay_move(r, 0, &e);
                while (rc >= 0 && live_of(r).course == HB_COURSE_DRAINING)
                        rc = hb_replay_live_step(r, &e);
                hb_replay_free(r);
        }
        hb_fault_disarm();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_move_is_the_one_asked_about),
                cmocka_unit_test(test_told_nothing_it_is_what_it_was),
                cmocka_unit_test(test_given_up_before_the_stop),
                cmocka_unit_test(test_refused_where_no_end_is_in_sight),
                cmocka_unit_test(test_placed_again_and_back),
                cmocka_unit_test(test_a_move_outlives_the_trace),
                cmocka_unit_test(test_looked_at),
                cmocka_unit_test(test_every_failure_is_clean),
        };

        return cmocka_run_group_tests(tests, rig_begin, rig_end);
}
