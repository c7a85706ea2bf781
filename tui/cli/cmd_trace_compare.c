/* trace compare: policies against each other on the same traces. */
#include "cli/compare_view.h"
#include "cli/table.h"
#include <errno.h>
#include <string.h>

#define RESULTS "harbinger-compare.db"

static int print(struct hb_cli *c, const struct hb_compare_table *t, struct hb_err *e) {
        json_t *j;

        if (hb_cli_flag(c, "csv")) {
                hb_compare_view_csv(c->io->out, t);
                return 0;
        }
        if (!c->json) {
                hb_compare_view_print(c, t);
                return 0;
        }
        j = hb_compare_view_json(t);
        return j ? hb_cli_print_json(c, j, e) : hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");
}

static int show(struct hb_cli *c, hb_results *db, const struct hb_compare_plan *p, struct hb_err *e) {
        struct hb_compare_table t;
        int r = hb_compare_table_load(db, p, &t, e);

        if (r < 0)
                return r;
        r = print(c, &t, e);
        hb_compare_table_fini(&t);
        return r;
}

static int run_compare(struct hb_cli *c, struct hb_err *e) {
        const char *path = hb_cli_flag(c, "results") ? hb_cli_value(c, "results") : RESULTS;
        struct hb_compare_plan *plan = NULL;
        hb_results *db = NULL;
        int r = hb_results_open(path, false, &db, e);

        if (r == 0)
                r = hb_compare_args_run(c, c->words, c->nwords, db, &plan, e);
        if (r == 0)
                r = show(c, db, plan, e);
        else if (plan && r != -ECANCELED && !c->json)
                show(c, db, plan, NULL); /* some cells failed: what the others say, then why */
        hb_compare_plan_free(plan);
        hb_results_close(db);
        return r;
}

const struct hb_cli_command hb_cli_trace_compare = {
        .name = "trace compare",
        .summary = "compare policies on traces, over horizons and links",
        .about = "Each trace is replayed with each policy, horizon and link, on all processors. Finished "
                 "cells are "
                 "kept in the results file: stopped at any time and run again, only the missing ones are "
                 "computed, "
                 "and a trace or policy whose bytes changed counts as another. Beside the policies stand "
                 "nothing "
                 "(no prefetch) and optimum (bounds on what one who knows the future could do). Differences "
                 "to the "
                 "base are paired moment by moment, with 95 % intervals. A policy is "
                 "PREDICTOR/SCORER/THRESHOLD; a "
                 "part left out or - is built in. Parts that are files are separated by colons.",
        .examples = {"trace compare vm1.hbt vm2.hbt --policy default,default/default/fixed",
                     "trace compare *.hbt --horizon 5,10,30 --link 100mbit,1gbit,10gbit --results night.db",
                     "trace compare vm1.hbt --policy ./mine.lua:-:-  # a draft of a predictor",
                     "trace compare vm1.hbt --csv > table.csv"},
        .operands = {{"FILE", HB_CLI_TEXT, .many = true}},
        .options = {HB_COMPARE_ARGS,
                    {"results", 0, HB_CLI_TEXT, "DB", false, 0, 0,
                     "where cells are kept (default: " RESULTS ")"},
                    {"csv", 0, HB_CLI_FLAG, NULL, false, 0, 0, "one line a cell, comma separated"}},
        .run = run_compare,
};
