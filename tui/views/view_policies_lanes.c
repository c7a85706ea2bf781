/* view_policies_lanes: active and shadow guest by guest: where it is that a policy is better or worse. Below
 * the list of policies only the guests where the shadow is worst, so that five hundred guests cost no more to
 * draw than eight. Pure. */
#include "views/view_policies.h"
#include <math.h>
#include <string.h>

#define SOME 8u /* guests shown below the list of policies */

static const struct hb_doc_column lane_columns[] = {
        {.key = "guest", .title = "guest"},
        {.key = "decides", .title = "decides", .rank = 4},
        {.key = "value_active", .title = "value act", .right = true},
        {.key = "value_shadow", .title = "value sh", .right = true},
        {.key = "f1_active", .title = "F1 act", .right = true, .rank = 1},
        {.key = "f1_shadow", .title = "F1 sh", .right = true, .rank = 1},
        {.key = "f1_returning_active", .title = "F1 ret act", .right = true, .rank = 5},
        {.key = "f1_returning_shadow", .title = "F1 ret sh", .right = true, .rank = 5},
        {.key = "f1_writes_active", .title = "F1 wr act", .right = true, .rank = 6},
        {.key = "f1_writes_shadow", .title = "F1 wr sh", .right = true, .rank = 6},
        {.key = "wasted_active", .title = "wasted act", .right = true, .rank = 3},
        {.key = "wasted_shadow", .title = "wasted sh", .right = true, .rank = 3},
        {.key = "lessons", .title = "lessons", .right = true, .rank = 7},
        {.key = "verdict", .title = "shadow is", .rank = 2, .grow = true, .min = 8},
};

static void lane_verdict(struct hb_policies_look *k, hb_doc_table *t, const char *kind, const json_t *g) {
        double a = hb_view_policies_lane(k->list, kind, g, "active", "value");
        double s = hb_view_policies_lane(k->list, kind, g, "shadow", "value");
        double diff = s - a;

        if (!isfinite(diff))
                hb_doc_cell(t, HB_STYLE_DIM, json_null(), "-");
        else if (diff < -0.01)
                hb_doc_cell(t, HB_STYLE_WARN, json_real(diff), "! worse by %.2f", -diff);
        else if (diff > 0.01)
                hb_doc_cell(t, HB_STYLE_GOOD, json_real(diff), "+ better by %.2f", diff);
        else
                hb_doc_cell(t, HB_STYLE_NORMAL, json_real(diff), "= the same");
}

static void lane_row(struct hb_policies_look *k, hb_doc_table *t, const char *kind, const json_t *g) {
        static const char *const figures[] = {"value", "f1", "f1_returning", "f1_writes", "wasted"};
        bool canary = hb_part_true(g, "canary");

        hb_doc_row(t, hb_json_text(g, "guest"));
        hb_part_cell(t, HB_STYLE_NORMAL, hb_json_text(g, "guest"));
        hb_doc_cell(t, canary ? HB_STYLE_NOTE : HB_STYLE_NORMAL, json_string(canary ? "canary" : "active"),
                    canary ? "canary" : "active");
        for (unsigned i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
                hb_part_cell_fixed(t, HB_STYLE_NORMAL,
                                   hb_view_policies_lane(k->list, kind, g, "active", figures[i]), 2);
                hb_part_cell_fixed(t, HB_STYLE_NORMAL,
                                   hb_view_policies_lane(k->list, kind, g, "shadow", figures[i]), 2);
        }
        hb_part_cell_as(t, HB_STYLE_NORMAL, hb_json_number(g, "active.lessons"), hb_fmt_count);
        lane_verdict(k, t, kind, g);
}

/* How much worse the shadow is on a guest; those that nobody judged come last. */
static double worse_by(const struct hb_policies_look *k, const char *kind, const json_t *g) {
        double diff = hb_view_policies_lane(k->list, kind, g, "active", "value") -
                      hb_view_policies_lane(k->list, kind, g, "shadow", "value");

        return isfinite(diff) ? diff : -INFINITY;
}

/* The guests where the shadow is worst, the worst first; returns how many. */
static unsigned worst_guests(const struct hb_policies_look *k, const char *kind, const json_t *ret[SOME]) {
        unsigned n = 0;
        const json_t *g;
        size_t i;

        json_array_foreach(json_object_get(k->list, "guests"), i, g) {
                unsigned at = n < SOME ? n++ : SOME;

                for (; at > 0 && worse_by(k, kind, g) > worse_by(k, kind, ret[at - 1]); at--)
                        if (at < SOME)
                                ret[at] = ret[at - 1];
                if (at < SOME)
                        ret[at] = g;
        }
        return n;
}

static hb_doc_table *lanes_table(hb_doc *d, const char *title, bool main) {
        return hb_doc_table_new(d, "lanes", title, lane_columns,
                                sizeof(lane_columns) / sizeof(lane_columns[0]), main,
                                "no guest is placed here; place one: harbinger place GUEST --to HOST");
}

/* Below the list of policies: a few guests are enough to see where it goes wrong. */
static void some_lanes(struct hb_policies_look *k, hb_doc *d, const char *kind) {
        size_t all = json_array_size(json_object_get(k->list, "guests"));
        const json_t *worst[SOME];
        unsigned n = worst_guests(k, kind, worst);
        char title[120], key[HB_PART_TEXT];
        hb_doc_table *t;

        if (n < all)
                snprintf(title, sizeof(title), "active beside shadow: the worst %u of %zu guests (%s: all)",
                         n, all, hb_part_key(k->c, HB_DO_PLANE, key));
        else
                snprintf(title, sizeof(title), "guest by guest: active beside shadow");
        t = lanes_table(d, title, false);
        for (unsigned i = 0; i < n; i++)
                lane_row(k, t, kind, worst[i]);
}

void hb_policies_build_lanes(struct hb_policies_look *k, hb_doc *d, bool main) {
        struct hb_policy_row r;
        hb_doc_table *t;
        const json_t *g;
        size_t i;

        hb_policy_row_parse(k->row, &r);
        if (!main) {
                some_lanes(k, d, r.kind);
                return;
        }
        hb_policies_way_back(k, d,
                             "guest by guest: what decides (active) beside the shadow, over recent lessons");
        t = lanes_table(d, NULL, true);
        json_array_foreach(json_object_get(k->list, "guests"), i, g) {
                lane_row(k, t, r.kind, g);
        }
}
