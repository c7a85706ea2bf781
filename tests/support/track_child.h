/* track_child: a process with guest-like shared memory that does what a test tells it: write, read, punch,
 * start threads. The memory is mapped at the same address in both, so the test can look at (never write) what
 * the child has. */
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define TC_PAGE    4096ul
#define TC_REGIONS 8u

enum tc_op {
        TC_WRITE,   /* one byte of each page becomes arg */
        TC_READ,    /* reads one byte of each page, returns their sum */
        TC_PUNCH,   /* fallocate(PUNCH_HOLE) */
        TC_REMOVE,  /* madvise(MADV_REMOVE) */
        TC_PREAD,   /* pread() from /dev/zero's like into the pages: the kernel writes */
        TC_ALIAS,   /* maps the region a second time and writes through that; leaves it mapped */
        TC_DROP,    /* madvise(MADV_DONTNEED) by the process itself */
        TC_THREADS, /* starts `count` threads asleep on a futex-like wait, and arg that compute */
        TC_STORM,   /* starts a thread that writes random pages until TC_CALM; arg = seed */
        TC_CALM,
        TC_LOCK,  /* mlock the region */
        TC_LATER, /* TC_WRITE of 1, arg ms from now, while the child goes on answering */
        TC_TIMED, /* TC_WRITE to every arg-th page, returns the ns it took */
        TC_LOAD,  /* a thread that works without pause and writes `count` pages of region 0 a second (arg:
                     mostly hot ones), until  TC_CALM */
        TC_CHECK, /* returns 0 when every computing thread found its registers unharmed */
        TC_PING,
};

struct tc_cmd {
        enum tc_op op;
        unsigned region;
        uint64_t page, count, arg;
};

struct tc_shared { /* between test and child */
        int calm, stop;
        uint64_t storms, bad, rounds, cpu_ns; /* by tc_get and tc_put only */
};

struct tc {
        pid_t pid;
        int sock;
        unsigned n;
        struct {
                int fd;
                uint8_t *map;
                uint64_t bytes;
        } region[TC_REGIONS];
        struct tc_shared *shared;
};

#define tc_get(field)    __atomic_load_n(&(field), __ATOMIC_SEQ_CST)
#define tc_put(field, v) __atomic_store_n(&(field), (v), __ATOMIC_SEQ_CST)

static inline uint64_t tc_random(uint64_t *s) {
        *s ^= *s << 13, *s ^= *s >> 7, *s ^= *s << 17;
        return *s;
}

static struct tc *tc_self; /* in the child */
static pthread_t tc_storm_thread;

/* Writes counters, so no page ever shows an earlier content again. */
static inline void *tc_storm(void *arg) {
        uint64_t s = (uint64_t)(uintptr_t)arg * 2654435761u + 1, n = 0;

        while (!tc_get(tc_self->shared->calm)) {
                unsigned r = (unsigned)(tc_random(&s) % tc_self->n);
                uint64_t pages = tc_self->region[r].bytes / TC_PAGE, page = tc_random(&s) % pages;

                /* Mostly a small hot set, sometimes anywhere. */
                if (tc_random(&s) % 8)
                        page %= pages / 16 + 1;
                *(volatile uint64_t *)(tc_self->region[r].map + page * TC_PAGE + 8 * (tc_random(&s) % 512)) =
                        ++n;
                tc_put(tc_self->shared->storms, n);
        }
        return NULL;
}

static inline void *tc_sleeper(void *arg) {
        sigset_t set;

        sigemptyset(&set);
        sigaddset(&set, SIGUSR2);
        for (;;)
                sigsuspend(&(sigset_t){0});
        return NULL;
}

static inline uint64_t tc_now(clockid_t which) {
        struct timespec ts;

        clock_gettime(which, &ts);
        return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Steady work, counted in `rounds`, and a steady rate of writes: with a stride through everything, so that no
 * page comes twice before all have come; or, `hot`, as guest_load does: nine in ten to a tenth of the pages,
 * the rest anywhere. */
struct tc_load_args {
        uint64_t rate;
        bool hot;
};

static struct tc_load_args tc_load_args;

static inline uint64_t tc_load_page(uint64_t i, uint64_t pages, bool hot, uint64_t *x) {
        if (!hot)
                return i * 769 % pages;
        return tc_random(x) % 10 ? tc_random(x) % (pages / 10) : tc_random(x) % pages;
}

static inline void *tc_load(void *arg) {
        struct tc_load_args a = *(struct tc_load_args *)arg;
        uint64_t pages = tc_self->region[0].bytes / TC_PAGE, began = tc_now(CLOCK_MONOTONIC), done = 0, x = 1;

        while (!tc_get(tc_self->shared->calm)) {
                uint64_t due = (tc_now(CLOCK_MONOTONIC) - began) * (a.rate / 1000) / 1000000;

                for (unsigned i = 0; i < 20000; i++)
                        tc_random(&x);
                for (; done < due; done++)
                        *(volatile uint64_t *)(tc_self->region[0].map +
                                               tc_load_page(done, pages, a.hot, &x) * TC_PAGE) = x;
                __atomic_add_fetch(&tc_self->shared->rounds, 1, __ATOMIC_RELAXED);
                tc_put(tc_self->shared->cpu_ns, tc_now(CLOCK_THREAD_CPUTIME_ID));
        }
        return NULL;
}

static inline int64_t tc_timed(struct tc *t, const struct tc_cmd *c) {
        uint8_t *p = t->region[c->region].map + c->page * TC_PAGE;
        uint64_t began = tc_now(CLOCK_MONOTONIC);

        for (uint64_t i = 0; i < c->count; i += c->arg)
                *(volatile uint8_t *)(p + i * TC_PAGE) += 1;
        return (int64_t)(tc_now(CLOCK_MONOTONIC) - began);
}

/* Keeps known values in general and vector registers and notices any change. */
static inline void *tc_computer(void *arg) {
        uint64_t want = 0x1234567800000000ull + (uint64_t)(uintptr_t)arg;

        while (!tc_get(tc_self->shared->stop)) {
                uint64_t a, b, c;

                __asm__ volatile("movq %3, %%r12\n movq %3, %%r13\n movq %3, %%xmm7\n movq %3, %%xmm15\n"
                                 "movl $2000, %%ecx\n 1: decl %%ecx\n jnz 1b\n"
                                 "movq %%r12, %0\n movq %%xmm7, %1\n movq %%xmm15, %2\n"
                                 : "=&r"(a), "=&r"(b), "=&r"(c)
                                 : "r"(want)
                                 : "r12", "r13", "ecx", "xmm7", "xmm15", "cc");
                if (a != want || b != want || c != want)
                        __atomic_add_fetch(&tc_self->shared->bad, 1, __ATOMIC_SEQ_CST);
                __atomic_add_fetch(&tc_self->shared->rounds, 1, __ATOMIC_RELAXED);
        }
        return NULL;
}

static inline int64_t tc_pages(struct tc *t, const struct tc_cmd *c) {
        uint8_t *p = t->region[c->region].map + c->page * TC_PAGE;
        int64_t sum = 0;

        for (uint64_t i = 0; i < c->count; i++) {
                if (c->op == TC_READ)
                        sum += *(volatile uint8_t *)(p + i * TC_PAGE);
                else
                        *(volatile uint8_t *)(p + i * TC_PAGE) = (uint8_t)c->arg;
        }
        return sum;
}

static struct tc_cmd tc_later_cmd;

static inline void *tc_later(void *arg) {
        struct timespec ts = {.tv_nsec = (long)(tc_later_cmd.arg * 1000000)};

        nanosleep(&ts, NULL);
        tc_later_cmd.op = TC_WRITE;
        tc_later_cmd.arg = 1;
        tc_pages(tc_self, &tc_later_cmd);
        return NULL;
}

static inline int64_t tc_alias(struct tc *t, const struct tc_cmd *c) {
        uint8_t *p = mmap(NULL, t->region[c->region].bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
                          t->region[c->region].fd, 0);

        if (p == MAP_FAILED)
                return -errno;
        for (uint64_t i = 0; i < c->count; i++)
                p[(c->page + i) * TC_PAGE] = (uint8_t)c->arg;
        return 0;
}

/* The kernel writes into the pages: a file is read into them. */
static inline int64_t tc_pread(struct tc *t, const struct tc_cmd *c) {
        uint8_t *p = t->region[c->region].map + c->page * TC_PAGE;
        int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        int64_t r = 0;

        for (uint64_t i = 0; i < c->count && r >= 0; i++)
                if (pread(fd, p + i * TC_PAGE, 512, 0) <= 0)
                        r = -errno;
        close(fd);
        return r;
}

static inline int64_t tc_threads(struct tc *t, const struct tc_cmd *c) {
        pthread_t id;

        for (uint64_t i = 0; i < c->count + c->arg; i++)
                if (pthread_create(&id, NULL, i < c->count ? tc_sleeper : tc_computer,
                                   (void *)(uintptr_t)i)) // NOLINT
                        return -EAGAIN;
        return 0;
}

static inline int64_t tc_do(struct tc *t, const struct tc_cmd *c) {
        uint8_t *p = t->region[c->region].map + c->page * TC_PAGE;
        off_t off = (off_t)(c->page * TC_PAGE), len = (off_t)(c->count * TC_PAGE);
        int fd = t->region[c->region].fd;

        switch (c->op) {
        case TC_WRITE:
        case TC_READ:
                return tc_pages(t, c);
        case TC_PUNCH:
                return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, off, len) ? -errno : 0;
        case TC_REMOVE:
                return madvise(p, (size_t)len, MADV_REMOVE) ? -errno : 0;
        case TC_PREAD:
                return tc_pread(t, c);
        case TC_ALIAS:
                return tc_alias(t, c);
        case TC_DROP:
                return madvise(p, (size_t)len, MADV_DONTNEED) ? -errno : 0;
        case TC_THREADS:
                return tc_threads(t, c);
        case TC_STORM:
                tc_put(t->shared->calm, 0);
                return -pthread_create(&tc_storm_thread, NULL, tc_storm, (void *)(uintptr_t)c->arg); // NOLINT
        case TC_LATER:
                tc_later_cmd = *c;
                return -pthread_create(&tc_storm_thread, NULL, tc_later, NULL);
        case TC_TIMED:
                return tc_timed(t, c);
        case TC_LOAD:
                tc_put(t->shared->calm, 0);
                tc_load_args = (struct tc_load_args){.rate = c->count, .hot = c->arg};
                return -pthread_create(&tc_storm_thread, NULL, tc_load, &tc_load_args);
        case TC_CALM:
                tc_put(t->shared->calm, 1);
                return -pthread_join(tc_storm_thread, NULL);
        case TC_LOCK:
                return syscall(SYS_mlock, p, (size_t)len) ? -errno
                                                          : 0; /* a sanitizer makes the libc call a no-op */
        case TC_CHECK:
                return (int64_t)tc_get(t->shared->bad);
        default:
                return 0;
        }
}

static inline void tc_serve(struct tc *t) {
        struct tc_cmd c;

        prctl(PR_SET_PDEATHSIG, SIGKILL);
        tc_self = t;
        while (recv(t->sock, &c, sizeof c, 0) == (ssize_t)sizeof c) {
                int64_t r = tc_do(t, &c);

                if (send(t->sock, &r, sizeof r, 0) != (ssize_t)sizeof r)
                        break;
        }
        _exit(0);
}

static inline int64_t tc_call(struct tc *t, enum tc_op op, unsigned region, uint64_t page, uint64_t count,
                              uint64_t arg) {
        struct tc_cmd c = {op, region, page, count, arg};
        int64_t r = -EPIPE;

        if (send(t->sock, &c, sizeof c, MSG_NOSIGNAL) != (ssize_t)sizeof c ||
            recv(t->sock, &r, sizeof r, 0) != (ssize_t)sizeof r)
                return -EPIPE;
        return r;
}

/* A region over fd (owned from now on), or over a new memfd for fd < 0. Call before tc_start. */
static inline int tc_add(struct tc *t, int fd, uint64_t bytes) {
        uint8_t *p;

        if (fd < 0)
                fd = memfd_create("guest-ram", MFD_CLOEXEC);
        if (fd < 0 || ftruncate(fd, (off_t)bytes) < 0)
                return -errno;
        p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, fd, 0);
        if (p == MAP_FAILED)
                return -errno;
        t->region[t->n].fd = fd;
        t->region[t->n].map = p;
        t->region[t->n++].bytes = bytes;
        return 0;
}

static inline int tc_start(struct tc *t) {
        int s[2];

        t->shared = mmap(NULL, TC_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        if (t->shared == MAP_FAILED || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s) < 0)
                return -errno;
        t->pid = fork();
        if (t->pid < 0)
                return -errno;
        t->sock = s[t->pid == 0];
        close(s[t->pid != 0]);
        if (t->pid == 0)
                tc_serve(t);
        /* From here on the test only looks. */
        for (unsigned i = 0; i < t->n; i++)
                mprotect(t->region[i].map, t->region[i].bytes, PROT_READ);
        return 0;
}

static inline void tc_stop(struct tc *t) {
        if (t->pid > 0) {
                kill(t->pid, SIGKILL);
                waitpid(t->pid, NULL, 0);
        }
        if (t->sock > 0)
                close(t->sock);
        for (unsigned i = 0; i < t->n; i++) {
                munmap(t->region[i].map, t->region[i].bytes);
                close(t->region[i].fd);
        }
        if (t->shared)
                munmap(t->shared, TC_PAGE);
        memset(t, 0, sizeof *t);
}
