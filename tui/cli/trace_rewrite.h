/* trace_rewrite: what cut, merge, anonymize and repair have in common on the command line. */
#pragma once
#include "cli/work.h"
#include "look/rewrite.h"

#define HB_CLI_OUTPUT_OPTIONS                                                                                \
        {"output", 'o', HB_CLI_TEXT, "OUT", true, 0, 0, "where the result goes"}, {                          \
                "force", 'f', HB_CLI_FLAG, NULL, false, 0, 0, "replace OUT when it exists"                   \
        }

/* Progress and ctrl-C from here to hb_cli_rewrite_end. */
void hb_cli_rewrite_begin(struct hb_cli *c, struct hb_cli_work *w, const char *subject,
                          struct hb_look_output *ret);
/* Tells the result, or passes rc on. `extra`: more members for --json, stolen; NULL. */
int hb_cli_rewrite_end(struct hb_cli_work *w, int rc, const struct hb_look_output *o,
                       const struct hb_look_result *r, json_t *extra, struct hb_err *e);
