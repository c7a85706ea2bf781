/* image_spill: an image that is larger than the memory it may take. What is coldest of it waits in a file on
 * a disk (NVMe), flagged HB_IP_SPILLED: as fresh as before, but not at hb_image_at.
 *
 * Everything here belongs to the thread that owns the image, and nothing of it waits for a disk: runs of
 * pages go to a mover of their own and are settled in hb_image_spill_tick. A page on its way is `busy`:
 * hb_image_reserve_run says -EAGAIN of it, so nobody writes memory that is being written to the disk.
 *
 * Before a hand-over everything is promoted (read back): hb_image_spill_promote. From then on the budget does
 * not hold, and hb_image_spilled must be 0 before anybody runs on the image.
 *
 * A kill at any instant: a page's sum is stored before its flag, its flag before its memory is given up, and
 * memory is whole before the flag is taken away. A page that comes back other than it went is lost, that is
 * absent, and is fetched again. */
#pragma once
#include "place/image.h"

struct hb_image_spill_options {
        const char *dir;    /* on a disk */
        uint64_t ram_bytes; /* the image's memory files shall not hold more; 0: no budget, nothing more goes
                               out */
        bool no_uring, no_direct;
        unsigned depth; /* runs of at most 64 pages on their way; 0: 32, which is the most */
        /* Fresh copies are lost: the engine must hear of it (hb_engine_lost). Called from tick and
         * hb_image_read. NULL: the records are changed here. */
        void (*lost)(void *arg, uint64_t gfn, uint32_t pages);
        void *arg;
};

struct hb_image_spill_stats {
        uint64_t ram_bytes, budget_bytes;
        uint64_t spilled_pages;             /* now */
        uint64_t written_pages, read_pages; /* by the disk, so far */
        uint64_t again_pages;               /* spilled without writing: the disk had the same bytes still */
        uint64_t dropped_pages;             /* written by the guest while spilled: never read back */
        uint64_t wrong_pages;               /* came back other than they went */
        uint64_t errors;                    /* transfers the disk refused */
        bool on, promoting, full;           /* full: the spill filesystem is */
        bool uring, direct;
        const char *path, *why; /* why not by io_uring; "" */
        int error;              /* of the last transfer that was refused; 0: none since */
};

/* -EOPNOTSUPP: on hugetlbfs, whose pages cannot be given back one by one. A second call changes the budget
 * only. An image resumed with spilled pages knows its file already, wherever `dir` is. */
int hb_image_spill_enable(hb_image *i, const struct hb_image_spill_options *o, struct hb_err *e);
void hb_image_spill_budget(hb_image *i, uint64_t ram_bytes);
int hb_image_spill_fd(const hb_image *i); /* readable: tick has something to settle; -1: not enabled */
/* Settles what has ended and starts what is due, at most a millisecond of it. Whenever the fd is readable,
 * and ten times a second. True: room or pages came free, so that fetches which were told -EAGAIN may be
 * tried. */
bool hb_image_spill_tick(hb_image *i, uint64_t now_ns);
/* Just after announcement `written` was applied to the records: what is stale need not come back. */
void hb_image_spill_invalidated(hb_image *i, const struct hb_bitmap *written);
/* May so many more pages be fetched into memory? -EAGAIN: the budget is used, spilling makes room.
 * -ENOSPC: and the spill filesystem is full. */
int hb_image_spill_room(const hb_image *i, uint64_t pages);
/* on: everything comes back, hottest first, and the budget does not hold; off: it holds again. */
void hb_image_spill_promote(hb_image *i, bool on);
/* Is there memory for all of the image, `resident_pages` of them? -ENOMEM, with what is needed and free. */
int hb_image_spill_promotable(const hb_image *i, uint64_t resident_pages, struct hb_err *e);
uint64_t hb_image_spilled(const hb_image *i); /* fresh pages that are not in memory; cheap */
void hb_image_spill_stats(const hb_image *i, struct hb_image_spill_stats *ret);
/* Spill files in `spill_dir` of placements other than those named, and in nobody's use; returns how many. */
int hb_image_spill_sweep(const char *spill_dir, const struct hb_image_id *keep, unsigned n);
/* After an image's state file was removed by other means: its spill file goes too. */
void hb_image_spill_forget(const char *image_dir, const char *guest);
/* What a directory offers a spill file, for a report: tries each on a file without a name. */
struct hb_image_spill_probe {
        char filesystem[24];
        bool direct, memory; /* memory: pages would leave memory for memory */
        int uring;           /* 0, or why not: -errno */
        uint64_t free_bytes;
};
int hb_image_spill_probe(const char *dir,
                         struct hb_image_spill_probe *ret); /* -errno: no file can be made there */
