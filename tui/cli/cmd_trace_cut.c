/* trace cut: a part of a trace, by epochs or seconds, and by pages. */
#include "cli/trace_args.h"
#include "cli/trace_rewrite.h"
#include <errno.h>
#include <math.h>

static int whole(const char *option, double v, struct hb_err *e) {
        if (v == floor(v) && v <= 4294967295.0)
                return 0;
        return hb_err_set(e, -EINVAL, option, "--seconds makes --from and --to seconds",
                          "an epoch is a whole number");
}

static int read_options(const struct hb_cli *c, struct hb_look_cut *w, struct hb_err *e) {
        double from = hb_cli_number(c, "from"), to = hb_cli_number(c, "to");
        int r = 0;

        if (hb_cli_flag(c, "to") && (to < from || to == 0))
                return hb_err_set(e, -EINVAL, "--to", NULL, "the part ends before it begins");
        if (!hb_cli_flag(c, "from") && !hb_cli_flag(c, "to") && !hb_cli_flag(c, "pages"))
                return hb_err_set(e, -EINVAL, "trace cut", "harbinger trace cut --help",
                                  "which part? Give --from, --to or --pages");
        w->by_time = hb_cli_flag(c, "seconds");
        if (w->by_time) {
                w->from_ns = (uint64_t)(from * 1e9);
                w->to_ns = hb_cli_flag(c, "to") ? (uint64_t)(to * 1e9) : UINT64_MAX;
        } else {
                r = whole("--from", from, e);
                if (r == 0)
                        r = whole("--to", to, e);
                w->from = r == 0 ? (uint32_t)from : 0;
                w->to = r == 0 ? (uint32_t)to : 0;
        }
        return r < 0 ? r : hb_cli_pages(c, "pages", &w->first_page, &w->npages, e);
}

static int run_cut(struct hb_cli *c, struct hb_err *e) {
        struct hb_look_cut what = {0};
        struct hb_look_result result = {0};
        struct hb_look_output o;
        struct hb_cli_work w;
        int r = read_options(c, &what, e);

        if (r < 0)
                return r;
        hb_cli_rewrite_begin(c, &w, "cutting", &o);
        r = hb_look_cut(c->operands[0], &what, &o, &result, e);
        return hb_cli_rewrite_end(&w, r, &o, &result, NULL, e);
}

const struct hb_cli_command hb_cli_trace_cut = {
        .name = "trace cut",
        .summary = "write a part of a trace to a file of its own",
        .about = "Both ends are included; an end that is not given is the trace's. Epochs, times and page "
                 "numbers stay what they were, so parts can be merged again. With --seconds the ends are "
                 "seconds since the trace began. What the engine was told is kept only from a beginning of "
                 "the engine that lies inside the part, and never with --pages: an exact replay of the rest "
                 "would not be one.",
        .examples = {"trace cut vm1.hbt -o part.hbt --from 60 --to 120",
                     "trace cut vm1.hbt -o part.hbt --seconds --from 30 --to 90.5",
                     "trace cut vm1.hbt -o heap.hbt --pages 0x8000-0xffff"},
        .operands = {{"FILE", HB_CLI_TEXT}},
        .options = {HB_CLI_OUTPUT_OPTIONS,
                    {"from", 0, HB_CLI_REAL, "E", false, 0, 4294967295.0, "the first epoch, or second"},
                    {"to", 0, HB_CLI_REAL, "E", false, 0, 4294967295.0, "the last epoch, or second"},
                    {"seconds", 0, HB_CLI_FLAG, NULL, false, 0, 0,
                     "count --from and --to in seconds since the trace began"},
                    {"pages", 0, HB_CLI_TEXT, "A-B", false, 0, 0,
                     "these pages alone, B too (0x for hex); the guest keeps its size"}},
        .run = run_cut,
};
