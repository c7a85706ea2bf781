/* view_policies_act: what keys do to policies. Every order names the policy and the host it is for, in its
 * question; what changes who decides wants the policy's name typed, the rest a yes. Values are checked
 * against the param's range before anything is sent. Makes orders and changes the memory, nothing else. */
#include "views/common.h"
#include "views/view_policies.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct act {
        struct hb_policies_look k;
        struct hb_view_ctx *c;
        struct hb_policies_detail at;
        struct hb_policy_row row;
        bool has_row;
        const char *selected; /* id of the row of what is shown: a param, a guest */
        const char *const *answers;
        unsigned n;
        struct hb_order *o;
};

static const char *host(const struct act *a) {
        return hb_part_host(a->c->world, a->k.seat);
}

static const json_t *kind_of(const struct act *a) {
        return hb_policies_kind(&a->k, a->row.kind);
}

static size_t guests(const struct act *a) {
        return json_array_size(json_object_get(a->k.list, "guests"));
}

static const char *plural(size_t n) {
        return n == 1 ? "" : "s";
}

/* A policy is selected, and orders may be given. */
static bool may(const struct act *a) {
        if (!hb_view_may_act(a->c, a->o))
                return false;
        if (a->k.list && a->has_row && kind_of(a))
                return true;
        hb_order_say(a->o, "No policy is selected: nothing is known of this host's policies yet.");
        return false;
}

/* ---- load ---- */

#define OTHER "another..."

static bool offered(const json_t *candidate) {
        const char *place = hb_json_text(candidate, "place");

        return hb_json_text(candidate, "name")[0] && !hb_json_text(candidate, "error")[0] &&
               strcmp(place, "active") != 0 && strcmp(place, "shadow") != 0;
}

static int ask_which(const struct act *a) {
        const json_t *kind, *f;
        char choice[100], initial[100] = "";
        size_t i, j;

        if (strcmp(a->row.place, "file") == 0)
                snprintf(initial, sizeof(initial), "%s/%s", a->row.kind, a->row.name);
        json_array_foreach(json_object_get(a->k.list, "kinds"), i, kind) {
                json_array_foreach(json_object_get(kind, "candidates"), j, f) {
                        snprintf(choice, sizeof(choice), "%.24s/%.70s", hb_json_text(kind, "kind"),
                                 hb_json_text(f, "name"));
                        if (offered(f) && a->o->nchoices < HB_ORDER_CHOICES - 1)
                                hb_order_choice(a->o, choice);
                }
        }
        hb_order_choice(a->o, OTHER);
        return hb_order_ask(a->o, initial, "load on %s as a shadow", host(a));
}

static int send_load(const struct act *a, const char *kind, const char *policy) {
        json_t *args = json_pack("{s:s}", "policy", policy);

        if (*kind)
                json_object_set_new(args, "kind", json_string(kind));
        return hb_order_call(
                a->o, a->k.seat, "policy.load", args, "y",
                "load %s%s%s on %s: it is checked, then shadows on %zu guest%s and decides nothing", kind,
                *kind ? " " : "", policy, host(a), guests(a), plural(guests(a)));
}

static int load(const struct act *a) {
        const char *answer = a->n ? a->answers[0] : "", *slash = strchr(answer, '/');
        char kind[24];

        if (!may(a))
                return 0;
        if (a->n == 0)
                return ask_which(a);
        if (strcmp(answer, OTHER) == 0) {
                if (a->n == 1)
                        return hb_order_ask(
                                a->o, "", "NAME, NAME@N, the first digits of a hash, or a file on %s from /",
                                host(a));
                return a->answers[1][0] ? send_load(a, "", a->answers[1])
                                        : hb_order_say(a->o, "No policy was named: nothing is done.");
        }
        if (!slash || slash == answer || (size_t)(slash - answer) >= sizeof(kind))
                return answer[0] ? send_load(a, "", answer)
                                 : hb_order_say(a->o, "No policy was named: nothing is done.");
        snprintf(kind, sizeof(kind), "%.*s", (int)(slash - answer), answer);
        return hb_policies_kind(&a->k, kind) ? send_load(a, kind, slash + 1) : send_load(a, "", answer);
}

/* ---- who decides ---- */

static int promote(const struct act *a) {
        const json_t *kind = kind_of(a), *shadow;
        char name[96], active[96];
        bool canary, in_canary;

        if (!may(a))
                return 0;
        shadow = json_object_get(kind, "shadow");
        in_canary = hb_json_number(kind, "canary") > 0;
        if (!json_is_object(shadow))
                return hb_order_say(a->o, "There is no shadow %s on %s. Load one first.", a->row.kind,
                                    host(a));
        if (a->n == 0 && !in_canary && guests(a) > 1) {
                hb_order_choice(a->o, "all guests");
                hb_order_choice(a->o, "canary: some of them");
                return hb_order_ask(a->o, "all guests", "promote %s %s on", a->row.kind,
                                    hb_policy_name(shadow, name));
        }
        canary = a->n > 0 && strncmp(a->answers[0], "canary", 6) == 0;
        return hb_order_call(a->o, a->k.seat, "policy.promote",
                             json_pack("{s:s,s:b}", "kind", a->row.kind, "canary", canary),
                             hb_json_text(shadow, "name"),
                             "promote %s %s on %s: it decides on %s from the next epoch on; %s %s",
                             a->row.kind, hb_policy_name(shadow, name), host(a),
                             canary ? "the canary's share of the guests" : "all guests",
                             hb_policy_name(json_object_get(kind, "active"), active),
                             canary ? "shadows there" : "becomes the previous one");
}

static int rollback(const struct act *a) {
        const json_t *kind = kind_of(a), *previous;
        char name[96], active[96];

        if (!may(a))
                return 0;
        previous = json_object_get(kind, "previous");
        if (hb_json_number(kind, "canary") > 0)
                return hb_order_call(
                        a->o, a->k.seat, "policy.rollback", json_pack("{s:s}", "kind", a->row.kind), "y",
                        "end the canary of %s %s on %s: it shadows on all guests again", a->row.kind,
                        hb_policy_name(json_object_get(kind, "shadow"), name), host(a));
        if (!json_is_object(previous))
                return hb_order_say(a->o, "No %s was active before on %s: there is nothing to go back to.",
                                    a->row.kind, host(a));
        return hb_order_call(a->o, a->k.seat, "policy.rollback", json_pack("{s:s}", "kind", a->row.kind),
                             hb_json_text(previous, "name"),
                             "roll %s back on %s: %s decides again, %s becomes the previous one", a->row.kind,
                             host(a), hb_policy_name(previous, name),
                             hb_policy_name(json_object_get(kind, "active"), active));
}

static int drop(const struct act *a) {
        const json_t *shadow;
        char name[96];

        if (!may(a))
                return 0;
        shadow = json_object_get(kind_of(a), "shadow");
        if (!json_is_object(shadow))
                return hb_order_say(a->o, "There is no shadow %s on %s: nothing to give up.", a->row.kind,
                                    host(a));
        return hb_order_call(
                a->o, a->k.seat, "policy.drop", json_pack("{s:s}", "kind", a->row.kind), "y",
                "give the shadow %s %s up on %s%s", a->row.kind, hb_policy_name(shadow, name), host(a),
                hb_json_number(kind_of(a), "canary") > 0 ? ", also where it decides (canary)" : "");
}

/* ---- tune ---- */

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

static int ask_value(const struct act *a, const json_t *p, const char *wrong) {
        char value[HB_PART_TEXT], initial[HB_PART_TEXT], from[HB_PART_TEXT], to[HB_PART_TEXT];
        const char *unit = hb_json_text(p, "unit");

        hb_part_bound(hb_json_number(p, "value"), value);
        if (is_boolean(p)) {
                hb_order_choice(a->o, "yes");
                hb_order_choice(a->o, "no");
                return hb_order_ask(a->o, hb_json_number(p, "value") > 0 ? "no" : "yes", "%s%s%s", wrong,
                                    *wrong ? ": " : "", hb_json_text(p, "name"));
        }
        return hb_order_ask(a->o, value, "%s%s%s: %s to %s%s%s, default %s", wrong, *wrong ? ": " : "",
                            hb_json_text(p, "name"), hb_part_bound(hb_json_number(p, "min"), from),
                            hb_part_bound(hb_json_number(p, "max"), to), *unit ? " " : "", unit,
                            hb_part_bound(hb_json_number(p, "default"), initial));
}

static int ask_param(const struct act *a, const json_t *shown) {
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

static int send_value(const struct act *a, const json_t *shown, const json_t *p, double value) {
        bool shadow = strcmp(a->row.place, "shadow") == 0;
        char name[96], to[HB_PART_TEXT], was[HB_PART_TEXT];

        return hb_order_call(a->o, a->k.seat, "policy.tune",
                             json_pack("{s:s,s:s,s:f,s:b}", "kind", a->row.kind, "param",
                                       hb_json_text(p, "name"), "value", value, "shadow", shadow),
                             "y", "tune %s %s (%s) on %s: %s becomes %s, was %s, from the next epoch on",
                             a->row.kind, hb_policy_name(shown, name), a->row.place, host(a),
                             hb_json_text(p, "name"), hb_part_bound(value, to),
                             hb_part_bound(hb_json_number(p, "value"), was));
}

static int tune(struct act *a) {
        const struct hb_err *err = NULL;
        const json_t *shown, *p;
        const char *wrong;
        double value = 0;

        if (!may(a))
                return 0;
        if (strcmp(a->row.place, "active") != 0 && strcmp(a->row.place, "shadow") != 0)
                return hb_order_say(a->o, "Only the active one and the shadow can be tuned: load %s first.",
                                    a->row.name[0] ? a->row.name : "it");
        shown = hb_policies_shown(&a->k, &err);
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

/* ---- looking ---- */

static int show(struct act *a, enum hb_policies_part part) {
        hb_policies_show(a->c->memory, a->at.part == part ? HB_POLICIES_LIST : part, a->k.row);
        a->o->kind = HB_ORDER_DONE;
        return 0;
}

/* List, guest by guest, params, history, and round again. */
static int turn(struct act *a, int by) {
        int part = a->at.part > HB_POLICIES_HISTORY ? 0 : (int)a->at.part;

        hb_policies_show(a->c->memory, (enum hb_policies_part)((part + by + 4) % 4), a->k.row);
        a->o->kind = HB_ORDER_DONE;
        return 0;
}

static int open_row(struct act *a) {
        if (a->at.part == HB_POLICIES_LANES && a->selected[0])
                return hb_order_go(a->o, HB_VIEW_PLACEMENT, a->selected);
        if (a->at.part != HB_POLICIES_LIST)
                return 0;
        return show(a, strcmp(a->row.place, "file") == 0 ? HB_POLICIES_DIFF : HB_POLICIES_PARAMS);
}

static int back(struct act *a) {
        /* The console takes a filter away first. */
        if (a->at.part == HB_POLICIES_LIST || a->c->memory->order.filter[0])
                return 0;
        return show(a, HB_POLICIES_LIST);
}

static int ask_guest(struct act *a) {
        const json_t *g, *first = json_array_get(json_object_get(a->k.list, "guests"), 0);
        const char *initial = hb_json_text(first, "guest");
        size_t i;

        if (!first)
                return hb_order_say(a->o, "No guest is placed on %s: there is no page to explain.", host(a));
        json_array_foreach(json_object_get(a->k.list, "guests"), i, g) {
                hb_order_choice(a->o, hb_json_text(g, "guest"));
                if (strcmp(hb_json_text(g, "guest"), a->selected) == 0)
                        initial = a->selected;
        }
        return hb_order_ask(a->o, initial, "explain a page of which guest?");
}

static int explain(struct act *a) {
        char *end, detail[256];
        struct hb_view_memory *m = a->c->memory;
        unsigned long long gfn;

        if (a->n == 0)
                return ask_guest(a);
        if (a->n == 1)
                return hb_order_ask(a->o, "0",
                                    "which page of %s? A page number, or 0x... without the "
                                    "address' last three digits",
                                    a->answers[0]);
        errno = 0;
        gfn = strtoull(a->answers[1], &end, 0);
        if (end == a->answers[1] || *end || errno || gfn > UINT32_MAX || strchr(a->answers[1], '-'))
                return hb_order_say(a->o, "%s is no page number.", a->answers[1]);
        snprintf(detail, sizeof(detail), "explain %s %.63s %llu", a->k.row, a->answers[0], gfn);
        if (strlen(detail) >= sizeof(m->detail) || strpbrk(a->answers[0], " \t"))
                return hb_order_say(a->o,
                                    "The names are too long for this view. "
                                    "Ask: harbinger policy explain %.60s %llu",
                                    a->answers[0], gfn);
        hb_policies_show(m, HB_POLICIES_EXPLAIN, a->k.row);
        memcpy(m->detail, detail, strlen(detail)); /* the rest is zeros since hb_policies_show */
        a->o->kind = HB_ORDER_DONE;
        return 0;
}

/* A guest of the lanes is what the guests' views shall be about. */
static int go_guest(const struct act *a, enum hb_view_id view) {
        if (a->at.part != HB_POLICIES_LANES || !a->selected[0])
                return 0;
        return hb_order_go(a->o, view, a->selected);
}

static int next_host(struct act *a) {
        unsigned seats = hb_world_seats(a->c->world), at = a->k.seat == HB_NO_SEAT ? 0 : a->k.seat;

        for (unsigned i = 1; i < seats; i++) {
                unsigned next = (at + i) % seats;

                if (!hb_world_seat(a->c->world, next))
                        continue;
                hb_policies_show(a->c->memory, HB_POLICIES_LIST, "");
                a->c->memory->seat = next + 1;
                a->o->kind = HB_ORDER_DONE;
                return 0;
        }
        return hb_order_say(a->o, "Only one host is looked at.");
}

int hb_policies_act(struct hb_view_ctx *c, enum hb_action action, const char *row, const char *const *answers,
                    unsigned nanswers, struct hb_order *ret) {
        struct act a = {.c = c, .selected = row, .answers = answers, .n = nanswers, .o = ret};

        hb_policies_look_at(c, &a.k);
        hb_policies_detail_parse(c->memory->detail, &a.at);
        /* What was selected when the key was pressed, whatever has moved since. */
        if (a.at.part == HB_POLICIES_LIST && row[0])
                snprintf(a.k.row, sizeof(a.k.row), "%.87s", row);
        a.has_row = hb_policy_row_parse(a.k.row, &a.row);
        switch (action) {
        case HB_DO_LOAD:
                return load(&a);
        case HB_DO_PROMOTE:
                return promote(&a);
        case HB_DO_ROLLBACK:
                return rollback(&a);
        case HB_DO_DROP:
                return drop(&a);
        case HB_DO_TUNE:
                return tune(&a);
        case HB_DO_DIFF:
                return show(&a, HB_POLICIES_DIFF);
        case HB_DO_HISTORY:
                return show(&a, HB_POLICIES_HISTORY);
        case HB_DO_EXPLAIN:
                return explain(&a);
        case HB_DO_OPEN:
                return open_row(&a);
        case HB_DO_BACK:
                return back(&a);
        case HB_DO_RIGHT:
        case HB_DO_PLANE:
                return turn(&a, 1);
        case HB_DO_LEFT:
                return turn(&a, -1);
        case HB_DO_NEXT_HOST:
                return next_host(&a);
        case HB_DO_VIEW_GUEST:
                return go_guest(&a, HB_VIEW_GUEST);
        case HB_DO_VIEW_PLACEMENT:
                return go_guest(&a, HB_VIEW_PLACEMENT);
        case HB_DO_VIEW_MIGRATION:
                return go_guest(&a, HB_VIEW_MIGRATION);
        default:
                return 0;
        }
}
