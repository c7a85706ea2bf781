/* What policies that learn are told by an engine, and when nothing is. */
#include "base/fault.h"
#include "change_rig.h"
#include "map/summary.h"
#include "place/engine_priv.h"
#include "policy/lesson.h"
#include <errno.h>
#include <stdlib.h>

#define L_PAGES  (16u * 512)
#define L_EPOCHS 60u

static const char spy[] =
        "local p = { api = 1, kind = 'predictor', name = 'spy', version = '1', history = true }\n"
        "local epochs, accessed, written, lessons, asked, learnt, used, wrong = 0, 0, 0, 0, 0, 0, 0, 0\n"
        "local first\n"
        "function p:predict(pages, guest) return pages.read_heat, pages.write_heat end\n"
        "function p:observe(epoch, guest)\n"
        "  local n, w, last = 0, 0, -1\n"
        "  for i = 1, #epoch.runs do\n"
        "    local r = epoch.runs[i]\n"
        "    if r.gfn <= last then wrong = wrong + 1 end\n"
        "    last = r.gfn + r.pages - 1\n"
        "    n = n + r.pages\n"
        "    if r.written then w = w + r.pages end\n"
        "  end\n"
        "  if not epoch.cut and (n ~= epoch.accessed or w ~= epoch.written) then wrong = wrong + 1 end\n"
        "  epochs = epochs + 1\n"
        "  accessed, written = accessed + epoch.accessed, written + epoch.written\n"
        "  hb.counter('epochs', epochs); hb.counter('number', epoch.number)\n"
        "  hb.counter('accessed', accessed); hb.counter('written', written); hb.counter('wrong', wrong)\n"
        "end\n"
        "function p:rehearse(pages, guest, lesson)\n"
        "  lessons, asked = lessons + 1, asked + pages.n\n"
        "  hb.counter('lessons', lessons); hb.counter('asked', asked)\n"
        "  hb.counter('horizon', guest.horizon_s)\n"
        "end\n"
        "function p:learn(o, guest)\n"
        "  learnt, used = learnt + 1, used + o.accessed:sum()\n"
        "  first = first or o.lesson\n"
        "  if o.lesson ~= first + learnt - 1 then wrong = wrong + 1 end\n"
        "  hb.counter('learnt', learnt); hb.counter('used', used)\n"
        "  hb.counter('budget', o.budget); hb.counter('n', o.n)\n"
        "end\n"
        "return p\n";

struct learner {
        struct hb_shape shape;
        struct hb_image_page *pages;
        uint32_t processed;
        hb_policies *policies;
        hb_engine *engine;
        struct hb_bitmap set;
        uint64_t now;
};

static int l_fetch(void *arg, uint64_t gfn, uint32_t pages, enum hb_fetch_class c) {
        return -EAGAIN;
}

static void l_report(void *arg) {
}

static void l_epoch(void *arg, uint32_t epoch) {
}

static int l_zero(void *arg, uint64_t gfn, uint64_t pages) {
        return 0;
}

static struct learner *l_new(void) {
        static const struct hb_engine_ops ops = {l_fetch, l_report, l_epoch, l_epoch};
        struct learner *l = calloc(1, sizeof(*l));
        struct hb_engine_options o = {.horizon_s = 10, .epoch_s = 1};
        struct hb_engine_image image = {.processed = NULL};

        assert_non_null(l);
        l->pages = calloc(L_PAGES, sizeof(*l->pages));
        assert_int_equal(hb_shape_add(&l->shape, "ram", L_PAGES * 4096ull, 4096, NULL), 0);
        assert_int_equal(hb_bitmap_init(&l->set, L_PAGES), 0);
        image = (struct hb_engine_image){
                .shape = &l->shape, .pages = l->pages, .processed = &l->processed, .zero = l_zero};
        l->policies = cr_builtins();
        assert_int_equal(hb_engine_new(&o, &image, l->policies, &ops, l, &l->engine), 0);
        l->now = 5000000000ull;
        return l;
}

static void l_free(struct learner *l) {
        hb_engine_free(l->engine);
        hb_policies_free(l->policies);
        hb_bitmap_fini(&l->set);
        free(l->pages);
        free(l);
}

/* Epoch e: pages [e * 100, + 100) are written, and [0, 64) read. */
static void l_tell(struct learner *l, uint32_t from, uint32_t to, uint64_t first, uint64_t n) {
        l->now += 1000000000ull + (to % 3) * 30000000ull - 30000000ull; /* some come early, some late */
        hb_bitmap_clear_all(&l->set);
        hb_bitmap_set_range(&l->set, first, n);
        hb_engine_invalidate(l->engine, l->now, from, to, &l->set);
        hb_engine_step(l->engine, l->now);
}

static void l_read(struct learner *l, uint32_t epoch, uint64_t first, uint64_t n) {
        struct hb_summary_entry s = {.gfn = first,
                                     .pages = n,
                                     .read_heat = 1,
                                     .last_access = epoch,
                                     .version = 1,
                                     .resident = true};

        hb_engine_summary(l->engine, l->now + 20000000ull, epoch, &s);
}

static void l_live(struct learner *l, uint32_t from, uint32_t epochs) {
        for (uint32_t e = from; e < from + epochs; e++) {
                l_tell(l, e - 1, e, 1000 + e * 100 % 6000, 100);
                l_read(l, e, 0, 64);
        }
}

static void take_counter(void *arg, enum hb_policy_kind k, const char *name, double value) {
        struct cr_number *c = arg;

        if (strcmp(name, c->name) == 0)
                c->value = value;
}

static double counted(const hb_policies *p, const char *name) {
        struct cr_number c = {name, -1};

        hb_policies_counters(p, take_counter, &c);
        return c.value;
}

static void expect_no_errors(const hb_policies *p) {
        struct hb_policy_status s;

        hb_policies_status(p, HB_POLICY_PREDICTOR, &s);
        if (s.errors)
                fail_msg("%s", s.last_error);
        assert_true(counted(p, "wrong") == 0);
}

static void begin_spying(struct learner *l) {
        struct hb_err e;

        cr_must(cr_shadow(l->engine, l->now, HB_POLICY_PREDICTOR, "spy", spy, &e), &e);
        cr_must(cr_do(l->engine, l->now, HB_POLICY_PROMOTE, HB_POLICY_PREDICTOR, &e), &e);
        l_tell(l, 0, 1, 0, L_PAGES); /* what is there */
}

static void test_learners_are_told_what_was_heard(void **state) {
        struct learner *l = l_new();
        double lessons, learnt;

        begin_spying(l);
        l_live(l, 2, L_EPOCHS);
        expect_no_errors(l->policies);
        /* the first announcement is no observation; of the last epoch not all is heard yet */
        assert_true(counted(l->policies, "epochs") == L_EPOCHS - 1);
        assert_true(counted(l->policies, "number") == L_EPOCHS);
        assert_true(counted(l->policies, "written") == 100 * (L_EPOCHS - 1));
        assert_true(counted(l->policies, "accessed") == 164 * (L_EPOCHS - 1));
        lessons = counted(l->policies, "lessons");
        learnt = counted(l->policies, "learnt");
        assert_true(lessons >= (L_EPOCHS - 12) / HB_LESSON_S && lessons <= L_EPOCHS / HB_LESSON_S);
        assert_true(learnt == lessons - 2 || learnt == lessons - 3); /* a horizon of ten, one each five */
        assert_true(counted(l->policies, "horizon") == 10);
        assert_true(counted(l->policies, "used") >= learnt * 64); /* what is read all the time */
        assert_true(counted(l->policies, "asked") > lessons * 1000);
        assert_true(counted(l->policies, "budget") > 64 && counted(l->policies, "budget") <= 64 + 1000);
        l_free(l);
}

/* An epoch's accesses are in its window, whatever the clock's phase, and reads join them late. */
static void test_windows_follow_epochs(void **state) {
        struct learner *l = l_new();
        struct hb_history_page p;
        const hb_history *h;
        struct hb_err e;
        uint32_t now;

        assert_null(l->engine->learning.room);
        l_live(l, 1, 5); /* nobody wants it */
        assert_null(l->engine->learning.room);
        cr_must(cr_shadow(l->engine, l->now, HB_POLICY_PREDICTOR, "spy", spy, &e), &e);
        l_live(l, 6, 30);
        assert_non_null(l->engine->learning.room);
        h = l->engine->learning.room->history;
        now = hb_engine_window(l->engine);
        hb_history_page(h, 3, now, &p);
        assert_true((p.seen & 0x3fffffff) == 0x3fffffff); /* read in each of the last thirty */
        assert_int_equal(p.written, 0);
        assert_int_equal(p.times, 30);
        for (uint32_t k = 6; k <= 35; k++) {
                hb_history_page(h, 1000 + k * 100 % 6000 + 50, now, &p);
                assert_true(p.seen == 1ull << (35 - k) && p.written == p.seen);
        }
        cr_do(l->engine, l->now, HB_POLICY_DROP, HB_POLICY_PREDICTOR, NULL);
        l_live(l, 36, 1);
        assert_null(l->engine->learning.room);
        l_free(l);
}

static void test_what_is_no_access_is_not_noted(void **state) {
        struct learner *l = l_new();
        struct hb_history_page p;
        const hb_history *h;
        double lessons;

        begin_spying(l);
        h = l->engine->learning.room->history;
        l_read(l, 1, 4000, 10); /* the source's first scan */
        l_live(l, 2, 20);
        lessons = counted(l->policies, "lessons");
        assert_true(lessons > 0 && counted(l->policies, "learnt") < lessons);
        l_tell(l, 21, 25, 7700, 100); /* several epochs at once: lessons that span them are void */
        hb_history_page(h, 7750, hb_engine_window(l->engine), &p);
        assert_int_equal(p.times, 0);
        l_read(l, 24, 7700, 10); /* somewhen among them */
        l_read(l, 25, 7710, 10); /* in the last: that is known */
        hb_history_page(h, 7705, hb_engine_window(l->engine), &p);
        assert_int_equal(p.times, 0);
        hb_history_page(h, 7715, hb_engine_window(l->engine), &p);
        assert_int_equal(p.times, 1);
        hb_history_page(h, 4005, hb_engine_window(l->engine), &p);
        assert_int_equal(p.times, 0);
        assert_int_equal(l->engine->learning.room->lessons.count, 0);
        l_live(l, 26, 8);
        assert_true(l->engine->learning.room->lessons.count > 0);
        l_tell(l, 33, 34, 0, L_PAGES); /* all there is: the source lost its state */
        hb_history_page(h, 7999, hb_engine_window(l->engine), &p);
        assert_int_equal(p.times, 0);
        assert_int_equal(l->engine->learning.room->lessons.count, 0);
        l_tell(l, 34, 35, 0, L_PAGES); /* once more: then the guest writes all it has */
        hb_history_page(h, 7999, hb_engine_window(l->engine), &p);
        assert_int_equal(p.times_written, 1);
        l_live(l, 36, 7);
        assert_true(l->engine->learning.room->lessons.count > 0);
        hb_engine_drain(l->engine, l->now, true);
        assert_int_equal(l->engine->learning.room->lessons.count, 0);
        lessons = counted(l->policies, "lessons");
        l_live(l, 43, 12);
        assert_true(counted(l->policies, "lessons") == lessons); /* not while it moves */
        hb_engine_drain(l->engine, l->now, false);
        l_live(l, 55, 12);
        assert_true(counted(l->policies, "lessons") > lessons);
        hb_engine_freeze(l->engine, l->now, 67);
        assert_int_equal(l->engine->learning.room->lessons.count, 0);
        l_free(l);
}

/* A judge that comes in the midst has the lessons that were begun since, and no others. */
static void test_the_informed_learn_too(void **state) {
        struct learner *l = l_new();
        hb_policies *also = cr_builtins();
        struct hb_policy_change c = {.op = HB_POLICY_SHADOW};
        struct hb_err e;

        begin_spying(l);
        l_live(l, 2, 20);
        hb_engine_inform(l->engine, also);
        cr_must(cr_shadow(l->engine, l->now, HB_POLICY_PREDICTOR, "spy", spy, &e), &e); /* both get it */
        cr_must(cr_do(l->engine, l->now, HB_POLICY_PROMOTE, HB_POLICY_PREDICTOR, &e), &e);
        l_live(l, 22, 40);
        expect_no_errors(also);
        expect_no_errors(l->policies);
        assert_true(counted(also, "epochs") >= 39);
        assert_true(counted(also, "learnt") > 3 &&
                    counted(also, "learnt") >= counted(l->policies, "learnt") - 1);
        hb_engine_inform(l->engine, NULL);
        l_live(l, 62, 3);
        assert_true(counted(also, "epochs") < counted(l->policies, "epochs"));
        assert_int_equal(hb_engine_change(l->engine, l->now, &c, &e), 0); /* the built-in */
        hb_policies_free(also);
        l_free(l);
}

/* Scattered accesses: more runs than can be told; each page gets its turn. */
static void test_too_many_runs_are_cut(void **state) {
        struct learner *l = l_new();

        begin_spying(l);
        for (uint32_t e = 2; e < 20; e++) {
                l->now += 1000000000ull;
                hb_bitmap_clear_all(&l->set);
                for (uint64_t g = 0; g < L_PAGES; g += e < 10 ? 2 : 1)
                        if (g % 3)
                                hb_bitmap_set(&l->set, g);
                hb_engine_invalidate(l->engine, l->now, e - 1, e, &l->set);
                for (uint64_t g = 1; g < L_PAGES && e > 4; g += 8)
                        l_read(l, e, g, 1);
        }
        expect_no_errors(l->policies);
        assert_true(counted(l->policies, "epochs") == 17);
        l_free(l);
}

/* Five groups of pages take turns, eight seconds each: what was left longest comes next. Who says so is
 * seen to be right, by the lessons alone, beside one who goes by the last accesses. */
static void test_lessons_tell_who_foresees(void **state) {
        static const char turns[] =
                "local p = { api = 1, kind = 'predictor', name = 'turns', version = '1' }\n"
                "function p:predict(pages) return pages.age_s * 0.1, pages.age_s * 0.1 end\n"
                "return p\n";
        struct learner *l = l_new();
        struct hb_lane_score active, shadow;
        struct hb_err e;

        l_tell(l, 0, 1, 0, L_PAGES);
        cr_must(cr_shadow(l->engine, l->now, HB_POLICY_PREDICTOR, "turns", turns, &e), &e);
        for (uint32_t k = 2; k < 250; k++) {
                struct hb_summary_entry s = {.gfn = k / 8 % 5 * 1600,
                                             .pages = 1500,
                                             .write_heat = 0.4f,
                                             .last_access = k,
                                             .version = k,
                                             .resident = true};

                l_tell(l, k - 1, k, s.gfn, s.pages);
                hb_engine_summary(l->engine, l->now, k, &s);
        }
        hb_policies_lane(l->policies, HB_LANE_ACTIVE, &active);
        hb_policies_lane(l->policies, HB_LANE_SHADOW, &shadow);
        assert_true(active.lessons > 20 && shadow.lessons == active.lessons);
        assert_true(active.f1 >= 0 && active.f1_returning < 0.2);
        assert_true(shadow.f1 > active.f1 && shadow.f1_returning > 0.5);
        l_free(l);
}

/* Without memory decisions go on, and learning begins when there is some. */
static void test_learning_can_wait_for_memory(void **state) {
        struct learner *l = l_new();
        struct hb_history_page p;

        assert_int_equal(hb_fault_arm("engine.learn=fail"), 0);
        begin_spying(l);
        l_live(l, 2, 5);
        assert_null(l->engine->learning.room);
        assert_int_equal(hb_fault_arm("history.block=fail"), 0);
        l_live(l, 7, 20);
        hb_fault_disarm();
        assert_non_null(l->engine->learning.room);
        hb_history_page(l->engine->learning.room->history, 3, hb_engine_window(l->engine), &p);
        assert_int_equal(p.times, 0);
        assert_true(counted(l->policies, "lessons") == -1); /* nothing to ask about */
        l_live(l, 27, 30);
        expect_no_errors(l->policies);
        assert_true(counted(l->policies, "learnt") > 0);
        l_free(l);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_learners_are_told_what_was_heard),
                cmocka_unit_test(test_windows_follow_epochs),
                cmocka_unit_test(test_what_is_no_access_is_not_noted),
                cmocka_unit_test(test_the_informed_learn_too),
                cmocka_unit_test(test_too_many_runs_are_cut),
                cmocka_unit_test(test_lessons_tell_who_foresees),
                cmocka_unit_test(test_learning_can_wait_for_memory),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
