/* view_guest: one guest's memory as a heat map, from all of it down to single pages, with the cursor's cell
 * in words, the hottest blocks and the last minutes. The maps are asked for every two seconds while it is
 * shown, bounded by the daemon. */
#include "views/view_guest.h"
#include <stdio.h>
#include <string.h>

static void subject(struct hb_view_ctx *c, hb_doc *d, const struct hb_guest_seen *g) {
        char mem[HB_FMT_SIZE], used[HB_FMT_SIZE];
        double ram = hb_view_number(g->guest, "ram_bytes");

        if (ram > 0)
                hb_doc_subject(d, "%s on %s, %s, %s in use", g->name, hb_view_seat_label(c->world, g->seat),
                               hb_fmt_bytes(ram, mem),
                               hb_fmt_bytes(hb_view_number(g->guest, "resident_bytes"), used));
        else
                hb_doc_subject(d, "%s", g->name);
}

static void about(hb_doc *d, const struct hb_guest_seen *g) {
        double every = hb_view_number(g->guest, "epoch_ms"), scan = hb_view_number(g->guest, "scan_ms"),
               cost = hb_view_number(g->guest, "guest_cost_share");
        const char *tracker = hb_json_text(g->guest, "tracker");
        char line[200], num[HB_FMT_SIZE];

        if (!*tracker)
                return;
        snprintf(line, sizeof(line), "%s", tracker);
        if (every > 0)
                hb_part_add(line, sizeof(line), " every %s", hb_fmt_ms(every, num));
        if (scan > 0)
                hb_part_add(line, sizeof(line), "; a scan takes %s", hb_fmt_ms(scan, num));
        if (cost >= 0)
                hb_part_add(line, sizeof(line), "; costs the guest %s of its time", hb_fmt_share(cost, num));
        hb_doc_field(d, "tracker", "watched by", HB_STYLE_DIM, hb_part_string(tracker), "%s", line);
}

/* The picture that was asked for; of a guest whose state on the target nobody tells its writes. */
static enum hb_map_picture picture(const struct hb_view_ctx *c, const struct hb_guest_seen *g,
                                   const struct hb_map_seen *m) {
        enum hb_map_picture p = (enum hb_map_picture)(c->memory->plane % HB_PICTURES);

        return p == HB_PICTURE_STATE && !g->incoming && !hb_map_knows(m, "fresh") ? HB_PICTURE_WRITES : p;
}

/* Where there is room, what is used and what lies there can be compared cell by cell. */
static void pictures(hb_doc *d, const struct hb_map_seen *m, enum hb_map_picture p) {
        enum hb_map_picture other = p == HB_PICTURE_STATE ? HB_PICTURE_WRITES : HB_PICTURE_STATE;

        hb_map_grid(d, m, "map", p);
        if (m->frame.two && (other != HB_PICTURE_STATE || hb_map_knows(m, "fresh")))
                hb_map_grid(d, m, "map_beside", other);
}

static int build(struct hb_view_ctx *c, hb_doc *d) {
        const struct hb_guest_seen *g = hb_view_guest_of(c);
        struct hb_map_seen m;
        uint64_t page;
        bool explained;

        if (!g) {
                hb_view_no_guest(c, d);
                hb_view_seat_note(d, c->world);
                return 0;
        }
        subject(c, d, g);
        hb_view_verdict(c, d, g);
        hb_map_ask(c, g, &m);
        if (m.frame.pages == 0)
                hb_doc_note(d, "map_missing", HB_STYLE_NOTE, 'i', "How much memory it has is not known%s.",
                            g->guest ? "" : ": the daemon of the host it runs on is not looked at");
        else
                pictures(d, &m, picture(c, g, &m));
        hb_doc_aside(d, true);
        hb_guest_cell_words(d, &m);
        explained = hb_guest_explaining(c->memory, &page);
        if (explained)
                hb_guest_explain(c, d, g);
        if (!explained || m.frame.top)
                hb_guest_trails(c, d, g);
        if (m.frame.top)
                hb_guest_top(d, &m, m.frame.top);
        if (m.frame.top > 2)
                about(d, g);
        hb_view_seat_note(d, c->world);
        return 0;
}

/* ---- keys ---- */

static int done(struct hb_order *ret, bool changed, const char *otherwise) {
        if (!changed)
                return hb_order_say(ret, "%s", otherwise);
        ret->kind = HB_ORDER_DONE;
        return 0;
}

static int next_picture(struct hb_view_ctx *c, const struct hb_guest_seen *g, struct hb_order *ret) {
        struct hb_map_seen m;
        enum hb_map_picture now;

        hb_map_ask(c, g, &m);
        now = picture(c, g, &m);
        c->memory->plane = ((uint32_t)now + 1) % HB_PICTURES;
        if (picture(c, g, &m) == now || (c->memory->plane == HB_PICTURE_STATE && picture(c, g, &m)))
                c->memory->plane = HB_PICTURE_READS;
        ret->kind = HB_ORDER_DONE;
        return 0;
}

static int move(struct hb_view_ctx *c, const struct hb_map_frame *f, enum hb_action a, struct hb_order *ret) {
        int64_t by = a == HB_DO_LEFT    ? -1
                     : a == HB_DO_RIGHT ? 1
                     : a == HB_DO_UP    ? -(int64_t)f->columns
                                        : f->columns;

        hb_map_move(c->memory, f, by); /* at the edge: nothing, silently */
        ret->kind = HB_ORDER_DONE;
        return 0;
}

static int zoom(struct hb_view_ctx *c, const struct hb_map_frame *f, bool in, struct hb_order *ret) {
        return done(ret, hb_map_zoom(c->memory, f, in),
                    in ? f->cell_pages > 1
                                    ? "All of the guest is shown already as close as the window allows."
                                    : "A cell is one page already."
                       : "All of the guest's memory is shown.");
}

static int act(struct hb_view_ctx *c, enum hb_action a, const char *row, const char *const *answers,
               unsigned nanswers, struct hb_order *ret) {
        const struct hb_guest_seen *g = hb_view_guest_of(c);
        struct hb_map_frame f;

        if (!g)
                return 0;
        hb_map_frame(c, g, &f);
        switch (a) {
        case HB_DO_LEFT:
        case HB_DO_RIGHT:
        case HB_DO_UP:
        case HB_DO_DOWN:
                return f.pages ? move(c, &f, a, ret) : 0;
        case HB_DO_OPEN:
                if (f.cell_pages == 1)
                        return hb_guest_ask_explain(c, g, answers, nanswers, ret);
                return zoom(c, &f, true, ret);
        case HB_DO_ZOOM_IN:
        case HB_DO_ZOOM_OUT:
                return zoom(c, &f, a == HB_DO_ZOOM_IN, ret);
        case HB_DO_PLANE:
                return next_picture(c, g, ret);
        case HB_DO_EXPLAIN:
                return hb_guest_ask_explain(c, g, answers, nanswers, ret);
        case HB_DO_BACK:
                if (!c->memory->detail[0])
                        return 0;
                c->memory->detail[0] = '\0';
                return done(ret, true, "");
        case HB_DO_VIEW_GUEST:
                return 0;
        default:
                return hb_view_guest_act(c, a, g, answers, nanswers, ret);
        }
}

const struct hb_view hb_view_guest = {
        .name = "guest",
        .title = "guest",
        .key = HB_DO_VIEW_GUEST,
        .build = build,
        .act = act,
        .hints = {HB_DO_ZOOM_IN, HB_DO_ZOOM_OUT, HB_DO_PLANE, HB_DO_EXPLAIN, HB_DO_VIEW_PLACEMENT,
                  HB_DO_ESTIMATE, HB_DO_MIGRATE, HB_DO_VIEW_OVERVIEW, HB_DO_FREEZE, HB_DO_VIEW_HELP,
                  HB_DO_NONE},
};
