/* view_migration_past: how moves went: the `history` of every host, newest first. A move stands in the
 * history of both its hosts; the source's entry has the figures, so the target's is left out where the source
 * is looked at too. */
#include "views/view_migration.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HISTORY_AGE_S 10.0
#define HISTORY_SEATS 32u /* the world keeps 64 answers in all */
#define MOVES         512u

static const struct hb_doc_column columns[] = {
        {.key = "time", .title = "moved UTC"},
        {.key = "guest", .title = "guest"},
        {.key = "from", .title = "from"},
        {.key = "to", .title = "to"},
        {.key = "result", .title = "result"},
        {.key = "downtime_ms", .title = "downtime", .right = true},
        {.key = "total_ms", .title = "in all", .right = true, .rank = 1},
        {.key = "bytes_after", .title = "sent after", .right = true, .rank = 1},
        {.key = "placement_bytes", .title = "before", .right = true, .rank = 3},
        {.key = "hit", .title = "hit", .right = true, .rank = 5},
        {.key = "late", .title = "late", .right = true, .rank = 5},
        {.key = "wasted", .title = "wasted", .right = true, .rank = 5},
        {.key = "why", .title = "why, and what next", .rank = 2, .min = 40, .grow = true},
};

struct moves {
        const json_t *entry[MOVES];
        unsigned n;
};

static bool wanted(const struct hb_view_ctx *c, unsigned seat, const json_t *e) {
        const char *from = hb_json_text(e, "from");

        if (strcmp(hb_json_text(e, "kind"), "migration") != 0)
                return false;
        return strcmp(from, hb_part_host(c->world, seat)) == 0 ||
               hb_part_seat_of(c->world, from) == HB_NO_SEAT;
}

static bool asked(const struct hb_view_ctx *c, unsigned seat) {
        const struct hb_seat *s = hb_world_seat(c->world, seat);

        return s && s->tick;
}

/* False: no answer of this seat yet. */
static bool gather(struct hb_view_ctx *c, unsigned seat, struct moves *m, const struct hb_err **err) {
        const struct hb_err *why = NULL;
        const json_t *h = hb_world_detail(c->world, seat, "history", json_pack("{s:i}", "limit", 200),
                                          HISTORY_AGE_S, &why, NULL);
        const json_t *e;
        size_t i;

        if (why && why->code)
                *err = why;
        json_array_foreach(json_object_get(h, "entries"), i, e) {
                if (m->n < MOVES && wanted(c, seat, e))
                        m->entry[m->n++] = e;
        }
        return h != NULL;
}

/* RFC 3339 in UTC sorts as text. */
static int newer_first(const void *a, const void *b) {
        return strcmp(hb_json_text(*(const json_t *const *)b, "time"),
                      hb_json_text(*(const json_t *const *)a, "time"));
}

/* ---- rows ---- */

static enum hb_style result_style(const char *result) {
        return strcmp(result, "done") == 0                                  ? HB_STYLE_GOOD
               : strcmp(result, "dead") == 0 || strcmp(result, "kept") == 0 ? HB_STYLE_BAD
                                                                            : HB_STYLE_WARN;
}

static char result_sign(const char *result) {
        return strcmp(result, "done") == 0                                  ? '+'
               : strcmp(result, "dead") == 0 || strcmp(result, "kept") == 0 ? 'x'
                                                                            : '!';
}

/* What a reader must know beyond the word. */
static const char *meaning(const char *result) {
        if (strcmp(result, "kept") == 0)
                return "it died on the target; its frozen copy is kept on the source: harbinger migrate "
                       "--recover GUEST --keep-source";
        if (strcmp(result, "dead") == 0)
                return "the guest's VMM ended during the move";
        if (strcmp(result, "aborted") == 0)
                return "given up; the guest runs where it was";
        return "";
}

static const char *why_of(const json_t *e, char *buf, size_t size) {
        const char *what = hb_json_text(e, "figures.error.what"),
                   *next = hb_json_text(e, "figures.error.next");

        snprintf(buf, size, "%s", *what ? what : meaning(hb_json_text(e, "result")));
        if (*what && *next)
                hb_part_add(buf, size, ". Next: %s", next);
        return buf;
}

static const char *row_id(const json_t *e, char buf[160]) {
        snprintf(buf, 160, "%.40s|%.40s|%.70s", hb_json_text(e, "time"), hb_json_text(e, "from"),
                 hb_json_text(e, "guest"));
        return buf;
}

const char *hb_migration_row_guest(const char *row, char buf[160]) {
        const char *bar = strrchr(row, '|');

        snprintf(buf, 160, "%.100s", bar ? bar + 1 : "");
        return buf;
}

static void row(struct hb_view_ctx *c, hb_doc_table *t, const json_t *e) {
        static const char *const members[] = {"guest", "from", "to"};
        static const struct {
                const char *path;
                hb_part_format *format;
        } figures[] = {{"figures.downtime_ms", hb_fmt_ms},      {"figures.total_ms", hb_fmt_ms},
                       {"figures.bytes_after", hb_fmt_bytes},   {"figures.placement.bytes", hb_fmt_bytes},
                       {"figures.outcome.hit", hb_fmt_count},   {"figures.outcome.late", hb_fmt_count},
                       {"figures.outcome.wasted", hb_fmt_count}};
        const char *result = hb_json_text(e, "result");
        bool done = strcmp(result, "done") == 0;
        char id[160], stamp[HB_PART_TEXT], why[640];

        hb_doc_row(t, row_id(e, id));
        hb_doc_cell(t, HB_STYLE_DIM, hb_part_member(e, "time"), "%s",
                    hb_part_stamp(hb_json_text(e, "time"), hb_part_now(c->world), stamp));
        for (unsigned i = 0; i < 3; i++)
                hb_part_cell(t, i == 0 ? HB_STYLE_STRONG : HB_STYLE_NORMAL, hb_json_text(e, members[i]));
        hb_doc_cell(t, result_style(result), hb_part_string(result), "%c %s", result_sign(result),
                    *result ? result : "unknown");
        for (unsigned i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
                double v = hb_json_number(e, figures[i].path);

                /* A move that did not happen has no downtime, and nothing came of its pages. */
                hb_part_cell_as(t, i == 0 ? HB_STYLE_STRONG : HB_STYLE_NORMAL,
                                done || i == 1 || i == 2 ? v : NAN, figures[i].format);
        }
        hb_part_cell(t, done ? HB_STYLE_NORMAL : result_style(result), why_of(e, why, sizeof(why)));
}

/* ---- the selected one ---- */

static void phases(hb_doc *d, const json_t *e) {
        const json_t *p = hb_json_at(e, "figures.phases_ms"), *v;
        char text[400] = "", num[HB_FMT_SIZE];
        const char *key;

        json_object_foreach((json_t *)p, key, v) {
                if (json_is_number(v) && json_number_value(v) >= 1)
                        hb_part_add(text, sizeof(text), "%s%s %s", *text ? ", " : "",
                                    key[0] && key[1] == '-' ? key + 2 : key,
                                    hb_fmt_ms(json_number_value(v), num));
        }
        if (*text)
                hb_doc_note(d, "selected_phases", HB_STYLE_NORMAL, 0, "its steps took: %s", text);
}

static const json_t *selected_entry(const struct hb_view_ctx *c, const struct moves *m) {
        char id[160];

        for (unsigned i = 0; i < m->n; i++)
                if (!c->memory->place.row[0] || strcmp(row_id(m->entry[i], id), c->memory->place.row) == 0)
                        return m->entry[i];
        return NULL;
}

/* What was ready before it was asked for, and what came of that. */
static void outcome(hb_doc *d, const json_t *e) {
        char seconds[HB_FMT_SIZE], bytes[HB_FMT_SIZE], n[4][HB_FMT_SIZE];

        hb_doc_note(d, "selected", HB_STYLE_NORMAL, 0,
                    "%s to %s: %s sent in %s before it was asked for; of its pages %s were hit, %s late, %s "
                    "stale, %s wasted",
                    hb_json_text(e, "guest"), hb_json_text(e, "to"),
                    hb_fmt_bytes(hb_json_number(e, "figures.placement.bytes"), bytes),
                    hb_fmt_seconds(hb_json_number(e, "figures.placement.seconds"), seconds),
                    hb_fmt_count(hb_json_number(e, "figures.outcome.hit"), n[0]),
                    hb_fmt_count(hb_json_number(e, "figures.outcome.late"), n[1]),
                    hb_fmt_count(hb_json_number(e, "figures.outcome.stale"), n[2]),
                    hb_fmt_count(hb_json_number(e, "figures.outcome.wasted"), n[3]));
}

static void selected(const struct hb_view_ctx *c, hb_doc *d, const struct moves *m) {
        const json_t *e = selected_entry(c, m);
        const char *result = hb_json_text(e, "result");
        char text[640];

        if (!e)
                return;
        if (why_of(e, text, sizeof(text))[0])
                hb_doc_note(d, "selected_why", result_style(result), result_sign(result), "%s to %s: %s",
                            hb_json_text(e, "guest"), hb_json_text(e, "to"), text);
        else if (json_is_object(hb_json_at(e, "figures.placement")))
                outcome(d, e);
        phases(d, e);
}

void hb_migration_build_past(struct hb_view_ctx *c, hb_doc *d, const struct hb_guest_seen *g) {
        struct moves m = {.n = 0};
        const struct hb_err *err = NULL;
        unsigned n = 0, answered = 0;
        hb_doc_table *t;

        /* The guest's own host first, whatever number it has. */
        if (g && g->seat != HB_NO_SEAT && asked(c, g->seat)) {
                answered += gather(c, g->seat, &m, &err);
                n++;
        }
        for (unsigned i = 0; i < hb_world_seats(c->world) && n < HISTORY_SEATS; i++) {
                if (!asked(c, i) || (g && i == g->seat))
                        continue;
                answered += gather(c, i, &m, &err);
                n++;
        }
        qsort(m.entry, m.n, sizeof(m.entry[0]), newer_first);
        t = hb_doc_table_new(d, "moves", "moves done", columns, sizeof(columns) / sizeof(columns[0]), true,
                             n && !answered ? "asking for the history" : "no guest was moved yet");
        for (unsigned i = 0; i < m.n; i++)
                row(c, t, m.entry[i]);
        if (err)
                hb_part_error_note(d, "history_error", "a host's history cannot be read", err);
        selected(c, d, &m);
}
