/* view_guest_explain: why one page is fetched or is not, as the target's policies see it, term by term. The
 * target is asked aside; nothing a policy remembers changes, so a console that only looks may ask too. */
#include "views/view_guest.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPLAIN_EVERY_S 2.0

bool hb_guest_explaining(const struct hb_view_memory *m, uint64_t *ret_page) {
        uint64_t page;

        if (sscanf(m->detail, "explain %" SCNu64, &page) != 1)
                return false;
        *ret_page = page;
        return true;
}

static bool parse(const char *s, uint64_t pages, uint64_t *ret) {
        char *end;
        unsigned long long v;

        s += strspn(s, " ");
        if (*s < '0' || *s > '9')
                return false;
        errno = 0;
        v = strtoull(s, &end, 0);
        if (errno || end[strspn(end, " ")] || v >= pages)
                return false;
        *ret = v;
        return true;
}

int hb_guest_ask_explain(struct hb_view_ctx *c, const struct hb_guest_seen *g, const char *const *answers,
                         unsigned nanswers, struct hb_order *ret) {
        struct hb_map_frame f;
        uint64_t page;
        char initial[32];

        hb_map_frame(c, g, &f);
        if (!g->incoming)
                return hb_order_say(ret, "%s",
                                    json_is_object(hb_json_at(g->guest, "placement"))
                                            ? "The target decides about its pages, and that daemon "
                                              "is not looked at: add its socket."
                                            : "It is not placed: nobody decides about its pages.");
        if (f.pages == 0)
                return hb_order_say(ret, "The size of %s is not known.", g->name);
        if (!nanswers) {
                snprintf(initial, sizeof(initial), "%" PRIu64, f.first + f.chosen * f.cell_pages);
                return hb_order_ask(ret, initial, "explain which page of %s (0 to %" PRIu64 ")?", g->name,
                                    f.pages - 1);
        }
        if (!parse(answers[0], f.pages, &page))
                return hb_order_say(ret, "There is no page %.40s: %s has 0 to %" PRIu64 ".", answers[0],
                                    g->name, f.pages - 1);
        snprintf(c->memory->detail, sizeof(c->memory->detail), "explain %" PRIu64, page);
        ret->kind = HB_ORDER_DONE;
        return 0;
}

/* ---- the answer ---- */

static const struct hb_doc_column columns[] = {
        {"kind", "policy", false, 1, 0, false},
        {"name", "term", false, 0, 0, true},
        {"value", "value", true, 0, 0, false},
};

static void terms(hb_doc *d, const json_t *r) {
        const json_t *o, *all = hb_json_at(r, "terms");
        hb_doc_table *t = hb_doc_table_new(d, "terms", "Terms", columns, sizeof(columns) / sizeof(columns[0]),
                                           false, "the policies in use give no terms");
        char num[HB_PART_TEXT];
        size_t i;

        json_array_foreach((json_t *)all, i, o) {
                double v = hb_json_number(o, "value");

                hb_doc_row(t, hb_json_text(o, "name"));
                hb_part_cell(t, HB_STYLE_DIM, hb_json_text(o, "kind"));
                hb_part_cell(t, HB_STYLE_NORMAL, hb_json_text(o, "name"));
                hb_doc_cell(t, HB_STYLE_NORMAL, hb_part_number(v), "%s",
                            hb_part_fixed(v, fabs(v) < 1000 ? 4 : 0, num));
        }
}

static void place_in_line(hb_doc *d, const json_t *r) {
        double score = hb_json_number(r, "score"), cut = hb_json_number(r, "cut");
        char s[HB_PART_TEXT], k[HB_PART_TEXT], n[HB_FMT_SIZE], a[HB_FMT_SIZE];

        if (fabs(cut) >= 1e11)
                cut = NAN;
        hb_doc_field(d, "score", "score", score >= cut ? HB_STYLE_GOOD : HB_STYLE_NORMAL,
                     hb_part_number(score), "%s; from %s on pages are fetched", hb_part_fixed(score, 4, s),
                     hb_part_fixed(cut, 4, k));
        hb_doc_field(d, "ahead_pages", "in line", HB_STYLE_NORMAL, hb_part_number(hb_view_number(r, "ahead")),
                     "%s of %s candidates are ahead of it", hb_fmt_count(hb_view_number(r, "ahead"), a),
                     hb_fmt_count(hb_view_number(r, "candidates"), n));
}

static void seen_as(hb_doc *d, const json_t *r) {
        double age = hb_view_number(r, "page.age_s"), expected = hb_view_number(r, "predicted");
        char t[HB_FMT_SIZE], x[HB_PART_TEXT], fetches[HB_FMT_SIZE], used[64] = "not used so far";

        if (!isnan(age))
                snprintf(used, sizeof(used), "last used %s ago", hb_fmt_seconds(age, t));
        hb_doc_field(d, "page_state", "the page", HB_STYLE_NORMAL,
                     hb_part_string(hb_json_text(r, "page.state")),
                     "%s; %s; %s accesses expected; fetches so far: %s",
                     hb_view_or(hb_json_text(r, "page.state"), "-"), used, hb_part_fixed(expected, 2, x),
                     hb_fmt_count(hb_view_number(r, "page.fetches"), fetches));
}

void hb_guest_explain(struct hb_view_ctx *c, hb_doc *d, const struct hb_guest_seen *g) {
        const struct hb_err *e = NULL;
        const json_t *r;
        uint64_t page;

        if (!hb_guest_explaining(c->memory, &page))
                return;
        if (!g->incoming || !hb_view_seat(c->world, g->target)) {
                hb_doc_note(d, "explained", HB_STYLE_NOTE, 'i',
                            "Page %" PRIu64 ": nobody here decides about it.", page);
                return;
        }
        r = hb_world_detail(c->world, g->target, "policy.explain",
                            json_pack("{s:s,s:I}", "guest", g->name, "gfn", (json_int_t)page),
                            EXPLAIN_EVERY_S, &e, NULL);
        if (!r) {
                hb_doc_note(d, "explained", e ? HB_STYLE_WARN : HB_STYLE_NOTE, e ? '!' : 'i',
                            "Page %" PRIu64 ": %s.%s%s", page, e ? e->what : "asking the target",
                            e && e->next[0] ? " Next: " : "", e ? e->next : "");
                return;
        }
        hb_doc_note(d, "explained", HB_STYLE_STRONG, 'i', "Page %" PRIu64 ": %s.", page,
                    hb_view_or(hb_json_text(r, "why"), "no reason given"));
        seen_as(d, r);
        place_in_line(d, r);
        terms(d, r);
}
