/* stage: two sockets and the replays behind them, on one loop. The timer of the loop is the replays' clock:
 * it runs while something plays, seeks or moves, and every turn of it is bounded (stage_seek.c), so a client
 * waits for an answer for some tens of ms at most. While all stands still nothing is done but what is asked.
 */
#include "base/fault.h"
#include "stage/stage_priv.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TURN_MS        40
#define TURN_MOVING_MS 10
#define EVENTS         1024u

/* ---- told ---- */

void hb_stage_tell(hb_stage *s, unsigned side, int level, enum hb_event_kind kind, const char *guest,
                   const char *next, const char *fmt, ...) {
        bool both = kind == HB_ON_PLACEMENT || kind == HB_ON_MIGRATION;
        char text[384];
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(text, sizeof(text), fmt, ap);
        va_end(ap);
        if (s->hosts[side].events)
                hb_event_ring_add(s->hosts[side].events, hb_wall_ns(), level, kind, guest,
                                  both ? hb_stage_host_name(!side) : NULL, text, next);
}

/* ---- the loop ---- */

static void set_timer(hb_stage *s) {
        bool moving = false, lasting = s->playing && (!s->ended || s->o.again);
        struct timeval tv = {0};

        for (unsigned i = 0; i < s->nguests; i++)
                moving = moving || s->guests[i].move.active;
        if (!s->seeking && !moving && !lasting)
                return;
        if (!s->seeking)
                tv.tv_usec = 1000 * (moving || s->speed > 10 ? TURN_MOVING_MS : TURN_MS);
        event_add(s->turn, &tv);
}

static void tell_viewers(hb_stage *s) {
        if (!s->changed)
                return;
        s->changed = false;
        for (unsigned i = 0; i < 2; i++)
                if (hb_watchers_count(s->hosts[i].watchers))
                        hb_watchers_tick(s->hosts[i].watchers, hb_now_ns());
}

static void on_turn(evutil_socket_t fd, short what, void *arg) {
        hb_stage *s = arg;

        hb_stage_turn(s, hb_now_ns());
        tell_viewers(s);
        set_timer(s);
}

/* From inside a request: viewers are told, and the clock set, when it has returned. */
void hb_stage_stir(hb_stage *s) {
        struct timeval now = {0};

        if (s->changed || s->seeking)
                event_add(s->turn, &now);
}

static void on_stop(evutil_socket_t fd, short what, void *arg) {
        event_base_loopbreak(((hb_stage *)arg)->base);
}

static void on_input(evutil_socket_t fd, short what, void *arg) {
        char some[256];
        ssize_t n = read((int)fd, some, sizeof(some));

        if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
                event_base_loopbreak(((hb_stage *)arg)->base);
}

int hb_stage_run(hb_stage *s, struct hb_err *e) {
        s->mono_ns = s->began_mono_ns = s->cpu_mono_ns = hb_now_ns();
        set_timer(s);
        if (event_base_dispatch(s->base) < 0)
                return hb_err_set(e, -EIO, s->dir, NULL, "the event loop failed");
        return 0;
}

/* ---- made ---- */

static int make_dir(hb_stage *s, const char *dir, struct hb_err *e) {
        if (strlen(dir) > 90) /* sun_path has 108 bytes */
                return hb_err_set(e, -ENAMETOOLONG, dir, "choose a folder with a shorter path",
                                  "the sockets' path would be too long");
        if (mkdir(dir, 0700) < 0) {
                int rc = -errno;

                return rc == -EEXIST ? hb_err_set(e, rc, dir, "give the name of a folder to be made",
                                                  "the folder is there already")
                                     : hb_err_set(e, rc, dir, "make the folder above it",
                                                  "cannot make the folder: %s", strerror(-rc));
        }
        snprintf(s->dir, sizeof(s->dir), "%s", dir);
        return 0;
}

static int make_host(hb_stage *s, unsigned side, struct hb_err *e) {
        struct hb_stage_host *h = &s->hosts[side];
        struct hb_watch_use use = {.snapshot = hb_stage_snapshot, .arg = h};
        int rc;

        h->stage = s;
        h->side = side;
        snprintf(h->path, sizeof(h->path), "%s/%s.sock", s->dir, hb_stage_host_name(side));
        rc = hb_event_ring_new(EVENTS, hb_wall_ns(), &h->events);
        if (rc == 0)
                rc = hb_watchers_new(s->base, &use, h->events, &h->watchers);
        if (rc < 0)
                return hb_err_set(e, rc, s->dir, NULL, "no memory for a replay");
        return hb_control_server_new(s->base, h->path, "", hb_stage_handle, h, &h->server, e);
}

static int make_loop(hb_stage *s, struct hb_err *e) {
        int fds[2] = {s->o.stop_fd, s->o.eof_fd};

        s->base = hb_fault("stage.loop") ? NULL : event_base_new();
        s->turn = s->base ? event_new(s->base, -1, 0, on_turn, s) : NULL;
        if (!s->turn)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory for a replay");
        for (unsigned i = 0; i < 2; i++) {
                if (fds[i] < 0)
                        continue;
                s->stop[i] = event_new(s->base, fds[i], EV_READ | EV_PERSIST, i ? on_input : on_stop, s);
                if (!s->stop[i] || event_add(s->stop[i], NULL) < 0)
                        return hb_err_set(e, -EINVAL, NULL, "run it with a terminal or a pipe",
                                          "standard input cannot be waited for");
        }
        return 0;
}

static int make_guests(hb_stage *s, struct hb_err *e) {
        unsigned n = 0;
        int rc;

        while (s->o.traces && s->o.traces[n])
                n++;
        if (n == 0 || n > HB_STAGE_GUESTS)
                return hb_err_set(e, -EINVAL, NULL, "give 1 to 16 traces", "%u traces are to be played", n);
        s->guests = calloc(n, sizeof(*s->guests));
        if (!s->guests)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory for a replay");
        s->nguests = n;
        for (unsigned i = 0; i < n; i++) {
                rc = hb_stage_guest_open(s, i, s->o.traces[i], e);
                if (rc < 0)
                        return rc;
                if (s->guests[i].length_ns > s->length_ns)
                        s->length_ns = s->guests[i].length_ns;
        }
        return 0;
}

static void name_it(hb_stage *s) {
        const char *path = s->guests[0].path, *slash = strrchr(path, '/');

        if (s->nguests == 1)
                snprintf(s->label, sizeof(s->label), "%.100s", slash ? slash + 1 : path);
        else
                snprintf(s->label, sizeof(s->label), "%.100s and %u more", slash ? slash + 1 : path,
                         s->nguests - 1);
}

static int copy_options(hb_stage *s, const struct hb_stage_options *o, struct hb_err *e) {
        s->o = *o;
        s->speed = o->speed > 0 ? o->speed : 1;
        s->playing = !o->paused;
        s->history = json_array();
        s->policy_history = json_array();
        if (o->policy_dir && !(s->policy_dir = strdup(o->policy_dir)))
                return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory for a replay");
        return 0;
}

int hb_stage_new(const char *dir, const struct hb_stage_options *o, hb_stage **ret, struct hb_err *e) {
        hb_stage *s = hb_fault("stage.new") ? NULL : calloc(1, sizeof(*s));
        int rc;

        if (!s)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory for a replay");
        s->mono_ns = s->began_mono_ns = s->cpu_mono_ns = hb_now_ns();
        rc = copy_options(s, o, e);
        if (rc == 0)
                rc = make_guests(s, e); /* before anything is there to be put away */
        if (rc == 0)
                rc = make_loop(s, e);
        if (rc == 0)
                rc = make_dir(s, dir, e);
        for (unsigned i = 0; rc == 0 && i < 2; i++)
                rc = make_host(s, i, e);
        if (rc < 0) {
                hb_stage_free(s);
                return rc;
        }
        name_it(s);
        hb_stage_policies_begin(s);
        s->o.traces = NULL; /* the caller's; copied */
        *ret = s;
        return 0;
}

/* ---- unmade ---- */

static void end_requests(hb_stage *s) {
        struct hb_err e;

        hb_err_set(&e, -ECANCELED, s->dir, NULL, "the replay was ended");
        if (s->seek_request)
                hb_request_fail(s->seek_request, &e);
        for (unsigned i = 0; i < s->nguests; i++)
                hb_stage_guest_forget_requests(&s->guests[i], &e);
}

static void remove_dir(const hb_stage *s) {
        char lock[sizeof(s->hosts[0].path) + 8];

        for (unsigned i = 0; i < 2 && s->hosts[i].path[0]; i++) {
                snprintf(lock, sizeof(lock), "%s.lock", s->hosts[i].path);
                unlink(lock);
        }
        rmdir(s->dir);
}

hb_stage *hb_stage_free(hb_stage *s) {
        if (!s)
                return NULL;
        end_requests(s);
        for (unsigned i = 0; i < 2; i++) {
                hb_watchers_free(s->hosts[i].watchers);
                hb_control_server_free(s->hosts[i].server);
                hb_event_ring_free(s->hosts[i].events);
                if (s->stop[i])
                        event_free(s->stop[i]);
        }
        for (unsigned i = 0; i < s->nguests; i++)
                hb_stage_guest_close(&s->guests[i]);
        hb_stage_policies_free(s);
        if (s->turn)
                event_free(s->turn);
        if (s->base)
                event_base_free(s->base);
        if (s->dir[0])
                remove_dir(s);
        json_decref(s->history);
        json_decref(s->policy_history);
        free(s->policy_dir);
        free(s->guests);
        free(s);
        return NULL;
}
