/* view_overview_hosts: the hosts in a few lines: a row each where there are few, one line in all where there
 * are many (the network view has them all). Links and costs take one line each, whatever their number. */
#include "views/view_overview.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct hb_doc_column columns[] = {
        {"host", "host", false, 0, 0, false},
        {"state", "daemon", false, 0, 0, false},
        {"guests", "guests", true, 0, 0, false},
        {"incoming", "coming", true, 0, 0, false},
        {"available_bytes", "free memory", true, 1, 0, false},
        {"total_bytes", "of", true, 2, 0, false},
        {"cpu_share", "its CPU", true, 2, 0, false},
        {"rss_bytes", "its memory", true, 4, 0, false},
        {"uptime_s", "up for", true, 3, 0, false},
        {"version", "version", false, 5, 0, false},
        {"socket", "socket", false, 6, 0, true},
};

static unsigned most_rows(const struct hb_view_ctx *c) {
        unsigned h = hb_view_height(c);

        if (!hb_view_on_screen(c))
                return HB_WORLD_SEATS;
        return h < 30 ? 3 : h < 45 ? 6 : 12;
}

static unsigned seats(const hb_world *w) {
        unsigned n = 0;

        for (unsigned i = 0; i < hb_world_seats(w); i++)
                n += hb_world_seat(w, i) != NULL;
        return n;
}

static void count_cell(hb_doc_table *t, const json_t *array) {
        if (json_is_array(array))
                hb_doc_cell(t, HB_STYLE_NORMAL, json_integer((json_int_t)json_array_size(array)), "%zu",
                            json_array_size(array));
        else
                hb_doc_cell(t, HB_STYLE_DIM, json_null(), "-");
}

static void state_cell(hb_doc_table *t, const struct hb_seat *s) {
        static const struct {
                char sign;
                enum hb_style style;
        } look[] = {[HB_SEAT_CONNECTING] = {'~', HB_STYLE_NOTE},
                    [HB_SEAT_UP] = {'+', HB_STYLE_GOOD},
                    [HB_SEAT_SILENT] = {'!', HB_STYLE_WARN},
                    [HB_SEAT_LOST] = {'x', HB_STYLE_BAD}};
        const char *name = hb_seat_state_name(s->state);

        hb_doc_cell(t, look[s->state].style, json_string(name), "%c %s%s", look[s->state].sign, name,
                    s->replay ? ", a replay" : "");
}

static void host_row(hb_doc_table *t, const struct hb_seat *s) {
        char id[80];

        snprintf(id, sizeof(id), "host/%s", s->label);
        hb_doc_row(t, id);
        hb_part_cell(t, HB_STYLE_STRONG, s->label);
        state_cell(t, s);
        count_cell(t, hb_json_at(s->tick, "guests"));
        count_cell(t, hb_json_at(s->tick, "incoming"));
        hb_part_cell_as(t, HB_STYLE_NORMAL, hb_view_number(s->tick, "memory.available_bytes"), hb_fmt_bytes);
        hb_part_cell_as(t, HB_STYLE_DIM, hb_view_number(s->tick, "memory.total_bytes"), hb_fmt_bytes);
        hb_part_cell_as(t, HB_STYLE_NORMAL, hb_view_number(s->tick, "process.cpu_share"), hb_fmt_share);
        hb_part_cell_as(t, HB_STYLE_NORMAL, hb_view_number(s->tick, "process.rss_bytes"), hb_fmt_bytes);
        hb_part_cell_as(t, HB_STYLE_DIM, hb_view_number(s->tick, "uptime_s"), hb_fmt_seconds);
        hb_part_cell(t, HB_STYLE_DIM, hb_json_text(s->tick, "version"));
        hb_part_cell(t, HB_STYLE_DIM, s->socket);
}

static void in_one_line(hb_doc *d, const hb_world *w, unsigned n) {
        unsigned states[HB_SEAT_LOST + 1] = {0};
        char line[128] = "";

        for (unsigned i = 0; i < hb_world_seats(w); i++)
                if (hb_world_seat(w, i))
                        states[hb_world_seat(w, i)->state]++;
        for (unsigned s = 0; s <= HB_SEAT_LOST; s++)
                if (states[s])
                        hb_part_add(line, sizeof(line), "%s%u %s", *line ? ", " : "", states[s],
                                    hb_seat_state_name((enum hb_seat_state)s));
        hb_doc_field(d, NULL, "hosts", states[HB_SEAT_UP] == n ? HB_STYLE_GOOD : HB_STYLE_WARN, NULL,
                     "%u: %s", n, line);
}

static void hosts(struct hb_view_ctx *c, hb_doc *d) {
        unsigned n = seats(c->world);
        hb_doc_table *t;

        if (n > most_rows(c)) {
                in_one_line(d, c->world, n);
                return;
        }
        t = hb_doc_table_new(d, "hosts", hb_view_on_screen(c) ? NULL : "Hosts", columns,
                             sizeof(columns) / sizeof(columns[0]), false, "no daemon is looked at");
        for (unsigned i = 0; i < hb_world_seats(c->world); i++)
                if (hb_world_seat(c->world, i))
                        host_row(t, hb_world_seat(c->world, i));
}

/* ---- links ---- */

struct links {
        unsigned up, idle, down;
        double busiest; /* share */
        char first[160], trouble[200];
};

static void one_link(struct links *l, const char *from, const json_t *h) {
        const char *state = hb_json_text(h, "state");
        char ms[HB_FMT_SIZE], rate[HB_FMT_SIZE];

        if (strcmp(state, "down") == 0 && !l->down++)
                snprintf(l->trouble, sizeof(l->trouble), "%s > %s down: %s", from, hb_json_text(h, "name"),
                         hb_view_or(hb_json_text(h, "why"), "no reason given"));
        if (strcmp(state, "idle") == 0)
                l->idle++;
        if (strcmp(state, "up") == 0 && !l->up++)
                snprintf(l->first, sizeof(l->first), "%s > %s %s away, %s by %s", from,
                         hb_json_text(h, "name"), hb_fmt_ms(hb_view_number(h, "latency_ms"), ms),
                         hb_fmt_rate(hb_view_number(h, "bytes_per_s"), rate),
                         hb_view_or(hb_json_text(h, "path"), "an unknown path"));
}

static void links(struct hb_view_ctx *c, hb_doc *d) {
        struct links l = {0};
        const json_t *h;
        size_t k;

        for (unsigned i = 0; i < hb_world_seats(c->world); i++) {
                const struct hb_seat *s = hb_world_seat(c->world, i);

                if (!s)
                        continue;
                json_array_foreach((json_t *)hb_json_at(s->tick, "hosts"), k, h) {
                        one_link(&l, s->label, h);
                }
        }
        if (!l.up && !l.idle && !l.down)
                return;
        if (l.down)
                hb_doc_field(d, NULL, "links", HB_STYLE_BAD, NULL, "x %s%.0u%s; %u up", l.trouble, l.down - 1,
                             l.down > 1 ? " more down" : "", l.up);
        else if (l.up == 1)
                hb_doc_field(d, NULL, "links", HB_STYLE_GOOD, NULL, "+ %s%s", l.first,
                             l.idle ? "; others idle" : "");
        else
                hb_doc_field(d, NULL, "links", HB_STYLE_GOOD, NULL, "+ %u of %u in use, none down", l.up,
                             l.up + l.idle);
}

/* ---- what watching costs ---- */

static void cost(struct hb_view_ctx *c, hb_doc *d) {
        char cpu[HB_FMT_SIZE], rss[HB_FMT_SIZE], watch[HB_FMT_SIZE];
        double most = NAN;

        for (unsigned i = 0; i < hb_world_seats(c->world); i++) {
                const struct hb_seat *s = hb_world_seat(c->world, i);
                double v = s ? hb_view_number(s->tick, "cost.cpu_share") : NAN;

                if (isnan(most) || v > most)
                        most = v;
        }
        hb_doc_field(d, "watch_cost_share", "watching", HB_STYLE_DIM, hb_part_number(most),
                     "%s of a core in the busiest daemon; %s and %s here", hb_fmt_share(most, watch),
                     hb_fmt_share(hb_view_known(c->own_cpu_share), cpu),
                     hb_fmt_bytes(hb_view_known(c->own_rss_bytes), rss));
}

void hb_overview_hosts(struct hb_view_ctx *c, hb_doc *d) {
        hosts(c, d);
        links(c, d);
        if (seats(c->world))
                cost(c, d);
}
