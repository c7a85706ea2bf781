/* target: a running process whose memory is tracked, and where its guest RAM lies in it.
 *
 * The caller (a guest port) says which addresses are which region; hb_target_open checks every claim against
 * /proc/PID/maps: shared, writable, one file, the whole size. The file is opened through /proc/PID/map_files
 * or /proc/PID/fd and mapped by us, so that its bytes can be read (and, for the hash tracker, compared)
 * without touching the guest. */
#pragma once
#include "base/shape.h"
#include <stdint.h>
#include <sys/types.h>

enum hb_backing { HB_BACKING_MEMFD, HB_BACKING_FILE, HB_BACKING_HUGETLB };

struct hb_target_claim { /* what a guest port knows */
        char name[HB_NAME_MAX];
        uint64_t remote_addr; /* address in the process */
        uint64_t bytes;
};

struct hb_target_region {
        char name[HB_NAME_MAX];
        uint64_t remote_addr, bytes, first_gfn;
        enum hb_backing backing;
        uint32_t backing_page;
        char path[256];       /* as /proc/PID/maps names it */
        uint64_t file_offset; /* of remote_addr in the file */
        uint64_t dev, ino;
        int fd; /* ours, O_RDWR */
        /* Ours, PROT_READ, MAP_SHARED; `bytes` long. Reading a hole through it allocates the page, and
         * reading past the end of a file that was cut is SIGBUS: read what hb_target_resident names, or use
         * pread on fd. */
        uint8_t *bytes_map;
};

typedef struct hb_target {
        pid_t pid;
        int pidfd;           /* poll for the process's end */
        uint64_t start_time; /* /proc/PID/stat field 22: tells a reused pid */
        struct hb_shape shape;
        struct hb_target_region regions[HB_MAX_REGIONS];
} hb_target;

/* Errors: -ESRCH no such process; -EPERM not ours to open; -EOPNOTSUPP memory not shared (private anonymous
 * RAM: needs share=on), by region name; -EINVAL claim does not match the maps. Owner: caller; free with
 * hb_target_free. */
int hb_target_open(pid_t pid, const struct hb_target_claim *claims, unsigned n, hb_target **ret,
                   struct hb_err *e);
hb_target *hb_target_free(hb_target *t);

/* A process other than the target (and ourselves) which maps any region's file writable, so its writes go
 * unseen by page-table trackers; also a second writable mapping inside the target itself. Fills up to max
 * entries, returns the count. */
struct hb_mapper {
        pid_t pid;
        char comm[32];
        char region[HB_NAME_MAX];
        uint64_t addr;
};
int hb_target_find_mappers(const hb_target *t, struct hb_mapper *out, unsigned max);

/* Marks in `out` (by gfn) every page the backing file holds (SEEK_DATA): the rest are holes and read as zero.
 */
struct hb_bitmap;
int hb_target_resident(const hb_target *t, struct hb_bitmap *out, struct hb_err *e);
