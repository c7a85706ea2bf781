/* uffd: the userfaultfd of a target, made there, used from here. Internal to the wp and present backends. */
#pragma once
#include "track/inject.h"
#include "track/target.h"

/* Number of the target's descriptor that is a userfaultfd with exactly our features (a predecessor's), or
 * -ENOENT. */
int hb_uffd_find(pid_t pid);
/* Is the target's descriptor `number` such a one? */
int hb_uffd_is_ours(pid_t pid, int number);
/* Our copy of it. -EPERM, -ESRCH, -EBADF. */
int hb_uffd_fetch(const hb_target *t, int number, struct hb_err *e);
/* Makes one inside the target and agrees on features. *ret_number stays open in the target. -EOPNOTSUPP,
 * -EPERM. */
int hb_uffd_create(const hb_target *t, hb_inject *i, int *ret_number, int *ret_fd, struct hb_err *e);
/* -EBUSY: another userfaultfd has the memory; -EOPNOTSUPP: the kernel cannot write-protect this kind. */
int hb_uffd_register(const hb_target *t, int fd, struct hb_err *e);
int hb_uffd_unregister(const hb_target *t, int fd);
/* Takes protection marks off holes. */
void hb_uffd_unprotect(int fd, uint64_t addr, uint64_t bytes);
