/* bench_compression: how near the automatic choice of compression comes to the best fixed one.
 *
 *   bench_compression [--json] [--quick] [--model] [--guest FILE] [--link MBIT] [--content NAME]
 *
 * For each link (10, 100, 1000, 10000 Mbit/s) and content a fixed set of pages is packed, encrypted and sent
 * by two connections that share the link, once for each fixed choice (off, levels -7 to 3) and for auto,
 * which begins each time with nothing learned. The time is that of the last byte's arrival. Links up to 1000
 * are real TCP sockets whose far end takes bytes at the link's pace; at 10000, and with --model at all, the
 * link is modelled: packing and encrypting run and are timed, the wire is arithmetic, and each connection has
 * a core of its own. Contents: random bytes; this project's own text; the memory of a running program
 * (python3 after its imports), or of the file named, without zero pages; and text and random bytes in
 * stretches of 4 MiB by turns. */
#include "base/clock.h"
#include "base/shape.h"
#include "compression_content.h"
#include "transport/page_codec.h"
#include "transport/page_codec_look.h"
#include "transport/sock.h"
#include "transport/tcp.h"
#include <errno.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CONNS     2u
#define RUN_BYTES ((size_t)HB_FETCH_MAX_PAGES * HB_PAGE_SIZE)
#define UNSENT    (512u << 10)
#define CHOICES   12u
#define AUTO      (CHOICES - 1)
#define ROUNDS    3u

static const int levels[CHOICES] = {HB_ZSTD_OFF, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, HB_ZSTD_AUTO};

struct result {
        double s, wire; /* wire bytes a plain byte */
};

/* ---- sealing: what TLS does to each byte ---- */

struct seal {
        EVP_CIPHER_CTX *ctx;
        uint8_t *out;
};

static void seal_open(struct seal *s) {
        static const uint8_t key[32] = "bench_compression";

        s->ctx = EVP_CIPHER_CTX_new();
        s->out = malloc(RUN_BYTES + 64);
        if (!s->ctx || !s->out || !EVP_EncryptInit_ex(s->ctx, EVP_aes_256_gcm(), NULL, key, NULL))
                exit(1);
}

static size_t seal(struct seal *s, const uint8_t *data, size_t size) {
        static const uint8_t iv[12];
        int n = 0, more = 0;

        EVP_EncryptInit_ex(s->ctx, NULL, NULL, NULL, iv);
        EVP_EncryptUpdate(s->ctx, s->out, &n, data, (int)size);
        EVP_EncryptFinal_ex(s->ctx, s->out + n, &more);
        return (size_t)n;
}

static void seal_close(struct seal *s) {
        EVP_CIPHER_CTX_free(s->ctx);
        free(s->out);
}

/* ---- the modelled link: first come, first served; a connection may have UNSENT bytes waiting ---- */

struct model_conn {
        hb_page_codec *codec;
        double now;        /* ns of its own clock */
        double done[4096]; /* when its pieces are through, a ring */
        double bytes[4096];
        unsigned head, n;
        double waiting;
};

static double wait_for_room(struct model_conn *c) {
        double now = c->now;

        while (c->n > 0 && (c->waiting > UNSENT || c->done[c->head % 4096] <= now)) {
                if (c->done[c->head % 4096] > now)
                        now = c->done[c->head % 4096];
                c->waiting -= c->bytes[c->head++ % 4096];
                c->n--;
        }
        return now;
}

static uint64_t cpu_ns(void) {
        struct timespec t;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (uint64_t)t.tv_sec * HB_NS_PER_S + (uint64_t)t.tv_nsec;
}

/* Returns bytes on the wire; moves the connection's clock and the link's. */
static size_t model_run(struct model_conn *c, struct seal *s, const uint8_t *pages, struct hb_buf *out,
                        double rate, double *link_free) {
        uint64_t start = cpu_ns(), packed;
        struct hb_packed p;
        double begin, sealed;
        size_t n;

        hb_buf_reset(out);
        if (hb_page_codec_pack(c->codec, pages, HB_FETCH_MAX_PAGES, &p, out) < 0)
                exit(1);
        packed = cpu_ns();
        n = seal(s, out->data, out->len);
        sealed = (double)(cpu_ns() - packed);
        c->now += (double)(packed - start) + sealed;
        begin = c->now > *link_free ? c->now : *link_free;
        *link_free = begin + (double)n / rate * 1e9;
        c->done[(c->head + c->n) % 4096] = *link_free;
        c->bytes[(c->head + c->n++) % 4096] = (double)n;
        c->waiting += (double)n;
        begin = c->now;
        c->now = wait_for_room(c);
        hb_page_codec_link(c->codec, rate / CONNS); /* what TCP says after its first round trips */
        hb_page_codec_sent_in(c->codec, (uint64_t)(sealed + c->now - begin), (uint64_t)(c->now - begin));
        return n;
}

static struct result by_model(const struct content *from, size_t bytes, double rate, int level) {
        struct model_conn *conns = calloc(CONNS, sizeof(*conns));
        double free_at = 0, wire = 0, end = 0;
        struct hb_buf out = {0};
        struct seal s;

        seal_open(&s);
        for (unsigned i = 0; i < CONNS; i++)
                if (!conns || hb_page_codec_new(level, &conns[i].codec) < 0)
                        exit(1);
        for (size_t at = 0; at < bytes; at += RUN_BYTES) {
                struct model_conn *c = conns;

                for (unsigned i = 1; i < CONNS; i++)
                        c = conns[i].now < c->now ? &conns[i] : c;
                wire += (double)model_run(c, &s, content_at(from, at), &out, rate, &free_at);
        }
        end = free_at;
        for (unsigned i = 0; i < CONNS; i++) {
                end = conns[i].now > end ? conns[i].now : end;
                hb_page_codec_free(conns[i].codec);
        }
        free(conns);
        hb_buf_free(&out);
        seal_close(&s);
        return (struct result){end / 1e9, wire / (double)bytes};
}

/* ---- real sockets: the far end takes bytes at the link's pace ---- */

struct flow {
        const struct content *from;
        size_t bytes, next; /* next: taken by the senders in turn */
        double rate;
        int level, near[CONNS], far[CONNS];
        uint64_t start, wire, end;
};

struct sender {
        struct flow *f;
        int fd;
};

static void make_pair(int *near, int *far) {
        struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t len = sizeof a;
        int room = 256 << 10, l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        setsockopt(l, SOL_SOCKET, SO_RCVBUF, &room, sizeof room); /* what a line of some ms holds */
        *near = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (l < 0 || *near < 0 || bind(l, (struct sockaddr *)&a, len) < 0 || listen(l, 1) < 0 ||
            getsockname(l, (struct sockaddr *)&a, &len) < 0 || connect(*near, (struct sockaddr *)&a, len) < 0)
                exit(1);
        *far = accept(l, NULL, NULL);
        close(l);
        hb_sock_tune(*near);
        hb_sock_limit_queue(*near, UNSENT);
        hb_sock_set_blocking(*near, false);
        hb_sock_set_blocking(*far, false);
}

static void send_all(int fd, const uint8_t *p, size_t n) {
        while (n > 0) {
                ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

                if (k > 0) {
                        p += k;
                        n -= (size_t)k;
                } else if (errno == EAGAIN) {
                        struct pollfd w = {.fd = fd, .events = POLLOUT};
                        poll(&w, 1, -1);
                } else {
                        exit(1);
                }
        }
}

static void *sender(void *arg) {
        struct sender *s = arg;
        struct flow *f = s->f;
        struct hb_buf out = {0};
        struct hb_sock_rate r;
        hb_page_codec *c;
        struct hb_packed p;
        struct seal lock;
        size_t at, n;

        seal_open(&lock);
        if (hb_page_codec_new(f->level, &c) < 0)
                exit(1);
        for (unsigned run = 0; (at = __atomic_fetch_add(&f->next, RUN_BYTES, __ATOMIC_RELAXED)) < f->bytes;
             run++) {
                hb_buf_reset(&out);
                if (hb_page_codec_pack(c, content_at(f->from, at), HB_FETCH_MAX_PAGES, &p, &out) < 0)
                        exit(1);
                n = seal(&lock, out.data, out.len);
                send_all(s->fd, lock.out, n);
                hb_page_codec_sent(c);
                if (run % 16 == 0 && hb_sock_rate(s->fd, &r) == 0) /* as the server does */
                        hb_page_codec_link(c, r.bytes_per_s);
        }
        shutdown(s->fd, SHUT_WR);
        hb_page_codec_free(c);
        hb_buf_free(&out);
        seal_close(&lock);
        return NULL;
}

/* Takes from both ends what the pace allows, until both have ended. */
static void take(struct flow *f) {
        static __thread uint8_t sink[1 << 18];
        double allowed = 0, burst = f->rate * 0.004 + 65536;
        uint64_t last = hb_now_ns(), now;
        bool open[CONNS] = {true, true};
        unsigned turn = 0;

        while (open[0] || open[1]) {
                struct timespec nap = {0, 500000};
                unsigned empty = 0;

                now = hb_now_ns();
                allowed += f->rate * (double)(now - last) / 1e9;
                last = now;
                allowed = allowed > burst ? burst : allowed;
                while (allowed >= 4096 && empty < CONNS) {
                        unsigned i = turn++ % CONNS;
                        size_t most = allowed < 32768 ? (size_t)allowed : 32768;
                        ssize_t n = open[i] ? recv(f->far[i], sink, most, 0) : -1;

                        if (n == 0)
                                open[i] = false;
                        empty = n > 0 ? 0 : empty + 1;
                        if (n > 0) {
                                allowed -= (double)n;
                                f->wire += (uint64_t)n;
                                f->end = hb_now_ns();
                        }
                }
                nanosleep(&nap, NULL);
        }
}

static struct result by_sockets(const struct content *from, size_t bytes, double rate, int level) {
        struct flow f = {.from = from, .bytes = bytes, .rate = rate, .level = level};
        struct sender s[CONNS];
        pthread_t t[CONNS];

        for (unsigned i = 0; i < CONNS; i++)
                make_pair(&f.near[i], &f.far[i]);
        f.start = hb_now_ns();
        for (unsigned i = 0; i < CONNS; i++) {
                s[i] = (struct sender){&f, f.near[i]};
                pthread_create(&t[i], NULL, sender, &s[i]);
        }
        take(&f);
        for (unsigned i = 0; i < CONNS; i++) {
                pthread_join(t[i], NULL);
                close(f.near[i]);
                close(f.far[i]);
        }
        return (struct result){(double)(f.end - f.start) / 1e9, (double)f.wire / (double)bytes};
}

/* ---- cells ---- */

struct cell {
        const struct content *content;
        double mbit;
        bool model;
        size_t bytes;
        struct result r[CHOICES];
};

struct job {
        struct cell *cell;
        unsigned choice;
};

static int by_time(const void *a, const void *b) {
        double x = ((const struct result *)a)->s, y = ((const struct result *)b)->s;

        return x < y ? -1 : x > y;
}

static void *run_job(void *arg) {
        struct job *j = arg;
        struct cell *c = j->cell;
        struct result (*way)(const struct content *, size_t, double, int) = c->model ? by_model : by_sockets;

        c->r[j->choice] = way(c->content, c->bytes, c->mbit * 1e6 / 8, levels[j->choice]);
        return NULL;
}

/* Slow links leave the processors idle: all choices of a cell at once. */
static void measure_together(struct cell *c) {
        struct job jobs[CHOICES];
        pthread_t t[CHOICES];

        for (unsigned i = 0; i < CHOICES; i++) {
                jobs[i] = (struct job){c, i};
                pthread_create(&t[i], NULL, run_job, &jobs[i]);
        }
        for (unsigned i = 0; i < CHOICES; i++)
                pthread_join(t[i], NULL);
}

/* Medians of rounds that go through all choices, so that whatever else this machine does meets all alike. */
static void measure_apart(struct cell *c, unsigned rounds) {
        struct result all[CHOICES][ROUNDS];

        for (unsigned r = 0; r < rounds; r++)
                for (unsigned i = 0; i < CHOICES; i++) {
                        struct job j = {c, i};

                        run_job(&j);
                        all[i][r] = c->r[i];
                }
        for (unsigned i = 0; i < CHOICES; i++) {
                qsort(all[i], rounds, sizeof all[i][0], by_time);
                c->r[i] = all[i][rounds / 2];
        }
}

static unsigned best_fixed(const struct cell *c) {
        unsigned best = 0;

        for (unsigned i = 1; i < AUTO; i++)
                if (c->r[i].s < c->r[best].s)
                        best = i;
        return best;
}

static void name_of(unsigned choice, char *to, size_t size) {
        if (choice == 0)
                snprintf(to, size, "off");
        else
                snprintf(to, size, "%d", levels[choice]);
}

static void show(const struct cell *c, bool json, bool first) {
        unsigned b = best_fixed(c);
        char name[16];

        name_of(b, name, sizeof name);
        if (!json) {
                printf("%7.0f  %-8s %6zu  %5s %8.3f %7.3f  %8.3f %7.3f   %6.3f  %s\n", c->mbit,
                       c->content->name, c->bytes >> 20, name, c->r[b].s, c->r[b].wire, c->r[AUTO].s,
                       c->r[AUTO].wire, c->r[AUTO].s / c->r[b].s, c->model ? "model" : "sockets");
                fflush(stdout);
                return;
        }
        printf("%s{\"mbit\":%.0f,\"content\":\"%s\",\"bytes\":%zu,\"modelled\":%s,\"best\":\"%s\",\"best_s\":"
               "%.4f,"
               "\"auto_s\":%.4f,\"auto_to_best\":%.4f,\"auto_wire_share\":%.4f,\"fixed_s\":{",
               first ? "" : ",", c->mbit, c->content->name, c->bytes, c->model ? "true" : "false", name,
               c->r[b].s, c->r[AUTO].s, c->r[AUTO].s / c->r[b].s, c->r[AUTO].wire);
        for (unsigned i = 0; i < AUTO; i++) {
                name_of(i, name, sizeof name);
                printf("%s\"%s\":%.4f", i ? "," : "", name, c->r[i].s);
        }
        printf("}}");
}

/* us a run: the glance, and what it spares on bytes that do not shrink. */
static void glance(const struct content *random, double *ret_look, double *ret_try) {
        hb_page_codec *c[2];
        struct hb_buf out = {0};
        struct hb_packed p;
        uint64_t t[3];
        float sum = 0;

        if (hb_page_codec_new(HB_ZSTD_OFF, &c[0]) < 0 || hb_page_codec_new(-7, &c[1]) < 0)
                exit(1);
        t[0] = cpu_ns();
        for (unsigned i = 0; i < 200; i++)
                sum += hb_look_bits(content_at(random, i * RUN_BYTES), RUN_BYTES);
        t[0] = cpu_ns() - t[0];
        for (unsigned k = 0; k < 2; k++) {
                t[k + 1] = cpu_ns();
                for (unsigned i = 0; i < 200; i++) {
                        hb_buf_reset(&out);
                        hb_page_codec_pack(c[k], content_at(random, i * RUN_BYTES), HB_FETCH_MAX_PAGES, &p,
                                           &out);
                }
                t[k + 1] = cpu_ns() - t[k + 1];
                hb_page_codec_free(c[k]);
        }
        hb_buf_free(&out);
        *ret_look = sum > 0 ? (double)t[0] / 200e3 : 0;
        *ret_try = ((double)t[2] - (double)t[1]) / 200e3;
}

struct link_set {
        double mbit;
        size_t mib; /* plain bytes moved a choice */
        unsigned rounds;
};

int main(int argc, char **argv) {
        static const struct link_set links[] = {{10, 24, 0}, {100, 96, 0}, {1000, 160, 1}, {10000, 160, 3}};
        bool json = false, quick = false, model = false, first = true;
        const char *guest = NULL, *content = NULL;
        double only = 0, worst = 0, look, tried;
        struct content contents[CONTENTS];

        for (int i = 1; i < argc; i++) {
                json |= strcmp(argv[i], "--json") == 0;
                quick |= strcmp(argv[i], "--quick") == 0;
                model |= strcmp(argv[i], "--model") == 0;
                if (strcmp(argv[i], "--content") == 0 && i + 1 < argc)
                        content = argv[++i];
                else if (strcmp(argv[i], "--guest") == 0 && i + 1 < argc)
                        guest = argv[++i];
                else if (strcmp(argv[i], "--link") == 0 && i + 1 < argc)
                        only = atof(argv[++i]);
        }
        contents_make(contents, guest);
        if (json)
                printf("{\"cells\":[");
        else
                printf("%7s  %-8s %6s  %5s %8s %7s  %8s %7s   %6s\n", "Mbit/s", "content", "MiB", "best", "s",
                       "wire", "auto s", "wire", "ratio");
        for (unsigned l = 0; l < 4; l++)
                for (unsigned k = 0; k < CONTENTS && (only == 0 || only == links[l].mbit); k++) {
                        if (content && strcmp(content, contents[k].name) != 0)
                                continue;
                        struct cell c = {&contents[k],
                                         links[l].mbit,
                                         model || links[l].mbit > 1000,
                                         links[l].mib << (quick ? 18 : 20),
                                         {{0}}};
                        double ratio;

                        if (links[l].rounds == 0 && !c.model)
                                measure_together(&c);
                        else
                                measure_apart(&c, quick || links[l].rounds == 0 ? 1 : links[l].rounds);
                        ratio = c.r[AUTO].s / c.r[best_fixed(&c)].s;
                        worst = ratio > worst ? ratio : worst;
                        show(&c, json, first);
                        first = false;
                }
        glance(&contents[0], &look, &tried);
        if (json)
                printf("],\"worst_auto_to_best\":%.4f,\"look_us\":%.2f,\"try_us\":%.2f}\n", worst, look,
                       tried);
        else
                printf("worst %.3f; a glance at 256 KiB takes %.1f us, trying to compress random bytes %.1f "
                       "us\n",
                       worst, look, tried);
        contents_free(contents);
        return 0;
}
