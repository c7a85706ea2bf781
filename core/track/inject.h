/* inject: runs system calls inside another process, on one of its own threads, by ptrace.
 *
 * Promises: no byte of the target's code is changed; the thread's registers, vector state, signal mask and
 * the system call it was in are as before; signals that arrive meanwhile wait and come after; the target is
 * never left stopped, whatever fails; and if this process is killed at any instant, the thread finds itself
 * again by a signal frame laid below its stack. Works on processes with many threads: the others run on.
 * x86-64 only. */
#pragma once
#include "base/err.h"
#include <stdint.h>
#include <sys/types.h>

struct hb_inject_call {
        long nr;
        uint64_t arg[6];
        long result; /* set on success: what the kernel returned, -errno included */
};

typedef struct hb_inject hb_inject;
/* Looks at the process once. -EPERM with what to set, -EBUSY under a debugger, -ESRCH, -EOPNOTSUPP (not
 * x86-64 code, a seccomp filter that cannot be suspended, shadow stacks, no usable code). */
int hb_inject_new(pid_t pid, hb_inject **ret, struct hb_err *e);
hb_inject *hb_inject_free(hb_inject *i);

/* Runs the calls in order in one stop of one thread. Blocks: 0.05-1 ms, at most a few seconds.
 * *ret_stopped_ns (may be NULL) is how long the thread stood still. -ESRCH, -EPERM, -EBUSY, -ETIMEDOUT,
 * -EAGAIN no thread could be used. */
int hb_inject_run(hb_inject *i, struct hb_inject_call *calls, unsigned n, uint64_t *ret_stopped_ns,
                  struct hb_err *e);
