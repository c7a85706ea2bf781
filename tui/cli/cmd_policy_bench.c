/* cmd_policy_bench: `policy bench`. */
#include "author/bench.h"
#include "author/installed.h"
#include "author/load.h"
#include "cli/command.h"
#include "cli/table.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct measured {
        char name[64];
        enum hb_policy_kind kind; /* HB_POLICY_KINDS: one of each together */
        struct hb_author_speed speed;
};

static bool is_path(const char *word) {
        return strchr(word, '/') || (strlen(word) > 4 && !strcmp(word + strlen(word) - 4, ".lua"));
}

/* A name is that of a shipped policy. */
static int find_file(const char *word, char ret[PATH_MAX], struct hb_err *e) {
        char dir[PATH_MAX], path[PATH_MAX + 128];
        int r;

        if (is_path(word)) {
                snprintf(ret, PATH_MAX, "%s", word);
                return 0;
        }
        r = hb_author_policies_dir(dir, e);
        for (int k = 0; r == 0 && k < HB_POLICY_KINDS; k++) {
                snprintf(path, sizeof(path), "%s/%s/%.64s.lua", dir, hb_policy_folder((enum hb_policy_kind)k),
                         word);
                if (strlen(path) < PATH_MAX && access(path, R_OK) == 0) {
                        strcpy(ret, path);
                        return 0;
                }
        }
        return r < 0 ? r : hb_err_set(e, -ENOENT, word, "name its file", "no policy of that name is shipped");
}

static int bench_one(hb_author_bench *b, const char *word, struct measured *m, struct hb_err *e) {
        struct hb_author_policy where;
        hb_plugin *plugin = NULL;
        hb_guard *guard = NULL;
        char path[PATH_MAX];
        int r = find_file(word, path, e);

        if (r == 0 && (r = hb_guard_new(&guard)) < 0)
                hb_err_set(e, r, NULL, NULL, "cannot make a guard for policies: %s", strerror(-r));
        if (r == 0)
                r = hb_author_load(path, &hb_author_limits, guard, &plugin, &where, e);
        if (r == 0) {
                m->kind = where.kind;
                snprintf(m->name, sizeof(m->name), "%s", where.name);
                r = hb_author_bench_plugin(b, where.kind, plugin, &m->speed, e);
        }
        hb_plugin_free(plugin);
        hb_guard_free(guard);
        return r;
}

static int bench_defaults(hb_author_bench *b, struct measured *m, struct hb_err *e) {
        struct hb_policy_options o = {.names = {"ewma", "cost_benefit", "adaptive"}, .epoch_share = 1};
        hb_policies *p = NULL;
        char dir[PATH_MAX];
        int r = hb_author_policies_dir(dir, e);

        o.dir = dir;
        if (r == 0)
                r = hb_policies_new(&o, &p, e);
        if (r == 0) {
                m->kind = HB_POLICY_KINDS;
                snprintf(m->name, sizeof(m->name), "%s/%s/%s", o.names[0], o.names[1], o.names[2]);
                r = hb_author_bench_set(b, p, &m->speed, e);
        }
        hb_policies_free(p);
        return r;
}

static int tell_json(struct hb_cli *c, const struct measured *m, struct hb_err *e) {
        double ns = m->speed.ns_per_page, plain = m->speed.c_ns_per_page;
        json_t *o = json_object();

        hb_cli_set(o, "policy", json_string(m->name));
        hb_cli_set(o, "kind",
                   m->kind == HB_POLICY_KINDS ? json_null() : json_string(hb_policy_kind_name(m->kind)));
        if (m->kind == HB_POLICY_THRESHOLD) {
                hb_cli_set(o, "ns_per_call", json_real(ns));
                hb_cli_set(o, "c_ns_per_call", json_real(plain));
        } else {
                hb_cli_set(o, "pages_per_s", json_integer((json_int_t)(1e9 / ns)));
                hb_cli_set(o, "ns_per_page", json_real(ns));
                hb_cli_set(o, "c_ns_per_page", json_real(plain));
        }
        hb_cli_set(o, "ratio", json_real(ns / plain));
        return hb_cli_print_json(c, o, e);
}

static int tell(struct hb_cli *c, const struct measured *m, struct hb_err *e) {
        double ns = m->speed.ns_per_page, plain = m->speed.c_ns_per_page;
        FILE *out = c->io->out;

        if (c->json)
                return tell_json(c, m, e);
        hb_cli_put(out, m->name);
        if (m->kind == HB_POLICY_THRESHOLD)
                fprintf(out, "\n  Lua    %8.0f ns a call\n  C      %8.0f ns a call\n  ratio  %8.1f\n", ns,
                        plain, ns / plain);
        else
                fprintf(out,
                        "\n  Lua     %7.2f ns a page  %7.1f M pages/s\n  C loop  %7.2f ns a page  %7.1f M "
                        "pages/s\n"
                        "  ratio   %7.2f\n",
                        ns, 1e3 / ns, plain, 1e3 / plain, ns / plain);
        return 0;
}

static int run_bench(struct hb_cli *c, struct hb_err *e) {
        struct measured m = {.kind = HB_POLICY_KINDS};
        hb_author_bench *b;
        int r = hb_author_bench_new(&b);

        if (r < 0)
                return hb_err_set(e, r, NULL, NULL, "out of memory");
        r = c->operands[0] ? bench_one(b, c->operands[0], &m, e) : bench_defaults(b, &m, e);
        hb_author_bench_free(b);
        return r < 0 ? r : tell(c, &m, e);
}

const struct hb_cli_command hb_cli_policy_bench = {
        .name = "policy bench",
        .summary = "what a policy costs a page, beside a plain loop in C",
        .about = "POLICY is a file, or the name of a shipped policy; without it, the default three together "
                 "(ewma, "
                 "cost_benefit, adaptive). Full batches of 65536 pages that come from memory, one core, best "
                 "of some "
                 "rounds. The loop beside it is the default of that kind as a C programmer would write it, "
                 "on the "
                 "same columns; of a threshold, whose calls are counted, the built-in. Only the ratio "
                 "travels from "
                 "machine to machine.",
        .examples = {"policy bench  # the default three", "policy bench ewma",
                     "policy bench ./my/score/calm.lua --json"},
        .operands = {{"POLICY", HB_CLI_TEXT, .optional = true}},
        .run = run_bench,
};
