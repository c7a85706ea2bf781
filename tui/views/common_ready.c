/* common_ready: one word for how safe a move of a guest would be now. What must stop an operator comes first:
 * no daemon to ask, a move under way, no VMM, a guest that cannot move, a link that is down. Pure. */
#include "views/common.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static bool is(const char *a, const char *b) {
        return strcmp(a, b) == 0;
}

static void set(struct hb_readiness *r, const char *word, enum hb_style style, char sign) {
        r->word = word;
        r->style = style;
        r->sign = sign;
}

__attribute__((format(printf, 3, 4))) static void why(struct hb_view_cause *c, const char *next,
                                                      const char *fmt, ...) {
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(c->why, sizeof(c->why), fmt, ap);
        va_end(ap);
        snprintf(c->next, sizeof(c->next), "%s", next);
}

static bool moving(const struct hb_guest_seen *g, const struct hb_view_figures *f, struct hb_readiness *r,
                   struct hb_view_cause *c) {
        const json_t *h = hb_view_moving(g);
        char left[HB_FMT_SIZE], rate[HB_FMT_SIZE];

        if (!h)
                return false;
        set(r, "moving", HB_STYLE_NOTE, '>');
        if (hb_json_text(h, "error.what")[0])
                why(c, hb_json_text(h, "error.next"), "being given up: %s", hb_json_text(h, "error.what"));
        else if (f->left_bytes >= 0)
                why(c, "", "%s; %s left, %s come", hb_view_or(hb_json_text(h, "state_text"), "moving"),
                    hb_fmt_bytes(f->left_bytes, left), hb_fmt_rate(f->rate, rate));
        else
                why(c, "", "%s", hb_view_or(hb_json_text(h, "state_text"), "moving"));
        return true;
}

/* What is wrong with the guest itself, wherever it is placed. */
static bool unfit(const struct hb_guest_seen *g, struct hb_readiness *r, struct hb_view_cause *c) {
        const char *state = hb_json_text(g->guest, "state");

        if (is(state, "gone")) {
                set(r, "gone", HB_STYLE_BAD, 'x');
                why(c, "harbinger guest detach it", "its process has ended");
        } else if (is(state, "attaching")) {
                set(r, "attaching", HB_STYLE_DIM, '~');
                why(c, "", "its daemon is still attaching it");
        } else if (hb_view_false(g->guest, "can_move")) {
                set(r, "cannot move", HB_STYLE_BAD, 'x');
                why(c, "see docs/OPERATING.md, QEMU options", "%s",
                    hb_view_or(hb_json_text(g->guest, "cannot_move"), "its VMM cannot be moved"));
        } else {
                return false;
        }
        return true;
}

static void no_link(const struct hb_view_figures *f, struct hb_readiness *r, struct hb_view_cause *c) {
        const char *what = hb_json_text(f->placement, "error.what"),
                   *next = hb_json_text(f->placement, "error.next");

        if (is(f->state, "lost"))
                set(r, "lost", HB_STYLE_BAD, 'x');
        else
                set(r, "connecting", HB_STYLE_WARN, '~');
        why(c, hb_view_or(next, "it dials again by itself"), "no link%s%s%s%s", f->placement ? " to " : "",
            f->placement ? hb_view_or(f->to, "the target") : " from its source", what[0] ? ": " : "", what);
}

static void placed(const struct hb_view_figures *f, struct hb_readiness *r, struct hb_view_cause *c) {
        bool stalled = is(f->trend, "stalled");

        if (is(f->state, "ready")) {
                set(r, "ready", HB_STYLE_GOOD, '+');
        } else if (is(f->state, "lost") || is(f->state, "connecting")) {
                no_link(f, r, c);
        } else if (is(f->state, "frozen") || is(f->state, "draining")) {
                set(r, "moving", HB_STYLE_NOTE, '>');
                why(c, "", "the last pages are on their way");
        } else if (is(f->state, "filling")) {
                set(r, stalled ? "stalled" : "filling", stalled ? HB_STYLE_WARN : HB_STYLE_NOTE,
                    stalled ? '!' : '~');
                hb_view_why_slow(f, stalled, c);
        } else if (!f->state[0]) {
                set(r, "unknown", HB_STYLE_WARN, '?');
                why(c, "", "its daemon does not say how its placement is");
        } else {
                set(r, "unknown", HB_STYLE_WARN, '?');
                why(c, "update the console", "its daemon gives a state that this console does not know: %s",
                    f->state);
        }
}

static bool unheard(const hb_world *w, unsigned number, struct hb_readiness *r, struct hb_view_cause *c) {
        const struct hb_seat *s = hb_view_seat(w, number);
        char age[HB_FMT_SIZE];

        if (!s || s->state == HB_SEAT_UP)
                return false;
        set(r, "unknown", HB_STYLE_WARN, '?');
        why(c, hb_view_or(s->why.next, "see whether harbingerd runs there"),
            "the daemon of %s is %s: what is shown is %s old", s->label, hb_seat_state_name(s->state),
            hb_fmt_seconds(hb_view_age_s(w, s->heard_ns), age));
        return true;
}

void hb_view_judge(const hb_world *w, const struct hb_guest_seen *g, struct hb_view_judged *ret) {
        struct hb_readiness *r = &ret->ready;
        struct hb_view_cause *c = &ret->cause;

        c->why[0] = c->next[0] = r->why[0] = '\0';
        set(r, "not placed", HB_STYLE_DIM, '-');
        hb_view_figures(g, &ret->f);
        r->share = ret->f.share;
        if (w && unheard(w, g->guest ? g->seat : g->target, r, c))
                r->share = NAN;
        else if (!moving(g, &ret->f, r, c) && !unfit(g, r, c)) {
                if (ret->f.placement || ret->f.incoming)
                        placed(&ret->f, r, c);
                else
                        why(c, "place it on a host",
                            "nothing of it is on another host: a move would send all of its memory");
        }
        hb_part_add(r->why, sizeof(r->why), "%s%s%s", c->why, c->next[0] ? "; " : "", c->next);
}

void hb_view_readiness(const struct hb_guest_seen *g, struct hb_readiness *ret) {
        struct hb_view_judged j;

        hb_view_judge(NULL, g, &j);
        *ret = j.ready;
}

/* "vm1 is lost", "vm1 cannot move", "whether vm1 is ready is unknown" */
static const char *verb_for(const char *word) {
        if (is(word, "cannot move"))
                return "";
        return is(word, "unknown") ? "may be ready or not, that is " : "is ";
}

void hb_view_verdict(struct hb_view_ctx *c, hb_doc *d, const struct hb_guest_seen *g) {
        struct hb_view_judged j;
        char down[HB_FMT_SIZE], after[HB_FMT_SIZE], since[HB_FMT_SIZE], trend[64] = "";
        const char *to;

        hb_view_judge(c->world, g, &j);
        to = hb_view_or(j.f.to, hb_view_or(hb_view_seat_label(c->world, g->target), "its target"));
        if (is(j.ready.word, "ready")) {
                hb_doc_note(d, "verdict", j.ready.style, j.ready.sign,
                            "%s is ready on %s: a move now stops it for about %s and sends %s then.", g->name,
                            to, hb_view_downtime(j.f.downtime_ms, down),
                            hb_fmt_bytes(j.f.after_bytes, after));
                return;
        }
        if (is(j.ready.word, "stalled") && j.f.trend_s >= 0)
                snprintf(trend, sizeof(trend), " since %s", hb_fmt_seconds(j.f.trend_s, since));
        hb_doc_note(d, "verdict", j.ready.style, j.ready.sign, "%s %s%s%s: %s.%s%s%s", g->name,
                    verb_for(j.ready.word), j.ready.word, trend, j.cause.why,
                    j.cause.next[0] ? " Next: " : "", j.cause.next, j.cause.next[0] ? "." : "");
}
