/* target_file: from an address range of a process to the file behind it, open for us. */
#pragma once
#include "track/procmaps.h"
#include "track/target.h"

/* Opens (O_RDWR) the file that `v` of process `pid` maps, and proves it is that file. -EPERM, -ENOENT. */
int hb_target_open_file(pid_t pid, const struct hb_vma *v, int *ret_fd, struct hb_err *e);

/* Kind of memory behind fd and the size of its pages. */
int hb_target_backing(int fd, const char *path, enum hb_backing *ret, uint32_t *ret_page);
/* True when fd lies on tmpfs (memfd included): what userfaultfd write-protection works on, besides hugetlbfs.
 */
bool hb_target_is_shmem(int fd);
