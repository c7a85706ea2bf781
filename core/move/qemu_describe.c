/* qemu_describe: what Harbinger can know of a QEMU guest before it does anything to it. Reads only. One
 * worker thread. */
#include "move/qemu_priv.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A guest that was loaded and not started is paused; one whose state was sent is in postmigrate. */
static enum hb_guest_state state_of(const struct hb_qemu_status *st) {
        if (strcmp(st->run, "running") == 0)
                return HB_GUEST_RUNNING;
        if (strcmp(st->run, "inmigrate") == 0)
                return HB_GUEST_INCOMING;
        if (strcmp(st->run, "postmigrate") == 0)
                return HB_GUEST_MOVED;
        if (strcmp(st->run, "finish-migrate") == 0)
                return HB_GUEST_FROZEN;
        if (st->mig == HB_MIG_PRE_SWITCHOVER || st->mig == HB_MIG_DEVICE)
                return HB_GUEST_FROZEN;
        return HB_GUEST_PAUSED;
}

int hb_qemu_describe(struct hb_qemu *q, struct hb_guest_info *ret, struct hb_err *e) {
        struct hb_qemu_status st;
        int rc = hb_qemu_status(q, &st, e);

        if (rc == 0)
                rc = hb_qemu_regions(q, ret, e);
        if (rc == 0)
                rc = hb_qemu_dma(q, ret, e);
        if (rc == 0)
                rc = hb_qemu_caps_can_move(q, ret->cannot_move, sizeof(ret->cannot_move), e);
        if (rc < 0)
                return rc;
        snprintf(ret->vmm_version, sizeof(ret->vmm_version), "%s", q->version);
        ret->pid = q->pid;
        ret->state = state_of(&st);
        ret->can_move = rc > 0;
        if (ret->can_move && st.blocked[0]) {
                ret->can_move = false;
                snprintf(ret->cannot_move, sizeof(ret->cannot_move), "%s", st.blocked);
        }
        return 0;
}
