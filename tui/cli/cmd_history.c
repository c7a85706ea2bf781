/* history: what ended, newest first. */
#include "cli/table.h"
#include "draw/format.h"
#include <string.h>

/* The one or two figures that say most about an entry. */
static const char *figures(const json_t *entry, char *buf, size_t size) {
        const json_t *f = json_object_get(entry, "figures");
        char num[3][HB_FMT_SIZE];

        buf[0] = '\0';
        if (hb_json_text(f, "error.what")[0])
                snprintf(buf, size, "%s", hb_json_text(f, "error.what"));
        else if (strcmp(hb_json_text(entry, "kind"), "migration") == 0 && hb_json_number(f, "total_ms") >= 0)
                snprintf(buf, size, "downtime %s of %s, %s after the request",
                         hb_fmt_ms(hb_json_number(f, "downtime_ms"), num[0]),
                         hb_fmt_ms(hb_json_number(f, "total_ms"), num[1]),
                         hb_fmt_bytes(hb_json_number(f, "bytes_after"), num[2]));
        else if (hb_json_number(f, "bytes") >= 0)
                snprintf(buf, size, "%s in %s", hb_fmt_bytes(hb_json_number(f, "bytes"), num[0]),
                         hb_fmt_seconds(hb_json_number(f, "seconds"), num[1]));
        return buf;
}

static void show(struct hb_cli *c, const json_t *entries) {
        static const char *const headings[] = {"TIME", "WHAT",   "GUEST",   "FROM",
                                               "TO",   "RESULT", "FIGURES", NULL};
        static const char *const members[] = {"time", "kind", "guest", "from", "to"};
        hb_cli_table *t = hb_cli_table_new(headings);
        char text[300];
        json_t *h;
        size_t i;

        json_array_foreach((json_t *)entries, i, h) {
                const char *result = hb_json_text(h, "result");

                for (size_t m = 0; m < sizeof(members) / sizeof(members[0]); m++)
                        hb_cli_table_cell(t, HB_PLAIN, hb_json_text(h, members[m]));
                hb_cli_table_cell(t,
                                  strcmp(result, "done") == 0   ? HB_GOOD
                                  : strcmp(result, "dead") == 0 ? HB_BAD
                                                                : HB_WARN,
                                  result);
                hb_cli_table_cell(t, HB_PLAIN, figures(h, text, sizeof(text)));
        }
        hb_cli_table_print(t, c);
}

static int run_history(struct hb_cli *c, struct hb_err *e) {
        json_t *args = json_object(), *result;
        int r;

        if (hb_cli_flag(c, "limit"))
                hb_cli_set(args, "limit", json_integer((json_int_t)hb_cli_number(c, "limit")));
        r = hb_cli_call(c, "history", args, HB_CLI_SOON_MS, NULL, NULL, &result, e);
        if (r < 0)
                return r;
        if (c->json)
                return hb_cli_print_json(c, result, e);
        if (json_array_size(json_object_get(result, "entries")) == 0)
                fputs("nothing has ended yet\n", c->io->err);
        show(c, json_object_get(result, "entries"));
        json_decref(result);
        return 0;
}

const struct hb_cli_command hb_cli_history = {
        .name = "history",
        .summary = "list the moves and placements that ended",
        .examples = {"history", "history --limit 100 --json"},
        .options = {{"limit", 0, HB_CLI_COUNT, "N", false, 1, 10000, "the newest N (default: 20)"}},
        .run = run_history,
};
