/* freeze: the whole process stands still while a function runs. No signal is sent, nothing in the target
 * changes; if we die, the kernel lets every thread go on. */
#pragma once
#include "base/err.h"
#include <stdint.h>
#include <sys/types.h>

/* Stops every thread of pid, runs fn(arg), lets them go. Returns fn's result, or -EPERM, -EBUSY, -ESRCH,
 * -ETIMEDOUT with *e filled (fn did not run then). *ret_frozen_ns may be NULL. io_uring and vhost worker
 * threads cannot be stopped. */
int hb_freeze(pid_t pid, int (*fn)(void *arg), void *arg, uint64_t *ret_frozen_ns, struct hb_err *e);
