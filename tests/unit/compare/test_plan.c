/* The plan: words into a matrix, and what is said of words that are none. */
#include "nn/model.h"
#include "rig.h"
#include <sys/stat.h>

static struct hb_compare_plan *plan_of(const struct hb_compare_options *o) {
        struct hb_compare_plan *p = NULL;
        struct hb_err e = {0};
        int r = hb_compare_plan_new(o, NULL, NULL, &p, &e);

        if (r < 0)
                fail_msg("%s (%s): %s", e.what, e.which, e.next);
        return p;
}

static void refused(const struct hb_compare_options *o, int code, const char *says) {
        struct hb_compare_plan *p = NULL;
        struct hb_err e = {0};

        assert_int_equal(hb_compare_plan_new(o, NULL, NULL, &p, &e), code);
        assert_null(p);
        if (!strstr(e.what, says) && !strstr(e.which, says))
                fail_msg("\"%s\" (%s) does not say \"%s\"", e.what, e.which, says);
}

static void test_order_and_names(void **state) {
        const char *traces[2];
        struct hb_compare_options o = rig_options(*state, traces);
        struct hb_compare_plan *p = plan_of(&o);

        assert_int_equal(p->npolicies, 4); /* the two, nothing, optimum */
        assert_string_equal(p->policies[0].name, "default");
        assert_string_equal(p->policies[1].name, "default/default/fixed");
        assert_string_equal(p->policies[2].name, "nothing");
        assert_string_equal(p->policies[3].name, "optimum");
        assert_int_equal(p->base, 0);
        assert_string_equal(p->traces[0].name, "trace0");
        assert_int_equal(p->traces[1].epochs, 200);
        assert_int_equal(hb_compare_cells(p), 2 * 2 * 2 * 4);
        for (unsigned i = 0; i < hb_compare_cells(p); i++)
                assert_int_equal(hb_compare_index(p, hb_compare_at(p, i)), i);
        assert_int_equal(hb_compare_at(p, 4).link, 1); /* policies turn fastest, then links */
        assert_int_equal(hb_compare_at(p, 8).horizon, 1);
        assert_int_equal(hb_compare_at(p, 16).trace, 1);
        hb_compare_plan_free(p);
}

static void test_cells_become_replays(void **state) {
        const char *traces[2];
        struct hb_compare_options o = rig_options(*state, traces);
        struct hb_replay_options r;
        struct hb_compare_plan *p;

        o.moments = 3;
        o.oracle_budget = true;
        o.seed = 9;
        p = plan_of(&o);
        hb_compare_replay_options(p, hb_compare_index(p, (struct hb_compare_at){0, 1, 0, 1}), &r);
        assert_int_equal(r.mode, HB_REPLAY_SIMULATED);
        assert_float_equal(r.horizon_s, 10, 0);
        assert_float_equal(r.link_bytes_per_s, 12.5e6, 0);
        assert_null(r.policies[0]); /* the trace brings none: the built-in */
        assert_string_equal(r.policies[2], "fixed");
        assert_true(r.quality && r.oracle_budget && r.seed == 9);
        assert_int_equal(r.migrate_moments, 3);
        assert_true(r.migrate_at_ns[0] > 0 && r.migrate_at_ns[2] < 120 * HB_NS_PER_S);
        assert_true(r.migrate_at_ns[1] - r.migrate_at_ns[0] == r.migrate_at_ns[2] - r.migrate_at_ns[1]);
        hb_compare_replay_options(p, hb_compare_index(p, (struct hb_compare_at){0, 0, 0, 2}), &r);
        assert_false(r.quality); /* nothing predicts nothing */
        assert_string_equal(r.policies[2], "nothing");
        hb_compare_plan_free(p);
}

static void test_key_follows_what_a_cell_depends_on(void **state) {
        const char *traces[2];
        struct hb_compare_options o = rig_options(*state, traces);
        struct hb_compare_plan *a = plan_of(&o), *b;
        char first[33], other[33];

        hb_compare_key(a, 0, first);
        for (unsigned i = 1; i < hb_compare_cells(a); i++) {
                hb_compare_key(a, i, other);
                assert_string_not_equal(first, other);
        }
        b = plan_of(&o); /* the same again, staged elsewhere */
        hb_compare_key(b, 0, other);
        assert_string_equal(first, other);
        hb_compare_plan_free(b);
        o.seed = 1;
        b = plan_of(&o);
        hb_compare_key(b, 0, other);
        assert_string_not_equal(first, other);
        hb_compare_plan_free(b);
        hb_compare_plan_free(a);
}

static void test_changed_bytes_change_the_key(void **state) {
        static const char before[] = "return { api = 1, kind = 'threshold', name = 'mine', version = '1', "
                                     "threshold = function() return 0.25 end }";
        struct rig *rig = *state;
        struct hb_compare_options o;
        struct hb_compare_plan *a, *b;
        const char *traces[2];
        char word[200], key[2][33];

        write_text(rig->dir, "mine.lua", before);
        snprintf(word, sizeof(word), "::%s/mine.lua", rig->dir);
        o = rig_options(rig, traces);
        o.policies = "-:-:fixed";
        o.only = true;
        o.base = word;
        a = plan_of(&o);
        assert_string_equal(a->policies[1].name, "default/default/mine");
        assert_int_equal(a->base, 1);
        write_text(rig->dir, "mine.lua",
                   "return { api = 1, kind = 'threshold', name = 'mine', version = '1', "
                   "threshold = function() return 0.26 end }");
        b = plan_of(&o);
        hb_compare_key(a, 1, key[0]);
        hb_compare_key(b, 1, key[1]);
        assert_string_not_equal(key[0], key[1]);
        hb_compare_plan_free(a);
        hb_compare_plan_free(b);
}

static void test_same_name_other_file(void **state) {
        struct rig *rig = *state;
        struct hb_compare_options o;
        struct hb_compare_plan *p;
        const char *traces[2];
        char word[200];

        write_text(rig->dir, "fixed.lua",
                   "return { api = 1, kind = 'threshold', name = 'fixed', version = '9', "
                   "threshold = function() return 0.25 end }");
        snprintf(word, sizeof(word), "default/default/fixed,::%s/fixed.lua", rig->dir);
        o = rig_options(rig, traces);
        o.policies = word;
        o.only = true;
        p = plan_of(&o);
        assert_int_equal(p->npolicies, 2);
        assert_string_equal(p->policies[0].name, "default/default/fixed");
        assert_string_equal(p->policies[1].name, "default/default/fixed (2)");
        assert_string_not_equal(p->policies[0].hashes[2], p->policies[1].hashes[2]);
        hb_compare_plan_free(p);
}

static void write_model(const char *dir, uint64_t seed) {
        char path[200];
        hb_model *m;

        snprintf(path, sizeof(path), "%s/models/default.hbm", dir);
        assert_int_equal(hb_model_new(8, 8, seed, &m), 0);
        assert_int_equal(hb_model_write(m, path, NULL), 0);
        hb_model_free(m);
}

static void key_of_mine(struct rig *rig, char key[33]) {
        const char *traces[2];
        struct hb_compare_options o = rig_options(rig, traces);
        struct hb_compare_plan *p;
        char path[400], stage[256];

        o.policy_dir = rig->dir;
        o.policies = "mine/-/-";
        o.only = true;
        p = plan_of(&o);
        hb_compare_key(p, 0, key);
        snprintf(path, sizeof(path), "%s/lib/half.lua", p->policies[0].dir);
        assert_int_equal(access(path, R_OK), 0);
        snprintf(stage, sizeof(stage), "%s", p->stage);
        hb_compare_plan_free(p);
        assert_int_not_equal(access(stage, F_OK), 0);
}

/* A policy's copy has with it what it uses and the model it asks; both are in the key. */
static void test_what_a_policy_is_made_of(void **state) {
        static const char *const folders[] = {"predict", "lib", "models"};
        struct rig *rig = *state;
        char path[200], key[5][33];

        for (int i = 0; i < 3; i++) {
                snprintf(path, sizeof(path), "%s/%s", rig->dir, folders[i]);
                assert_int_equal(mkdir(path, 0700), 0);
        }
        write_text(rig->dir, "predict/mine.lua",
                   "local lib = hb.use 'lib/half'\n"
                   "return { api = 1, kind = 'predictor', name = 'mine', version = '1', history = true,\n"
                   "  predict = function(_, pages)\n"
                   "    return pages:model(10) or pages.heat * lib, pages.write_heat end }");
        write_text(rig->dir, "lib/half.lua", "return 0.5");
        key_of_mine(rig, key[0]);
        key_of_mine(rig, key[1]);
        assert_string_equal(key[0], key[1]);
        write_text(rig->dir, "lib/half.lua", "return 0.25");
        key_of_mine(rig, key[2]);
        write_model(rig->dir, 1);
        key_of_mine(rig, key[3]);
        write_model(rig->dir, 2);
        key_of_mine(rig, key[4]);
        for (int i = 1; i < 4; i++)
                assert_string_not_equal(key[i], key[i + 1]);
}

static void test_the_stage_is_swept(void **state) {
        struct rig *rig = *state;
        const char *traces[2];
        struct hb_compare_options o = rig_options(rig, traces);
        struct hb_compare_plan *p = plan_of(&o);
        char stage[256];

        strcpy(stage, p->stage);
        assert_int_equal(access(stage, F_OK), 0);
        hb_compare_plan_free(p);
        assert_int_equal(access(stage, F_OK), -1);
}

static void test_links_and_horizons(void **state) {
        const char *traces[2];
        struct hb_compare_options o = rig_options(*state, traces);
        struct hb_compare_plan *p;

        o.links = "100mbit, 1gbit,80MB/s,1000mbit";
        o.horizons = "5,10s,0.5min";
        p = plan_of(&o);
        assert_int_equal(p->nlinks, 3); /* one was said twice */
        assert_float_equal(p->links[0].bytes_per_s, 12.5e6, 0);
        assert_string_equal(p->links[1].name, "1gbit");
        assert_float_equal(p->links[2].bytes_per_s, 80e6, 0);
        assert_int_equal(p->nhorizons, 3);
        assert_float_equal(p->horizons[2], 30, 0);
        hb_compare_plan_free(p);
}

static void test_refusals_name_the_word(void **state) {
        struct rig *rig = *state;
        const char *traces[2];
        struct hb_compare_options good = rig_options(rig, traces), o;
        char missing[128];

        o = good, o.horizons = "5,ten";
        refused(&o, -EINVAL, "ten");
        o = good, o.horizons = "5,,10";
        refused(&o, -EINVAL, "--horizon");
        o = good, o.links = "1gbit,soon";
        refused(&o, -EINVAL, "soon");
        o = good, o.links = "1bit";
        refused(&o, -EINVAL, "1bit");
        o = good, o.horizons = "2h";
        refused(&o, -EINVAL, "2h");
        o = good, o.horizons = "1,2,3,4,5,6,7,8,9";
        refused(&o, -E2BIG, "9");
        o = good, o.policies = "a/b/c/d";
        refused(&o, -ENOENT, "a");
        o = good, o.policies = "default/default/fixed/more";
        refused(&o, -EINVAL, "default/default/fixed/more");
        o = good, o.policies = "no-such-one";
        refused(&o, -ENOENT, "no-such-one");
        o = good, o.base = "optimum";
        refused(&o, -EINVAL, "optimum");
        snprintf(missing, sizeof(missing), "%s/none.hbt", rig->dir);
        o = good, traces[1] = missing;
        refused(&o, -ENOENT, "none.hbt");
        o = good, traces[1] = rig->trace[0];
        refused(&o, -EINVAL, "trace0");
}

static void test_a_policy_that_does_not_load(void **state) {
        struct rig *rig = *state;
        const char *traces[2];
        struct hb_compare_options o = rig_options(rig, traces);
        struct hb_compare_plan *p;
        struct hb_err e = {0};
        char word[200];

        write_text(rig->dir, "broken.lua", "return {\n  api = 1,\n  kind = 'scorer',,\n}\n");
        snprintf(word, sizeof(word), "-:%s/broken.lua:-", rig->dir);
        o.policies = word;
        assert_true(hb_compare_plan_new(&o, NULL, NULL, &p, &e) < 0);
        if (!strstr(e.what, "broken.lua:3"))
                fail_msg("file and line are missing: %s (%s)", e.what, e.which);
}

static void test_every_failure_is_told(void **state) {
        const char *traces[2];
        struct hb_compare_options o = rig_options(*state, traces);

        for (unsigned n = 1; hb_fail_nth(n); n++) {
                struct hb_compare_plan *p = NULL;
                struct hb_err e = {0};
                int r = hb_compare_plan_new(&o, NULL, NULL, &p, &e);

                if (r < 0)
                        assert_true(e.code == r && e.what[0]);
                hb_compare_plan_free(p);
        }
        hb_fault_disarm();
}

static int stop_at_once(void *arg, uint64_t at, uint64_t of) {
        return 1;
}

static void test_ctrl_c_while_hashing(void **state) {
        const char *traces[2];
        struct hb_compare_options o = rig_options(*state, traces);
        struct hb_compare_plan *p = NULL;

        assert_int_equal(hb_compare_plan_new(&o, stop_at_once, NULL, &p, NULL), -ECANCELED);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_order_and_names, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_cells_become_replays, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_key_follows_what_a_cell_depends_on, rig_setup,
                                                rig_teardown),
                cmocka_unit_test_setup_teardown(test_changed_bytes_change_the_key, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_same_name_other_file, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_what_a_policy_is_made_of, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_the_stage_is_swept, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_links_and_horizons, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_refusals_name_the_word, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_a_policy_that_does_not_load, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_every_failure_is_told, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_ctrl_c_while_hashing, rig_setup, rig_teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
