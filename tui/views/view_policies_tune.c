/* view_policies_tune: another value for a param: which one, which value, and whether it is one the param
 * takes. The range stands in the question and is checked before anything is sent; a wrong answer is asked
 * again. */
#include "views/common.h"
#include "views/view_policies.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const json_t *param_named(const json_t *shown, const char *name) {
        const json_t *p;
        size_t i;

        json_array_foreach(json_object_get(shown, "params"), i, p) {
                if (strcmp(hb_json_text(p, "name"), name) == 0)
                        return p;
        }
        return NULL;
}

static bool is_boolean(const json_t *p) {
        return strcmp(hb_json_text(p, "type"), "boolean") == 0;
}

static bool word_is(const char *text, const char *const words[4]) {
        for (unsigned i = 0; i < 4; i++)
                if (strcmp(text, words[i]) == 0)
                        return true;
        return false;
}

/* Why the value cannot be sent; NULL: it can. */
static const char *bad_value(const json_t *p, const char *text, double *ret) {
        static const char *const yes[4] = {"yes", "true", "on", "1"}, *const no[4] = {"no", "false", "off",
                                                                                      "0"};
        char *end;

        if (is_boolean(p)) {
                *ret = word_is(text, yes);
                return word_is(text, yes) || word_is(text, no) ? NULL : "it is yes or no";
        }
        *ret = strtod(text, &end);
        if (end == text || end[strspn(end, " ")] || !isfinite(*ret))
                return "that is no number";
        if (strcmp(hb_json_text(p, "type"), "integer") == 0 && *ret != floor(*ret))
                return "it is a whole number";
        if (*ret < hb_json_number(p, "min"))
                return "that is below its range";
        return *ret > hb_json_number(p, "max") ? "that is above its range" : NULL;
}

static int ask_value(const struct hb_policies_act *a, const json_t *p, const char *wrong) {
        char value[HB_PART_TEXT], initial[HB_PART_TEXT], from[HB_PART_TEXT], to[HB_PART_TEXT];
        const char *unit = hb_json_text(p, "unit");

        hb_part_bound(hb_json_number(p, "value"), value);
        if (is_boolean(p)) {
                hb_order_choice(a->o, "yes");
                hb_order_choice(a->o, "no");
                return hb_order_ask(a->o, hb_json_number(p, "value") > 0 ? "no" : "yes", "%s%s%s", wrong,
                                    *wrong ? ": " : "", hb_json_text(p, "name"));
        }
        /* Nothing stands in the prompt already: what is typed would be added to it. */
        return hb_order_ask(a->o, "", "%s%s%s, now %s: %s to %s%s%s, default %s", wrong, *wrong ? ": " : "",
                            hb_json_text(p, "name"), value, hb_part_bound(hb_json_number(p, "min"), from),
                            hb_part_bound(hb_json_number(p, "max"), to), *unit ? " " : "", unit,
                            hb_part_bound(hb_json_number(p, "default"), initial));
}

static int ask_param(const struct hb_policies_act *a, const json_t *shown) {
        const json_t *p, *first = json_array_get(json_object_get(shown, "params"), 0);
        char name[96];
        size_t i;

        if (!first)
                return hb_order_say(a->o, "%s %s has no params.", a->row.kind, hb_policy_name(shown, name));
        json_array_foreach(json_object_get(shown, "params"), i, p) {
                hb_order_choice(a->o, hb_json_text(p, "name"));
        }
        return hb_order_ask(a->o, param_named(shown, a->selected) ? a->selected : hb_json_text(first, "name"),
                            "param of %s %s (%s)", a->row.kind, hb_policy_name(shown, name), a->row.place);
}

static int send_value(const struct hb_policies_act *a, const json_t *shown, const json_t *p, double value) {
        bool shadow = strcmp(a->row.place, "shadow") == 0;
        char name[96], to[HB_PART_TEXT], was[HB_PART_TEXT];

        return hb_order_call(a->o, a->k.seat, "policy.tune",
                             json_pack("{s:s,s:s,s:f,s:b}", "kind", a->row.kind, "param",
                                       hb_json_text(p, "name"), "value", value, "shadow", shadow),
                             "y", "tune %s %s (%s) on %s: %s becomes %s, was %s, from the next epoch on",
                             a->row.kind, hb_policy_name(shown, name), a->row.place,
                             hb_part_host(a->c->world, a->k.seat), hb_json_text(p, "name"),
                             hb_part_bound(value, to), hb_part_bound(hb_json_number(p, "value"), was));
}

int hb_policies_tune(const struct hb_policies_act *a) {
        struct hb_policies_look look = a->k;
        const struct hb_err *err = NULL;
        const json_t *shown, *p;
        const char *wrong;
        double value = 0;

        if (!hb_policies_may(a))
                return 0;
        if (strcmp(a->row.place, "active") != 0 && strcmp(a->row.place, "shadow") != 0)
                return hb_order_say(a->o, "Only the active one and the shadow can be tuned: load %s first.",
                                    a->row.name[0] ? a->row.name : "it");
        shown = hb_policies_shown(&look, &err);
        if (!shown)
                return hb_order_say(a->o, "The params of this policy are %s.",
                                    err && err->code ? err->what : "being asked for: try again in a moment");
        if (a->n == 0)
                return ask_param(a, shown);
        p = param_named(shown, a->answers[0]);
        if (!p)
                return hb_order_say(a->o, "It has no param %s.", a->answers[0]);
        if (a->n == 1)
                return ask_value(a, p, "");
        wrong = bad_value(p, a->answers[a->n - 1], &value);
        if (wrong && a->n < HB_ANSWERS)
                return ask_value(a, p, wrong);
        return wrong ? hb_order_say(a->o, "%s: %s. Nothing is changed.", a->answers[a->n - 1], wrong)
                     : send_value(a, shown, p, value);
}
