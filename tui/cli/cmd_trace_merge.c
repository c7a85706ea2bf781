/* trace merge: parts of one recording end to end, or guests side by side. */
#include "cli/trace_rewrite.h"
#include <errno.h>

static int run_merge(struct hb_cli *c, struct hb_err *e) {
        bool side = hb_cli_flag(c, "side-by-side");
        struct hb_look_result result = {0};
        struct hb_look_output o;
        struct hb_cli_work w;
        int r;

        if (c->nwords < 2)
                return hb_err_set(e, -EINVAL, "trace merge", "harbinger trace merge --help",
                                  "there is nothing to merge with: name two files or more");
        if (side && hb_cli_flag(c, "moved"))
                return hb_err_set(e, -EINVAL, "--moved", "leave one of them out",
                                  "--side-by-side and --moved exclude each other");
        hb_cli_rewrite_begin(c, &w, "merging", &o);
        o.number_on = hb_cli_flag(c, "moved");
        r = (side ? hb_look_merge_side : hb_look_merge)(c->words, c->nwords, &o, &result, e);
        return hb_cli_rewrite_end(&w, r, &o, &result,
                                  json_pack("{s:i,s:b}", "files", (int)c->nwords, "side_by_side", side), e);
}

const struct hb_cli_command hb_cli_trace_merge = {
        .name = "trace merge",
        .summary = "join the parts of one recording, or several guests",
        .about = "The parts of one rotated or cut recording are given in their order; they must be of one "
                 "guest, shape, epoch length and engine, and their epochs must not overlap; with --moved "
                 "they were "
                 "recorded on the hosts that the guest moved between, each of which counts from 1. With "
                 "--side-by-side, different guests become one: their pages lie one guest after the other, in "
                 "regions named GUEST.REGION, each guest's time begins with its first epoch, and of the "
                 "events only notes, drops and resident pages are kept. At most 16 regions in all.",
        .examples = {"trace merge vm1.0.hbt vm1.1.hbt vm1.2.hbt -o vm1.hbt",
                     "trace merge on-a.hbt on-b.hbt --moved -o vm1.hbt",
                     "trace merge vm1.hbt vm2.hbt --side-by-side -o host.hbt"},
        .operands = {{"FILE", HB_CLI_TEXT, .many = true}},
        .options = {HB_CLI_OUTPUT_OPTIONS,
                    {"side-by-side", 0, HB_CLI_FLAG, NULL, false, 0, 0,
                     "the files are of different guests: put their pages one after the other"},
                    {"moved", 0, HB_CLI_FLAG, NULL, false, 0, 0,
                     "the guest moved between the files: number the epochs on"}},
        .run = run_merge,
};
