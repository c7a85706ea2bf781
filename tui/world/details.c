/* details: answers to what a view asks beyond the ticks, kept while somebody asks. One request in flight for
 * each; one that nobody asked for in KEEP_NS is forgotten, and so is the longest unused when there are too
 * many. One that was asked for since the last pump is never taken away: its answer is being shown.
 *
 * An error is an answer: it replaces what was known, but for a lost connection, after which the last answer
 * is still the best there is. */
#include "world/world_priv.h"
#include <errno.h>
#include <string.h>

#define KEEP_NS    (30 * NS_PER_S)
#define MIN_AGE_NS (NS_PER_S / 5) /* whatever a view wants, a daemon is not asked faster */
#define RETRY_NS   NS_PER_S
#define LATE_NS    (10 * NS_PER_S)

static void clear(struct detail *d) {
        json_decref(d->args);
        json_decref(d->result);
        memset(d, 0, sizeof(*d));
}

void hb_world_details_fini(hb_world *w) {
        for (unsigned i = 0; i < HB_WORLD_DETAILS; i++)
                clear(&w->details[i]);
}

static void not_under_way(hb_world *w, struct detail *d) {
        struct seat *s = d->id ? hb_world_live(w, d->seat) : NULL;

        if (s && s->detailed > 0) {
                s->detailed--;
                s->under_way--;
        }
        d->id = 0;
}

void hb_world_details_drop(hb_world *w, unsigned seat) {
        for (unsigned i = 0; i < HB_WORLD_DETAILS; i++)
                if (w->details[i].used && w->details[i].seat == seat)
                        clear(&w->details[i]);
}

/* One that is still under way stays: the daemon works on it, and the place it takes there is counted. */
void hb_world_details_sweep(hb_world *w) {
        for (unsigned i = 0; i < HB_WORLD_DETAILS; i++) {
                struct detail *d = &w->details[i];

                if (d->used && !d->id && w->now_ns - d->used_ns > KEEP_NS)
                        clear(d);
        }
}

static struct detail *find(hb_world *w, unsigned seat, const char *cmd, const json_t *args) {
        for (unsigned i = 0; i < HB_WORLD_DETAILS; i++) {
                struct detail *d = &w->details[i];

                if (d->used && d->seat == seat && strcmp(d->cmd, cmd) == 0 && json_equal(d->args, args))
                        return d;
        }
        return NULL;
}

static struct detail *begin(hb_world *w, unsigned seat, const char *cmd, json_t *args) {
        struct detail *oldest = NULL;

        for (unsigned i = 0; i < HB_WORLD_DETAILS; i++) {
                struct detail *d = &w->details[i];

                if (!d->used) {
                        oldest = d;
                        break;
                }
                if (!d->id && d->used_pump != w->pumps && (!oldest || d->used_ns < oldest->used_ns))
                        oldest = d;
        }
        if (!oldest || strlen(cmd) >= sizeof(oldest->cmd))
                return NULL;
        clear(oldest);
        oldest->used = true;
        oldest->seat = seat;
        strcpy(oldest->cmd, cmd);
        oldest->args = json_incref(args);
        return oldest;
}

static void ask(struct seat *s, struct detail *d) {
        int id;

        if (s->detailed >= DETAIL_ROOM || s->under_way + 1 >= UNDER_WAY)
                return; /* with the next call */
        id = hb_world_ask(s, d->cmd, json_deep_copy(d->args));
        d->tried_ns = s->w->now_ns;
        if (id < 0) {
                hb_err_set(&d->err, id, d->cmd, NULL, "this cannot be asked now: %s", strerror(-id));
                return;
        }
        d->id = id;
        d->asked_ns = s->w->now_ns;
        d->old = false;
        s->detailed++;
        s->under_way++;
}

static bool is_due(const struct detail *d, int64_t now_ns, double max_age_s) {
        int64_t age = max_age_s > 1e6 ? INT64_MAX / 2 : max_age_s > 0 ? (int64_t)(max_age_s * 1e9) : 0;

        if (d->id)
                return false;
        if (!d->tried_ns || d->old)
                return true;
        if (d->err.code && age < RETRY_NS)
                age = RETRY_NS;
        return now_ns - d->tried_ns >= (age < MIN_AGE_NS ? MIN_AGE_NS : age);
}

const json_t *hb_world_detail(hb_world *w, unsigned seat, const char *cmd, json_t *args, double max_age_s,
                              const struct hb_err **ret_err, double *ret_age_s) {
        struct seat *s = hb_world_live(w, seat);
        json_t *wanted = args ? args : json_object();
        struct detail *d = s && wanted ? find(w, seat, cmd, wanted) : NULL;

        if (s && wanted && !d)
                d = begin(w, seat, cmd, wanted);
        json_decref(wanted);
        if (ret_err)
                *ret_err = NULL;
        if (!d)
                return NULL;
        d->used_ns = w->now_ns;
        d->used_pump = w->pumps;
        if (!s->connected && !d->err.code)
                hb_err_set(&d->err, -ENOTCONN, s->pub.label, s->pub.why.next, "this host cannot be asked: %s",
                           s->pub.why.what[0] ? s->pub.why.what : "it is not connected yet");
        else if (s->connected && is_due(d, w->now_ns, max_age_s))
                ask(s, d);
        if (d->id && w->now_ns - d->asked_ns > LATE_NS)
                hb_err_set(&d->err, -ETIMEDOUT, cmd, "harbinger doctor there", "no answer for %u s",
                           (unsigned)((w->now_ns - d->asked_ns) / NS_PER_S));
        if (ret_err && d->err.code)
                *ret_err = &d->err;
        if (ret_age_s)
                *ret_age_s = d->result ? (double)(w->now_ns - d->got_ns) / 1e9 : 0;
        return d->result;
}

bool hb_world_asking(const hb_world *w) {
        for (unsigned i = 0; i < HB_WORLD_DETAILS; i++) {
                const struct detail *d = &w->details[i];

                if (d->used && d->id && !d->result && !d->err.code)
                        return true;
        }
        return false;
}

void hb_world_details_old(hb_world *w, unsigned seat) {
        for (unsigned i = 0; i < HB_WORLD_DETAILS; i++)
                if (w->details[i].used && w->details[i].seat == seat)
                        w->details[i].old = true;
}

bool hb_world_details_answer(struct seat *s, int id, const json_t *msg) {
        struct detail *d = NULL;
        json_t *result = json_object_get(msg, "result");

        for (unsigned i = 0; i < HB_WORLD_DETAILS && !d; i++)
                if (s->w->details[i].used && s->w->details[i].seat == s->number && s->w->details[i].id == id)
                        d = &s->w->details[i];
        if (!d)
                return false;
        if (json_object_get(msg, "progress"))
                return true;
        not_under_way(s->w, d);
        json_decref(d->result);
        d->result = NULL;
        d->err.code = 0;
        d->tried_ns = s->w->now_ns;
        if (json_is_true(json_object_get(msg, "ok")) && json_is_object(result)) {
                d->result = json_incref(result);
                d->got_ns = s->w->now_ns;
        } else {
                hb_ctl_error_from(json_object_get(msg, "error"), &d->err);
        }
        s->w->changed = true;
        return true;
}

void hb_world_details_lost(struct seat *s, const struct hb_err *why) {
        for (unsigned i = 0; i < HB_WORLD_DETAILS; i++) {
                struct detail *d = &s->w->details[i];

                if (!d->used || d->seat != s->number)
                        continue;
                d->id = 0;
                d->old = true;
                hb_err_set(&d->err, -ECONNRESET, s->pub.label, why->next, "%s", why->what);
        }
}
