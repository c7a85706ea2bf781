/* frames: which physical frames stand behind a mapping of ours (/proc/self/pagemap,
 * Documentation/admin-guide/mm/ pagemap.rst). Needs CAP_SYS_ADMIN: others see zero. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

bool hb_frames_readable(void);
int hb_frames_open(
        void); /* a descriptor for hb_frames_read; negative errno; -EPERM: frames are hidden from us */
/* The frame of each of `pages` pages from `at`; 0: not mapped here. -EIO. */
int hb_frames_read(int fd, const void *at, uint64_t pages, uint64_t *ret);
