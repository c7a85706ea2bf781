/* Replays in the simulated way: the same every time, sums that add up, what a link or an image changes, moves
 * asked for, and traces nobody would record. */
#include "base/fault.h"
#include "replay_rig.h"
#include <pthread.h>

/* ---- the same every time ---- */

struct job {
        const char *path;
        struct hb_replay_result r;
};

static void *run_job(void *arg) {
        struct job *j = arg;
        struct hb_replay_options o = {.quality = true};
        struct hb_err e;

        return hb_replay_run(j->path, &o, NULL, NULL, &j->r, &e) < 0 ? j : NULL;
}

static void expect_same(const struct hb_replay_result *a, const struct hb_replay_result *b) {
        assert_int_equal(a->digest, b->digest);
        assert_int_equal(a->bytes, b->bytes);
        assert_int_equal(a->hit, b->hit);
        assert_int_equal(a->wasted, b->wasted);
        assert_int_equal(a->summary_bytes, b->summary_bytes);
        assert_true(a->coverage == b->coverage);
        assert_memory_equal(&a->quality, &b->quality, sizeof(a->quality));
}

static void test_the_same_every_time(void **state) {
        const char *path = rig_synth("same.hbt", HB_SYNTH_MIX, 6000, 60);
        struct hb_replay_options o = {.quality = true};
        struct hb_replay_result first = rig_run(path, &o), again = rig_run(path, &o);
        struct job job[2] = {{.path = path}, {.path = path}};
        pthread_t thread[2];
        void *failed;

        assert_true(first.digest != 0 && first.records > 10000 && first.epochs == 60);
        assert_int_equal(first.quality.all.moments, 5); /* 30 .. 50 s */
        assert_true(first.seconds == 60.0);
        expect_same(&first, &again);
        for (unsigned i = 0; i < 2; i++)
                assert_int_equal(pthread_create(&thread[i], NULL, run_job, &job[i]), 0);
        for (unsigned i = 0; i < 2; i++) {
                pthread_join(thread[i], &failed);
                assert_null(failed);
                expect_same(&first, &job[i].r);
        }
        o.quality = false; /* being watched changes nothing */
        again = rig_run(path, &o);
        assert_int_equal(first.digest, again.digest);
        o.quality = true;
        o.speed = 1e4; /* nor does the pace */
        again = rig_run(path, &o);
        expect_same(&first, &again);
}

static void test_a_horizon_or_a_link_changes_it(void **state) {
        const char *path = rig_synth("link.hbt", HB_SYNTH_HOT, 6000, 40);
        struct hb_replay_options o = {0};
        struct hb_replay_result usual = rig_run(path, &o), other;

        o.link_bytes_per_s = 2e5;
        other = rig_run(path, &o);
        assert_true(other.digest != usual.digest);
        assert_true(other.coverage < usual.coverage);
        assert_true(other.bytes < usual.bytes);
        assert_true(other.wire_bytes < 1.01 * 2e5 * 40);
        o = (struct hb_replay_options){.horizon_s = 30};
        other = rig_run(path, &o);
        assert_true(other.digest != usual.digest);
        o = (struct hb_replay_options){.latency_s = 0.4};
        other = rig_run(path, &o);
        assert_true(other.digest != usual.digest);
}

/* ---- sums ---- */

static void test_sums(void **state) {
        static const enum hb_synth_shape shapes[] = {HB_SYNTH_HOT, HB_SYNTH_SCAN, HB_SYNTH_PHASES,
                                                     HB_SYNTH_RANDOM, HB_SYNTH_MIX};

        for (unsigned i = 0; i < 5; i++) {
                struct hb_replay_options o = {.link_bytes_per_s = i % 2 ? 3e6 : 0};
                struct hb_engine_stats s;
                struct hb_replay_result res;
                struct hb_replay_point p;
                struct hb_err e;
                hb_replay *r;
                uint64_t records = 0, last_bytes = 0;
                int rc;

                assert_int_equal(hb_replay_open(rig_synth("sums.hbt", shapes[i], 5000, 30), &o, &r, &e), 0);
                while ((rc = hb_replay_step(r, &e)) > 0) {
                        hb_replay_point(r, &p);
                        hb_replay_result(r, &res);
                        hb_engine_stats(hb_replay_engine(r), &s);
                        records += p.accessed;
                        assert_int_equal(res.hit + res.late + res.stale + res.missing, s.resident);
                        assert_int_equal(res.late, r->sim->link.pages);
                        assert_int_equal(res.bytes, r->sim->arrived_pages * HB_PAGE_SIZE);
                        assert_int_equal(res.wire_bytes, r->sim->arrived_wire);
                        assert_true(p.bytes >= last_bytes && p.coverage >= 0 && p.coverage <= 1);
                        assert_true(p.fresh <= p.resident && p.resident == s.resident);
                        assert_true(res.wasted * HB_PAGE_SIZE <= res.bytes);
                        last_bytes = p.bytes;
                }
                assert_int_equal(rc, 0);
                assert_int_equal(records, res.records);
                hb_replay_free(r);
        }
}

/* Read only, and known before: after a while all of it is there, and stays. */
static void test_a_quiet_guest_is_covered(void **state) {
        hb_trace_writer *w = rig_writer("quiet.hbt", 1000, HB_TRACE_EXACT_READS | HB_TRACE_EXACT_WRITES);
        struct hb_trace_access a[500];
        struct hb_replay_options o = {.migrate_at_ns = {8 * S}, .migrate_moments = 1};
        struct hb_replay_result r;

        for (unsigned i = 0; i < 500; i++)
                a[i] = (struct hb_trace_access){.gfn = 2 * i, .reads = 1};
        for (uint32_t e = 1; e <= 12; e++)
                assert_int_equal(hb_trace_writer_epoch(w, e, e * S, a, 500), 0);
        rig_close(w);
        r = rig_run(rig_path, &o);
        assert_int_equal(r.hit, 500);
        assert_int_equal(r.late + r.stale + r.missing + r.wasted, 0);
        assert_int_equal(r.bytes, 500 * HB_PAGE_SIZE); /* each page once */
        assert_true(fabs(r.coverage - 10.0 / 12) <
                    1e-9); /* when the second epoch began they were on their way */
        assert_true(r.migrations[0].converged && r.migrations[0].downtime_s < 0.01);
        assert_int_equal(r.migrations[0].bytes_after, 0);
        assert_int_equal(r.migrations[0].final_pages, 0);
}

static void test_resident_pages_are_fetched_before_they_are_touched(void **state) {
        hb_trace_writer *w = rig_writer("resident.hbt", 1000, HB_TRACE_EXACT_READS | HB_TRACE_EXACT_WRITES);
        struct hb_trace_access a = {.gfn = 999, .reads = 1};
        uint8_t runs[] = {100, 50, 10, 5}; /* 100..149, 160..164 */
        struct hb_trace_event ev = {.stream = HB_TRACE_RESIDENT, .raw = {runs, sizeof(runs)}};
        struct hb_replay_options o = {0};
        struct hb_replay_result r;

        assert_int_equal(hb_trace_writer_event(w, &ev), 0);
        for (uint32_t e = 1; e <= 5; e++)
                assert_int_equal(hb_trace_writer_epoch(w, e, e * S, &a, 1), 0);
        rig_close(w);
        r = rig_run(rig_path, &o);
        assert_int_equal(r.hit, 56);
        assert_int_equal(r.bytes, 56 * HB_PAGE_SIZE);

        w = rig_writer("broken.hbt", 1000, HB_TRACE_EXACT_READS);
        runs[1] = 0; /* a run of nothing */
        assert_int_equal(hb_trace_writer_event(w, &ev), 0);
        assert_int_equal(hb_trace_writer_epoch(w, 1, S, &a, 1), 0);
        rig_close(w);
        {
                struct hb_err e = {0};

                assert_int_equal(hb_replay_run(rig_path, &o, NULL, NULL, &r, &e), -EBADMSG);
                assert_true(strstr(e.what, "resident") != NULL);
        }
}

/* ---- room and moves ---- */

static void test_an_image_is_never_overfull(void **state) {
        const char *path = rig_synth("room.hbt", HB_SYNTH_RANDOM, 4000, 20);
        struct hb_replay_options o = {
                .image_bytes = 1000 * HB_PAGE_SIZE, .migrate_at_ns = {10 * S}, .migrate_moments = 1};
        struct hb_replay_result r = rig_run(path, &o);

        assert_true(r.hit + r.stale + r.late <= 1000 && r.hit > 500);
        assert_true(r.missing > 1000);
        assert_false(r.migrations[0].converged);
        assert_true(isinf(r.migrations[0].downtime_s)); /* it never could be complete */
}

static void test_moves(void **state) {
        const char *path = rig_synth("moves.hbt", HB_SYNTH_HOT, 6000, 40);
        struct hb_replay_options o = {.migrate_at_ns = {5 * S, 20 * S, 4000 * S}, .migrate_moments = 3};
        struct hb_replay_result r = rig_run(path, &o), again = rig_run(path, &o);

        assert_int_equal(r.nmigrations, 3);
        for (unsigned i = 0; i < 3; i++) {
                const struct hb_replay_migration *m = &r.migrations[i], *n = &again.migrations[i];

                assert_true(m->at_ns == n->at_ns && m->downtime_s == n->downtime_s &&
                            m->drain_s == n->drain_s && m->bytes_after == n->bytes_after &&
                            m->final_pages == n->final_pages);

                assert_true(m->converged);
                if (i < 2)
                        assert_int_equal(m->at_ns, o.migrate_at_ns[i]);
                else /* after the end: at the end */
                        assert_true(m->at_ns > 20 * S && m->at_ns < 4000 * S);
                assert_true(m->downtime_s > 0.0002 && m->downtime_s < 0.27);
                assert_true(m->drain_s > 0.05 && m->drain_s < 20);
                assert_true(m->predicted_bytes >= 0 && isfinite(m->predicted_downtime_s));
        }
        o.migrate_moments = 0;
        again = rig_run(path, &o);
        assert_int_equal(r.digest, again.digest); /* asking does not change the course */
}

/* Everything written all the time, over a slow link: the daemon would refuse, we say how bad it would be. */
static void test_a_move_that_does_not_converge(void **state) {
        hb_trace_writer *w =
                rig_writer("busy.hbt", 4000, HB_TRACE_EXACT_READS | HB_TRACE_EXACT_WRITES | HB_TRACE_COUNTS);
        struct hb_trace_access a[4000];
        struct hb_replay_options o = {
                .link_bytes_per_s = 1e6, .migrate_at_ns = {6 * S}, .migrate_moments = 1};
        struct hb_replay_result r;

        for (unsigned i = 0; i < 4000; i++)
                a[i] = (struct hb_trace_access){.gfn = i, .writes = 1 + i % 9};
        for (uint32_t e = 1; e <= 20; e++)
                assert_int_equal(hb_trace_writer_epoch(w, e, e * S, a, 4000), 0);
        rig_close(w);
        r = rig_run(rig_path, &o);
        assert_false(r.migrations[0].converged);
        assert_true(isfinite(r.migrations[0].downtime_s));
        assert_true(r.migrations[0].downtime_s > 4000 * 2048 / 1e6 * 0.8); /* nearly all of it */
        assert_true(r.migrations[0].final_pages > 3000);
}

/* ---- stopping ---- */

static void test_until(void **state) {
        const char *path = rig_synth("until.hbt", HB_SYNTH_MIX, 3000, 40);
        struct hb_replay_options o = {.until = 17};
        struct hb_replay_result part = rig_run(path, &o);
        struct hb_replay_point p;
        struct hb_err e;
        hb_replay *r;

        assert_int_equal(part.epochs, 17);
        assert_true(part.seconds == 17.0);
        o.until = 0;
        assert_int_equal(hb_replay_open(path, &o, &r, &e), 0);
        do {
                assert_int_equal(hb_replay_step(r, &e), 1);
                hb_replay_point(r, &p);
        } while (p.epoch < 17);
        {
                struct hb_engine_stats s;

                hb_engine_stats(hb_replay_engine(r), &s);
                assert_int_equal(s.digest, part.digest);
        }
        hb_replay_free(r);
}

static int stop(void *arg, double share, const struct hb_replay_point *p) {
        unsigned *calls = arg;

        assert_true(share >= 0 && share <= 1);
        return ++*calls == 3;
}

static void test_cancelled(void **state) {
        struct hb_replay_options o = {.speed = 1}; /* 40 s long */
        struct hb_replay_result r;
        unsigned calls = 0;
        struct hb_err e = {0};

        assert_int_equal(
                hb_replay_run(rig_synth("cancel.hbt", HB_SYNTH_MIX, 3000, 40), &o, stop, &calls, &r, &e),
                -ECANCELED);
        assert_int_equal(calls, 3);
        assert_int_equal(e.code, -ECANCELED);
}

static void note_moment(void *arg, uint64_t time_ns, const struct hb_quality_result *of_this) {
        unsigned *n = arg;

        assert_true(time_ns >= 30 * S && of_this->all.moments == 1);
        n[0]++;
}

static void note_point(void *arg, const struct hb_replay_point *p) {
        unsigned *n = arg;

        assert_int_equal(p->epoch, ++n[1]);
        assert_int_equal(p->time_ns, p->epoch * S);
}

static void test_watched(void **state) {
        unsigned n[2] = {0};
        struct hb_replay_options o = {
                .quality = true, .on_moment = note_moment, .on_point = note_point, .watch_arg = n};
        struct hb_replay_result r = rig_run(rig_synth("watched.hbt", HB_SYNTH_MIX, 3000, 60), &o);

        assert_int_equal(n[0], r.quality.all.moments);
        assert_int_equal(n[1], r.epochs);
}

/* ---- traces nobody would record ---- */

static void epochs_of(hb_trace_writer *w, const uint64_t *times, const uint32_t *epochs, unsigned n,
                      const struct hb_trace_access *a, size_t na) {
        for (unsigned i = 0; i < n; i++)
                assert_int_equal(
                        hb_trace_writer_epoch(w, epochs[i], times[i], i % 2 ? a : NULL, i % 2 ? na : 0), 0);
        rig_close(w);
}

static void test_odd_traces(void **state) {
        static const uint64_t times[] = {1,        2,          3 * S,        3 * S + 1,       4000 * S,
                                         4001 * S, 1ull << 55, (1ull << 61), (1ull << 61) + S};
        static const uint32_t epochs[] = {3, 4, 900, 901, 70000, 70001, 1u << 30, 3000000000u, 4294967295u};
        static const struct hb_trace_access a[] = {{0, 1, 0}, {1, 0, 1}, {63, 1, 1}},
                                            counted[] = {
                                                    {0, 1, 0}, {1, 0, 1}, {63, 4000000000u, 4000000000u}};
        struct hb_replay_options o = {
                .quality = true, .migrate_at_ns = {0, 5000 * S, UINT64_MAX}, .migrate_moments = 3};
        static const uint32_t flags[] = {0, HB_TRACE_NO_READS, HB_TRACE_EXACT_READS, HB_TRACE_COUNTS};
        struct hb_replay_result r;

        for (unsigned i = 0; i < 4; i++) {
                epochs_of(rig_writer("odd.hbt", 64, flags[i]), times, epochs, 9, i == 3 ? counted : a, 3);
                r = rig_run(rig_path, &o);
                assert_int_equal(r.epochs, 9);
                assert_int_equal(r.records, 12);
                assert_int_equal(r.nmigrations, 3);
        }
}

static void test_one_page(void **state) {
        static const uint64_t times[] = {S, 2 * S, 3 * S, 4 * S};
        static const uint32_t epochs[] = {1, 2, 3, 4};
        static const struct hb_trace_access a = {0, 1, 1};
        struct hb_replay_options o = {.quality = true, .migrate_at_ns = {2 * S}, .migrate_moments = 1};
        struct hb_replay_result r;

        epochs_of(rig_writer("one.hbt", 1, HB_TRACE_EXACT_READS), times, epochs, 4, &a, 1);
        r = rig_run(rig_path, &o);
        assert_int_equal(r.hit + r.late + r.stale + r.missing, 1);
        assert_true(r.migrations[0].downtime_s < 0.01);
}

static void test_nothing_at_all(void **state) {
        struct hb_replay_options o = {.quality = true};
        struct hb_replay_result r;
        struct hb_err e = {0};

        rig_close(rig_writer("nothing.hbt", 100, 0));
        r = rig_run(rig_path, &o);
        assert_true(r.epochs == 0 && r.records == 0 && r.digest == 0 && r.seconds == 0);
        o.migrate_moments = 1;
        assert_int_equal(hb_replay_run(rig_path, &o, NULL, NULL, &r, &e), -ENODATA);
}

static void test_too_late_a_time_is_refused(void **state) {
        static const uint64_t times[] = {S, (1ull << 62) + 1};
        static const uint32_t epochs[] = {1, 2};
        struct hb_replay_options o = {0};
        struct hb_replay_result r;
        struct hb_err e = {0};

        epochs_of(rig_writer("late.hbt", 10, 0), times, epochs, 2, NULL, 0);
        assert_int_equal(hb_replay_run(rig_path, &o, NULL, NULL, &r, &e), -EBADMSG);
}

static void test_refusals(void **state) {
        const char *path = rig_synth("refused.hbt", HB_SYNTH_MIX, 100, 3);
        struct hb_replay_options o = {.mode = HB_REPLAY_EXACT};
        struct hb_replay_result r;
        struct hb_err e = {0};

        assert_int_equal(hb_replay_run(path, &o, NULL, NULL, &r, &e), -EOPNOTSUPP);
        o = (struct hb_replay_options){.policies = {"ewma"}};
        assert_int_equal(hb_replay_run(path, &o, NULL, NULL, &r, &e), -ENOENT); /* where? */
        assert_true(strstr(e.next, "--policies") != NULL);
        o = (struct hb_replay_options){.link_bytes_per_s = 1};
        assert_int_equal(hb_replay_run(path, &o, NULL, NULL, &r, &e), -EINVAL);
        o = (struct hb_replay_options){0};
        assert_true(hb_replay_run(rig_file("not-there"), &o, NULL, NULL, &r, &e) < 0);
}

static void test_every_failure_is_clean(void **state) {
        const char *path = rig_synth("faults.hbt", HB_SYNTH_MIX, 500, 33);
        struct hb_replay_options o = {.quality = true, .migrate_at_ns = {20 * S}, .migrate_moments = 1};
        struct hb_replay_result r = rig_run(path, &o);
        uint64_t digest = r.digest;
        unsigned failures = 0, n;

        for (n = 1; n < 60 && hb_fail_nth(n); n++) {
                struct hb_err e = {0};
                int rc = hb_replay_run(path, &o, NULL, NULL, &r, &e);

                failures += rc < 0;
                assert_true(rc == 0 || (e.code < 0 && e.what[0]));
        }
        hb_fault_disarm();
        assert_true(failures > 15);
        r = rig_run(path, &o);
        assert_int_equal(r.digest, digest);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_the_same_every_time),
                cmocka_unit_test(test_a_horizon_or_a_link_changes_it),
                cmocka_unit_test(test_sums),
                cmocka_unit_test(test_a_quiet_guest_is_covered),
                cmocka_unit_test(test_resident_pages_are_fetched_before_they_are_touched),
                cmocka_unit_test(test_an_image_is_never_overfull),
                cmocka_unit_test(test_moves),
                cmocka_unit_test(test_a_move_that_does_not_converge),
                cmocka_unit_test(test_until),
                cmocka_unit_test(test_cancelled),
                cmocka_unit_test(test_watched),
                cmocka_unit_test(test_odd_traces),
                cmocka_unit_test(test_one_page),
                cmocka_unit_test(test_nothing_at_all),
                cmocka_unit_test(test_too_late_a_time_is_refused),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_every_failure_is_clean),
        };

        return cmocka_run_group_tests(tests, rig_begin, rig_end);
}
