/* policy explain: why a page is fetched, or is not. */
#include "cli/policy_view.h"
#include "cli/table.h"
#include "draw/format.h"
#include <errno.h>
#include <math.h>
#include <string.h>

static const char *real(double v, char *buf) {
        if (isnan(v))
                snprintf(buf, HB_FMT_SIZE, "-");
        else
                snprintf(buf, HB_FMT_SIZE, "%.4g", v);
        return buf;
}

/* "written 2.1 s ago", "never written" */
static const char *when(const char *what, double s, char line[64]) {
        char num[HB_FMT_SIZE];

        if (isnan(s))
                snprintf(line, 64, "never %s", what);
        else
                snprintf(line, 64, "%s %s ago", what, hb_fmt_seconds(s, num));
        return line;
}

/* What the policies were shown. */
static void view_page(struct hb_cli *c, const json_t *x) {
        char line[300], at[2][64], num[2][HB_FMT_SIZE];
        double fetches = hb_json_number(x, "page.fetches");

        snprintf(line, sizeof(line), "%.0f of %s, %s%s, fetched %.0f time%s", hb_json_number(x, "gfn"),
                 hb_json_text(x, "guest"), hb_json_text(x, "page.state"),
                 json_is_true(hb_json_at(x, "page.known")) ? ", its bytes are there already" : "", fetches,
                 fetches == 1 ? "" : "s");
        hb_cli_field(c, "page", line);
        snprintf(line, sizeof(line), "%s, %s; %s reads/s, %s writes/s",
                 when("accessed", hb_json_number(x, "page.age_s"), at[0]),
                 when("written", hb_json_number(x, "page.version_age_s"), at[1]),
                 real(hb_json_number(x, "page.read_heat"), num[0]),
                 real(hb_json_number(x, "page.write_heat"), num[1]));
        hb_cli_field(c, "known of it", line);
        snprintf(line, sizeof(line), "%s expected accesses, %s writes",
                 real(hb_json_number(x, "predicted"), num[0]),
                 real(hb_json_number(x, "predicted_writes"), num[1]));
        hb_cli_field(c, "predicted", line);
}

static void view_terms(struct hb_cli *c, const json_t *x) {
        static const char *const headings[] = {"KIND", "POLICY", "TERM", ">VALUE", NULL};
        hb_cli_table *t = hb_cli_table_new(headings);
        char path[40], num[HB_FMT_SIZE];
        json_t *term;
        size_t i;

        json_array_foreach(json_object_get(x, "terms"), i, term) {
                snprintf(path, sizeof(path), "policies.%s", hb_json_text(term, "kind"));
                hb_cli_table_cell(t, HB_PLAIN, hb_json_text(term, "kind"));
                hb_cli_table_cell(t, HB_PLAIN, hb_json_text(x, path));
                hb_cli_table_cell(t, HB_PLAIN, hb_json_text(term, "name"));
                hb_cli_table_cell(t, HB_PLAIN, real(hb_json_number(term, "value"), num));
        }
        hb_cli_table_print(t, c);
}

void hb_cli_view_explained(struct hb_cli *c, const json_t *x) {
        char line[300], num[2][HB_FMT_SIZE];

        view_page(c, x);
        snprintf(line, sizeof(line), "%s, threshold %s", real(hb_json_number(x, "score"), num[0]),
                 real(hb_json_number(x, "cut"), num[1]));
        hb_cli_field(c, "score", line);
        snprintf(line, sizeof(line), "%.0f of %.0f candidates are ahead of it, %.0f are alike",
                 hb_json_number(x, "ahead"), hb_json_number(x, "candidates"), hb_json_number(x, "alike"));
        hb_cli_field(c, "rank", line);
        hb_cli_field(c, "so", hb_json_text(x, "why"));
        fputc('\n', c->io->out);
        view_terms(c, x);
}

static int run_explain(struct hb_cli *c, struct hb_err *e) {
        double gfn = 0;
        json_t *result;
        int r;

        hb_cli_read_number(HB_CLI_COUNT, c->operands[1], &gfn);
        r = hb_cli_call(c, "policy.explain",
                        json_pack("{s:s,s:I,s:b}", "guest", c->operands[0], "gfn", (json_int_t)gfn, "shadow",
                                  hb_cli_flag(c, "shadow")),
                        HB_CLI_SOON_MS, NULL, NULL, &result, e);
        if (r < 0)
                return r;
        if (c->json)
                return hb_cli_print_json(c, result, e);
        hb_cli_view_explained(c, result);
        json_decref(result);
        return 0;
}

const struct hb_cli_command hb_cli_policy_explain = {
        .name = "policy explain",
        .summary = "show why a page is fetched or is not: the terms of its score, rank, threshold",
        .about = "Asked of the host the guest is placed on. PAGE is a page number, from 0, also as 0x...: an "
                 "address in the guest's memory without its last three hexadecimal digits.",
        .examples = {"policy explain vm1 4711", "policy explain vm1 0x1f40 --shadow"},
        .operands = {{"GUEST", HB_CLI_NAME}, {"PAGE", HB_CLI_COUNT, .min = 0, .max = 4294967295.0}},
        .options = {{"shadow", 0, HB_CLI_FLAG, NULL, false, 0, 0,
                     "as the shadow sees it, with the active ones of the other kinds"}},
        .run = run_explain,
};
