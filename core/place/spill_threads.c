/* spill_threads: moves runs by pwrite and pread, a few threads at a time: for hosts whose kernel, sysctl or
 * seccomp filter has no io_uring for us. Slower by the depth of the queue, otherwise the same.
 *
 * Invariant: a thread takes one run at a time and ends it before it looks at `stop`. Each bell read is one
 * run at most, so the bell is rung once a run and once a thread at the end. */
#include "place/spill_io.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

static int64_t transfer(hb_spill_io *io, const struct hb_spill_run *r) {
        size_t left = ((size_t)r->pages << HB_PAGE_SHIFT) - r->moved;
        off_t at = (off_t)((r->gfn << HB_PAGE_SHIFT) + r->moved);
        ssize_t n;

        if (r->what == HB_SPILL_TRIM)
                n = fallocate(io->o.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, (off_t)left);
        else if (r->what == HB_SPILL_WRITE)
                n = pwrite(hb_spill_io_file(io), r->at + r->moved, left, at);
        else
                n = pread(hb_spill_io_file(io), r->at + r->moved, left, at);
        return n < 0 ? -errno : n;
}

static void move(hb_spill_io *io, struct hb_spill_run *r) {
        hb_spill_io_before(io, r);
        while (r->status == 0 && hb_spill_io_goes_on(io, r, transfer(io, r)))
                ;
        hb_spill_io_ended(io, r);
}

static void *work(void *arg) {
        hb_spill_io *io = arg;
        uint64_t n;

        for (;;) {
                struct hb_spill_run *r;

                if (read(io->wake_fd, &n, sizeof(n)) < 0 && errno != EINTR)
                        return NULL;
                while (!atomic_load(&io->stop) && (r = hb_spill_io_next(io)))
                        move(io, r);
                if (atomic_load(&io->stop))
                        return NULL;
        }
}

int hb_spill_threads_start(hb_spill_io *io) {
        unsigned most = sizeof(io->thread) / sizeof(io->thread[0]);
        sigset_t all, old;
        int rc = 0;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        while (io->threads < most && rc == 0) {
                rc = pthread_create(&io->thread[io->threads], NULL, work, io);
                io->threads += rc == 0;
        }
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        return io->threads > 0 ? 0 : -rc;
}
