/* qemu_source: the side that gives the guest away.
 *
 * QEMU's own migration does the stopping: it drains the devices, and it knows how to go back. With
 * x-ignore-shared it has next to nothing to send until the devices, so `pre-switchover` comes within
 * milliseconds. Invariant: a guest that stands in finish-migrate or postmigrate was running when we stopped
 * it, because freeze refuses any other; so thaw starts exactly those. One worker thread. */
#include "base/clock.h"
#include "move/qemu_priv.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define POLL_MS 1

static bool is(const struct hb_qemu_status *st, const char *run) {
        return strcmp(st->run, run) == 0;
}

static bool under_way(enum hb_qemu_mig m) {
        return m >= HB_MIG_SETUP && m <= HB_MIG_CANCELLING;
}

static int not_running(const struct hb_qemu *q, const struct hb_qemu_status *st, struct hb_err *e) {
        return hb_err_set(e, -EOPNOTSUPP, q->path, "let it run (`cont`) and move it then",
                          "only a running guest can be moved; this one is in state '%s'", st->run);
}

int hb_qemu_prepare_source(struct hb_qemu *q, struct hb_err *e) {
        struct hb_qemu_status st;
        int rc = hb_qemu_status(q, &st, e);

        if (rc < 0)
                return rc;
        if (under_way(st.mig))
                return hb_err_set(e, -EBUSY, q->path, "wait for it, or `migrate_cancel` in the monitor",
                                  "QEMU is already migrating this guest");
        if (!is(&st, "running"))
                return not_running(q, &st, e);
        if (st.blocked[0])
                return hb_err_set(e, -EOPNOTSUPP, q->path, "remove the device that blocks migration",
                                  "QEMU cannot migrate this guest: %s", st.blocked);
        return hb_qemu_caps_set(q, e);
}

static int timed_out(const struct hb_qemu *q, const char *what, const struct hb_qemu_status *st,
                     struct hb_err *e) {
        return hb_err_set(e, -ETIMEDOUT, q->path, "try again; if it persists see QEMU's log",
                          "QEMU did not %s in time (guest '%s', its migration in state %d%s%s)", what,
                          st->run, (int)st->mig, st->mig_error[0] ? ": " : "", st->mig_error);
}

static int migration_ended(const struct hb_qemu *q, const struct hb_qemu_status *st, struct hb_err *e) {
        return hb_err_set(e, -EREMOTEIO, q->path, NULL, "QEMU gave its migration up: %s",
                          st->mig_error[0] ? st->mig_error : "no reason given");
}

/* Until the migration has reached `goal`. */
static int await_migration(struct hb_qemu *q, enum hb_qemu_mig goal, const char *what, uint64_t deadline_ns,
                           struct hb_err *e) {
        for (;;) {
                struct hb_qemu_status st;
                int rc = hb_qemu_status(q, &st, e);

                if (rc < 0)
                        return rc;
                if (st.mig == goal)
                        return 0;
                if (st.mig == HB_MIG_NONE || st.mig >= HB_MIG_COMPLETED || st.mig == HB_MIG_CANCELLING)
                        return migration_ended(q, &st, e);
                if (hb_now_ns() >= deadline_ns)
                        return timed_out(q, what, &st, e);
                rc = hb_qemu_pause(q, POLL_MS, e);
                if (rc < 0)
                        return rc;
        }
}

static int start_migration(struct hb_qemu *q, struct hb_err *e) {
        if (!q->have_stream)
                return hb_err_set(e, -EINVAL, q->path, NULL, "freeze without a stream for the device state");
        q->have_stream = false; /* consumed, whatever comes of it */
        return hb_qemu_call(q, "migrate", json_pack("{s:s}", "uri", "fd:" HB_QEMU_STREAM), NULL, e);
}

int hb_qemu_freeze(struct hb_qemu *q, int timeout_ms, uint64_t *ret_stop_wall_ns, struct hb_err *e) {
        uint64_t deadline_ns = hb_qemu_until(q, timeout_ms), events = hb_qmp_events(q->qmp);
        struct hb_qemu_status st;
        struct hb_qmp_event stop;
        int rc = hb_qemu_status(q, &st, e);

        if (rc < 0)
                return rc;
        if (st.mig ==
            HB_MIG_PRE_SWITCHOVER) { /* asked again after a crash of ours; when it stopped is lost */
                *ret_stop_wall_ns = hb_wall_ns();
                return 0;
        }
        if (!is(&st, "running"))
                return not_running(q, &st, e);
        rc = start_migration(q, e);
        if (rc == 0)
                rc = await_migration(q, HB_MIG_PRE_SWITCHOVER, "stop the guest", deadline_ns, e);
        if (rc < 0)
                return rc;
        *ret_stop_wall_ns = hb_qmp_event(q->qmp, "STOP", events, &stop) == 0 ? stop.wall_ns : hb_wall_ns();
        return 0;
}

int hb_qemu_send_state(struct hb_qemu *q, int timeout_ms, struct hb_err *e) {
        uint64_t deadline_ns = hb_qemu_until(q, timeout_ms);
        struct hb_qemu_status st;
        int rc = hb_qemu_status(q, &st, e);

        if (rc < 0 || (st.mig == HB_MIG_COMPLETED && is(&st, "postmigrate")))
                return rc;
        if (st.mig == HB_MIG_PRE_SWITCHOVER)
                rc = hb_qemu_call(q, "migrate-continue", json_pack("{s:s}", "state", "pre-switchover"), NULL,
                                  e);
        else if (st.mig != HB_MIG_DEVICE)
                return hb_err_set(e, -EINVAL, q->path, NULL, "the guest is not frozen (it is in state '%s')",
                                  st.run);
        return rc < 0 ? rc : await_migration(q, HB_MIG_COMPLETED, "send its device state", deadline_ns, e);
}

/* One step towards a running guest. 1: arrived. */
static int thaw_step(struct hb_qemu *q, const struct hb_qemu_status *st, bool *cancelled, struct hb_err *e) {
        if (is(st, "inmigrate") || is(st, "prelaunch"))
                return hb_err_set(e, -EINVAL, q->path, NULL,
                                  "there is no guest in this VMM to let go on ('%s')", st->run);
        if (under_way(st->mig)) {
                int rc = *cancelled ? 0 : hb_qemu_call(q, "migrate_cancel", NULL, NULL, e);

                *cancelled = true;
                return rc;
        }
        if (is(st, "finish-migrate")) /* QEMU is about to leave it by itself */
                return 0;
        if (is(st, "postmigrate"))
                return hb_qemu_call(q, "cont", NULL, NULL, e);
        return 1; /* runs; or is paused, panicked, shut down: its own or its operator's doing */
}

int hb_qemu_thaw(struct hb_qemu *q, int timeout_ms, struct hb_err *e) {
        uint64_t deadline_ns = hb_qemu_until(q, timeout_ms);
        bool cancelled = false;

        for (;;) {
                struct hb_qemu_status st;
                int rc = hb_qemu_status(q, &st, e);

                if (rc == 0)
                        rc = thaw_step(q, &st, &cancelled, e);
                if (rc < 0)
                        return rc;
                if (rc == 1)
                        break;
                if (hb_now_ns() >= deadline_ns)
                        return timed_out(q, "let the guest go on", &st, e);
                rc = hb_qemu_pause(q, POLL_MS, e);
                if (rc < 0)
                        return rc;
        }
        if (q->have_stream)
                hb_qemu_call(q, "closefd", json_pack("{s:s}", "fdname", HB_QEMU_STREAM), NULL, NULL);
        q->have_stream = false;
        hb_qemu_caps_restore(q);
        return 0;
}
