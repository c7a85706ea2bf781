/* view_policies_notes: what an operator should know before reading any table: what was refused, what is in
 * quarantine, which canary is under way, which shadow is worse or better than its baseline; each with the key
 * to press. The worst that can be, nothing to say, is no line at all. */
#include "views/common.h"
#include "views/view_policies.h"
#include <math.h>
#include <string.h>

#define ROOM_FOR_ALL_NOTES 12u /* lines; on fewer only what is wrong is said, and the table has room */

/* A note's name in --json: one of each sort a kind. */
static const char *key_of(const char *sort, const json_t *kind, const char *place, char buf[64]) {
        snprintf(buf, 64, "%s_%.20s%s%s", sort, hb_json_text(kind, "kind"), *place ? "_" : "", place);
        return buf;
}

static void note_trouble(hb_doc *d, const json_t *kind) {
        const json_t *t = json_object_get(kind, "trouble");
        bool none = !json_is_object(json_object_get(kind, "active"));
        const char *name = hb_json_text(kind, "kind");
        char key[64];

        if (!json_is_object(t)) {
                if (none)
                        hb_doc_note(d, key_of("trouble", kind, "", key), HB_STYLE_BAD, 'x',
                                    "no %s is active: no guest can be placed here. Next: load one", name);
                return;
        }
        hb_doc_note(d, key_of("trouble", kind, "", key), none ? HB_STYLE_BAD : HB_STYLE_WARN,
                    none ? 'x' : '!', "%s '%s' was refused%s: %s%s%s", name, hb_json_text(t, "name"),
                    none ? ", and no guest can be placed here" : "",
                    hb_view_or(hb_json_text(t, "what"), "no reason was given"),
                    hb_json_text(t, "next")[0] ? ". Next: " : "", hb_json_text(t, "next"));
}

static void note_quarantine(struct hb_policies_look *k, hb_doc *d, const json_t *kind, const char *place) {
        const json_t *v = json_object_get(kind, place), *q = json_object_get(v, "quarantined");
        char name[96], guests[120], key[HB_PART_TEXT], called[64];
        bool shadow = strcmp(place, "shadow") == 0, back = json_is_object(json_object_get(kind, "previous"));

        if (json_array_size(q) == 0)
                return;
        hb_doc_note(d, key_of("quarantine", kind, place, called), HB_STYLE_BAD, 'x',
                    "%s %s (%s) failed too often on %s and is in quarantine there%s%s%s: %s. Next: %s %s",
                    hb_json_text(kind, "kind"), hb_policy_name(v, name), place,
                    hb_part_names(q, 3, guests, sizeof(guests)), hb_json_text(v, "answering")[0] ? ", " : "",
                    hb_json_text(v, "answering"), hb_json_text(v, "answering")[0] ? " answers" : "",
                    hb_json_text(v, "last_error")[0] ? hb_json_text(v, "last_error") : "no reason was given",
                    hb_part_key(k->c,
                                shadow ? HB_DO_DROP
                                : back ? HB_DO_ROLLBACK
                                       : HB_DO_LOAD,
                                key),
                    shadow ? "gives it up"
                    : back ? "goes back to the one before"
                           : "loads another");
}

static void note_canary(struct hb_policies_look *k, hb_doc *d, const json_t *kind) {
        double share = hb_json_number(kind, "canary");
        char name[96], promote[HB_PART_TEXT], rollback[HB_PART_TEXT], percent[HB_FMT_SIZE], called[64];

        if (!(share > 0))
                return;
        hb_doc_note(d, key_of("canary", kind, "", called), HB_STYLE_NOTE, 'i',
                    "canary: %s %s decides on %s of the guests. Next: %s for all of them, %s ends it",
                    hb_json_text(kind, "kind"), hb_policy_name(json_object_get(kind, "shadow"), name),
                    hb_fmt_share(share, percent), hb_part_key(k->c, HB_DO_PROMOTE, promote),
                    hb_part_key(k->c, HB_DO_ROLLBACK, rollback));
}

/* "f1 0.41 < 0.55" beside the value, where that is not what was compared already. */
static void add_f1(const json_t *list, const char *kind, const char *place, const char *figure, char *buf,
                   size_t size) {
        const char *other = strcmp(place, "shadow") == 0 ? "active" : "shadow";
        double mine = hb_policies_mean(list, kind, place, "f1");
        double base = hb_policies_mean(list, kind, other, "f1");

        if (strcmp(figure, "f1") != 0 && isfinite(mine) && isfinite(base))
                hb_part_add(buf, size, "; f1 %.2f %c %.2f", mine,
                            mine < base - 0.005   ? '<'
                            : mine > base + 0.005 ? '>'
                                                  : '=',
                            base);
}

static void next_step(struct hb_policies_look *k, const struct hb_policy_verdict *v, const json_t *kind,
                      char *buf, size_t size) {
        bool canary = hb_json_number(kind, "canary") > 0;
        char a[HB_PART_TEXT], b[HB_PART_TEXT], x[HB_PART_TEXT];

        if (v->verdict == HB_VERDICT_BETTER)
                snprintf(buf, size, "%s makes it active%s", hb_part_key(k->c, HB_DO_PROMOTE, a),
                         canary ? " on all guests" : "");
        else
                snprintf(buf, size, "%s gives it up, %s tunes it, %s shows how they differ",
                         hb_part_key(k->c, canary ? HB_DO_ROLLBACK : HB_DO_DROP, a),
                         hb_part_key(k->c, HB_DO_TUNE, b), hb_part_key(k->c, HB_DO_DIFF, x));
}

static bool is_small(const struct hb_policies_look *k) {
        return hb_view_on_screen(k->c) && k->c->height < ROOM_FOR_ALL_NOTES;
}

/* The same in two lines of forty columns. */
static void short_verdict(struct hb_policies_look *k, hb_doc *d, const json_t *kind,
                          const struct hb_policy_verdict *v) {
        char name[96], base[96], key[HB_PART_TEXT], called[64];
        bool worse_one = v->verdict == HB_VERDICT_WORSE;

        hb_doc_note(d, key_of("verdict", kind, "", called), hb_verdict_style(v->verdict),
                    worse_one ? '!' : '+', "%s (shadow) is %s than %s: %s %.2f %c %.2f. %s %s",
                    hb_policy_name(json_object_get(kind, "shadow"), name), worse_one ? "worse" : "better",
                    hb_policy_name(json_object_get(kind, "active"), base), v->figure, v->mine,
                    worse_one ? '<' : '>', v->baseline,
                    hb_part_key(k->c, worse_one ? HB_DO_DROP : HB_DO_PROMOTE, key),
                    worse_one ? "drops it" : "promotes it");
}

static void note_verdict(struct hb_policies_look *k, hb_doc *d, const json_t *kind) {
        struct hb_policy_verdict v;
        char name[96], base[96], text[200], next[200], called[64];
        const char *word = hb_json_text(kind, "kind");

        hb_policies_verdict(k->list, word, "shadow", &v);
        if (v.verdict != HB_VERDICT_WORSE && v.verdict != HB_VERDICT_BETTER)
                return;
        if (is_small(k)) {
                short_verdict(k, d, kind, &v);
                return;
        }
        snprintf(text, sizeof(text), "%s %.2f %c %.2f on %u of %u guest%s", v.figure, v.mine,
                 v.verdict == HB_VERDICT_WORSE ? '<' : '>', v.baseline,
                 v.verdict == HB_VERDICT_WORSE ? v.worse : v.better, v.guests, v.guests == 1 ? "" : "s");
        add_f1(k->list, word, "shadow", v.figure, text, sizeof(text));
        if (v.worse && v.guests > 1)
                hb_part_add(text, sizeof(text), "; worst on %s, %.2f < %.2f", v.worst, v.worst_mine,
                            v.worst_baseline);
        next_step(k, &v, kind, next, sizeof(next));
        hb_doc_note(d, key_of("verdict", kind, "", called), hb_verdict_style(v.verdict),
                    v.verdict == HB_VERDICT_WORSE ? '!' : '+',
                    "%s (shadow %s) is %s than its baseline, %s (active): %s%s. Next: %s",
                    hb_policy_name(json_object_get(kind, "shadow"), name), word,
                    v.verdict == HB_VERDICT_WORSE ? "worse" : "better",
                    hb_policy_name(json_object_get(kind, "active"), base), text,
                    v.together ? " (together with the other shadows)" : "", next);
}

static bool worse(const struct hb_policies_look *k, const json_t *kind) {
        struct hb_policy_verdict v;

        hb_policies_verdict(k->list, hb_json_text(kind, "kind"), "shadow", &v);
        return v.verdict == HB_VERDICT_WORSE;
}

/* What stands first is what stays on a screen of a few lines. */
static void note(struct hb_policies_look *k, hb_doc *d, const json_t *kind, unsigned turn) {
        bool active = json_is_object(json_object_get(kind, "active"));

        switch (turn) {
        case 0:
                if (!active)
                        note_trouble(d, kind);
                note_quarantine(k, d, kind, "active");
                note_quarantine(k, d, kind, "shadow");
                return;
        case 1:
                if (worse(k, kind))
                        note_verdict(k, d, kind);
                return;
        case 2:
                if (active)
                        note_trouble(d, kind);
                return;
        default:
                note_canary(k, d, kind);
                if (!worse(k, kind))
                        note_verdict(k, d, kind);
        }
}

void hb_policies_build_notes(struct hb_policies_look *k, hb_doc *d) {
        const json_t *kind;
        size_t i;

        for (unsigned turn = 0; turn < (is_small(k) ? 2 : 4); turn++) {
                json_array_foreach(json_object_get(k->list, "kinds"), i, kind) {
                        note(k, d, kind, turn);
                }
        }
}
