/* view_migration_estimate: what would moving it cost now? The answer of the guest's own host to a dry run,
 * each figure beside its limit, and one sentence above them that says whether to do it. Asked at most each
 * 5 s, only while it is looked at: it changes nothing there. */
#include "views/view_migration.h"
#include <math.h>
#include <string.h>

#define ESTIMATE_AGE_S 5.0
#define ROOM_FOR_TABLE 12u /* lines; on fewer the sentence says it all */

/* ---- where to ---- */

static const char *only_peer(struct hb_view_ctx *c, const struct hb_guest_seen *g, char buf[96]) {
        const struct hb_seat *s = hb_view_seat(c->world, g->seat);
        const json_t *hosts = s ? json_object_get(s->tick, "hosts") : NULL;

        if (json_array_size(hosts) == 1)
                snprintf(buf, 96, "%s", hb_json_text(json_array_get(hosts, 0), "name"));
        return buf;
}

const char *hb_migration_target(struct hb_view_ctx *c, const struct hb_guest_seen *g, char buf[96]) {
        const char *detail = c->memory->detail;

        snprintf(buf, 96, "%s", hb_json_text(g->guest, "placement.to"));
        if (!buf[0] && strncmp(detail, "to ", 3) == 0)
                snprintf(buf, 96, "%s", detail + 3);
        return buf[0] ? buf : only_peer(c, g, buf);
}

/* ---- the table ---- */

static const struct hb_doc_column columns[] = {
        {.key = "what", .title = "before a move"},
        {.key = "now", .title = "now", .right = true},
        {.key = "limit", .title = "limit", .right = true},
        {.key = "verdict", .title = "so", .min = 20, .grow = true},
};

static void row(hb_doc_table *t, const char *id, const char *what) {
        hb_doc_row(t, id);
        hb_part_cell(t, HB_STYLE_NORMAL, what);
}

/* null in an estimate that is there: it never ends. */
static double estimated(const json_t *x, const char *member) {
        const json_t *e = json_object_get(x, "estimate"), *v = json_object_get(e, member);

        return json_is_null(v) && json_is_object(e) ? INFINITY : hb_view_known(hb_json_number(e, member));
}

static void row_can_move(hb_doc_table *t, const json_t *x) {
        bool can = hb_part_true(x, "can_move");
        const json_t *said = json_object_get(x, "can_move");

        row(t, "can_move", "can move");
        hb_doc_cell(t, HB_STYLE_NORMAL, hb_part_member(x, "can_move"), "%s",
                    !json_is_boolean(said) ? "-"
                    : can                  ? "yes"
                                           : "no");
        hb_part_cell(t, HB_STYLE_NORMAL, "");
        if (can)
                hb_doc_cell(t, HB_STYLE_GOOD, json_string("yes"), "+ nothing blocks it");
        else
                hb_doc_cell(t, HB_STYLE_BAD, json_string("no"), "x %s",
                            hb_view_or(hb_json_text(x, "why"), "no reason was given"));
}

static void row_ready(hb_doc_table *t, const json_t *x) {
        bool ready = hb_part_true(x, "ready");
        double in = estimated(x, "time_to_ready_s");
        char num[HB_FMT_SIZE];

        row(t, "ready", "ready on the target");
        hb_doc_cell(t, HB_STYLE_NORMAL, hb_part_member(x, "ready"), ready ? "yes" : "no");
        hb_part_cell(t, HB_STYLE_NORMAL, "");
        if (ready)
                hb_doc_cell(t, HB_STYLE_GOOD, json_real(0), "+ only last changes are left");
        else if (isinf(in))
                hb_doc_cell(t, HB_STYLE_WARN, json_null(), "! not in sight as it goes now");
        else if (isnan(in))
                hb_doc_cell(t, HB_STYLE_NOTE, json_null(), "~ not known when");
        else
                hb_doc_cell(t, HB_STYLE_NOTE, json_real(in), "~ in about %s", hb_fmt_seconds(in, num));
}

static void row_downtime(hb_doc_table *t, const json_t *x) {
        double down = estimated(x, "downtime_ms"), most = hb_part_share(x, "max_downtime_ms");
        char num[HB_FMT_SIZE], limit[HB_FMT_SIZE];

        row(t, "downtime_ms", "downtime");
        hb_doc_cell(t, HB_STYLE_STRONG, hb_part_known(down), "%s", hb_view_downtime(down, num));
        hb_doc_cell(t, HB_STYLE_NORMAL, hb_part_known(most), "%s", hb_fmt_ms(most, limit));
        if (isnan(down) || isnan(most))
                hb_doc_cell(t, HB_STYLE_DIM, json_null(), "- not known before it is placed");
        else if (down <= most)
                hb_doc_cell(t, HB_STYLE_GOOD, json_string("within"), "+ within the limit");
        else
                hb_doc_cell(t, HB_STYLE_WARN, json_string("above"),
                            hb_part_true(x, "would_refuse") ? "! above its limit"
                                                            : "! above: it runs on until below");
}

static void row_after(hb_doc_table *t, const json_t *x, const struct hb_guest_seen *g) {
        double bytes = estimated(x, "bytes_after"), all = hb_view_number(g->guest, "resident_bytes");
        char num[HB_FMT_SIZE], whole[HB_FMT_SIZE], share[HB_FMT_SIZE];

        row(t, "bytes_after", "sent after the request");
        hb_doc_cell(t, HB_STYLE_STRONG, hb_part_known(bytes), "%s",
                    isinf(bytes) ? "no bound" : hb_fmt_bytes(bytes, num));
        hb_part_cell(t, HB_STYLE_NORMAL, "");
        if (isfinite(bytes) && all > 0)
                hb_doc_cell(t, HB_STYLE_NORMAL, json_real(bytes / all), "  %s of the guest's %s",
                            bytes < all / 1000 ? "under 0.1 %" : hb_fmt_share(fmin(bytes / all, 1), share),
                            hb_fmt_bytes(all, whole));
        else
                hb_doc_cell(t, HB_STYLE_DIM, json_null(), "- ");
}

static void row_refuse(hb_doc_table *t, const json_t *x) {
        bool refuse = hb_part_true(x, "would_refuse");

        row(t, "would_refuse", "would be refused");
        hb_doc_cell(t, HB_STYLE_NORMAL, hb_part_member(x, "would_refuse"), refuse ? "yes" : "no");
        hb_part_cell(t, HB_STYLE_NORMAL, "");
        if (refuse)
                hb_doc_cell(t, HB_STYLE_BAD, hb_part_member(x, "why"), "x %s",
                            hb_part_true(x, "can_move") ? "the downtime would be above its limit"
                                                        : "it cannot move");
        else
                hb_doc_cell(t, HB_STYLE_GOOD, json_null(), "+ it would be begun");
}

/* ---- the sentence ---- */

static bool is_stalled(const struct hb_view_figures *f) {
        return strcmp(f->trend, "stalled") == 0;
}

/* It can move, but not so that the downtime stays within its limit. */
static void refused(hb_doc *d, const struct hb_guest_seen *g, const json_t *x, const char *to) {
        char down[HB_FMT_SIZE], most[HB_FMT_SIZE];
        struct hb_view_figures f;
        struct hb_view_cause cause;

        hb_view_figures(g, &f);
        hb_view_why_slow(&f, is_stalled(&f), &cause);
        hb_doc_note(d, "verdict", HB_STYLE_BAD, 'x',
                    "a move of %s to %s would be refused now: it would stop for %s where %s are allowed, and "
                    "%s: %s. Next: %s%s",
                    g->name, to, hb_view_downtime(estimated(x, "downtime_ms"), down),
                    hb_fmt_ms(hb_part_share(x, "max_downtime_ms"), most),
                    is_stalled(&f) ? "it does not converge"
                                   : hb_view_or(hb_json_text(x, "why"), "it is not ready"),
                    cause.why, is_stalled(&f) ? "" : "wait: ",
                    cause.next[0] ? cause.next : "it gets less, or allow more downtime");
}

/* It would be begun, but not end at once. */
static void not_yet(struct hb_view_ctx *c, hb_doc *d, const struct hb_guest_seen *g, const json_t *x,
                    const char *to) {
        char place[HB_PART_TEXT], migrate[HB_PART_TEXT], next[320];
        struct hb_view_figures f;
        struct hb_view_cause cause;

        hb_view_figures(g, &f);
        hb_view_why_slow(&f, is_stalled(&f), &cause);
        hb_part_key(c, HB_DO_MIGRATE, migrate);
        if (f.placement)
                snprintf(next, sizeof(next), "%s%swait, or %s moves it when it can", cause.next,
                         cause.next[0] ? "; " : "", migrate);
        else
                snprintf(next, sizeof(next), "%s places it first, %s moves it all the same",
                         hb_part_key(c, HB_DO_PLACE, place), migrate);
        hb_doc_note(d, "verdict", HB_STYLE_WARN, '!',
                    "a move of %s to %s would not end at once: %s%s%s. Next: %s", g->name, to,
                    hb_view_or(hb_json_text(x, "why"), "what it would cost is not known yet"),
                    f.placement && cause.why[0] ? "; " : "", f.placement ? cause.why : "", next);
}

static void sentence(struct hb_view_ctx *c, hb_doc *d, const struct hb_guest_seen *g, const json_t *x,
                     const char *to) {
        double down = estimated(x, "downtime_ms"), most = hb_part_share(x, "max_downtime_ms");
        char num[HB_FMT_SIZE], limit[HB_FMT_SIZE], after[HB_FMT_SIZE], key[HB_PART_TEXT];

        if (!hb_part_true(x, "can_move"))
                hb_doc_note(d, "verdict", HB_STYLE_BAD, 'x',
                            "%s cannot move: %s. Next: see docs/OPERATING.md, \"QEMU options\"", g->name,
                            hb_view_or(hb_json_text(x, "why"), "no reason was given"));
        else if (hb_part_true(x, "would_refuse"))
                refused(d, g, x, to);
        else if (down <= most && isfinite(most))
                hb_doc_note(
                        d, "verdict", HB_STYLE_GOOD, '+',
                        "moving %s to %s now would stop it for %s (allowed: %s) and send %s. Next: %s moves "
                        "it",
                        g->name, to, hb_view_downtime(down, num), hb_fmt_ms(most, limit),
                        hb_fmt_bytes(estimated(x, "bytes_after"), after), hb_part_key(c, HB_DO_MIGRATE, key));
        else
                not_yet(c, d, g, x, to);
}

/* ---- the whole ---- */

static const json_t *ask(struct hb_view_ctx *c, const struct hb_guest_seen *g, const char *to,
                         const struct hb_err **err, double *age) {
        json_t *args = json_pack("{s:s,s:s,s:b}", "guest", g->name, "host", to, "dry_run", 1);

        return hb_world_detail(c->world, g->seat, "migrate", args, ESTIMATE_AGE_S, err, age);
}

static void cannot_ask(struct hb_view_ctx *c, hb_doc *d, const struct hb_guest_seen *g) {
        char key[HB_PART_TEXT];

        if (!g->guest || !hb_view_seat(c->world, g->seat))
                hb_doc_note(d, "verdict", HB_STYLE_NOTE, 'i',
                            "%s runs on a host whose daemon is not looked at: its own host knows what a move "
                            "costs. Next: give that daemon's socket too",
                            g->name);
        else if (hb_view_false(g->guest, "can_move"))
                hb_doc_note(d, "verdict", HB_STYLE_BAD, 'x',
                            "%s cannot move: %s. Next: see docs/OPERATING.md, \"QEMU options\"", g->name,
                            hb_view_or(hb_json_text(g->guest, "cannot_move"), "no reason was given"));
        else
                hb_doc_note(d, "verdict", HB_STYLE_NOTE, 'i',
                            "%s is not placed. Next: %s chooses the host that a move is estimated for, %s "
                            "places it",
                            g->name, hb_part_key(c, HB_DO_ESTIMATE, key),
                            hb_part_key(c, HB_DO_PLACE, (char[HB_PART_TEXT]){0}));
}

static void table(hb_doc *d, const struct hb_guest_seen *g, const json_t *x) {
        hb_doc_table *t = hb_doc_table_new(d, "estimate", NULL, columns, sizeof(columns) / sizeof(columns[0]),
                                           false, NULL);

        row_can_move(t, x);
        row_ready(t, x);
        row_downtime(t, x);
        row_after(t, x, g);
        row_refuse(t, x);
}

void hb_migration_build_estimate(struct hb_view_ctx *c, hb_doc *d, const struct hb_guest_seen *g) {
        const struct hb_err *err = NULL;
        double age = NAN;
        char to[96], num[HB_FMT_SIZE];
        const json_t *x;

        hb_migration_target(c, g, to);
        if (!to[0] || !g->guest || !hb_view_seat(c->world, g->seat)) {
                cannot_ask(c, d, g);
                return;
        }
        x = ask(c, g, to, &err, &age);
        if (x) {
                sentence(c, d, g, x, to);
                if (!hb_view_on_screen(c) || c->height >= ROOM_FOR_TABLE)
                        table(d, g, x);
        }
        if (err && err->code)
                hb_part_error_note(d, "error", "what a move would cost cannot be estimated", err);
        else if (!x)
                hb_doc_note(d, "verdict", HB_STYLE_DIM, 'i', "asking %s what a move of %s to %s would cost",
                            hb_part_host(c->world, g->seat), g->name, to);
        if (x && age > 2 * ESTIMATE_AGE_S)
                hb_doc_note(d, NULL, HB_STYLE_WARN, '!', "this estimate is %s old", hb_fmt_seconds(age, num));
}
