/* view_migration: a formal move, before, during and after: what it would cost, where it is, how it went. One
 * screen, so that the answer to "shall I?" and the reason why the last one went badly stand together.
 *
 * Cost: a dry run each 5 s and the hosts' histories each 10 s, only while somebody looks. One thread. */
#include "views/view_migration.h"
#include <math.h>
#include <string.h>

static void subject(struct hb_view_ctx *c, hb_doc *d, const struct hb_guest_seen *g) {
        char to[96];

        hb_migration_target(c, g, to);
        if (g->guest && to[0])
                hb_doc_subject(d, "%s, %s to %s", g->name, hb_part_host(c->world, g->seat), to);
        else if (g->guest)
                hb_doc_subject(d, "%s, on %s", g->name, hb_part_host(c->world, g->seat));
        else
                hb_doc_subject(d, "%s, coming to %s", g->name, hb_part_host(c->world, g->target));
}

static void trails(struct hb_view_ctx *c, hb_doc *d, const struct hb_guest_seen *g) {
        double values[2][HB_TRAIL_POINTS];
        char dirty[HB_FMT_SIZE], rate[HB_FMT_SIZE];
        struct hb_view_figures f;
        size_t n = hb_world_trail(c->world, g->trail, HB_TRAIL_DIRTY, values[0]);
        size_t m = hb_world_trail(c->world, g->trail, HB_TRAIL_RATE, values[1]);

        if (hb_view_height(c) < 20 || n + m == 0)
                return;
        hb_view_figures(g, &f);
        hb_doc_series(d, "dirty_trail", "guest writes", HB_STYLE_WRITE, values[0], n, true, "%s",
                      hb_fmt_rate(f.dirty, dirty));
        if (f.placement || f.incoming)
                hb_doc_series(d, "rate_trail", "comes", HB_STYLE_SENT, values[1], m, true, "%s",
                              hb_fmt_rate(f.rate, rate));
}

static int build(struct hb_view_ctx *c, hb_doc *d) {
        const struct hb_guest_seen *g = hb_view_guest_of(c);
        const json_t *moving = g ? hb_view_moving(g) : NULL;

        hb_view_seat_note(d, c->world);
        if (g) {
                subject(c, d, g);
                if (moving)
                        hb_migration_build_move(c, d, g, moving);
                else
                        hb_migration_build_estimate(c, d, g);
                trails(c, d, g);
        } else {
                hb_view_no_guest(c, d);
        }
        hb_migration_build_all(c, d, g && moving ? g->name : "");
        hb_migration_build_past(c, d, g);
        return 0;
}

/* ---- keys ---- */

/* The guest before or after in the list of all. */
static int turn(struct hb_view_ctx *c, const struct hb_guest_seen *g, int by, struct hb_order *ret) {
        const struct hb_guest_seen *all;
        unsigned n = hb_world_guests(c->world, &all), at = 0;

        for (unsigned i = 0; i < n; i++)
                if (strcmp(all[i].id, g->id) == 0)
                        at = i;
        if (n < 2)
                return hb_order_say(ret, "There is no other guest.");
        at = (unsigned)((int)at + by + (int)n) % n;
        snprintf(c->memory->subject, sizeof(c->memory->subject), "%s", all[at].id);
        memset(c->memory->detail, 0, sizeof(c->memory->detail));
        ret->kind = HB_ORDER_DONE;
        return 0;
}

/* The one it was about is gone. */
static int first_guest(struct hb_view_ctx *c, struct hb_order *ret) {
        memset(c->memory->subject, 0, sizeof(c->memory->subject));
        if (!hb_view_guest_of(c))
                return hb_order_say(ret, "There is no guest on the hosts looked at.");
        ret->kind = HB_ORDER_DONE;
        return 0;
}

static void host_choices(const json_t *hosts, struct hb_order *ret) {
        const json_t *h;
        size_t i;

        json_array_foreach(hosts, i, h) {
                if (hb_json_text(h, "name")[0])
                        hb_order_choice(ret, hb_json_text(h, "name"));
        }
}

/* The estimate is always there; what can be chosen is the host it is for. */
static int estimate(struct hb_view_ctx *c, const struct hb_guest_seen *g, const char *const *answers,
                    unsigned n, struct hb_order *ret) {
        const struct hb_seat *s = hb_view_seat(c->world, g->seat);
        const char *placed = hb_json_text(g->guest, "placement.to");
        char to[96];

        if (!g->guest || !s)
                return hb_order_say(ret, "%s runs on a host whose daemon is not looked at.", g->name);
        if (*placed)
                return hb_order_say(
                        ret,
                        "%s is placed on %s: the estimate here is for that host, and is asked for "
                        "again every 5 s.",
                        g->name, placed);
        if (n == 0) {
                host_choices(json_object_get(s->tick, "hosts"), ret);
                return hb_order_ask(ret, hb_migration_target(c, g, to),
                                    "estimate a move of %s to which host?", g->name);
        }
        if (!answers[0][0] || strlen(answers[0]) > sizeof(c->memory->detail) - 4)
                return hb_order_say(ret, "No host was named.");
        memset(c->memory->detail, 0, sizeof(c->memory->detail));
        snprintf(c->memory->detail, sizeof(c->memory->detail), "to %.92s", answers[0]);
        ret->kind = HB_ORDER_DONE;
        return 0;
}

/* Why not, before the daemon has to say so. */
static int undo(struct hb_view_ctx *c, const struct hb_guest_seen *g, const char *const *answers, unsigned n,
                struct hb_order *ret) {
        const json_t *h = hb_view_moving(g);
        const char *no = h ? hb_migration_no_abort(h) : NULL;

        if (no)
                return hb_order_say(ret, "The move of %s cannot be aborted: %s.", g->name, no);
        return hb_view_guest_act(c, HB_DO_ABORT, g, answers, n, ret);
}

static int open_row(struct hb_view_ctx *c, const char *row, struct hb_order *ret) {
        char name[160];

        if (!hb_migration_row_guest(row, name)[0])
                return 0;
        if (!hb_world_guest(c->world, name))
                return hb_order_say(ret, "%s is not on the hosts looked at any more.", name);
        memset(c->memory->detail, 0, sizeof(c->memory->detail));
        snprintf(c->memory->subject, sizeof(c->memory->subject), "%s", name);
        ret->kind = HB_ORDER_DONE;
        return 0;
}

static int act(struct hb_view_ctx *c, enum hb_action a, const char *row, const char *const *answers,
               unsigned nanswers, struct hb_order *ret) {
        const struct hb_guest_seen *g = hb_view_guest_of(c);

        if (!g)
                return a == HB_DO_LEFT || a == HB_DO_RIGHT ? first_guest(c, ret) : 0;
        switch (a) {
        case HB_DO_LEFT:
                return turn(c, g, -1, ret);
        case HB_DO_RIGHT:
                return turn(c, g, 1, ret);
        case HB_DO_OPEN:
                return open_row(c, row, ret);
        case HB_DO_ESTIMATE:
                return estimate(c, g, answers, nanswers, ret);
        case HB_DO_ABORT:
                return undo(c, g, answers, nanswers, ret);
        case HB_DO_VIEW_MIGRATION: /* it is here already, of this guest */
                return hb_order_go(ret, HB_VIEW_MIGRATION, g->id);
        default:
                return hb_view_guest_act(c, a, g, answers, nanswers, ret);
        }
}

const struct hb_view hb_view_migration = {
        .name = "migration",
        .title = "migration",
        .key = HB_DO_VIEW_MIGRATION,
        .build = build,
        .act = act,
        .hints = {HB_DO_MIGRATE, HB_DO_ABORT, HB_DO_ESTIMATE, HB_DO_PLACE, HB_DO_UNPLACE, HB_DO_RIGHT,
                  HB_DO_OPEN, HB_DO_NONE},
};
