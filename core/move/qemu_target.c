/* qemu_target: the side that takes the guest.
 *
 * The VMM was started with -incoming defer on the image. Invariant: it cannot run the guest by itself,
 * because `stop` while it waits switches its autostart off; only resume, after the commit, starts it. One
 * worker thread. */
#include "base/clock.h"
#include "move/qemu_priv.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define POLL_MS 1

static bool is(const struct hb_qemu_status *st, const char *run) {
        return strcmp(st->run, run) == 0;
}

static const struct hb_target_claim *claim_named(const struct hb_guest_info *info, const char *name) {
        for (unsigned i = 0; i < info->nclaims; i++)
                if (strcmp(info->claims[i].name, name) == 0)
                        return &info->claims[i];
        return NULL;
}

static int check_region(const struct hb_guest_info *info, const struct hb_region *r, struct hb_err *e) {
        const struct hb_target_claim *c = claim_named(info, r->name);
        unsigned long long want = (unsigned long long)r->pages << HB_PAGE_SHIFT;

        if (!c)
                return hb_err_set(e, -EINVAL, r->name,
                                  "start the target's QEMU with the same memory backends",
                                  "the target's VMM has no memory backend of this name");
        if (c->bytes != want)
                return hb_err_set(e, -EINVAL, r->name, "start the target's QEMU with memory of the same size",
                                  "the target's VMM has %llu bytes of memory where the source has %llu",
                                  (unsigned long long)c->bytes, want);
        return 0;
}

static int check_shape(struct hb_qemu *q, const struct hb_shape *shape, struct hb_err *e) {
        struct hb_guest_info info = {0};
        int rc = hb_qemu_regions(q, &info, e);

        for (uint32_t i = 0; rc == 0 && i < shape->nregions; i++)
                rc = check_region(&info, &shape->regions[i], e);
        if (rc == 0 && info.nclaims != shape->nregions)
                return hb_err_set(e, -EINVAL, q->path,
                                  "start the target's QEMU with the same memory backends",
                                  "the target's VMM has %u memory backends, the source %u", info.nclaims,
                                  shape->nregions);
        return rc;
}

int hb_qemu_prepare_target(struct hb_qemu *q, const struct hb_shape *shape, struct hb_err *e) {
        struct hb_qemu_status st;
        int rc = hb_qemu_status(q, &st, e);

        if (rc < 0)
                return rc;
        if (!is(&st, "inmigrate"))
                return hb_err_set(e, -EINVAL, q->path, "start it with -incoming defer -S",
                                  "the target's VMM does not wait for a guest (it is in state '%s')", st.run);
        if (st.mig != HB_MIG_NONE)
                return hb_err_set(e, -EBUSY, q->path, "start a fresh one with -incoming defer -S",
                                  "the target's VMM is already taking a guest in");
        rc = check_shape(q, shape, e);
        if (rc == 0)
                rc = hb_qemu_caps_set(q, e);
        return rc < 0 ? rc : hb_qemu_call(q, "stop", NULL, NULL, e);
}

int hb_qemu_receive_start(struct hb_qemu *q, struct hb_err *e) {
        if (!q->have_stream)
                return hb_err_set(e, -EINVAL, q->path, NULL, "receive without a stream for the device state");
        q->have_stream = false;
        return hb_qemu_call(q, "migrate-incoming", json_pack("{s:s}", "uri", "fd:" HB_QEMU_STREAM), NULL, e);
}

/* 1: loaded and standing still. */
static int judge_received(struct hb_qemu *q, const struct hb_qemu_status *st, struct hb_err *e) {
        if (is(st, "running"))
                return hb_err_set(e, -EPROTO, q->path, "end it at once; the guest may run twice",
                                  "the target's VMM started the guest by itself");
        if (st->mig == HB_MIG_FAILED)
                return hb_err_set(e, -EREMOTEIO, q->path,
                                  "start it with the same machine, CPU and devices as the source's",
                                  "the target's VMM could not load the device state: %s", st->mig_error);
        return st->mig == HB_MIG_COMPLETED && !is(st, "inmigrate");
}

int hb_qemu_receive_wait(struct hb_qemu *q, int timeout_ms, struct hb_err *e) {
        uint64_t deadline_ns = hb_qemu_until(q, timeout_ms);

        for (;;) {
                struct hb_qemu_status st;
                int rc = hb_qemu_status(q, &st, e);

                if (rc == 0)
                        rc = judge_received(q, &st, e);
                if (rc != 0)
                        return rc < 0 ? rc : 0;
                if (hb_now_ns() >= deadline_ns)
                        return hb_err_set(e, -ETIMEDOUT, q->path, NULL,
                                          "the device state was not loaded in time");
                rc = hb_qemu_pause(q, POLL_MS, e);
                if (rc < 0)
                        return rc;
        }
}

/* Only a VMM that took a guest in may be resumed here: after a crash of ours it may long have been given away
 * again. */
static int start_guest(struct hb_qemu *q, const struct hb_qemu_status *st, struct hb_err *e) {
        if (!is(st, "paused") || st->mig != HB_MIG_COMPLETED)
                return hb_err_set(e, -EINVAL, q->path, NULL, "no loaded guest to start (it is in state '%s')",
                                  st->run);
        return hb_qemu_call(q, "cont", NULL, NULL, e);
}

int hb_qemu_resume(struct hb_qemu *q, int timeout_ms, uint64_t *ret_resume_wall_ns, struct hb_err *e) {
        uint64_t deadline_ns = hb_qemu_until(q, timeout_ms), events = hb_qmp_events(q->qmp);
        bool started = false;

        for (;;) {
                struct hb_qemu_status st;
                struct hb_qmp_event ev;
                int rc = hb_qemu_status(q, &st, e);

                if (rc < 0)
                        return rc;
                if (is(&st, "running")) {
                        *ret_resume_wall_ns =
                                hb_qmp_event(q->qmp, "RESUME", events, &ev) == 0 ? ev.wall_ns : hb_wall_ns();
                        hb_qemu_caps_restore(q);
                        return 0;
                }
                if (!started)
                        rc = start_guest(q, &st, e);
                started = true;
                if (rc == 0 && hb_now_ns() >= deadline_ns)
                        rc = hb_err_set(e, -ETIMEDOUT, q->path, NULL,
                                        "QEMU did not start the guest in time (state '%s')", st.run);
                if (rc < 0)
                        return rc;
        }
}
