/* Policies in the store: versions by hash, places and events together, params with their version; a database
 * of the first schema is taken over with all it holds. */
#include "base/bytes.h"
#include "base/err.h"
#include "base/fault.h"
#include "store/store.h"
#include <errno.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct world {
        char dir[64], path[96];
        hb_store *s;
};

static int setup(void **state) {
        struct world *w = calloc(1, sizeof(*w));

        strcpy(w->dir, "/tmp/hb-store-XXXXXX");
        assert_non_null(mkdtemp(w->dir));
        snprintf(w->path, sizeof(w->path), "%s/harbinger.db", w->dir);
        assert_int_equal(hb_store_open(w->path, &w->s, NULL), 0);
        *state = w;
        return 0;
}

static int teardown(void **state) {
        struct world *w = *state;
        char command[128];

        hb_store_close(w->s);
        snprintf(command, sizeof(command), "rm -rf '%s'", w->dir);
        assert_int_equal(system(command), 0);
        free(w);
        return 0;
}

static void reopen(struct world *w) {
        w->s = hb_store_close(w->s);
        assert_int_equal(hb_store_open(w->path, &w->s, NULL), 0);
}

static struct hb_store_policy version(const char *kind, const char *name, unsigned n) {
        struct hb_store_policy p = {.wall_ns = 100 + n, .version = "1.0"};

        snprintf(p.kind, sizeof(p.kind), "%s", kind);
        snprintf(p.name, sizeof(p.name), "%s", name);
        snprintf(p.hash, sizeof(p.hash), "%032x", n);
        return p;
}

static unsigned put(struct world *w, const char *kind, const char *name, unsigned n) {
        struct hb_store_policy p = version(kind, name, n);
        unsigned number = 0;
        char source[64];

        snprintf(source, sizeof(source), "%s %u", name, n);
        assert_int_equal(hb_store_policy_put(w->s, &p, source, strlen(source) + 1, &number, NULL), 0);
        return number;
}

/* Its source's text; NULL: not kept. */
static char *source_of(struct world *w, const char *kind, unsigned n) {
        static char text[64];
        struct hb_buf b = {0};
        char hash[33];
        int rc;

        snprintf(hash, sizeof(hash), "%032x", n);
        rc = hb_store_policy_source(w->s, kind, hash, &b);
        if (rc == -ENOENT)
                return NULL;
        assert_int_equal(rc, 0);
        snprintf(text, sizeof(text), "%.*s", (int)b.len, (char *)b.data);
        hb_buf_free(&b);
        return text;
}

static int list_version(void *arg, const struct hb_store_policy *p) {
        char *text = arg, one[200];

        snprintf(one, sizeof(one), "%s/%s@%u ", p->kind, p->name, p->number);
        strcat(text, one);
        return 0;
}

static void test_versions_are_numbered_and_kept_once(void **state) {
        struct world *w = *state;
        char text[512] = "";

        assert_int_equal(put(w, "scorer", "calm", 1), 1);
        assert_int_equal(put(w, "scorer", "calm", 2), 2);
        assert_int_equal(put(w, "scorer", "eager", 3), 1);
        assert_int_equal(put(w, "scorer", "calm", 1), 1); /* the same bytes again */
        reopen(w);
        assert_int_equal(put(w, "scorer", "calm", 4), 3);
        assert_int_equal(hb_store_policies(w->s, list_version, text), 0);
        assert_string_equal(text, "scorer/calm@1 scorer/calm@2 scorer/eager@1 scorer/calm@3 ");
        assert_string_equal(source_of(w, "scorer", 2), "calm 2");
        assert_null(source_of(w, "scorer", 9));
        assert_null(source_of(w, "predictor", 2));
}

static void test_versions_in_no_place_go_the_oldest_first(void **state) {
        struct world *w = *state;
        struct hb_store_policy_kind k = {.kind = "scorer"};
        struct hb_store_policy_param p = {.kind = "scorer", .param = "x", .value = 2};

        snprintf(k.active, sizeof(k.active), "%032x", 1u);
        snprintf(k.previous, sizeof(k.previous), "%032x", 3u);
        snprintf(p.hash, sizeof(p.hash), "%032x", 2u);
        put(w, "predictor", "old", 5000);
        for (unsigned i = 1; i <= 3; i++)
                put(w, "scorer", "calm", i);
        assert_int_equal(hb_store_policy_decide(w->s, &k, NULL, NULL), 0);
        assert_int_equal(hb_store_policy_tune(w->s, &p, NULL, NULL), 0);
        for (unsigned i = 4; i < 4 + HB_STORE_POLICY_VERSIONS; i++)
                put(w, "scorer", "calm", i);
        assert_non_null(source_of(w, "scorer", 1));
        assert_null(source_of(w, "scorer", 2));
        assert_non_null(source_of(w, "scorer", 3));
        assert_non_null(source_of(w, "scorer", 4));
        assert_non_null(source_of(w, "predictor", 5000));
        put(w, "scorer", "calm", 2); /* comes back without what was tuned */
        assert_int_equal(hb_store_policy_params(w->s, "scorer", p.hash, NULL, NULL), 0);
        assert_null(source_of(w, "scorer", 4));
}

static struct hb_store_policy_event event(const char *op, const char *kind, unsigned n) {
        struct hb_store_policy_event v = {.wall_ns = n, .who = "root", .why = "it's \"better\"; -- no"};

        snprintf(v.op, sizeof(v.op), "%s", op);
        snprintf(v.kind, sizeof(v.kind), "%s", kind);
        snprintf(v.hash, sizeof(v.hash), "%032x", n);
        strcpy(v.name, "calm");
        strcpy(v.guests, "vm1 vm2");
        strcpy(v.result, "done");
        return v;
}

static int list_event(void *arg, const struct hb_store_policy_event *v) {
        char *text = arg, one[200];

        assert_string_equal(v->why, "it's \"better\"; -- no");
        assert_string_equal(v->guests, "vm1 vm2");
        snprintf(one, sizeof(one), "%s:%s:%lld ", v->op, v->kind, (long long)v->wall_ns);
        strcat(text, one);
        return 0;
}

static void test_places_and_events_are_kept_together(void **state) {
        struct world *w = *state;
        struct hb_store_policy_kind k = {.kind = "scorer",
                                         .configured = "calm",
                                         .promoted = true,
                                         .canary = 0.25,
                                         .wall_ns = 7},
                                    got = {0};
        struct hb_store_policy_event a = event("promote", "scorer", 1), b = event("rollback", "scorer", 2),
                                     c = event("shadow", "predictor", 3);
        char text[512] = "";

        assert_int_equal(hb_store_policy_kind_get(w->s, "scorer", &got), -ENOENT);
        strcpy(k.active, "aa");
        strcpy(k.shadow, "bb");
        strcpy(k.previous, "cc");
        strcpy(k.rejected, "dd");
        assert_int_equal(hb_store_policy_decide(w->s, &k, &a, NULL), 0);
        reopen(w);
        assert_int_equal(hb_store_policy_kind_get(w->s, "scorer", &got), 0);
        assert_memory_equal(&got, &k, sizeof(k));
        /* one that fails leaves both as they were */
        strcpy(k.active, "ee");
        assert_int_equal(hb_fault_arm("store.write=fail"), 0);
        assert_int_equal(hb_store_policy_decide(w->s, &k, &b, NULL), -ENOSPC);
        hb_fault_disarm();
        assert_int_equal(hb_store_policy_kind_get(w->s, "scorer", &got), 0);
        assert_string_equal(got.active, "aa");
        assert_int_equal(hb_store_policy_decide(w->s, NULL, &c, NULL), 0);
        assert_int_equal(hb_store_policy_events(w->s, "", 10, list_event, text), 0);
        assert_string_equal(text, "shadow:predictor:3 promote:scorer:1 ");
        text[0] = '\0';
        assert_int_equal(hb_store_policy_events(w->s, "scorer", 10, list_event, text), 0);
        assert_string_equal(text, "promote:scorer:1 ");
}

/* A trigger stands for whatever may go wrong in the second half. */
static void test_a_half_done_decision_is_undone(void **state) {
        struct world *w = *state;
        struct hb_store_policy_kind k = {.kind = "scorer", .active = "aa"}, got;
        struct hb_store_policy_event a = event("promote", "scorer", 1);
        sqlite3 *db;

        assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db,
                                      "CREATE TRIGGER no BEFORE INSERT ON policy_event BEGIN SELECT "
                                      "RAISE(FAIL, 'no'); END",
                                      NULL, NULL, NULL),
                         SQLITE_OK);
        assert_true(hb_store_policy_decide(w->s, &k, &a, NULL) < 0);
        assert_int_equal(hb_store_policy_kind_get(w->s, "scorer", &got), -ENOENT);
        assert_int_equal(sqlite3_exec(db, "DROP TRIGGER no", NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        assert_int_equal(hb_store_policy_decide(w->s, &k, &a, NULL), 0);
        assert_int_equal(hb_store_policy_kind_get(w->s, "scorer", &got), 0);
}

static int count_event(void *arg, const struct hb_store_policy_event *v) {
        ++*(unsigned *)arg;
        return 0;
}

static void test_events_are_bounded(void **state) {
        struct world *w = *state;
        struct hb_store_policy_event v = event("tune", "scorer", 1);
        unsigned n = 0;
        sqlite3 *db;

        /* as if very many had been */
        assert_int_equal(hb_store_policy_decide(w->s, NULL, &v, NULL), 0);
        assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
        assert_int_equal(
                sqlite3_exec(db,
                             "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9000) "
                             "INSERT INTO policy_event(wall_ns, who, op, kind, name, hash, previous, why, "
                             "guests, result) SELECT i, '', '', '', '', '', '', '', '', '' FROM n",
                             NULL, NULL, NULL),
                SQLITE_OK);
        sqlite3_close(db);
        assert_int_equal(hb_store_policy_decide(w->s, NULL, &v, NULL), 0);
        assert_int_equal(hb_store_policy_events(w->s, "", 100000, count_event, &n), 0);
        assert_int_equal(n, HB_STORE_POLICY_EVENTS);
}

static int list_param(void *arg, const struct hb_store_policy_param *p) {
        char *text = arg, one[100];

        snprintf(one, sizeof(one), "%s=%g ", p->param, p->value);
        strcat(text, one);
        return 0;
}

static void test_params_belong_to_a_version(void **state) {
        struct world *w = *state;
        struct hb_store_policy_param p = {.kind = "scorer", .hash = "aa", .param = "calm_s", .value = 5};
        char text[200] = "";

        assert_int_equal(hb_store_policy_tune(w->s, &p, NULL, NULL), 0);
        p.value = 7.5;
        assert_int_equal(hb_store_policy_tune(w->s, &p, NULL, NULL), 0);
        strcpy(p.param, "bias");
        assert_int_equal(hb_store_policy_tune(w->s, &p, NULL, NULL), 0);
        strcpy(p.hash, "bb");
        assert_int_equal(hb_store_policy_tune(w->s, &p, NULL, NULL), 0);
        reopen(w);
        assert_int_equal(hb_store_policy_params(w->s, "scorer", "aa", list_param, text), 0);
        assert_string_equal(text, "bias=7.5 calm_s=7.5 ");
}

/* What the first release made: its tables as they were, one row in one of them. */
static void test_a_database_of_the_first_schema_is_taken_over(void **state) {
        static const char first[] =
                "DROP TABLE policy_version; DROP TABLE policy_kind; DROP TABLE policy_event; DROP TABLE "
                "policy_param; PRAGMA user_version = 1;"
                "INSERT INTO guest VALUES('vm1', 'qemu', '/q', 'wp', 1, 2);";
        struct world *w = *state;
        struct hb_store_policy_kind k = {.kind = "scorer", .active = "aa"}, got;
        sqlite3 *db;
        char *text = NULL;

        w->s = hb_store_close(w->s);
        assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, first, NULL, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        assert_int_equal(hb_store_open(w->path, &w->s, NULL), 0);
        assert_int_equal(hb_store_policy_decide(w->s, &k, NULL, NULL), 0);
        assert_int_equal(hb_store_policy_kind_get(w->s, "scorer", &got), 0);
        assert_int_equal(sqlite3_open(w->path, &db), SQLITE_OK);
        sqlite3_stmt *st;
        assert_int_equal(sqlite3_prepare_v2(db, "SELECT name FROM guest", -1, &st, NULL), SQLITE_OK);
        assert_int_equal(sqlite3_step(st), SQLITE_ROW);
        text = strdup((const char *)sqlite3_column_text(st, 0));
        assert_string_equal(text, "vm1");
        free(text);
        sqlite3_finalize(st);
        sqlite3_close(db);
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
                T(test_versions_are_numbered_and_kept_once),
                T(test_versions_in_no_place_go_the_oldest_first),
                T(test_places_and_events_are_kept_together),
                T(test_a_half_done_decision_is_undone),
                T(test_events_are_bounded),
                T(test_params_belong_to_a_version),
                T(test_a_database_of_the_first_schema_is_taken_over),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
