/* The matrix: every cell once, whatever interrupts it, and the same table in the end. */
#include "rig.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

struct seen {
        struct hb_compare_progress last;
        unsigned calls, stop_after_done; /* 0: never */
        bool backwards;
};

static int on_progress(void *arg, const struct hb_compare_progress *p) {
        struct seen *s = arg;

        s->calls++;
        s->backwards = s->backwards || p->done < s->last.done || p->share < s->last.share - 1e-9;
        s->last = *p;
        return s->stop_after_done && p->done >= s->stop_after_done;
}

static int run(struct rig *rig, const struct hb_compare_options *o, unsigned jobs, struct seen *seen,
               struct hb_err *e) {
        struct hb_compare_run how = {.jobs = jobs, .replay = fake_replay, .tick = on_progress, .arg = seen};
        struct hb_compare_plan *p;
        hb_results *db = NULL;
        int r = hb_compare_plan_new(o, NULL, NULL, &p, e);

        if (r < 0)
                return r;
        r = hb_results_open(rig->db, false, &db, e);
        if (r == 0)
                r = hb_compare_run(p, db, &how, e);
        hb_results_close(db);
        hb_compare_plan_free(p);
        return r;
}

#define CELLS    32u
#define OPTIMA   8u /* which the made-up replay does not run */
#define REPLAYED (CELLS - OPTIMA)

static void test_every_cell_once(void **state) {
        const char *traces[2];
        struct hb_compare_options o = rig_options(*state, traces);
        struct seen seen = {0}, again = {0};

        assert_int_equal(run(*state, &o, 2, &seen, NULL), 0);
        assert_int_equal(atomic_load(&replays), REPLAYED);
        assert_int_equal(seen.last.done, CELLS);
        assert_int_equal(seen.last.cells, CELLS);
        assert_true(seen.last.share == 1 && !seen.backwards);
        assert_int_equal(run(*state, &o, 2, &again, NULL), 0);
        assert_int_equal(atomic_load(&replays), REPLAYED); /* nothing is missing */
        assert_int_equal(again.last.there, CELLS);
        assert_int_equal(again.last.done, 0);
}

static void test_any_number_of_jobs_same_table(void **state) {
        struct rig *rig = *state;
        const char *traces[2];
        struct hb_compare_options o = rig_options(rig, traces);
        struct seen seen = {0};
        char *one, *many;

        assert_int_equal(run(rig, &o, 1, &seen, NULL), 0);
        one = dump(rig->db);
        unlink(rig->db);
        assert_int_equal(run(rig, &o, 7, &seen, NULL), 0);
        many = dump(rig->db);
        assert_string_equal(one, many);
        assert_null(strstr(one, "missing"));
        free(one);
        free(many);
}

static void test_stopped_and_resumed(void **state) {
        struct rig *rig = *state;
        const char *traces[2];
        struct hb_compare_options o = rig_options(rig, traces);
        struct seen seen = {0}, stopped = {.stop_after_done = 5}, rest = {0};
        struct hb_err e = {0};
        char *whole, *resumed;

        assert_int_equal(run(rig, &o, 2, &seen, NULL), 0);
        whole = dump(rig->db);
        unlink(rig->db);
        atomic_store(&replays, 0);
        atomic_store(&hold_after, 6);
        assert_int_equal(run(rig, &o, 2, &stopped, &e), -ECANCELED);
        atomic_store(&hold_after, UINT32_MAX);
        assert_non_null(strstr(e.next, "again"));
        assert_in_range(atomic_load(&replays), 1, 6 + 2); /* at most one held in each thread */
        assert_int_equal(run(rig, &o, 2, &rest, NULL), 0);
        assert_in_range(rest.last.there, 5, CELLS - 1);
        assert_int_equal(rest.last.there + rest.last.done, CELLS);
        resumed = dump(rig->db);
        assert_string_equal(whole, resumed);
        free(whole);
        free(resumed);
}

/* Killed in the middle of writing the n-th cell, for several n; the last run finds what is left to do. */
static void test_killed_and_resumed(void **state) {
        struct rig *rig = *state;
        const char *traces[2];
        struct hb_compare_options o = rig_options(rig, traces);
        struct seen seen = {0};
        char *whole, *resumed;

        assert_int_equal(run(rig, &o, 2, &seen, NULL), 0);
        whole = dump(rig->db);
        unlink(rig->db);
        for (int kill_at = 1; kill_at < 8; kill_at += 3) {
                pid_t child = fork();
                char spec[40];
                int status;

                assert_true(child >= 0);
                if (child == 0) {
                        snprintf(spec, sizeof(spec), "compare.put=kill@%d", kill_at);
                        hb_fault_arm(spec);
                        run(rig, &o, 2, &seen, NULL);
                        _exit(0);
                }
                assert_int_equal(waitpid(child, &status, 0), child);
                assert_true(WIFSIGNALED(status));
        }
        memset(&seen, 0, sizeof(seen));
        assert_int_equal(run(rig, &o, 2, &seen, NULL), 0);
        assert_int_equal(seen.last.there, 0 + 3 + 6);
        resumed = dump(rig->db);
        assert_string_equal(whole, resumed);
        free(whole);
        free(resumed);
}

static void test_more_policies_only_those_run(void **state) {
        struct rig *rig = *state;
        const char *traces[2];
        struct hb_compare_options o = rig_options(rig, traces);
        struct seen seen = {0};

        assert_int_equal(run(rig, &o, 2, &seen, NULL), 0);
        atomic_store(&replays, 0);
        o.policies = "default,default/default/fixed,ewma";
        memset(&seen, 0, sizeof(seen));
        assert_int_equal(run(rig, &o, 2, &seen, NULL), 0);
        assert_int_equal(atomic_load(&replays), 8);
        assert_int_equal(seen.last.cells, CELLS + 8);
}

/* Recorded with policies of its own, a trace is still compared with those that are asked for: the built-in
 * ones are the built-in ones. With the production replay. */
static void test_a_trace_that_brings_policies(void **state) {
        struct rig *rig = *state;
        struct hb_trace_header h = {.page_size = 4096, .epoch_ns = HB_NS_PER_S, .origin = HB_TRACE_SOURCE};
        struct hb_trace_writer_options w = {0};
        const struct hb_trace_access one = {1, 1, 1};
        const char *path = rig->trace[0];
        struct hb_compare_options o = {.traces = &path, .ntraces = 1, .only = true, .moments = -1};
        struct hb_compare_run run = {.jobs = 1};
        struct hb_compare_cell cell;
        struct hb_compare_plan *p;
        hb_trace_writer *writer;
        struct hb_err e = {0};
        hb_results *db;
        char key[33];
        int r;

        unlink(path);
        strcpy(h.guest, "vm1");
        strcpy(h.policies[0].name, "of-its-own");
        strcpy(h.policies[0].hash, "0123456789abcdef0123456789abcdef");
        assert_int_equal(hb_shape_add(&h.shape, "ram", 64 * 4096, 4096, NULL), 0);
        assert_int_equal(hb_trace_writer_new(path, &h, &w, &writer, NULL), 0);
        for (uint32_t i = 1; i < 10; i++)
                assert_int_equal(hb_trace_writer_epoch(writer, i, i * HB_NS_PER_S, &one, 1), 0);
        assert_int_equal(hb_trace_writer_close(writer, NULL), 0);
        assert_int_equal(hb_compare_plan_new(&o, NULL, NULL, &p, NULL), 0);
        assert_int_equal(hb_results_open(":memory:", false, &db, NULL), 0);
        r = hb_compare_run(p, db, &run, &e);
        if (r < 0)
                fail_msg("%s (%s)", e.what, e.which);
        hb_compare_key(p, 0, key);
        assert_int_equal(hb_results_get(db, key, &cell, NULL), 0);
        assert_int_equal(cell.r.epochs, 9);
        assert_int_equal(cell.r.policies[0].errors, 0);
        hb_compare_cell_fini(&cell);
        hb_compare_plan_free(p);
        hb_results_close(db);
}

static void test_a_failed_cell_leaves_the_others(void **state) {
        struct rig *rig = *state;
        const char *traces[2];
        struct hb_compare_options o = rig_options(rig, traces);
        struct hb_err e = {0};
        struct seen seen = {0};

        atomic_store(&fail_policy, 12500); /* the 100mbit cells */
        assert_int_equal(run(rig, &o, 2, &seen, &e), -EBADMSG);
        assert_string_equal(e.what, "a damaged block");
        assert_int_equal(seen.last.failed, REPLAYED / 2);
        assert_int_equal(seen.last.done, REPLAYED / 2 + OPTIMA);
        atomic_store(&fail_policy, -1);
        memset(&seen, 0, sizeof(seen));
        assert_int_equal(run(rig, &o, 2, &seen, NULL), 0);
        assert_int_equal(seen.last.done, REPLAYED / 2);
}

static void test_a_full_disk_ends_it(void **state) {
        struct rig *rig = *state;
        const char *traces[2];
        struct hb_compare_options o = rig_options(rig, traces);
        struct hb_err e = {0};
        struct seen seen = {0};

        assert_int_equal(hb_fault_arm("compare.put=fail@4"), 0);
        assert_int_equal(run(rig, &o, 2, &seen, &e), -ENOSPC);
        hb_fault_disarm();
        assert_int_equal(run(rig, &o, 2, &seen, NULL), 0);
        assert_int_equal(seen.last.there + seen.last.done, CELLS);
}

static void test_every_failure_is_told(void **state) {
        struct rig *rig = *state;
        const char *traces[2];
        struct hb_compare_options o = rig_options(rig, traces);

        o.horizons = "5", o.links = "1gbit", o.ntraces = 1;
        /* Some thousand points, most of them the readers': ever fewer of them. */
        for (unsigned n = 1; hb_fail_nth(n); n += 1 + n / 12) {
                struct hb_err e = {0};
                struct seen seen = {0};

                if (run(rig, &o, 2, &seen, &e) < 0)
                        assert_true(e.code < 0 && e.what[0]);
                unlink(rig->db);
        }
        hb_fault_disarm();
}

/* ---- files that are no results ---- */
static void refused(const char *path, int code, const char *says) {
        struct hb_err e = {0};
        hb_results *r = NULL;

        assert_int_equal(hb_results_open(path, false, &r, &e), code);
        assert_null(r);
        if (!strstr(e.what, says))
                fail_msg("\"%s\" does not say \"%s\"", e.what, says);
}

static off_t size_of(const char *path) {
        struct stat st;

        assert_int_equal(stat(path, &st), 0);
        return st.st_size;
}

static void test_a_damaged_database(void **state) {
        struct rig *rig = *state;
        const char *traces[2];
        struct hb_compare_options o = rig_options(rig, traces);
        struct seen seen = {0};
        char junk[8192];
        off_t size;
        int fd;

        assert_int_equal(run(rig, &o, 2, &seen, NULL), 0);
        size = size_of(rig->db);
        memset(junk, 0xa5, sizeof(junk));
        fd = open(rig->db, O_WRONLY);
        for (off_t at = 4096; at < size; at += 16384)
                assert_int_equal(pwrite(fd, junk, 4096, at), 4096);
        close(fd);
        refused(rig->db, -EUCLEAN, "damaged");
        assert_int_equal(size_of(rig->db), size); /* left alone */
}

static void test_a_file_of_something_else(void **state) {
        struct rig *rig = *state;
        char path[160], command[400];

        refused(rig->trace[0], -EUCLEAN, "damaged, or no results");
        snprintf(path, sizeof(path), "%s/other.db", rig->dir);
        snprintf(command, sizeof(command),
                 "python3 -c \"import sqlite3; d = sqlite3.connect('%s'); d.execute('create table t(x)'); "
                 "d.commit()\"",
                 path);
        if (system(command) == 0)
                refused(path, -EUCLEAN, "something else");
        refused(rig->dir, -EISDIR, "directory");
        assert_false(hb_results_is_database(rig->trace[0]));
        assert_false(hb_results_is_database(rig->dir));
}

static void test_results_of_a_newer_one(void **state) {
        struct rig *rig = *state;
        hb_results *r;
        uint8_t version[4] = {0, 0, 0, 99};
        int fd;

        assert_int_equal(hb_results_open(rig->db, false, &r, NULL), 0);
        hb_results_close(r);
        assert_true(hb_results_is_database(rig->db));
        fd = open(rig->db, O_WRONLY);
        assert_int_equal(pwrite(fd, version, 4, 60), 4); /* user_version */
        close(fd);
        refused(rig->db, -EPROTONOSUPPORT, "99");
}

static void test_nothing_to_read(void **state) {
        struct rig *rig = *state;
        struct hb_compare_plan *p;
        struct hb_err e = {0};
        hb_results *r;

        assert_int_equal(hb_results_open(rig->db, true, &r, &e), -ENOENT);
        assert_int_equal(hb_results_open(rig->db, false, &r, &e), 0);
        assert_int_equal(hb_results_get_plan(r, &p, &e), -ENODATA);
        hb_results_close(r);
}

static void test_a_plan_read_back_is_the_plan(void **state) {
        struct rig *rig = *state;
        const char *traces[2];
        struct hb_compare_options o = rig_options(rig, traces);
        struct hb_compare_plan *p, *q;
        char a[33], b[33];
        hb_results *r;

        o.latency_s = 1.0 / 3;
        o.seed = UINT64_MAX;
        assert_int_equal(hb_compare_plan_new(&o, NULL, NULL, &p, NULL), 0);
        assert_int_equal(hb_results_open(":memory:", false, &r, NULL), 0);
        assert_int_equal(hb_results_put_plan(r, p, NULL), 0);
        assert_int_equal(hb_results_get_plan(r, &q, NULL), 0);
        assert_int_equal(hb_compare_cells(p), hb_compare_cells(q));
        for (unsigned i = 0; i < hb_compare_cells(p); i++) {
                hb_compare_key(p, i, a);
                hb_compare_key(q, i, b);
                assert_string_equal(a, b);
        }
        assert_string_equal(p->links[1].name, q->links[1].name);
        assert_string_equal(p->traces[1].path, q->traces[1].path);
        assert_string_equal(q->stage, "");
        hb_compare_plan_free(p);
        hb_compare_plan_free(q);
        hb_results_close(r);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_every_cell_once, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_any_number_of_jobs_same_table, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_stopped_and_resumed, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_killed_and_resumed, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_more_policies_only_those_run, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_a_trace_that_brings_policies, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_a_failed_cell_leaves_the_others, rig_setup,
                                                rig_teardown),
                cmocka_unit_test_setup_teardown(test_a_full_disk_ends_it, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_every_failure_is_told, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_a_damaged_database, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_a_file_of_something_else, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_results_of_a_newer_one, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_nothing_to_read, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_a_plan_read_back_is_the_plan, rig_setup, rig_teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
