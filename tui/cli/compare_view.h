/* compare_view: a comparison's results as a table, as JSON and as CSV. */
#pragma once
#include "cli/command.h"
#include "compare/figures.h"

/* For people: a table a trace, the best of each row marked by a letter; then the differences to the base. */
void hb_compare_view_print(struct hb_cli *c, const struct hb_compare_table *t);
json_t *hb_compare_view_json(const struct hb_compare_table *t); /* NULL: no memory */
void hb_compare_view_csv(FILE *f, const struct hb_compare_table *t);

/* The options that `trace compare` and `trace report` share. */
#define HB_COMPARE_ARGS                                                                                      \
        {"policy", 0, HB_CLI_TEXT, "P,...",                                                                  \
         false,    0, 0,           "policies: PREDICTOR/SCORER/THRESHOLD, names or .lua files"},             \
                {"policies", 0, HB_CLI_TEXT, "DIR", false, 0, 0, "folder of the named policies"},            \
                {"base", 0, HB_CLI_TEXT, "P",                                                                \
                 false,  0, 0,           "the policy that differences are to (default: default)"},           \
                {"horizon", 0, HB_CLI_TEXT, "S,...", false, 0, 0, "seconds to look ahead (default: 10)"},    \
                {"link", 0, HB_CLI_TEXT, "RATE,...",                                                         \
                 false,  0, 0,           "as in 100mbit,1gbit,80MB (default: 1gbit)"},                       \
                {"latency", 0,     HB_CLI_REAL, "MS",                                                        \
                 false,     0.001, 10000,       "of the link, there and back (default: 0.2)"},               \
                {"budget", 0, HB_CLI_TEXT, "B", false, 0, 0, "working-set (the default) or oracle"},         \
                {"moments", 0, HB_CLI_COUNT,      "N",                                                       \
                 false,     0, HB_REPLAY_MOMENTS, "moves asked for, evenly over each trace (default: 2)"},   \
                {"seed", 0, HB_CLI_COUNT,       "N",                                                         \
                 false,  0, 9007199254740991.0, "of policies and of the intervals"},                         \
                {"only", 0, HB_CLI_FLAG, NULL, false, 0, 0, "without nothing and optimum beside them"}, {    \
                "jobs", 'j', HB_CLI_COUNT, "N", false, 1, 256, "cells at a time (default: one a processor)"  \
        }

/* Makes the plan and runs what is missing in `db`, with a progress line; ctrl-C is -ECANCELED, what is done
 * stays done. *ret_plan is there on failure too, unless the plan itself was refused (then NULL). */
int hb_compare_args_run(struct hb_cli *c, const char *const *traces, unsigned n, hb_results *db,
                        struct hb_compare_plan **ret_plan, struct hb_err *e);
