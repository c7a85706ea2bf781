/* A placement's recording: what it holds, and that an engine fed from it decides the same. */
#include "../place/change_rig.h"
#include "record/target.h"
#include "record_bed.h"
#include <sys/stat.h>

/* ---- a placement ---- */

struct again { /* the engine made anew from a trace */
        struct hb_image_page pages[W_PAGES];
        uint32_t processed;
        hb_policies *policies;
        hb_engine *engine;
        struct hb_engine_input_room room;
        unsigned inputs, digests, epochs, decisions, transfers, outcomes, marks[HB_MARKS];
        uint64_t last, accesses, resident, decided_pages, copied;
        bool deaf; /* does not live it again: it has not these policies */
        char error[256];
};

static int a_fetch(void *arg, uint64_t gfn, uint32_t pages, enum hb_fetch_class c) {
        ((struct again *)arg)->decided_pages += pages;
        return 0;
}

static void a_report(void *arg) {
}

static void a_epoch(void *arg, uint32_t epoch) {
}

static int a_zero(void *arg, uint64_t gfn, uint64_t pages) {
        return 0;
}

static void a_begin(struct again *a, const struct hb_trace_header *h, const struct hb_engine_input *in) {
        static const struct hb_engine_ops ops = {a_fetch, a_report, a_epoch, a_epoch, a_fetch};
        struct hb_engine_image image = {
                .shape = &h->shape, .pages = a->pages, .processed = &a->processed, .zero = a_zero, .arg = a};
        struct hb_policy_options po = {.seed = h->seed};
        struct hb_engine_options o;
        struct hb_rd rd = hb_rd_init(h->engine, h->engine_size);

        assert_int_equal(hb_engine_options_decode(&rd, &o), 0);
        assert_int_equal(hb_engine_input_begin(in, a->pages, W_PAGES, &a->processed), 0);
        assert_int_equal(hb_policies_new(&po, &a->policies, NULL), 0);
        assert_int_equal(hb_engine_new(&o, &image, a->policies, &ops, a, &a->engine), 0);
}

static void a_input(struct again *a, const struct hb_trace_header *h, const struct hb_trace_event *ev) {
        struct hb_rd rd = hb_rd_init(ev->raw.data, ev->raw.size);
        struct hb_engine_input in;

        a->inputs++;
        assert_int_equal(hb_engine_input_decode(&rd, W_PAGES, &in, &a->room), 0);
        if (in.kind == HB_IN_BEGIN)
                a_begin(a, h, &in);
        else
                assert_int_equal(hb_engine_input_apply(a->engine, &in), 0);
}

static void a_digest(struct again *a, uint64_t expected) {
        struct hb_engine_stats s;

        hb_engine_stats(a->engine, &s);
        assert_int_equal(s.digest, expected);
        a->last = expected;
        a->digests++;
}

static void a_event(struct again *a, const struct hb_trace_header *h, const struct hb_trace_event *ev) {
        struct hb_bitmap b;
        struct hb_rd rd = hb_rd_init(ev->raw.data, ev->stream == HB_TRACE_RESIDENT ? ev->raw.size : 0);

        if (ev->stream == HB_TRACE_INPUT && a->deaf) {
                a->inputs++;
        } else if (ev->stream == HB_TRACE_INPUT) {
                a_input(a, h, ev);
        } else if (ev->stream == HB_TRACE_MARK) {
                a->marks[ev->mark.kind]++;
                if (ev->mark.kind == HB_MARK_POLICY_ERROR)
                        memcpy(a->error, ev->mark.text, sizeof(a->error));
                if (ev->mark.kind == HB_MARK_DIGEST && !a->deaf)
                        a_digest(a, ev->mark.value);
        } else if (ev->stream == HB_TRACE_RESIDENT) {
                assert_int_equal(hb_bitmap_init(&b, W_PAGES), 0);
                a->resident += (uint64_t)hb_runs_decode(&rd, &b);
                hb_bitmap_fini(&b);
        }
        a->decisions += ev->stream == HB_TRACE_DECISION;
        a->transfers += ev->stream == HB_TRACE_TRANSFER;
        if (ev->stream == HB_TRACE_TRANSFER && ev->transfer.wire_bytes == 0 && !ev->transfer.failed)
                a->copied += ev->transfer.pages;
        a->outcomes += ev->stream == HB_TRACE_OUTCOME;
}

static void a_read(struct again *a, const char *path) {
        hb_trace_reader *r = reader(path);
        const struct hb_trace_header *h = hb_trace_reader_header(r);
        struct hb_trace_item it;
        uint64_t before = 0;
        struct hb_trace_info info;

        hb_trace_reader_info(r, &info);
        assert_true(info.indexed && !info.damaged);
        assert_int_equal(hb_bitmap_init(&a->room.scratch, W_PAGES), 0);
        while (next(r, &it)) {
                assert_true(it.time_ns >= before);
                before = it.time_ns;
                a->epochs += it.kind == HB_TRACE_EPOCH;
                a->accesses += it.kind == HB_TRACE_EPOCH ? it.naccess : 0;
                if (it.kind == HB_TRACE_EVENT)
                        a_event(a, h, &it.event);
        }
        hb_trace_reader_free(r);
}

static void a_free(struct again *a) {
        hb_engine_free(a->engine);
        hb_policies_free(a->policies);
        hb_engine_input_room_fini(&a->room);
        free(a);
}

static void live(struct world *w) {
        w_run(w, 300);
        w_cut(w);
        w_run(w, 40);
        w_reconnect(w);
        w_run(w, 100);
        hb_engine_drain(w->engine, w->now, true);
        w_run(w, 60);
        assert_true(w_freeze(w, 20000));
        w_run(w, 5);
}

static void test_a_placement_is_recorded_and_decides_the_same_again(void **state) {
        for (uint64_t seed = 1; seed <= 5; seed++) {
                struct world *w = a_world(seed);
                struct hb_trace_header h = header();
                struct hb_recorder_options o = {.begins_ns = w->now};
                struct again *a = calloc(1, sizeof(*a));
                hb_record_target *t = NULL;
                hb_recorder *r = NULL;
                char name[32];

                assert_non_null(a);
                h.shape = w->shape;
                h.origin = HB_TRACE_TARGET;
                hb_record_target_header(w->policies, &w->engine->o, 0, &h);
                assert_string_equal(h.policies[0].hash, "builtin");
                snprintf(name, sizeof(name), "placement%u.hbt", (unsigned)seed);
                assert_int_equal(hb_recorder_new(at(name), &h, &o, &r, NULL), 0);
                assert_int_equal(hb_record_target_new(r, w->engine, w->policies, &w->shape, w->now, &t), 0);
                assert_true(hb_record_target_exact(t));
                live(w);
                assert_true(hb_record_target_exact(t));
                hb_record_target_free(t);
                hb_recorder_end(r);
                assert_int_equal(wait_for(r, HB_RECORDER_ENDED).state, HB_RECORDER_ENDED);
                hb_recorder_free(r);
                a_read(a, at(name));
                assert_int_equal(a->last, w_stats(w).digest);
                assert_true(a->digests > 15 && a->epochs > 15 && a->accesses > 100 && a->outcomes > 15);
                assert_int_equal(a->decisions, w->sent);
                assert_int_equal(a->decided_pages, w->sent_pages);
                assert_true(a->transfers > 10);
                assert_true(w_stats(w).copied_pages > 10 && a->copied == w->copied);
                assert_int_equal(a->resident, w_stats(w).resident);
                assert_int_equal(a->marks[HB_MARK_ENGINE], 1);
                assert_int_equal(a->marks[HB_MARK_POLICY], 3);
                assert_int_equal(a->marks[HB_MARK_MIGRATE], 1);
                assert_int_equal(a->marks[HB_MARK_FREEZE], 1);
                assert_int_equal(a->marks[HB_MARK_COMPLETE], 1);
                assert_int_equal(a->marks[HB_MARK_DROPPED], 0);
                a_free(a);
                w_free(w);
        }
}

static void test_a_placement_that_was_there_is_recorded_without_inputs(void **state) {
        struct world *w = a_world(9);
        struct hb_recorder_options o = {.begins_ns = w->now};
        struct again *a = calloc(1, sizeof(*a));
        hb_record_target *t = NULL;
        hb_recorder *r;

        assert_non_null(a);
        w_run(w, 100);
        r = recorder(at("late.hbt"), &o);
        assert_int_equal(hb_record_target_new(r, w->engine, w->policies, &w->shape, w->now, &t), 0);
        assert_false(hb_record_target_exact(t));
        hb_engine_drain(w->engine, w->now, true); /* something to decide */
        w_run(w, 200);
        hb_record_target_free(t);
        hb_recorder_free(r);
        w_run(w, 50); /* nobody listens any more */
        a_read(a, at("late.hbt"));
        assert_true(a->epochs > 5 && a->decisions > 5 && a->resident > 300);
        assert_int_equal(a->inputs + a->digests + a->marks[HB_MARK_ENGINE], 0);
        assert_int_equal(a->marks[HB_MARK_NOTE], 1);
        a_free(a);
        w_free(w);
}

/* A swap, with more bytes than most inputs: in the file, named when it takes effect, and lived again. */
static void test_a_swap_is_recorded(void **state) {
        enum { ROOM = 300000 };
        struct world *w = a_world(3);
        struct hb_trace_header h = header();
        struct hb_recorder_options o = {.begins_ns = w->now};
        struct again *a = calloc(1, sizeof(*a));
        char *text = malloc(ROOM);
        hb_record_target *t = NULL;
        hb_recorder *r = NULL;
        struct hb_err e = {0};
        size_t n;

        assert_true(a && text);
        n = (size_t)snprintf(text, ROOM, "%s",
                             "local p = { api = 1, kind = 'scorer', name = 'long', version = '2' }\n"
                             "function p:score(pages) return 1 - pages.age_s / 4 end\n"
                             "return p\n");
        while (n < 200000)
                n += (size_t)snprintf(text + n, ROOM - n, "-- %zu: many words about it\n", n);
        h.shape = w->shape;
        h.origin = HB_TRACE_TARGET;
        hb_record_target_header(w->policies, &w->engine->o, 0, &h);
        assert_int_equal(hb_recorder_new(at("swap.hbt"), &h, &o, &r, NULL), 0);
        assert_int_equal(hb_record_target_new(r, w->engine, w->policies, &w->shape, w->now, &t), 0);
        w_run(w, 200);
        if (cr_shadow(w->engine, w->now, HB_POLICY_SCORER, "long", text, &e) < 0)
                fail_msg("%s", e.what);
        w_run(w, 100);
        assert_int_equal(cr_do(w->engine, w->now, HB_POLICY_PROMOTE, HB_POLICY_SCORER, &e), 0);
        w_run(w, 300);
        assert_true(hb_record_target_exact(t));
        hb_record_target_free(t);
        hb_recorder_free(r);
        a_read(a, at("swap.hbt"));
        assert_int_equal(a->last, w_stats(w).digest);
        assert_int_equal(a->marks[HB_MARK_POLICY], 4); /* the three it began with, and the new one */
        assert_int_equal(a->marks[HB_MARK_DROPPED], 0);
        a_free(a);
        w_free(w);
        free(text);
}

/* A scorer that fails now and then: the built-in answers, and the trace says so. */
static void test_a_policy_that_fails_is_told(void **state) {
        static const char scorer[] = "local s = { api = 1, kind = 'scorer', name = 'moody', version = '1' }\n"
                                     "local n = 0\n"
                                     "function s:score(pages, link)\n"
                                     "  n = n + 1\n"
                                     "  if n == 20 then error('not in the mood') end\n"
                                     "  return pages.predicted * 0.1\n"
                                     "end\n"
                                     "return s\n";
        struct hb_policy_options po = {.dir = dir, .names = {NULL, "moody", NULL}};
        struct world *w = a_world(6);
        struct hb_recorder_options o = {.begins_ns = w->now};
        struct again *a = calloc(1, sizeof(*a));
        hb_record_target *t = NULL;
        hb_recorder *r;
        struct hb_err e;
        FILE *f;

        assert_non_null(a);
        assert_int_equal(mkdir(at("score"), 0700), 0);
        f = fopen(at("score/moody.lua"), "w");
        assert_non_null(f);
        assert_true(fputs(scorer, f) >= 0 && fclose(f) == 0);
        hb_engine_free(w->engine);
        hb_policies_free(w->policies);
        if (hb_policies_new(&po, &w->policies, &e) < 0)
                fail_msg("%s (%s)", e.what, e.which);
        w->engine = w_engine(w);
        r = recorder(at("moody.hbt"), &o);
        assert_int_equal(hb_record_target_new(r, w->engine, w->policies, &w->shape, w->now, &t), 0);
        w_run(w, 1200);
        hb_record_target_free(t);
        hb_recorder_free(r);
        a->deaf = true;
        a_read(a, at("moody.hbt"));
        assert_int_equal(a->marks[HB_MARK_POLICY_ERROR], 1);
        assert_non_null(strstr(a->error, "not in the mood"));
        a_free(a);
        w_free(w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_placement_is_recorded_and_decides_the_same_again),
                cmocka_unit_test(test_a_placement_that_was_there_is_recorded_without_inputs),
                cmocka_unit_test(test_a_swap_is_recorded),
                cmocka_unit_test(test_a_policy_that_fails_is_told),
        };
        return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
