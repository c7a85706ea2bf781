/* completion_names: `help --complete WHAT`: names for a shell whose user waits for the answer, so a daemon
 * gets HB_COMPLETE_MS and what cannot be had is left out without a word.
 *
 * Only names of letters, digits and a few signs are printed: shells expand what they complete by, and names
 * come from daemons and file systems. */
#include "cli/completion.h"
#include "control/ctl.h"
#include "draw/format.h"
#include <errno.h>
#include <string.h>

#define SAFE "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._@-"

static void print_name(struct hb_cli *c, const char *name) {
        if (*name && *name != '-' && strspn(name, SAFE) == strlen(name))
                fprintf(c->io->out, "%s\n", name);
}

static void print_each(struct hb_cli *c, const json_t *list, const char *member) {
        json_t *row;
        size_t i;

        json_array_foreach((json_t *)list, i, row) {
                print_name(c, hb_json_text(row, member));
        }
}

/* NULL: no daemon, no answer in time, a refusal. */
static json_t *ask(struct hb_cli *c, const char *cmd) {
        struct hb_err e = {0};
        json_t *result = NULL;

        return hb_cli_call(c, cmd, NULL, HB_COMPLETE_MS, NULL, NULL, &result, &e) < 0 ? NULL : result;
}

static void guests(struct hb_cli *c) {
        json_t *status = ask(c, "status");

        print_each(c, json_object_get(status, "guests"), "name");
        print_each(c, json_object_get(status, "incoming"), "guest");
        json_decref(status);
}

static void hosts(struct hb_cli *c) {
        json_t *status = ask(c, "status");

        print_each(c, json_object_get(status, "hosts"), "name");
        json_decref(status);
}

/* What stands in a place, then the folder's files. */
static void policies(struct hb_cli *c) {
        static const char *const places[] = {"active", "shadow", "previous"};
        json_t *list = ask(c, "policy.list"), *kind;
        size_t i;

        json_array_foreach(json_object_get(list, "kinds"), i, kind) {
                for (size_t k = 0; k < sizeof(places) / sizeof(places[0]); k++)
                        print_name(c, hb_json_text(json_object_get(kind, places[k]), "name"));
                print_each(c, json_object_get(kind, "candidates"), "name");
        }
        json_decref(list);
}

static void kinds(struct hb_cli *c) {
        fputs("predictor\nscorer\nthreshold\n", c->io->out);
}

static void commands(struct hb_cli *c) {
        for (size_t i = 0; hb_cli_commands[i]; i++)
                fprintf(c->io->out, "%s\n", hb_cli_commands[i]->name);
}

int hb_cli_complete(struct hb_cli *c, const char *what, struct hb_err *e) {
        static const struct {
                const char *what;
                void (*print)(struct hb_cli *c);
        } sources[] = {{"guests", guests},
                       {"hosts", hosts},
                       {"policies", policies},
                       {"kinds", kinds},
                       {"commands", commands}};

        for (size_t i = 0; i < sizeof(sources) / sizeof(sources[0]); i++)
                if (strcmp(sources[i].what, what) == 0) {
                        sources[i].print(c);
                        return 0;
                }
        return hb_err_set(e, -EINVAL, what, "guests, hosts, policies, kinds or commands",
                          "nothing is completed by that name");
}
