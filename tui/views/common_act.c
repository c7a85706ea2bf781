/* common_act: what every view with a guest does on a key: place, unplace, estimate, migrate, abort, record,
 * stop, and going to the guest's other views. Makes orders only; each names its object, says what it will do,
 * and asks for the guest's name where it moves a guest or throws work away. Pure. */
#include "views/common.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

struct act {
        struct hb_view_ctx *c;
        const struct hb_guest_seen *g;
        const char *const *answers;
        unsigned n;
        struct hb_order *o;
};

static json_t *guest_arg(const struct act *a) {
        return json_pack("{s:s}", "guest", a->g->name);
}

/* The seat that gives orders about the guest: the host it runs on. */
static bool has_source(const struct act *a) {
        if (!hb_view_may_act(a->c, a->o))
                return false;
        if (a->g->guest && hb_view_seat(a->c->world, a->g->seat))
                return true;
        hb_order_say(a->o, "%s runs on a host whose daemon is not looked at: add its socket to give orders.",
                     a->g->name);
        return false;
}

static bool not_moving(const struct act *a) {
        const json_t *h = hb_view_moving(a->g);

        if (!h)
                return true;
        hb_order_say(a->o, "%s is being moved: %s.", a->g->name,
                     hb_view_or(hb_json_text(h, "state_text"), "a hand-over is under way"));
        return false;
}

/* ---- which host ---- */

static const json_t *peers(const struct act *a) {
        return hb_json_at(hb_view_seat(a->c->world, a->g->seat)->tick, "hosts");
}

static void ask_host(const struct act *a, const char *what) {
        const json_t *h, *all = peers(a);
        const char *first = "";
        size_t i;

        json_array_foreach((json_t *)all, i, h) {
                const char *name = hb_json_text(h, "name");

                if (!*name)
                        continue;
                hb_order_choice(a->o, name);
                if (!*first && a->o->nchoices)
                        first = a->o->choices[0];
        }
        hb_order_ask(a->o, a->o->nchoices == 1 ? first : "", "%s %s: to which host?", what, a->g->name);
}

/* A host that the daemon did not name is not sent to it: the answer would be an error. */
static bool good_host(const struct act *a, const char *host) {
        const json_t *h, *all = peers(a);
        size_t i;

        if (!*host) {
                hb_order_say(a->o, "No host was named: nothing is done.");
                return false;
        }
        if (!json_array_size(all)) /* an older daemon: it will know */
                return true;
        json_array_foreach((json_t *)all, i, h) {
                if (strcmp(hb_json_text(h, "name"), host) == 0)
                        return true;
        }
        hb_order_say(a->o, "%s knows no host %s. Add a [host.%s] section to its settings and reload.",
                     hb_view_seat_label(a->c->world, a->g->seat), host, host);
        return false;
}

/* ---- orders ---- */

static int place(const struct act *a) {
        const char *to = hb_json_text(a->g->guest, "placement.to");
        char num[HB_FMT_SIZE];
        json_t *args;

        if (!has_source(a) || !not_moving(a))
                return 0;
        if (json_is_object(hb_json_at(a->g->guest, "placement")))
                return hb_order_say(a->o, "%s is placed on %s already. Unplace it first to choose another.",
                                    a->g->name, hb_view_or(to, "a host"));
        if (!a->n) {
                ask_host(a, "place");
                return 0;
        }
        if (!good_host(a, a->answers[0]))
                return 0;
        args = json_pack("{s:s,s:s}", "guest", a->g->name, "host", a->answers[0]);
        return hb_order_call(
                a->o, a->g->seat, "place", args, "",
                "keep %s ready on %s: of its %s what is worth it is sent, and again as it changes",
                a->g->name, a->answers[0], hb_fmt_bytes(hb_view_number(a->g->guest, "resident_bytes"), num));
}

static int unplace(const struct act *a) {
        struct hb_view_figures f;
        char num[HB_FMT_SIZE];

        if (!has_source(a) || !not_moving(a))
                return 0;
        hb_view_figures(a->g, &f);
        if (!f.placement)
                return hb_order_say(a->o, "%s is not placed: there is nothing to give up.", a->g->name);
        return hb_order_call(a->o, a->g->seat, "unplace", guest_arg(a), a->g->name,
                             "give up the placement of %s on %s: the %s that are ready there are dropped",
                             a->g->name, hb_view_or(f.to, "its target"),
                             hb_fmt_bytes(f.fresh * HB_VIEW_PAGE, num));
}

/* From, to, what it costs, and first of all whether it is ready. */
static int move_to(const struct act *a, const char *host) {
        json_t *args = json_pack("{s:s,s:s}", "guest", a->g->name, "host", host);
        const char *from = hb_view_seat_label(a->c->world, a->g->seat);
        char down[HB_FMT_SIZE], after[HB_FMT_SIZE];
        struct hb_view_judged j;

        hb_view_judge(a->c->world, a->g, &j);
        a->o->long_running = true;
        if (j.ready.sign == '+')
                return hb_order_call(a->o, a->g->seat, "migrate", args, a->g->name,
                                     "move %s from %s to %s: ready; stops it for about %s, %s are sent then",
                                     a->g->name, from, host, hb_view_downtime(j.f.downtime_ms, down),
                                     hb_fmt_bytes(j.f.after_bytes, after));
        if (!j.f.placement)
                return hb_order_call(
                        a->o, a->g->seat, "migrate", args, a->g->name,
                        "move %s from %s to %s, NOT PLACED: all of its %s are sent first; it runs "
                        "on until little is left",
                        a->g->name, from, host,
                        hb_fmt_bytes(hb_view_number(a->g->guest, "resident_bytes"), after));
        return hb_order_call(
                a->o, a->g->seat, "migrate", args, a->g->name,
                "move %s from %s to %s, NOT READY (%s, %s left): estimated to stop it for %s; it "
                "runs on until the rest fits the allowed downtime",
                a->g->name, from, host, j.ready.word, hb_fmt_bytes(j.f.left_bytes, after),
                hb_view_downtime(j.f.downtime_ms, down));
}

static int migrate(const struct act *a) {
        const char *to = hb_json_text(a->g->guest, "placement.to");

        if (!has_source(a) || !not_moving(a))
                return 0;
        if (hb_view_false(a->g->guest, "can_move"))
                return hb_order_say(a->o, "%s cannot move: %s.", a->g->name,
                                    hb_view_or(hb_json_text(a->g->guest, "cannot_move"), "its VMM says so"));
        if (*to)
                return move_to(a, to);
        if (!a->n) {
                ask_host(a, "move");
                return 0;
        }
        return good_host(a, a->answers[0]) ? move_to(a, a->answers[0]) : 0;
}

/* Whoever released the guest may not take it back: the target may run it by now. */
static bool can_undo(const json_t *h) {
        static const char *const states[] = {"s-prepare", "s-converge", "s-freeze",
                                             "s-delta",   "s-state",    "s-loaded"};

        for (size_t i = 0; i < sizeof(states) / sizeof(states[0]); i++)
                if (strcmp(hb_json_text(h, "state"), states[i]) == 0)
                        return true;
        return !hb_json_text(h, "state")[0]; /* not told: the daemon decides */
}

static int undo_move(const struct act *a) {
        const json_t *h = hb_view_moving(a->g);

        if (!has_source(a))
                return 0;
        if (!h)
                return hb_order_say(a->o, "%s is not being moved: there is nothing to abort.", a->g->name);
        if (strncmp(hb_json_text(h, "state"), "s-", 2) == 0 && !can_undo(h))
                return hb_order_say(a->o, "Too late to abort the move of %s: %s.", a->g->name,
                                    hb_json_text(h, "state_text"));
        return hb_order_call(a->o, a->g->seat, "migrate.abort", guest_arg(a), "y",
                             "abort the move of %s: it goes on running on %s", a->g->name,
                             hb_view_seat_label(a->c->world, a->g->seat));
}

/* ---- recordings ---- */

/* Where it can be recorded: on its own host, else where it comes to. */
static unsigned record_seat(const struct act *a) {
        if (a->g->guest && hb_view_seat(a->c->world, a->g->seat))
                return a->g->seat;
        return hb_view_seat(a->c->world, a->g->target) ? a->g->target : HB_NO_SEAT;
}

static bool under_way(const struct act *a, unsigned seat) {
        const json_t *r, *all = hb_json_at(hb_view_seat(a->c->world, seat)->tick, "recordings");
        size_t i;

        json_array_foreach((json_t *)all, i, r) {
                const char *state = hb_json_text(r, "state");

                if (strcmp(hb_json_text(r, "guest"), a->g->name) == 0 && *state &&
                    strcmp(state, "ended") != 0 && strcmp(state, "failed") != 0)
                        return true;
        }
        return false;
}

static int record(const struct act *a, bool begin) {
        unsigned seat = record_seat(a);
        const char *where;

        if (!hb_view_may_act(a->c, a->o))
                return 0;
        if (seat == HB_NO_SEAT)
                return hb_order_say(a->o, "No daemon looked at has %s.", a->g->name);
        where = hb_view_seat_label(a->c->world, seat);
        if (begin && under_way(a, seat))
                return hb_order_say(a->o, "%s is being recorded on %s already.", a->g->name, where);
        if (!begin && !under_way(a, seat))
                return hb_order_say(a->o, "%s is not being recorded on %s.", a->g->name, where);
        if (begin)
                return hb_order_call(a->o, seat, "trace.record", guest_arg(a), "",
                                     "record %s on %s until it is stopped", a->g->name, where);
        return hb_order_call(a->o, seat, "trace.stop", guest_arg(a), "", "end the recording of %s on %s",
                             a->g->name, where);
}

int hb_view_guest_act(struct hb_view_ctx *c, enum hb_action action, const struct hb_guest_seen *g,
                      const char *const *answers, unsigned nanswers, struct hb_order *ret) {
        struct act a = {c, g, answers, nanswers, ret};

        switch (action) {
        case HB_DO_VIEW_GUEST:
                return hb_order_go(ret, HB_VIEW_GUEST, g->id);
        case HB_DO_VIEW_PLACEMENT:
                return hb_order_go(ret, HB_VIEW_PLACEMENT, g->id);
        case HB_DO_VIEW_MIGRATION:
        case HB_DO_ESTIMATE: /* a dry run, asked for by that view */
                return hb_order_go(ret, HB_VIEW_MIGRATION, g->id);
        case HB_DO_PLACE:
                return place(&a);
        case HB_DO_UNPLACE:
                return unplace(&a);
        case HB_DO_MIGRATE:
                return migrate(&a);
        case HB_DO_ABORT:
                return undo_move(&a);
        case HB_DO_RECORD:
        case HB_DO_STOP:
                return record(&a, action == HB_DO_RECORD);
        default:
                return 0;
        }
}
