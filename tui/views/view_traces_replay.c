/* view_traces_replay: a replay that runs in a seat of its own: where it is, and the keys that hold it, step
 * it, move it, make it faster. The keys mean the same in every view. Nothing real is touched by them, so they
 * need no --control. */
#include "views/common.h"
#include "views/view_traces.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What a stage takes (docs/CONTROL.md, `replay`). */
#define SPEED_LEAST 0.1
#define SPEED_MOST  1000.0

/* The newest of the replays: the one that was asked for last. */
static unsigned replay_seat(const hb_world *w) {
        for (unsigned i = hb_world_seats(w); i-- > 0;) {
                const struct hb_seat *s = hb_world_seat(w, i);

                if (s && json_is_object(s->replay) && s->state == HB_SEAT_UP)
                        return i;
        }
        return HB_NO_SEAT;
}

/* ---- keys ---- */

static json_t *op(const char *name) {
        return json_pack("{s:s}", "op", name);
}

static json_t *op_with(const char *name, double value) {
        return json_pack("{s:s,s:f}", "op", name, "value", value);
}

static int toggle(unsigned seat, const json_t *replay, struct hb_order *ret) {
        const char *state = hb_json_text(replay, "state");

        if (strcmp(state, "ended") == 0)
                return hb_order_say(ret, "The trace is at its end. Go to second 0 to see it again.");
        if (strcmp(state, "paused") == 0)
                return hb_order_call(ret, seat, "replay", op("play"), "", "the replay goes on");
        return hb_order_call(ret, seat, "replay", op("pause"), "", "the replay is held");
}

/* Seconds, or minutes and seconds as "1:30". False: neither. */
static bool read_seconds(const char *text, double *ret) {
        char *end;
        double v = strtod(text, &end), more = 0;

        if (end == text)
                return false;
        if (*end == ':') {
                const char *rest = end + 1;

                more = strtod(rest, &end);
                v *= 60;
                if (end == rest || !(more >= 0 && more < 60))
                        return false;
        }
        *ret = v + more;
        return !end[strspn(end, " s")] && isfinite(*ret) && *ret >= 0;
}

static int seek(unsigned seat, const json_t *replay, const char *const *answers, unsigned n,
                struct hb_order *ret) {
        double length = hb_part_share(replay, "seconds"), to;
        char now[HB_PART_TEXT], all[HB_PART_TEXT];

        if (n == 0)
                return hb_order_ask(ret, "", "go to which second, 0 to %s? (now %s)",
                                    hb_part_fixed(length, 0, all),
                                    hb_part_fixed(hb_part_share(replay, "time_s"), 0, now));
        if (!read_seconds(answers[0], &to))
                return hb_order_say(ret, "%s is no time: give seconds, or minutes:seconds.", answers[0]);
        if (to > length)
                return hb_order_say(ret, "The trace ends at second %s.", hb_part_fixed(length, 0, all));
        return hb_order_call(ret, seat, "replay", op_with("seek", to), "", "the replay goes to second %s",
                             hb_part_fixed(to, 1, now));
}

static int speed(unsigned seat, const json_t *replay, double factor, struct hb_order *ret) {
        double now = hb_json_number(replay, "speed"), to = (now > 0 ? now : 1) * factor;
        char text[HB_PART_TEXT];

        to = fmin(fmax(to, SPEED_LEAST), SPEED_MOST);
        if (fabs(to - now) < 1e-9)
                return hb_order_say(ret, "The replay is as %s as it can be.", factor > 1 ? "fast" : "slow");
        return hb_order_call(ret, seat, "replay", op_with("speed", to), "", "the replay runs at %s times",
                             hb_part_bound(to, text));
}

int hb_view_replay_act(struct hb_view_ctx *c, enum hb_action a, const char *const *answers, unsigned nanswers,
                       struct hb_order *ret) {
        unsigned seat = replay_seat(c->world);
        const json_t *replay;
        char key[HB_PART_TEXT];

        if (a != HB_DO_PAUSE && a != HB_DO_STEP && a != HB_DO_SEEK && a != HB_DO_FASTER && a != HB_DO_SLOWER)
                return 0;
        if (seat == HB_NO_SEAT)
                return hb_order_say(ret, "No replay is running. %s plays a trace.",
                                    hb_part_key(c, HB_DO_REPLAY, key));
        replay = hb_world_seat(c->world, seat)->replay;
        switch (a) {
        case HB_DO_PAUSE:
                return toggle(seat, replay, ret);
        case HB_DO_STEP:
                return hb_order_call(ret, seat, "replay", op("step"), "",
                                     "the replay goes one epoch further");
        case HB_DO_SEEK:
                return seek(seat, replay, answers, nanswers, ret);
        case HB_DO_FASTER:
                return speed(seat, replay, 2, ret);
        default:
                return speed(seat, replay, 0.5, ret);
        }
}

/* ---- where it is ---- */

static void keys_note(struct hb_view_ctx *c, hb_doc *d) {
        static const enum hb_action actions[] = {HB_DO_PAUSE, HB_DO_STEP, HB_DO_SEEK, HB_DO_FASTER,
                                                 HB_DO_SLOWER};
        char text[160] = "", key[HB_PART_TEXT];

        if (c->nkeys == 0)
                return;
        for (unsigned i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
                hb_part_add(text, sizeof(text), "%s%s %s", i ? ", " : "", hb_part_key(c, actions[i], key),
                            hb_action_name(actions[i]));
        hb_doc_note(d, NULL, HB_STYLE_DIM, 0, "keys, in every view: %s", text);
}

static void state_field(hb_doc *d, const json_t *r) {
        const char *state = hb_json_text(r, "state");
        bool playing = strcmp(state, "playing") == 0;

        hb_doc_field(d, "replay_state", "state", playing ? HB_STYLE_GOOD : HB_STYLE_NOTE,
                     hb_part_member(r, "state"), "%s %s",
                     playing                        ? ">"
                     : strcmp(state, "paused") == 0 ? "="
                                                    : ".",
                     *state ? state : "unknown");
}

static void progress(hb_doc *d, const json_t *r, bool bar) {
        double at = hb_part_share(r, "time_s"), all = hb_part_share(r, "seconds");
        char t[HB_FMT_SIZE], end[HB_FMT_SIZE], e[HB_FMT_SIZE], n[HB_FMT_SIZE], x[HB_PART_TEXT];
        struct hb_doc_part played = {.key = "played",
                                     .label = "played",
                                     .letter = '#',
                                     .style = HB_STYLE_SENT,
                                     .value = at,
                                     .text = t};

        hb_fmt_seconds(at, t);
        hb_doc_field(d, "replay_time_s", "time", HB_STYLE_STRONG, hb_part_known(at), "%s of %s", t,
                     hb_fmt_seconds(all, end));
        hb_doc_field(d, "replay_epoch", "epoch", HB_STYLE_NORMAL, hb_part_known(hb_json_number(r, "epoch")),
                     "%s of %s", hb_fmt_count(hb_json_number(r, "epoch"), e),
                     hb_fmt_count(hb_json_number(r, "epochs"), n));
        hb_doc_field(d, "replay_speed", "speed", HB_STYLE_NORMAL, hb_part_known(hb_json_number(r, "speed")),
                     "%s times as recorded", hb_part_fixed(hb_part_share(r, "speed"), 2, x));
        if (bar && isfinite(at) && all > 0)
                hb_doc_bar(d, "replay_progress", NULL, &played, 1, all);
}

static void one_replay(hb_doc *d, const struct hb_seat *s, bool roomy) {
        const json_t *r = s->replay;
        bool exact = hb_part_true(r, "exact");

        if (roomy)
                hb_doc_heading(d, "replay");
        state_field(d, r);
        progress(d, r, roomy);
        hb_part_field_text(d, "replay_trace", "trace", HB_STYLE_STRONG, hb_json_text(r, "trace"));
        hb_doc_field(d, "replay_exact", "decisions", exact ? HB_STYLE_GOOD : HB_STYLE_NORMAL,
                     json_boolean(exact),
                     exact ? "+ exact: as they were made" : "~ simulated: as they would be made");
        if (hb_json_text(r, "note")[0])
                hb_doc_note(d, "replay_note", HB_STYLE_NOTE, 'i', "%s", hb_json_text(r, "note"));
}

void hb_traces_build_replay(struct hb_view_ctx *c, hb_doc *d) {
        unsigned seat = replay_seat(c->world);

        if (seat == HB_NO_SEAT)
                return;
        one_replay(d, hb_world_seat(c->world, seat), hb_view_height(c) >= 16);
        keys_note(c, d);
}
