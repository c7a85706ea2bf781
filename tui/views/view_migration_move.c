/* view_migration_move: a hand-over under way: which steps are done, which is now, what is left, and whether
 * it can still be undone. Never a percentage: a guest that writes faster than the link carries makes any bar
 * run backwards; what is said is how much is left, both rates, the trend and since when.
 *
 * The steps are those of the state machine (docs/ARCHITECTURE.md, hand-over states), several states a step. A
 * state that this console does not know is shown in the daemon's words, without steps. Pure. */
#include "views/view_migration.h"
#include <math.h>
#include <string.h>

/* ---- steps ---- */

static const char *const steps[] = {"prepare",      "bring the rest down", "stop the guest", "last pages",
                                    "device state", "hand over",           "clean up"};
#define STEPS (sizeof(steps) / sizeof(steps[0]))

enum { UNDOABLE = 1, GIVEN_UP = 2, IN_DOUBT = 4 };
static const struct {
        const char *state;
        unsigned step, flags;
} states[] = {
        {"s-prepare", 0, UNDOABLE},
        {"s-converge", 1, UNDOABLE},
        {"s-freeze", 2, UNDOABLE},
        {"s-delta", 3, UNDOABLE},
        {"s-state", 4, UNDOABLE},
        {"s-loaded", 4, UNDOABLE},
        {"s-release", 5, 0},
        {"s-commit", 5, 0},
        {"s-doubt", 5, IN_DOUBT},
        {"s-finish", 6, 0},
        {"s-abort", 0, GIVEN_UP},
        {"t-prepare", 0, UNDOABLE},
        {"t-prepared", 1, UNDOABLE},
        {"t-delta", 3, UNDOABLE},
        {"t-state", 4, UNDOABLE},
        {"t-journal", 4, UNDOABLE},
        {"t-loaded", 5, 0},
        {"t-doubt", 5, IN_DOUBT},
        {"t-take", 5, 0},
        {"t-resume", 6, 0},
        {"t-unload", 0, GIVEN_UP},
        {"t-refuse", 0, GIVEN_UP},
        {"t-abort", 0, GIVEN_UP},
};
#define STATES (sizeof(states) / sizeof(states[0]))

static unsigned index_of(const json_t *h) {
        const char *state = hb_json_text(h, "state");
        unsigned i;

        for (i = 0; i < STATES && strcmp(states[i].state, state) != 0; i++)
                ;
        return i;
}

static unsigned flags_of(const json_t *h) {
        unsigned i = index_of(h);

        return i < STATES ? states[i].flags : 0;
}

const char *hb_migration_no_abort(const json_t *h) {
        unsigned i = index_of(h);

        if (i == STATES || states[i].flags & UNDOABLE)
                return NULL;
        if (states[i].flags & GIVEN_UP)
                return "it is being undone already";
        return "the guest is released: the target may run it by now";
}

static void say_steps(hb_doc *d, unsigned now) {
        char done[160] = "", next[160] = "";

        for (unsigned i = 0; i < STEPS; i++) {
                char *into = i < now ? done : next;

                if (i != now)
                        hb_part_add(into, sizeof(done), "%s%s", *into ? ", " : "", steps[i]);
        }
        hb_doc_note(d, "steps", HB_STYLE_NORMAL, 0, "%s%s%s> now: %s%s%s", done[0] ? "+ done: " : "", done,
                    done[0] ? "  " : "", steps[now], next[0] ? "  . next: " : "", next);
}

/* ---- progress ---- */

static double either(const json_t *p, const char *member, double otherwise) {
        double v = hb_view_number(p, member);

        return isnan(v) ? otherwise : v;
}

static void say_progress(hb_doc *d, const struct hb_guest_seen *g, const json_t *h) {
        const json_t *p = json_object_get(h, "progress");
        struct hb_view_figures f;
        char trend[80];

        hb_view_figures(g, &f);
        hb_part_field_as(d, "remaining_bytes", "left", HB_STYLE_STRONG,
                         either(p, "remaining_bytes", f.left_bytes), hb_fmt_bytes);
        hb_part_field_as(d, "rate_bytes_per_s", "comes", HB_STYLE_NORMAL,
                         either(p, "rate_bytes_per_s", f.rate), hb_fmt_rate);
        hb_part_field_as(d, "dirty_bytes_per_s", "guest writes", HB_STYLE_NORMAL,
                         either(p, "dirty_bytes_per_s", f.dirty), hb_fmt_rate);
        hb_view_trend(&f, trend, sizeof(trend));
        hb_doc_field(d, "trend", "trend", hb_view_trend_style(&f),
                     *f.trend ? hb_part_string(f.trend) : json_null(), "%s", trend);
        hb_part_field_as(d, "estimate_downtime_ms", "downtime by now", HB_STYLE_NORMAL,
                         either(p, "estimate_downtime_ms", f.downtime_ms), hb_fmt_ms);
        hb_part_field_as(d, "elapsed_s", "since the request", HB_STYLE_NORMAL, hb_json_number(p, "elapsed_s"),
                         hb_fmt_seconds);
        hb_part_field_as(d, "state_s", "in this step", HB_STYLE_NORMAL, hb_json_number(h, "state_s"),
                         hb_fmt_seconds);
}

/* Only the step that brings the rest down can fail to converge. */
static void say_why(hb_doc *d, const struct hb_guest_seen *g, const json_t *h) {
        struct hb_view_figures f;
        struct hb_view_cause cause;

        hb_view_figures(g, &f);
        if (strcmp(f.trend, "stalled") != 0 || strcmp(hb_json_text(h, "state"), "s-converge") != 0)
                return;
        hb_view_why_slow(&f, true, &cause);
        hb_doc_note(d, "stalled", HB_STYLE_WARN, '!', "it does not converge: %s. Next: %s", cause.why,
                    cause.next[0] ? cause.next : "wait for a quieter time, or abort it");
}

static void say_abort(struct hb_view_ctx *c, hb_doc *d, const struct hb_guest_seen *g, const json_t *h) {
        const char *no = hb_migration_no_abort(h);
        char key[HB_PART_TEXT];

        if (!no)
                hb_doc_note(d, "abort", HB_STYLE_NORMAL, 'i',
                            "it can be aborted (%s): the guest goes on running where it is",
                            hb_part_key(c, HB_DO_ABORT, key));
        else
                hb_doc_note(d, "abort", HB_STYLE_NOTE, 'i', "it cannot be aborted any more: %s%s%s", no,
                            flags_of(h) & IN_DOUBT ? ". Next: make sure the target answers; if it stays off: "
                                                     "harbinger migrate --recover "
                                                   : "",
                            flags_of(h) & IN_DOUBT ? g->name : "");
}

static void say_error(hb_doc *d, const json_t *h) {
        const char *what = hb_json_text(h, "error.what"), *next = hb_json_text(h, "error.next");

        if (*what)
                hb_doc_note(d, "error", HB_STYLE_BAD, 'x', "being given up: %s%s%s", what,
                            *next ? ". Next: " : "", next);
}

void hb_migration_build_move(struct hb_view_ctx *c, hb_doc *d, const struct hb_guest_seen *g,
                             const json_t *h) {
        bool source = strcmp(hb_json_text(h, "role"), "target") != 0;
        const char *peer = hb_view_or(hb_json_text(h, "peer"), "another host");
        unsigned i = index_of(h);

        hb_doc_note(d, "state", HB_STYLE_NOTE, '>', "%s is being moved %s %s: %s", g->name,
                    source ? "to" : "here from", peer,
                    hb_view_or(hb_json_text(h, "state_text"),
                               hb_view_or(hb_json_text(h, "state"), "no state was told")));
        say_error(d, h);
        if (i < STATES && !(states[i].flags & GIVEN_UP))
                say_steps(d, states[i].step);
        say_progress(d, g, h);
        say_why(d, g, h);
        say_abort(c, d, g, h);
}

/* ---- all of them ---- */

static const struct hb_doc_column columns[] = {
        {.key = "guest", .title = "moving"},
        {.key = "from", .title = "from"},
        {.key = "to", .title = "to"},
        {.key = "state", .title = "state", .min = 16, .grow = true},
        {.key = "remaining_bytes", .title = "left", .right = true},
        {.key = "rate_bytes_per_s", .title = "comes", .right = true, .rank = 2},
        {.key = "dirty_bytes_per_s", .title = "writes", .right = true, .rank = 2},
        {.key = "trend", .title = "trend", .rank = 1},
        {.key = "elapsed_s", .title = "since", .right = true, .rank = 3},
};

static bool over(const json_t *h) {
        static const char *const ends[] = {"done", "aborted", "dead", "kept"};
        const char *state = hb_json_text(h, "state");

        for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
                if (strlen(state) > 2 && strcmp(state + 2, ends[i]) == 0)
                        return true;
        return false;
}

/* The source knows more of a hand-over: the target's word counts where the source is not looked at. */
static bool told_elsewhere(const hb_world *w, const json_t *h) {
        const char *id = hb_json_text(h, "handover");

        if (strcmp(hb_json_text(h, "role"), "target") != 0)
                return false;
        for (unsigned i = 0; i < hb_world_seats(w); i++) {
                const struct hb_seat *s = hb_world_seat(w, i);
                const json_t *other;
                size_t j;

                json_array_foreach(s ? json_object_get(s->tick, "handovers") : NULL, j, other) {
                        if (strcmp(hb_json_text(other, "role"), "source") == 0 &&
                            strcmp(hb_json_text(other, "handover"), id) == 0)
                                return true;
                }
        }
        return false;
}

static void row(hb_doc_table *t, const json_t *h, const char *host) {
        bool source = strcmp(hb_json_text(h, "role"), "target") != 0;
        const char *trend = hb_json_text(h, "progress.trend");
        bool stalled = strcmp(trend, "stalled") == 0;
        char id[160];

        snprintf(id, sizeof(id), "%.80s %.60s", hb_json_text(h, "guest"), hb_json_text(h, "handover"));
        hb_doc_row(t, id);
        hb_part_cell(t, HB_STYLE_STRONG, hb_json_text(h, "guest"));
        hb_part_cell(t, HB_STYLE_NORMAL, source ? host : hb_json_text(h, "peer"));
        hb_part_cell(t, HB_STYLE_NORMAL, source ? hb_json_text(h, "peer") : host);
        hb_part_cell(t, HB_STYLE_NOTE, hb_view_or(hb_json_text(h, "state_text"), hb_json_text(h, "state")));
        hb_part_cell_as(t, HB_STYLE_NORMAL, hb_json_number(h, "progress.remaining_bytes"), hb_fmt_bytes);
        hb_part_cell_as(t, HB_STYLE_NORMAL, hb_json_number(h, "progress.rate_bytes_per_s"), hb_fmt_rate);
        hb_part_cell_as(t, HB_STYLE_NORMAL, hb_json_number(h, "progress.dirty_bytes_per_s"), hb_fmt_rate);
        hb_doc_cell(t, stalled ? HB_STYLE_WARN : HB_STYLE_NORMAL,
                    *trend ? hb_part_string(trend) : json_null(), "%s%s", stalled ? "! " : "",
                    *trend ? trend : "-");
        hb_part_cell_as(t, HB_STYLE_NORMAL, hb_json_number(h, "progress.elapsed_s"), hb_fmt_seconds);
}

void hb_migration_build_all(struct hb_view_ctx *c, hb_doc *d, const char *except) {
        hb_doc_table *t = NULL;

        for (unsigned i = 0; i < hb_world_seats(c->world); i++) {
                const struct hb_seat *s = hb_world_seat(c->world, i);
                const json_t *h;
                size_t j;

                json_array_foreach(s ? json_object_get(s->tick, "handovers") : NULL, j, h) {
                        if (strcmp(hb_json_text(h, "guest"), except) == 0 || over(h) ||
                            told_elsewhere(c->world, h))
                                continue;
                        if (!t)
                                t = hb_doc_table_new(d, "under_way", "moves under way", columns,
                                                     sizeof(columns) / sizeof(columns[0]), false, NULL);
                        row(t, h, hb_part_host(c->world, i));
                }
        }
}
