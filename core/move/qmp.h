/* qmp: a QEMU monitor connection: one command at a time, events remembered with QEMU's own time-stamps. One
 * thread. */
#pragma once
#include "base/err.h"
#include "move/qmp_msg.h"
#include <stdbool.h>
#include <sys/types.h>

typedef struct hb_qmp hb_qmp;

struct hb_qmp_event {
        char name[48], status[32]; /* status: data.status, "" if none */
        uint64_t wall_ns;
};

/* Connects, checks the greeting, negotiates. wait_ms: for the socket to appear. -ENOENT, -ECONNREFUSED,
 * -EACCES, -EPROTO not a monitor, -EBUSY no greeting within 2 s: QEMU serves one client a socket. cancel_fd
 * is borrowed. */
int hb_qmp_connect(const char *path, int wait_ms, int cancel_fd, hb_qmp **ret, struct hb_err *e);
hb_qmp *hb_qmp_close(hb_qmp *q);
pid_t hb_qmp_pid(const hb_qmp *q);
const char *hb_qmp_version(const hb_qmp *q); /* "QEMU 7.2.22" */

/* args: stolen, NULL for none. fd_to_pass: -1 or a descriptor that goes with it (getfd). *ret (may be NULL)
 * is the caller's. -EREMOTEIO QEMU said no (e->what has its words), -EOPNOTSUPP it does not know the command,
 * -ECONNRESET, -ETIMEDOUT, -ECANCELED, -EPROTO, -EMSGSIZE. After a time-out or a cancellation the connection
 * is still in step: late answers are dropped. */
int hb_qmp_call(hb_qmp *q, const char *command, json_t *args, int fd_to_pass, int timeout_ms, json_t **ret,
                struct hb_err *e);

/* Events so far; an argument for hb_qmp_event. */
uint64_t hb_qmp_events(const hb_qmp *q);
/* The first event of this name since `after`. The newest 64 are kept. -ENOENT. */
int hb_qmp_event(const hb_qmp *q, const char *name, uint64_t after, struct hb_qmp_event *ret);
/* Waits for an event of any name, at most timeout_ms: 0 one came, -ETIMEDOUT, -ECANCELED, -ECONNRESET ... */
int hb_qmp_wait(hb_qmp *q, int timeout_ms);
