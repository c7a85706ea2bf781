/* view_guest_map: what both hosts say of a guest's memory as one picture. The source knows reads and writes,
 * the target what lies there and what it expects; both are asked for the same cells. Heat is shown in steps
 * of four, from a top that is itself a power of four, so that the picture does not flicker with its maximum.
 */
#include "views/view_guest.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAP_EVERY_S 2.0
#define LEVELS      (HB_GLYPH_LEVELS - 1)

/* ---- asking ---- */

static const json_t *ask(struct hb_view_ctx *c, unsigned seat, const char *guest,
                         const struct hb_map_frame *f, char why[256]) {
        const struct hb_err *e = NULL;
        const json_t *r;

        if (!hb_view_seat(c->world, seat)) {
                snprintf(why, 256, "its daemon is not looked at");
                return NULL;
        }
        r = hb_world_detail(c->world, seat, "guest.map",
                            json_pack("{s:s,s:I,s:I,s:i}", "guest", guest, "first", (json_int_t)f->first,
                                      "pages", (json_int_t)f->span, "cells", (int)f->cells),
                            MAP_EVERY_S, &e, NULL);
        if (!r)
                snprintf(why, 256, "%s", e ? e->what : "asking for it");
        return json_is_object(hb_json_at(r, "planes")) ? r : NULL;
}

void hb_map_ask(struct hb_view_ctx *c, const struct hb_guest_seen *g, struct hb_map_seen *ret) {
        *ret = (struct hb_map_seen){0};
        hb_map_frame(c, g, &ret->frame);
        if (ret->frame.pages == 0)
                return;
        if (g->guest)
                ret->source = ask(c, g->seat, g->name, &ret->frame, ret->why_source);
        if (g->incoming)
                ret->target = ask(c, g->target, g->name, &ret->frame, ret->why_target);
        else if (json_is_object(hb_json_at(g->guest, "placement")))
                snprintf(ret->why_target, sizeof(ret->why_target), "the target's daemon is not looked at");
        else
                snprintf(ret->why_target, sizeof(ret->why_target), "it is not placed");
}

static const json_t *plane_of(const struct hb_map_seen *m, const char *plane) {
        const json_t *sides[] = {m->source, m->target};

        for (size_t i = 0; i < 2; i++) {
                const json_t *a = json_object_get(hb_json_at(sides[i], "planes"), plane);

                if (json_is_array(a))
                        return a;
        }
        return NULL;
}

bool hb_map_knows(const struct hb_map_seen *m, const char *plane) {
        return plane_of(m, plane) != NULL;
}

static double at(const json_t *plane, unsigned cell) {
        const json_t *v = json_array_get(plane, cell);

        return json_is_number(v) ? hb_view_known(json_number_value(v)) : NAN;
}

double hb_map_value(const struct hb_map_seen *m, const char *plane, unsigned cell) {
        return at(plane_of(m, plane), cell);
}

/* ---- heat ---- */

/* ..., 0.3, 1, 3, 10, 30, ...: 1 is the 0th. */
static double step_of(int k) {
        int tens = k >= 0 ? k / 2 : -((1 - k) / 2);

        return pow(10, tens) * (k - 2 * tens ? 3 : 1);
}

/* The step that no cell is above. */
static int top_of(const json_t *plane, unsigned n) {
        double most = 0;
        int k;

        for (unsigned i = 0; i < n; i++)
                most = fmax(most, at(plane, i)); /* NaN loses */
        most = fmin(most, 1e18);
        for (k = -12; step_of(k) < most; k++)
                ;
        return k;
}

static unsigned level_of(double v, int top) {
        unsigned level = LEVELS;

        if (!(v > 0))
                return 0;
        while (level > 1 && v <= step_of(top - 1 - (int)(LEVELS - level)))
                level--;
        return level;
}

static struct hb_doc_cell_value heat_cell(double v, int top) {
        unsigned level = level_of(v, top);

        if (isnan(v))
                return (struct hb_doc_cell_value){0, HB_STYLE_DIM, '?'};
        return (struct hb_doc_cell_value){(unsigned char)level, (enum hb_style)(HB_STYLE_HEAT0 + level),
                                          level ? (char)('0' + level) : '.'};
}

/* What each level means: "to 30/s", ">30/s", ">100/s", ... */
static unsigned heat_legend(int top, struct hb_doc_part legend[HB_GLYPH_LEVELS], char text[][HB_PART_TEXT]) {
        char num[HB_PART_TEXT];

        for (unsigned l = 0; l <= LEVELS; l++) {
                double from = step_of(top - 1 - (int)(LEVELS - (l > 1 ? l : 2)));

                snprintf(text[l], HB_PART_TEXT, "%s%.30s",
                         l > 1 ? ">"
                         : l   ? "to "
                               : "none",
                         l ? hb_guest_rate(from, num) : "");
                legend[l] = (struct hb_doc_part){.key = text[l],
                                                 .label = text[l],
                                                 .letter = l ? (char)('0' + l) : '.',
                                                 .style = (enum hb_style)(HB_STYLE_HEAT0 + l)};
        }
        return HB_GLYPH_LEVELS;
}

/* ---- state ---- */

/* The letters are those of the placement's bar. */
static const struct class {
        char letter;
        enum hb_style style;
        const char *label;
} classes[] = {{'F', HB_STYLE_FRESH, "fresh"},
               {'f', HB_STYLE_FRESH, "mostly fresh"},
               {'D', HB_STYLE_FRESH, "on its disk"},
               {'>', HB_STYLE_SENT, "on its way"},
               {'K', HB_STYLE_COPIED, "bytes known there"},
               {'S', HB_STYLE_STALE, "stale"},
               {'A', HB_STYLE_ABSENT, "absent"},
               {'.', HB_STYLE_ZERO, "holds nothing"},
               {'?', HB_STYLE_DIM, "not known"}};
enum { FRESH, MOSTLY, DISK, FETCHING, KNOWN, STALE, ABSENT, NOTHING, UNKNOWN, CLASSES };

static double zero_if_unknown(double v) {
        return isnan(v) ? 0 : v;
}

/* What most of a cell is; of equal ones what is worse. */
static unsigned class_of(double fresh, double stale, double absent, double fetching, double known,
                         double disk) {
        double missing = stale + absent;

        if (!(fresh + missing + fetching > 0))
                return NOTHING;
        if (fetching > 0 && fetching >= fresh && fetching >= missing)
                return FETCHING;
        if (missing >= fresh)
                return known * 2 > missing ? KNOWN : stale >= absent ? STALE : ABSENT;
        if (disk * 2 > fresh)
                return DISK;
        return missing + fetching > 0 ? MOSTLY : FRESH;
}

/* How full a cell looks: of fresh ones the share that is; trouble is drawn solid, its colour must be seen. */
static unsigned level_of_class(unsigned class, double share) {
        if (class == NOTHING || class == UNKNOWN)
                return 0;
        return class == MOSTLY ? (unsigned)lround(fmax(1, share * (LEVELS - 1))) : LEVELS;
}

static struct hb_doc_cell_value state_cell(const json_t *planes[6], unsigned i) {
        double fresh = at(planes[0], i), stale = zero_if_unknown(at(planes[1], i)),
               absent = zero_if_unknown(at(planes[2], i)), fetching = zero_if_unknown(at(planes[3], i)),
               all = fresh + stale + absent + fetching;
        unsigned class = isnan(fresh)
                                 ? UNKNOWN
                                 : class_of(fresh, stale, absent, fetching, zero_if_unknown(at(planes[4], i)),
                                            zero_if_unknown(at(planes[5], i)));

        return (struct hb_doc_cell_value){(unsigned char)level_of_class(class, fresh / all),
                                          classes[class].style, classes[class].letter};
}

static unsigned state_legend(const struct hb_doc_cell_value *cells, unsigned n,
                             struct hb_doc_part legend[CLASSES]) {
        unsigned k = 0;

        for (unsigned i = 0; i < CLASSES; i++) {
                bool there = i == FRESH || i == STALE || i == ABSENT;

                for (unsigned j = 0; j < n && !there; j++)
                        there = cells[j].letter == classes[i].letter;
                if (there)
                        legend[k++] = (struct hb_doc_part){.key = classes[i].label,
                                                           .label = classes[i].label,
                                                           .letter = classes[i].letter,
                                                           .style = classes[i].style};
        }
        return k;
}

/* ---- the picture ---- */

static const char *row_label(void *arg, unsigned first_cell, char *buf, size_t size) {
        const struct hb_map_frame *f = arg;
        uint64_t page = f->first + first_cell * f->cell_pages;
        char num[HB_FMT_SIZE];

        if (f->cell_pages * f->columns >= 512) /* rows of 2 MiB and more: by address */
                snprintf(buf, size, "%s", hb_fmt_bytes((double)page * HB_VIEW_PAGE, num));
        else
                snprintf(buf, size, "%llu", (unsigned long long)page);
        return buf;
}

static json_t *values(const struct hb_map_seen *m) {
        const struct hb_map_frame *f = &m->frame;
        const json_t *s = hb_json_at(m->source, "planes"), *t = hb_json_at(m->target, "planes");

        return json_pack("{s:I,s:I,s:I,s:i,s:O?,s:O?}", "first", (json_int_t)f->first, "pages",
                         (json_int_t)f->span, "cell_pages", (json_int_t)f->cell_pages, "cells", (int)f->cells,
                         "source", s, "target", t);
}

static void draw(hb_doc *d, const struct hb_map_seen *m, const char *key, const char *title,
                 const struct hb_doc_cell_value *cells, const struct hb_doc_part *legend, unsigned nlegend) {
        struct hb_doc_grid g = {.key = key,
                                .title = title,
                                .columns = m->frame.columns,
                                .n = m->frame.cells,
                                .cells = cells,
                                .chosen = m->frame.chosen,
                                .row_label = row_label,
                                .arg = (void *)&m->frame,
                                .legend = legend,
                                .nlegend = nlegend,
                                .values = values(m)};

        hb_doc_grid(d, &g);
}

/* "2 MiB a cell": how much is behind one character. */
static void title_of(const struct hb_map_seen *m, const char *what, char *buf, size_t size) {
        uint64_t n = m->frame.cell_pages;
        char num[HB_FMT_SIZE];

        if (n == 1)
                snprintf(buf, size, "%s, one page a cell", what);
        else
                snprintf(buf, size, "%s, %s a cell", what, hb_fmt_bytes((double)n * HB_VIEW_PAGE, num));
}

static void heat(hb_doc *d, const struct hb_map_seen *m, const char *plane, const char *key,
                 struct hb_doc_cell_value *cells, const char *title) {
        const json_t *a = plane_of(m, plane);
        struct hb_doc_part legend[HB_GLYPH_LEVELS];
        char text[HB_GLYPH_LEVELS][HB_PART_TEXT];
        int top = top_of(a, m->frame.cells);

        for (unsigned i = 0; i < m->frame.cells; i++)
                cells[i] = heat_cell(at(a, i), top);
        draw(d, m, key, title, cells, legend, heat_legend(top, legend, text));
}

static void state(hb_doc *d, const struct hb_map_seen *m, const char *key, struct hb_doc_cell_value *cells,
                  const char *title) {
        static const char *const names[] = {"fresh", "stale", "absent", "fetching", "known", "spilled"};
        const json_t *planes[6];
        struct hb_doc_part legend[CLASSES];

        for (unsigned i = 0; i < 6; i++)
                planes[i] = plane_of(m, names[i]);
        for (unsigned i = 0; i < m->frame.cells; i++)
                cells[i] = state_cell(planes, i);
        draw(d, m, key, title, cells, legend, state_legend(cells, m->frame.cells, legend));
}

void hb_map_grid(hb_doc *d, const struct hb_map_seen *m, const char *key, enum hb_map_picture p) {
        static const char *const planes[] = {"fresh", "reads", "writes", "expected"},
                                 *const whats[] = {"state on the target", "reads", "writes",
                                                   "accesses the target expects"};
        struct hb_doc_cell_value *cells = calloc(m->frame.cells + 1, sizeof(*cells));
        bool source = p == HB_PICTURE_READS || p == HB_PICTURE_WRITES;
        char title[160];

        title_of(m, whats[p], title, sizeof(title));
        if (!cells || !hb_map_knows(m, planes[p]))
                hb_doc_note(d, NULL, HB_STYLE_NOTE, 'i', "No picture of %s: %s.", whats[p],
                            source ? hb_view_or(m->why_source, "its host does not see them")
                                   : hb_view_or(m->why_target, "the target does not know"));
        else if (p == HB_PICTURE_STATE)
                state(d, m, key, cells, title);
        else
                heat(d, m, planes[p], key, cells, title);
        free(cells);
}
