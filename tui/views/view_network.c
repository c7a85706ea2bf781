/* view_network: links between hosts, a row for each direction that a daemon tells of, and below the selected
 * one in words; then the daemons themselves: who is silent since when, and what watching them costs. Latency
 * and speed are the transport's own measurements while it works; an idle link has none. */
#include "views/common.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct hb_doc_column columns[] = {
        {"from", "from", false, 0, 0, false},
        {"to", "to", false, 0, 0, false},
        {"state", "state", false, 0, 6, false},
        {"latency_ms", "latency", true, 1, 7, false},
        {"bytes_per_s", "speed", true, 1, 9, false},
        {"used_share", "in use", false, 2, 14, false},
        {"cap_bytes_per_s", "cap", true, 4, 0, false},
        {"compression", "packed", true, 5, 0, false},
        {"connections", "conns", true, 6, 0, false},
        {"path", "path", false, 1, 0, false},
        {"placements", "out", true, 3, 0, false},
        {"incoming", "in", true, 3, 0, false},
        {"wire_bytes", "sent", true, 5, 8, false},
        {"address", "address", false, 7, 0, false},
        {"why", "why", false, 4, 20, true},
};

static void link_id(const char *from, const char *to, char id[160]) {
        snprintf(id, 160, "%s>%s", from, to);
}

static enum hb_style state_look(const char *state, char *ret_sign) {
        static const struct {
                const char *state;
                char sign;
                enum hb_style style;
        } look[] = {{"up", '+', HB_STYLE_GOOD}, {"idle", '-', HB_STYLE_DIM}, {"down", 'x', HB_STYLE_BAD}};

        for (size_t i = 0; i < sizeof(look) / sizeof(look[0]); i++) {
                if (strcmp(look[i].state, state) != 0)
                        continue;
                *ret_sign = look[i].sign;
                return look[i].style;
        }
        *ret_sign = '?';
        return HB_STYLE_WARN;
}

static void number_cell(hb_doc_table *t, double v, hb_part_format *f) {
        hb_part_cell_as(t, HB_STYLE_NORMAL, v, f);
}

static void use_cell(hb_doc_table *t, const json_t *h) {
        double share = hb_view_number(h, "used_share");
        char num[HB_FMT_SIZE];

        if (isnan(share))
                hb_part_cell_as(t, HB_STYLE_DIM, share, hb_fmt_rate);
        else
                hb_doc_cell_bar(t, share >= 0.9 ? HB_STYLE_WARN : HB_STYLE_SENT, share, hb_part_number(share),
                                "%s", hb_fmt_rate(share * hb_view_number(h, "bytes_per_s"), num));
}

static void cap_cell(hb_doc_table *t, double cap) {
        char num[HB_FMT_SIZE];

        if (cap == 0)
                hb_doc_cell(t, HB_STYLE_DIM, json_integer(0), "none");
        else
                hb_doc_cell(t, HB_STYLE_NORMAL, hb_part_number(cap), "%s", hb_fmt_rate(cap, num));
}

static void pack_cell(hb_doc_table *t, double pack) {
        char text[HB_PART_TEXT] = "-";

        if (isfinite(pack))
                snprintf(text, sizeof(text), "%.1f to 1", pack);
        hb_doc_cell(t, HB_STYLE_NORMAL, hb_part_number(pack), "%s", text);
}

static void link_row(hb_doc_table *t, const struct hb_seat *s, const json_t *h) {
        const char *state = hb_json_text(h, "state"), *to = hb_json_text(h, "name");
        const char *why = hb_view_or(hb_json_text(h, "why"), hb_json_text(h, "path_why"));
        char id[160], sign;
        enum hb_style style = state_look(state, &sign);

        link_id(s->label, to, id);
        hb_doc_row(t, id);
        hb_part_cell(t, HB_STYLE_STRONG, s->label);
        hb_part_cell(t, HB_STYLE_STRONG, to);
        hb_doc_cell(t, style, hb_part_string(state), "%c %s", sign, hb_view_or(state, "unknown"));
        number_cell(t, hb_view_number(h, "latency_ms"), hb_fmt_ms);
        number_cell(t, hb_view_number(h, "bytes_per_s"), hb_fmt_rate);
        use_cell(t, h);
        cap_cell(t, hb_view_number(h, "cap_bytes_per_s"));
        pack_cell(t, hb_view_number(h, "compression"));
        number_cell(t, hb_view_number(h, "connections"), hb_fmt_count);
        hb_part_cell(t, HB_STYLE_NORMAL, hb_json_text(h, "path"));
        number_cell(t, hb_view_number(h, "placements"), hb_fmt_count);
        number_cell(t, hb_view_number(h, "incoming"), hb_fmt_count);
        number_cell(t, hb_view_number(h, "wire_bytes"), hb_fmt_bytes);
        hb_part_cell(t, HB_STYLE_DIM, hb_json_text(h, "address"));
        hb_part_cell(t, style, why);
}

/* Calls for each link, in a stable order, until `f` says true. */
static bool each_link(const hb_world *w, bool (*f)(void *arg, const struct hb_seat *s, const json_t *h),
                      void *arg) {
        const json_t *h;
        size_t k;

        for (unsigned i = 0; i < hb_world_seats(w); i++) {
                const struct hb_seat *s = hb_world_seat(w, i);

                json_array_foreach((json_t *)hb_json_at(s ? s->tick : NULL, "hosts"), k, h) {
                        if (hb_json_text(h, "name")[0] && f(arg, s, h))
                                return true;
                }
        }
        return false;
}

static bool add_row(void *arg, const struct hb_seat *s, const json_t *h) {
        link_row(arg, s, h);
        return false;
}

/* ---- the selected link in words ---- */

struct wanted {
        const char *id; /* "": the first */
        const struct hb_seat *seat;
        const json_t *host;
};

static bool is_wanted(void *arg, const struct hb_seat *s, const json_t *h) {
        struct wanted *w = arg;
        char id[160];

        link_id(s->label, hb_json_text(h, "name"), id);
        if (*w->id && strcmp(id, w->id) != 0)
                return false;
        w->seat = s;
        w->host = h;
        return true;
}

static void guests_of(hb_doc *d, const struct hb_seat *s, const char *to) {
        const json_t *g, *all = hb_json_at(s->tick, "guests");
        char line[300] = "";
        unsigned n = 0;
        size_t i;

        json_array_foreach((json_t *)all, i, g) {
                if (strcmp(hb_json_text(g, "placement.to"), to) == 0 && n++ < 8)
                        hb_part_add(line, sizeof(line), "%s%s %s", *line ? ", " : "", hb_json_text(g, "name"),
                                    hb_view_or(hb_json_text(g, "placement.state"), "?"));
        }
        if (n > 8)
                hb_part_add(line, sizeof(line), " and %u more", n - 8);
        hb_doc_field(d, NULL, "guests over it", HB_STYLE_NORMAL, NULL, "%s", hb_view_or(line, "none"));
}

static void selected(struct hb_view_ctx *c, hb_doc *d) {
        struct wanted w = {.id = c->memory->place.row};
        char at[HB_FMT_SIZE];
        const char *state;

        if (!each_link(c->world, is_wanted, &w)) {
                w.id = "";
                if (!each_link(c->world, is_wanted, &w))
                        return;
        }
        state = hb_json_text(w.host, "state");
        hb_doc_field(d, NULL, "link", HB_STYLE_STRONG, NULL, "%s to %s at %s", w.seat->label,
                     hb_json_text(w.host, "name"), hb_view_or(hb_json_text(w.host, "address"), "-"));
        if (hb_json_text(w.host, "why")[0])
                hb_doc_field(d, NULL, strcmp(state, "down") == 0 ? "down because" : "note",
                             strcmp(state, "down") == 0 ? HB_STYLE_BAD : HB_STYLE_NORMAL, NULL, "%s",
                             hb_json_text(w.host, "why"));
        if (hb_json_text(w.host, "next")[0])
                hb_doc_field(d, NULL, "next", HB_STYLE_NORMAL, NULL, "%s", hb_json_text(w.host, "next"));
        if (hb_json_text(w.host, "path")[0])
                hb_doc_field(d, NULL, "pages go by", HB_STYLE_NORMAL, NULL, "%s%s%s",
                             strcmp(hb_json_text(w.host, "path"), "rdma") == 0 ? "RDMA" : "TCP",
                             hb_json_text(w.host, "path_why")[0] ? ": " : "",
                             hb_json_text(w.host, "path_why"));
        hb_doc_field(d, NULL, "sent so far", HB_STYLE_NORMAL, NULL, "%s",
                     hb_fmt_bytes(hb_view_number(w.host, "wire_bytes"), at));
        guests_of(d, w.seat, hb_json_text(w.host, "name"));
}

/* ---- daemons ---- */

static const struct hb_doc_column daemon_columns[] = {
        {"host", "daemon of", false, 0, 0, false},
        {"state", "state", false, 0, 0, false},
        {"since_s", "since", true, 1, 0, false},
        {"age_s", "heard", true, 0, 0, false},
        {"viewers", "viewers", true, 4, 0, false},
        {"watch_cost_share", "watch cost", true, 3, 0, false},
        {"snapshot_ms", "snapshot", true, 5, 0, false},
        {"bytes", "received", true, 4, 0, false},
        {"skipped_events", "events lost", true, 6, 0, false},
        {"socket", "socket", false, 2, 0, false},
        {"why", "why, and what next", false, 3, 16, true},
};

static void daemon_row(hb_doc_table *t, const hb_world *w, const struct hb_seat *s) {
        bool up = s->state == HB_SEAT_UP, lost = s->state == HB_SEAT_LOST;
        char id[80], why[600] = "";

        snprintf(id, sizeof(id), "daemon/%s", s->label);
        snprintf(why, sizeof(why), "%s%s%s", s->why.what, s->why.next[0] ? "; " : "", s->why.next);
        hb_doc_row(t, id);
        hb_part_cell(t, HB_STYLE_STRONG, s->label);
        hb_doc_cell(t,
                    up     ? HB_STYLE_GOOD
                    : lost ? HB_STYLE_BAD
                           : HB_STYLE_WARN,
                    json_string(hb_seat_state_name(s->state)), "%c %s",
                    up     ? '+'
                    : lost ? 'x'
                           : '!',
                    hb_seat_state_name(s->state));
        number_cell(t, hb_view_age_s(w, s->since_ns), hb_fmt_seconds);
        number_cell(t, hb_view_age_s(w, s->heard_ns), hb_fmt_seconds);
        number_cell(t, hb_view_number(s->tick, "cost.viewers"), hb_fmt_count);
        number_cell(t, hb_view_number(s->tick, "cost.cpu_share"), hb_fmt_share);
        number_cell(t, hb_view_number(s->tick, "cost.snapshot_ms"), hb_fmt_ms);
        number_cell(t, (double)s->bytes, hb_fmt_bytes);
        number_cell(t, (double)s->skipped_events, hb_fmt_count);
        hb_part_cell(t, HB_STYLE_DIM, s->socket);
        hb_part_cell(t, up ? HB_STYLE_DIM : HB_STYLE_WARN, up ? "" : why);
}

/* Of many daemons on a screen only those that are not well: links are what the view is for. */
static void daemons(const struct hb_view_ctx *c, hb_doc *d) {
        unsigned n = 0, up = 0, most = hb_view_on_screen(c) ? 3 + c->height / 8 : HB_WORLD_SEATS, shown = 0;
        char title[64] = "";

        hb_doc_table *t;

        for (unsigned i = 0; i < hb_world_seats(c->world); i++) {
                const struct hb_seat *s = hb_world_seat(c->world, i);

                n += s != NULL;
                up += s && s->state == HB_SEAT_UP;
        }
        if (!hb_view_on_screen(c))
                snprintf(title, sizeof(title), "Daemons");
        else if (n > most)
                snprintf(title, sizeof(title), "%u of %u daemons are up; the others", up, n);
        t = hb_doc_table_new(d, "daemons", title, daemon_columns,
                             sizeof(daemon_columns) / sizeof(daemon_columns[0]), false,
                             n ? "none" : "no daemon is looked at");
        for (unsigned i = 0; i < hb_world_seats(c->world) && shown < most; i++) {
                const struct hb_seat *s = hb_world_seat(c->world, i);

                if (!s || (n > most && s->state == HB_SEAT_UP))
                        continue;
                daemon_row(t, c->world, s);
                shown++;
        }
}

static int build(struct hb_view_ctx *c, hb_doc *d) {
        hb_doc_table *t;

        if (hb_view_height(c) < 12)
                hb_view_seat_note(d, c->world);
        t = hb_doc_table_new(d, "links", hb_view_on_screen(c) ? NULL : "Links", columns,
                             sizeof(columns) / sizeof(columns[0]), true,
                             "No links: no daemon looked at has a [host.NAME] section in its settings.");
        each_link(c->world, add_row, t);
        if (hb_view_on_screen(c) && c->height >= 12)
                selected(c, d);
        daemons(c, d);
        return 0;
}

static int act(struct hb_view_ctx *c, enum hb_action a, const char *row, const char *const *answers,
               unsigned nanswers, struct hb_order *ret) {
        return a == HB_DO_NEXT_HOST ? hb_view_next_host(c, "from", ret) : 0;
}

const struct hb_view hb_view_network = {
        .name = "network",
        .title = "network",
        .key = HB_DO_VIEW_NETWORK,
        .build = build,
        .act = act,
        .hints = {HB_DO_NEXT_HOST, HB_DO_FILTER, HB_DO_SORT, HB_DO_REVERSE, HB_DO_VIEW_OVERVIEW,
                  HB_DO_VIEW_EVENTS, HB_DO_FREEZE, HB_DO_VIEW_HELP, HB_DO_NONE},
};
