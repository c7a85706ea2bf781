/* Lessons: lanes are judged as computed by hand; those that learn are told what they were shown; what decides
 * notices nothing of it. */
#include "base/fault.h"
#include "host_fixture.h"

#define PREDICTOR HB_POLICY_PREDICTOR
#define SCORER    HB_POLICY_SCORER
#define THRESHOLD HB_POLICY_THRESHOLD

#define N 8u

/* The example: its columns are what the policies below make of them. */
static const float predicted[N] = {8, 7, 6, 5, 4, 3, 2, 1}, predicted_writes[N] = {0, 0, 0, 0, 9, 0, 8, 0},
                   scores[N] = {0.9f, 0.8f, 0.1f, 0.7f, 0.6f, 0, -0.5f, -1};
static const float accessed[N] = {1, 0, 1, 0, 1, 0, 0, 1}, written[N] = {0, 0, 0, 0, 1, 0, 0, 1},
                   reads[N] = {3, 0, 1, 0, 2, 0, 0, 1}, writes[N] = {0, 0, 0, 0, 2, 0, 0, 1};
static const uint8_t classes[N] = {HB_LESSON_RECENT,    HB_LESSON_RECENT,   HB_LESSON_RETURNING,
                                   HB_LESSON_NEW,       HB_LESSON_RECENT,   HB_LESSON_RECENT,
                                   HB_LESSON_RETURNING, HB_LESSON_RETURNING};

static const char predicts[] = "function p:predict(pages) return pages.read_heat, pages.write_heat end";
static const char scores_age[] = "function p:score(pages) return pages.age_s end";
static const char scores_ready[] = "function p:score(pages) return pages.predicted / 10 end";
static const char cuts[] = "function p:threshold() return 0.5 end";

struct school {
        hb_policies *p;
        struct hb_policy_pages pages;
        struct hb_policy_guest guest;
        struct hb_policy_link link;
        struct hb_policy_accuracy accuracy;
        struct hb_policy_outcome outcome;
};

static struct school school_of(hb_policies *p) {
        return (struct school){
                .p = p,
                .pages = {.n = N, .read_heat = predicted, .write_heat = predicted_writes, .age_s = scores},
                .guest = {.horizon_s = 10, .epoch_s = 1, .stale_pages = 100, .absent_pages = 60},
                .link = {1e-4, 1e8, 1e8, 0, 0},
                .accuracy = {.precision = -1, .recall = -1, .wasted_share = -1},
                .outcome = {.n = N,
                            .horizon_s = 10,
                            .accessed = accessed,
                            .written = written,
                            .reads = reads,
                            .writes = writes,
                            .class_of = classes,
                            .budget = 3,
                            .budget_writes = 2}};
}

static void rehearse(struct school *s) {
        s->guest.now_s += 5;
        hb_policies_rehearse(s->p, &s->pages, &s->guest, &s->link, &s->accuracy, 0.5);
}

static void learn(struct school *s) {
        s->outcome.lesson++;
        hb_policies_learn(s->p, &s->outcome, &s->guest);
}

static struct hb_lane_score lane(const hb_policies *p, enum hb_policy_lane which) {
        struct hb_lane_score s;

        hb_policies_lane(p, which, &s);
        return s;
}

static void near(double a, double b) {
        if (!(fabs(a - b) < 1e-9))
                fail_msg("%.12g is not %.12g", a, b);
}

/* Top 3 of the predictions: 0 1 2; accessed: 0 2 4 7. Of those returning: 2 predicted, 2 and 7 accessed.
 * Writes: 4 6 predicted, 4 7 written. Fetched: 0 1 3 4; gains 1 + 0.3 + 0.3 - 0.6 of 2 * 1 + 4 * 0.3. */
static void test_by_hand(void **state) {
        struct school s = school_of(host_open(predicts, scores_age, cuts));
        struct hb_lane_score l = lane(s.p, HB_LANE_ACTIVE);

        assert_true(l.lessons == 0 && l.f1 == -1 && l.value == -1 && l.wasted == -1 && l.ns_per_page == -1);
        rehearse(&s);
        assert_true(lane(s.p, HB_LANE_ACTIVE).lessons == 0);
        learn(&s);
        l = lane(s.p, HB_LANE_ACTIVE);
        assert_true(l.lessons == 1);
        near(l.f1, 4.0 / 7);
        near(l.f1_returning, 2.0 / 3);
        near(l.f1_writes, 0.5);
        near(l.precision, 0.25);
        near(l.recall, 0.5);
        near(l.wasted, 0.25);
        near(l.would_fetch, 0.5);
        near(l.value, 1.0 / 3.2);
        near(l.cut, 0.5);
        assert_true(l.ns_per_page > 0);
        assert_true(lane(s.p, HB_LANE_SHADOW).lessons == 0);
        hb_policies_free(s.p);
}

/* A second lesson in which nothing was written and nothing returned: where it has nothing to say the first
 * one stands; elsewhere the first counts 0.8 of it. Fetched: gains 1 + 0.3 + 0.3 + 0.3, of 1 + 7 * 0.3. */
static void test_means_fade(void **state) {
        static const float one[N] = {1}, none[N];
        struct school s = school_of(host_open(predicts, scores_age, cuts));
        struct hb_lane_score l;

        rehearse(&s);
        rehearse(&s);
        learn(&s);
        s.outcome.accessed = one;
        s.outcome.written = none;
        learn(&s);
        l = lane(s.p, HB_LANE_ACTIVE);
        assert_true(l.lessons == 2);
        near(l.f1, (0.8 * 4 / 7 + 2.0 / 4) / 1.8);
        near(l.f1_returning, 2.0 / 3);
        near(l.f1_writes, 0.5);
        near(l.wasted, 0.8 * 0.25 / 1.8);
        near(l.recall, (0.8 * 0.5 + 1) / 1.8);
        near(l.value, (0.8 * 1.0 + 1.9) / (0.8 * 3.2 + 3.1));
        hb_policies_free(s.p);
}

static void test_ties_and_large_budgets(void **state) {
        static const char same[] = "function p:predict(pages) return hb.vec(pages.n, 2), hb.vec(pages.n) end";
        struct school s = school_of(host_open(same, scores_age, cuts));

        rehearse(&s);
        learn(&s); /* 0 1 2 again, by their places; writes: 0 1 */
        near(lane(s.p, HB_LANE_ACTIVE).f1, 4.0 / 7);
        near(lane(s.p, HB_LANE_ACTIVE).f1_writes, 0);
        hb_policies_free(s.p);

        s = school_of(host_open(same, scores_age, cuts));
        s.outcome.budget = s.outcome.budget_writes = 1000; /* all */
        rehearse(&s);
        learn(&s);
        near(lane(s.p, HB_LANE_ACTIVE).f1, 2.0 * 4 / (8 + 4));
        near(lane(s.p, HB_LANE_ACTIVE).f1_writes, 2.0 * 2 / (8 + 2));
        hb_policies_free(s.p);
}

/* The shadow lane: scores of its own, from the active predictor's answers; its threshold gets their counts,
 * blown up from 8 to 160 pages. */
static void test_shadow_lane(void **state) {
        static const char checks[] = "function p:threshold(scores)\n"
                                     "  if scores.n == 160 then assert(scores.histogram[64 * 0.9 // 1 + 1] "
                                     "== 20) return 0.65 end\n"
                                     "  return -1\nend";
        struct school s = school_of(host_open(predicts, scores_age, NULL));
        struct hb_lane_score l;

        host_must(host_shadow(s.p, SCORER, "ready", scores_ready, false, &err));
        host_must(host_shadow(s.p, THRESHOLD, "checks", checks, false, &err));
        rehearse(&s);
        learn(&s);
        l = lane(s.p, HB_LANE_SHADOW); /* fetched: 0 1 (scores 0.8 0.7) */
        assert_int_equal(host_status(s.p, THRESHOLD, HB_POLICY_SHADOWING).errors, 0);
        near(l.cut, 0.65);
        near(l.f1, 4.0 / 7);
        near(l.would_fetch, 0.25);
        near(l.value, 1.3 / 3.2);
        near(lane(s.p, HB_LANE_ACTIVE).value, 1.0 / 3.2);

        /* Promoted, the means go with the seats; the shadow lane is no more. */
        host_must(host_do(s.p, HB_POLICY_PROMOTE, SCORER, &err));
        host_must(host_do(s.p, HB_POLICY_PROMOTE, THRESHOLD, &err));
        rehearse(&s);
        host_epoch(s.p);
        near(lane(s.p, HB_LANE_ACTIVE).value, 1.3 / 3.2);
        assert_true(lane(s.p, HB_LANE_SHADOW).lessons == 0);
        learn(&s); /* begun by the shadow lane, judged where its seats are now */
        assert_true(lane(s.p, HB_LANE_ACTIVE).lessons == 2);
        near(lane(s.p, HB_LANE_ACTIVE).value, 1.3 / 3.2);
        host_must(host_do(s.p, HB_POLICY_ROLLBACK, SCORER, &err));
        host_epoch(s.p);
        assert_true(lane(s.p, HB_LANE_ACTIVE).lessons == 0); /* three that were never asked together */
        hb_policies_free(s.p);
}

/* ---- who learns ---- */

static const char pupil[] =
        "function p:predict(pages) return pages.read_heat, pages.write_heat end\n"
        "local seen, runs, shown, told = 0, 0, {}, ''\n"
        "function p:observe(epoch) seen = seen + epoch.number runs = runs + #epoch.runs end\n"
        "function p:rehearse(pages, guest, lesson) shown[lesson] = pages.read_heat:copy() end\n"
        "function p:learn(o)\n"
        "  if not shown[o.lesson] or #shown[o.lesson] ~= o.n then told = told .. ' unasked' end\n"
        "  shown[o.lesson] = nil\n"
        "  told = told .. ' ' .. tostring(o.lesson)\n"
        "  hb.note('seen ' .. tostring(seen) .. ' runs ' .. tostring(runs) .. ' told' .. told)\n"
        "end";

static void test_learning(void **state) {
        static const struct hb_policy_run run = {100, 3, true};
        struct hb_policy_observed o = {.epoch = 7, .runs = &run, .nruns = 1, .accessed = 3, .written = 3};
        struct school s = school_of(host_open(pupil, NULL, NULL));
        struct hb_policy_status status;

        assert_true(hb_policies_want_lessons(s.p));
        hb_policies_observe(s.p, &o, &s.guest);
        rehearse(&s);
        host_must(host_shadow(s.p, PREDICTOR, "late", pupil, false, &err)); /* was not shown the first */
        rehearse(&s);
        learn(&s);
        learn(&s);
        status = host_status(s.p, PREDICTOR, HB_POLICY_ACTIVE);
        assert_true(status.errors == 0);
        assert_string_equal(status.note, "seen 7 runs 1 told 1 2");
        status = host_status(s.p, PREDICTOR, HB_POLICY_SHADOWING);
        assert_true(status.errors == 0);
        assert_string_equal(status.note, "seen 0 runs 0 told 2");

        rehearse(&s);
        rehearse(&s);
        hb_policies_forget_lessons(s.p);
        rehearse(&s);
        s.outcome.n = N - 1; /* not the sample that was shown */
        learn(&s);
        s.outcome.n = N;
        learn(&s); /* there is none */
        assert_string_equal(host_status(s.p, PREDICTOR, HB_POLICY_ACTIVE).note, "seen 7 runs 1 told 1 2");
        rehearse(&s);
        learn(&s);
        status = host_status(s.p, PREDICTOR, HB_POLICY_ACTIVE);
        assert_string_equal(status.note, "seen 7 runs 1 told 1 2 6");
        assert_true(status.errors == 0);
        for (unsigned i = 0; i < HB_LESSONS + 2; i++) /* more than can be open */
                rehearse(&s);
        for (unsigned i = 0; i < HB_LESSONS + 2; i++)
                learn(&s);
        assert_string_equal(host_status(s.p, PREDICTOR, HB_POLICY_ACTIVE).note,
                            "seen 7 runs 1 told 1 2 6 7 8 9 10 11 12 13 14");
        rehearse(&s);
        hb_policies_free(s.p); /* with one open */
}

static void test_who_wants_lessons(void **state) {
        hb_policies *p = host_open(predicts, scores_age, cuts);

        assert_false(hb_policies_want_lessons(p));
        host_must(host_shadow(p, SCORER, "ready", scores_ready, false, &err));
        assert_true(hb_policies_want_lessons(p));
        host_must(host_do(p, HB_POLICY_PROMOTE, SCORER, &err));
        host_epoch(p);
        assert_false(hb_policies_want_lessons(p));
        host_must(host_shadow(p, PREDICTOR, "pupil", pupil, false, &err));
        host_must(host_do(p, HB_POLICY_PROMOTE, PREDICTOR, &err));
        host_epoch(p);
        assert_true(hb_policies_want_lessons(p));
        host_must(host_do(p, HB_POLICY_ROLLBACK, PREDICTOR, &err));
        host_epoch(p);
        assert_false(hb_policies_want_lessons(p));
        hb_policies_free(p);
}

/* ---- what decides notices nothing ---- */

static const char dreamer[] =
        "local calls, log = 0, {}\n"
        "function p:predict(pages)\n"
        "  calls = calls + 1\n"
        "  log[#log % 50 + 1] = pages.read_heat:copy()\n"
        "  return pages.read_heat * hb.random() + calls, log[1]:sum() + pages.write_heat\n"
        "end";
static const char grudge[] = "local most = 0\n"
                             "function p:score(pages)\n"
                             "  if pages.n > 0 then most = math.max(most, pages.predicted:highest()) end\n"
                             "  return pages.predicted / (most + 1)\n"
                             "end";
static const char drifting[] =
        "local calls = 0\n"
        "function p:save() calls = calls + 1000 return { calls = calls } end\n"
        "function p:threshold(scores) calls = calls + 1 return scores.previous * 0.5 + "
        "calls * 0.0001 end";
static const char shaky[] =
        "local calls = 0\n"
        "function p:restore() end\n"
        "function p:threshold(scores) calls = calls + 1 if calls == 40 then error('shaky') "
        "end return hb.random() end";

struct decisions {
        float a[40], w[40], s[40];
        double cut;
};

static struct decisions decide(struct school *s, unsigned round, double previous) {
        struct hb_policy_pages pages = {.n = 1 + round % 40};
        struct decisions d = {.cut = 0};
        float column[40];
        uint32_t histogram[HB_POLICY_BUCKETS] = {round};

        for (unsigned i = 0; i < 40; i++)
                column[i] = fixture_value(round, i);
        pages.read_heat = pages.write_heat = column;
        hb_policies_predict(s->p, &pages, &s->guest, d.a, d.w);
        pages.predicted = d.a;
        pages.predicted_writes = d.w;
        hb_policies_score(s->p, &pages, &s->guest, &s->link, &s->accuracy, d.s);
        d.cut = hb_policies_threshold(s->p, histogram, &s->guest, &s->link, &s->accuracy, previous);
        return d;
}

static void test_shadow_changes_nothing(void **state) {
        struct school with = school_of(host_open(dreamer, grudge, drifting)),
                      without = school_of(host_open(dreamer, grudge, drifting));
        struct hb_policy_explained x;
        double previous = 0.5;

        host_must(host_shadow(with.p, SCORER, "other", scores_ready, false, &err));
        host_must(host_shadow(with.p, THRESHOLD, "shaky", shaky, false, &err));
        for (unsigned round = 0; round < 60; round++) {
                struct decisions a, b;

                hb_policies_epoch(with.p, &with.guest);
                hb_policies_epoch(without.p, &with.guest);
                rehearse(&with);
                without.guest = with.guest;
                if (round > 1)
                        learn(&with);
                if (round == 30)
                        host_must(host_shadow(with.p, PREDICTOR, "pupil", pupil, false, &err));
                host_must(hb_policies_explain(with.p, round % 2, &with.pages, 3, &with.guest, &with.link,
                                              &with.accuracy, NULL, NULL, &x, &err));
                a = decide(&with, round, previous);
                b = decide(&without, round, previous);
                assert_memory_equal(&a, &b, sizeof a);
                previous = a.cut;
        }
        for (int k = 0; k < HB_POLICY_KINDS; k++) {
                struct hb_policy_status a = host_status(with.p, (enum hb_policy_kind)k, HB_POLICY_ACTIVE),
                                        b = host_status(without.p, (enum hb_policy_kind)k, HB_POLICY_ACTIVE);
                assert_true(a.calls == b.calls && a.pages == b.pages && a.errors == 0 && b.errors == 0);
        }
        assert_true(lane(with.p, HB_LANE_ACTIVE).lessons == 58);
        assert_true(host_status(with.p, THRESHOLD, HB_POLICY_SHADOWING).errors == 1);
        assert_true(host_status(with.p, SCORER, HB_POLICY_SHADOWING).calls == 60);
        hb_policies_free(with.p);
        hb_policies_free(without.p);
}

/* Each place that can fail in a lesson does so once; what decides goes on as if there were no lessons. */
static void test_lessons_fail_cleanly(void **state) {
        struct school with = school_of(host_open(dreamer, grudge, drifting)),
                      without = school_of(host_open(dreamer, grudge, drifting));
        unsigned rounds = 0, judged = 0;

        host_must(host_shadow(with.p, PREDICTOR, "pupil", pupil, false, &err));
        for (unsigned n = 1; hb_fail_nth(n); n++, rounds++) {
                struct hb_policy_explained x;
                struct decisions a, b;

                hb_policies_forget_lessons(with.p);
                rehearse(&with);
                learn(&with);
                hb_policies_explain(with.p, false, &with.pages, 3, &with.guest, &with.link, &with.accuracy,
                                    NULL, NULL, &x, NULL);
                if (hb_fault_passed() < n)
                        hb_fault_disarm();
                without.guest = with.guest;
                a = decide(&with, n, 0.5);
                b = decide(&without, n, 0.5);
                assert_memory_equal(&a, &b, sizeof a);
                assert_int_equal(host_status(with.p, SCORER, HB_POLICY_ACTIVE).errors, 0);
        }
        hb_fault_disarm();
        judged = (unsigned)lane(with.p, HB_LANE_ACTIVE).lessons;
        print_message("%u rounds, %u judged all the same\n", rounds, judged);
        assert_true(rounds > 10 && judged > 0 && judged < rounds);
        hb_policies_free(with.p);
        hb_policies_free(without.p);
}

static void test_failing_shadow(void **state) {
        static const char bad[] =
                "function p:score(pages) if pages.n == 8 then error('bad') end return pages.age_s end";
        struct school s = school_of(host_open(predicts, scores_age, cuts));
        struct hb_policy_status status;

        host_must(host_shadow(s.p, SCORER, "bad", bad, true, &err));
        for (int i = 0; i < 3; i++) {
                rehearse(&s);
                learn(&s);
        }
        status = host_status(s.p, SCORER, HB_POLICY_SHADOWING);
        assert_true(status.errors == 3 && status.quarantined);
        assert_string_equal(status.last_error, "score/bad.lua:2: bad");
        assert_true(lane(s.p, HB_LANE_SHADOW).lessons == 0 && lane(s.p, HB_LANE_ACTIVE).lessons == 3);
        assert_false(hb_policies_want_lessons(s.p)); /* nobody is left who does */
        rehearse(&s);
        assert_int_equal(host_status(s.p, SCORER, HB_POLICY_SHADOWING).calls, status.calls);
        assert_int_equal(host_do(s.p, HB_POLICY_PROMOTE, SCORER, NULL), -EINVAL);
        host_must(host_do(s.p, HB_POLICY_DROP, SCORER, &err));
        hb_policies_free(s.p);
}

/* The active one takes most of the share; the shadow, asked when it is due, gets none of it. */
static void test_shadow_waits_for_the_active(void **state) {
        static const char works[] = "function p:score(pages) local x = 0\n"
                                    "if pages.n == 40 then for i = 1, 4000000 do x = x + i end end\n"
                                    "return pages.age_s end";
        struct school s = school_of(host_open(predicts, works, cuts));
        uint64_t starved = 0;

        host_must(host_shadow(s.p, PREDICTOR, "pupil", pupil, false, &err));
        for (unsigned round = 0; round < 40 && !starved; round++) {
                hb_policies_epoch(s.p, &s.guest);
                hb_policies_epoch(s.p, &s.guest);
                for (unsigned i = 0; round && i < 1000; i++) { /* until nothing is left */
                        if (host_status(s.p, SCORER, HB_POLICY_ACTIVE).starved)
                                break;
                        decide(&s, 39, 0.5);
                }
                hb_policies_epoch(s.p, &s.guest);
                rehearse(&s);
                learn(&s);
                starved = host_status(s.p, PREDICTOR, HB_POLICY_SHADOWING).starved;
        }
        assert_true(starved > 0);
        assert_int_equal(host_status(s.p, PREDICTOR, HB_POLICY_SHADOWING).errors, 0);
        hb_policies_free(s.p);
}

/* Nor does one that overruns, whatever it takes. */
static void test_slow_shadow_starves_nobody(void **state) {
        static const char slow[] = "function p:score(pages) local x = 0\n"
                                   "if pages.n == 8 then for i = 1, 4000000 do x = x + i end end\n"
                                   "return pages.age_s end";
        struct school s = school_of(host_open(predicts, scores_age, cuts));
        struct hb_policy_status status;

        host_must(host_shadow(s.p, SCORER, "slow", slow, false, &err));
        s.guest.epoch_s = 0.001;
        for (unsigned round = 0; round < 60; round++) {
                hb_policies_epoch(s.p, &s.guest);
                rehearse(&s);
                learn(&s);
                decide(&s, 3, 0.5);
        }
        status = host_status(s.p, SCORER, HB_POLICY_SHADOWING);
        assert_true(status.calls > 0 && status.calls < 60 && status.errors == 0);
        assert_true(lane(s.p, HB_LANE_SHADOW).lessons == status.calls);
        for (unsigned k = 0; k < HB_POLICY_KINDS; k++)
                assert_int_equal(host_status(s.p, k, HB_POLICY_ACTIVE).starved, 0);
        hb_policies_free(s.p);
}

/* ---- explain ---- */

struct told {
        char text[512];
};

static void tell(void *arg, enum hb_policy_kind k, const char *name, double value) {
        struct told *t = arg;
        size_t at = strlen(t->text);

        snprintf(t->text + at, sizeof t->text - at, "%s %s %g; ", hb_policy_kind_name(k), name, value);
}

static void test_explain(void **state) {
        static const char terms[] = "function p:score(pages)\n"
                                    "  local half = hb.term('half', pages.age_s / 2)\n"
                                    "  return hb.term('twice', half * 4)\n"
                                    "end";
        struct school s = school_of(host_open(NULL, terms, NULL));
        struct hb_policy_explained x;
        struct told t = {""};
        struct hb_err e = {0};

        s.pages.version_age_s = scores;
        host_must(hb_policies_explain(s.p, false, &s.pages, 6, &s.guest, &s.link, &s.accuracy, tell, &t, &x,
                                      &err));
        assert_non_null(strstr(t.text, "predictor rate 10; "));
        assert_non_null(strstr(t.text, "scorer half -0.25; scorer twice -1; "));
        assert_true(x.score == -1 && x.accesses > 0 && x.writes > 0);
        assert_true(host_status(s.p, SCORER, HB_POLICY_ACTIVE).calls == 0);
        assert_int_equal(
                hb_policies_explain(s.p, true, &s.pages, 6, &s.guest, &s.link, &s.accuracy, tell, &t, &x, &e),
                -ENOENT);
        assert_int_equal(hb_policies_explain(s.p, false, &s.pages, N, &s.guest, &s.link, &s.accuracy, tell,
                                             &t, &x, &e),
                         -EINVAL);
        host_must(host_shadow(s.p, SCORER, "ready", scores_ready, false, &err));
        host_must(hb_policies_explain(s.p, true, &s.pages, 6, &s.guest, &s.link, &s.accuracy, NULL, NULL, &x,
                                      &err));
        assert_true(x.score > 0);
        hb_policies_free(s.p);
}

/* The shipped policies and the built-ins they mirror tell the same. */
static void test_explained_alike(void **state) {
        struct hb_policy_options o = {.dir = HB_SOURCE_DIR "/policies", .names = {"ewma", "cost_benefit"}};
        struct fixture *f = fixture_new();
        hb_policies *p[2] = {host_open(NULL, NULL, NULL), NULL};

        host_must(hb_policies_new(&o, &p[1], &err));
        for (uint32_t at = 0; at < 50; at++) {
                struct hb_policy_explained x[2];
                struct told t[2] = {{""}, {""}};

                for (int i = 0; i < 2; i++)
                        host_must(hb_policies_explain(p[i], false, &f->pages, at, &f->guest, &f->link,
                                                      &f->accuracy, tell, &t[i], &x[i], &err));
                assert_string_equal(t[0].text, t[1].text);
                assert_memory_equal(&x[0], &x[1], sizeof x[0]);
                if (at == 0)
                        print_message("%s\n", t[0].text);
        }
        hb_policies_free(p[0]);
        hb_policies_free(p[1]);
        fixture_free(f);
}

/* ---- anything in any order ---- */

static const char *const pool[HB_POLICY_KINDS][5] = {
        {predicts, pupil, dreamer,
         "function p:predict(pages) if hb.random() < 0.5 then error('x') end return pages.age_s, pages.age_s "
         "end",
         "function p:predict(pages) if hb.random() < 0.3 then while true do end end\n"
         "return hb.vec(pages.n, 1e30), pages.read_heat end"},
        {scores_age, scores_ready, grudge,
         "function p:score(pages) if hb.random() < 0.4 then return hb.vec(3) end return pages.age_s * 9 end",
         "function p:score(pages) local t = {} if hb.random() < 0.1 then\n"
         "for i = 1, 1e9 do t[i] = { i } end end return pages.predicted * 0 end"},
        {cuts, drifting, shaky,
         "local t = {} function p:save() return t end function p:restore() error('no') end\n"
         "function p:threshold() if hb.random() < 0.2 then t.t = t return {} end return 0.7 end",
         "function p:threshold(scores) return scores.n / (scores.n - 160) end"}};

static unsigned dice(uint32_t *x, unsigned n) {
        *x = *x * 1664525u + 1013904223u;
        return (*x >> 8) % n;
}

static void change_something(hb_policies *p, uint32_t *x) {
        struct hb_policy_change c = {.op = 1 + dice(x, HB_POLICY_TUNE), .kind = dice(x, HB_POLICY_KINDS)};
        struct hb_err e = {0};
        int rc;

        if (c.op == HB_POLICY_SHADOW) {
                host_shadow(p, c.kind, "any", pool[c.kind][dice(x, 5)], true, NULL);
                return;
        }
        c.shadow = dice(x, 2);
        snprintf(c.param, sizeof c.param, "step");
        rc = hb_policies_change(p, &c, &e);
        assert_true(rc == 0 || ((rc == -ENOENT || rc == -EINVAL) && *e.what && c.op != HB_POLICY_OPS));
}

static void must_be_sound(hb_policies *p, struct school *s, unsigned round) {
        struct decisions d = decide(s, round, 0.5);

        for (unsigned i = 0; i < 1 + round % 40; i++)
                assert_true(isfinite(d.a[i]) && d.a[i] >= 0 && isfinite(d.w[i]) && d.w[i] >= 0 &&
                            d.s[i] >= -1 && d.s[i] <= 1);
        assert_true((d.cut >= -1 && d.cut <= 1) || d.cut == HB_POLICY_CUT_NONE);
        for (unsigned i = 0; i < HB_LANES; i++) {
                struct hb_lane_score l = lane(p, (enum hb_policy_lane)i);
                assert_true(l.value >= -1 && l.value <= 1 && l.f1 <= 1 && l.wasted <= 1);
        }
        for (unsigned k = 0; k < HB_POLICY_KINDS; k++)
                assert_true(*host_status(p, (enum hb_policy_kind)k, HB_POLICY_ACTIVE).answering);
}

static void test_anything_goes(void **state) {
        struct hb_policy_options o = {.memory_bytes = 2 << 20, .deadline_ns = FIXTURE_DEADLINE_NS / 1000};
        struct hb_policy_explained x;
        struct school s;
        uint32_t seed = 5;
        hb_policies *p;

        host_must(hb_policies_new(&o, &p, &err));
        s = school_of(p);
        for (unsigned round = 0; round < 250; round++) {
                if (dice(&seed, 2))
                        change_something(p, &seed);
                if (dice(&seed, 3))
                        hb_policies_epoch(p, &s.guest);
                if (dice(&seed, 2))
                        rehearse(&s);
                if (dice(&seed, 2))
                        learn(&s);
                if (dice(&seed, 30) == 0)
                        hb_policies_forget_lessons(p);
                if (dice(&seed, 5) == 0)
                        hb_policies_explain(p, dice(&seed, 2), &s.pages, 1, &s.guest, &s.link, &s.accuracy,
                                            NULL, NULL, &x, NULL);
                must_be_sound(p, &s, round);
        }
        hb_policies_free(p);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_by_hand),
                cmocka_unit_test(test_means_fade),
                cmocka_unit_test(test_ties_and_large_budgets),
                cmocka_unit_test(test_shadow_lane),
                cmocka_unit_test(test_learning),
                cmocka_unit_test(test_who_wants_lessons),
                cmocka_unit_test(test_shadow_changes_nothing),
                cmocka_unit_test(test_lessons_fail_cleanly),
                cmocka_unit_test(test_failing_shadow),
                cmocka_unit_test(test_shadow_waits_for_the_active),
                cmocka_unit_test(test_slow_shadow_starves_nobody),
                cmocka_unit_test(test_explain),
                cmocka_unit_test(test_explained_alike),
                cmocka_unit_test(test_anything_goes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
