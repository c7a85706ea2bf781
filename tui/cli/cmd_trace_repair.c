/* trace repair: what is whole of a damaged trace, as a sound one. */
#include "cli/table.h"
#include "cli/trace_rewrite.h"
#include "control/ctl.h"

static void say_lost(struct hb_cli *c, const struct hb_look_result *r) {
        FILE *err = c->io->err;

        if (!r->gaps) {
                fputs("nothing was missing\n", err);
                return;
        }
        fprintf(err, "%llu gap%s, marked in the result; %llu epochs are known to be missing\n  first: ",
                (unsigned long long)r->gaps, r->gaps == 1 ? "" : "s", (unsigned long long)r->missing_epochs);
        hb_cli_put(err, r->lost);
        fputc('\n', err);
}

static int run_repair(struct hb_cli *c, struct hb_err *e) {
        struct hb_look_result result = {0};
        struct hb_look_output o;
        struct hb_cli_work w;
        int r;

        hb_cli_rewrite_begin(c, &w, "repairing", &o);
        r = hb_look_repair(c->operands[0], &o, &result, e);
        if (r < 0)
                return hb_cli_rewrite_end(&w, r, &o, &result, NULL, e);
        r = hb_cli_rewrite_end(&w, r, &o, &result,
                               json_pack("{s:I,s:I,s:o}", "gaps", (json_int_t)result.gaps, "missing_epochs",
                                         (json_int_t)result.missing_epochs, "first_gap",
                                         hb_ctl_text(result.lost)),
                               e);
        if (r == 0 && !c->json)
                say_lost(c, &result);
        return r;
}

const struct hb_cli_command hb_cli_trace_repair = {
        .name = "trace repair",
        .summary = "write what is whole of a damaged trace as a sound one",
        .about = "FILE itself is never touched. Every whole block is taken over; where blocks are lost, a "
                 "mark says so. A file that was cut short gets its end. The head of the file must be whole: "
                 "without it nothing can be read.",
        .examples = {"trace repair broken.hbt -o whole.hbt"},
        .operands = {{"FILE", HB_CLI_TEXT}},
        .options = {HB_CLI_OUTPUT_OPTIONS},
        .run = run_repair,
};
