/* recording: a list of recordings, each with a recorder and, while what it records is here, a tap on it. What
 * is asked of a recorder's thread (is the file there, is it whole) is looked at a few times a second; nobody
 * waits for a disk but the end of the daemon. */
#include "base/clock.h"
#include "daemon/events.h"
#include "daemon/guest.h"
#include "daemon/incoming.h"
#include "daemon/outgoing.h"
#include "daemon/recording_priv.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS     100
#define POLICY_SEED 1u /* as policy_registry.c gives it */

/* ---- asking ---- */

void hb_recording_status(struct hb_recording *c, struct hb_recorder_status *ret) {
        if (c->recorder)
                hb_recorder_status(c->recorder, ret);
        else
                *ret = c->last;
}

struct hb_recording *hb_recording_find(hb_daemon *d, const char *guest) {
        for (struct hb_recording *c = d->recordings; c; c = c->next)
                if (strcmp(c->guest, guest) == 0)
                        return c;
        return NULL;
}

/* ---- the end ---- */

void hb_recording_answer(hb_request **r, struct hb_recording *c, const struct hb_err *e) {
        if (!*r)
                return;
        if (e)
                hb_request_fail(*r, e);
        else
                hb_request_ok(*r, hb_recording_json(c));
        *r = NULL;
}

void hb_recording_let_go(struct hb_recording *c, const char *why) {
        if (c->target)
                c->exact = hb_record_target_exact(c->target);
        c->target = hb_record_target_free(c->target);
        c->source = hb_record_source_free(c->source);
        if (c->g)
                c->g->recording = NULL;
        if (c->in)
                c->in->recording = NULL;
        c->g = NULL;
        c->in = NULL;
        if (!c->why[0])
                snprintf(c->why, sizeof c->why, "%s", why);
        if (c->recorder)
                hb_recorder_end(c->recorder);
}

void hb_recording_settle(struct hb_recording *c) {
        struct hb_err e = {0};
        if (c->recorder) {
                hb_recorder_status(c->recorder, &c->last);
                c->recorder = hb_recorder_free(c->recorder);
        }
        if (c->last.state == HB_RECORDER_FAILED) {
                e = c->last.err;
                hb_daemon_event_err(c->d, HB_LOG_ERR, HB_ON_TRACE, c->guest, NULL, "recording", &e);
        } else {
                hb_daemon_event(c->d, HB_LOG_NOTICE, HB_ON_TRACE, c->guest, NULL, NULL,
                                "recording of %s: %s, %llu bytes in %s%s", c->guest, c->why,
                                (unsigned long long)c->last.bytes, c->last.file[0] ? c->last.file : "no file",
                                c->last.dropped ? "; some of it was dropped" : "");
        }
        c->over = true;
        c->ended_ns = hb_now_ns();
        event_del(c->look);
        const struct hb_err *failed = e.code ? &e : NULL;
        hb_recording_answer(&c->starter, c, failed);
        hb_recording_answer(&c->waiter, c, failed);
        hb_recording_answer(&c->stopper, c, failed);
}

void hb_recording_forget(struct hb_recording *c) {
        hb_recording_let_go(c, "the daemon stopped");
        if (!c->over)
                hb_recording_settle(c);
        event_free(c->look);
        for (struct hb_recording **p = &c->d->recordings; *p; p = &(*p)->next)
                if (*p == c) {
                        *p = c->next;
                        break;
                }
        free(c);
}

void hb_recordings_free(hb_daemon *d) {
        while (d->recordings)
                hb_recording_forget(d->recordings);
}

/* ---- looking at it now and then ---- */

static void progress(struct hb_recording *c, uint64_t now) {
        if (!c->waiter || now - c->progress_ns < HB_NS_PER_S)
                return;
        c->progress_ns = now;
        if (hb_request_alive(c->waiter)) {
                hb_request_progress(c->waiter, hb_recording_json(c));
                return;
        }
        struct hb_err e;
        hb_err_set(&e, -ECANCELED, c->guest, NULL, "nobody waits any more");
        hb_request_fail(c->waiter, &e);
        c->waiter = NULL;
}

static void on_look(evutil_socket_t fd, short what, void *arg) {
        struct hb_recording *c = arg;
        uint64_t now = hb_now_ns();
        struct hb_recorder_status s;
        hb_recording_status(c, &s);
        if (c->recorder && s.state >= HB_RECORDER_ENDED) {
                hb_recording_let_go(c, s.state == HB_RECORDER_FAILED ? "the trace could not be written"
                                                                     : "done");
                hb_recording_settle(c);
                return;
        }
        if (s.state == HB_RECORDER_WRITING)
                hb_recording_answer(&c->starter, c, NULL);
        progress(c, now);
        if (c->for_ns && c->role != HB_RECORD_WAITING && now - c->began_ns >= c->for_ns && !c->why[0]) {
                hb_recording_let_go(c, "its time was over");
                if (!c->recorder)
                        hb_recording_settle(c);
        }
}

int hb_recording_clock(struct hb_recording *c) {
        struct timeval tv = hb_timeval(hb_ms_to_ns(LOOK_MS));
        c->look = event_new(c->d->base, -1, EV_PERSIST, on_look, c);
        if (c->look && event_add(c->look, &tv) == 0)
                return 0;
        if (c->look)
                event_free(c->look);
        c->look = NULL;
        return -ENOMEM;
}

/* ---- beginning ---- */

static void make_header(const struct hb_recording *c, const struct hb_shape *shape, uint32_t epoch_ms,
                        struct hb_trace_header *h) {
        *h = (struct hb_trace_header){.shape = *shape,
                                      .page_size = HB_PAGE_SIZE,
                                      .epoch_ns = (epoch_ms ? epoch_ms : 1000) * HB_NS_PER_MS,
                                      .begins_unix_ns = hb_wall_ns()};
        snprintf(h->guest, sizeof h->guest, "%s", c->guest);
        snprintf(h->host, sizeof h->host, "%s", c->d->settings->name);
        snprintf(h->note, sizeof h->note, "%s", c->note);
}

static int open_recorder(struct hb_recording *c, const struct hb_trace_header *h, struct hb_err *e) {
        c->options.begins_ns = c->began_ns = hb_now_ns();
        return hb_recorder_new(c->path, h, &c->options, &c->recorder, e);
}

static void failed(struct hb_recording *c, const struct hb_err *e) {
        c->recorder = hb_recorder_free(c->recorder);
        c->last.state = HB_RECORDER_FAILED;
        c->last.err = *e;
        hb_recording_let_go(c, "it could not begin");
        hb_recording_settle(c);
}

static void begin_target(struct hb_recording *c, struct hb_incoming *in) {
        struct hb_trace_header h;
        struct hb_err e;
        make_header(c, &in->shape, in->source_epoch_ms, &h);
        h.origin = HB_TRACE_TARGET;
        hb_record_target_header(in->policies, &in->engine_options, POLICY_SEED, &h);
        c->role = HB_RECORD_TARGET;
        if (open_recorder(c, &h, &e) < 0) {
                failed(c, &e);
                return;
        }
        if (hb_record_target_new(c->recorder, in->engine, in->policies, &in->shape, hb_now_ns(), &c->target) <
            0) {
                hb_err_set(&e, -ENOMEM, c->guest, NULL, "no memory for a recording");
                failed(c, &e);
                return;
        }
        c->exact = hb_record_target_exact(c->target);
        c->in = in;
        in->recording = c;
}

static void begin_source(struct hb_recording *c, struct hb_guest *g) {
        struct hb_trace_header h;
        struct hb_bitmap known = {0};
        struct hb_err e;
        make_header(c, &g->target->shape, g->epoch_ms, &h);
        h.origin = HB_TRACE_SOURCE;
        h.flags = (g->caps->exact_writes ? HB_TRACE_EXACT_WRITES : 0) |
                  (g->caps->reads ? 0 : HB_TRACE_NO_READS);
        c->role = HB_RECORD_SOURCE;
        int r = hb_bitmap_init(&known, g->target->shape.pages);
        if (r == 0) {
                hb_page_map_since(g->map, 0, &known); /* every page that was ever seen to hold data */
                r = open_recorder(c, &h, &e);
        } else {
                hb_err_set(&e, r, c->guest, NULL, "no memory for a recording");
        }
        if (r == 0 && hb_record_source_new(c->recorder, h.shape.pages, &known, hb_now_ns(), &c->source) < 0)
                r = hb_err_set(&e, -ENOMEM, c->guest, NULL, "no memory for a recording");
        hb_bitmap_fini(&known);
        if (r < 0) {
                failed(c, &e);
                return;
        }
        c->g = g;
        g->recording = c;
}

static bool waits(const struct hb_recording *c) {
        return c && !c->over && c->role == HB_RECORD_WAITING && !c->why[0];
}

/* A guest that is being attached is waited for like one that is not here. */
void hb_recording_begin(struct hb_recording *c) {
        struct hb_guest *g = hb_guest_find(c->d, c->guest);
        struct hb_incoming *in = hb_incoming_find(c->d, c->guest);
        if (g && g->caps && !g->gone)
                begin_source(c, g);
        else if (in)
                begin_target(c, in);
}

void hb_recording_placed(struct hb_incoming *in) {
        struct hb_recording *c = hb_recording_find(in->d, in->guest);
        if (waits(c))
                begin_target(c, in);
}

void hb_recording_unplaced(struct hb_incoming *in) {
        if (in->recording)
                hb_recording_let_go(in->recording,
                                    in->d->stopping ? "the daemon stopped" : "the placement ended");
}

void hb_recording_attached(struct hb_guest *g) {
        struct hb_recording *c = hb_recording_find(g->d, g->name);
        if (waits(c))
                begin_source(c, g);
}

void hb_recording_moved(struct hb_guest *g) {
        struct hb_recording *c = g->recording;
        if (!c)
                return;
        hb_recorder_mark(c->recorder, hb_now_ns(), HB_MARK_COMPLETE, hb_page_map_epoch(g->map), "");
        hb_recording_let_go(c, "the guest has moved");
}

void hb_recording_detached(struct hb_guest *g) {
        if (g->recording)
                hb_recording_let_go(g->recording, g->d->stopping ? "the daemon stopped"
                                                  : g->gone      ? "the guest's process ended"
                                                                 : "the guest is no longer here");
}

/* ---- what happens ---- */

void hb_recording_summary(struct hb_recording *c, uint64_t now_ns, uint32_t epoch, uint64_t bytes) {
        if (c->target)
                hb_record_target_summary(c->target, now_ns, epoch, bytes);
}

static void sample_link(struct hb_recording *c, const struct hb_outgoing *p, uint64_t now_ns) {
        struct hb_trace_event ev = {.stream = HB_TRACE_NETWORK, .time_ns = now_ns};
        struct hb_link_stats st;
        if (!p->server || p->state != HB_OUT_OPEN)
                return;
        hb_tcp_server_stats(p->server, &st);
        ev.network.latency_s = st.latency_s;
        ev.network.bytes_per_s = st.bytes_per_s > 0 ? st.bytes_per_s : 0;
        ev.network.free_bytes_per_s = ev.network.bytes_per_s * (1 - st.used_share);
        ev.network.used_share = st.used_share;
        ev.network.cap_bytes_per_s = (double)c->d->settings->cap_bytes_per_s;
        hb_recorder_event(c->recorder, &ev);
        if (p->summary_bytes < c->summary_bytes) /* another placement */
                c->summary_bytes = 0;
        if (p->summary_bytes > c->summary_bytes) {
                ev = (struct hb_trace_event){.stream = HB_TRACE_SUMMARY, .time_ns = now_ns};
                ev.summary.epoch = hb_page_map_epoch(p->g->map);
                ev.summary.bytes = p->summary_bytes - c->summary_bytes;
                hb_recorder_event(c->recorder, &ev);
        }
        c->summary_bytes = p->summary_bytes;
}

void hb_recording_scan(struct hb_guest *g, uint64_t at_ns, bool final) {
        struct hb_recording *c = g->recording;
        uint32_t epoch = hb_page_map_epoch(g->map);
        hb_record_source_epoch(c->source, epoch, at_ns, &g->scan.written, &g->scan.accessed, g->scan.lost);
        if (g->placement)
                sample_link(c, g->placement, at_ns);
        if (final)
                hb_recorder_mark(c->recorder, at_ns, HB_MARK_FREEZE, epoch, "");
}

void hb_recording_drain(struct hb_recording *c, bool on) {
        if (c->source)
                hb_recorder_mark(c->recorder, hb_now_ns(), on ? HB_MARK_MIGRATE : HB_MARK_THAW, 0, "");
}
