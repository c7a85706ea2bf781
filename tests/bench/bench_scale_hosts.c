/* bench_scale_hosts: what a daemon pays for its sessions with many hosts.  bench_scale_hosts [--json]
 * [most sessions, default 1000]
 *
 * Real TLS sessions on loopback: this process is the daemon asked about, a child is all the other hosts. Half
 * of the most first, then all: what one more costs is the difference, so a straight line has been looked for
 * and not supposed; its fit is printed. A second of a placement at rest is a PING and its PONG, an
 * announcement without pages, and a REPORT the other way; many such seconds are lived as fast as they go. CPU
 * is this process's, user and system; memory its resident set, and the sockets' own is the kernel's (not
 * counted). One placement is one session: a daemon with k placements of each kind on every host pays k times
 * the row. */
#include "base/clock.h"
#include "cluster.h"
#include "map/announce.h"
#include "transport/peer.h"
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECONDS 10u /* of placements at rest, lived for one figure */
#define AT_ONCE 10u /* dialled: a handshake is given 10 s */
#define LIMIT_S 300 /* then it has failed */

struct daemon {
        struct event_base *base;
        hb_session **session;
        unsigned sessions, heard, want;
        int go, done; /* pipes to the child: one byte a command, one byte an answer */
};

struct figure {
        unsigned n;
        double memory, handshake_ms, second_ms; /* bytes in all; CPU each; CPU of one second, all */
        double bytes_in, bytes_out;             /* of one second, all */
        unsigned files;
};

static void die(const char *what) {
        fprintf(stderr, "bench_scale_hosts: %s\n", what);
        exit(1);
}

static double resident_bytes(void) {
        FILE *f = fopen("/proc/self/statm", "r");
        unsigned long size = 0, rss = 0;

        if (!f || fscanf(f, "%lu %lu", &size, &rss) != 2)
                die("cannot read /proc/self/statm");
        fclose(f);
        return (double)rss * (double)sysconf(_SC_PAGESIZE);
}

static double cpu_ms(void) {
        struct rusage r;

        getrusage(RUSAGE_SELF, &r);
        return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1e3 +
               (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e3;
}

static void say(int fd, uint32_t v) {
        if (write(fd, &v, sizeof(v)) != sizeof(v))
                die("the pipe to the other process broke");
}

static uint32_t hear(int fd) {
        uint32_t v = 0;

        if (read(fd, &v, sizeof(v)) != sizeof(v))
                die("the other process ended");
        return v;
}

/* ---- the other hosts ---- */

static void on_message(void *arg, hb_session *s, enum hb_msg_type type, const uint8_t *p, size_t n) {
        struct daemon *d = arg;

        d->heard++;
}

/* The first message says what the connection is. */
static void on_ready(void *arg, hb_session *s) {
        struct hb_msg_place m = {.guest = "guest", .kind = "qemu", .epoch_ms = 1000};
        struct daemon *d = arg;
        struct hb_buf b = {0};

        hb_shape_add(&m.shape, "mem", 1ull << 30, HB_PAGE_SIZE, NULL);
        hb_msg_place_put(&m, hb_session_version(s), &b);
        hb_session_send(s, HB_MSG_PLACE, b.data, b.len);
        hb_buf_free(&b);
        d->heard++;
}

static void on_closed(void *arg, hb_session *s, const struct hb_err *why) {
        char line[800];

        die(hb_err_line(why, line, sizeof(line)));
}

static const struct hb_session_callbacks callbacks = {on_ready, on_message, on_closed};

static void run(struct daemon *d) {
        while (d->heard < d->want)
                event_base_loop(d->base, EVLOOP_ONCE);
}

/* Until what waits for the sockets is gone. */
static void flush(struct daemon *d) {
        for (unsigned i = 0; i < 1000; i++)
                event_base_loop(d->base, EVLOOP_NONBLOCK);
}

static void dial(struct daemon *d, hb_tls *tls, const char *address, unsigned upto) {
        struct hb_err e;
        char line[800];

        while (d->sessions < upto) {
                d->heard = 0;
                d->want = upto - d->sessions < AT_ONCE ? upto - d->sessions : AT_ONCE;
                for (unsigned i = 0; i < d->want; i++, d->sessions++)
                        if (hb_session_dial(d->base, tls, "beta", address, &callbacks, d,
                                            &d->session[d->sessions], &e) < 0)
                                die(hb_err_line(&e, line, sizeof(line)));
                run(d);
                flush(d);
        }
}

/* A source at rest. */
static void speak(struct daemon *d) {
        struct hb_announce a = {.from = 1, .to = 2, .time_ns = 1};
        struct hb_buf b = {0};

        hb_buf_u8(&b, 1);
        hb_buf_u8(&b, 0);
        hb_buf_u32(&b, a.from);
        hb_buf_u32(&b, a.to);
        hb_buf_u64(&b, a.time_ns);
        hb_buf_u64(&b, 0);
        for (unsigned i = 0; i < d->sessions; i++) {
                hb_session_ping(d->session[i]);
                hb_session_send(d->session[i], HB_MSG_INVALIDATE, b.data, b.len);
        }
        hb_buf_free(&b);
}

/* Commands: how many sessions there should be; or 0: live a second. */
static int other_hosts(struct cluster *c, const char *address, unsigned most, int go, int done) {
        struct daemon d = {.base = event_base_new(), .session = calloc(most, sizeof(*d.session))};
        hb_tls *tls = cluster_tls(c, "alpha");
        uint32_t command;

        if (!d.base || !d.session)
                die("no memory");
        while (read(go, &command, sizeof(command)) == sizeof(command)) {
                if (command > 0) {
                        dial(&d, tls, address, command);
                } else {
                        d.heard = 0;
                        d.want = d.sessions; /* a REPORT each */
                        speak(&d);
                        run(&d);
                }
                say(done, d.sessions);
        }
        for (unsigned i = 0; i < d.sessions; i++)
                hb_session_free(d.session[i]);
        event_base_free(d.base);
        hb_tls_free(tls);
        free(d.session);
        return 0;
}

/* ---- the daemon ---- */

static void on_session(void *arg, hb_session *s) {
        struct daemon *d = arg;

        hb_session_set(s, &callbacks, d);
        d->session[d->sessions++] = s;
}

static int on_data(void *arg, struct hb_data_conn *c) {
        return -EACCES;
}

static void on_note(void *arg, const struct hb_err *why) {
        char line[800];

        die(hb_err_line(why, line, sizeof(line)));
}

static void accept_all(struct daemon *d, unsigned upto) {
        say(d->go, upto);
        while (d->sessions < upto)
                event_base_loop(d->base, EVLOOP_ONCE);
        hear(d->done);
}

static void second(struct daemon *d) {
        struct hb_msg_report r = {.processed = 2};
        struct hb_buf b = {0};

        d->heard = 0;
        d->want = d->sessions; /* announcements; PINGs are answered inside */
        say(d->go, 0);
        run(d);
        hb_msg_report_put(&r, hb_session_version(d->session[0]), &b);
        for (unsigned i = 0; i < d->sessions; i++)
                hb_session_send(d->session[i], HB_MSG_REPORT, b.data, b.len);
        flush(d);
        hb_buf_free(&b);
        hear(d->done);
}

static void sum_bytes(const struct daemon *d, double *in, double *out) {
        *in = *out = 0;
        for (unsigned i = 0; i < d->sessions; i++) {
                struct hb_session_stats st;

                hb_session_stats(d->session[i], &st);
                *in += (double)st.bytes_in;
                *out += (double)st.bytes_out;
        }
}

static int by_value(const void *a, const void *b) {
        double x = *(const double *)a, y = *(const double *)b;

        return x < y ? -1 : x > y;
}

static struct figure measure(struct daemon *d, unsigned n, double base_memory) {
        struct figure f = {.n = n, .files = n};
        double at = cpu_ms(), in, out, ms[SECONDS];
        unsigned before = d->sessions;

        accept_all(d, n);
        f.handshake_ms = (cpu_ms() - at) / (n - before);
        second(d);
        f.memory = resident_bytes() - base_memory;
        sum_bytes(d, &in, &out);
        for (unsigned i = 0; i < SECONDS; i++) {
                at = cpu_ms();
                second(d);
                ms[i] = cpu_ms() - at;
        }
        qsort(ms, SECONDS, sizeof(ms[0]), by_value);
        f.second_ms = ms[SECONDS / 2];
        sum_bytes(d, &f.bytes_in, &f.bytes_out);
        f.bytes_in = (f.bytes_in - in) / SECONDS;
        f.bytes_out = (f.bytes_out - out) / SECONDS;
        return f;
}

static unsigned raise_files(void) {
        struct rlimit r;

        getrlimit(RLIMIT_NOFILE, &r);
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
        return r.rlim_cur > 1u << 20 ? 1u << 20 : (unsigned)r.rlim_cur;
}

static void print(bool json, const struct figure *f, unsigned n) {
        const struct figure *a = &f[n - 2], *b = &f[n - 1];
        double more = b->n - a->n, memory = (b->memory - a->memory) / more,
               ms = (b->second_ms - a->second_ms) / more;

        if (json)
                printf("{\"sessions\":%u,\"bytes_each\":%.0f,\"handshake_ms\":%.3f,\"ms_per_s_each\":%.5f,"
                       "\"bytes_in_each\":%.0f,\"bytes_out_each\":%.0f,\"memory\":%.0f,\"ms_per_s\":%.2f}\n",
                       b->n, memory, b->handshake_ms, ms, b->bytes_in / b->n, b->bytes_out / b->n, b->memory,
                       b->second_ms);
        for (unsigned i = 0; i < n && !json; i++)
                printf("%5u sessions %8.1f MiB  %7.2f ms of CPU a second  %8.0f + %.0f bytes/s in + out  %5u "
                       "files  "
                       "(handshake: %.2f ms of CPU each)\n",
                       f[i].n, f[i].memory / (1 << 20), f[i].second_ms, f[i].bytes_in, f[i].bytes_out,
                       f[i].files, f[i].handshake_ms);
        if (!json)
                printf("one more: %.1f KiB, %.4f ms a second; a line through the last two meets the first at "
                       "%.0f %% of "
                       "its memory and %.0f %% of its CPU\n",
                       memory / 1024, ms, 100 * (b->memory - memory * (b->n - f[0].n)) / f[0].memory,
                       100 * (b->second_ms - ms * (b->n - f[0].n)) / f[0].second_ms);
}

int main(int argc, char **argv) {
        bool json = argc > 1 && strcmp(argv[1], "--json") == 0;
        unsigned most = argc > 1 + json ? (unsigned)strtoul(argv[1 + json], NULL, 10) : 1000,
                 files = raise_files();
        struct daemon d = {0};
        struct hb_listener_callbacks cb = {on_session, on_data, on_note, &d};
        struct cluster c;
        struct figure f[3];
        hb_peer_listener *l = NULL;
        int go[2], done[2];
        char address[32];
        struct hb_err e;
        double base;
        hb_tls *tls;
        pid_t child;

        if (most < 10 || most + 50 > files)
                die("10 sessions at least, and no more than files may be open (ulimit -n)");
        signal(SIGPIPE, SIG_IGN);
        alarm(LIMIT_S);
        cluster_init(&c, "scale");
        cluster_add(&c, "alpha", 30);
        cluster_add(&c, "beta", 30);
        tls = cluster_tls(&c, "beta");
        d.base = event_base_new();
        d.session = calloc(most, sizeof(*d.session));
        cluster_must(hb_peer_listen(d.base, tls, "127.0.0.1:0", &cb, &l, &e), &e);
        snprintf(address, sizeof(address), "127.0.0.1:%d", hb_peer_listener_port(l));
        if (pipe(go) < 0 || pipe(done) < 0 || (child = fork()) < 0)
                die("no second process");
        if (child == 0) {
                alarm(LIMIT_S);
                close(go[1]);
                close(done[0]);
                _exit(other_hosts(&c, address, most, go[0], done[1]));
        }
        close(go[0]);
        close(done[1]);
        d.go = go[1];
        d.done = done[0];
        base = resident_bytes();
        f[0] = measure(&d, most / 5, base);
        f[1] = measure(&d, most / 2, base);
        f[2] = measure(&d, most, base);
        print(json, f, 3);
        for (unsigned i = 0; i < d.sessions; i++)
                hb_session_free(d.session[i]);
        close(d.go);
        waitpid(child, NULL, 0);
        hb_peer_listener_free(l);
        event_base_free(d.base);
        hb_tls_free(tls);
        free(d.session);
        cluster_fini(&c);
        return 0;
}
