/* tune: params of a policy that get another value at the next epoch. A value is checked when it is asked for,
 * so that taking it cannot fail. What is asked for twice before then counts as asked for last. */
#include "base/fault.h"
#include "policy/host.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void hb_tunes_take(struct hb_seat *s) {
        struct hb_err e;

        while (s && s->tunes) {
                struct hb_tune *t = s->tunes;
                s->tunes = t->next;
                hb_plugin_tune(s->plugin, t->param, t->value, &e); /* was checked when it was asked for */
                free(t);
        }
}

static int find_param(const struct hb_seat *s, const char *name, struct hb_policy_param *ret) {
        unsigned n = hb_plugin_params(s->plugin, NULL, 0);
        struct hb_policy_param *all = calloc(n + 1, sizeof *all);
        int rc = all ? -ENOENT : -ENOMEM;

        if (all)
                n = hb_plugin_params(s->plugin, all, n);
        for (unsigned i = 0; rc == -ENOENT && i < n; i++) {
                if (strcmp(all[i].name, name))
                        continue;
                *ret = all[i];
                rc = 0;
        }
        free(all);
        return rc;
}

static bool value_ok(const struct hb_policy_param *p, double v) {
        if (!isfinite(v))
                return false;
        if (!strcmp(p->type, "boolean"))
                return v == 0 || v == 1;
        return v >= p->min && v <= p->max && (strcmp(p->type, "integer") || v == floor(v));
}

static int add_tune(struct hb_seat *s, const char *param, double value) {
        struct hb_tune *t, **at = &s->tunes;

        for (; *at; at = &(*at)->next) {
                if (!strcmp((*at)->param, param)) {
                        (*at)->value = value;
                        return 0;
                }
        }
        t = hb_fault("policy.tune") ? NULL : calloc(1, sizeof *t);
        if (!t)
                return -ENOMEM;
        snprintf(t->param, sizeof t->param, "%s", param);
        t->value = value;
        *at = t;
        return 0;
}

int hb_tune_seat(struct hb_seat *s, const struct hb_policy_change *c, struct hb_err *e) {
        const char *name = s->status.name;
        struct hb_policy_param param;
        int rc = s->plugin ? find_param(s, c->param, &param) : -ENOENT;

        if (rc == -ENOENT)
                return hb_err_set(e, rc, name, "harbinger policy show names its params",
                                  "%s '%s'%s has no param '%s'", hb_policy_kind_name(s->kind), name,
                                  s->plugin ? "" : " (the built-in)", c->param);
        if (rc == 0 && !value_ok(&param, c->value))
                return hb_err_set(e, -ERANGE, name, param.help, "%g is no value of '%s': a %s from %g to %g",
                                  c->value, c->param, param.type, param.min, param.max);
        if (rc == 0)
                rc = add_tune(s, c->param, c->value);
        return rc < 0 ? hb_err_set(e, rc, name, NULL, "not enough memory to set a param") : 0;
}
