/* watchers: see watchers.h.
 *
 * Invariants. The timer runs while there is a viewer. `body` is the newest snapshot without its end, shared
 * by all viewers; the events beside it are shared by those who have heard the same so far, which are nearly
 * always all of them. A viewer's `heard` moves when a tick is sent to it, so missed ticks lose it no event
 * that still fits. Cost: one snapshot a tick, and for each viewer a look whether it keeps up and a send. */
#include "serve/watchers.h"
#include "base/clock.h"
#include "base/fault.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#define TICK_NS HB_NS_PER_S
#define SHARED  4u   /* different states of having heard that are remembered */
#define SMOOTH  0.25 /* weight of the newest tick in the cost that is told */

struct viewer {
        struct viewer *next;
        hb_request *request;
        unsigned every, wait; /* wait: ticks until the next one */
        uint64_t heard;       /* newest event it was sent */
};

struct told { /* events after `after` up to `newest`, as text */
        uint64_t after, newest;
        hb_shared_text *text;
};

struct hb_watchers {
        struct hb_watch_use use;
        const hb_event_ring *ring;
        struct event *timer;
        struct viewer *viewers;
        unsigned n, next_told;
        uint64_t seq, made_ns, ticked_ns;
        hb_shared_text *body; /* NULL: none was made */
        struct told told[SHARED];
        double cpu_share, snapshot_ms; /* of making and sending ticks */
        uint64_t cpu_ns;               /* spent since the last tick */
};

static uint64_t thread_cpu_ns(void) {
        struct timespec t;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (uint64_t)t.tv_sec * HB_NS_PER_S + (uint64_t)t.tv_nsec;
}

/* ---- texts ---- */

static hb_shared_text *take_text(struct hb_json_out *o) {
        hb_shared_text *t = NULL;
        if (!o->buf.failed)
                t = hb_shared_text_new(o->buf.data, o->buf.len);
        else
                hb_buf_free(&o->buf);
        return t;
}

static void write_cost(const hb_watchers *w, uint64_t began, struct hb_json_out *o) {
        hb_json_open(o, "cost", '{');
        hb_json_real(o, "cpu_share", w->cpu_share);
        hb_json_real(o, "snapshot_ms", (double)(thread_cpu_ns() - began) / 1e6);
        hb_json_pages(o, "bytes", o->buf.len);
        hb_json_pages(o, "viewers", w->n);
        hb_json_close(o, '}');
}

/* Its object is closed by the events' text. */
static int make_body(hb_watchers *w, uint64_t now_ns) {
        struct hb_json_out o = {0};
        uint64_t began = thread_cpu_ns();
        hb_json_open(&o, NULL, '{');
        hb_json_pages(&o, "seq", ++w->seq);
        hb_json_time(&o, "time", (double)hb_wall_ns() / 1e9);
        w->use.snapshot(w->use.arg, now_ns, &o);
        write_cost(w, began, &o);
        hb_shared_text *t = take_text(&o);
        if (!t)
                return -ENOMEM;
        hb_shared_text_unref(w->body);
        w->body = t;
        w->made_ns = now_ns;
        return 0;
}

static hb_shared_text *write_events(const hb_watchers *w, uint64_t after) {
        struct hb_json_out o = {.comma = true};
        uint64_t chosen[HB_WATCH_EVENTS], skipped;
        unsigned n = hb_event_ring_choose(w->ring, after, HB_WATCH_EVENTS, chosen, &skipped);
        hb_json_open(&o, "events", '[');
        for (unsigned i = 0; i < n; i++)
                hb_event_write(hb_event_ring_get(w->ring, chosen[i]), &o);
        hb_json_close(&o, ']');
        hb_json_pages(&o, "events_skipped", skipped);
        hb_json_close(&o, '}');
        return take_text(&o);
}

/* Borrowed until the next call; NULL: no memory. */
static hb_shared_text *events_for(hb_watchers *w, uint64_t heard) {
        uint64_t newest = hb_event_ring_newest(w->ring);
        for (unsigned i = 0; i < SHARED; i++)
                if (w->told[i].text && w->told[i].after == heard && w->told[i].newest == newest)
                        return w->told[i].text;
        struct told *t = &w->told[w->next_told++ % SHARED];
        hb_shared_text_unref(t->text);
        *t = (struct told){heard, newest, write_events(w, heard)};
        return t->text;
}

static void forget_texts(hb_watchers *w) {
        w->body = hb_shared_text_unref(w->body);
        for (unsigned i = 0; i < SHARED; i++) {
                hb_shared_text_unref(w->told[i].text);
                w->told[i] = (struct told){0};
        }
}

/* ---- viewers ---- */

static void send_tick(hb_watchers *w, struct viewer *v) {
        hb_shared_text *events = events_for(w, v->heard);
        hb_shared_text *parts[] = {w->body, events};
        if (!events)
                return; /* the next tick has them too */
        hb_request_progress_text(v->request, parts, 2);
        v->heard = hb_event_ring_newest(w->ring);
}

static void end_viewer(struct viewer *v, int code) {
        struct hb_err e;
        hb_err_set(&e, code, NULL, "harbinger console", "nobody is told any more");
        hb_request_fail(v->request, &e);
        free(v);
}

static void drop_gone(hb_watchers *w) {
        for (struct viewer **p = &w->viewers; *p;) {
                struct viewer *v = *p;
                if (hb_request_alive(v->request)) {
                        p = &v->next;
                        continue;
                }
                *p = v->next;
                w->n--;
                end_viewer(v, -ECONNRESET);
        }
}

/* Whoever is behind waits for the very next tick. */
static bool is_due(struct viewer *v) {
        if (v->wait > 1) {
                v->wait--;
                return false;
        }
        v->wait = 1;
        if (hb_request_behind(v->request))
                return false;
        v->wait = v->every;
        return true;
}

/* Sends count too: to a socket that keeps up they happen here. */
static void note_cost(hb_watchers *w, uint64_t now_ns) {
        if (w->ticked_ns && now_ns > w->ticked_ns)
                w->cpu_share += SMOOTH * ((double)w->cpu_ns / (double)(now_ns - w->ticked_ns) - w->cpu_share);
        w->ticked_ns = now_ns;
        w->cpu_ns = 0;
}

void hb_watchers_tick(hb_watchers *w, uint64_t now_ns) {
        uint64_t began = thread_cpu_ns();
        bool made = false;
        note_cost(w, now_ns);
        drop_gone(w);
        for (struct viewer *v = w->viewers; v; v = v->next) {
                if (!is_due(v))
                        continue;
                if (!made && make_body(w, now_ns) < 0)
                        break;
                made = true;
                send_tick(w, v);
        }
        if (!w->viewers) {
                if (w->timer)
                        event_del(w->timer);
                forget_texts(w);
                w->ticked_ns = 0;
        }
        w->cpu_ns += thread_cpu_ns() - began;
}

static void on_timer(evutil_socket_t fd, short what, void *arg) {
        hb_watchers_tick(arg, hb_now_ns());
}

static uint64_t first_heard(const hb_event_ring *r) {
        uint64_t newest = hb_event_ring_newest(r), oldest = hb_event_ring_oldest(r);
        return newest + 1 - oldest > HB_WATCH_FIRST ? newest - HB_WATCH_FIRST : oldest - 1;
}

static int start_timer(hb_watchers *w) {
        static const struct timeval tick = {.tv_sec = TICK_NS / HB_NS_PER_S};
        return w->timer && !w->viewers ? event_add(w->timer, &tick) : 0;
}

/* What it has heard of stays what it was, so that no event is told twice or left out. */
static bool replaces(hb_watchers *w, hb_request *r, unsigned every) {
        for (struct viewer *v = w->viewers; v; v = v->next) {
                hb_request *former = v->request;
                if (!hb_request_same_client(former, r))
                        continue;
                v->request = r;
                v->every = every ? every : 1;
                v->wait = v->wait > v->every ? v->every : v->wait;
                hb_request_ok(former, json_object());
                return true;
        }
        return false;
}

void hb_watchers_add(hb_watchers *w, hb_request *r, unsigned every, uint64_t now_ns) {
        if (replaces(w, r, every))
                return;
        struct viewer *v = hb_fault("watchers.add") ? NULL : calloc(1, sizeof *v);
        uint64_t began = thread_cpu_ns();
        struct hb_err e;
        bool fresh = w->body && now_ns - w->made_ns < TICK_NS;
        if (!v || start_timer(w) < 0 || (!fresh && make_body(w, now_ns) < 0)) {
                free(v);
                hb_err_set(&e, -ENOMEM, "watch", NULL, "no memory for another viewer");
                hb_request_fail(r, &e);
                return;
        }
        *v = (struct viewer){.next = w->viewers, .request = r, .heard = first_heard(w->ring)};
        v->every = v->wait = every ? every : 1;
        w->viewers = v;
        w->n++;
        if (!w->ticked_ns)
                w->ticked_ns = now_ns;
        send_tick(w, v);
        w->cpu_ns += thread_cpu_ns() - began;
}

/* ---- life ---- */

int hb_watchers_new(struct event_base *base, const struct hb_watch_use *use, const hb_event_ring *ring,
                    hb_watchers **ret) {
        hb_watchers *w = calloc(1, sizeof *w);
        if (!w)
                return -ENOMEM;
        w->use = *use;
        w->ring = ring;
        w->timer = base ? event_new(base, -1, EV_PERSIST, on_timer, w) : NULL;
        if (base && !w->timer) {
                free(w);
                return -ENOMEM;
        }
        *ret = w;
        return 0;
}

hb_watchers *hb_watchers_free(hb_watchers *w) {
        if (!w)
                return NULL;
        while (w->viewers) {
                struct viewer *v = w->viewers;
                w->viewers = v->next;
                end_viewer(v, -ECANCELED);
        }
        forget_texts(w);
        if (w->timer)
                event_free(w->timer);
        free(w);
        return NULL;
}

unsigned hb_watchers_count(const hb_watchers *w) {
        return w->n;
}
