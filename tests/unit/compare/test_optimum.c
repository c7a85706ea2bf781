/* The bounds, against traces whose future is known by heart. */
#include "rig.h"

#define PAGES 64u

static hb_trace_writer *begin(const char *path) {
        struct hb_trace_header h = {.page_size = 4096,
                                    .epoch_ns = HB_NS_PER_S,
                                    .origin = HB_TRACE_SYNTHETIC,
                                    .flags = HB_TRACE_EXACT_READS | HB_TRACE_EXACT_WRITES};
        struct hb_trace_writer_options o = {.replace = true};
        hb_trace_writer *w;

        strcpy(h.guest, "vm1");
        assert_int_equal(hb_shape_add(&h.shape, "ram", PAGES * 4096, 4096, NULL), 0);
        unlink(path);
        assert_int_equal(hb_trace_writer_new(path, &h, &o, &w, NULL), 0);
        return w;
}

static void epoch(hb_trace_writer *w, uint32_t e, uint32_t first, uint32_t n, bool written) {
        struct hb_trace_access a[PAGES];

        for (uint32_t i = 0; i < n; i++)
                a[i] = (struct hb_trace_access){first + i, 1, written};
        assert_int_equal(hb_trace_writer_epoch(w, e, e * HB_NS_PER_S, a, n), 0);
}

struct heard {
        unsigned moments;
        uint64_t first_ns;
        double coverage[400];
};

static void on_moment(void *arg, uint64_t time_ns, const struct hb_quality_result *q) {
        struct heard *h = arg;

        if (h->moments++ == 0)
                h->first_ns = time_ns;
}

static void on_point(void *arg, const struct hb_replay_point *p) {
        ((struct heard *)arg)->coverage[p->epoch] = p->coverage;
}

static struct hb_replay_result optimum_of(const char *path, struct hb_replay_options o, struct heard *h) {
        struct hb_replay_result r;
        struct hb_err e = {0};

        o.on_moment = on_moment;
        o.on_point = on_point;
        o.watch_arg = h;
        o.quality = true;
        if (o.horizon_s == 0)
                o.horizon_s = 10;
        if (hb_compare_optimum(path, &o, NULL, NULL, &r, &e) < 0)
                fail_msg("%s (%s)", e.what, e.which);
        return r;
}

/* 4 pages a second through a link of 4096 x 0.5 x 4 bytes a second. */
#define LINK                                                                                                 \
        { .link_bytes_per_s = 4 * 2048, .wire_share = 0.5, .latency_s = 0.001 }

/* Ten pages, other ten each 10 s: nobody who looks back knows them; who looks ahead knows them all, and the
 * working set's size is that of the true set, so everything is 1. */
static void test_who_knows_the_future_misses_nothing(void **state) {
        struct rig *rig = *state;
        struct hb_replay_options o = LINK;
        hb_trace_writer *w = begin(rig->trace[0]);
        struct hb_replay_result r;
        struct heard h = {0};

        for (uint32_t e = 1; e <= 120; e++)
                epoch(w, e, (e - 1) / 10 % 5 * 10, 10, false);
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
        r = optimum_of(rig->trace[0], o, &h);
        assert_true(r.quality.all.moments > 10 && h.moments == r.quality.all.moments);
        assert_int_equal(h.first_ns, 30 * HB_NS_PER_S);
        assert_true(r.quality.all.recall == 1);
        assert_true(r.quality.all.precision > 0.9);
        assert_int_equal(r.epochs, 120);
        assert_int_equal(r.records, 1200);
        assert_float_equal(r.seconds, 120, 1e-9);
}

/* Ten pages in one half of the time and forty in the other: with the budget of the former, no more than a
 * quarter of the latter can be predicted. */
static void test_the_budget_bounds_it(void **state) {
        struct rig *rig = *state;
        struct hb_replay_options o = LINK;
        hb_trace_writer *w = begin(rig->trace[0]);
        struct hb_replay_result r, with_oracle;
        struct heard h = {0};

        for (uint32_t e = 1; e <= 60; e++)
                epoch(w, e, e <= 30 ? 0 : 10, e <= 30 ? 10 : 40, false);
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
        r = optimum_of(rig->trace[0], o, &h);
        assert_int_equal(h.first_ns, 30 * HB_NS_PER_S);
        /* The first moment: K = 10, 40 pages: precision 1, recall 1/4. Later ones: K grows to 50, then 40. */
        assert_true(r.quality.all.recall < 1);
        o.oracle_budget = true;
        with_oracle = optimum_of(rig->trace[0], o, &h);
        assert_true(with_oracle.quality.all.recall == 1 && with_oracle.quality.all.precision == 1);
}

/* 20 pages exist from the begin of epoch 1 on (their first touch), 4 a second can be sent. After 3 s 12 are
 * over and 8 are left: 8 x 2048 bytes, 2 s of the link. */
static void test_a_move_before_all_could_be_sent(void **state) {
        struct rig *rig = *state;
        struct hb_replay_options o = LINK;
        hb_trace_writer *w = begin(rig->trace[0]);
        struct hb_replay_result r;
        struct heard h = {0};

        epoch(w, 1, 0, 20, true);
        for (uint32_t e = 2; e <= 40; e++)
                epoch(w, e, 0, 1, false);
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
        o.migrate_moments = 2;
        o.migrate_at_ns[0] = 3 * HB_NS_PER_S;
        o.migrate_at_ns[1] = 30 * HB_NS_PER_S;
        r = optimum_of(rig->trace[0], o, &h);
        assert_int_equal(r.nmigrations, 2);
        assert_int_equal(r.migrations[0].bytes_after, 8 * 2048);
        assert_float_equal(r.migrations[0].drain_s, 2, 1e-9);
        assert_int_equal(r.migrations[1].bytes_after, 0);
        assert_int_equal(r.missing, 0);
        assert_int_equal(r.hit, 20);
        assert_int_equal(r.bytes, 20 * 4096);
        assert_int_equal(r.wire_bytes, 20 * 2048);
        o.image_bytes = 5 * 4096; /* room for five: fifteen always come later */
        r = optimum_of(rig->trace[0], o, &h);
        assert_int_equal(r.migrations[1].bytes_after, 15 * 2048);
}

/* What is written in each epoch is never worth sending before its last time: those 6 pages have 1 s, so 2 are
 * left over at any moment; the others were sent long ago. */
static void test_what_is_written_again_and_again(void **state) {
        struct rig *rig = *state;
        struct hb_replay_options o = LINK;
        hb_trace_writer *w = begin(rig->trace[0]);
        struct hb_replay_result r;
        struct heard h = {0};

        epoch(w, 1, 0, 40, true);
        for (uint32_t e = 2; e <= 60; e++)
                epoch(w, e, 0, 6, true);
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
        o.migrate_moments = 1;
        o.migrate_at_ns[0] = 50 * HB_NS_PER_S + 1;
        r = optimum_of(rig->trace[0], o, &h);
        assert_int_equal(r.migrations[0].bytes_after, 2 * 2048);
        assert_true(h.coverage[1] == 1);  /* holes until then: zeros */
        assert_true(h.coverage[30] == 0); /* all written in the epoch before */
}

static void test_coverage_is_bounded_by_the_link(void **state) {
        struct rig *rig = *state;
        struct hb_replay_options o = LINK;
        hb_trace_writer *w = begin(rig->trace[0]);
        struct heard h = {0};

        epoch(w, 1, 0, 40, true);
        for (uint32_t e = 2; e <= 40; e++)
                epoch(w, e, 0, 40, false);
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
        optimum_of(rig->trace[0], o, &h);
        assert_true(h.coverage[2] == 0); /* first touched in the epoch before */
        assert_float_equal(h.coverage[3], 8.0 / 40, 1e-9);
        assert_float_equal(h.coverage[6], 20.0 / 40, 1e-9);
        assert_true(h.coverage[20] == 1);
}

/* Data that lay there at the begin can be sent from then on; 44 pages at 4 a second: 11 s. */
static void test_resident_pages_count_from_their_moment(void **state) {
        static const uint8_t runs[] = {0, 40}; /* gap, length */
        struct rig *rig = *state;
        struct hb_replay_options o = LINK;
        hb_trace_writer *w = begin(rig->trace[0]);
        struct hb_trace_event ev = {.stream = HB_TRACE_RESIDENT, .raw = {runs, sizeof(runs)}};
        struct hb_replay_result r;
        struct heard h = {0};

        assert_int_equal(hb_trace_writer_event(w, &ev), 0);
        for (uint32_t e = 1; e <= 20; e++)
                epoch(w, e, 40, 4, false);
        assert_int_equal(hb_trace_writer_close(w, NULL), 0);
        o.migrate_moments = 2;
        o.migrate_at_ns[0] = 10 * HB_NS_PER_S;
        o.migrate_at_ns[1] = 11 * HB_NS_PER_S;
        r = optimum_of(rig->trace[0], o, &h);
        assert_int_equal(r.migrations[0].bytes_after, 4 * 2048);
        assert_int_equal(r.migrations[1].bytes_after, 0);
}

static int at_once(void *arg, double share, const struct hb_replay_point *p) {
        return 1;
}

static void test_it_ends_when_asked_and_tells_failures(void **state) {
        struct rig *rig = *state;
        struct hb_replay_options o = LINK;
        struct hb_replay_result r;
        struct hb_err e = {0};

        o.horizon_s = 5;
        assert_int_equal(hb_compare_optimum(rig->trace[0], &o, at_once, NULL, &r, &e), -ECANCELED);
        assert_int_equal(hb_compare_optimum(rig->dir, &o, NULL, NULL, &r, &e) < 0, 1);
        for (unsigned n = 1; hb_fail_nth(n); n += 1 + n / 8) {
                e = (struct hb_err){0};
                if (hb_compare_optimum(rig->trace[1], &o, NULL, NULL, &r, &e) < 0)
                        assert_true(e.code < 0 && e.what[0]);
        }
        hb_fault_disarm();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_who_knows_the_future_misses_nothing, rig_setup,
                                                rig_teardown),
                cmocka_unit_test_setup_teardown(test_the_budget_bounds_it, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_a_move_before_all_could_be_sent, rig_setup,
                                                rig_teardown),
                cmocka_unit_test_setup_teardown(test_what_is_written_again_and_again, rig_setup,
                                                rig_teardown),
                cmocka_unit_test_setup_teardown(test_coverage_is_bounded_by_the_link, rig_setup,
                                                rig_teardown),
                cmocka_unit_test_setup_teardown(test_resident_pages_count_from_their_moment, rig_setup,
                                                rig_teardown),
                cmocka_unit_test_setup_teardown(test_it_ends_when_asked_and_tells_failures, rig_setup,
                                                rig_teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
