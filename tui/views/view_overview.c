/* view_overview: the screen that is left open all day: what needs a look, the hosts, and every guest with how
 * ready it is and why not more. Order is by name unless the operator sorts, so that nothing moves by itself.
 * Cost: a row's figures for each guest, once a tick. */
#include "views/view_overview.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROOMY    16u  /* lines from which hosts, links and costs are shown too */
#define BARS_FIT 100u /* columns from which there are bars */
#define TALL     40u  /* lines from which the newest warnings are shown too */

/* ---- what needs a look ---- */

/* Most urgent first: what the guests are sorted by when somebody asks for that. */
enum { LOST, STALLED, UNKNOWN, MOVING, FILLING, UNFIT, ABSENT, READY, KINDS };
static const struct {
        const char *words; /* of hb_readiness, with '|' around each */
        const char *say;
        bool look; /* needs one */
} kinds[KINDS] = {
        [LOST] = {"|lost|gone|", "lost", true},
        [STALLED] = {"|stalled|", "stalled", true},
        [UNKNOWN] = {"|unknown|", "unknown", true},
        [MOVING] = {"|moving|", "moving", false},
        [FILLING] = {"|filling|connecting|attaching|", "filling", false},
        [UNFIT] = {"|cannot move|", "cannot move", false}, /* for good, mostly: no alarm */
        [ABSENT] = {"|not placed|", "not placed", false},
        [READY] = {"|ready|", "ready", false},
};

static unsigned kind_of(const char *word) {
        char key[32];

        snprintf(key, sizeof(key), "|%s|", word);
        for (unsigned k = 0; k < KINDS; k++)
                if (strstr(kinds[k].words, key))
                        return k;
        return UNKNOWN;
}

static void list(const unsigned count[KINDS], bool look, char *buf, size_t size) {
        for (unsigned k = 0; k < KINDS; k++)
                if (count[k] && kinds[k].look == look)
                        hb_part_add(buf, size, "%s%u %s", *buf ? ", " : "", count[k], kinds[k].say);
}

static void attention(hb_doc *d, const struct hb_view_judged *all, unsigned n) {
        unsigned count[KINDS] = {0}, look = 0;
        char bad[160] = "", good[160] = "";

        for (unsigned i = 0; i < n; i++)
                count[kind_of(all[i].ready.word)]++;
        for (unsigned k = 0; k < KINDS; k++)
                look += kinds[k].look ? count[k] : 0;
        list(count, true, bad, sizeof(bad));
        list(count, false, good, sizeof(good));
        if (look)
                hb_doc_note(d, "attention", count[LOST] ? HB_STYLE_BAD : HB_STYLE_WARN, '!',
                            "%u of %u guest%s need%s a look: %s%s%s", look, n, n == 1 ? "" : "s",
                            look == 1 ? "s" : "", bad, good[0] ? "; " : "", good);
        else if (n)
                hb_doc_note(d, "attention", HB_STYLE_GOOD, '+', "nothing needs a look: %u guest%s, %s", n,
                            n == 1 ? "" : "s", good);
}

/* ---- guests ---- */

/* The first is what "sort" sorts by when it is pressed once. */
static const struct hb_doc_column columns[] = {
        {"urgency", "urgency", true, 9, 0, false},
        {"guest", "guest", false, 0, 6, false},
        {"host", "host", false, 2, 0, false},
        {"to", "to", false, 1, 0, false},
        {"ready", "ready", false, 0, 12, false},
        {"left_bytes", "left", true, 0, 8, false},
        {"dirty_bytes_per_s", "written", true, 2, 9, false},
        {"rate_bytes_per_s", "coming", true, 2, 9, false},
        {"downtime_ms", "downtime", true, 1, 8, false},
        {"trend", "trend", false, 3, 0, false},
        {"fresh_bytes", "there", true, 7, 8, false},
        {"resident_bytes", "memory", true, 6, 8, false},
        {"state", "state", false, 7, 0, false},
        {"cost_share", "cost", true, 8, 6, false},
        {"why", "why, and what next", false, 5, 24, true},
};

/* " 3 min": of a short word the unit that matters is enough. */
static void minutes(double s, char buf[HB_FMT_SIZE]) {
        if (s < 60)
                snprintf(buf, HB_FMT_SIZE, " %.0f s", s);
        else if (s < 3600)
                snprintf(buf, HB_FMT_SIZE, " %.0f min", floor(s / 60));
        else
                snprintf(buf, HB_FMT_SIZE, " %.0f h", fmin(floor(s / 3600), 9999));
}

static void cell_bytes(hb_doc_table *t, double v) {
        hb_part_cell_as(t, HB_STYLE_NORMAL, v, hb_fmt_bytes);
}

/* The word is padded, so that signs stand below each other beside a bar. Where the trend has no column of its
 * own, how long it has stalled stands here instead of the bar. */
static void ready_cell(const struct hb_view_ctx *c, hb_doc_table *t, const struct hb_readiness *r,
                       const struct hb_view_figures *f) {
        bool placed = f->placement || f->incoming;
        char since[HB_FMT_SIZE] = "";

        if (!hb_view_on_screen(c) || c->width >= BARS_FIT) {
                hb_doc_cell_bar(t, r->style, placed ? r->share : 0, json_string(r->word), "%c %-*s", r->sign,
                                hb_view_on_screen(c) ? 11 : 0, r->word);
                return;
        }
        if (strcmp(r->word, "stalled") == 0 && f->trend_s >= 0)
                minutes(f->trend_s, since);
        hb_doc_cell(t, r->style, json_string(r->word), "%c %s%s", r->sign, r->word, since);
}

static void why_cell(hb_doc_table *t, const struct hb_readiness *r, const struct hb_view_figures *f) {
        char after[HB_FMT_SIZE];

        if (r->why[0])
                hb_doc_cell(t, r->style, hb_part_string(r->why), "%s", r->why);
        else
                hb_doc_cell(t, HB_STYLE_DIM, json_null(), "a move sends %s more",
                            hb_fmt_bytes(f->after_bytes, after));
}

static void state_cell(hb_doc_table *t, const json_t *guest) {
        const char *state = hb_json_text(guest, "state");

        if (strcmp(hb_json_text(guest, "recording.state"), "recording") == 0)
                hb_doc_cell(t, HB_STYLE_NORMAL, hb_part_string(state), "%s, recorded", state);
        else
                hb_part_cell(t, HB_STYLE_NORMAL, state);
}

static void guest_row(struct hb_view_ctx *c, hb_doc_table *t, const struct hb_guest_seen *g,
                      const struct hb_view_judged *j) {
        const char *from = hb_view_seat_label(c->world, g->seat);
        const struct hb_view_figures *f = &j->f;
        char text[64];

        hb_doc_row(t, g->id);
        hb_doc_cell(t, HB_STYLE_DIM, json_integer(kind_of(j->ready.word)), "%u", kind_of(j->ready.word));
        hb_part_cell(t, HB_STYLE_STRONG, g->id);
        hb_part_cell(t, HB_STYLE_NORMAL, hb_view_or(from, f->from));
        hb_part_cell(t, HB_STYLE_NORMAL, hb_view_or(f->to, hb_view_seat_label(c->world, g->target)));
        ready_cell(c, t, &j->ready, f);
        cell_bytes(t, f->left_bytes);
        hb_part_cell_as(t, HB_STYLE_NORMAL, f->dirty, hb_fmt_rate);
        hb_part_cell_as(t, HB_STYLE_NORMAL, f->rate, hb_fmt_rate);
        hb_doc_cell(t, HB_STYLE_NORMAL, hb_part_number(f->downtime_ms), "%s",
                    hb_view_downtime(f->downtime_ms, text));
        hb_doc_cell(t, hb_view_trend_style(f), hb_part_string(f->trend), "%s",
                    hb_view_trend(f, text, sizeof(text)));
        cell_bytes(t, f->fresh * HB_VIEW_PAGE);
        cell_bytes(t, hb_view_number(g->guest, "resident_bytes"));
        state_cell(t, g->guest);
        hb_part_cell_as(t, HB_STYLE_DIM, hb_view_number(g->guest, "guest_cost_share"), hb_fmt_share);
        why_cell(t, &j->ready, f);
}

static void guests(struct hb_view_ctx *c, hb_doc *d, const struct hb_guest_seen *g,
                   const struct hb_view_judged *all, unsigned n) {
        hb_doc_table *t = hb_doc_table_new(
                d, "guests", hb_view_on_screen(c) ? NULL : "Guests", columns,
                sizeof(columns) / sizeof(columns[0]), true,
                "No guests yet. Attach one on its host: harbinger guest attach NAME --qmp SOCKET");

        for (unsigned i = 0; i < n; i++)
                guest_row(c, t, &g[i], &all[i]);
}

/* ---- below the table ---- */

static const struct hb_guest_seen *selected(const struct hb_view_ctx *c) {
        const struct hb_guest_seen *all;

        if (c->memory->place.row[0])
                return hb_world_guest(c->world, c->memory->place.row);
        return hb_world_guests(c->world, &all) > 0 ? &all[0] : NULL;
}

/* The newest warnings and errors of the last hour, as many as there is room for. */
static void warnings(struct hb_view_ctx *c, hb_doc *d, unsigned most) {
        struct hb_event_seen e;
        char time[HB_PART_TEXT], line[400];
        double now = hb_world_wall(c->world);
        bool any = false;

        for (size_t i = 0; most > 0 && hb_world_event(c->world, i, &e); i++) {
                bool bad = e.level == HB_EVENT_ERROR;

                if (e.level > HB_EVENT_WARNING || (now > 0 && e.time < now - 3600))
                        continue;
                if (!any)
                        hb_doc_heading(d, "Warnings of the last hour");
                any = true;
                most--;
                snprintf(line, sizeof(line), "%s %s%s%s%s", hb_part_time(e.time, now, time),
                         hb_view_or(e.guest, e.host), *e.guest || *e.host ? ": " : "", e.text,
                         *e.next ? "; next: " : "");
                hb_doc_note(d, NULL, bad ? HB_STYLE_BAD : HB_STYLE_WARN, bad ? 'x' : '!', "%s%s", line,
                            e.next);
        }
}

static int build(struct hb_view_ctx *c, hb_doc *d) {
        const struct hb_guest_seen *g;
        unsigned n = hb_world_guests(c->world, &g);
        struct hb_view_judged *all = calloc(n + 1, sizeof(*all));

        if (!all)
                return -ENOMEM;
        for (unsigned i = 0; i < n; i++)
                hb_view_judge(c->world, &g[i], &all[i]);
        attention(d, all, n);
        hb_view_seat_note(d, c->world);
        if (hb_view_height(c) >= ROOMY)
                hb_overview_hosts(c, d);
        guests(c, d, g, all, n);
        free(all);
        if (hb_view_on_screen(c) && c->height >= 8 && selected(c))
                hb_view_verdict(c, d, selected(c));
        if (hb_view_on_screen(c) && c->height >= TALL)
                warnings(c, d, c->height / 10);
        return 0;
}

static int act(struct hb_view_ctx *c, enum hb_action a, const char *row, const char *const *answers,
               unsigned nanswers, struct hb_order *ret) {
        const struct hb_guest_seen *g = row ? hb_world_guest(c->world, row) : NULL;

        if (a == HB_DO_NEXT_HOST)
                return hb_view_next_host(c, "host", ret);
        if (!g)
                return 0;
        if (a == HB_DO_OPEN)
                a = HB_DO_VIEW_PLACEMENT;
        return hb_view_guest_act(c, a, g, answers, nanswers, ret);
}

const struct hb_view hb_view_overview = {
        .name = "overview",
        .title = "overview",
        .key = HB_DO_VIEW_OVERVIEW,
        .build = build,
        .act = act,
        .hints = {HB_DO_OPEN, HB_DO_VIEW_GUEST, HB_DO_PLACE, HB_DO_ESTIMATE, HB_DO_MIGRATE, HB_DO_FILTER,
                  HB_DO_SORT, HB_DO_FREEZE, HB_DO_VIEW_HELP, HB_DO_QUIT, HB_DO_NONE},
};
