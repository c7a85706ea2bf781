/* test_quality: the definition against a direct implementation that keeps everything it hears and sorts, on
 * random small worlds; and the words of the definition one by one on worlds made for them. */
#include "check.h"
#include "place/quality.h"
#include "place/top_k.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define S      1000000000ull
#define PAGES  150u
#define EPOCHS 120u

struct epoch {
        uint64_t time_ns, middle_ns;
        bool accessed[PAGES], written[PAGES];
        bool moment; /* predicted after it */
        float expected[PAGES], expected_writes[PAGES];
};

struct world {
        uint64_t rng;
        unsigned pages, epochs;
        struct hb_quality_options o;
        struct epoch e[EPOCHS];
};

static uint64_t rnd(struct world *w, uint64_t n) {
        w->rng ^= w->rng << 13;
        w->rng ^= w->rng >> 7;
        w->rng ^= w->rng << 17;
        return (w->rng >> 11) % n;
}

/* ---- the direct way ---- */

static bool in_window(const struct epoch *e, int64_t after, int64_t to) {
        return (int64_t)e->middle_ns > after && (int64_t)e->middle_ns <= to;
}

static void set_of(const struct world *w, int64_t after, int64_t to, bool writes, bool *ret) {
        memset(ret, 0, PAGES);
        for (unsigned i = 0; i < w->epochs; i++)
                for (unsigned g = 0; g < w->pages && in_window(&w->e[i], after, to); g++)
                        ret[g] |= w->e[i].written[g] || (!writes && w->e[i].accessed[g]);
}

static unsigned size_of(const bool *set) {
        unsigned n = 0;

        for (unsigned g = 0; g < PAGES; g++)
                n += set[g];
        return n;
}

struct ranked {
        float value;
        unsigned page;
};

static int by_rank(const void *a, const void *b) {
        const struct ranked *x = a, *y = b;

        if (x->value != y->value)
                return x->value > y->value ? -1 : 1;
        return x->page < y->page ? -1 : 1;
}

static void best(const struct world *w, const float *value, unsigned k, bool *ret) {
        struct ranked r[PAGES];

        for (unsigned g = 0; g < w->pages; g++)
                r[g] = (struct ranked){value[g] > 0 ? value[g] : 0, g};
        qsort(r, w->pages, sizeof(r[0]), by_rank);
        memset(ret, 0, PAGES);
        for (unsigned i = 0; i < k; i++)
                ret[r[i].page] = true;
}

static void add(struct hb_quality_score *s, const bool *predicted, const bool *really, const bool *class) {
        unsigned both = 0, p = 0, t = 0;

        for (unsigned g = 0; g < PAGES; g++) {
                both += class[g] && predicted[g] && really[g];
                p += class[g] && predicted[g];
                t += class[g] && really[g];
        }
        if (t == 0)
                return;
        s->precision += p ? (double)both / p : 0;
        s->recall += (double)both / t;
        s->f1 += both ? 2.0 * ((double)both / p) * ((double)both / t) / ((double)both / p + (double)both / t)
                      : 0;
        s->moments++;
}

static void directly(const struct world *w, struct hb_quality_result *ret) {
        uint64_t due = w->o.begin_ns + (uint64_t)(w->o.warmup_s * 1e9),
                 every = (uint64_t)(w->o.every_s * 1e9);
        int64_t h = (int64_t)(w->o.horizon_s * 1e9), end = (int64_t)w->e[w->epochs - 1].time_ns,
                last_middle = (int64_t)w->e[w->epochs - 1].middle_ns;

        memset(ret, 0, sizeof(*ret));
        for (unsigned i = 0; i < w->epochs; i++) {
                const struct epoch *e = &w->e[i];
                int64_t t = (int64_t)e->time_ns;
                bool window[PAGES], wwindow[PAGES], seen[PAGES], really[PAGES], wreally[PAGES], got[PAGES],
                        wgot[PAGES], all[PAGES], back[PAGES], fresh[PAGES];

                if (e->time_ns < due)
                        continue;
                while (due <= e->time_ns)
                        due += every;
                if (!e->moment || (t + h > end && t + h >= last_middle))
                        continue;
                set_of(w, t - h, t, false, window);
                set_of(w, t - h, t, true, wwindow);
                set_of(w, -1, t, false, seen);
                set_of(w, t, t + h, false, really);
                set_of(w, t, t + h, true, wreally);
                best(w, e->expected, size_of(w->o.oracle_budget ? really : window), got);
                best(w, e->expected_writes, size_of(w->o.oracle_budget ? wreally : wwindow), wgot);
                for (unsigned g = 0; g < PAGES; g++) {
                        all[g] = true;
                        back[g] = seen[g] && !window[g];
                        fresh[g] = !seen[g];
                }
                add(&ret->all, got, really, all);
                add(&ret->writes, wgot, wreally, all);
                add(&ret->returning, got, really, back);
                add(&ret->fresh, got, really, fresh);
        }
}

static void same(const struct world *w, const struct hb_quality_score *mine,
                 const struct hb_quality_score *sums) {
        double n = (double)sums->moments;

        if (mine->moments != sums->moments)
                fail_msg("%u moments, not %u (pages %u epochs %u)", (unsigned)mine->moments,
                         (unsigned)sums->moments, w->pages, w->epochs);
        if (sums->moments == 0) {
                assert_true(isnan(mine->precision) && isnan(mine->recall) && isnan(mine->f1));
                return;
        }
        assert_true(fabs(mine->precision - sums->precision / n) < 1e-9);
        assert_true(fabs(mine->recall - sums->recall / n) < 1e-9);
        assert_true(fabs(mine->f1 - sums->f1 / n) < 1e-9);
}

/* ---- the real one ---- */

static void bits_of(const bool *set, struct hb_bitmap *b) {
        hb_bitmap_clear_all(b);
        for (unsigned g = 0; g < b->bits; g++)
                if (set[g])
                        hb_bitmap_set(b, g);
}

static void really(const struct world *w, struct hb_quality_result *ret) {
        struct hb_bitmap accessed, written;
        hb_quality *q;

        assert_int_equal(hb_bitmap_init(&accessed, w->pages), 0);
        assert_int_equal(hb_bitmap_init(&written, w->pages), 0);
        assert_int_equal(hb_quality_new(w->pages, &w->o, &q), 0);
        for (unsigned i = 0; i < w->epochs; i++) {
                bits_of(w->e[i].accessed, &accessed);
                bits_of(w->e[i].written, &written);
                hb_quality_epoch(q, w->e[i].time_ns, &accessed, &written);
                if (w->e[i].moment && hb_quality_due(q))
                        assert_int_equal(hb_quality_predicted(q, w->e[i].expected, w->e[i].expected_writes),
                                         0);
                else if (!hb_quality_due(q))
                        assert_int_equal(hb_quality_predicted(q, w->e[i].expected, w->e[i].expected_writes),
                                         -EINVAL);
        }
        hb_quality_result(q, ret);
        hb_quality_free(q);
        hb_bitmap_fini(&accessed);
        hb_bitmap_fini(&written);
}

static void compare(const struct world *w) {
        struct hb_quality_result mine, sums;

        really(w, &mine);
        directly(w, &sums);
        same(w, &mine.all, &sums.all);
        same(w, &mine.writes, &sums.writes);
        same(w, &mine.returning, &sums.returning);
        same(w, &mine.fresh, &sums.fresh);
}

static float random_value(struct world *w) {
        switch (rnd(w, 8)) {
        case 0:
                return 0.0f;
        case 1:
                return -1.0f;
        case 2:
                return (float)rnd(w, 1000000) * 1e-3f;
        case 3:
                return 3e38f;
        default:
                return (float)rnd(w, 4); /* ties */
        }
}

static void make_world(struct world *w, uint64_t seed) {
        uint64_t at, regular;

        memset(w, 0, sizeof(*w));
        w->rng = (seed + 1) * 0x9E3779B97F4A7C15ull;
        w->pages = 1 + (unsigned)rnd(w, PAGES);
        w->epochs = 1 + (unsigned)rnd(w, EPOCHS);
        w->o = (struct hb_quality_options){.horizon_s = (double)(1 + rnd(w, 30)),
                                           .every_s = (double)(1 + rnd(w, 8)),
                                           .warmup_s = (double)(1 + rnd(w, 40)),
                                           .begin_ns = rnd(w, 2) * 77 * S,
                                           .oracle_budget = rnd(w, 2)};
        at = w->o.begin_ns;
        regular = rnd(w, 3);
        for (unsigned i = 0; i < w->epochs; i++) {
                struct epoch *e = &w->e[i];
                uint64_t busy = rnd(w, 10), step = regular ? S : 1 + rnd(w, 3 * S);

                if (regular == 2) /* nearly: as a daemon's clock is */
                        step += rnd(w, 20000000) - 10000000;
                if (!regular && rnd(w, 30) == 0)
                        step += rnd(w, 60) * S;
                e->middle_ns = at + step / 2;
                at += step;
                e->time_ns = at;
                e->moment = rnd(w, 20) != 0;
                for (unsigned g = 0; g < w->pages; g++) {
                        e->accessed[g] = busy && rnd(w, 1 + g / 4 + busy) == 0;
                        e->written[g] = e->accessed[g] && rnd(w, 3) == 0;
                        e->expected[g] = random_value(w);
                        e->expected_writes[g] = random_value(w);
                }
        }
}

static void test_random_worlds(void **state) {
        struct world *w = malloc(sizeof(*w));

        assert_non_null(w);
        for (uint64_t seed = 0; seed < 300; seed++) {
                make_world(w, seed);
                compare(w);
        }
        free(w);
}

static void test_top_k(void **state) {
        struct world *w = calloc(1, sizeof(*w));
        uint32_t *room = malloc(HB_TOP_K_ROOM * sizeof(*room));
        struct hb_bitmap b;
        float v[PAGES];
        bool want[PAGES];

        assert_non_null(w);
        assert_non_null(room);
        w->rng = 5;
        for (unsigned round = 0; round < 3000; round++) {
                unsigned k;

                w->pages = 1 + (unsigned)rnd(w, PAGES);
                k = (unsigned)rnd(w, w->pages + 1);
                assert_int_equal(hb_bitmap_init(&b, w->pages), 0);
                for (unsigned g = 0; g < w->pages; g++) {
                        v[g] = random_value(w);
                        if (rnd(w, 50) == 0)
                                v[g] = NAN;
                }
                hb_top_k(v, w->pages, k, room, &b);
                best(w, v, k, want);
                for (unsigned g = 0; g < w->pages; g++)
                        assert_int_equal(hb_bitmap_test(&b, g), want[g]);
                hb_bitmap_fini(&b);
        }
        free(room);
        free(w);
}

/* One page a second, 0 1 2 ... 9 0 1 2 ...: the next ten seconds hold the same pages as the last ten. */
static void test_words_of_the_definition(void **state) {
        struct world *w = calloc(1, sizeof(*w));
        struct hb_quality_result r;

        assert_non_null(w);
        w->pages = 100;
        w->epochs = 45;
        w->o = (struct hb_quality_options){.horizon_s = 10, .every_s = 5, .warmup_s = 30};
        for (unsigned i = 0; i < w->epochs; i++) {
                w->e[i].time_ns = (i + 1) * S;
                w->e[i].middle_ns = w->e[i].time_ns - S / 2;
                w->e[i].moment = true;
                w->e[i].accessed[i % 10] = true;
                w->e[i].written[i % 10] = i % 10 < 3;
                for (unsigned g = 0; g < 10; g++)
                        w->e[i].expected[g] = w->e[i].expected_writes[g] = 1; /* ties: the lower pages win */
        }
        really(w, &r);
        assert_int_equal(r.all.moments, 2); /* 30 s and 35 s; of 40 s the horizon is open */
        assert_true(r.all.precision == 1 && r.all.recall == 1 && r.all.f1 == 1);
        assert_true(r.writes.precision == 1 && r.writes.recall == 1); /* pages 0, 1, 2 */
        assert_int_equal(r.returning.moments, 0);
        assert_int_equal(r.fresh.moments, 0);
        compare(w);

        w->e[39].accessed[50] = true; /* within both horizons, never seen before */
        really(w, &r);
        assert_int_equal(r.fresh.moments, 2);
        assert_true(r.fresh.recall == 0 && r.fresh.precision == 0 && r.fresh.f1 == 0);
        assert_true(fabs(r.all.recall - 10.0 / 11) < 1e-12 && r.all.precision == 1);

        w->e[9].accessed[50] = true; /* seen long ago: it returns */
        really(w, &r);
        assert_int_equal(r.fresh.moments, 0);
        assert_int_equal(r.returning.moments, 2);

        w->o.oracle_budget =
                true; /* eleven may be named: page 10 is the next of those that nothing is known of */
        really(w, &r);
        assert_true(fabs(r.all.precision - 10.0 / 11) < 1e-12);
        compare(w);
        free(w);
}

static void test_nothing_happens(void **state) {
        struct world *w = calloc(1, sizeof(*w));
        struct hb_quality_result r;

        assert_non_null(w);
        w->pages = 1;
        w->epochs = 100;
        w->o = (struct hb_quality_options){.horizon_s = 10, .every_s = 5, .warmup_s = 30};
        for (unsigned i = 0; i < w->epochs; i++) {
                w->e[i].time_ns = (i + 1) * S;
                w->e[i].middle_ns = w->e[i].time_ns - S / 2;
                w->e[i].moment = true;
        }
        really(w, &r);
        assert_int_equal(r.all.moments, 0);
        assert_true(isnan(r.all.f1));
        compare(w);
        free(w);
}

struct heard {
        unsigned n;
        uint64_t last_ns;
        double recall;
};

static void hear(void *arg, uint64_t time_ns, const struct hb_quality_result *of_this) {
        struct heard *h = arg;

        assert_true(time_ns > h->last_ns);
        assert_int_equal(of_this->all.moments, 1);
        h->last_ns = time_ns;
        h->recall += of_this->all.recall;
        h->n++;
}

static void test_moments_are_told(void **state) {
        struct hb_quality_options o = {.horizon_s = 7}; /* the defaults: every 5 s after 30 s */
        float v[64] = {0};
        struct hb_bitmap b;
        struct hb_quality_result r;
        struct heard h = {0};
        hb_quality *q;

        assert_int_equal(hb_bitmap_init(&b, 64), 0);
        assert_int_equal(hb_quality_new(64, &o, &q), 0);
        hb_quality_on_moment(q, hear, &h);
        for (uint64_t i = 1; i <= 120; i++) {
                hb_bitmap_clear_all(&b);
                hb_bitmap_set(&b, i * i % 64);
                hb_quality_epoch(q, i * S, &b, &b);
                assert_int_equal(hb_quality_due(q), i >= 30 && i % 5 == 0);
                if (hb_quality_due(q)) {
                        v[i % 64] = (float)i;
                        assert_int_equal(hb_quality_predicted(q, v, v), 0);
                        assert_false(hb_quality_due(q)); /* once */
                }
        }
        hb_quality_result(q, &r);
        assert_int_equal(r.all.moments, 17); /* 30 .. 110 */
        assert_int_equal(h.n, 17);
        assert_true(fabs(h.recall / 17 - r.all.recall) < 1e-12);
        hb_quality_free(q);
        hb_bitmap_fini(&b);
        hb_quality_free(NULL);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_top_k),           cmocka_unit_test(test_words_of_the_definition),
                cmocka_unit_test(test_nothing_happens), cmocka_unit_test(test_moments_are_told),
                cmocka_unit_test(test_random_worlds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
