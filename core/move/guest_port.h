/* guest_port: what a hand-over needs of a guest, whatever runs it: QEMU by QMP, a plain process by the attach
 * library, or a simulated guest in tests. All operations BLOCK up to their time-out and are called from one
 * worker thread at a time; hb_guest_port_cancel() may be called from any thread and makes the running
 * operation return -ECANCELED. Every operation is idempotent: called again after a crash of the caller, on a
 * new port object, it finds out where the guest stands and goes on from there. */
#pragma once
#include "base/shape.h"
#include "track/target.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct hb_guest_port hb_guest_port;

enum hb_guest_state {
        HB_GUEST_RUNNING,
        HB_GUEST_PAUSED,
        HB_GUEST_INCOMING,
        HB_GUEST_FROZEN /* stopped by our hand-over */,
        HB_GUEST_MOVED /* state sent, not released */,
        HB_GUEST_GONE
};
const char *hb_guest_state_name(enum hb_guest_state s);

struct hb_guest_info {
        char kind[16];        /* "qemu", "process", "sim" */
        char vmm_version[64]; /* "QEMU 7.2.22" */
        pid_t pid;
        enum hb_guest_state state;
        unsigned nclaims;
        struct hb_target_claim claims[HB_MAX_REGIONS]; /* name, address, size of every RAM backend */
        char paths[HB_MAX_REGIONS][256];               /* backing path, "" for memfd */
        bool can_move;         /* capabilities there (x-ignore-shared, pause-before-switchover) */
        char cannot_move[192]; /* why not, and what to start it with */
        bool dma_unseen;    /* a device may write guest RAM past the page tables (vhost, vfio, O_DIRECT/native
                               aio): use grace */
        char dma_note[192]; /* which */
};

struct hb_guest_port_ops {
        const char *kind;
        int (*describe)(hb_guest_port *p, struct hb_guest_info *ret, struct hb_err *e);
        /* Source: check and set what a move needs; changes nothing the guest notices. */
        int (*prepare_source)(hb_guest_port *p, struct hb_err *e);
        /* Target: VMM is up and waits (-incoming defer); region sizes and names must match `shape`; sets
         * capabilities; makes sure it will not start by itself. -EINVAL another size or shape, -EOPNOTSUPP
         * without the capabilities. */
        int (*prepare_target)(hb_guest_port *p, const struct hb_shape *shape, struct hb_err *e);
        /* The local end of the device-state stream: written by the VMM on the source, read by it on the
         * target. Caller owns fd. Before freeze or receive_start. The source writes to it from freeze on:
         * somebody must read it meanwhile, and it must be closed (or shut down) before thaw and quit: a VMM
         * that blocks on a full stream answers nobody. */
        int (*stream)(hb_guest_port *p, int *ret_fd, struct hb_err *e);
        /* Source: guest stops; returns when it stands still and its devices are drained. stop_wall_ns: when
         * (VMM's own event time). */
        int (*freeze)(hb_guest_port *p, int timeout_ms, uint64_t *ret_stop_wall_ns, struct hb_err *e);
        /* Source: device state goes into the stream; returns when all of it was written. The guest stays
         * stopped. */
        int (*send_state)(hb_guest_port *p, int timeout_ms, struct hb_err *e);
        /* Target: start taking device state from the stream (returns at once) / wait until it is loaded,
         * guest paused. */
        int (*receive_start)(hb_guest_port *p, struct hb_err *e);
        int (*receive_wait)(hb_guest_port *p, int timeout_ms, struct hb_err *e);
        /* Source, before release: the guest runs again as before freeze, from whatever state this hand-over
         * left it in. If it was paused by its operator before, it stays paused. Ok when it already runs.
         * -ESRCH: the VMM is gone. */
        int (*thaw)(hb_guest_port *p, int timeout_ms, struct hb_err *e);
        /* Target, after commit: run. Returns VMM's own event time. */
        int (*resume)(hb_guest_port *p, int timeout_ms, uint64_t *ret_resume_wall_ns, struct hb_err *e);
        /* End the VMM (source after commit, target after abort). Ok when it is gone already. Waits up to 5 s,
         * then -ETIMEDOUT. */
        int (*quit)(hb_guest_port *p, struct hb_err *e);
        void (*cancel)(hb_guest_port *p);
        hb_guest_port *(*close)(hb_guest_port *p); /* frees; the guest is left alone */
};
struct hb_guest_port { /* head of every backend's object */
        const struct hb_guest_port_ops *ops;
};

/* wait_ms: how long to wait for the socket to appear (a VMM that is starting). -ENOENT no such socket,
 * -ECONNREFUSED nobody listens, -EPROTO not a QMP (or attach) socket, -EBUSY somebody else holds the monitor.
 */
int hb_qemu_port_open(const char *qmp_path, int wait_ms, hb_guest_port **ret, struct hb_err *e);
int hb_process_port_open(const char *socket_path, int wait_ms, hb_guest_port **ret, struct hb_err *e);
