/* cut_proxy LISTEN TARGET [LISTEN TARGET ...]: a wire that can be cut. Forwards TCP connections from each
 * ADDRESS:PORT to the next. SIGUSR1  cut: every connection is reset, and new ones are too SIGUSR2  joined
 * again Stopped by SIGSTOP it is a wire that swallows everything and says nothing. Prints a line after each
 * signal was obeyed. One thread, poll. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_WIRES 8
#define MAX_PAIRS 256
#define CHUNK     65536

struct half { /* bytes read from one socket, on their way into the other */
        char data[CHUNK];
        size_t from, to;
        bool ended, told; /* its socket said end of file; the other was told */
};
struct pair {
        int fd[2];
        struct half half[2]; /* [i]: read from fd[i], written to fd[1 - i] */
};

static struct wire {
        int fd;
        struct sockaddr_in target;
} wires[MAX_WIRES];
static unsigned nwires;
static struct pair *pairs[MAX_PAIRS];
static unsigned npairs;
static bool cut;

static bool parse_address(const char *text, struct sockaddr_in *ret) {
        char host[64];
        const char *colon = strrchr(text, ':');
        if (!colon || (size_t)(colon - text) >= sizeof host)
                return false;
        memcpy(host, text, (size_t)(colon - text));
        host[colon - text] = '\0';
        *ret = (struct sockaddr_in){.sin_family = AF_INET,
                                    .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10))};
        return inet_pton(AF_INET, host, &ret->sin_addr) == 1;
}

static bool wire_open(const char *from, const char *to) {
        struct sockaddr_in a;
        int one = 1;
        struct wire *w = &wires[nwires];
        if (nwires == MAX_WIRES || !parse_address(from, &a) || !parse_address(to, &w->target))
                return false;
        w->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (w->fd < 0)
                return false;
        setsockopt(w->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
        if (bind(w->fd, (struct sockaddr *)&a, sizeof a) < 0 || listen(w->fd, 64) < 0)
                return false;
        nwires++;
        return true;
}

static void reset(int fd) {
        struct linger now = {1, 0};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
        close(fd);
}

static void pair_drop(unsigned i, void (*end)(int)) {
        end(pairs[i]->fd[0]);
        end(pairs[i]->fd[1]);
        free(pairs[i]);
        pairs[i] = pairs[--npairs];
}

static void shut(int fd) {
        close(fd);
}

static void take(struct wire *w) {
        int in = accept4(w->fd, NULL, NULL, SOCK_CLOEXEC);
        if (in < 0)
                return;
        int out = cut || npairs == MAX_PAIRS ? -1 : socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct pair *p = out < 0 ? NULL : calloc(1, sizeof *p);
        /* the target is on this machine: connect answers at once */
        if (!p || connect(out, (struct sockaddr *)&w->target, sizeof w->target) < 0) {
                free(p);
                if (out >= 0)
                        close(out);
                reset(in);
                return;
        }
        fcntl(in, F_SETFL, O_NONBLOCK);
        fcntl(out, F_SETFL, O_NONBLOCK);
        p->fd[0] = in;
        p->fd[1] = out;
        pairs[npairs++] = p;
}

/* False: the connection broke. */
static bool pump(struct pair *p, int i, short can_read, short can_write) {
        struct half *h = &p->half[i];
        if (can_read && h->from == h->to && !h->ended) {
                ssize_t n = read(p->fd[i], h->data, sizeof h->data);
                if (n < 0 && errno != EAGAIN && errno != EINTR)
                        return false;
                if (n == 0)
                        h->ended = true;
                h->from = 0;
                h->to = n > 0 ? (size_t)n : 0;
        }
        if (h->from < h->to && can_write) {
                ssize_t n = send(p->fd[1 - i], h->data + h->from, h->to - h->from, MSG_NOSIGNAL);
                if (n < 0 && errno != EAGAIN && errno != EINTR)
                        return false;
                h->from += n > 0 ? (size_t)n : 0;
        }
        if (h->ended && h->from == h->to && !h->told) {
                shutdown(p->fd[1 - i], SHUT_WR);
                h->told = true;
        }
        return true;
}

static void serve(struct pollfd *polls) {
        for (unsigned i = npairs; i-- > 0;) {
                struct pair *p = pairs[i];
                short r0 = polls[2 * i].revents, r1 = polls[2 * i + 1].revents;
                short in0 = r0 & (POLLIN | POLLHUP | POLLERR), in1 = r1 & (POLLIN | POLLHUP | POLLERR);
                if (!pump(p, 0, in0, 1) || !pump(p, 1, in1, 1))
                        pair_drop(i, reset);
                else if (p->half[0].told && p->half[1].told)
                        pair_drop(i, shut);
        }
}

static void obey(int signals) {
        struct signalfd_siginfo info;
        if (read(signals, &info, sizeof info) != (ssize_t)sizeof info)
                return;
        cut = info.ssi_signo == SIGUSR1;
        while (cut && npairs > 0)
                pair_drop(npairs - 1, reset);
        printf("%s\n", cut ? "cut" : "joined");
}

int main(int argc, char **argv) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGUSR1);
        sigaddset(&set, SIGUSR2);
        sigprocmask(SIG_BLOCK, &set, NULL);
        int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
        setvbuf(stdout, NULL, _IOLBF, 0);
        for (int i = 1; i + 1 < argc; i += 2)
                if (!wire_open(argv[i], argv[i + 1])) {
                        fprintf(stderr, "cut_proxy: %s to %s: %s\n", argv[i], argv[i + 1], strerror(errno));
                        return 1;
                }
        if (nwires == 0)
                return 2;
        printf("ready\n");
        for (;;) {
                struct pollfd polls[2 * MAX_PAIRS + MAX_WIRES + 1];
                unsigned n = 0, pairs_now = npairs;
                for (unsigned i = 0; i < pairs_now; i++)
                        for (int k = 0; k < 2; k++) {
                                const struct half *in = &pairs[i]->half[k], *out = &pairs[i]->half[1 - k];
                                short want = (short)((in->from == in->to && !in->ended ? POLLIN : 0) |
                                                     (out->from < out->to ? POLLOUT : 0));
                                polls[n++] = (struct pollfd){want ? pairs[i]->fd[k] : -1, want, 0};
                        }
                for (unsigned i = 0; i < nwires; i++)
                        polls[n++] = (struct pollfd){wires[i].fd, POLLIN, 0};
                polls[n++] = (struct pollfd){signals, POLLIN, 0};
                if (poll(polls, n, -1) < 0)
                        continue;
                serve(polls);
                for (unsigned i = 0; i < nwires; i++)
                        if (polls[2 * pairs_now + i].revents)
                                take(&wires[i]);
                if (polls[n - 1].revents)
                        obey(signals);
        }
}
