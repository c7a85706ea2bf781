/* recording_commands: recordings asked for, stopped and shown. Who may have a file written where is decided
 * here. Loop thread. */
#include "base/clock.h"
#include "daemon/events.h"
#include "daemon/recording_priv.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_KEPT 64u /* recordings known at once, ended ones included */

static const char *const role_names[] = {"waiting", "source", "target"};

/* ---- shown ---- */

static const char *state_of(const struct hb_recording *c, const struct hb_recorder_status *s) {
        if (c->over && s->state != HB_RECORDER_FAILED)
                return "ended";
        return c->role == HB_RECORD_WAITING ? "waiting" : hb_recorder_state_name(s->state);
}

static double age_of(const struct hb_recording *c) {
        return (double)((c->over ? c->ended_ns : hb_now_ns()) - c->began_ns) / 1e9;
}

void hb_recording_brief(struct hb_recording *c, struct hb_recording_brief *ret) {
        struct hb_recorder_status s;
        hb_recording_status(c, &s);
        *ret = (struct hb_recording_brief){state_of(c, &s), age_of(c), s.bytes};
}

json_t *hb_recording_json(struct hb_recording *c) {
        struct hb_recorder_status s;
        if (!c)
                return json_null();
        hb_recording_status(c, &s);
        double age = age_of(c);
        json_t *j = json_pack("{s:s,s:s,s:s,s:f,s:b}", "guest", c->guest, "state", state_of(c, &s), "side",
                              role_names[c->role], "seconds", age, "exact", c->exact && !s.inputs_lost);
        json_object_set_new(j, "file", hb_ctl_text(s.file[0] ? s.file : c->path));
        json_object_update_new(j,
                               json_pack("{s:i,s:I,s:I,s:I,s:I,s:I,s:I,s:I}", "files", (int)s.parts, "bytes",
                                         (json_int_t)s.bytes, "epochs", (json_int_t)s.epochs, "accesses",
                                         (json_int_t)s.accesses, "events", (json_int_t)s.events, "inputs",
                                         (json_int_t)s.inputs, "dropped", (json_int_t)s.dropped,
                                         "queued_bytes", (json_int_t)s.queued_bytes));
        json_object_set_new(j, "why", hb_ctl_text(c->why));
        json_object_set_new(j, "error",
                            s.state == HB_RECORDER_FAILED ? hb_ctl_error_json(&s.err) : json_null());
        return j;
}

json_t *hb_recordings_json(hb_daemon *d, const char *guest) {
        json_t *a = json_array();
        for (struct hb_recording *c = d->recordings; c; c = c->next)
                if (!guest || strcmp(guest, c->guest) == 0)
                        json_array_append_new(a, hb_recording_json(c));
        return json_pack("{s:o}", "recordings", a);
}

/* ---- asked for ---- */

/* Who may have a file written where: in our own folder everybody who may ask at all; elsewhere only who could
 * do it without us. */
static int choose_path(hb_daemon *d, const struct hb_recording_wish *w, const hb_request *r, char *out,
                       size_t size, struct hb_err *e) {
        const char *wanted = w->path;
        char dir[280];
        int pid;
        unsigned uid;
        snprintf(dir, sizeof dir, "%s%s",
                 d->settings->trace_dir[0] ? d->settings->trace_dir : d->settings->state_dir,
                 d->settings->trace_dir[0] ? "" : "/traces");
        size_t n = strlen(dir);
        bool inside = !*wanted ||
                      (strncmp(wanted, dir, n) == 0 && wanted[n] == '/' && !strchr(wanted + n + 1, '/'));
        hb_request_peer(r, &pid, &uid);
        if (*wanted && wanted[0] != '/')
                return hb_err_set(e, -EINVAL, wanted, "give a path from /",
                                  "where the trace is to be written is not clear");
        if (!inside && uid != 0 && uid != geteuid())
                return hb_err_set(e, -EACCES, wanted,
                                  "leave --output out, or name a file in the settings' [trace] dir",
                                  "only harbingerd's own user may have traces written outside %s", dir);
        if (inside && mkdir(dir, 0750) < 0 && errno != EEXIST)
                return hb_err_set(e, -errno, dir, "set [trace] dir to a folder harbingerd can make",
                                  "the folder for traces cannot be made: %s", hb_errno_name(-errno));
        int len;
        if (*wanted) {
                len = snprintf(out, size, "%s", wanted);
        } else {
                time_t t = time(NULL);
                struct tm tm;
                char when[32];
                strftime(when, sizeof when, "%Y%m%dT%H%M%SZ", gmtime_r(&t, &tm));
                len = snprintf(out, size, "%s/%s-%s.hbt", dir, w->guest, when);
        }
        if (len < 0 || (size_t)len >= size)
                return hb_err_set(e, -ENAMETOOLONG, wanted, "use a shorter path",
                                  "the trace's path does not fit");
        return 0;
}

/* False: as many as we keep are under way. */
static bool make_room(hb_daemon *d) {
        struct hb_recording *oldest = NULL;
        unsigned n = 0;
        for (struct hb_recording *c = d->recordings; c; c = c->next, n++)
                if (c->over && (!oldest || c->ended_ns < oldest->ended_ns))
                        oldest = c;
        if (n >= MAX_KEPT && oldest)
                hb_recording_forget(oldest);
        return n < MAX_KEPT || oldest;
}

static struct hb_recording *blank(hb_daemon *d, const struct hb_recording_wish *w) {
        struct hb_recording *c = calloc(1, sizeof *c);
        if (!c)
                return NULL;
        c->d = d;
        c->began_ns = hb_now_ns();
        c->for_ns = w->seconds > 0 ? (uint64_t)(w->seconds * 1e9) : 0;
        c->options = (struct hb_recorder_options){.queue_bytes = d->settings->trace_queue_bytes,
                                                  .rotate_bytes = w->rotate_bytes,
                                                  .rotate_ns = w->rotate_s > 0 ? (uint64_t)(w->rotate_s * 1e9)
                                                                               : 0};
        snprintf(c->guest, sizeof c->guest, "%s", w->guest);
        snprintf(c->note, sizeof c->note, "%s", w->note);
        if (hb_recording_clock(c) < 0) {
                free(c);
                return NULL;
        }
        return c;
}

void hb_recording_start(hb_daemon *d, const struct hb_recording_wish *w, hb_request *r) {
        struct hb_recording *c = NULL, *before = hb_recording_find(d, w->guest);
        struct hb_err e;
        char path[480];
        int rc = 0;
        if (!hb_name_ok(w->guest))
                rc = hb_err_set(&e, -EINVAL, w->guest, "use letters, digits, '.', '_' and '-', at most 63",
                                "not a guest name");
        else if (before && !before->over)
                rc = hb_err_set(&e, -EEXIST, w->guest, "harbinger trace record --stop it first",
                                "it is being recorded already, into %s", before->path);
        if (rc == 0)
                rc = choose_path(d, w, r, path, sizeof path, &e);
        if (rc == 0 && !before && !make_room(d))
                rc = hb_err_set(&e, -EBUSY, w->guest, "harbinger trace record --list, and --stop one",
                                "%u recordings are under way on host %s", MAX_KEPT, d->settings->name);
        if (rc == 0) {
                c = blank(d, w);
                if (!c)
                        rc = hb_err_set(&e, -ENOMEM, w->guest, NULL, "no memory for a recording");
        }
        if (rc < 0) {
                hb_request_fail(r, &e);
                return;
        }
        if (before)
                hb_recording_forget(before);
        memcpy(c->path, path, sizeof path);
        c->next = d->recordings;
        d->recordings = c;
        *(w->wait ? &c->waiter : &c->starter) = r;
        hb_recording_begin(c);
        if (!c->over && c->role == HB_RECORD_WAITING)
                hb_recording_answer(&c->starter, c, NULL);
        hb_daemon_event(d, HB_LOG_NOTICE, HB_ON_TRACE, c->guest, NULL, NULL,
                        "recording of %s: asked for, into %s", c->guest, c->path);
}

void hb_recording_stop(hb_daemon *d, const char *guest, hb_request *r) {
        struct hb_recording *c = hb_recording_find(d, guest);
        struct hb_err e;
        if (!c || (c->over && c->stopper)) {
                hb_err_set(&e, -ENOENT, guest, "harbinger trace record --list",
                           "host %s is not recording this guest", d->settings->name);
                hb_request_fail(r, &e);
                return;
        }
        if (c->over) { /* it has ended by itself: what came of it is the answer all the same */
                c->stopper = r;
                hb_recording_answer(&c->stopper, c,
                                    c->last.state == HB_RECORDER_FAILED ? &c->last.err : NULL);
                return;
        }
        if (c->stopper) {
                hb_err_set(&e, -EBUSY, guest, "harbinger trace record --list", "it is being stopped already");
                hb_request_fail(r, &e);
                return;
        }
        c->stopper = r;
        hb_recording_let_go(c, "stopped");
        if (!c->recorder)
                hb_recording_settle(c);
}
