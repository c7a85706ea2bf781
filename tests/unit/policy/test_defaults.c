/* The default policies at work: who goes first, and the closed loop of score, cut and traffic on a small
 * simulated guest. */
#include "policy_fixture.h"
#include <math.h>

#define PAGES    4096u
#define CAPACITY 200u /* pages an epoch of the idle link */
#define HORIZON  10

/* ---- order ---- */

struct page {
        float read_heat, write_heat, age_s, version_age_s, run, bytes, known;
};

static const struct page hot_clean = {2, 0, 0.5f, 1e9f, 16, 4096},
                         warm_clean = {0.05f, 0, 10, 1e9f, 16, 4096};
static const struct page cold_clean = {0, 0, 600, 1e9f, 64, 4096}, cold_zero = {0, 0, 600, 1e9f, 64, 12};
static const struct page seldom_dirty = {0, 0.005f, 60, 60, 4, 4096}, hot_dirty = {1, 1, 0.2f, 0.2f, 1, 4096};
static const struct page read_mostly = {3, 0.02f, 0.2f, 20, 4, 4096};

static hb_policies *open_default(void) {
        struct hb_policy_options o = {.dir = HB_SOURCE_DIR "/policies",
                                      .names = {"ewma", "cost_benefit", "adaptive"}};
        struct hb_err e = {0};
        hb_policies *p = NULL;

        if (hb_policies_new(&o, &p, &e) < 0)
                fail_msg("%s", e.what);
        return p;
}

static double score_of(hb_policies *p, const struct page *page, double used_share) {
        struct hb_policy_link l = {2e-4, 1.25e8, 1.25e8 * (1 - used_share), used_share, 0};
        struct hb_policy_accuracy a = {.precision = -1, .recall = -1, .wasted_share = -1};
        struct hb_policy_guest g = {.horizon_s = HORIZON, .epoch_s = 1};
        float accesses, writes, score;
        struct hb_policy_pages pages = {
                1,          &page->read_heat, &page->write_heat, &page->age_s, &page->version_age_s,
                &page->run, &page->bytes,     &accesses,         &writes,      &page->known};

        hb_policies_predict(p, &pages, &g, &accesses, &writes);
        hb_policies_score(p, &pages, &g, &l, &a, &score);
        return (double)score;
}

static void test_order(void **state) {
        hb_policies *p = open_default();
        const struct page *best_first[] = {&hot_clean, &warm_clean, &cold_clean, &seldom_dirty, &hot_dirty};

        for (unsigned i = 0; i + 1 < sizeof best_first / sizeof *best_first; i++)
                if (!(score_of(p, best_first[i], 0) > score_of(p, best_first[i + 1], 0)))
                        fail_msg("kind %u: %f does not beat %f", i, score_of(p, best_first[i], 0),
                                 score_of(p, best_first[i + 1], 0));
        assert_true(score_of(p, &cold_clean, 0) > 0.15);                       /* a sure gain */
        assert_true(score_of(p, &cold_zero, 0) > score_of(p, &cold_clean, 0)); /* and cheaper still */
        assert_true(score_of(p, &hot_dirty, 0) < -0.3);                        /* a sure waste */
        assert_true(score_of(p, &read_mostly, 0) > score_of(p, &seldom_dirty, 0));
        for (unsigned busy = 0; busy < 10; busy++)
                assert_true(score_of(p, &cold_clean, (busy + 1) / 10.0) <
                            score_of(p, &cold_clean, busy / 10.0));
        assert_true(score_of(p, &cold_clean, 1) >
                    0.05); /* a busy link delays cold pages by the cut, not by a negative score */
        hb_policies_free(p);
}

static struct page known_of(struct page p) {
        p.bytes = 0;
        p.known = 1;
        return p;
}

static void test_known_pages_cost_nothing(void **state) {
        static const struct page *const all[] = {&hot_clean, &warm_clean, &cold_clean, &seldom_dirty,
                                                 &hot_dirty};
        hb_policies *p = open_default();

        for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
                struct page known = known_of(*all[i]), alone = known;

                alone.run = 1;
                assert_true(score_of(p, &known, 0) > score_of(p, all[i], 0));
                assert_true(score_of(p, &known, 0) >= 0); /* also what will be overwritten: nothing is lost */
                assert_true(score_of(p, &known, 1) == score_of(p, &known, 0)); /* however busy the link is */
                assert_true(score_of(p, &alone, 0) == score_of(p, &known, 0));
        }
        hb_policies_free(p);
}

/* ---- the loop ---- */

enum class { COLD, HOT_READ, SELDOM_DIRTY, HOT_DIRTY, CLASSES };
enum place { ABSENT, FRESH, STALE };

struct sim {
        hb_policies *policies;
        uint32_t seed;
        double others, noise; /* share of the link that others use; relative noise on what is measured */
        double storm; /* chance that a page on the target is overwritten though nothing in its past told so */
        bool own_counts, draining; /* whether our own traffic shows in used_share */
        enum class class[PAGES];
        enum place place[PAGES];
        bool used[PAGES];
        float columns[6][PAGES], accesses[PAGES], writes[PAGES], scores[PAGES];
        double cut, dirty, wasted_share, epoch;
        unsigned sent, sent_of[CLASSES], wasted, wasted_so_far; /* in the last epoch */
};

static double chance(struct sim *s) {
        s->seed = s->seed * 1664525u + 1013904223u;
        return (double)(s->seed >> 8) * 0x1p-24;
}

/* mix: shares of the classes in 1/16 of the guest; what is left is cold. */
static struct sim *sim_new(unsigned hot_read, unsigned seldom, unsigned hot_dirty_share) {
        struct sim *s = calloc(1, sizeof *s);

        assert_non_null(s);
        s->policies = open_default();
        s->seed = 12345;
        for (unsigned i = 0; i < PAGES; i++) {
                unsigned at = i * 7 % 16;
                s->class[i] = at < hot_read                              ? HOT_READ
                              : at < hot_read + seldom                   ? SELDOM_DIRTY
                              : at < hot_read + seldom + hot_dirty_share ? HOT_DIRTY
                                                                         : COLD;
                s->columns[2][i] = s->columns[3][i] = 1e9f;
                s->columns[4][i] = 4;
                s->columns[5][i] = 4096;
        }
        return s;
}

static void sim_free(struct sim *s) {
        hb_policies_free(s->policies);
        free(s);
}

static void see(float *heat, float *age, bool touched) {
        *heat = *heat * 0.95f + (touched ? 0.05f : 0);
        *age = touched ? 0 : *age + 1;
}

/* One second of the guest's life. */
static void live(struct sim *s) {
        static const double reads[CLASSES] = {0, 0.8, 0.05, 0.9}, dirties[CLASSES] = {0, 0, 0.02, 0.8};
        unsigned dirty = 0;

        s->wasted = 0;
        for (unsigned i = 0; i < PAGES; i++) {
                bool write = chance(s) < dirties[s->class[i]],
                     touch = write || chance(s) < reads[s->class[i]];
                see(&s->columns[0][i], &s->columns[2][i], touch && !write);
                see(&s->columns[1][i], &s->columns[3][i], write);
                if (touch)
                        s->columns[2][i] = 0;
                dirty += write;
                if (s->place[i] == FRESH && (write || chance(s) < s->storm)) {
                        s->place[i] = STALE;
                        s->wasted++;
                        s->wasted_so_far++;
                }
        }
        s->dirty = s->dirty * 0.8 + 0.2 * dirty * 4096;
}

static unsigned bucket(float score) {
        int b = (int)floorf((score + 1) / 2 * HB_POLICY_BUCKETS);
        return b < 0 ? 0 : b >= HB_POLICY_BUCKETS ? HB_POLICY_BUCKETS - 1 : (unsigned)b;
}

static void decide(struct sim *s, double used) {
        struct hb_policy_guest g = {.now_s = s->epoch,
                                    .horizon_s = HORIZON,
                                    .pages = PAGES,
                                    .resident_pages = PAGES,
                                    .dirty_bytes_per_s = s->dirty,
                                    .epoch_s = 1,
                                    .draining = s->draining};
        struct hb_policy_accuracy a = {
                .precision = -1, .recall = -1, .wasted = s->wasted_so_far, .wasted_share = s->wasted_share};
        double speed = CAPACITY * 4096.0;
        struct hb_policy_link l = {1e-4, speed, speed * (1 - s->others), used, 0};
        struct hb_policy_pages p = {PAGES,         s->columns[0], s->columns[1], s->columns[2], s->columns[3],
                                    s->columns[4], s->columns[5], s->accesses,   s->writes};
        uint32_t histogram[HB_POLICY_BUCKETS] = {0};

        hb_policies_predict(s->policies, &p, &g, s->accesses, s->writes);
        hb_policies_score(s->policies, &p, &g, &l, &a, s->scores);
        for (unsigned i = 0; i < PAGES; i++)
                if (s->place[i] != FRESH)
                        histogram[bucket(s->scores[i])]++;
        s->cut = hb_policies_threshold(s->policies, histogram, &g, &l, &a, s->cut);
}

static int best_candidate(const struct sim *s) {
        int best = -1;

        for (unsigned i = 0; i < PAGES; i++)
                if (s->place[i] != FRESH && (double)s->scores[i] >= s->cut &&
                    (best < 0 || s->scores[i] > s->scores[best]))
                        best = (int)i;
        return best;
}

static void send_pages(struct sim *s) {
        unsigned room = (unsigned)(CAPACITY * (1 - s->others) + 0.5);

        s->sent = 0;
        memset(s->sent_of, 0, sizeof s->sent_of);
        for (int i; s->sent < room && (i = best_candidate(s)) >= 0; s->sent++) {
                s->place[i] = FRESH;
                s->sent_of[s->class[i]]++;
        }
}

static void epoch(struct sim *s) {
        double own = s->own_counts ? (double)s->sent / CAPACITY : 0, used = s->others + own;

        s->epoch++;
        live(s);
        used = fmin(fmax(used * (1 + s->noise * (2 * chance(s) - 1)), 0), 1);
        decide(s, used);
        send_pages(s);
        s->wasted_share = s->wasted_share * 0.9 + 0.1 * fmin((double)s->wasted / fmax(s->sent, 10), 1);
}

static unsigned count_fresh(const struct sim *s, enum class c) {
        unsigned n = 0;

        for (unsigned i = 0; i < PAGES; i++)
                n += s->class[i] == c && s->place[i] == FRESH;
        return n;
}

static unsigned count(const struct sim *s, enum class c) {
        unsigned n = 0;

        for (unsigned i = 0; i < PAGES; i++)
                n += s->class[i] == c;
        return n;
}

/* An idle link and a guest that only reads: everything arrives as fast as the link allows, whether or not our
 * own traffic counts as use of the link. */
static void test_quiet_guest_fills_the_link(void **state) {
        for (int own = 0; own <= 1; own++) {
                struct sim *s = sim_new(4, 0, 0);
                unsigned epochs = 0, left;

                s->own_counts = own;
                do {
                        epoch(s);
                        left = PAGES - count_fresh(s, COLD) - count_fresh(s, HOT_READ);
                } while (left && ++epochs < 200);
                print_message("own traffic %s: %u epochs, at best %u\n", own ? "counted" : "left out", epochs,
                              PAGES / CAPACITY);
                assert_true(epochs <= PAGES / CAPACITY * (own ? 1.4 : 1.0) + 1);
                sim_free(s);
        }
}

/* A mixed guest: all that stays clean gets there and stays, little traffic goes to what is dirtied all the
 * time, the cut keeps still though the measurements are noisy. */
static void test_mixed_guest_settles(void **state) {
        struct sim *s = sim_new(4, 2, 2);
        unsigned sent = 0, hot = 0, reversals = 0, moves = 0;
        double last_step = 0, before;

        s->noise = 0.1;
        s->others = 0.3;
        for (unsigned i = 0; i < 260; i++) {
                before = s->cut;
                epoch(s);
                if (i < 60)
                        continue;
                sent += s->sent;
                hot += s->sent_of[HOT_DIRTY];
                moves += s->cut != before;
                reversals += (s->cut - before) * last_step < 0;
                if (s->cut != before)
                        last_step = s->cut - before;
        }
        print_message("settled: cut %.3f, %u sent in 200 epochs, %u of them to hot dirty pages, %u moves, %u "
                      "reversals, wasted %.2f\n",
                      s->cut, sent, hot, moves, reversals, s->wasted_share);
        assert_int_equal(count_fresh(s, COLD), count(s, COLD));
        assert_int_equal(count_fresh(s, HOT_READ), count(s, HOT_READ));
        assert_true(hot * 20 <= sent + 20);
        assert_true(sent < 200 * CAPACITY * 0.7 * 0.5);
        assert_true(reversals <= 10);
        sim_free(s);
}

/* The cut is at its floor when the link is ample no more; from there it never jumps, rises while others fill
 * the link until cold pages wait, and comes down when they are gone. */
static void test_busy_link_comes_and_goes(void **state) {
        struct sim *s = sim_new(4, 0, 0);
        double previous, cold = 0;
        unsigned up = 0, down = 0;

        for (unsigned i = 0; i < 3; i++)
                epoch(s);
        previous = s->cut;
        s->others = 1;
        for (; up < 100; up++, previous = s->cut) {
                epoch(s);
                if (s->cut > 0.0701)
                        assert_true(s->cut - previous <= 0.0201 && s->cut >= previous);
                for (unsigned i = 0; i < PAGES; i++)
                        if (s->class[i] == COLD)
                                cold = (double)s->scores[i];
                if (s->cut > cold)
                        break;
        }
        assert_true(up < 20);
        s->others = 0;
        for (; down < 100 && s->cut > 0.071; down++, previous = s->cut) {
                epoch(s);
                assert_true(previous - s->cut <= 0.0501 && s->cut <= previous);
        }
        assert_true(down < 10);
        sim_free(s);
}

/* A guest that rewrites what was sent: prefetching backs off by itself; when it calms down everything is sent
 * after all. */
static void test_harmful_prefetching_stops(void **state) {
        struct sim *s = sim_new(0, 0, 0);
        unsigned first = 0, last = 0;

        s->storm = 0.9;
        for (unsigned i = 0; i < 220; i++) {
                epoch(s);
                if (i < 5)
                        first += s->sent;
                else if (i >= 20)
                        last += s->sent;
        }
        print_message("pages an epoch: %.0f at first, %.1f once known to be wasted\n", first / 5.0,
                      last / 200.0);
        assert_true(last / 200.0 < first / 5.0 * 0.3);
        s->storm = 0;
        for (unsigned i = 0; i < 150; i++)
                epoch(s);
        assert_int_equal(count_fresh(s, COLD), PAGES);
        sim_free(s);
}

static void test_draining_sends_everything(void **state) {
        struct sim *s = sim_new(4, 4, 4);

        for (unsigned i = 0; i < 5; i++)
                epoch(s);
        s->draining = true;
        epoch(s);
        assert_true(s->cut == -1);
        for (unsigned i = 0; i < 60; i++)
                epoch(s);
        assert_true(count_fresh(s, COLD) == count(s, COLD) && s->sent_of[HOT_DIRTY] > 0);
        s->draining = false;
        epoch(s);
        assert_true(s->cut >= 0.05);
        sim_free(s);
}

static double threshold_with(const char *name, bool draining) {
        struct hb_policy_options o = {.dir = HB_SOURCE_DIR "/policies", .names = {NULL, NULL, name}};
        struct hb_policy_guest g = {.draining = draining};
        struct hb_policy_link l = {0};
        struct hb_policy_accuracy a = {0};
        uint32_t histogram[HB_POLICY_BUCKETS] = {0};
        hb_policies *p;
        double cut;

        assert_int_equal(hb_policies_new(&o, &p, NULL), 0);
        cut = hb_policies_threshold(p, histogram, &g, &l, &a, 0);
        hb_policies_free(p);
        return cut;
}

static void test_fixed_and_off(void **state) {
        assert_true(threshold_with("fixed", false) == 0.1 && threshold_with("fixed", true) == -1);
        assert_true(threshold_with("off", false) == HB_POLICY_CUT_NONE && threshold_with("off", true) == -1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_order),
                cmocka_unit_test(test_known_pages_cost_nothing),
                cmocka_unit_test(test_quiet_guest_fills_the_link),
                cmocka_unit_test(test_mixed_guest_settles),
                cmocka_unit_test(test_busy_link_comes_and_goes),
                cmocka_unit_test(test_harmful_prefetching_stops),
                cmocka_unit_test(test_draining_sends_everything),
                cmocka_unit_test(test_fixed_and_off),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
