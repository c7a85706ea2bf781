/* gadget: two places in a process's own code that an injected syscall needs: `syscall; ret`, and libc's way
 * back from a signal handler (`mov $15,%eax; syscall`). Using what is there, no byte of the target's code is
 * ever changed, which with other threads running the same code would not be safe. */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct hb_gadgets {
        uint64_t syscall_ret, sigreturn;
};

/* Searches the executable mappings. -EOPNOTSUPP when the process has no such code, -EPERM, -ESRCH. */
int hb_gadgets_find(pid_t pid, struct hb_gadgets *ret, struct hb_err *e);
/* Still there? (A library can be unloaded.) */
bool hb_gadgets_valid(pid_t pid, const struct hb_gadgets *g);
