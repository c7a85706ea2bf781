/* ptrace_thread: the few ptrace steps tracking needs, each done on a thread of ours made for it.
 *
 * The kernel lets go of every tracee when its tracer thread ends, so "the target is never left stopped" needs
 * no clean-up code: whatever goes wrong, the thread returns. Stops are found by asking (PTRACE_GETSIGINFO),
 * not by wait(), so a program whose SIGCHLD handler waits for any child cannot steal them. */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Runs fn(arg) on a thread of its own, all signals blocked, waits for it, and returns what it returned. */
int hb_on_tracer_thread(int (*fn)(void *arg), void *arg);

/* How a thread that was asked to stop came to rest. */
enum hb_stop { HB_STOP_EVENT, HB_STOP_SYSCALL, HB_STOP_SIGNAL };

/* Attaches without stopping. -EPERM, -ESRCH. */
int hb_ptrace_seize(pid_t tid, uint64_t options);
/* Waits until tid is in a ptrace stop. -ETIMEDOUT, -ESRCH when the thread ended. */
int hb_ptrace_wait(pid_t tid, uint64_t deadline_ns, enum hb_stop *ret, int *ret_signal);
/* Asks tid to stop and waits for the event stop, delivering on the way what signals come first. */
int hb_ptrace_stop(pid_t tid, uint64_t deadline_ns);
void hb_ptrace_detach(pid_t tid);

/* Threads of a process. Returns the count (at most max), negative errno. */
int hb_list_threads(pid_t pid, pid_t *out, unsigned max);
/* What to tell the operator when ptrace said no: -EPERM. */
int hb_ptrace_refused(pid_t pid, struct hb_err *e);
