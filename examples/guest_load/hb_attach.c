/* hb_attach: the guest's side of the attach protocol.
 *
 * Requests are one line, "WORD [key=number]", answers "ok [key=value ...]" or "error ERRNO words":
 * - hello: ok attach=1 name=N pid=N state=S regions=N
 * - region n=I: ok name=N addr=0xA bytes=N path=P (path empty for a memfd)
 * - freeze ms=T: ok wall_ns=W, when it stood still; asked again, the same answer
 * - save, with a descriptor: ok; the state was written there: "HBSTATE1", u32 length, bytes
 * - load, with a descriptor: ok; the state will come from there
 * - loaded ms=T: ok; it has, and load() took it
 * - thaw: ok; runs again (the guest stayed here)
 * - resume: ok wall_ns=W; runs (the guest came here)
 * - quit: ok; hb_attach_point() returns 1
 *
 * States: running freezing frozen moved incoming loading loaded quit. A client that goes away changes nothing
 * but an unfinished freeze: who stopped a guest may be in doubt about it, and only a decision moves it on.
 *
 * One thread of ours (hb_attach_socket.c); the program's thread shares `state` under the lock and reads
 * `wanted` without it. */
#include "hb_attach_priv.h"
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MAX_WAIT_MS  600000
#define SLICE_MS     10 /* how soon a client that went away is noticed while it is being waited for */
#define HEADER_BYTES HB_ATTACH_HEADER_BYTES

static uint64_t clock_ns(clockid_t id) {
        struct timespec t;

        clock_gettime(id, &t);
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static const char *const state_names[] = {"running",  "freezing", "frozen", "moved",
                                          "incoming", "loading",  "loaded", "quit"};

/* ---- the program's side ---- */

static bool stands_still(enum hb_attach_state s) {
        return s != RUNNING && s != QUIT;
}

int hb_attach_point(struct hb_attach *a) {
        bool quit;

        if (!atomic_load_explicit(&a->wanted, memory_order_acquire))
                return 0;
        pthread_mutex_lock(&a->lock);
        if (a->state == FREEZING) {
                a->state = FROZEN;
                a->stop_wall_ns = clock_ns(CLOCK_REALTIME);
        }
        pthread_cond_broadcast(&a->changed);
        while (stands_still(a->state))
                pthread_cond_wait(&a->changed, &a->lock);
        quit = a->state == QUIT;
        pthread_mutex_unlock(&a->lock);
        return quit;
}

/* With the lock. */
void hb_attach_set_state(struct hb_attach *a, enum hb_attach_state s) {
        a->state = s;
        atomic_store_explicit(&a->wanted, s != RUNNING, memory_order_release);
        pthread_cond_broadcast(&a->changed);
}

/* ---- requests; each writes its answer. Called with the lock ---- */

struct request {
        char word[16];
        long number; /* of its one argument, -1: none */
        int fd;      /* that came with it, -1: none; closed by the caller unless taken (set to -1) */
        char *out;
        size_t size;
};

static void say_error(struct request *r, int code, const char *words) {
        snprintf(r->out, r->size, "error %s %s\n", strerrorname_np(-code), words);
}

static void say_ok(struct request *r) {
        snprintf(r->out, r->size, "ok\n");
}

static void say_wall(struct request *r, uint64_t ns) {
        snprintf(r->out, r->size, "ok wall_ns=%llu\n", (unsigned long long)ns);
}

static void do_hello(struct hb_attach *a, struct request *r) {
        snprintf(r->out, r->size, "ok attach=1 name=%s pid=%d state=%s regions=%u\n", a->guest.name,
                 (int)getpid(), state_names[a->state], a->guest.nregions);
}

static void do_region(struct hb_attach *a, struct request *r) {
        const struct hb_attach_region *g;

        if (r->number < 0 || r->number >= (long)a->guest.nregions) {
                say_error(r, -ENOENT, "no such region");
                return;
        }
        g = &a->regions[r->number];
        snprintf(r->out, r->size, "ok name=%s addr=0x%llx bytes=%zu path=%s\n", g->name,
                 (unsigned long long)(uintptr_t)g->addr, g->bytes, g->path ? g->path : "");
}

/* Whoever asked has given up: the answer would reach nobody. */
static bool client_left(const struct hb_attach *a) {
        struct pollfd p = {.fd = a->client_fd, .events = POLLRDHUP};

        return a->client_fd >= 0 && poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static struct timespec deadline(long ms) {
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        t.tv_sec += ms / 1000;
        t.tv_nsec += ms % 1000 * 1000000;
        if (t.tv_nsec >= 1000000000) {
                t.tv_sec++;
                t.tv_nsec -= 1000000000;
        }
        return t;
}

static void do_freeze(struct hb_attach *a, struct request *r) {
        uint64_t until = clock_ns(CLOCK_MONOTONIC) + (uint64_t)(r->number < 0 ? 1000 : r->number) * 1000000u;

        if (a->state == RUNNING)
                hb_attach_set_state(a, FREEZING);
        while (a->state == FREEZING && clock_ns(CLOCK_MONOTONIC) < until && !client_left(a)) {
                struct timespec slice = deadline(SLICE_MS);

                pthread_cond_timedwait(&a->changed, &a->lock, &slice);
        }
        if (a->state == FREEZING) {
                hb_attach_set_state(a, RUNNING);
                say_error(r, -ETIMEDOUT, "the program has come to no safe point");
        } else if (a->state == FROZEN || a->state == MOVED) {
                say_wall(r, a->stop_wall_ns);
        } else {
                say_error(r, -EINVAL, "there is no running guest here");
        }
}

int hb_attach_write(int fd, const uint8_t *p, size_t n) {
        while (n > 0) {
                ssize_t w = send(fd, p, n, MSG_NOSIGNAL);

                if (w < 0 && errno == EINTR)
                        continue;
                if (w < 0)
                        return -errno;
                p += w;
                n -= (size_t)w;
        }
        return 0;
}

static int send_saved(struct hb_attach *a, int fd) {
        size_t n = a->guest.save ? a->guest.save(a->guest.arg, a->buffer + HEADER_BYTES, HB_ATTACH_STATE_MAX)
                                 : 0;

        if (n > HB_ATTACH_STATE_MAX)
                return -EFBIG;
        memcpy(a->buffer, "HBSTATE1", 8);
        for (int i = 0; i < 4; i++)
                a->buffer[8 + i] = (uint8_t)(n >> 8 * i);
        return hb_attach_write(fd, a->buffer, HEADER_BYTES + n);
}

static void do_save(struct hb_attach *a, struct request *r) {
        int rc;

        if (a->state == MOVED && r->fd < 0) {
                say_ok(r);
                return;
        }
        if (a->state != FROZEN && a->state != MOVED) {
                say_error(r, -EINVAL, "the guest is not frozen");
                return;
        }
        rc = r->fd < 0 ? -EBADF : send_saved(a, r->fd);
        if (rc < 0) {
                say_error(r, rc, "the state could not be written");
                return;
        }
        hb_attach_set_state(a, MOVED);
        say_ok(r);
}

static void do_load(struct hb_attach *a, struct request *r) {
        if (a->state != INCOMING || r->fd < 0) {
                say_error(r, a->state != INCOMING ? -EINVAL : -EBADF,
                          "not waiting for a guest, or no descriptor");
                return;
        }
        a->stream_fd = r->fd;
        r->fd = -1;
        hb_attach_set_state(a, LOADING);
        say_ok(r);
}

/* Bytes the stream must have brought: the header, and then what it says. 0: no valid header. */
static size_t bytes_wanted(const struct hb_attach *a) {
        size_t n = 0;

        if (a->held < HEADER_BYTES)
                return HEADER_BYTES;
        if (memcmp(a->buffer, "HBSTATE1", 8) != 0)
                return 0;
        for (int i = 0; i < 4; i++)
                n |= (size_t)a->buffer[8 + i] << 8 * i;
        return n <= HB_ATTACH_STATE_MAX ? HEADER_BYTES + n : 0;
}

/* One read's worth; 1 when all is there. */
static int load_some(struct hb_attach *a, long ms) {
        struct pollfd p = {.fd = a->stream_fd, .events = POLLIN};
        size_t wanted = bytes_wanted(a);
        ssize_t n;

        if (wanted == 0)
                return -EPROTO;
        if (a->held == wanted)
                return 1;
        if (ms <= 0 || client_left(a))
                return -ETIMEDOUT;
        if (poll(&p, 1, SLICE_MS) <= 0)
                return 0;
        n = read(a->stream_fd, a->buffer + a->held, wanted - a->held);
        if (n <= 0)
                return n == 0 ? -EPIPE : -errno;
        a->held += (size_t)n;
        return 0;
}

static int load_all(struct hb_attach *a, long ms) {
        uint64_t until = clock_ns(CLOCK_MONOTONIC) + (uint64_t)ms * 1000000u;
        int rc = 0;

        while (rc == 0) {
                uint64_t now = clock_ns(CLOCK_MONOTONIC);

                rc = load_some(a, now < until ? (long)((until - now) / 1000000u) + 1 : 0);
        }
        if (rc < 0)
                return rc;
        rc = a->guest.load ? a->guest.load(a->guest.arg, a->buffer + HEADER_BYTES, a->held - HEADER_BYTES)
                           : 0;
        return rc == 0 ? 0 : -EINVAL;
}

static void do_loaded(struct hb_attach *a, struct request *r) {
        int rc;

        if (a->state == LOADED) {
                say_ok(r);
                return;
        }
        rc = a->state == LOADING ? load_all(a, r->number < 0 ? 1000 : r->number) : -EINVAL;
        if (rc < 0) {
                say_error(r, rc,
                          a->state == LOADING ? "the state did not come whole, or was refused"
                                              : "nothing is loading");
                return;
        }
        hb_attach_set_state(a, LOADED);
        say_ok(r);
}

static void do_thaw(struct hb_attach *a, struct request *r) {
        if (a->state == FROZEN || a->state == MOVED)
                hb_attach_set_state(a, RUNNING);
        if (a->state == RUNNING)
                say_ok(r);
        else
                say_error(r, -EINVAL, "there is no guest here to let go on");
}

static void do_resume(struct hb_attach *a, struct request *r) {
        if (a->state == LOADED) {
                a->resume_wall_ns = clock_ns(CLOCK_REALTIME);
                hb_attach_set_state(a, RUNNING);
        }
        if (a->state == RUNNING)
                say_wall(r, a->resume_wall_ns ? a->resume_wall_ns : clock_ns(CLOCK_REALTIME));
        else
                say_error(r, -EINVAL, "there is no loaded guest to start");
}

static void do_quit(struct hb_attach *a, struct request *r) {
        hb_attach_set_state(a, QUIT);
        say_ok(r);
}

static const struct {
        const char *word;
        void (*run)(struct hb_attach *a, struct request *r);
} commands[] = {
        {"hello", do_hello}, {"region", do_region}, {"freeze", do_freeze},
        {"save", do_save},   {"load", do_load},     {"loaded", do_loaded},
        {"thaw", do_thaw},   {"resume", do_resume}, {"quit", do_quit},
};

/* "word key=number": anything else is refused, not guessed. */
static bool parse_request(const char *line, struct request *r) {
        char key[8];
        int end = -1;

        r->number = -1;
        if (sscanf(line, "%15[a-z]%n", r->word, &end) == 1 && line[end] == '\0')
                return true;
        end = -1;
        return sscanf(line, "%15[a-z] %7[a-z]=%ld%n", r->word, key, &r->number, &end) == 3 && end > 0 &&
               line[end] == '\0' && r->number >= 0 && r->number <= MAX_WAIT_MS;
}

void hb_attach_answer(struct hb_attach *a, const char *line, int *fd, char *out, size_t size) {
        struct request r = {.fd = *fd, .out = out, .size = size};
        size_t i = 0, n = sizeof(commands) / sizeof(commands[0]);

        if (!parse_request(line, &r)) {
                say_error(&r, -EBADMSG, "not a request");
                return;
        }
        while (i < n && strcmp(commands[i].word, r.word) != 0)
                i++;
        if (i == n) {
                say_error(&r, -ENOSYS, "no such request");
                return;
        }
        pthread_mutex_lock(&a->lock);
        commands[i].run(a, &r);
        pthread_mutex_unlock(&a->lock);
        *fd = r.fd;
}
