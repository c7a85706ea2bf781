/* spill_uring: moves runs by io_uring: one thread owns the ring, so that neither the checksums nor a
 * submission that blocks (a file's new extents, a device's full queue) ever meets the loop.
 *
 * Invariant: `flying` counts what the kernel has; the thread ends only when it is 0, so no memory of ours is
 * written after hb_spill_io_free. The ring holds `depth` transfers and the poll of the bell. */
#include "place/spill_io.h"
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

struct uring {
        struct io_uring ring;
        hb_spill_io *io;
        unsigned flying;
        bool listening;
};

static struct io_uring_sqe *sqe_of(struct uring *u) {
        struct io_uring_sqe *s = io_uring_get_sqe(&u->ring);

        while (!s) { /* the submission side is full of what was not submitted yet */
                io_uring_submit(&u->ring);
                s = io_uring_get_sqe(&u->ring);
        }
        return s;
}

static void submit(struct uring *u, struct hb_spill_run *r) {
        hb_spill_io *io = u->io;
        unsigned left = (r->pages << HB_PAGE_SHIFT) - r->moved;
        uint64_t at = (r->gfn << HB_PAGE_SHIFT) + r->moved;
        struct io_uring_sqe *s = sqe_of(u);

        if (r->what == HB_SPILL_TRIM)
                io_uring_prep_fallocate(s, io->o.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                        (off_t)(r->gfn << HB_PAGE_SHIFT),
                                        (off_t)((uint64_t)r->pages << HB_PAGE_SHIFT));
        else if (r->what == HB_SPILL_WRITE)
                io_uring_prep_write(s, hb_spill_io_file(io), r->at + r->moved, left, at);
        else
                io_uring_prep_read(s, hb_spill_io_file(io), r->at + r->moved, left, at);
        io_uring_sqe_set_data(s, r);
        u->flying++;
}

static void listen_for_runs(struct uring *u) {
        struct io_uring_sqe *s;

        if (u->listening)
                return;
        s = sqe_of(u);
        io_uring_prep_poll_add(s, u->io->wake_fd, POLLIN);
        io_uring_sqe_set_data(s, u);
        u->listening = true;
}

static void start_put(struct uring *u) {
        struct hb_spill_run *r;

        while (u->flying < u->io->o.depth && !atomic_load(&u->io->stop) && (r = hb_spill_io_next(u->io))) {
                hb_spill_io_before(u->io, r);
                if (r->status < 0)
                        hb_spill_io_ended(u->io, r);
                else
                        submit(u, r);
        }
}

static void settle(struct uring *u, struct io_uring_cqe *c) {
        struct hb_spill_run *r = io_uring_cqe_get_data(c);
        uint64_t n;

        if ((void *)r == u) {
                u->listening = false;
                if (read(u->io->wake_fd, &n, sizeof(n)) < 0)
                        return; /* nobody else reads it; EINTR: it is still readable */
                return;
        }
        u->flying--;
        if (hb_spill_io_goes_on(u->io, r, c->res))
                submit(u, r);
        else
                hb_spill_io_ended(u->io, r);
}

static void *work(void *arg) {
        struct uring *u = arg;

        for (;;) {
                struct io_uring_cqe *c;
                unsigned head, seen = 0;
                int rc;

                start_put(u);
                if (atomic_load(&u->io->stop) && u->flying == 0)
                        return NULL;
                listen_for_runs(u);
                rc = io_uring_submit_and_wait(&u->ring, 1);
                if (rc < 0 && rc != -EINTR) /* out of memory, say: what flies still ends */
                        usleep(1000);
                io_uring_for_each_cqe(&u->ring, head, c) {
                        settle(u, c);
                        seen++;
                }
                io_uring_cq_advance(&u->ring, seen);
        }
}

int hb_spill_uring_start(hb_spill_io *io) {
        struct uring *u = calloc(1, sizeof(*u));
        sigset_t all, old;
        int rc;

        if (!u)
                return -ENOMEM;
        u->io = io;
        rc = io_uring_queue_init(io->o.depth + 2, &u->ring, 0);
        if (rc < 0) {
                free(u);
                return rc;
        }
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &old);
        rc = pthread_create(&io->thread[0], NULL, work, u);
        pthread_sigmask(SIG_SETMASK, &old, NULL);
        if (rc != 0) {
                io_uring_queue_exit(&u->ring);
                free(u);
                return -rc;
        }
        io->threads = 1;
        io->ring = u;
        return 0;
}

void hb_spill_uring_stop(hb_spill_io *io) {
        struct uring *u = io->ring;

        if (!u)
                return;
        io_uring_queue_exit(&u->ring);
        free(u);
        io->ring = NULL;
}

int hb_spill_uring_probe(void) {
        struct io_uring r;
        int rc = io_uring_queue_init(2, &r, 0);

        if (rc == 0)
                io_uring_queue_exit(&r);
        return rc;
}
