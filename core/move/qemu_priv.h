/* qemu_priv: what the qemu_*.c files share; no other file includes it. */
#pragma once
#include "move/guest_port.h"
#include "move/qmp.h"

#define HB_QEMU_STREAM "harbinger" /* our end of the stream among QEMU's named descriptors */

struct hb_qemu {
        hb_guest_port port;
        char path[256], version[64];
        hb_qmp *qmp;   /* NULL between groups of operations: another client may use the monitor then */
        bool hold;     /* keep it: a hand-over is under way */
        int cancel_fd; /* eventfd */
        pid_t pid;
        int pidfd;
        uint64_t until_ns; /* the running operation's deadline; 0: none of its own */
        bool have_stream;
        json_t *caps_before, *params_before; /* what we changed, as it was; NULL: nothing known */
};

/* The running operation ends by then, whatever QEMU does; returns the deadline. */
uint64_t hb_qemu_until(struct hb_qemu *q, int timeout_ms);
/* One command on a connection made when needed. As hb_qmp_call; also -ESRCH: the VMM is gone. */
int hb_qemu_call(struct hb_qemu *q, const char *command, json_t *args, json_t **ret, struct hb_err *e);
int hb_qemu_call_fd(struct hb_qemu *q, const char *command, json_t *args, int fd, json_t **ret,
                    struct hb_err *e);
/* A human monitor's command; *ret is the caller's to free. */
int hb_qemu_hmp(struct hb_qemu *q, const char *command_line, char **ret, struct hb_err *e);
/* Waits for an event or timeout_ms; 0 either way. -ECANCELED, -ESRCH. */
int hb_qemu_pause(struct hb_qemu *q, int timeout_ms, struct hb_err *e);
bool hb_qemu_dead(const struct hb_qemu *q, int wait_ms);
int hb_qemu_gone(const struct hb_qemu *q, struct hb_err *e); /* fills e; -ESRCH */

enum hb_qemu_mig { /* query-migrate's status, in the order a migration passes them */
                   HB_MIG_NONE,
                   HB_MIG_SETUP,
                   HB_MIG_ACTIVE,
                   HB_MIG_PRE_SWITCHOVER,
                   HB_MIG_DEVICE,
                   HB_MIG_CANCELLING,
                   HB_MIG_COMPLETED,
                   HB_MIG_FAILED,
                   HB_MIG_CANCELLED,
                   HB_MIG_OTHER
};
struct hb_qemu_status {
        char run[32]; /* query-status: "running", "inmigrate" ... */
        enum hb_qemu_mig mig;
        char mig_error[160], blocked[192]; /* "" when none */
};
int hb_qemu_status(struct hb_qemu *q, struct hb_qemu_status *ret, struct hb_err *e);

/* qemu_caps.c */
int hb_qemu_caps_can_move(struct hb_qemu *q, char *cannot, size_t size,
                          struct hb_err *e); /* 1, or 0 with the reason */
int hb_qemu_caps_set(struct hb_qemu *q, struct hb_err *e);
void hb_qemu_caps_restore(struct hb_qemu *q); /* as they were; without that knowledge: ours off */

/* qemu_describe.c, qemu_regions.c, qemu_dma.c */
int hb_qemu_describe(struct hb_qemu *q, struct hb_guest_info *ret, struct hb_err *e);
int hb_qemu_regions(struct hb_qemu *q, struct hb_guest_info *info, struct hb_err *e);
int hb_qemu_dma(struct hb_qemu *q, struct hb_guest_info *info, struct hb_err *e);
/* In `info mtree -f`, the lowest guest address at which `name` is plain RAM, and the offset in it. -ENOENT.
 * Pure. */
int hb_qemu_mtree_find(const char *mtree, const char *name, uint64_t *ret_gpa, uint64_t *ret_offset);
/* The address in "Host virtual address for 0x0 (mem) is 0x7f..."; -EPROTO. Pure. */
int hb_qemu_hva_parse(const char *text, uint64_t *ret);

/* qemu_source.c, qemu_target.c */
int hb_qemu_prepare_source(struct hb_qemu *q, struct hb_err *e);
int hb_qemu_freeze(struct hb_qemu *q, int timeout_ms, uint64_t *ret_stop_wall_ns, struct hb_err *e);
int hb_qemu_send_state(struct hb_qemu *q, int timeout_ms, struct hb_err *e);
int hb_qemu_thaw(struct hb_qemu *q, int timeout_ms, struct hb_err *e);
int hb_qemu_prepare_target(struct hb_qemu *q, const struct hb_shape *shape, struct hb_err *e);
int hb_qemu_receive_start(struct hb_qemu *q, struct hb_err *e);
int hb_qemu_receive_wait(struct hb_qemu *q, int timeout_ms, struct hb_err *e);
int hb_qemu_resume(struct hb_qemu *q, int timeout_ms, uint64_t *ret_resume_wall_ns, struct hb_err *e);
