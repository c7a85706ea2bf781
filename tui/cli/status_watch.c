/* status_watch: follows the daemon's `watch`, whose ticks have the shape of status; one guest in full, and a
 * daemon too old to know that command, are asked with `status` at the same pace.
 *
 * Once it has seen the daemon it does not give up: a lost or silent one is said and tried again. What ends a
 * wait (a signal, a silence, an output that is gone) comes in by one epoll descriptor, handed to the call as
 * its interrupt. One thread. */
#include "cli/status_watch.h"
#include "cli/redraw.h"
#include "cli/table.h"
#include "control/ctl.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define SILENT_TICKS 3u /* that many without a word */
#define SILENT_MORE  4u /* and so many seconds */

struct watch {
        struct hb_cli *c;
        const struct hb_cli_watch_use *use;
        struct hb_cli_interrupt stop;
        struct hb_cli_io io; /* of calls: interrupted by `any` */
        struct hb_cli_redraw redraw;
        int any, silence; /* epoll; timer */
        bool seen, polling, lost;
        char *last; /* newest block */
};

/* ---- what ends a wait ---- */
static void silence_in(struct watch *w, unsigned seconds, long ns) {
        struct itimerspec t = {.it_value = {.tv_sec = seconds, .tv_nsec = ns}};

        timerfd_settime(w->silence, 0, &t, NULL);
}

static void expect_word(struct watch *w) {
        silence_in(w, w->use->every * SILENT_TICKS + SILENT_MORE, 0);
}

static int listen_to(struct watch *w, int fd) {
        struct epoll_event ev = {.events = EPOLLIN};

        return fd < 0 ? 0 : epoll_ctl(w->any, EPOLL_CTL_ADD, fd, &ev) < 0 ? -errno : 0;
}

static int begin(struct watch *w, struct hb_err *e) {
        hb_cli_interrupt_begin(w->c, &w->stop);
        w->any = epoll_create1(EPOLL_CLOEXEC);
        w->silence = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
        if (w->any < 0 || w->silence < 0 || listen_to(w, w->stop.fd) < 0 || listen_to(w, w->silence) < 0)
                return hb_err_set(e, -errno, NULL, NULL, "cannot wait for the daemon: %s", strerror(errno));
        w->io = *w->c->io;
        w->io.interrupt_fd = w->any;
        return 0;
}

static void end(struct watch *w) {
        if (w->redraw.rows)
                fputc('\n', w->redraw.out); /* past the ^C that the terminal printed */
        if (w->any >= 0)
                close(w->any);
        if (w->silence >= 0)
                close(w->silence);
        hb_cli_interrupt_end(&w->stop);
        free(w->last);
}

/* Waits; true: asked to end. */
static bool pause_for(struct watch *w, unsigned seconds) {
        struct pollfd p = {.fd = w->stop.fd, .events = POLLIN};

        poll(&p, 1, (int)seconds * 1000);
        return hb_cli_interrupted(&w->stop);
}

/* ---- showing ---- */
static void print_line_of_json(struct watch *w, const json_t *o) {
        json_dumpf(o, w->io.out, JSON_COMPACT | JSON_REAL_PRECISION(12));
        fputc('\n', w->io.out);
        fflush(w->io.out);
}

/* The block as text: what `status` prints, remarks too. */
static char *render(struct watch *w, const json_t *status) {
        const struct hb_cli_io *before = w->c->io;
        struct hb_cli_io io = w->io;
        char *text = NULL;
        size_t n = 0;

        io.out = io.err = open_memstream(&text, &n);
        if (!io.out)
                return NULL;
        w->c->io = &io;
        w->use->show(w->c, status);
        w->c->io = before;
        fclose(io.out);
        return text;
}

static void show(struct watch *w, const json_t *status) {
        free(w->last);
        w->last = render(w, status);
        if (w->last && w->io.out_tty)
                hb_cli_redraw_show(&w->redraw, w->last);
        else if (w->last)
                fprintf(w->io.out, "%s%s", w->seen ? "\n" : "", w->last);
        fflush(w->io.out);
}

static void on_tick(void *arg, const json_t *tick) {
        struct watch *w = arg;

        if (w->c->json)
                print_line_of_json(w, tick);
        else
                show(w, tick);
        w->seen = true;
        w->lost = false;
        if (ferror(w->io.out))
                silence_in(w, 0, 1); /* nobody reads any more: end the wait */
        else
                expect_word(w);
}

/* Above the last block on a terminal, on standard error elsewhere; once for each loss. */
static void say_lost(struct watch *w, const struct hb_err *e) {
        const char *on = hb_cli_color_on(w->c, HB_WARN), *off = hb_cli_color_off(w->c, HB_WARN);
        char *text = NULL;
        size_t n = 0;
        FILE *f = w->io.out_tty ? open_memstream(&text, &n) : w->io.err;

        if (!f)
                return;
        fputs(w->io.out_tty ? on : "harbinger: ", f);
        hb_cli_put(f, e->what);
        fprintf(f, "; trying again%s\n", w->io.out_tty ? off : "");
        if (!w->io.out_tty)
                return;
        fprintf(f, "\n%s", w->last ? w->last : "");
        fclose(f);
        hb_cli_redraw_show(&w->redraw, text);
        free(text);
}

static void lost(struct watch *w, const struct hb_err *e) {
        json_t *line;

        w->c->client = hb_ctl_close(w->c->client);
        if (w->lost)
                return;
        w->lost = true;
        if (!w->c->json) {
                say_lost(w, e);
                return;
        }
        line = json_pack("{s:o}", "error", hb_ctl_error_json(e));
        if (line)
                print_line_of_json(w, line);
        json_decref(line);
}

/* ---- asking ---- */
/* One connection's life with `watch`, or one question with `status`. */
static int ask(struct watch *w, struct hb_err *e) {
        const struct hb_cli_io *before = w->c->io;
        json_t *args = w->use->guest ? json_pack("{s:s}", "guest", w->use->guest) : NULL, *result = NULL;
        int r;

        w->c->io = &w->io;
        expect_word(w);
        if (w->polling)
                r = hb_cli_call(w->c, "status", args, HB_CLI_SOON_MS, NULL, NULL, &result, e);
        else
                r = hb_cli_call(w->c, "watch", json_pack("{s:i}", "every", (int)w->use->every), -1, on_tick,
                                w, &result, e);
        w->c->io = before;
        if (r == 0 && w->polling)
                on_tick(w, result);
        json_decref(result);
        if (r == -EINTR)
                return hb_err_set(e, -ETIMEDOUT, NULL, "see its log", "harbingerd says nothing");
        return r;
}

static bool is_loss(int code) {
        static const int codes[] = {-ECONNREFUSED, -ECONNRESET, -EPIPE,   -EBADMSG,
                                    -ETIMEDOUT,    -EBUSY,      -ENOTCONN};

        for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
                if (codes[i] == code)
                        return true;
        return false;
}

static int follow(struct watch *w, struct hb_err *e) {
        for (;;) {
                int r = ask(w, e);

                if (hb_cli_interrupted(&w->stop) || ferror(w->io.out))
                        return 0;
                if (r == -EPROTONOSUPPORT && !w->polling) {
                        w->polling = true;
                        continue;
                }
                if (r < 0 && !(w->seen && is_loss(r)))
                        return r;
                if (r < 0)
                        lost(w, e);
                else if (!w->polling)
                        continue; /* the daemon ended it: again */
                if (pause_for(w, r < 0 ? 1 : w->use->every))
                        return 0;
        }
}

int hb_cli_status_watch(struct hb_cli *c, const struct hb_cli_watch_use *u, struct hb_err *e) {
        struct watch w = {.c = c,
                          .use = u,
                          .any = -1,
                          .silence = -1,
                          .polling = u->guest != NULL,
                          .redraw = {.out = c->io->out}};
        int r = begin(&w, e);

        if (r == 0)
                r = follow(&w, e);
        end(&w);
        return r;
}
