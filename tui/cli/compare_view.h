/* compare_view: a comparison's results as a table, as JSON and as CSV. */
#pragma once
#include "cli/command.h"
#include "compare/figures.h"

/* For people: a table a trace, the best of each row marked by a letter; then the differences to the base. */
void hb_compare_view_print(struct hb_cli *c, const struct hb_compare_table *t);
json_t *hb_compare_view_json(const struct hb_compare_table *t); /* NULL: no memory */
void hb_compare_view_csv(FILE *f, const struct hb_compare_table *t);

/* The options that `trace compare` and `trace report` share. */
/* clang-format off */
#define HB_COMPARE_ARGS \
        {"policy", 0, HB_CLI_TEXT, "P,...", false, 0, 0, \
         "policies as PREDICTOR/SCORER/THRESHOLD, names or .lua files (default: default)", "@policies @files"}, \
        {"policies", 0, HB_CLI_TEXT, "DIR", false, 0, 0, "has predict/, score/ and threshold/"}, \
        {"base", 0, HB_CLI_TEXT, "P", false, 0, 0, "the policy that differences are to (default: default)", \
         "@policies @files"}, \
        {"horizon", 0, HB_CLI_TEXT, "S,...", false, 0, 0, "how far ahead predictions look (default: 10)"}, \
        {"link", 0, HB_CLI_TEXT, "RATE,...", false, 0, 0, "of the simulated link (default: 1gbit)"}, \
        {"latency", 0, HB_CLI_TEXT, "TIME", false, 0, 0, "there and back (default: 200us)"}, \
        {"image-size", 0, HB_CLI_TEXT, "SIZE", false, 0, 0, "room on the target (default: all of the guest)"}, \
        {"budget", 0, HB_CLI_TEXT, "HOW", false, 0, 0, \
         "pages a prediction may name: working-set (default) or oracle", "working-set oracle"}, \
        {"moments", 0, HB_CLI_COUNT, "N", false, 0, HB_REPLAY_MOMENTS, \
         "moves asked for, evenly over each trace (default: 2)"}, \
        {"seed", 0, HB_CLI_COUNT, "N", false, 0, 9e15, "of the policies and the intervals"}, \
        {"only", 0, HB_CLI_FLAG, NULL, false, 0, 0, "without nothing and optimum beside them"}, \
        {"jobs", 'j', HB_CLI_COUNT, "N", false, 1, 256, "cells at a time (default: one a processor)"}
/* clang-format on */

/* Makes the plan and runs what is missing in `db`, with a progress line; ctrl-C is -ECANCELED, what is done
 * stays done. *ret_plan is there on failure too, unless the plan itself was refused (then NULL). */
int hb_compare_args_run(struct hb_cli *c, const char *const *traces, unsigned n, hb_results *db,
                        struct hb_compare_plan **ret_plan, struct hb_err *e);
