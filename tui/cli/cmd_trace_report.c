/* trace report: a comparison, or one trace's replay, as a page. */
#include "cli/compare_view.h"
#include "cli/table.h"
#include "cli/trace_args.h"
#include "cli/work.h"
#include "control/ctl.h"
#include "report/report.h"
#include <errno.h>
#include <string.h>

static int on_read(void *arg, uint64_t at, uint64_t of) {
        return hb_cli_work_tick(arg, at, of);
}

static int say(struct hb_cli *c, const char *path, const struct hb_compare_table *t,
               const struct hb_report_notes *n, struct hb_err *e) {
        if (c->json)
                return hb_cli_print_json(c,
                                         json_pack("{s:o,s:I,s:I,s:I,s:I,s:o,s:o}", "report",
                                                   hb_ctl_text(path), "cells", (json_int_t)t->ncells,
                                                   "missing", (json_int_t)t->missing, "plots",
                                                   (json_int_t)n->plots, "heat_maps", (json_int_t)n->maps,
                                                   "plots_missing", hb_ctl_text(n->plots_missing),
                                                   "heat_maps_missing", hb_ctl_text(n->maps_missing)),
                                         e);
        hb_cli_say(c, "%s is written", path);
        if (n->plots_missing[0])
                hb_cli_say(c, "it has no curves, only their tables: %s", n->plots_missing);
        if (n->maps_missing[0])
                hb_cli_say(c, "a heat map is missing: %s", n->maps_missing);
        if (t->missing)
                hb_cli_say(c, "%u of %u cells are not computed yet", t->missing, t->ncells);
        return 0;
}

static int write_page(struct hb_cli *c, hb_results *db, const struct hb_compare_plan *plan,
                      struct hb_err *e) {
        const char *path = hb_cli_value(c, "output");
        struct hb_report_options o = {
                .title = hb_cli_value(c, "title"), .gnuplot = hb_cli_value(c, "gnuplot"), .tick = on_read};
        struct hb_report_notes notes;
        struct hb_compare_table t;
        struct hb_cli_work work;
        int r = hb_compare_table_load(db, plan, &t, e);

        if (r < 0)
                return r;
        hb_cli_work_begin(&work, c, "drawing");
        o.arg = &work;
        r = hb_report_write(path, &t, &o, &notes, e);
        hb_cli_work_end(&work);
        if (r == 0)
                r = say(c, path, &t, &notes, e);
        hb_compare_table_fini(&t);
        return r;
}

/* Results as they are; nothing is computed. */
static int of_results(struct hb_cli *c, struct hb_err *e) {
        struct hb_compare_plan *plan = NULL;
        hb_results *db = NULL;
        int r = hb_results_open(c->words[0], true, &db, e);

        if (r == 0)
                r = hb_results_get_plan(db, &plan, e);
        if (r == 0)
                r = write_page(c, db, plan, e);
        hb_compare_plan_free(plan);
        hb_results_close(db);
        return r;
}

/* Traces: compared first, kept nowhere. */
static int of_traces(struct hb_cli *c, struct hb_err *e) {
        struct hb_compare_plan *plan = NULL;
        hb_results *db = NULL;
        int r = hb_results_open(":memory:", false, &db, e);

        if (r == 0)
                r = hb_compare_args_run(c, c->words, c->nwords, db, &plan, e);
        if (r == 0)
                r = write_page(c, db, plan, e);
        hb_compare_plan_free(plan);
        hb_results_close(db);
        return r;
}

static int run_report(struct hb_cli *c, struct hb_err *e) {
        bool results = hb_results_is_database(c->words[0]);

        if (results && c->nwords > 1)
                return hb_err_set(e, -EINVAL, c->words[1], "name one results file, or traces alone",
                                  "a report is of one results file");
        return results ? of_results(c, e) : of_traces(c, e);
}

const struct hb_cli_command hb_cli_trace_report = {
        .name = "trace report",
        .summary = "write a page with heat maps, curves and tables of a comparison",
        .about = "One HTML page that asks for nothing outside itself: it can be mailed, archived and opened "
                 "from a "
                 "file. FILE is what trace compare has kept, and then nothing is computed; or traces, which "
                 "are "
                 "compared first, without keeping the results. Curves are drawn by gnuplot; without it the "
                 "page has "
                 "their tables only.",
        .examples = {"trace report night.db -o night.html",
                     "trace report vm1.hbt -o vm1.html --policy default,default/default/fixed"},
        .operands = {{"FILE", HB_CLI_TEXT, .many = true}},
        .options = {{"output", 'o', HB_CLI_TEXT, "PAGE", true, 0, 0,
                     "the page to write; an existing one is replaced", "@files"},
                    HB_COMPARE_ARGS,
                    {"title", 0, HB_CLI_TEXT, "TEXT", false, 0, 0, "of the page"},
                    {"gnuplot", 0, HB_CLI_TEXT, "PROGRAM", false, 0, 0,
                     "what draws the curves (default: gnuplot)"}},
        .run = run_report,
};
