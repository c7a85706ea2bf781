/* The page: well formed, asking for nothing outside, complete without gnuplot, and safe whatever a trace is
 * called. */
#include "../compare/rig.h"
#include "report/report.h"
#include <sys/stat.h>

#define HOSTILE "<script>alert(1)</script>&\"'\x1b[31m"

static struct hb_compare_plan *compared(struct rig *rig, hb_results **db) {
        const char *traces[2];
        struct hb_compare_options o = rig_options(rig, traces);
        struct hb_compare_run run = {.jobs = 2, .replay = fake_replay};
        struct hb_compare_plan *p;

        assert_int_equal(hb_compare_plan_new(&o, NULL, NULL, &p, NULL), 0);
        assert_int_equal(hb_results_open(rig->db, false, db, NULL), 0);
        assert_int_equal(hb_compare_run(p, *db, &run, NULL), 0);
        return p;
}

/* The page as text, NUL-ended; malloced. */
static char *page_of(struct rig *rig, const struct hb_report_options *o, struct hb_report_notes *notes,
                     void (*change)(struct hb_compare_plan *p)) {
        struct hb_compare_table t;
        struct hb_compare_plan *p;
        struct hb_buf b = {0};
        hb_results *db;

        p = compared(rig, &db);
        assert_int_equal(hb_compare_table_load(db, p, &t, NULL), 0);
        assert_int_equal(t.missing, 0);
        if (change)
                change(p);
        assert_int_equal(hb_report_make(&t, o, &b, notes, NULL), 0);
        hb_buf_u8(&b, 0);
        hb_compare_table_fini(&t);
        hb_compare_plan_free(p);
        hb_results_close(db);
        return (char *)b.data;
}

static unsigned count(const char *text, const char *what) {
        unsigned n = 0;

        for (const char *p = text; (p = strstr(p, what)); p += strlen(what))
                n++;
        return n;
}

static void must_have(const char *page, const char *what) {
        if (!strstr(page, what))
                fail_msg("the page lacks: %s", what);
}

static void must_not_have(const char *page, const char *what) {
        const char *at = strstr(page, what);

        if (at)
                fail_msg("the page has: %.60s", at);
}

static bool void_element(const char *name, size_t n) {
        static const char *const names[] = {"meta", "rect", "path", "polygon", "!DOCTYPE"};

        for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
                if (strlen(names[i]) == n && strncmp(names[i], name, n) == 0)
                        return true;
        return false;
}

/* Every element is closed by the one that opened it. */
static void must_be_well_formed(const char *page) {
        char open[64][16];
        unsigned depth = 0;

        for (const char *p = page; (p = strchr(p, '<')); p++) {
                bool closing = p[1] == '/';
                const char *name = p + 1 + closing;
                size_t n = strcspn(name, " />\n");

                assert_in_range(n, 1, 15);
                if (void_element(name, n))
                        continue;
                if (closing) {
                        assert_in_range(depth, 1, 64);
                        if (strlen(open[--depth]) != n || strncmp(open[depth], name, n) != 0)
                                fail_msg("%s is closed by %.20s", open[depth], p);
                } else {
                        assert_in_range(depth, 0, 63);
                        snprintf(open[depth++], 16, "%.*s", (int)n, name);
                }
        }
        assert_int_equal(depth, 0);
}

static void must_stay_at_home(const char *page) {
        static const char *const outside[] = {"http:",  "https:",  "src=",  "//",      "@import",
                                              "url(",   "<script", "<link", "<iframe", "<object",
                                              "<embed", "<img",    "xlink", "data:",   "onload"};

        for (unsigned i = 0; i < sizeof(outside) / sizeof(outside[0]); i++)
                must_not_have(page, outside[i]);
}

static void test_without_gnuplot(void **state) {
        struct hb_report_options o = {.gnuplot = ""};
        struct hb_report_notes notes;
        char *page = page_of(*state, &o, &notes, NULL);

        must_be_well_formed(page);
        must_stay_at_home(page);
        assert_int_equal(notes.plots, 0);
        assert_int_equal(notes.maps, 2);
        assert_true(notes.plots_missing[0]);
        must_have(page, "Without curves");
        must_have(page, "<h2 id=\"trace1\">trace1</h2>");
        must_have(page, "95 %");
        must_have(page, "class=\"best\"");
        must_have(page, "The numbers: Coverage");
        must_have(page, "prefers-color-scheme:dark");
        must_have(page, "@media print");
        assert_int_equal(count(page, "role=\"img\""), 2);
        assert_int_equal(count(page, "aria-label=\"Heat map"), 2);
        assert_true(strlen(page) < 1u << 20);
        free(page);
}

static void test_with_gnuplot(void **state) {
        struct hb_report_options o = {.title = "Night of <b>tests</b>"};
        struct hb_report_notes notes;
        char *page;

        if (system("gnuplot --version >/dev/null 2>&1") != 0) {
                print_message("gnuplot is not installed\n");
                skip();
        }
        page = page_of(*state, &o, &notes, NULL);
        must_be_well_formed(page);
        must_stay_at_home(page);
        assert_string_equal(notes.plots_missing, "");
        assert_int_equal(notes.plots, 2 * 4);
        must_have(page, "<title>Night of &lt;b&gt;tests&lt;/b&gt;</title>");
        must_have(page, "class=\"s1\"");
        must_have(page, "aria-label=\"Line chart");
        free(page);
}

static void rename_all(struct hb_compare_plan *p) {
        strcpy(p->traces[0].name, HOSTILE);
        strcpy(p->traces[0].guest, HOSTILE);
        strcpy(p->policies[0].name, HOSTILE);
        strcpy(p->policies[0].hashes[0], "<i>");
        strcpy(p->links[0].name, "<b>1gbit");
}

static void test_hostile_names(void **state) {
        struct hb_report_options o = {.gnuplot = ""};
        struct hb_report_notes notes;
        char *page = page_of(*state, &o, &notes, rename_all);

        must_be_well_formed(page);
        must_stay_at_home(page);
        must_not_have(page, "<i>");
        must_not_have(page, "\x1b");
        must_have(page, "&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#39;?[31m");
        free(page);
}

static void test_a_trace_that_is_gone_or_another(void **state) {
        struct hb_report_options o = {.gnuplot = ""};
        struct hb_report_notes notes;
        struct rig *rig = *state;
        struct hb_compare_table t;
        struct hb_compare_plan *p;
        struct hb_buf b = {0};
        hb_results *db;

        p = compared(rig, &db);
        assert_int_equal(hb_compare_table_load(db, p, &t, NULL), 0);
        unlink(rig->trace[0]);
        unlink(rig->trace[1]);
        write_trace(rig->trace[1], 32, 10, 2);
        assert_int_equal(hb_report_make(&t, &o, &b, &notes, NULL), 0);
        hb_buf_u8(&b, 0);
        assert_int_equal(notes.maps, 0);
        assert_true(notes.maps_missing[0]);
        must_have((char *)b.data, "No heat map");
        must_have((char *)b.data, "another than the one compared");
        must_be_well_formed((char *)b.data);
        hb_buf_free(&b);
        hb_compare_table_fini(&t);
        hb_compare_plan_free(p);
        hb_results_close(db);
}

static void test_cells_that_are_missing(void **state) {
        struct hb_report_options o = {.gnuplot = ""};
        struct hb_report_notes notes;
        struct rig *rig = *state;
        const char *traces[2];
        struct hb_compare_options asked = rig_options(rig, traces);
        struct hb_compare_table t;
        struct hb_compare_plan *p;
        struct hb_buf b = {0};
        hb_results *db;

        assert_int_equal(hb_compare_plan_new(&asked, NULL, NULL, &p, NULL), 0);
        assert_int_equal(hb_results_open(rig->db, false, &db, NULL), 0);
        assert_int_equal(hb_compare_table_load(db, p, &t, NULL), 0);
        assert_int_equal(t.missing, t.ncells);
        assert_int_equal(hb_report_make(&t, &o, &b, &notes, NULL), 0);
        hb_buf_u8(&b, 0);
        must_have((char *)b.data, "are not computed yet");
        must_be_well_formed((char *)b.data);
        hb_buf_free(&b);
        hb_compare_table_fini(&t);
        hb_compare_plan_free(p);
        hb_results_close(db);
}

static void test_the_file_is_whole_or_as_before(void **state) {
        struct rig *rig = *state;
        struct hb_report_options o = {.gnuplot = ""};
        struct hb_report_notes notes;
        struct hb_compare_table t;
        struct hb_compare_plan *p;
        struct hb_err e = {0};
        char path[160], command[300];
        struct stat st;
        hb_results *db;

        p = compared(rig, &db);
        assert_int_equal(hb_compare_table_load(db, p, &t, NULL), 0);
        write_text(rig->dir, "page.html", "before");
        snprintf(path, sizeof(path), "%s/page.html", rig->dir);
        assert_int_equal(hb_fault_arm("report.write=fail"), 0);
        assert_int_equal(hb_report_write(path, &t, &o, &notes, &e), -ENOSPC);
        hb_fault_disarm();
        assert_int_equal(stat(path, &st), 0);
        assert_int_equal(st.st_size, 6);
        snprintf(command, sizeof(command), "test $(ls %s | grep -c page) -eq 1", rig->dir);
        assert_int_equal(system(command), 0); /* nothing half lies beside it */
        assert_int_equal(hb_report_write(path, &t, &o, &notes, &e), 0);
        assert_int_equal(stat(path, &st), 0);
        assert_true(st.st_size > 1000 && (st.st_mode & 0777) == 0644);
        assert_true(hb_report_write("/nonexistent/page.html", &t, &o, &notes, &e) == -ENOENT);
        hb_compare_table_fini(&t);
        hb_compare_plan_free(p);
        hb_results_close(db);
}

static void test_every_failure_is_told(void **state) {
        struct rig *rig = *state;
        struct hb_report_options o = {.gnuplot = "", .heat_width = 20, .heat_height = 8};
        struct hb_compare_table t;
        struct hb_compare_plan *p;
        hb_results *db;

        p = compared(rig, &db);
        assert_int_equal(hb_compare_table_load(db, p, &t, NULL), 0);
        for (unsigned n = 1; hb_fail_nth(n); n += 1 + n / 12) {
                struct hb_report_notes notes;
                struct hb_err e = {0};
                struct hb_buf b = {0};

                if (hb_report_make(&t, &o, &b, &notes, &e) < 0)
                        assert_true(e.code < 0 && e.what[0]);
                hb_buf_free(&b);
        }
        hb_fault_disarm();
        hb_compare_table_fini(&t);
        hb_compare_plan_free(p);
        hb_results_close(db);
}

static void test_best_and_verdict(void **state) {
        struct hb_compare_table t;
        struct hb_compare_plan *p;
        hb_results *db;
        struct hb_compare_at at = {0};
        struct hb_paired d = {.low = 0.1, .high = 0.2};
        unsigned a, b;

        p = compared(*state, &db);
        assert_int_equal(hb_compare_table_load(db, p, &t, NULL), 0);
        a = hb_compare_index(p, (struct hb_compare_at){0, 0, 0, 0});
        b = hb_compare_index(p, (struct hb_compare_at){0, 0, 0, 1});
        t.cells[a].r.coverage = 0.5, t.cells[b].r.coverage = 0.6;
        assert_int_equal(hb_figure_best(&t, at, HB_FIGURE_COVERAGE), 2);
        t.cells[a].r.coverage = 0.6;
        assert_int_equal(hb_figure_best(&t, at, HB_FIGURE_COVERAGE), 0); /* equal: nobody is best */
        t.cells[a].r.wire_bytes = 10, t.cells[b].r.wire_bytes = 20;
        assert_int_equal(hb_figure_best(&t, at, HB_FIGURE_WIRE_BYTES), 1);
        assert_true(isnan(hb_figure_of(&t, a + 2, HB_FIGURE_F1))); /* nothing predicts nothing */
        assert_true(isnan(hb_figure_of(&t, a + 3, HB_FIGURE_WASTED)));
        assert_int_equal(hb_paired_verdict(&d, false), 1);
        assert_int_equal(hb_paired_verdict(&d, true), -1);
        d.low = -0.1;
        assert_int_equal(hb_paired_verdict(&d, false), 0);
        assert_int_equal(hb_figure_paired(&t, b, HB_FIGURE_F1, &d), 0);
        assert_int_equal(d.n, 10);
        assert_int_equal(hb_figure_paired(&t, b, HB_FIGURE_WASTED, &d), -EINVAL);
        hb_compare_table_fini(&t);
        hb_compare_plan_free(p);
        hb_results_close(db);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_without_gnuplot, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_with_gnuplot, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_hostile_names, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_a_trace_that_is_gone_or_another, rig_setup,
                                                rig_teardown),
                cmocka_unit_test_setup_teardown(test_cells_that_are_missing, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_the_file_is_whole_or_as_before, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_every_failure_is_told, rig_setup, rig_teardown),
                cmocka_unit_test_setup_teardown(test_best_and_verdict, rig_setup, rig_teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
