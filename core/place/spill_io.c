/* spill_io: queues and checksums; see the header.
 *
 * Invariant: every run put comes back by hb_spill_io_take or, after hb_spill_io_free, is nobody's but the
 * caller's. Cost on the loop: a lock held for a few instructions and an eventfd a run. The queue cannot grow
 * past the runs its owner has. */
#include "place/spill_io.h"
#include "base/fault.h"
#include "sum/sum.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

/* The same bytes for another page, of another age or in another file have another checksum: a block that was
 * swapped, or left from before, is as wrong as one that was torn. */
uint64_t hb_spill_sum(uint64_t key, uint64_t gfn, uint32_t stamp, const uint8_t *page) {
        uint64_t seed[3] = {key, gfn, stamp};

        return hb_crc64(hb_crc64(0, seed, sizeof(seed)), page, HB_PAGE_SIZE);
}

static void ring(int fd) {
        uint64_t one = 1;

        while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
                ;
}

static void quiet(int fd) {
        uint64_t n;

        while (read(fd, &n, sizeof(n)) < 0 && errno == EINTR)
                ;
}

static int begin(hb_spill_io *io, struct hb_err *e) {
        int rc = io->o.no_uring || hb_fault("spill.uring") ? -EPERM : hb_spill_uring_start(io);

        if (rc == 0)
                return 0;
        snprintf(io->why, sizeof(io->why), "io_uring: %s (see kernel.io_uring_disabled)", strerror(-rc));
        rc = hb_fault("spill.threads") ? -EAGAIN : hb_spill_threads_start(io);
        return rc == 0 ? 0
                       : hb_err_set(e, rc, NULL, "raise the limit of threads",
                                    "cannot start the spill file's threads");
}

int hb_spill_io_new(const struct hb_spill_io_options *o, hb_spill_io **ret, struct hb_err *e) {
        hb_spill_io *io = hb_fault("spill.io") ? NULL : calloc(1, sizeof(*io));
        int rc;

        if (!io)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory for a spill file");
        io->o = *o;
        io->o.depth = o->depth && o->depth < HB_SPILL_DEPTH ? o->depth : HB_SPILL_DEPTH;
        io->put_tail = &io->put;
        io->bounce_free = io->o.depth < 64 ? (1ull << io->o.depth) - 1 : ~0ull;
        io->bounce = hb_fault("spill.bounce")
                             ? MAP_FAILED
                             : mmap(NULL, (size_t)io->o.depth * HB_SPILL_RUN << HB_PAGE_SHIFT,
                                    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        atomic_init(&io->stop, false);
        atomic_init(&io->direct, o->direct_fd >= 0);
        pthread_mutex_init(&io->lock, NULL);
        io->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE); /* a thread a run */
        io->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        rc = io->wake_fd >= 0 && io->done_fd >= 0 && io->bounce != MAP_FAILED
                     ? begin(io, e)
                     : hb_err_set(e, -EMFILE, NULL, "raise the limit of open files",
                                  "cannot make a spill file's bell");
        if (rc < 0)
                hb_spill_io_free(io);
        else
                *ret = io;
        return rc;
}

hb_spill_io *hb_spill_io_free(hb_spill_io *io) {
        if (!io)
                return NULL;
        atomic_store(&io->stop, true);
        for (unsigned t = 0; t < io->threads; t++)
                ring(io->wake_fd);
        for (unsigned t = 0; t < io->threads; t++)
                pthread_join(io->thread[t], NULL);
        hb_spill_uring_stop(io);
        if (io->wake_fd >= 0)
                close(io->wake_fd);
        if (io->done_fd >= 0)
                close(io->done_fd);
        if (io->bounce != MAP_FAILED)
                munmap(io->bounce, (size_t)io->o.depth * HB_SPILL_RUN << HB_PAGE_SHIFT);
        pthread_mutex_destroy(&io->lock);
        free(io);
        return NULL;
}

void hb_spill_io_put(hb_spill_io *io, struct hb_spill_run *r) {
        r->next = NULL;
        r->status = 0;
        r->wrong = 0;
        r->moved = 0;
        pthread_mutex_lock(&io->lock);
        *io->put_tail = r;
        io->put_tail = &r->next;
        pthread_mutex_unlock(&io->lock);
        ring(io->wake_fd);
}

struct hb_spill_run *hb_spill_io_next(hb_spill_io *io) {
        struct hb_spill_run *r;

        pthread_mutex_lock(&io->lock);
        r = io->put;
        if (r) {
                io->put = r->next;
                if (!io->put)
                        io->put_tail = &io->put;
        }
        pthread_mutex_unlock(&io->lock);
        return r;
}

/* There is one for each run that can be here. */
static uint8_t *take_bounce(hb_spill_io *io) {
        unsigned k;

        pthread_mutex_lock(&io->lock);
        k = (unsigned)__builtin_ctzll(io->bounce_free);
        io->bounce_free &= io->bounce_free - 1;
        pthread_mutex_unlock(&io->lock);
        return io->bounce + ((size_t)k * HB_SPILL_RUN << HB_PAGE_SHIFT);
}

static void give_bounce(hb_spill_io *io, const uint8_t *at) {
        size_t k = (size_t)(at - io->bounce) / (HB_SPILL_RUN << HB_PAGE_SHIFT);

        pthread_mutex_lock(&io->lock);
        io->bounce_free |= 1ull << k;
        pthread_mutex_unlock(&io->lock);
}

void hb_spill_io_ended(hb_spill_io *io, struct hb_spill_run *r) {
        bool first;

        if (r->what == HB_SPILL_READ)
                give_bounce(io, r->at);
        pthread_mutex_lock(&io->lock);
        first = io->ended == NULL;
        r->next = io->ended;
        io->ended = r;
        pthread_mutex_unlock(&io->lock);
        if (first)
                ring(io->done_fd);
}

struct hb_spill_run *hb_spill_io_take(hb_spill_io *io) {
        struct hb_spill_run *r;

        quiet(io->done_fd);
        pthread_mutex_lock(&io->lock);
        r = io->ended;
        io->ended = NULL;
        pthread_mutex_unlock(&io->lock);
        return r;
}

/* ---- one run ---- */

void hb_spill_io_before(hb_spill_io *io, struct hb_spill_run *r) {
        r->at = r->what == HB_SPILL_READ && r->file >= 0 ? take_bounce(io) : r->mem;
        if (r->what == HB_SPILL_WRITE)
                for (uint32_t k = 0; k < r->pages; k++)
                        r->sum[k] = hb_spill_sum(io->o.key, r->gfn + k, r->stamp[k],
                                                 r->mem + ((uint64_t)k << HB_PAGE_SHIFT));
        if (r->what == HB_SPILL_WRITE && hb_fault("spill.write"))
                r->status = -EIO;
        if (r->what == HB_SPILL_WRITE && hb_fault("spill.disk_full"))
                r->status = -ENOSPC;
        if (r->what == HB_SPILL_READ && hb_fault("spill.read"))
                r->status = -EIO;
}

static void check(hb_spill_io *io, struct hb_spill_run *r) {
        for (uint32_t k = 0; k < r->pages; k++)
                if (hb_spill_sum(io->o.key, r->gfn + k, r->stamp[k],
                                 r->at + ((uint64_t)k << HB_PAGE_SHIFT)) != r->sum[k])
                        r->wrong |= 1ull << k;
}

/* Written, not copied to a mapping: the memory file then need not clear the pages first, nor fault them in
 * one by one, and says that it is full instead of ending us. */
static int store(const struct hb_spill_run *r, uint32_t first, uint32_t pages) {
        size_t from = (size_t)first << HB_PAGE_SHIFT, left = (size_t)pages << HB_PAGE_SHIFT;

        if (hb_fault("spill.store"))
                return -ENOMEM;
        while (left > 0) {
                ssize_t n = pwrite(r->file, r->at + from, left, (off_t)(r->file_at + from));

                if (n < 0 && errno != EINTR)
                        return -ENOMEM;
                from += n > 0 ? (size_t)n : 0;
                left -= n > 0 ? (size_t)n : 0;
        }
        return 0;
}

/* Only what is right comes near the image. */
static void store_right(struct hb_spill_run *r) {
        uint32_t from = 0;

        for (uint32_t k = 0; k <= r->pages && r->status == 0; k++) {
                if (k < r->pages && !(r->wrong >> k & 1))
                        continue;
                if (k > from)
                        r->status = store(r, from, k - from);
                from = k + 1;
        }
}

/* O_DIRECT may be taken when the file is opened and refused when it is used (a device with larger blocks). */
static bool refused_direct(hb_spill_io *io, int64_t rc) {
        return (rc == -EINVAL || rc == -EOPNOTSUPP) && atomic_exchange(&io->direct, false);
}

bool hb_spill_io_goes_on(hb_spill_io *io, struct hb_spill_run *r, int64_t rc) {
        uint64_t want = (uint64_t)r->pages << HB_PAGE_SHIFT;

        if (rc == -EINTR || rc == -EAGAIN)
                return true;
        if (r->what == HB_SPILL_TRIM) {
                r->status = rc < 0 ? (int)rc : 0;
                return false;
        }
        if (refused_direct(io, rc))
                return true;
        if (rc < 0) {
                r->status = (int)rc;
                return false;
        }
        r->moved += (uint32_t)rc;
        if (rc > 0 && r->moved < want)
                return true;
        if (r->moved < want) /* the file was cut */
                r->status = -EIO;
        else if (r->what == HB_SPILL_READ)
                check(io, r);
        if (r->what == HB_SPILL_READ && r->status == 0 && r->file >= 0)
                store_right(r);
        return false;
}

int hb_spill_io_read_page(hb_spill_io *io, uint64_t gfn, uint32_t stamp, uint64_t sum, uint8_t *out) {
        _Alignas(HB_PAGE_SIZE) uint8_t page[HB_PAGE_SIZE];
        struct hb_spill_run r = {.what = HB_SPILL_READ, .gfn = gfn, .pages = 1, .mem = page, .file = -1};
        ssize_t n;

        r.stamp[0] = stamp;
        r.sum[0] = sum;
        hb_spill_io_before(io, &r);
        do
                n = r.status < 0 ? r.status
                                 : pread(hb_spill_io_file(io), page + r.moved, HB_PAGE_SIZE - r.moved,
                                         (off_t)((gfn << HB_PAGE_SHIFT) + r.moved));
        while (hb_spill_io_goes_on(io, &r, n < 0 && r.status == 0 ? -errno : n));
        if (r.status < 0 || r.wrong)
                return r.status < 0 ? r.status : -EIO;
        memcpy(out, page, sizeof(page));
        return 0;
}

int hb_spill_io_fd(const hb_spill_io *io) {
        return io->done_fd;
}

bool hb_spill_io_uring(const hb_spill_io *io) {
        return io->ring != NULL;
}

bool hb_spill_io_direct(const hb_spill_io *io) {
        return atomic_load(&io->direct);
}

const char *hb_spill_io_why(const hb_spill_io *io) {
        return io->why;
}
