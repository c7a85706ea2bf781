/* view_policies_verdict: is a policy better or worse than what it is held against? The lanes of policy.list
 * are the only fair comparison there is: both are judged by the same pages of the same guests
 * (docs/POLICY_API.md, "Shadow and promotion"), so the shadow's baseline is the active one and the active
 * one's baseline is its shadow. What decides is `value`, as for promotions; where it is unknown, f1.
 *
 * In a canary the shadow decides on some guests and the active one shadows there: their lanes are read the
 * other way round. Pure. */
#include "views/view_policies.h"
#include <math.h>
#include <string.h>

/* Means closer than this are no difference anybody should act upon. */
#define MARGIN 0.01

static bool swapped(const json_t *list, const char *kind, const json_t *guest) {
        const json_t *k;
        size_t i;

        if (!kind || !json_is_true(json_object_get(guest, "canary")))
                return false;
        json_array_foreach(json_object_get(list, "kinds"), i, k) {
                if (strcmp(hb_json_text(k, "kind"), kind) == 0)
                        return hb_json_number(k, "canary") > 0;
        }
        return false;
}

double hb_view_policies_lane(const json_t *list, const char *kind, const json_t *guest, const char *place,
                             const char *figure) {
        bool shadow = strcmp(place, "shadow") == 0;
        const json_t *v;
        double known;

        if (swapped(list, kind, guest))
                shadow = !shadow;
        v = json_object_get(json_object_get(guest, shadow ? "shadow" : "active"), figure);
        if (!json_is_number(v))
                return NAN;
        known = json_number_value(v);
        return known >= 0 || strcmp(figure, "value") == 0 ? known : NAN;
}

double hb_policies_mean(const json_t *list, const char *kind, const char *place, const char *figure) {
        double sum = 0;
        unsigned n = 0;
        const json_t *g;
        size_t i;

        json_array_foreach(json_object_get(list, "guests"), i, g) {
                double v = hb_view_policies_lane(list, kind, g, place, figure);

                if (isfinite(v)) {
                        sum += v;
                        n++;
                }
        }
        return n ? sum / n : NAN;
}

static unsigned kinds_with_shadow(const json_t *list) {
        unsigned n = 0;
        const json_t *k;
        size_t i;

        json_array_foreach(json_object_get(list, "kinds"), i, k) {
                n += json_is_object(json_object_get(k, "shadow"));
        }
        return n;
}

static void add_guest(struct hb_policy_verdict *v, const json_t *g, double mine, double base) {
        v->worse += mine < base - MARGIN;
        v->better += mine > base + MARGIN;
        if (!v->guests || mine - base < v->worst_mine - v->worst_baseline) {
                snprintf(v->worst, sizeof(v->worst), "%s", hb_json_text(g, "guest"));
                v->worst_mine = mine;
                v->worst_baseline = base;
        }
        v->mine += mine;
        v->baseline += base;
        v->guests++;
}

static void compare(const json_t *list, const char *kind, const char *place, const char *figure,
                    struct hb_policy_verdict *v) {
        const char *other = strcmp(place, "shadow") == 0 ? "active" : "shadow";
        const json_t *g;
        size_t i;

        v->figure = figure;
        json_array_foreach(json_object_get(list, "guests"), i, g) {
                double mine = hb_view_policies_lane(list, kind, g, place, figure);
                double base = hb_view_policies_lane(list, kind, g, other, figure);

                if (isfinite(mine) && isfinite(base))
                        add_guest(v, g, mine, base);
        }
        if (!v->guests)
                return;
        v->mine /= v->guests;
        v->baseline /= v->guests;
        v->verdict = v->mine < v->baseline - MARGIN   ? HB_VERDICT_WORSE
                     : v->mine > v->baseline + MARGIN ? HB_VERDICT_BETTER
                                                      : HB_VERDICT_SAME;
}

void hb_policies_verdict(const json_t *list, const char *kind, const char *place,
                         struct hb_policy_verdict *ret) {
        const json_t *k, *mine = NULL;
        size_t i;

        *ret = (struct hb_policy_verdict){.verdict = HB_VERDICT_NONE, .figure = "value"};
        json_array_foreach(json_object_get(list, "kinds"), i, k) {
                if (strcmp(hb_json_text(k, "kind"), kind) == 0)
                        mine = k;
        }
        if (!json_is_object(json_object_get(mine, "shadow")) ||
            !json_is_object(json_object_get(mine, "active")))
                return;
        ret->verdict = HB_VERDICT_UNJUDGED;
        ret->together = kinds_with_shadow(list) > 1;
        compare(list, kind, place, "value", ret);
        if (!ret->guests)
                compare(list, kind, place, "f1", ret);
}

/* ---- words ---- */

enum hb_style hb_verdict_style(enum hb_verdict v) {
        return v == HB_VERDICT_WORSE    ? HB_STYLE_WARN
               : v == HB_VERDICT_BETTER ? HB_STYLE_GOOD
               : v == HB_VERDICT_SAME   ? HB_STYLE_NORMAL
                                        : HB_STYLE_DIM;
}

char hb_verdict_sign(enum hb_verdict v) {
        return v == HB_VERDICT_WORSE ? '!' : v == HB_VERDICT_BETTER ? '+' : v == HB_VERDICT_SAME ? '=' : '-';
}

const char *hb_verdict_text(const struct hb_policy_verdict *v, const char *place, char *buf, size_t size) {
        const char *other = strcmp(place, "shadow") == 0 ? "active" : "shadow";
        bool worse = v->verdict == HB_VERDICT_WORSE;

        buf[0] = '\0';
        if (v->verdict == HB_VERDICT_NONE)
                snprintf(buf, size, "nothing to hold it against");
        else if (v->verdict == HB_VERDICT_UNJUDGED)
                snprintf(buf, size, "not judged yet");
        else if (v->verdict == HB_VERDICT_SAME)
                snprintf(buf, size, "as good as %s: %s %.2f, %.2f", other, v->figure, v->mine, v->baseline);
        else
                snprintf(buf, size, "%s than %s: %s %.2f %c %.2f on %u of %u guest%s",
                         worse ? "worse" : "better", other, v->figure, v->mine, worse ? '<' : '>',
                         v->baseline, worse ? v->worse : v->better, v->guests, v->guests == 1 ? "" : "s");
        return buf;
}

const char *hb_verdict_short(const struct hb_policy_verdict *v, char *buf, size_t size) {
        bool worse = v->verdict == HB_VERDICT_WORSE;

        if (v->verdict == HB_VERDICT_NONE)
                snprintf(buf, size, "- no shadow beside it");
        else if (v->verdict == HB_VERDICT_UNJUDGED)
                snprintf(buf, size, "- not judged yet");
        else if (v->verdict == HB_VERDICT_SAME)
                snprintf(buf, size, "= as good: %.2f, %.2f", v->mine, v->baseline);
        else
                snprintf(buf, size, "%c %s: %.2f %c %.2f on %u/%u", hb_verdict_sign(v->verdict),
                         worse ? "worse" : "better", v->mine, worse ? '<' : '>', v->baseline,
                         worse ? v->worse : v->better, v->guests);
        return buf;
}
