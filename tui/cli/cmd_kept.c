/* kept: what guests that moved away left behind on this host, in case they come back. */
#include "base/shape.h"
#include "cli/table.h"
#include "draw/format.h"
#include <math.h>

static void show(struct hb_cli *c, const json_t *result) {
        static const char *const headings[] = {"GUEST", ">LEFT BEFORE", ">KEPT", ">OF", ">DEPARTURES",
                                               ">AWAY", ">WORTH",       "",      NULL};
        hb_cli_table *t = hb_cli_table_new(headings);
        char num[HB_FMT_SIZE];
        json_t *m;
        size_t i;

        json_array_foreach(json_object_get(result, "kept"), i, m) {
                hb_cli_table_cell(t, HB_PLAIN, hb_json_text(m, "guest"));
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_seconds(hb_json_number(m, "age_s"), num));
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_bytes(hb_json_number(m, "bytes"), num));
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_bytes(hb_json_number(m, "guest_bytes"), num));
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_count(hb_json_number(m, "departures"), num));
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_seconds(hb_json_number(m, "absence_s"), num));
                hb_cli_table_cell(t, HB_PLAIN, hb_fmt_share(hb_json_number(m, "worth"), num));
                hb_cli_table_cell(t, HB_WARN,
                                  json_is_false(json_object_get(m, "usable")) ? "of another secret" : "");
        }
        hb_cli_table_print(t, c);
}

static int run_list(struct hb_cli *c, struct hb_err *e) {
        char num[2][HB_FMT_SIZE];
        json_t *result;
        int r = hb_cli_call(c, "kept.list", NULL, HB_CLI_SOON_MS, NULL, NULL, &result, e);

        if (r < 0)
                return r;
        if (c->json)
                return hb_cli_print_json(c, result, e);
        if (json_array_size(json_object_get(result, "kept")) == 0)
                fputs("nothing is kept\n", c->io->err);
        show(c, result);
        fprintf(c->io->err, "%s of %s, in %s\n", hb_fmt_bytes(hb_json_number(result, "bytes"), num[0]),
                hb_fmt_bytes(hb_json_number(result, "budget_bytes"), num[1]), hb_json_text(result, "dir"));
        json_decref(result);
        return 0;
}

static int run_drop(struct hb_cli *c, struct hb_err *e) {
        char num[2][HB_FMT_SIZE];
        json_t *args = json_pack("{s:s}", "guest", c->operands[0]), *result;
        int r;

        if (hb_cli_flag(c, "visit"))
                hb_cli_set(args, "visit", json_integer((json_int_t)hb_cli_number(c, "visit")));
        r = hb_cli_call(c, "kept.drop", args, HB_CLI_SOON_MS, NULL, NULL, &result, e);
        if (r < 0)
                return r;
        if (c->json)
                return hb_cli_print_json(c, result, e);
        fprintf(c->io->err, "%s of %s dropped, %s\n", hb_fmt_count(hb_json_number(result, "dropped"), num[0]),
                c->operands[0], hb_fmt_bytes(hb_json_number(result, "bytes"), num[1]));
        json_decref(result);
        return 0;
}

const struct hb_cli_command hb_cli_kept_list = {
        .name = "kept list",
        .summary = "show what guests that moved away left behind here",
        .about = "The memory of a guest that moved away is kept within [duplicates] keep_bytes: when it "
                 "comes back, what "
                 "it did not change elsewhere need not be sent. WORTH is the expected share of it that is of "
                 "use; "
                 "what is worth least gives way first.",
        .examples = {"kept list"},
        .run = run_list,
};

const struct hb_cli_command hb_cli_kept_drop = {
        .name = "kept drop",
        .summary = "give up what a guest left behind here",
        .examples = {"kept drop vm1"},
        .operands = {{"GUEST", HB_CLI_NAME}},
        .options = {{"visit", 0, HB_CLI_COUNT, "N", false, 0, 1.8e19,
                     "this visit alone, as `kept list --json` names it"}},
        .run = run_drop,
};
