/* hostile: a real harbingerd, host "t", and two hosts that speak to it from this program over real TLS: "h",
 * which is honest and has a guest placed and being moved there, and "x", which has a valid certificate and no
 * manners. */
#pragma once
#include "cert/secret.h"
#include "check.h"
#include "cluster.h"
#include "control/ctl.h"
#include "map/announce.h"
#include "map/tags.h"
#include "store/store.h"
#include "transport/peer.h"
#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#define PAGES 256u

struct peer {
        struct rig *rig;
        hb_session *s;
        bool ready, closed, placed;
        struct hb_msg_placed token;
        struct hb_msg_report report;
        unsigned count[HB_MSG_TYPES];
        struct hb_err why;
};

struct rig {
        struct cluster c;
        char dir[64], images[64], address[64], control[96], log[96];
        pid_t daemon;
        struct event_base *base;
        hb_tls *tls_h, *tls_x;
        struct peer honest;
        uint8_t good[HB_ID_SIZE], move[HB_ID_SIZE]; /* the honest placement and hand-over */
        uint64_t seed;
        hb_fingerprint *fingerprint; /* of the cluster's secret: x has it, too */
};

static inline uint64_t rnd(struct rig *r) {
        r->seed ^= r->seed << 13;
        r->seed ^= r->seed >> 7;
        r->seed ^= r->seed << 17;
        return r->seed;
}

static inline void rnd_fill(struct rig *r, uint8_t *p, size_t n) {
        for (size_t i = 0; i < n; i++)
                p[i] = (uint8_t)(rnd(r) >> 24);
}

static inline void show_log(const struct rig *r) {
        char line[512];
        FILE *f = fopen(r->log, "r");
        if (!f)
                return;
        fprintf(stderr, "--- the daemon's log ends with\n");
        fseek(f, 0, SEEK_END);
        fseek(f, ftell(f) > 6000 ? -6000 : -ftell(f), SEEK_END);
        while (fgets(line, sizeof line, f))
                fputs(line, stderr);
        fclose(f);
}

#define must(r, what)                                                                                        \
        do {                                                                                                 \
                if (!(what)) {                                                                               \
                        show_log(r);                                                                         \
                        fail_msg("%s", #what);                                                               \
                }                                                                                            \
        } while (0)

/* ---- the daemon ---- */

static inline void write_settings(const struct rig *r, const char *path) {
        struct cluster_paths p;
        cluster_paths(&r->c, &r->c, "t", &p);
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        fprintf(f,
                "[host]\nname = t\nstate_dir = %s/state\nrun_dir = %s/run\nimage_dir = %s\n[control]\nsocket "
                "= %s\n"
                "[peer]\nlisten = %s\nca = %s\ncert = %s\nkey = %s\nsecret = %s/" HB_SECRET_FILE
                "\n[policy]\ndir = %s/policies\n"
                "[host.h]\naddress = 127.0.0.1:9\nmay_push = good*\n[host.x]\naddress = "
                "127.0.0.1:9\nmay_push = *\n"
                "[guest.good]\nincoming_command = exec %s --attach $HB_SOCKET --memory $HB_IMAGE_ram "
                "--incoming\n[guest.evil0]\nincoming_command = exec "
                "sleep 600\n",
                r->dir, r->dir, r->images, r->control, r->address, p.ca, p.crt, p.key, r->c.dir,
                HB_SOURCE_DIR, HB_BUILD_DIR "/examples/guest_load/guest_load");
        fclose(f);
}

static inline int free_port(const char *ip) {
        struct sockaddr_in a = {.sin_family = AF_INET};
        socklen_t n = sizeof a;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        inet_pton(AF_INET, ip, &a.sin_addr);
        assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof a), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
        close(fd);
        return ntohs(a.sin_port);
}

static inline void await_ready(struct rig *r, int notify) {
        char text[64];
        for (;;) {
                struct pollfd p = {.fd = notify, .events = POLLIN};
                must(r, poll(&p, 1, 60000) == 1);
                ssize_t n = recv(notify, text, sizeof text - 1, 0);
                text[n > 0 ? n : 0] = '\0';
                if (strcmp(text, "READY=1") == 0)
                        return;
        }
}

static inline void start_daemon(struct rig *r) {
        char ini[96];
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        const char *program = getenv("HB_HARBINGERD");
        snprintf(ini, sizeof ini, "%s/t.ini", r->dir);
        snprintf(a.sun_path, sizeof a.sun_path, "%s/notify", r->dir);
        write_settings(r, ini);
        int notify = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(notify, (struct sockaddr *)&a, sizeof a), 0);
        r->daemon = fork();
        if (r->daemon == 0) {
                int fd = open(r->log, O_CREAT | O_WRONLY | O_APPEND, 0600);
                dup2(fd, 1);
                dup2(fd, 2);
                setenv("NOTIFY_SOCKET", a.sun_path, 1);
                execl(program ? program : HB_BUILD_DIR "/harbingerd", "harbingerd", "--config", ini, NULL);
                _exit(127);
        }
        await_ready(r, notify);
        close(notify);
}

/* An orderly end is exit code 0; under a sanitizer that says that nothing was found. */
static inline void stop_daemon(struct rig *r) {
        int status = -1;
        kill(r->daemon, SIGTERM);
        assert_int_equal(waitpid(r->daemon, &status, 0), r->daemon);
        r->daemon = 0;
        must(r, WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static inline json_t *ask(struct rig *r, const char *cmd, json_t *args, int *ret_rc) {
        hb_ctl_client *c = NULL;
        json_t *result = NULL;
        struct hb_err e = {0};
        must(r, waitpid(r->daemon, NULL, WNOHANG) == 0); /* it lives */
        must(r, hb_ctl_connect(r->control, &c, &e) == 0);
        *ret_rc = hb_ctl_call(c, cmd, args ? args : json_object(), 30000, NULL, NULL, &result, &e);
        hb_ctl_close(c);
        return result;
}

/* ---- sessions ---- */

static inline void on_ready(void *arg, hb_session *s) {
        ((struct peer *)arg)->ready = true;
}

static inline void on_message(void *arg, hb_session *s, enum hb_msg_type type, const uint8_t *p, size_t n) {
        struct peer *x = arg;
        x->count[type]++;
        if (type == HB_MSG_PLACED && hb_msg_placed_get(p, n, hb_session_version(s), &x->token) == 0)
                x->placed = true;
        if (type == HB_MSG_REPORT)
                assert_int_equal(hb_msg_report_get(p, n, hb_session_version(s), &x->report), 0);
}

static inline void on_closed(void *arg, hb_session *s, const struct hb_err *why) {
        struct peer *x = arg;
        x->closed = true;
        x->why = *why;
        x->s = hb_session_free(x->s);
}

static inline void dial(struct rig *r, hb_tls *tls, struct peer *x) {
        static const struct hb_session_callbacks cb = {on_ready, on_message, on_closed};
        struct hb_err e;
        *x = (struct peer){.rig = r};
        assert_int_equal(hb_session_dial(r->base, tls, "t", r->address, &cb, x, &x->s, &e), 0);
}

static inline void hang_up(struct peer *x) {
        x->s = hb_session_free(x->s);
}

static inline void on_late(evutil_socket_t fd, short what, void *arg) {
        *(bool *)arg = true;
}

/* Runs the loop until `done` says so; false: not within 20 s. */
static inline bool run_until(struct rig *r, bool (*done)(struct peer *x), struct peer *x) {
        struct timeval limit = {20, 0};
        bool late = false;
        struct event *ev = event_new(r->base, -1, 0, on_late, &late);
        event_add(ev, &limit);
        while (!done(x) && !late)
                event_base_loop(r->base, EVLOOP_ONCE);
        event_free(ev);
        return done(x);
}

static inline bool is_up(struct peer *x) {
        return x->ready || x->closed;
}

static inline bool is_closed(struct peer *x) {
        return x->closed;
}

static inline bool is_placed(struct peer *x) {
        return x->placed || x->closed;
}

static inline void up(struct rig *r, hb_tls *tls, struct peer *x) {
        dial(r, tls, x);
        must(r, run_until(r, is_up, x) && x->ready);
}

static inline void say(struct peer *x, enum hb_msg_type type, const void *p, size_t n) {
        if (x->s)
                hb_session_send(x->s, type, p, n);
}

static inline struct hb_msg_place place_of(const uint8_t id[HB_ID_SIZE], const char *guest, uint64_t pages) {
        struct hb_msg_place m = {.kind = "process", .resident_pages = 10, .epoch_ms = 100};
        memcpy(m.placement, id, HB_ID_SIZE);
        snprintf(m.guest, sizeof m.guest, "%s", guest);
        assert_int_equal(hb_shape_add(&m.shape, "ram", pages * HB_PAGE_SIZE, HB_PAGE_SIZE, NULL), 0);
        return m;
}

static inline void say_place(struct peer *x, const struct hb_msg_place *m) {
        struct hb_buf b = {0};
        struct hb_msg_place with = *m;
        with.secret_id = hb_fingerprint_id(x->rig->fingerprint);
        hb_msg_place_put(&with, HB_WIRE_VERSION_MAX, &b);
        say(x, HB_MSG_PLACE, b.data, b.len);
        hb_buf_free(&b);
}

/* TAGS, PRINTS: of n pages from `first` on; each print is of zeros, or `wrong` in its last byte. */
struct say_prints {
        struct peer *x;
        enum hb_msg_type type;
};

static inline int send_prints(void *arg, const void *part, size_t n) {
        struct say_prints *to = arg;
        say(to->x, to->type, part, n);
        return 0;
}

static inline void say_prints(struct peer *x, enum hb_msg_type type, uint32_t stamp, uint32_t first,
                              uint32_t n, uint8_t wrong) {
        struct say_prints to = {x, type};
        struct hb_print prints[PAGES];
        struct hb_buf b = {0};
        uint32_t gfn[PAGES];
        for (uint32_t i = 0; i < n; i++) {
                gfn[i] = first + i;
                prints[i] = *hb_fingerprint_zero(x->rig->fingerprint);
                prints[i].b[15] ^= wrong;
        }
        if (type == HB_MSG_TAGS)
                hb_tags_encode(stamp, gfn, prints, n, &b, send_prints, &to);
        else
                hb_prints_encode(stamp, gfn, prints, n, &b, send_prints, &to);
        hb_buf_free(&b);
}

static inline int send_announcement(void *arg, const void *part, size_t n) {
        struct {
                struct peer *x;
                enum hb_msg_type type;
        } *to = arg;
        say(to->x, to->type, part, n);
        return 0;
}

/* Pages [first, first + n); `cut`: as if more parts were to come. */
static inline void say_pages(struct peer *x, enum hb_msg_type type, uint32_t from, uint32_t epoch,
                             uint64_t first, uint64_t n, bool cut) {
        struct {
                struct peer *x;
                enum hb_msg_type type;
        } to = {x, type};
        struct hb_announce a = {.from = from, .to = epoch, .time_ns = epoch};
        struct hb_bitmap pages;
        struct hb_buf b = {0};
        hb_bitmap_init(&pages, PAGES);
        if (n > 0)
                hb_bitmap_set_range(&pages, first, n);
        if (!cut) {
                hb_announce_encode(&a, &pages, &b, send_announcement, &to);
        } else {
                hb_buf_u8(&b, 1);
                hb_buf_u8(&b, 1);
                hb_buf_u32(&b, from);
                hb_buf_u32(&b, epoch);
                hb_buf_u64(&b, epoch);
                hb_buf_u64(&b, 0);
                hb_buf_varint(&b, first);
                hb_buf_varint(&b, n);
                say(x, type, b.data, b.len);
        }
        hb_buf_free(&b);
        hb_bitmap_fini(&pages);
}
