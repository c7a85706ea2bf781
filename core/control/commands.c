/* commands: the one list of what the control socket understands. The daemon checks every request against it,
 * so a handler may read its arguments without looking at types; the documents and the tests walk it. Pure. */
#include "control/ctl.h"
#include <errno.h>
#include <string.h>

#define STR(n)                                                                                               \
        { n, HB_ARG_STRING, false }
#define STR_REQ(n)                                                                                           \
        { n, HB_ARG_STRING, true }
#define INT(n)                                                                                               \
        { n, HB_ARG_INT, false }
#define INT_REQ(n)                                                                                           \
        { n, HB_ARG_INT, true }
#define REAL(n)                                                                                              \
        { n, HB_ARG_REAL, false }
#define REAL_REQ(n)                                                                                          \
        { n, HB_ARG_REAL, true }
#define FLAG(n)                                                                                              \
        { n, HB_ARG_BOOL, false }

/* Each row leaves at least one empty argument, which ends the row's list. */
static const struct hb_ctl_command commands[] = {
        {"guest.attach", {STR_REQ("name"), STR("qmp"), STR("process"), STR("tracker")}, true},
        {"guest.detach", {STR_REQ("name")}, true},
        {"guest.list", {{0}}, false},
        {"place", {STR_REQ("guest"), STR_REQ("host"), FLAG("wait"), REAL("timeout_s")}, true},
        {"unplace", {STR_REQ("guest")}, true},
        {"status", {STR("guest")}, false},
        {"watch", {INT("every")}, false},
        {"events", {INT("after"), INT("limit")}, false},
        {"guest.map", {STR_REQ("guest"), INT("first"), INT("pages"), INT("cells")}, false},
        {"replay", {STR_REQ("op"), REAL("value")}, true},
        {"migrate",
         {STR_REQ("guest"), STR_REQ("host"), FLAG("dry_run"), REAL("max_downtime_ms"), REAL("timeout_s")},
         true},
        {"migrate.abort", {STR_REQ("guest")}, true},
        {"migrate.recover", {STR_REQ("guest"), FLAG("keep_source")}, true},
        {"image.read", {STR_REQ("guest"), INT_REQ("gfn")}, false},
        {"image.info", {STR_REQ("guest")}, false},
        {"kept.list", {{0}}, false},
        {"kept.drop", {STR_REQ("guest"), INT("visit")}, true},
        {"history", {INT("limit")}, false},
        {"trace.record",
         {STR_REQ("guest"), STR("path"), REAL("seconds"), REAL("rotate_bytes"), REAL("rotate_s"), STR("note"),
          FLAG("wait")},
         true},
        {"trace.stop", {STR_REQ("guest")}, true},
        {"trace.list", {STR("guest")}, false},
        {"policy.list", {{0}}, false},
        {"policy.show", {STR_REQ("policy")}, false},
        {"policy.load", {STR_REQ("policy"), STR("kind"), STR("why")}, true},
        {"policy.shadow", {STR("guest")}, false},
        {"policy.drop", {STR_REQ("kind"), STR("why")}, true},
        {"policy.promote", {STR_REQ("kind"), STR("why"), FLAG("canary")}, true},
        {"policy.rollback", {STR_REQ("kind"), STR("why")}, true},
        {"policy.history", {STR("kind"), INT("limit")}, false},
        {"policy.diff", {STR_REQ("a"), STR("b")}, false},
        {"policy.tune",
         {STR_REQ("kind"), STR_REQ("param"), REAL_REQ("value"), FLAG("shadow"), STR("why")},
         true},
        {"policy.explain", {STR_REQ("guest"), INT_REQ("gfn"), FLAG("shadow")}, false},
        {"doctor", {{0}}, false},
        {"reload", {{0}}, true},
};
#define NCOMMANDS (sizeof(commands) / sizeof(commands[0]))
#define MAX_ARGS  (sizeof(commands[0].args) / sizeof(commands[0].args[0]))

const struct hb_ctl_command *hb_ctl_commands(size_t *ret_count) {
        *ret_count = NCOMMANDS;
        return commands;
}

const struct hb_ctl_command *hb_ctl_find(const char *name) {
        for (size_t i = 0; i < NCOMMANDS; i++)
                if (strcmp(commands[i].name, name) == 0)
                        return &commands[i];
        return NULL;
}

static const char *type_word(enum hb_ctl_arg_type t) {
        switch (t) {
        case HB_ARG_STRING:
                return "a string";
        case HB_ARG_INT:
                return "a whole number";
        case HB_ARG_REAL:
                return "a number";
        case HB_ARG_BOOL:
                return "true or false";
        }
        return "something else";
}

static bool type_fits(enum hb_ctl_arg_type t, const json_t *v) {
        switch (t) {
        case HB_ARG_STRING:
                return json_is_string(v);
        case HB_ARG_INT:
                return json_is_integer(v);
        case HB_ARG_REAL:
                return json_is_number(v);
        case HB_ARG_BOOL:
                return json_is_boolean(v);
        }
        return false;
}

static const struct hb_ctl_arg *find_arg(const struct hb_ctl_command *c, const char *name) {
        for (size_t i = 0; i < MAX_ARGS && c->args[i].name; i++)
                if (strcmp(c->args[i].name, name) == 0)
                        return &c->args[i];
        return NULL;
}

int hb_ctl_check(const struct hb_ctl_command *c, const json_t *args, struct hb_err *e) {
        static const char next[] = "docs/CONTROL.md lists the commands and their arguments";
        const char *key;
        json_t *value;

        if (!json_is_object(args))
                return hb_err_set(e, -EINVAL, c->name, next, "the arguments are not an object");
        json_object_foreach((json_t *)args, key, value) {
                const struct hb_ctl_arg *a = find_arg(c, key);

                if (!a)
                        return hb_err_set(e, -EINVAL, c->name, next, "unknown argument \"%s\"", key);
                if (!type_fits(a->type, value))
                        return hb_err_set(e, -EINVAL, c->name, next, "argument \"%s\" must be %s", key,
                                          type_word(a->type));
        }
        for (size_t i = 0; i < MAX_ARGS && c->args[i].name; i++)
                if (c->args[i].required && !json_object_get(args, c->args[i].name))
                        return hb_err_set(e, -EINVAL, c->name, next, "argument \"%s\" is missing",
                                          c->args[i].name);
        return 0;
}
