/* cmd_policy_new: `policy new`. */
#include "author/scaffold.h"
#include "cli/command.h"
#include "cli/table.h"
#include <errno.h>
#include <string.h>

static int read_kind(const char *word, enum hb_policy_kind *ret, struct hb_err *e) {
        for (int k = 0; k < HB_POLICY_KINDS; k++)
                if (strcmp(word, hb_policy_kind_name((enum hb_policy_kind)k)) == 0) {
                        *ret = (enum hb_policy_kind)k;
                        return 0;
                }
        return hb_err_set(e, -EINVAL, word, "predictor, scorer or threshold", "no such kind of policy");
}

static int tell(struct hb_cli *c, const struct hb_author_files *f, struct hb_err *e) {
        if (c->json)
                return hb_cli_print_json(c, json_pack("{s:s, s:s}", "policy", f->policy, "spec", f->spec), e);
        hb_cli_put(c->io->out, f->policy);
        fputc('\n', c->io->out);
        hb_cli_put(c->io->out, f->spec);
        fputs("\nnext: harbinger policy check ", c->io->out);
        hb_cli_put(c->io->out, f->policy);
        fputc('\n', c->io->out);
        return 0;
}

static int run_new(struct hb_cli *c, struct hb_err *e) {
        const char *dir = hb_cli_value(c, "dir");
        struct hb_author_files f;
        enum hb_policy_kind kind = HB_POLICY_SCORER;
        int r = read_kind(c->operands[0], &kind, e);

        if (r == 0)
                r = hb_author_scaffold(kind, c->operands[1], dir ? dir : ".", &f, e);
        return r < 0 ? r : tell(c, &f, e);
}

const struct hb_cli_command hb_cli_policy_new = {
        .name = "policy new",
        .summary = "write the first file of a policy, and a specification beside it",
        .about = "KIND is predictor, scorer or threshold. The policy works as it stands: change its formula. "
                 "It lies "
                 "in predict/, score/ or threshold/ of the folder, its specification in spec/. A file that "
                 "is there "
                 "already is never overwritten.",
        .examples = {"policy new scorer calm --dir ./my"},
        .operands = {{"KIND", HB_CLI_TEXT}, {"NAME", HB_CLI_NAME}},
        .options = {{"dir", 'd', HB_CLI_TEXT, "DIR", .help = "the policy folder (default: this one)"}},
        .run = run_new,
};
