/* spill_io: moves runs of pages between an image's memory and its spill file, beside the loop. Internal to
 * the room.
 *
 * A run is the mover's from hb_spill_io_put until hb_spill_io_take gives it back; meanwhile nobody else may
 * write the memory it names (of a READ: nor use it). Checksums are made here, of the bytes in memory before
 * the first of them is written, and compared here after the last one is read, before any of them comes into
 * the image: the loop touches no page.
 *
 * Either one thread with an io_uring, or, where the kernel or its policy forbids that, a few threads that
 * write and read. O_DIRECT where the filesystem takes it: what is spilled is cold, and the page cache would
 * keep it in the very memory it was to leave. Never more than `depth` runs are the caller's to put: it has no
 * more of them. */
#pragma once
#include "base/err.h"
#include "base/shape.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define HB_SPILL_RUN   64u /* pages */
#define HB_SPILL_DEPTH 32u

enum hb_spill_what { HB_SPILL_WRITE, HB_SPILL_READ, HB_SPILL_TRIM };

struct hb_spill_run {
        struct hb_spill_run *next;
        enum hb_spill_what what;
        uint64_t gfn;
        uint32_t pages; /* at most HB_SPILL_RUN, but for TRIM */
        uint8_t *mem;   /* WRITE: where from; page-aligned */
        int file;       /* READ: the memory file it goes to, and where there; borrowed. -1: nowhere */
        uint64_t file_at;
        uint8_t *at; /* the mover's: where the disk reads or writes */
        uint32_t stamp[HB_SPILL_RUN];
        uint64_t sum[HB_SPILL_RUN]; /* WRITE: what was written; READ: what is expected */
        uint64_t wrong;             /* READ: bit k: page k is not what was written there */
        int status;                 /* 0, or -errno: then a WRITE wrote nobody knows what */
        uint32_t moved;             /* bytes, so far */
};

struct hb_spill_io_options {
        int fd;        /* buffered; borrowed, like the next */
        int direct_fd; /* the same file with O_DIRECT; -1: the filesystem refuses it */
        uint64_t key;  /* of the file: no other file's page passes for one of this */
        bool no_uring;
        unsigned depth; /* runs at most in here; 0, or more than that: HB_SPILL_DEPTH */
};

typedef struct hb_spill_io hb_spill_io;

int hb_spill_io_new(const struct hb_spill_io_options *o, hb_spill_io **ret, struct hb_err *e);
/* Waits for what the kernel has been given, at most `depth` runs; the runs are the caller's again. NULL
 * allowed. */
hb_spill_io *hb_spill_io_free(hb_spill_io *io);
void hb_spill_io_put(hb_spill_io *io, struct hb_spill_run *r); /* never blocks, never fails */
struct hb_spill_run *hb_spill_io_take(hb_spill_io *io);        /* all that have ended, linked; or NULL */
int hb_spill_io_fd(const hb_spill_io *io); /* readable while hb_spill_io_take has something */
bool hb_spill_io_uring(const hb_spill_io *io);
bool hb_spill_io_direct(const hb_spill_io *io); /* may turn false: some refuse it only when it comes to it */
const char *hb_spill_io_why(const hb_spill_io *io); /* why not by io_uring; "" */
/* One page, now, by the caller's thread. -EIO: not what was written there; else -errno. */
int hb_spill_io_read_page(hb_spill_io *io, uint64_t gfn, uint32_t stamp, uint64_t sum, uint8_t *out);
uint64_t hb_spill_sum(uint64_t key, uint64_t gfn, uint32_t stamp, const uint8_t *page);
/* What this host can do, for a report: 0, or -errno. */
int hb_spill_uring_probe(void);

/* ---- for the two ways of moving: spill_threads.c, spill_uring.c ---- */
struct hb_spill_io {
        struct hb_spill_io_options o;
        pthread_mutex_t lock;
        struct hb_spill_run *put, **put_tail, *ended;
        int wake_fd, done_fd; /* eventfds: runs were put, or it is to stop; runs have ended */
        atomic_bool stop, direct;
        pthread_t thread[4];
        unsigned threads;
        void *ring;
        uint8_t *bounce;      /* HB_SPILL_RUN pages for each run that can be read at once */
        uint64_t bounce_free; /* bits of it */
        char why[96];
};
int hb_spill_threads_start(hb_spill_io *io);
int hb_spill_uring_start(hb_spill_io *io);
void hb_spill_uring_stop(hb_spill_io *io);
struct hb_spill_run *hb_spill_io_next(hb_spill_io *io); /* of those put; NULL: none */
void hb_spill_io_before(hb_spill_io *io, struct hb_spill_run *r);
/* One transfer of it ended with `rc` bytes or -errno. True: it goes on from r->moved. */
bool hb_spill_io_goes_on(hb_spill_io *io, struct hb_spill_run *r, int64_t rc);
void hb_spill_io_ended(hb_spill_io *io, struct hb_spill_run *r);
static inline int hb_spill_io_file(hb_spill_io *io) {
        return atomic_load_explicit(&io->direct, memory_order_relaxed) ? io->o.direct_fd : io->o.fd;
}
