/* view_placement_flow: what lies on the target, what is still to come and how fast, what became of the bytes.
 * Always bytes and rates: a share alone says nothing of how long it takes. Pure. */
#include "views/view_placement.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static double none(double v) {
        return isnan(v) ? 0 : v;
}

static double member(const struct hb_placement_seen *p, const char *path) {
        const json_t *from[] = {p->out, p->f.placement, p->in, p->f.incoming};

        for (size_t i = 0; i < sizeof(from) / sizeof(from[0]); i++) {
                double v = hb_view_number(from[i], path);

                if (!isnan(v))
                        return v;
        }
        return NAN;
}

/* Parts never overlap: what is zero or on the target's disk is fresh too, what is known is stale or absent.
 */
void hb_placement_image(hb_doc *d, const struct hb_placement_seen *p) {
        const struct hb_view_figures *f = &p->f;
        double fresh = none(f->fresh), zero = fmin(none(f->zero), fresh),
               disk = fmin(none(f->spilled), fresh - zero), missing = none(f->stale) + none(f->absent),
               known = fmin(none(f->known), missing), stale = fmin(none(f->stale), missing - known);
        const struct {
                const char *key, *label;
                char letter;
                enum hb_style style;
                double pages;
        } rows[] = {{"fresh", "fresh", 'F', HB_STYLE_FRESH, fresh - zero - disk},
                    {"zero", "zero", 'Z', HB_STYLE_ZERO, zero},
                    {"spilled", "on its disk", 'D', HB_STYLE_FRESH, disk},
                    {"fetching", "on its way", '>', HB_STYLE_SENT, none(f->fetching)},
                    {"known", "bytes known there", 'K', HB_STYLE_COPIED, known},
                    {"stale", "stale", 'S', HB_STYLE_STALE, stale},
                    {"absent", "absent", 'A', HB_STYLE_ABSENT, missing - known - stale}};
        enum { N = sizeof(rows) / sizeof(rows[0]) };
        struct hb_doc_part parts[N];
        char text[N][HB_FMT_SIZE];
        unsigned n = 0;
        double total = 0;

        for (unsigned i = 0; i < N; i++) {
                double bytes = rows[i].pages * HB_VIEW_PAGE;

                total += bytes;
                if (!(bytes > 0) && rows[i].letter != 'F' && rows[i].letter != 'S' && rows[i].letter != 'A')
                        continue;
                parts[n++] = (struct hb_doc_part){rows[i].key,   rows[i].label, rows[i].letter,
                                                  rows[i].style, bytes,         hb_fmt_bytes(bytes, text[i])};
        }
        hb_doc_bar(d, "image_bytes", "image on the target", parts, n, total);
}

static void pages_field(hb_doc *d, const char *key, const char *label, double pages, const char *what) {
        char num[HB_FMT_SIZE], n[HB_FMT_SIZE];

        hb_doc_field(d, key, label, HB_STYLE_NORMAL, hb_part_number(pages), "%s in %s pages%s",
                     hb_fmt_bytes(pages * HB_VIEW_PAGE, num), hb_fmt_count(pages, n), what);
}

void hb_placement_outlook(hb_doc *d, const struct hb_placement_seen *p) {
        const struct hb_view_figures *f = &p->f;
        char a[HB_FMT_SIZE], b[HB_FMT_SIZE], trend[64];

        hb_part_field_as(d, "left_bytes", "left", HB_STYLE_STRONG, f->left_bytes, hb_fmt_bytes);
        pages_field(d, "above_threshold_pages", "worth fetching", f->above, "");
        pages_field(d, "fetching_pages", "on their way", f->fetching, "");
        hb_doc_field(d, "rate_bytes_per_s", "coming", HB_STYLE_NORMAL, hb_part_number(f->rate),
                     "%s; the guest writes %s", hb_fmt_rate(f->rate, a), hb_fmt_rate(f->dirty, b));
        hb_doc_field(d, "trend", "trend", hb_view_trend_style(f), hb_part_string(f->trend), "%s",
                     hb_view_trend(f, trend, sizeof(trend)));
        if (strcmp(f->state, "ready") == 0)
                hb_doc_field(d, "time_to_ready_s", "ready", HB_STYLE_GOOD, json_integer(0), "now");
        else
                hb_part_field_as(d, "time_to_ready_s", "ready in", HB_STYLE_NORMAL, f->ready_s,
                                 hb_fmt_seconds);
        hb_doc_field(d, "downtime_ms", "a move now", HB_STYLE_STRONG, hb_part_number(f->downtime_ms),
                     "stops it for %s, sends %s", hb_view_downtime(f->downtime_ms, a),
                     hb_fmt_bytes(f->after_bytes, b));
}

void hb_placement_bytes(hb_doc *d, const struct hb_placement_seen *p) {
        static const struct {
                const char *path, *key, *label;
                char letter;
                enum hb_style style;
        } rows[] = {
                {"bytes_by_kind.sent", "sent", "sent", 'S', HB_STYLE_SENT},
                {"bytes_by_kind.compressed_away", "compressed_away", "compressed away", 'C', HB_STYLE_DIM},
                {"bytes_by_kind.duplicate", "duplicate", "had there already", 'D', HB_STYLE_COPIED},
                {"bytes_by_kind.zero", "zero", "zero", 'Z', HB_STYLE_ZERO}};
        enum { N = sizeof(rows) / sizeof(rows[0]) };
        struct hb_doc_part parts[N];
        char text[N][HB_FMT_SIZE];
        double total = 0;

        for (unsigned i = 0; i < N; i++) {
                double v = member(p, rows[i].path);

                parts[i] = (struct hb_doc_part){rows[i].key,   rows[i].label, rows[i].letter,
                                                rows[i].style, none(v),       hb_fmt_bytes(v, text[i])};
                total += none(v);
        }
        hb_doc_bar(d, "bytes_by_kind", "bytes so far", parts, N, total);
}

/* ---- was it worth fetching? ---- */

static void wasted(hb_doc *d, double pages, double lost) {
        char a[HB_FMT_SIZE], b[HB_FMT_SIZE], s[HB_FMT_SIZE];

        hb_doc_field(d, "wasted_pages", "wasted", lost > pages / 2 ? HB_STYLE_WARN : HB_STYLE_NORMAL,
                     hb_part_number(lost), "%s of %s fetched were overwritten before use (%s)",
                     hb_fmt_bytes(lost * HB_VIEW_PAGE, a), hb_fmt_bytes(pages * HB_VIEW_PAGE, b),
                     hb_fmt_share(lost / pages, s));
}

static void outcome(hb_doc *d, const json_t *o) {
        static const char *const keys[] = {"hit", "late", "stale", "wasted"};
        char line[160] = "", num[HB_FMT_SIZE];

        for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
                hb_part_add(line, sizeof(line), "%s%s %s", *line ? ", " : "", keys[i],
                            hb_fmt_count(hb_view_number(o, keys[i]), num));
        hb_doc_field(d, "last_move_outcome", "last move, pages", HB_STYLE_NORMAL, json_deep_copy(o), "%s",
                     line);
}

static void share_field(hb_doc *d, const char *key, double share, const char *what) {
        char num[HB_FMT_SIZE];

        if (isnan(share))
                hb_doc_field(d, key, key, HB_STYLE_DIM, json_null(), "not known yet");
        else
                hb_doc_field(d, key, key, HB_STYLE_NORMAL, json_real(share), "%s %s",
                             hb_fmt_share(share, num), what);
}

void hb_placement_use(hb_doc *d, const struct hb_placement_seen *p) {
        hb_doc_heading(d, "Was it worth fetching?");
        wasted(d, member(p, "pages"), member(p, "wasted_pages"));
        share_field(d, "precision", member(p, "precision"), "of what was fetched was used");
        share_field(d, "recall", member(p, "recall"), "of what was used had been fetched");
        if (p->last)
                outcome(d, hb_json_at(p->last, "outcome"));
        if (member(p, "refuted_pages") > 0)
                pages_field(d, "refuted_pages", "refuted", member(p, "refuted_pages"),
                            ": their bytes there turned out to be others");
}
