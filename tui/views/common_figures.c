/* common_figures: a guest's way to its target in numbers, whoever told them: the source's placement first,
 * what it lacks from the target's image, and the hand-over's own progress while it moves. Pure. */
#include "views/common.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define LONGEST_S (30 * 86400.0)

static const json_t *object_at(const json_t *o, const char *path) {
        const json_t *v = hb_json_at(o, path);

        return json_is_object(v) ? v : NULL;
}

static double either(const struct hb_view_figures *f, const char *path) {
        double v = hb_view_number(f->placement, path);

        return isnan(v) ? hb_view_number(f->incoming, path) : v;
}

/* null in an estimate that is there: it never ends. */
static double estimated(const struct hb_view_figures *f, const char *member) {
        const json_t *e = object_at(f->placement, "estimate"), *v = json_object_get(e, member);

        return json_is_null(v) ? INFINITY : hb_view_known(hb_json_number(e, member));
}

static double sum_known(double a, double b, double c) {
        if (isnan(a) && isnan(b) && isnan(c))
                return NAN;
        return (isnan(a) ? 0 : a) + (isnan(b) ? 0 : b) + (isnan(c) ? 0 : c);
}

const json_t *hb_view_moving(const struct hb_guest_seen *g) {
        static const char *const over[] = {"s-done", "s-aborted", "s-dead", "s-kept",
                                           "t-done", "t-aborted", "t-dead"};
        const json_t *h = g->handover ? g->handover : object_at(g->guest, "handover");

        for (size_t i = 0; i < sizeof(over) / sizeof(over[0]); i++)
                if (strcmp(hb_json_text(h, "state"), over[i]) == 0)
                        return NULL;
        return h;
}

/* The hand-over counts what it still has to send; that is nearer than the placement's last report. */
static void use_progress(const struct hb_guest_seen *g, struct hb_view_figures *f) {
        static const char *const members[] = {"remaining_bytes", "dirty_bytes_per_s", "rate_bytes_per_s",
                                              "estimate_downtime_ms"};
        double *into[] = {&f->left_bytes, &f->dirty, &f->rate, &f->downtime_ms};
        const json_t *p = object_at(hb_view_moving(g), "progress");

        for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
                double v = hb_view_number(p, members[i]);

                if (!isnan(v))
                        *into[i] = v;
        }
        if (hb_json_text(p, "trend")[0])
                f->trend = hb_json_text(p, "trend");
}

static void counts(struct hb_view_figures *f) {
        f->fresh = either(f, "fresh_pages");
        f->stale = either(f, "stale_pages");
        f->absent = either(f, "absent_pages");
        f->fetching = either(f, "fetching_pages");
        f->resident = either(f, "resident_pages");
        f->zero = either(f, "zero_pages");
        f->known = either(f, "known_pages");
        f->above = either(f, "above_threshold");
        f->spilled = hb_view_number(f->incoming, "spill.spilled_pages");
        if (isnan(f->spilled))
                f->spilled = hb_view_number(f->placement, "spilled_pages");
        f->left_bytes = sum_known(f->stale, f->absent, f->fetching) * HB_VIEW_PAGE;
        f->share = f->resident > 0 ? f->fresh / f->resident : NAN;
        f->share = f->share > 1 ? 1 : f->share; /* not fmin: unknown stays unknown */
}

void hb_view_figures(const struct hb_guest_seen *g, struct hb_view_figures *ret) {
        struct hb_view_figures f = {.placement = object_at(g->guest, "placement"),
                                    .incoming = json_is_object(g->incoming) ? g->incoming : NULL};

        counts(&f);
        f.state = hb_json_text(f.placement ? f.placement : f.incoming, "state");
        f.to = hb_json_text(f.placement, "to");
        f.from = hb_json_text(f.incoming, "from");
        f.dirty = hb_view_number(f.placement, "dirty_bytes_per_s");
        if (isnan(f.dirty))
                f.dirty = hb_view_number(g->guest, "dirty_bytes_per_s");
        f.rate = either(&f, "rate_bytes_per_s");
        f.downtime_ms = estimated(&f, "downtime_ms");
        f.ready_s = estimated(&f, "time_to_ready_s");
        if (isfinite(f.ready_s) && f.ready_s > LONGEST_S) /* nothing has come yet to reckon with */
                f.ready_s = NAN;
        f.after_bytes = estimated(&f, "bytes_after");
        f.trend = hb_json_text(f.placement, "trend");
        f.trend_s = hb_view_number(f.placement, "trend_since_s");
        use_progress(g, &f);
        if (strcmp(f.trend, "unknown") == 0)
                f.trend = "";
        *ret = f;
}

static bool is_ready(const struct hb_view_figures *f) {
        return strcmp(f->state, "ready") == 0;
}

const char *hb_view_trend(const struct hb_view_figures *f, char *buf, size_t size) {
        char num[HB_FMT_SIZE];

        if (is_ready(f)) /* what is not worth fetching may stall: that is no trouble */
                snprintf(buf, size, "keeps up");
        else if (strcmp(f->trend, "stalled") == 0 && !isnan(f->trend_s))
                snprintf(buf, size, "stalled since %s", hb_fmt_seconds(f->trend_s, num));
        else
                snprintf(buf, size, "%s", hb_view_or(f->trend, "-"));
        return buf;
}

enum hb_style hb_view_trend_style(const struct hb_view_figures *f) {
        if (is_ready(f) || strcmp(f->trend, "converging") == 0)
                return HB_STYLE_GOOD;
        return strcmp(f->trend, "stalled") == 0 ? HB_STYLE_WARN : HB_STYLE_DIM;
}

const char *hb_view_downtime(double ms, char *buf) {
        if (isinf(ms))
                return strcpy(buf, "no bound");
        return hb_fmt_ms(ms, buf);
}
