/* view_policies_act: what keys do to policies. Every order names the policy and the host it is for, in its
 * question; what changes who decides wants the policy's name typed, the rest a yes. Makes orders and changes
 * the memory, nothing else. */
#include "views/common.h"
#include "views/view_policies.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *host(const struct hb_policies_act *a) {
        return hb_part_host(a->c->world, a->k.seat);
}

static const json_t *kind_of(const struct hb_policies_act *a) {
        return hb_policies_kind(&a->k, a->row.kind);
}

static size_t guests(const struct hb_policies_act *a) {
        return json_array_size(json_object_get(a->k.list, "guests"));
}

static const char *plural(size_t n) {
        return n == 1 ? "" : "s";
}

bool hb_policies_may(const struct hb_policies_act *a) {
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

static int ask_which(const struct hb_policies_act *a) {
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

static int send_load(const struct hb_policies_act *a, const char *kind, const char *policy) {
        json_t *args = json_pack("{s:s}", "policy", policy);

        if (*kind)
                json_object_set_new(args, "kind", json_string(kind));
        return hb_order_call(
                a->o, a->k.seat, "policy.load", args, "y",
                "load %s%s%s on %s: it is checked, then shadows on %zu guest%s and decides nothing", kind,
                *kind ? " " : "", policy, host(a), guests(a), plural(guests(a)));
}

static int load(const struct hb_policies_act *a) {
        const char *answer = a->n ? a->answers[0] : "", *slash = strchr(answer, '/');
        char kind[24];

        if (!hb_policies_may(a))
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

static int promote(const struct hb_policies_act *a) {
        const json_t *kind = kind_of(a), *shadow;
        char name[96], active[96];
        bool canary, in_canary;

        if (!hb_policies_may(a))
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

static int rollback(const struct hb_policies_act *a) {
        const json_t *kind = kind_of(a), *previous;
        char name[96], active[96];

        if (!hb_policies_may(a))
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

static int drop(const struct hb_policies_act *a) {
        const json_t *shadow;
        char name[96];

        if (!hb_policies_may(a))
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

/* ---- looking ---- */

static int show(struct hb_policies_act *a, enum hb_policies_part part) {
        hb_policies_show(a->c->memory, a->at.part == part ? HB_POLICIES_LIST : part, a->k.row);
        a->o->kind = HB_ORDER_DONE;
        return 0;
}

/* List, guest by guest, params, history, and round again. */
static int turn(struct hb_policies_act *a, int by) {
        int part = a->at.part > HB_POLICIES_HISTORY ? 0 : (int)a->at.part;

        hb_policies_show(a->c->memory, (enum hb_policies_part)((part + by + 4) % 4), a->k.row);
        a->o->kind = HB_ORDER_DONE;
        return 0;
}

static int open_row(struct hb_policies_act *a) {
        if (a->at.part == HB_POLICIES_LANES && a->selected[0])
                return hb_order_go(a->o, HB_VIEW_PLACEMENT, a->selected);
        if (a->at.part != HB_POLICIES_LIST)
                return 0;
        return show(a, strcmp(a->row.place, "file") == 0 ? HB_POLICIES_DIFF : HB_POLICIES_PARAMS);
}

static int back(struct hb_policies_act *a) {
        /* The console takes a filter away first. */
        if (a->at.part == HB_POLICIES_LIST || a->c->memory->order.filter[0])
                return 0;
        return show(a, HB_POLICIES_LIST);
}

static int ask_guest(struct hb_policies_act *a) {
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

static int explain(struct hb_policies_act *a) {
        char *end, detail[256];
        struct hb_view_memory *m = a->c->memory;
        unsigned long long gfn;

        if (a->n == 0)
                return ask_guest(a);
        if (a->n == 1)
                return hb_order_ask(a->o, "",
                                    "which page of %s? A page number, or 0x... without the "
                                    "address' last three digits",
                                    a->answers[0]);
        errno = 0;
        gfn = strtoull(a->answers[1], &end, strncmp(a->answers[1], "0x", 2) == 0 ? 16 : 10);
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
static int go_guest(const struct hb_policies_act *a, enum hb_view_id view) {
        if (a->at.part != HB_POLICIES_LANES || !a->selected[0])
                return 0;
        return hb_order_go(a->o, view, a->selected);
}

static int next_host(struct hb_policies_act *a) {
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
        struct hb_policies_act a = {.c = c, .selected = row, .answers = answers, .n = nanswers, .o = ret};

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
                return hb_policies_tune(&a);
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
