/* view_placement: one guest's way to its target: how ready, what is left, why not more, what it costs. The
 * ticks have the figures; what only the daemons' full status tells (scores, policies, ways) is asked for
 * every two seconds while the view is shown. */
#include "views/view_placement.h"
#include <string.h>

#define FULL_EVERY_S    2.0
#define HISTORY_EVERY_S 10.0

/* The object of this guest in one of the lists of `status guest=NAME`. */
static const json_t *full(struct hb_view_ctx *c, unsigned seat, const char *list, const char *guest,
                          const char *member) {
        const json_t *o, *all, *r;
        size_t i;

        if (!hb_view_seat(c->world, seat))
                return NULL;
        r = hb_world_detail(c->world, seat, "status", json_pack("{s:s}", "guest", guest), FULL_EVERY_S, NULL,
                            NULL);
        all = hb_json_at(r, list);
        json_array_foreach((json_t *)all, i, o) {
                if (strcmp(hb_json_text(o, member), guest) == 0)
                        return o;
        }
        return NULL;
}

static const json_t *last_move(struct hb_view_ctx *c, const struct hb_guest_seen *g) {
        unsigned seat = g->guest ? g->seat : g->target;
        const json_t *o, *all;
        size_t i;

        if (!hb_view_seat(c->world, seat))
                return NULL;
        all = hb_json_at(hb_world_detail(c->world, seat, "history", NULL, HISTORY_EVERY_S, NULL, NULL),
                         "entries");
        json_array_foreach((json_t *)all, i, o) {
                if (strcmp(hb_json_text(o, "guest"), g->name) == 0 &&
                    json_is_object(hb_json_at(o, "figures.outcome")))
                        return hb_json_at(o, "figures");
        }
        return NULL;
}

static void look(struct hb_view_ctx *c, const struct hb_guest_seen *g, struct hb_placement_seen *ret) {
        *ret = (struct hb_placement_seen){.g = g};
        hb_view_figures(g, &ret->f);
        if (!ret->f.placement && !ret->f.incoming)
                return;
        ret->out = hb_json_at(full(c, g->seat, "guests", g->name, "name"), "placement");
        ret->in = full(c, g->target, "incoming", g->name, "guest");
        ret->last = last_move(c, g);
}

static void subject(struct hb_view_ctx *c, hb_doc *d, const struct hb_placement_seen *p) {
        const char *from = hb_view_or(hb_view_seat_label(c->world, p->g->seat), p->f.from);
        const char *to = hb_view_or(p->f.to, hb_view_seat_label(c->world, p->g->target));

        if (*to)
                hb_doc_subject(d, "%s: %s > %s", p->g->name, hb_view_or(from, "?"), to);
        else
                hb_doc_subject(d, "%s on %s", p->g->name, hb_view_or(from, "?"));
}

static void not_placed(struct hb_view_ctx *c, hb_doc *d, const struct hb_guest_seen *g) {
        char mem[HB_FMT_SIZE], dirty[HB_FMT_SIZE], place[HB_PART_TEXT], cost[HB_PART_TEXT];

        hb_doc_field(d, "resident_bytes", "memory in use", HB_STYLE_NORMAL,
                     hb_part_known(hb_json_number(g->guest, "resident_bytes")), "%s",
                     hb_fmt_bytes(hb_view_number(g->guest, "resident_bytes"), mem));
        hb_doc_field(d, "dirty_bytes_per_s", "written", HB_STYLE_NORMAL,
                     hb_part_known(hb_json_number(g->guest, "dirty_bytes_per_s")), "%s",
                     hb_fmt_rate(hb_view_number(g->guest, "dirty_bytes_per_s"), dirty));
        hb_doc_note(
                d, NULL, HB_STYLE_NOTE, 'i',
                "%s places it on a host, so that a move is short; %s estimates what a move would cost now.",
                hb_part_key(c, HB_DO_PLACE, place), hb_part_key(c, HB_DO_ESTIMATE, cost));
}

static int build(struct hb_view_ctx *c, hb_doc *d) {
        const struct hb_guest_seen *g = hb_view_guest_of(c);
        struct hb_placement_seen p;

        if (!g) {
                hb_view_no_guest(c, d);
                hb_view_seat_note(d, c->world);
                return 0;
        }
        look(c, g, &p);
        subject(c, d, &p);
        hb_view_verdict(c, d, g);
        hb_view_seat_note(d, c->world);
        if (!p.f.placement && !p.f.incoming) {
                not_placed(c, d, g);
                return 0;
        }
        hb_placement_image(d, &p);
        hb_placement_outlook(d, &p);
        hb_placement_bytes(d, &p);
        hb_placement_scores(d, &p);
        hb_doc_aside(d, true);
        hb_placement_use(d, &p);
        hb_placement_path(d, &p);
        hb_placement_policies(d, &p);
        hb_placement_history(c, d, &p);
        return 0;
}

static int act(struct hb_view_ctx *c, enum hb_action a, const char *row, const char *const *answers,
               unsigned nanswers, struct hb_order *ret) {
        const struct hb_guest_seen *g = hb_view_guest_of(c);

        if (!g)
                return 0;
        if (a == HB_DO_OPEN)
                a = HB_DO_VIEW_GUEST;
        if (a == HB_DO_VIEW_PLACEMENT)
                return 0;
        return hb_view_guest_act(c, a, g, answers, nanswers, ret);
}

const struct hb_view hb_view_placement = {
        .name = "placement",
        .title = "placement",
        .key = HB_DO_VIEW_PLACEMENT,
        .build = build,
        .act = act,
        .hints = {HB_DO_VIEW_GUEST, HB_DO_ESTIMATE, HB_DO_MIGRATE, HB_DO_PLACE, HB_DO_UNPLACE,
                  HB_DO_VIEW_POLICIES, HB_DO_VIEW_OVERVIEW, HB_DO_FREEZE, HB_DO_VIEW_HELP, HB_DO_NONE},
};
