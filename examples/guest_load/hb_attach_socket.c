/* hb_attach_socket: the thread that serves the attach socket, one client at a time.
 *
 * Invariant: a line longer than the buffer, or a closed connection, ends that client and nothing else; the
 * guest's state is changed by requests only. */
#include "hb_attach_priv.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

/* Readable, or false when we are being closed. */
static bool await(const struct hb_attach *a, int fd) {
        struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = a->stop_fd, .events = POLLIN}};

        while (poll(p, 2, -1) < 0)
                if (errno != EINTR)
                        return false;
        return p[1].revents == 0;
}

static void take_fd(struct msghdr *msg, int *fd) {
        for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS ||
                    c->cmsg_len != CMSG_LEN(sizeof(int)))
                        continue;
                if (*fd >= 0)
                        close(*fd);
                memcpy(fd, CMSG_DATA(c), sizeof(int));
        }
}

static ssize_t receive(int client, char *p, size_t n, int *fd) {
        union {
                struct cmsghdr head;
                char space[CMSG_SPACE(sizeof(int))];
        } control;
        struct iovec iov = {.iov_base = p, .iov_len = n};
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control.space)};
        ssize_t got = recvmsg(client, &msg, MSG_CMSG_CLOEXEC);

        if (got > 0)
                take_fd(&msg, fd);
        return got;
}

/* Answers the whole lines in `in`, keeps the rest. False: the client is done for. */
static bool serve_lines(struct hb_attach *a, int client, char *in, size_t *len, int *fd) {
        char out[HB_ATTACH_LINE_BYTES], *end;

        while ((end = memchr(in, '\n', *len))) {
                size_t used = (size_t)(end - in) + 1;

                *end = '\0';
                hb_attach_answer(a, in, fd, out, sizeof(out));
                if (hb_attach_write(client, (const uint8_t *)out, strlen(out)) < 0)
                        return false;
                memmove(in, in + used, *len - used);
                *len -= used;
        }
        return *len < HB_ATTACH_LINE_BYTES;
}

static void serve_client(struct hb_attach *a, int client) {
        char in[HB_ATTACH_LINE_BYTES];
        size_t len = 0;
        int fd = -1;

        a->client_fd = client;
        while (await(a, client)) {
                ssize_t n = receive(client, in + len, sizeof(in) - len, &fd);

                if (n <= 0)
                        break;
                len += (size_t)n;
                if (!serve_lines(a, client, in, &len, &fd))
                        break;
        }
        if (fd >= 0)
                close(fd);
        a->client_fd = -1;
        close(client);
}

static void *serve(void *arg) {
        struct hb_attach *a = arg;

        while (await(a, a->listen_fd)) {
                int client = accept4(a->listen_fd, NULL, NULL, SOCK_CLOEXEC);

                if (client >= 0)
                        serve_client(a, client);
        }
        return NULL;
}

static int listen_on(struct hb_attach *a) {
        struct sockaddr_un addr = {.sun_family = AF_UNIX};

        strcpy(addr.sun_path, a->path);
        a->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (a->listen_fd < 0)
                return -errno;
        unlink(a->path);
        if (bind(a->listen_fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0 ||
            listen(a->listen_fd, 1) < 0)
                return -errno;
        a->stop_fd = eventfd(0, EFD_CLOEXEC);
        return a->stop_fd < 0 ? -errno : 0;
}

/* Signals are the program's, not this thread's. */
static int start_thread(struct hb_attach *a) {
        sigset_t all, before;
        int rc;

        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        rc = pthread_create(&a->thread, NULL, serve, a);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        return -rc;
}

static void init_sync(struct hb_attach *a) {
        pthread_condattr_t attr;

        pthread_mutex_init(&a->lock, NULL);
        pthread_condattr_init(&attr);
        pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
        pthread_cond_init(&a->changed, &attr);
        pthread_condattr_destroy(&attr);
}

static void free_attach(struct hb_attach *a) {
        if (a->listen_fd >= 0)
                close(a->listen_fd);
        if (a->stop_fd >= 0)
                close(a->stop_fd);
        if (a->stream_fd >= 0)
                close(a->stream_fd);
        pthread_cond_destroy(&a->changed);
        pthread_mutex_destroy(&a->lock);
        free(a->buffer);
        free(a);
}

int hb_attach_open(const char *socket_path, const struct hb_attach_guest *g, struct hb_attach **ret) {
        struct hb_attach *a;
        int rc = -ENOMEM;

        if (g->nregions == 0 || g->nregions > HB_ATTACH_REGIONS_MAX || strlen(socket_path) >= sizeof(a->path))
                return -EINVAL;
        a = calloc(1, sizeof(*a));
        if (!a)
                return rc;
        init_sync(a);
        a->listen_fd = a->stop_fd = a->client_fd = a->stream_fd = -1;
        a->guest = *g;
        memcpy(a->regions, g->regions, g->nregions * sizeof(a->regions[0]));
        a->guest.regions = a->regions;
        strcpy(a->path, socket_path);
        hb_attach_set_state(a, g->incoming ? INCOMING : RUNNING);
        a->buffer = malloc(HB_ATTACH_HEADER_BYTES + HB_ATTACH_STATE_MAX);
        if (!a->buffer)
                goto fail;
        rc = listen_on(a);
        if (rc == 0)
                rc = start_thread(a);
        if (rc < 0)
                goto fail;
        *ret = a;
        return 0;
fail:
        free_attach(a);
        return rc;
}

void hb_attach_close(struct hb_attach *a) {
        const uint64_t one = 1;

        if (!a)
                return;
        (void)!write(a->stop_fd, &one, sizeof(one));
        pthread_join(a->thread, NULL);
        unlink(a->path);
        free_attach(a);
}
