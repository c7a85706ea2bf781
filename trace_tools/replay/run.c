/* run: a whole replay, watched and paced. The only place of the room that looks at a clock: for pace,
 * progress and how long it took, never for a decision. */
#include "base/clock.h"
#include "replay/replay_priv.h"
#include <errno.h>

#define TELL_NS (100 * HB_NS_PER_MS)

int hb_replay_told(struct hb_replay_watch *w, const struct hb_replay *r) {
        uint64_t now = hb_now_ns();
        double share;

        if (!w->tick || now - w->told_ns < TELL_NS)
                return 0;
        w->told_ns = now;
        hb_replay_progress(r, &share);
        return w->tick(w->arg, w->from + share * (w->to - w->from), &r->point) ? -ECANCELED : 0;
}

/* Waits until this epoch is due. */
static int pace(struct hb_replay_watch *w, const struct hb_replay *r, uint64_t began_ns) {
        double due = r->o.speed > 0 ? (double)(r->last_ns - r->begin_ns) / r->o.speed : 0;
        int rc = hb_replay_told(w, r);

        while (rc == 0 && r->o.speed > 0) {
                double left = due - (double)(hb_now_ns() - began_ns);

                if (left <= 0)
                        break;
                hb_sleep_ns(left < (double)TELL_NS ? (uint64_t)left : TELL_NS);
                rc = hb_replay_told(w, r);
        }
        return rc;
}

static int run_through(struct hb_replay *r, struct hb_replay_watch *w, struct hb_err *e) {
        uint64_t began_ns = hb_now_ns();
        int rc;

        while ((rc = hb_replay_step(r, e)) > 0)
                if (pace(w, r, began_ns) < 0)
                        return hb_err_set(e, -ECANCELED, r->h->guest, NULL, "the replay was ended");
        return rc;
}

int hb_replay_run(const char *path, const struct hb_replay_options *o,
                  int (*tick)(void *arg, double share, const struct hb_replay_point *p), void *arg,
                  struct hb_replay_result *ret, struct hb_err *e) {
        unsigned n = o->migrate_moments < HB_REPLAY_MOMENTS ? o->migrate_moments : HB_REPLAY_MOMENTS;
        struct hb_replay_watch w = {.tick = tick, .arg = arg, .to = 1.0 / (1 + n)};
        uint64_t began_ns = hb_now_ns();
        struct hb_replay_result result = {0};
        struct hb_replay *r;
        int rc = hb_replay_open(path, o, &r, e);

        if (rc < 0)
                return rc;
        rc = run_through(r, &w, e);
        if (rc == 0)
                hb_replay_result(r, &result);
        hb_replay_free(r);
        for (unsigned i = 0; rc == 0 && i < n; i++) {
                w.from = w.to;
                w.to = (double)(i + 2) / (1 + n);
                rc = hb_replay_migrate(path, o, o->migrate_at_ns[i], &w, &result.migrations[i], e);
                result.nmigrations += rc == 0;
        }
        result.took_s = (double)(hb_now_ns() - began_ns) / 1e9;
        if (rc == 0)
                *ret = result;
        return rc;
}
