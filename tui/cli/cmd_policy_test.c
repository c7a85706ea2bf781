/* cmd_policy_test: `policy test`. The specifications run under busted and Lua 5.4, with our module in the
 * search path: what they say of a policy, they say of it in the real sandbox. */
#include "author/installed.h"
#include "author/load.h"
#include "capture/program.h"
#include "cli/child.h"
#include "cli/command.h"
#include "cli/exit_code.h"
#include "cli/table.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_SPECS  64
#define OUTPUT     (4u << 20)
#define TIMEOUT_MS 600000

struct specs {
        char paths[MAX_SPECS][PATH_MAX];
        unsigned n;
};

static bool ends_with(const char *s, const char *end) {
        size_t n = strlen(s), m = strlen(end);

        return n > m && !strcmp(s + n - m, end);
}

/* Beside the policy, or in the folder spec/ of its policy folder. */
static int spec_of(const char *path, char ret[PATH_MAX], struct hb_err *e) {
        struct hb_author_policy p;
        char beside[PATH_MAX + 80], folder[PATH_MAX + 80];
        int r = hb_author_find(path, &p, e);

        if (r < 0)
                return r;
        snprintf(beside, sizeof(beside), "%.*s_spec.lua", (int)strlen(p.path) - 4, p.path);
        snprintf(folder, sizeof(folder), "%s/spec/%s_spec.lua", p.dir, p.name);
        for (int k = 0; k < 2; k++) {
                const char *at = k ? beside : folder;
                if (access(at, R_OK) == 0 && strlen(at) < PATH_MAX) {
                        strcpy(ret, at);
                        return 0;
                }
        }
        return hb_err_set(e, -ENOENT, path,
                          "harbinger policy new writes one; or name the specification itself",
                          "the policy has no specification: neither %.100s nor one beside it", folder);
}

static int add(struct specs *s, const char *path, struct hb_err *e) {
        struct stat st;
        int r = 0;

        if (s->n == MAX_SPECS)
                return hb_err_set(e, -E2BIG, path, "name a folder", "more than %d specifications", MAX_SPECS);
        if (stat(path, &st) < 0)
                return hb_err_set(e, -errno, path,
                                  "name a specification, a policy or a folder of specifications",
                                  "cannot read it: %s", strerror(errno));
        if (S_ISDIR(st.st_mode) || ends_with(path, "_spec.lua")) {
                if (!realpath(path, s->paths[s->n]))
                        r = hb_err_set(e, -errno, path, NULL, "cannot read it: %s", strerror(errno));
        } else {
                r = spec_of(path, s->paths[s->n], e);
        }
        s->n += r == 0;
        return r;
}

struct tools {
        char busted[PATH_MAX], lua[PATH_MAX + 8], cpath[PATH_MAX + 16];
};

static int find_tools(struct tools *t, struct hb_err *e) {
        char lua[PATH_MAX], dir[PATH_MAX];
        struct hb_err why;
        int r;

        if (hb_program_find("busted", t->busted, &why) < 0)
                return hb_err_set(e, -ENOENT, "busted", "apt-get install lua-busted",
                                  "specifications are run by busted, which is not installed");
        if (hb_program_find("lua5.4", lua, &why) < 0)
                return hb_err_set(e, -ENOENT, "lua5.4", "apt-get install lua5.4",
                                  "specifications run in Lua 5.4, which is not installed");
        r = hb_author_lua_dir(dir, e);
        if (r < 0)
                return r;
        snprintf(t->lua, sizeof(t->lua), "--lua=%s", lua);
        snprintf(t->cpath, sizeof(t->cpath), "--cpath=%s/?.so", dir);
        return 0;
}

/* ---- what busted says, as JSON: lists of successes, failures, errors, pendings ---- */

static void add_tests(json_t *to, const json_t *all, const char *list, const char *result) {
        const json_t *entry;
        size_t i;

        json_array_foreach(json_object_get(all, list), i, entry) {
                const json_t *trace = json_object_get(json_object_get(entry, "element"), "trace");
                const json_t *message = json_object_get(entry, "message");
                json_t *test = json_object();
                hb_cli_set(test, "name", json_incref(json_object_get(entry, "name")));
                hb_cli_set(test, "result", json_string(result));
                hb_cli_set(test, "file", json_incref(json_object_get(trace, "short_src")));
                hb_cli_set(test, "line", json_incref(json_object_get(trace, "currentline")));
                if (json_is_string(message))
                        hb_cli_set(test, "message", json_string(json_string_value(message)));
                json_array_append_new(to, test);
        }
}

static const struct {
        const char *list, *result, *count;
} lists[] = {{"successes", "passed", "passed"},
             {"failures", "failed", "failed"},
             {"errors", "error", "errors"},
             {"pendings", "pending", "pending"}};

/* The object is busted's last line; what specifications print goes before it. */
static json_t *read_output(char *text) {
        size_t n = strlen(text);
        char *line;

        while (n && text[n - 1] == '\n')
                text[--n] = 0;
        line = strrchr(text, '\n');
        return json_loads(line ? line + 1 : text, 0, NULL);
}

static int tell_json(struct hb_cli *c, char *text, struct hb_err *e) {
        json_t *all = read_output(text), *result = json_object(), *tests = json_array();

        if (!all) {
                json_decref(result);
                json_decref(tests);
                return hb_err_set(e, -EPROTO, "busted", "run it without --json to see what it says",
                                  "busted did not answer with JSON");
        }
        for (unsigned k = 0; k < 4; k++) {
                hb_cli_set(result, lists[k].count,
                           json_integer((json_int_t)json_array_size(json_object_get(all, lists[k].list))));
                add_tests(tests, all, lists[k].list, lists[k].result);
        }
        hb_cli_set(result, "duration_s", json_incref(json_object_get(all, "duration")));
        hb_cli_set(result, "tests", tests);
        json_decref(all);
        return hb_cli_print_json(c, result, e);
}

static int tell(struct hb_cli *c, char *text, int status, struct hb_err *e) {
        int r = 0;

        if (c->json)
                r = tell_json(c, text, e);
        else
                fputs(text, c->io->out);
        if (r < 0)
                return r;
        return status == 0 ? 0 : HB_EXIT_FAILED;
}

static int run_specs(struct hb_cli *c, struct specs *s, struct tools *t, struct hb_err *e) {
        char *argv[MAX_SPECS + 8], *text = malloc(OUTPUT);
        int n = 0, r;

        if (!text)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");
        argv[n++] = t->busted;
        argv[n++] = t->lua;
        argv[n++] = t->cpath;
        argv[n++] = (char *)(c->json ? "--output=json" : "--output=plainTerminal");
        argv[n++] = (char *)"--";
        for (unsigned i = 0; i < s->n; i++)
                argv[n++] = s->paths[i];
        argv[n] = NULL;
        r = hb_cli_child(argv, TIMEOUT_MS, text, OUTPUT);
        if (r < 0)
                hb_err_set(e, r, t->busted, NULL, "busted did not come to an end: %s", strerror(-r));
        else
                r = tell(c, text, r, e);
        free(text);
        return r;
}

static int run_test(struct hb_cli *c, struct hb_err *e) {
        struct specs *s = calloc(1, sizeof(*s));
        struct tools *t = calloc(1, sizeof(*t));
        int r = s && t ? 0 : hb_err_set(e, -ENOMEM, NULL, NULL, "out of memory");

        for (unsigned i = 0; r == 0 && i < c->nwords; i++)
                r = add(s, c->words[i], e);
        if (r == 0)
                r = find_tools(t, e);
        if (r == 0)
                r = run_specs(c, s, t, e);
        free(s);
        free(t);
        return r;
}

const struct hb_cli_command hb_cli_policy_test = {
        .name = "policy test",
        .summary = "run the specifications of policies, in the real sandbox",
        .about = "FILE is a specification (NAME_spec.lua), a policy (its specification is looked for in "
                 "spec/ of its "
                 "folder and beside it) or a folder of specifications. They are run by busted under Lua 5.4 "
                 "and get "
                 "policies by require \"harbinger\": see docs/POLICY_API.md. Exit code 0: all passed. 1: "
                 "some did "
                 "not. 3: a file, busted or Lua is not there.",
        .examples = {"policy test ./my/score/calm.lua", "policy test policies/spec --json"},
        .operands = {{"FILE", HB_CLI_TEXT, .many = true}},
        .run = run_test,
};
