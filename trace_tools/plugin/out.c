/* out: invariants: frames leave in the order they were sent, each whole or, after an error, none any more.
 * Memory: at most QUEUE_MAX bytes wait; a sender that finds more waits itself, so a slow reader slows the
 * emulator and loses nothing. The thread has every signal blocked: they are the emulated program's. */
#include "plugin/out.h"
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define QUEUE_MAX (32u << 20)

struct chunk {
        struct chunk *next;
        char *data;
        size_t size;
};

struct hb_out {
        pthread_t thread;
        pthread_mutex_t lock;
        pthread_cond_t more, room;
        struct chunk *first, **end;
        size_t queued;
        int fd;
        bool taken, finishing, broken;
        uint64_t tick_ns;
        void (*tick)(void *arg);
        void *arg;
};

/* Only `fd` stays open in this thread; the others keep all they had but fd. */
static int own_descriptors(int fd) {
        struct rlimit most;

        if (unshare(CLONE_FILES) < 0)
                return -errno;
        if ((fd == 0 || close_range(0, (unsigned)fd - 1, 0) == 0) &&
            close_range((unsigned)fd + 1, ~0u, 0) == 0)
                return 0;
        if (getrlimit(RLIMIT_NOFILE, &most) < 0) /* a kernel before 5.9 */
                return -errno;
        for (int i = 0; i < (int)(most.rlim_cur < 65536 ? most.rlim_cur : 65536); i++)
                if (i != fd)
                        close(i);
        return 0;
}

static int write_all(int fd, const char *p, size_t n) {
        while (n) {
                ssize_t r = write(fd, p, n);

                if (r < 0 && errno == EINTR)
                        continue;
                if (r <= 0)
                        return -EPIPE;
                p += r;
                n -= (size_t)r;
        }
        return 0;
}

static void drop_all(struct hb_out *o) {
        while (o->first) {
                struct chunk *c = o->first;

                o->first = c->next;
                free(c->data);
                free(c);
        }
        o->end = &o->first;
        o->queued = 0;
}

/* One chunk out of the lock. */
static void write_first(struct hb_out *o) {
        struct chunk *c = o->first;
        bool broken = o->broken;
        int r;

        o->first = c->next;
        if (!o->first)
                o->end = &o->first;
        pthread_mutex_unlock(&o->lock);
        r = broken ? -EPIPE : write_all(o->fd, c->data, c->size);
        pthread_mutex_lock(&o->lock);
        o->queued -= c->size;
        free(c->data);
        free(c);
        if (r < 0) {
                o->broken = true;
                drop_all(o);
        }
        pthread_cond_broadcast(&o->room);
}

static struct timespec later(const struct timespec *from, uint64_t ns) {
        struct timespec t = *from;

        t.tv_sec += (time_t)(ns / 1000000000u);
        t.tv_nsec += (long)(ns % 1000000000u);
        if (t.tv_nsec >= 1000000000) {
                t.tv_sec++;
                t.tv_nsec -= 1000000000;
        }
        return t;
}

/* Waits for frames, the end, or the next tick. True: the tick is due. */
static bool wait_more(struct hb_out *o, const struct timespec *due) {
        while (!o->first && !o->finishing)
                if (!o->tick_ns)
                        pthread_cond_wait(&o->more, &o->lock);
                else if (pthread_cond_timedwait(&o->more, &o->lock, due) == ETIMEDOUT)
                        return true;
        return false;
}

static void *run(void *arg) {
        struct hb_out *o = arg;
        struct timespec due;
        int r = own_descriptors(o->fd);

        clock_gettime(CLOCK_MONOTONIC, &due);
        due = later(&due, o->tick_ns);
        pthread_mutex_lock(&o->lock);
        o->broken = r < 0;
        o->taken = true;
        pthread_cond_broadcast(&o->room);
        while (o->first || !o->finishing) {
                if (wait_more(o, &due)) {
                        pthread_mutex_unlock(&o->lock);
                        o->tick(o->arg);
                        pthread_mutex_lock(&o->lock);
                        due = later(&due, o->tick_ns);
                } else if (o->first) {
                        write_first(o);
                }
        }
        pthread_mutex_unlock(&o->lock);
        close(o->fd);
        return NULL;
}

static int make_locks(struct hb_out *o) {
        pthread_condattr_t attr;
        int r = pthread_condattr_init(&attr);

        if (r)
                return -r;
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        r = pthread_mutex_init(&o->lock, NULL);
        r = r ? r : pthread_cond_init(&o->more, &attr);
        r = r ? r : pthread_cond_init(&o->room, NULL);
        pthread_condattr_destroy(&attr);
        return -r;
}

int hb_out_start(int fd, uint64_t tick_ns, void (*tick)(void *arg), void *arg, hb_out **ret) {
        struct hb_out *o = calloc(1, sizeof(*o));
        sigset_t all, before;
        int r = o ? make_locks(o) : -ENOMEM;

        if (r < 0)
                goto fail;
        o->fd = fd;
        o->end = &o->first;
        o->tick_ns = tick_ns;
        o->tick = tick;
        o->arg = arg;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = -pthread_create(&o->thread, NULL, run, o);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        if (r < 0)
                goto fail;
        pthread_mutex_lock(&o->lock);
        while (!o->taken)
                pthread_cond_wait(&o->room, &o->lock);
        pthread_mutex_unlock(&o->lock);
        close(fd);
        *ret = o;
        return 0;
fail:
        free(o);
        close(fd);
        return r;
}

int hb_out_send(hb_out *o, void *frames, size_t size) {
        struct chunk *c = malloc(sizeof(*c));
        bool ours = pthread_equal(pthread_self(), o->thread), broken;

        pthread_mutex_lock(&o->lock);
        while (!ours && !o->broken && o->queued > QUEUE_MAX)
                pthread_cond_wait(&o->room, &o->lock);
        broken = o->broken || !c;
        if (!broken) {
                *c = (struct chunk){.data = frames, .size = size};
                *o->end = c;
                o->end = &c->next;
                o->queued += size;
                pthread_cond_signal(&o->more);
        }
        o->broken = broken; /* a frame that is missing ends the stream */
        pthread_mutex_unlock(&o->lock);
        if (broken) {
                free(frames);
                free(c);
        }
        return broken ? -EPIPE : 0;
}

void hb_out_drain(hb_out *o) {
        pthread_mutex_lock(&o->lock);
        while (o->queued && !o->broken)
                pthread_cond_wait(&o->room, &o->lock);
        pthread_mutex_unlock(&o->lock);
}

void hb_out_finish(hb_out *o) {
        pthread_mutex_lock(&o->lock);
        o->finishing = true;
        pthread_cond_signal(&o->more);
        pthread_mutex_unlock(&o->lock);
        pthread_join(o->thread, NULL);
        drop_all(o);
        pthread_cond_destroy(&o->more);
        pthread_cond_destroy(&o->room);
        pthread_mutex_destroy(&o->lock);
        free(o);
}
