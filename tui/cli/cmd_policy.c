/* policy list, show, shadow, history, diff: what is in use here, how it does, what was done. Only the daemon
 * of the host that holds the placements knows that. */
#include "cli/policy_view.h"
#include "cli/table.h"
#include "draw/format.h"
#include <errno.h>
#include <string.h>

static int ask(struct hb_cli *c, const char *cmd, json_t *args, json_t **ret, struct hb_err *e) {
        return hb_cli_call(c, cmd, args, HB_CLI_SOON_MS, NULL, NULL, ret, e);
}

/* ---- list ---- */

static int run_list(struct hb_cli *c, struct hb_err *e) {
        json_t *result;
        int r = ask(c, "policy.list", NULL, &result, e);

        if (r < 0)
                return r;
        if (c->json)
                return hb_cli_print_json(c, result, e);
        hb_cli_view_policies(c, result);
        json_decref(result);
        return 0;
}

const struct hb_cli_command hb_cli_policy_list = {
        .name = "policy list",
        .summary = "show which policies are active, which shadow, and which files there are",
        .about = "Asked of the host that guests are placed on. VALUE is what promotions are decided by "
                 "(docs/POLICY_API.md, \"Shadow and promotion\"); lessons that it is made of are only given "
                 "while a policy learns or a shadow is there.",
        .examples = {"policy list", "policy list --json"},
        .run = run_list,
};

/* ---- show ---- */

static void show_source(struct hb_cli *c, const json_t *policy) {
        json_t *part;
        size_t i;

        fputc('\n', c->io->out);
        fputs(hb_json_text(policy, "source"), c->io->out);
        json_array_foreach(json_object_get(policy, "parts"), i, part) {
                fprintf(c->io->out, "\n-- %s\n", hb_json_text(part, "name"));
                fputs(hb_json_text(part, "source"), c->io->out);
        }
}

static int run_show(struct hb_cli *c, struct hb_err *e) {
        json_t *result;
        int r = ask(c, "policy.show", json_pack("{s:s}", "policy", c->operands[0]), &result, e);

        if (r < 0)
                return r;
        if (c->json)
                return hb_cli_print_json(c, result, e);
        hb_cli_view_policy(c, result);
        if (json_array_size(json_object_get(result, "params"))) {
                fputc('\n', c->io->out);
                hb_cli_view_params(c, json_object_get(result, "params"));
        }
        if (!hb_cli_flag(c, "no-source"))
                show_source(c, result);
        json_decref(result);
        return 0;
}

const struct hb_cli_command hb_cli_policy_show = {
        .name = "policy show",
        .summary = "show one policy: where it stands, its params, its calls, its text",
        .about = "POLICY is a kind (predictor, scorer, threshold: the active one), KIND@shadow, "
                 "KIND@previous, a NAME, NAME@N (the N-th version of this name seen here) or the first "
                 "digits of a hash.",
        .examples = {"policy show scorer", "policy show scorer@shadow --no-source",
                     "policy show cost_benefit@2"},
        .operands = {{"POLICY", HB_CLI_TEXT, .completes = "@policies"}},
        .options = {{"no-source", 0, HB_CLI_FLAG, NULL, false, 0, 0, "leave the text out"}},
        .run = run_show,
};

/* ---- shadow ---- */

static int drop(struct hb_cli *c, struct hb_err *e) {
        const char *kind = hb_cli_value(c, "drop");
        json_t *result;
        int r = ask(c, "policy.drop", json_pack("{s:s}", "kind", kind), &result, e);

        if (r < 0)
                return r;
        if (c->json)
                return hb_cli_print_json(c, result, e);
        fprintf(c->io->err, "the shadow %s is dropped\n", kind);
        hb_cli_say_failed(c, result);
        json_decref(result);
        return 0;
}

static int run_shadow(struct hb_cli *c, struct hb_err *e) {
        json_t *args, *result;
        int r;

        if (hb_cli_value(c, "drop"))
                return drop(c, e);
        args = json_object();
        if (c->operands[0])
                hb_cli_set(args, "guest", json_string(c->operands[0]));
        r = ask(c, "policy.shadow", args, &result, e);
        if (r < 0)
                return r;
        if (c->json)
                return hb_cli_print_json(c, result, e);
        hb_cli_view_shadow(c, result);
        if (json_array_size(json_object_get(result, "guests")) == 0)
                fputs("no guest is placed here\n", c->io->err);
        json_decref(result);
        return 0;
}

const struct hb_cli_command hb_cli_policy_shadow = {
        .name = "policy shadow",
        .summary = "show the shadow beside the active policies, guest by guest",
        .about =
                "Both are asked about the same sample of pages every 5 s and judged by what is then accessed "
                "within the horizon. WASTED, FETCHES: of what it would fetch, what would be overwritten "
                "first; the share of the sample that it would fetch.",
        .examples = {"policy shadow", "policy shadow vm1 --json", "policy shadow --drop scorer"},
        .operands = {{"GUEST", HB_CLI_NAME, .optional = true}},
        .options = {{"drop", 0, HB_CLI_TEXT, "KIND", false, 0, 0, "give the shadow of this kind up"}},
        .run = run_shadow,
};

/* ---- history ---- */

static int run_history(struct hb_cli *c, struct hb_err *e) {
        json_t *args = json_object(), *result;
        int r;

        if (c->operands[0])
                hb_cli_set(args, "kind", json_string(c->operands[0]));
        if (hb_cli_flag(c, "limit"))
                hb_cli_set(args, "limit", json_integer((json_int_t)hb_cli_number(c, "limit")));
        r = ask(c, "policy.history", args, &result, e);
        if (r < 0)
                return r;
        if (c->json)
                return hb_cli_print_json(c, result, e);
        hb_cli_view_events(c, json_object_get(result, "events"));
        json_decref(result);
        return 0;
}

const struct hb_cli_command hb_cli_policy_history = {
        .name = "policy history",
        .summary = "list who changed which policy, when and why, newest first",
        .examples = {"policy history", "policy history scorer --limit 100 --json"},
        .operands = {{"KIND", HB_CLI_TEXT, .optional = true}},
        .options = {{"limit", 0, HB_CLI_COUNT, "N", false, 1, 10000, "the newest N (default: 20)"}},
        .run = run_history,
};

/* ---- diff ---- */

static void print_diff(struct hb_cli *c, const char *text) {
        while (*text) {
                size_t n = strcspn(text, "\n");
                enum hb_cli_color color = *text == '+'   ? HB_GOOD
                                          : *text == '-' ? HB_BAD
                                          : *text == '@' ? HB_DIM
                                                         : HB_PLAIN;

                fprintf(c->io->out, "%s%.*s%s\n", hb_cli_color_on(c, color), (int)n, text,
                        hb_cli_color_off(c, color));
                text += n + (text[n] == '\n');
        }
}

static int run_diff(struct hb_cli *c, struct hb_err *e) {
        json_t *args = json_pack("{s:s}", "a", c->operands[0]), *result;
        int r;

        if (c->operands[1])
                hb_cli_set(args, "b", json_string(c->operands[1]));
        r = ask(c, "policy.diff", args, &result, e);
        if (r < 0)
                return r;
        if (c->json)
                return hb_cli_print_json(c, result, e);
        if (json_is_true(json_object_get(result, "equal")))
                fputs("they are the same bytes\n", c->io->err);
        print_diff(c, hb_json_text(result, "diff"));
        json_decref(result);
        return 0;
}

const struct hb_cli_command hb_cli_policy_diff = {
        .name = "policy diff",
        .summary = "show how two versions of a policy differ",
        .about = "A and B as `harbinger policy show` takes them. A alone: the active one of a kind against "
                 "its shadow, or where there is none the previous one against it; any other against the "
                 "active one of its kind.",
        .examples = {"policy diff scorer", "policy diff calm@1 calm@2", "policy diff 3f2a91 scorer"},
        .operands = {{"A", HB_CLI_TEXT, .completes = "@policies"},
                     {"B", HB_CLI_TEXT, .optional = true, .completes = "@policies"}},
        .run = run_diff,
};
