/* The engine's inputs written down and given again: a hundred troubled lives, each followed input by input
 * by a second engine that sees nothing but the bytes. */
#include "base/fault.h"
#include "change_rig.h"
#include "engine_world.h"
#include "place/engine_input.h"
#include <malloc.h>
#include <unistd.h>

/* ---- a second engine that lives on bytes ---- */

struct twin {
        struct world *w;
        struct hb_image_page pages[W_PAGES];
        uint32_t processed;
        struct hb_policy_options po;
        hb_policies *policies;
        hb_engine *engine;
        struct hb_engine_input_room room;
        struct hb_buf bytes;
        uint64_t inputs, kinds, size, decisions[2], fetches, refusals, copies;
        bool differs, lax, cut; /* lax: differing is what is expected */
        uint64_t begin_size;
};

static int t_fetch(void *arg, uint64_t gfn, uint32_t pages, enum hb_fetch_class c) {
        ((struct twin *)arg)->fetches++;
        return -EAGAIN; /* nobody must listen to this */
}

static void t_report(void *arg) {
}

static void t_epoch(void *arg, uint32_t epoch) {
}

static int t_zero(void *arg, uint64_t gfn, uint64_t pages) {
        return -EIO; /* nor to this */
}

static void t_decided(void *arg, uint64_t gfn, uint32_t pages, enum hb_fetch_class c, unsigned bucket) {
        uint64_t *sum = arg;

        assert_true(bucket <= HB_POLICY_BUCKETS);
        *sum = (*sum ^ (gfn << 32 | pages << 16 | (unsigned)c << 8 | bucket)) * 0x9E3779B97F4A7C15ull;
}

static void t_make(struct twin *t, const struct hb_engine_options *o) {
        static const struct hb_engine_ops ops = {t_fetch, t_report, t_epoch, t_epoch, t_fetch};
        struct hb_engine_image image = {.shape = &t->w->shape,
                                        .pages = t->pages,
                                        .processed = &t->processed,
                                        .zero = t_zero,
                                        .arg = t};
        struct hb_err e;

        mallopt(M_PERTURB, 0x5A); /* what is not set must not steer */
        if (hb_policies_new(&t->po, &t->policies, &e) < 0)
                fail_msg("%s", e.what);
        assert_int_equal(hb_engine_new(o, &image, t->policies, &ops, t, &t->engine), 0);
        hb_engine_set_decided(t->engine, t_decided, &t->decisions[1]);
        mallopt(M_PERTURB, 0);
}

static void t_compare(struct twin *t) {
        struct hb_engine_stats a = w_stats(t->w), b;
        uint32_t ha[HB_POLICY_BUCKETS], hb[HB_POLICY_BUCKETS];
        double x[3], y[3];
        bool cx, cy;

        hb_engine_stats(t->engine, &b);
        hb_engine_histogram(t->w->engine, ha);
        hb_engine_histogram(t->engine, hb);
        if (a.digest != b.digest)
                t->differs = true;
        if (t->lax)
                return;
        assert_int_equal(a.digest, b.digest);
        assert_memory_equal(&a, &b, offsetof(struct hb_engine_stats, ready));
        assert_true(a.ready == b.ready && a.draining == b.draining && a.frozen == b.frozen &&
                    a.complete == b.complete);
        assert_int_equal(t->w->processed, t->processed);
        assert_memory_equal(t->w->pages, t->pages, sizeof(t->pages));
        assert_memory_equal(ha, hb, sizeof(ha));
        assert_int_equal(t->decisions[0], t->decisions[1]);
        hb_engine_estimate(t->w->engine, &x[0], &x[1], &x[2], &cx);
        hb_engine_estimate(t->engine, &y[0], &y[1], &y[2], &cy);
        assert_memory_equal(x, y, sizeof(x));
        assert_true(cx == cy);
}

static void t_tap(void *arg, const struct hb_engine_input *told) {
        struct twin *t = arg;
        struct hb_engine_input in;
        struct hb_rd rd;

        hb_buf_reset(&t->bytes);
        hb_engine_input_encode(told, &t->bytes);
        assert_false(t->bytes.failed);
        t->size += t->bytes.len;
        t->inputs++;
        t->kinds |= 1ull << told->kind;
        t->refusals += told->taken != UINT32_MAX;
        rd = hb_rd_init(t->bytes.data, t->bytes.len);
        assert_int_equal(hb_engine_input_decode(&rd, W_PAGES, &in, &t->room), 0);
        t->cut |= in.answers_cut;
        if (in.kind == HB_IN_BEGIN) {
                t->begin_size = t->bytes.len;
                assert_int_equal(hb_engine_input_begin(&in, t->pages, W_PAGES, &t->processed), 0);
                t_make(t, &t->w->engine->o);
        } else {
                assert_int_equal(hb_engine_input_apply(t->engine, &in), 0);
        }
        t_compare(t);
}

static struct twin *t_new(struct world *w) {
        struct twin *t = calloc(1, sizeof(*t));

        assert_non_null(t);
        t->w = w;
        assert_int_equal(hb_bitmap_init(&t->room.scratch, W_PAGES), 0);
        return t;
}

static void t_attach(struct twin *t) {
        hb_engine_set_decided(t->w->engine, t_decided, &t->decisions[0]);
        assert_int_equal(hb_engine_set_tap(t->w->engine, t_tap, t), 0);
        assert_non_null(t->engine);
}

static void t_free(struct twin *t) {
        hb_engine_free(t->engine);
        hb_policies_free(t->policies);
        hb_engine_input_room_fini(&t->room);
        hb_buf_free(&t->bytes);
        free(t);
}

/* ---- lives ---- */

static int moody_zero(void *arg, uint64_t gfn, uint64_t pages) {
        struct world *w = arg;

        return w_chance(w, 200) ? -EIO : w_zero(arg, gfn, pages);
}

static struct world_options troubled(uint64_t seed) {
        struct world_options o = {.seed = seed};

        o.writes_per_tick = (unsigned)(seed % 5) * 3;
        o.hot_pages = seed % 3 ? 40 : 0;
        o.epoch_ticks = 5 + (unsigned)(seed % 7) * 6;
        o.pages_per_tick = 4 + (unsigned)(seed * 7 % 40);
        o.window_bytes = (seed % 4 ? 64u << (seed % 4) : 1u) * 4096;
        o.transport_max = seed % 6 ? 16 : 2;
        o.plan_pages = seed % 5 ? 0 : 50 + (unsigned)(seed % 300);
        o.lose = seed % 4 == 1 ? 150 : 0;
        o.repeat = seed % 4 == 2 ? 200 : 0;
        o.reorder = seed % 5 == 3 ? 150 : 0;
        o.fail = seed % 3 == 1 ? 30 : 0;
        o.refuse = seed % 2 ? 100 + (unsigned)(seed * 37 % 500) : 0;
        o.zero = seed % 2 ? 100 : 0;
        o.known = seed % 4 ? 300 : 0;
        o.lie = seed % 4 == 3 ? 200 : 0;
        return o;
}

static void senseless(struct world *w) {
        struct hb_summary_entry s = {.gfn = W_PAGES - 1, .pages = 2};

        hb_engine_demand(w->engine, w->now + 100, W_PAGES);
        hb_engine_fetched(w->engine, w->now + 100, W_PAGES, 3, 1, 1, 0);
        hb_engine_fetched(w->engine, w->now, W_PAGES - 2, 30, 1, 1, 0);
        hb_engine_failed(w->engine, w->now, UINT64_MAX, 5);
        hb_engine_known(w->engine, w->now + 100, W_PAGES, 5, 1, true);
        hb_engine_copied(w->engine, w->now + 100, W_PAGES, 5, 1, 0);
        hb_engine_refuted(w->engine, w->now + 100, UINT64_MAX, 5);
        hb_engine_summary(w->engine, w->now + 100, 1, &s);
        assert_int_equal(hb_engine_invalidate(w->engine, w->now + 100, 5, 5, &w->scratch), -EINVAL);
}

/* Worth by age alone: other decisions than the built-in's. */
static const char by_age[] = "local p = { api = 1, kind = 'scorer', name = 'by_age', version = '1',\n"
                             "  params = { tau = { default = 5, min = 1, max = 100, help = 'x' } } }\n"
                             "function p:score(pages, link) return 1 - pages.age_s / self.params.tau end\n"
                             "return p\n";

/* Swapped, tuned, promoted and rolled back on the way. */
static void swap(struct world *w) {
        hb_engine *e = w->engine;
        struct hb_err err;

        if (cr_shadow(e, w->now, HB_POLICY_SCORER, "by_age", by_age, &err) < 0)
                fail_msg("%s", err.what);
        assert_int_equal(cr_tune(e, w->now, HB_POLICY_SCORER, "tau", 30, true, &err), 0);
        w_run(w, 30);
        assert_int_equal(cr_do(e, w->now, HB_POLICY_PROMOTE, HB_POLICY_SCORER, &err), 0);
        w_run(w, 60);
        assert_int_equal(cr_tune(e, w->now, HB_POLICY_SCORER, "tau", 10, false, &err), 0);
        assert_int_equal(cr_tune(e, w->now, HB_POLICY_SCORER, "tau", 1000, false, &err), -ERANGE);
        w_run(w, 60);
        if (w->o.seed % 2)
                assert_int_equal(cr_do(e, w->now, HB_POLICY_ROLLBACK, HB_POLICY_SCORER, &err), 0);
        assert_int_equal(cr_do(e, w->now, HB_POLICY_DROP, HB_POLICY_SCORER, &err), -ENOENT);
        w_run(w, 20);
}

static void live(struct world *w) {
        struct hb_policy_link l = {1e-3, 1e8 / 3, 1e8 / 7, 0.25, 0, 0.75, 1.0 / 3};

        hb_engine_link(w->engine, w->now, &l);
        hb_summary_coarse(w->summaries, w->o.seed % 2); /* by blocks, after a reconnect */
        w_run(w, 100 + (unsigned)w_rnd(w, 80));
        if (w->o.seed % 3 == 0) {
                w_cut(w);
                w_run(w, 20);
                w_reconnect(w);
        }
        for (unsigned i = 0; i < 20; i++) {
                hb_engine_demand(w->engine, w->now, w_rnd(w, W_PAGES + 5));
                hb_engine_demand(w->engine, w->now, w_rnd(w, W_PAGES));
                w_tick(w);
        }
        senseless(w);
        if (w->o.seed % 4 == 2)
                swap(w);
        if (w->o.seed % 2) {
                hb_engine_drain(w->engine, w->now, true);
                w_run(w, 50);
                hb_engine_drain(w->engine, w->now, w->o.seed % 4 == 1);
                w_run(w, 20);
        }
        hb_engine_lost(w->engine, w->now, w_rnd(w, W_PAGES), 1 + (uint32_t)w_rnd(w, 40));
        w_freeze(w, (unsigned)w_rnd(w, 20));
        hb_engine_thaw(w->engine, w->now);
        w->stopped = false;
        w->complete = 0;
        w_run(w, 40);
        w_freeze(w, 300);
}

static void test_every_life_is_followed(void **state) {
        uint64_t inputs = 0, size = 0, kinds = 0, refusals = 0, copied = 0, refuted = 0;

        for (uint64_t seed = 1; seed <= 100; seed++) {
                struct world_options o = troubled(seed);
                struct world *w = w_new(&o);
                struct twin *t = t_new(w);

                w->engine->image.zero = seed % 5 == 2 ? moody_zero : w_zero;
                t_attach(t);
                live(w);
                assert_false(t->cut);
                assert_true(w_stats(w).digest != 0);
                inputs += t->inputs;
                size += t->size;
                kinds |= t->kinds;
                refusals += t->refusals;
                copied += w_stats(w).copied_pages;
                refuted += w_stats(w).refuted_pages;
                assert_true(w->copied >= w_stats(w).copied_pages);
                assert_int_equal(w->refuted, w_stats(w).refuted_pages);
                t_free(t);
                w_free(w);
        }
        assert_int_equal(kinds, (1u << HB_IN_KINDS) - 2);
        assert_true(refusals > 500);
        assert_true(copied > 1000 && refuted > 100);
        print_message("%llu inputs in %llu bytes, %llu with a refusal\n", (unsigned long long)inputs,
                      (unsigned long long)size, (unsigned long long)refusals);
}

static void test_refused_by_fault_points_too(void **state) {
        struct world_options o = troubled(6);
        struct world *w = w_new(&o);
        struct twin *t = t_new(w);

        t_attach(t);
        for (unsigned n = 1; n < 60; n++) {
                char spec[64];

                snprintf(spec, sizeof(spec), "engine.%s=fail@%u", n % 2 ? "fetch" : "zero", 1 + n / 8);
                assert_int_equal(hb_fault_arm(spec), 0);
                w_run(w, 8);
        }
        hb_fault_disarm();
        live(w);
        t_free(t);
        w_free(w);
}

/* An engine that resumes an image is told of by the records it begins with. */
static void test_a_resumed_image_is_followed(void **state) {
        for (uint64_t seed = 1; seed <= 20; seed++) {
                struct world_options o = troubled(seed);
                struct world *w = w_new(&o);
                struct twin *t = t_new(w);

                w_run(w, 150);
                for (unsigned k = 0; k < W_FLIGHTS; k++)
                        w->flight[k].used = false;
                w->flying = 0;
                memset(w->printing, 0, sizeof(w->printing));
                hb_engine_free(w->engine);
                w->policies =
                        hb_policies_free(w->policies); /* they remember; who resumes begins with new ones */
                assert_int_equal(hb_policies_new(&t->po, &w->policies, NULL), 0);
                w->engine = w_engine(w);
                t_attach(t);
                assert_true(t->begin_size > 100);
                w_reconnect(w);
                live(w);
                t_free(t);
                w_free(w);
        }
}

static void keep_begin(void *arg, const struct hb_engine_input *in) {
        if (in->kind == HB_IN_BEGIN)
                *(bool *)arg = in->on;
}

static void test_a_tap_that_comes_late_says_so(void **state) {
        struct world_options o = {.seed = 3};
        struct world *w = w_new(&o);
        struct hb_image_page pages[W_PAGES];
        struct hb_engine_input in = {.kind = HB_IN_BEGIN};
        uint32_t processed;
        bool on = false;

        assert_int_equal(hb_engine_set_tap(w->engine, keep_begin, &on), 0);
        assert_true(on);
        w_run(w, 30);
        assert_int_equal(hb_engine_set_tap(w->engine, keep_begin, &on), 0);
        assert_false(on);
        in.on = on;
        assert_int_equal(hb_engine_input_begin(&in, pages, W_PAGES, &processed), -ENODATA);
        assert_int_equal(hb_engine_input_apply(w->engine, &in), -EINVAL);
        assert_int_equal(hb_engine_set_tap(w->engine, NULL, NULL), 0);
        w_run(w, 30);
        assert_int_equal(hb_fault_arm("engine.tap=fail"), 0);
        assert_int_equal(hb_engine_set_tap(w->engine, keep_begin, &on), -ENOMEM);
        hb_fault_disarm();
        w_run(w, 30);
        w_free(w);
}

/* ---- policies ---- */

static void copy_with(const char *from, const char *to, const char *what, const char *by) {
        char text[65536], out[65536], *at;
        FILE *f = fopen(from, "r");
        size_t n;

        assert_non_null(f);
        n = fread(text, 1, sizeof(text) - 1, f);
        text[n] = '\0';
        fclose(f);
        at = strstr(text, what);
        assert_non_null(at);
        snprintf(out, sizeof(out), "%.*s%s%s", (int)(at - text), text, by, at + strlen(what));
        f = fopen(to, "w");
        assert_non_null(f);
        assert_int_equal(fwrite(out, 1, strlen(out), f), strlen(out));
        fclose(f);
}

static void followed_by(const struct hb_policy_options *his, const struct hb_policy_options *twins,
                        bool same) {
        struct world_options o = troubled(13);
        struct world *w = w_new(&o);
        struct twin *t = t_new(w);
        struct hb_err e;

        hb_engine_free(w->engine);
        hb_policies_free(w->policies);
        assert_int_equal(hb_policies_new(his, &w->policies, &e), 0);
        w->engine = w_engine(w);
        t->po = *twins;
        t->lax = !same;
        t_attach(t);
        live(w);
        assert_int_equal(t->differs, !same);
        t_free(t);
        w_free(w);
}

static void test_one_constant_changed_is_another_digest(void **state) {
        char dir[] = "/tmp/hb_engine_input_XXXXXX", path[1024];
        struct hb_policy_options lua = {.dir = HB_SOURCE_DIR "/policies",
                                        .names = {"ewma", "cost_benefit", "adaptive"},
                                        .seed = 1},
                                 other = lua;

        assert_non_null(mkdtemp(dir));
        snprintf(path, sizeof(path),
                 "mkdir %s/predict %s/score %s/threshold && cp " HB_SOURCE_DIR
                 "/policies/predict/ewma.lua %s/predict/ && cp " HB_SOURCE_DIR
                 "/policies/threshold/adaptive.lua %s/threshold/",
                 dir, dir, dir, dir, dir);
        assert_int_equal(system(path), 0); /* NOLINT: our own words */
        snprintf(path, sizeof(path), "%s/score/cost_benefit.lua", dir);
        copy_with(HB_SOURCE_DIR "/policies/score/cost_benefit.lua", path, "w_waste = { default = 0.6",
                  "w_waste = { default = 0.4");
        other.dir = dir;
        followed_by(&lua, &lua, true);
        followed_by(&lua, &other, false);
        snprintf(path, sizeof(path), "rm -r %s", dir);
        assert_int_equal(system(path), 0); /* NOLINT */
}

/* ---- bytes ---- */

static void test_what_no_engine_could_be_given_is_refused(void **state) {
        static const struct {
                const char *what;
                uint8_t bytes[24];
                size_t size;
        } bad[] = {
                {"nothing", {0}, 0},
                {"kind 0", {0, 1}, 2},
                {"a kind there is none of", {HB_IN_KINDS, 1}, 2},
                {"a change of nothing", {HB_IN_CHANGE, 1}, 2},
                {"a change without its source", {HB_IN_CHANGE, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0}, 11},
                {"no time", {HB_IN_THAW}, 1},
                {"something behind it", {HB_IN_THAW, 1, 0}, 3},
                {"an epoch of nothing", {HB_IN_INVALIDATE, 1, 5, 0}, 4},
                {"a page outside", {HB_IN_INVALIDATE, 1, 5, 1, 0x80, 0x7f, 1}, 7},
                {"a fetch outside", {HB_IN_FETCHED, 1, 0xbb, 5, 2, 3, 9, 0, 0}, 9},
                {"a fetch too long", {HB_IN_FETCHED, 1, 0, 65, 3, 9, 0, 0}, 8},
                {"no pages", {HB_IN_FAILED, 1, 0, 0}, 4},
                {"a demand outside", {HB_IN_DEMAND, 1, 0xbc, 5, 0}, 5},
                {"known or not", {HB_IN_KNOWN, 1, 0, 1, 1, 2}, 6},
                {"known outside", {HB_IN_KNOWN, 1, 0xbb, 5, 2, 1, 1}, 7},
                {"a copy too long", {HB_IN_COPIED, 1, 0, 65, 3, 0, 0}, 7},
                {"nothing refuted", {HB_IN_REFUTED, 1, 0, 0}, 4},
                {"neither on nor off", {HB_IN_DRAIN, 1, 2}, 3},
                {"answers that end with yes", {HB_IN_STEP, 1, 2, 5}, 4},
                {"an answer of none", {HB_IN_STEP, 1, 4, 5, 0}, 5},
                {"too many answers", {HB_IN_STEP, 1, 0x84, 0x04}, 4},
                {"pages in flight at the beginning", {HB_IN_BEGIN, 1, 1, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0}, 13},
                {"pages known at the beginning", {HB_IN_BEGIN, 1, 1, 0, 0, 1, 0, 0, 0, 32, 0, 0, 0}, 13},
                {"heat that cannot be", {HB_IN_SUMMARY, 1, 0, 0, 1, 255, 0, 0, 0, 0}, 10},
        };
        static const uint8_t good[] = {HB_IN_STEP, 1, 4, 0, 3};
        struct hb_engine_input_room room = {0};
        struct hb_engine_input in;
        struct hb_rd rd;

        assert_int_equal(hb_bitmap_init(&room.scratch, W_PAGES), 0);
        for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
                rd = hb_rd_init(bad[i].bytes, bad[i].size);
                if (hb_engine_input_decode(&rd, W_PAGES, &in, &room) != -EBADMSG)
                        fail_msg("%s was read", bad[i].what);
        }
        rd = hb_rd_init(good, sizeof(good));
        assert_int_equal(hb_engine_input_decode(&rd, W_PAGES, &in, &room), 0);
        assert_true(in.taken == 0 && in.nanswers == 2 && in.answers[1] == 3);
        rd = hb_rd_init(good, sizeof(good)); /* a room for another guest */
        assert_int_equal(hb_engine_input_decode(&rd, W_PAGES + 1, &in, &room), -EINVAL);
        hb_engine_input_room_fini(&room);
        hb_engine_input_room_fini(NULL);
}

static void test_a_link_of_an_older_trace_is_read(void **state) {
        struct hb_engine_input in = {
                .kind = HB_IN_LINK, .now_ns = 1, .link = {1e-3, 2, 3, 0.5, 4, 0.25, 0.125}};
        struct hb_engine_input_room room = {0};
        struct hb_engine_input old, new;
        struct hb_buf b = {0};
        struct hb_rd rd;

        assert_int_equal(hb_bitmap_init(&room.scratch, W_PAGES), 0);
        hb_engine_input_encode(&in, &b);
        rd = hb_rd_init(b.data, b.len);
        assert_int_equal(hb_engine_input_decode(&rd, W_PAGES, &new, &room), 0);
        assert_true(new.link.confidence == 0.25 && new.link.pace_loss == 0.125);
        rd = hb_rd_init(b.data, b.len - 16);
        assert_int_equal(hb_engine_input_decode(&rd, W_PAGES, &old, &room), 0);
        assert_true(old.link.cap_bytes_per_s == 4 && old.link.confidence == 0 && old.link.pace_loss == 0);
        rd = hb_rd_init(b.data, b.len - 8); /* one of two */
        assert_int_equal(hb_engine_input_decode(&rd, W_PAGES, &old, &room), -EBADMSG);
        hb_buf_free(&b);
        hb_engine_input_room_fini(&room);
}

static void test_options_come_back(void **state) {
        struct hb_engine_options o = {.window_bytes = 3u << 20,
                                      .run_pages = 17,
                                      .horizon_s = 1.0 / 3,
                                      .epoch_s = 0.7,
                                      .final_epoch_s = 0.05,
                                      .plan_ns = 12345,
                                      .plan_pages = 99},
                                 r;
        struct hb_buf b = {0};
        struct hb_rd rd;

        hb_engine_options_encode(&o, &b);
        assert_true(b.len <= 256);
        for (size_t n = 0; n < b.len; n++) {
                rd = hb_rd_init(b.data, n);
                assert_int_equal(hb_engine_options_decode(&rd, &r), -EBADMSG);
        }
        rd = hb_rd_init(b.data, b.len);
        memset(&r, 0, sizeof(r));
        assert_int_equal(hb_engine_options_decode(&rd, &r), 0);
        assert_true(r.window_bytes == o.window_bytes && r.run_pages == o.run_pages &&
                    r.horizon_s == o.horizon_s && r.epoch_s == o.epoch_s &&
                    r.final_epoch_s == o.final_epoch_s && r.plan_ns == o.plan_ns &&
                    r.plan_pages == o.plan_pages);
        hb_buf_free(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_every_life_is_followed),
                cmocka_unit_test(test_refused_by_fault_points_too),
                cmocka_unit_test(test_a_resumed_image_is_followed),
                cmocka_unit_test(test_a_tap_that_comes_late_says_so),
                cmocka_unit_test(test_one_constant_changed_is_another_digest),
                cmocka_unit_test(test_what_no_engine_could_be_given_is_refused),
                cmocka_unit_test(test_a_link_of_an_older_trace_is_read),
                cmocka_unit_test(test_options_come_back),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
