/* model info: what a model file is. */
#include "cli/model_view.h"
#include "cli/table.h"
#include "draw/format.h"
#include "learn/card.h"

static int run_info(struct hb_cli *c, struct hb_err *e) {
        struct hb_model_info info;
        uint64_t bytes;
        char num[HB_FMT_SIZE];
        int r = hb_card_read(c->operands[0], &info, &bytes, e);

        if (r < 0)
                return r;
        if (c->json) {
                json_t *o = hb_model_card_json(&info);

                hb_cli_set(o, "file", json_string(c->operands[0]));
                hb_cli_set(o, "bytes", json_integer((json_int_t)bytes));
                return hb_cli_print_json(c, o, e);
        }
        hb_cli_field(c, "file", c->operands[0]);
        hb_cli_field(c, "size", hb_fmt_bytes((double)bytes, num));
        hb_model_card_show(c, &info);
        return 0;
}

const struct hb_cli_command hb_cli_model_info = {
        .name = "model info",
        .summary = "tell what a model file is, and check it",
        .about = "The file is decoded whole: sizes, checksum, and that all weights are numbers.",
        .examples = {"model info mine.hbm", "model info mine.hbm --json"},
        .operands = {{"MODEL", HB_CLI_TEXT}},
        .run = run_info,
};
