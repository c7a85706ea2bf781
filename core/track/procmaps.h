/* procmaps: the lines of /proc/PID/maps, read through a bounds-checked cursor. The text of another process is
 * outside data: its path names can hold anything. */
#pragma once
#include "base/bytes.h"
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct hb_vma {
        uint64_t start, end, offset, ino;
        uint32_t dev_major, dev_minor;
        bool read, write, exec, shared;
        char path[256]; /* cut at 255 bytes; empty for anonymous memory */
};

/* Whole text of /proc/PID/maps into `out` (appended). -ESRCH, -EPERM, -EIO; for other processes' maps, which
 * may vanish or be closed to us at any time, the caller may just go on. */
int hb_procmaps_read(pid_t pid, struct hb_buf *out);

/* Next line. False at the end, and for a malformed line, which also fails the cursor (hb_rd_ok tells them
 * apart). */
bool hb_procmaps_next(struct hb_rd *in, struct hb_vma *ret);

/* Whole text of a small /proc file, NUL-terminated within `size`; length or negative errno. */
int hb_proc_read(pid_t pid, const char *file, char *out, unsigned size);
/* Field 22 of /proc/PID/stat. */
int hb_proc_start_time(pid_t pid, uint64_t *ret);
/* The number after "Name:" in /proc/PID/status (base 10). -ENOENT when there is no such line. */
int hb_proc_status_number(pid_t pid, const char *name, uint64_t *ret);
