/* policy load, promote, rollback, tune: what changes which policies decide here. */
#include "cli/policy_view.h"
#include "cli/table.h"
#include "draw/format.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Checking a policy that never ends takes until its deadlines. */
#define CHECK_MS 120000

static int change(struct hb_cli *c, const char *cmd, json_t *args, json_t **ret, struct hb_err *e) {
        if (hb_cli_value(c, "why"))
                hb_cli_set(args, "why", json_string(hb_cli_value(c, "why")));
        return hb_cli_call(c, cmd, args, CHECK_MS, NULL, NULL, ret, e);
}

/* "scorer: calm@2 is active, calm@1 was before" */
static int tell(struct hb_cli *c, json_t *kind, struct hb_err *e) {
        static const struct {
                const char *place, *words;
        } places[] = {{"active", "is active"}, {"shadow", "shadows"}, {"previous", "was before"}};
        char name[100];
        unsigned n = 0;

        if (c->json)
                return hb_cli_print_json(c, kind, e);
        fprintf(c->io->out, "%s: ", hb_json_text(kind, "kind"));
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
                const json_t *v = json_object_get(kind, places[i].place);

                if (!json_is_object(v))
                        continue;
                fputs(n++ ? ", " : "", c->io->out);
                hb_cli_put(c->io->out, hb_cli_policy_name(v, name, sizeof(name)));
                fprintf(c->io->out, " %s", places[i].words);
        }
        if (hb_json_number(kind, "canary") > 0)
                fprintf(c->io->out, "; the shadow decides on %.0f %% of the guests",
                        hb_json_number(kind, "canary") * 100);
        fputc('\n', c->io->out);
        n = hb_cli_say_failed(c, kind);
        json_decref(kind);
        return n ? HB_EXIT_FAILED : 0;
}

/* ---- load ---- */

/* The daemon stands in another folder than we do; a NAME has no folder. */
static int whole_path(const char *policy, char out[PATH_MAX], struct hb_err *e) {
        size_t n = strlen(policy);
        bool file = strchr(policy, '/') || (n > 4 && strcmp(policy + n - 4, ".lua") == 0);
        char *real;

        if (!file) {
                snprintf(out, PATH_MAX, "%s", policy);
                return 0;
        }
        real = realpath(policy, NULL);
        if (!real)
                return hb_err_set(e, -errno, policy, "give a NAME of the policy folder, or a file",
                                  "the file cannot be found: %s", strerror(errno));
        snprintf(out, PATH_MAX, "%s", real);
        free(real);
        return 0;
}

static int run_load(struct hb_cli *c, struct hb_err *e) {
        char policy[PATH_MAX];
        json_t *args, *result;
        int r = whole_path(c->operands[0], policy, e);

        if (r < 0)
                return r;
        args = json_pack("{s:s}", "policy", policy);
        if (hb_cli_value(c, "kind"))
                hb_cli_set(args, "kind", json_string(hb_cli_value(c, "kind")));
        r = change(c, "policy.load", args, &result, e);
        return r < 0 ? r : tell(c, result, e);
}

const struct hb_cli_command hb_cli_policy_load = {
        .name = "policy load",
        .summary = "check a policy and put it beside the active one, as its shadow",
        .about = "The shadow decides nothing: it is asked about a sample of each guest's pages and judged "
                 "(`harbinger policy shadow`). POLICY is a name in the policy folder, a file, or what was "
                 "seen here before: NAME@N or the first digits of a hash. One that is refused changes "
                 "nothing.",
        .examples = {"policy load calm", "policy load ./score/calm.lua --why \"fewer wasted pages\"",
                     "policy load calm@1  # an older version again"},
        .operands = {{"POLICY", HB_CLI_TEXT}},
        .options = {{"kind", 0, HB_CLI_TEXT, "KIND", false, 0, 0,
                     "predictor, scorer or threshold, where the name alone does not say"},
                    {"why", 0, HB_CLI_TEXT, "TEXT", false, 0, 0, "kept in the history"}},
        .run = run_load,
};

/* ---- promote, rollback ---- */

static int run_promote(struct hb_cli *c, struct hb_err *e) {
        json_t *args = json_pack("{s:s,s:b}", "kind", c->operands[0], "canary", hb_cli_flag(c, "canary")),
               *result;
        int r = change(c, "policy.promote", args, &result, e);

        return r < 0 ? r : tell(c, result, e);
}

const struct hb_cli_command hb_cli_policy_promote = {
        .name = "policy promote",
        .summary = "let the shadow of a kind decide from the next epoch on",
        .about = "The one that was active is kept with its state: `harbinger policy rollback` brings it back "
                 "at once. What is promoted stays so over restarts, until the settings name another policy.",
        .examples = {"policy promote scorer", "policy promote scorer --canary --why \"try it on a few\""},
        .operands = {{"KIND", HB_CLI_TEXT}},
        .options = {{"canary", 0, HB_CLI_FLAG, NULL, false, 0, 0,
                     "only on [policy] canary of the guests; promote again for all"},
                    {"why", 0, HB_CLI_TEXT, "TEXT", false, 0, 0, "kept in the history"}},
        .run = run_promote,
};

static int run_rollback(struct hb_cli *c, struct hb_err *e) {
        json_t *result;
        int r = change(c, "policy.rollback", json_pack("{s:s}", "kind", c->operands[0]), &result, e);

        return r < 0 ? r : tell(c, result, e);
}

const struct hb_cli_command hb_cli_policy_rollback = {
        .name = "policy rollback",
        .summary = "let the policy decide that was active before, or end a canary",
        .about = "Active and previous change places, each with its state: a second rollback undoes the "
                 "first.",
        .examples = {"policy rollback scorer --why \"wasted more\""},
        .operands = {{"KIND", HB_CLI_TEXT}},
        .options = {{"why", 0, HB_CLI_TEXT, "TEXT", false, 0, 0, "kept in the history"}},
        .run = run_rollback,
};

/* ---- tune ---- */

static int read_value(const char *text, double *ret) {
        static const char *const yes[] = {"yes", "true", "on"}, *const no[] = {"no", "false", "off"};

        for (size_t i = 0; i < 3; i++) {
                if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
                        *ret = strcmp(text, yes[i]) == 0;
                        return 0;
                }
        }
        return hb_cli_read_number(HB_CLI_REAL, text, ret) ? 0 : -EINVAL;
}

static int run_tune(struct hb_cli *c, struct hb_err *e) {
        const char *word = c->operands[1], *eq = strchr(word, '=');
        char param[64];
        json_t *args, *result;
        double value;
        int r;

        if (!eq || eq == word || (size_t)(eq - word) >= sizeof(param) || read_value(eq + 1, &value) < 0)
                return hb_err_set(e, -EINVAL, word, "harbinger policy show KIND lists params and ranges",
                                  "it is PARAM=VALUE, VALUE a number, yes or no");
        snprintf(param, sizeof(param), "%.*s", (int)(eq - word), word);
        args = json_pack("{s:s,s:s,s:f,s:b}", "kind", c->operands[0], "param", param, "value", value,
                         "shadow", hb_cli_flag(c, "shadow"));
        r = change(c, "policy.tune", args, &result, e);
        if (r < 0)
                return r;
        if (c->json)
                return hb_cli_print_json(c, result, e);
        hb_cli_view_params(c, json_object_get(result, "params"));
        r = hb_cli_say_failed(c, result) ? HB_EXIT_FAILED : 0;
        json_decref(result);
        return r;
}

const struct hb_cli_command hb_cli_policy_tune = {
        .name = "policy tune",
        .summary = "give a param of the active policy another value",
        .about = "In force from the next epoch on, on every guest placed here; kept with this version of the "
                 "policy, also when it leaves its place and comes back.",
        .examples = {"policy tune scorer calm_s=20", "policy tune threshold step=0.05 --shadow"},
        .operands = {{"KIND", HB_CLI_TEXT}, {"PARAM=VALUE", HB_CLI_TEXT}},
        .options = {{"shadow", 0, HB_CLI_FLAG, NULL, false, 0, 0, "the shadow's"},
                    {"why", 0, HB_CLI_TEXT, "TEXT", false, 0, 0, "kept in the history"}},
        .run = run_tune,
};
