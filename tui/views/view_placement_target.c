/* view_placement_target: what the target decides by (scores and the cut through them, policies), which way
 * pages come and why, and how the figures went. What an older daemon, or one that is not looked at, does not
 * tell is said in words where it matters. Pure. */
#include "views/view_placement.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define BUCKETS 256u

/* ---- scores ---- */

static double cut_of(const struct hb_placement_seen *p) {
        double cut = hb_json_number(p->in, "scores.cut");

        if (!isfinite(cut))
                cut = hb_json_number(p->f.placement ? p->f.placement : p->f.incoming, "threshold");
        return cut;
}

static void threshold_field(hb_doc *d, double cut) {
        if (!isfinite(cut))
                hb_doc_field(d, "threshold", "threshold", HB_STYLE_DIM, json_null(), "-");
        else if (fabs(cut) >= 1e11) /* the wire's word for "never" */
                hb_doc_field(d, "threshold", "threshold", HB_STYLE_NORMAL, json_real(cut),
                             "above every score: nothing is fetched");
        else
                hb_doc_field(d, "threshold", "threshold", HB_STYLE_NORMAL, json_real(cut),
                             "pages with a score of %.3g or more are fetched", cut);
}

void hb_placement_scores(hb_doc *d, const struct hb_placement_seen *p) {
        const json_t *s = hb_json_at(p->in, "scores"), *a = hb_json_at(s, "buckets");
        double low = hb_json_number(s, "low"), high = hb_json_number(s, "high"), cut = cut_of(p);
        struct hb_doc_mark mark = {"threshold", cut, HB_STYLE_STRONG};
        double counts[BUCKETS], sum = 0;
        size_t n = json_array_size(a);

        threshold_field(d, cut);
        if (!n || n > BUCKETS || !(low < high)) {
                if (!p->f.incoming)
                        hb_doc_note(d, NULL, HB_STYLE_DIM, 'i',
                                    "The scores are known to the target's daemon, which is not looked at.");
                return;
        }
        for (size_t i = 0; i < n; i++) {
                counts[i] = hb_view_known(json_number_value(json_array_get(a, i)));
                sum += isnan(counts[i]) ? 0 : counts[i];
        }
        if (sum > 0)
                hb_doc_histogram(d, "scores", "pages by score (those left of the threshold wait)", counts,
                                 (unsigned)n, low, high, &mark, cut >= low && cut <= high ? 1 : 0);
}

/* ---- policies ---- */

static const struct hb_doc_column columns[] = {
        {"kind", "kind", false, 1, 0, false},         {"name", "policy", false, 0, 0, false},
        {"answering", "answers", false, 0, 0, false}, {"calls", "calls", true, 2, 0, false},
        {"errors", "errors", true, 1, 0, false},      {"starved", "starved", true, 3, 0, false},
        {"shadow", "shadow", false, 2, 0, false},     {"note", "note", false, 4, 10, true},
};

static void policy_row(hb_doc_table *t, const json_t *o) {
        const char *name = hb_json_text(o, "name"), *answering = hb_json_text(o, "answering");
        bool away = json_is_true(hb_json_at(o, "quarantined"));
        const char *shadow = hb_json_text(o, "shadow.name");

        hb_doc_row(t, hb_json_text(o, "kind"));
        hb_part_cell(t, HB_STYLE_NORMAL, hb_json_text(o, "kind"));
        hb_part_cell(t, HB_STYLE_STRONG, name);
        if (away)
                hb_doc_cell(t, HB_STYLE_BAD, hb_part_string(answering), "x %s instead: it is in quarantine",
                            hb_view_or(answering, "another"));
        else
                hb_part_cell(t, HB_STYLE_GOOD, strcmp(answering, name) == 0 ? "itself" : answering);
        hb_part_cell_as(t, HB_STYLE_NORMAL, hb_view_number(o, "calls"), hb_fmt_count);
        hb_part_cell_as(t, hb_view_number(o, "errors") > 0 ? HB_STYLE_WARN : HB_STYLE_NORMAL,
                        hb_view_number(o, "errors"), hb_fmt_count);
        hb_part_cell_as(t, HB_STYLE_NORMAL, hb_view_number(o, "starved"), hb_fmt_count);
        hb_part_cell(t, HB_STYLE_NORMAL, shadow);
        hb_part_cell(t, HB_STYLE_DIM, hb_view_or(hb_json_text(o, "last_error"), hb_json_text(o, "note")));
}

static void quality(hb_doc *d, const json_t *q) {
        char a[HB_PART_TEXT], b[HB_PART_TEXT], c[HB_PART_TEXT];
        double f1 = hb_view_number(q, "f1");

        if (json_is_object(q))
                hb_doc_field(d, "predictor_f1", "predictor's F1", HB_STYLE_NORMAL, hb_part_number(f1),
                             "%s of 1; on pages that return %s, on written ones %s", hb_part_fixed(f1, 2, a),
                             hb_part_fixed(hb_view_number(q, "f1_returning"), 2, b),
                             hb_part_fixed(hb_view_number(q, "f1_writes"), 2, c));
}

void hb_placement_policies(hb_doc *d, const struct hb_placement_seen *p) {
        const json_t *o, *all = hb_json_at(p->in, "policies"), *names = hb_json_at(p->out, "policies");
        hb_doc_table *t;
        size_t i;

        if (json_array_size(all)) {
                t = hb_doc_table_new(d, "policies", "Policies in use", columns,
                                     sizeof(columns) / sizeof(columns[0]), false, "none");
                json_array_foreach((json_t *)all, i, o) {
                        policy_row(t, o);
                }
        } else if (json_is_object(names)) {
                hb_doc_field(d, "policies", "policies", HB_STYLE_NORMAL, json_deep_copy(names),
                             "%s, %s, %s (settings of the source)", hb_json_text(names, "predictor"),
                             hb_json_text(names, "scorer"), hb_json_text(names, "threshold"));
        }
        quality(d, hb_json_at(p->in, "quality"));
}

/* ---- the way pages come ---- */

static void rdma_why(const struct hb_placement_seen *p, const char **ret_why, const char **ret_next) {
        *ret_next = hb_json_text(p->out, "rdma.next");
        *ret_why = hb_json_text(p->out, "rdma.why");
        if (!**ret_why)
                *ret_why = hb_json_text(p->in, "paths.why");
        if (!**ret_why)
                *ret_why = hb_json_text(p->f.incoming, "paths.why");
}

static void link_fields(hb_doc *d, const json_t *o) {
        char a[HB_FMT_SIZE], b[HB_FMT_SIZE], s[HB_FMT_SIZE];
        double cap = hb_view_number(o, "link.cap_bytes_per_s"), pack = hb_view_number(o, "link.compression");

        if (!json_is_object(hb_json_at(o, "link")))
                return;
        hb_doc_field(d, "link_bytes_per_s", "link", HB_STYLE_NORMAL,
                     hb_part_number(hb_view_number(o, "link.bytes_per_s")),
                     "%s away, moves %s, busy %s of the time",
                     hb_fmt_ms(hb_view_number(o, "link.latency_ms"), a),
                     hb_fmt_rate(hb_view_number(o, "link.bytes_per_s"), b),
                     hb_fmt_share(hb_view_number(o, "link.used_share"), s));
        if (pack > 1.05)
                hb_doc_field(d, "compression", "packed", HB_STYLE_NORMAL, json_real(pack), "%.1f to 1", pack);
        if (cap > 0)
                hb_doc_field(d, "cap_bytes_per_s", "cap", HB_STYLE_NORMAL, json_real(cap),
                             "%s for each placement (cap_bytes_per_s)", hb_fmt_rate(cap, a));
}

static void spill_field(hb_doc *d, const struct hb_placement_seen *p) {
        const json_t *s = hb_json_at(p->in ? p->in : p->f.incoming, "spill");
        const char *state = hb_json_text(s, "state");
        char a[HB_FMT_SIZE];

        if (*state && strcmp(state, "off") != 0)
                hb_doc_field(d, "spill_state", "spill", HB_STYLE_NORMAL, json_string(state),
                             "%s; %s on the target's disk%s%s", state,
                             hb_fmt_bytes(hb_view_number(s, "spilled_pages") * HB_VIEW_PAGE, a),
                             hb_json_text(s, "why")[0] ? ": " : "", hb_json_text(s, "why"));
}

void hb_placement_path(hb_doc *d, const struct hb_placement_seen *p) {
        const json_t *o = p->out ? p->out : p->f.placement;
        const char *path = hb_view_or(hb_json_text(o, "path"), hb_json_text(p->f.incoming, "paths.path"));
        const char *why, *next;

        rdma_why(p, &why, &next);
        hb_doc_heading(d, "How pages come");
        if (*path)
                hb_doc_field(d, "path", "pages go by", HB_STYLE_STRONG, json_string(path), "%s%s%s%s%s",
                             strcmp(path, "rdma") == 0 ? "RDMA" : "TCP", *why ? ": " : "", why,
                             *next ? "; next: " : "", next);
        link_fields(d, o);
        spill_field(d, p);
}

/* ---- how the figures went ---- */

void hb_placement_history(const struct hb_view_ctx *c, hb_doc *d, const struct hb_placement_seen *p) {
        static const struct {
                enum hb_trail_figure figure;
                const char *key, *label;
                enum hb_style style;
                hb_part_format *format;
                double scale;
        } rows[] = {
                {HB_TRAIL_FRESH, "fresh_share_trail", "fresh", HB_STYLE_FRESH, NULL, 1},
                {HB_TRAIL_RATE, "rate_trail", "coming", HB_STYLE_SENT, hb_fmt_rate, 1},
                {HB_TRAIL_DIRTY, "dirty_trail", "written", HB_STYLE_WRITE, hb_fmt_rate, 1},
                {HB_TRAIL_DOWNTIME, "downtime_trail", "downtime", HB_STYLE_NORMAL, hb_fmt_ms, 1},
                {HB_TRAIL_WASTED, "wasted_trail", "wasted", HB_STYLE_STALE, hb_fmt_rate, HB_VIEW_PAGE},
        };
        double v[HB_TRAIL_POINTS];
        char num[HB_FMT_SIZE];

        hb_doc_heading(d, "The last minutes");
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                size_t n = hb_world_trail(c->world, p->g->trail, rows[i].figure, v);
                double newest = n ? v[n - 1] * rows[i].scale : NAN;

                for (size_t k = 0; k < n; k++)
                        v[k] *= rows[i].scale;
                hb_doc_series(d, rows[i].key, rows[i].label, rows[i].style, v, n, true, "%s",
                              rows[i].format ? rows[i].format(newest, num)
                                             : hb_fmt_bytes(p->f.fresh * HB_VIEW_PAGE, num));
        }
}
