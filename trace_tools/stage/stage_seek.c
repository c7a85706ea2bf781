/* stage_seek: the clock of the replays, and who turns it. One clock for all traces: each is stepped as long
 * as its next epoch would end by the clock, so where they stand depends on the clock alone, not on how it got
 * there. Seeking back begins again and runs there; whoever changed policies has them changed again at the
 * begin, moves and placements that were asked for are not repeated. A turn works at most TURN_NS, so the
 * sockets stay answered; what it did not get done goes on in the next one. */
#include "stage/stage_priv.h"
#include <errno.h>
#include <math.h>
#include <string.h>

#define TURN_NS   (20 * HB_NS_PER_MS)
#define AGAIN_NS  (6 * HB_NS_PER_S) /* how long the end is shown before it begins again */
#define SLOWEST   0.1
#define FASTEST   1000.0
#define LONGEST_S 1e9

/* ---- how it stands ---- */

json_t *hb_stage_replay_json(const hb_stage *s) {
        const struct hb_stage_guest *g = &s->guests[0];
        uint64_t at_ns = s->play_ns < s->length_ns ? s->play_ns : s->length_ns; /* a move may outlive it */
        const char *note = s->seeking               ? "seeking"
                           : s->ended && s->o.again ? "at its end; it begins again"
                           : s->ended               ? "at its end"
                           : g->exact               ? "decisions are the recorded ones"
                                                    : "decided now, over a simulated link";

        return json_pack("{s:o,s:s,s:I,s:I,s:f,s:f,s:f,s:b,s:s}", "trace", hb_ctl_text(s->label), "state",
                         s->ended     ? "ended"
                         : s->playing ? "playing"
                                      : "paused",
                         "epoch", (json_int_t)g->point.epoch, "epochs", (json_int_t)g->epochs, "time_s",
                         (double)at_ns / 1e9, "seconds", (double)s->length_ns / 1e9, "speed", s->speed,
                         "exact", g->exact, "note", note);
}

/* ---- going there ---- */

static struct hb_stage_guest *next_guest(hb_stage *s, uint64_t to_ns) {
        struct hb_stage_guest *next = NULL;
        uint64_t due = to_ns;

        for (unsigned i = 0; i < s->nguests; i++) {
                uint64_t at = hb_stage_guest_due(&s->guests[i]);

                if (at <= due && (!next || at < due)) {
                        next = &s->guests[i];
                        due = at;
                }
        }
        return next;
}

/* While it seeks all that the time has come for, else a state at a time, so that each is shown. */
static void move_turns_of(struct hb_stage_guest *g) {
        enum hb_stage_step was;
        bool active;

        do {
                was = g->move.step;
                active = g->move.active;
                hb_stage_move_turn(g);
        } while (g->stage->seeking && g->move.active && (g->move.step != was || !active));
}

/* False: there is more to do. */
static bool run_to(hb_stage *s, uint64_t to_ns, uint64_t mono_ns) {
        struct hb_stage_guest *g;

        while ((g = next_guest(s, to_ns))) {
                hb_stage_guest_step(g);
                if (g->exact || g->move.active) {
                        uint64_t at = hb_stage_live(g).time_ns;

                        s->play_ns = at > s->play_ns ? at : s->play_ns;
                        move_turns_of(g);
                }
                if (hb_now_ns() - mono_ns > TURN_NS)
                        return next_guest(s, to_ns) == NULL;
        }
        return true;
}

static bool all_ended(const hb_stage *s) {
        for (unsigned i = 0; i < s->nguests; i++)
                if (!s->guests[i].ended)
                        return false;
        return true;
}

static bool moving(const hb_stage *s) {
        for (unsigned i = 0; i < s->nguests; i++)
                if (s->guests[i].move.active)
                        return true;
        return false;
}

static void move_turns(hb_stage *s) {
        for (unsigned i = 0; i < s->nguests; i++)
                move_turns_of(&s->guests[i]);
}

static void note_end(hb_stage *s, uint64_t mono_ns) {
        bool ended = all_ended(s) && !moving(s);

        if (ended && !s->ended) {
                s->changed = true;
                s->ended_mono_ns = mono_ns;
        }
        s->ended = ended;
}

static void answer_seek(hb_stage *s) {
        if (s->seek_request)
                hb_request_ok(s->seek_request, hb_stage_replay_json(s));
        s->seek_request = NULL;
}

static void seek_turn(hb_stage *s, uint64_t mono_ns) {
        bool there = run_to(s, s->seek_ns, mono_ns);

        if (!there)
                return;
        s->play_ns = s->seek_ns;
        move_turns(s);
        s->seeking = false;
        s->changed = true;
        note_end(s, mono_ns);
        answer_seek(s);
}

static void play_turn(hb_stage *s, uint64_t elapsed_ns, uint64_t mono_ns) {
        uint64_t to_ns = s->play_ns + (uint64_t)((double)elapsed_ns * s->speed), reached;

        if (run_to(s, to_ns, mono_ns)) {
                s->play_ns = to_ns;
        } else { /* faster than can be: the clock waits for the slowest */
                reached = UINT64_MAX;
                for (unsigned i = 0; i < s->nguests; i++)
                        if (!s->guests[i].ended && hb_stage_live(&s->guests[i]).time_ns < reached)
                                reached = hb_stage_live(&s->guests[i]).time_ns;
                s->play_ns = reached > s->play_ns && reached <= to_ns ? reached : s->play_ns;
        }
        move_turns(s);
        note_end(s, mono_ns);
}

void hb_stage_turn(hb_stage *s, uint64_t mono_ns) {
        uint64_t elapsed_ns = mono_ns - s->mono_ns;
        struct hb_err e;

        s->mono_ns = mono_ns;
        if (s->seeking)
                seek_turn(s, mono_ns);
        else if (s->ended && s->playing && s->o.again && mono_ns - s->ended_mono_ns > AGAIN_NS)
                hb_stage_begin_again(s, &e);
        else if (s->playing && !s->ended)
                play_turn(s, elapsed_ns, mono_ns);
        else if (moving(s))
                move_turns(s); /* what a pause or the end left in the midst of its words */
}

/* ---- begun again ---- */

int hb_stage_begin_again(hb_stage *s, struct hb_err *e) {
        struct hb_err why;
        int rc = 0;

        hb_err_set(&why, -ECANCELED, s->label, NULL, "the replay was begun again");
        for (unsigned i = 0; i < s->nguests && rc == 0; i++) {
                hb_stage_guest_forget_requests(&s->guests[i], &why);
                rc = hb_stage_guest_begin(&s->guests[i], e);
                if (rc < 0) { /* the file has gone or changed: what is there stays, and no more comes of it */
                        s->guests[i].ended = true;
                        hb_stage_tell(s, 0, HB_LOG_ERR, HB_ON_TRACE, s->guests[i].name, e ? e->next : NULL,
                                      "the replay cannot begin again: %s", e ? e->what : "");
                }
        }
        s->play_ns = 0;
        s->ended = false;
        s->changed = true;
        hb_stage_tell(s, 0, HB_LOG_INFO, HB_ON_TRACE, "", NULL, "the replay begins again");
        return rc;
}

/* ---- asked for ---- */

static int seek(hb_stage *s, uint64_t to_ns, hb_request *r, struct hb_err *e) {
        int rc = 0;

        if (s->seek_request) /* another moment is wanted meanwhile */
                answer_seek(s);
        if (to_ns < s->play_ns)
                rc = hb_stage_begin_again(s, e);
        if (rc < 0)
                return rc;
        s->seek_ns = to_ns;
        s->seeking = true;
        s->seek_request = r;
        s->changed = true;
        return 0;
}

static int seek_to_seconds(hb_stage *s, const json_t *value, hb_request *r, struct hb_err *e) {
        double at = json_number_value(value);
        uint64_t to_ns;

        if (!json_is_number(value) || !(at >= 0) || at > LONGEST_S)
                return hb_err_set(e, -EINVAL, "seek", "give seconds since the trace's begin",
                                  "there is no such moment");
        to_ns = (uint64_t)(at * 1e9);
        return seek(s, to_ns < s->length_ns ? to_ns : s->length_ns, r, e);
}

/* Epochs of the first trace. */
static int seek_by_epochs(hb_stage *s, const json_t *value, hb_request *r, struct hb_err *e) {
        double n = json_is_number(value) ? json_number_value(value) : 1;
        uint64_t epoch_ns = s->guests[0].h->epoch_ns ? s->guests[0].h->epoch_ns : HB_NS_PER_S;
        double at = (floor((double)s->play_ns / (double)epoch_ns) + n) * (double)epoch_ns;

        if (!(n == floor(n)) || n == 0 || fabs(n) > 1e6)
                return hb_err_set(e, -EINVAL, "step", "give a whole number of epochs, below 0: back",
                                  "that is no number of steps");
        s->playing = false;
        at = at < 0 ? 0 : at > (double)s->length_ns ? (double)s->length_ns : at;
        return seek(s, (uint64_t)at, r, e);
}

static int set_speed(hb_stage *s, const json_t *value, struct hb_err *e) {
        double v = json_number_value(value);

        if (!json_is_number(value) || !(v >= SLOWEST && v <= FASTEST))
                return hb_err_set(e, -ERANGE, "speed", "0.1 to 1000; 1 is as it was recorded",
                                  "that is no speed to play at");
        s->speed = v;
        s->changed = true;
        return 0;
}

static int play(hb_stage *s, bool on, struct hb_err *e) {
        int rc = 0;

        if (on && s->ended && !s->seeking)
                rc = hb_stage_begin_again(s, e);
        s->playing = on;
        s->changed = true;
        return rc;
}

void hb_stage_cmd_replay(hb_stage *s, hb_request *r, json_t *args) {
        const char *op = json_string_value(json_object_get(args, "op"));
        const json_t *value = json_object_get(args, "value");
        struct hb_err e = {0};
        bool later = false;
        int rc;

        s->mono_ns = hb_now_ns(); /* what went before counts at the old speed at most a turn long */
        if (strcmp(op, "play") == 0 || strcmp(op, "pause") == 0) {
                rc = play(s, op[1] == 'l', &e);
        } else if (strcmp(op, "speed") == 0) {
                rc = set_speed(s, value, &e);
        } else if (strcmp(op, "seek") == 0 || strcmp(op, "step") == 0) {
                rc = op[1] == 'e' ? seek_to_seconds(s, value, r, &e) : seek_by_epochs(s, value, r, &e);
                later = rc == 0;
        } else {
                rc = hb_err_set(&e, -EINVAL, op, "play, pause, step, seek or speed", "a replay knows no %s",
                                op);
        }
        if (rc < 0)
                hb_request_fail(r, &e);
        else if (!later)
                hb_request_ok(r, hb_stage_replay_json(s));
}
