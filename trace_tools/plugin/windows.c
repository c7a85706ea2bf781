/* windows: why no locks where accesses are counted: an emulated program makes some hundred million a second
 * on each vCPU. Invariants: a table is touched by its vCPU while that is RUNNING, by the lock's holder while
 * it is TAKEN, by nobody while it is PARKED; `pending` vCPUs have seen < window, and the last of them sends
 * the sum. With one emulator thread for all vCPUs (QEMU's thread=single) that thread hands over for all that
 * run in it: only one of them is ever counting. Cost: one comparison more per access than counting alone; a
 * window costs the pages touched in it. */
#include "plugin/windows.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHUNK           1024u
#define VCPU_TABLE_LOG2 12u
#define SUM_TABLE_LOG2  14u
#define TABLE_FULL      (1u << 31) /* accesses after which counts of 32 bits want to be moved on */

enum { PARKED, RUNNING, TAKEN };

static uint64_t now_ns(clockid_t clock) {
        struct timespec t;

        clock_gettime(clock, &t);
        return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ---- frames ---- */

static uint8_t *put(uint8_t *p, uint64_t v, unsigned bytes) {
        for (unsigned i = 0; i < bytes; i++)
                *p++ = (uint8_t)(v >> (8 * i));
        return p;
}

static uint8_t *put_head(uint8_t *p, enum hb_frame_kind kind, size_t body) {
        return put(put(p, body, 4), kind, 1);
}

static void send_frames(struct hb_windows *w, uint8_t *frames, size_t size) {
        if (!frames || hb_out_send(w->out, frames, size) < 0)
                w->limit = 0;
}

static void send_hello(struct hb_windows *w) {
        uint8_t *f = malloc(HB_FRAME_HEAD + HB_FRAME_HELLO_SIZE), *p = f;

        if (f) {
                p = put_head(p, HB_FRAME_HELLO, HB_FRAME_HELLO_SIZE);
                p = put(p, HB_FRAME_MAGIC, 4);
                p = put(p, HB_FRAME_VERSION, 1);
                p = put(p, w->o.whole_guest, 1);
                p = put(p, w->o.unit, 1);
                p = put(p, 12, 1);
                p = put(p, w->o.window, 8);
                put(p, now_ns(CLOCK_REALTIME), 8);
        }
        send_frames(w, f, HB_FRAME_HEAD + HB_FRAME_HELLO_SIZE);
}

static uint8_t *put_pages(const struct hb_table *t, uint8_t *p) {
        size_t left = t->used, room = 0;

        for (const struct hb_cell *c = t->cells; left; c++) {
                if (!c->key)
                        continue;
                if (!room) {
                        room = left < HB_FRAME_PAGES_MAX ? left : HB_FRAME_PAGES_MAX;
                        p = put_head(p, HB_FRAME_PAGES, room * HB_FRAME_PAGE_SIZE);
                }
                p = put(put(put(p, c->key - 1, 8), c->reads, 4), c->writes, 4);
                room--;
                left--;
        }
        return p;
}

/* The window that all have handed over for. */
static void send_window(struct hb_windows *w) {
        size_t frames = (w->sum.used + HB_FRAME_PAGES_MAX - 1) / HB_FRAME_PAGES_MAX;
        size_t size = frames * HB_FRAME_HEAD + w->sum.used * HB_FRAME_PAGE_SIZE + HB_FRAME_HEAD +
                      HB_FRAME_WINDOW_SIZE;
        uint8_t *f, *p;

        if (w->sent_accesses == w->last_sent && w->o.unit != HB_UNIT_NS)
                return;
        f = malloc(size);
        if (f) {
                p = put_pages(&w->sum, f);
                p = put_head(p, HB_FRAME_WINDOW, HB_FRAME_WINDOW_SIZE);
                p = put(p, ++w->number, 4);
                p = put(p, w->sent_accesses, 8);
                p = put(p, w->sent_insns, 8);
                put(p, now_ns(CLOCK_MONOTONIC) - w->began_ns, 8);
        }
        w->last_sent = w->sent_accesses;
        hb_table_clear(&w->sum);
        send_frames(w, f, size);
}

static void send_end(struct hb_windows *w) {
        uint8_t *f = malloc(HB_FRAME_HEAD + HB_FRAME_END_SIZE), *p = f;

        if (f) {
                p = put_head(p, HB_FRAME_END, HB_FRAME_END_SIZE);
                p = put(p, w->sent_accesses, 8);
                p = put(p, w->lost, 8);
                p = put(p, w->number, 4);
                put(p, w->forks, 4);
        }
        send_frames(w, f, HB_FRAME_HEAD + HB_FRAME_END_SIZE);
}

/* What was counted since the last time becomes known to all. Returns where the window's unit stands. */
static uint64_t account(struct hb_windows *w, struct hb_vcpu *v) {
        uint64_t used = v->reserved - (uint64_t)v->left, insns = v->reserved_insns - (uint64_t)v->left_insns;
        uint64_t accesses_now = atomic_fetch_add(&w->accesses, used) + used, insns_now = 0;

        if (w->o.unit == HB_UNIT_INSTRUCTIONS)
                insns_now = atomic_fetch_add(&w->insns, insns) + insns;
        v->accesses += used;
        v->insns += w->o.unit == HB_UNIT_INSTRUCTIONS ? insns : 0;
        v->reserved = v->reserved_insns = 0;
        v->left = v->left_insns = 0;
        return w->o.unit == HB_UNIT_INSTRUCTIONS ? insns_now : accesses_now;
}

/* ---- handing over; under the lock ---- */

static void move(struct hb_windows *w, struct hb_vcpu *v) {
        w->lost += hb_table_move(&w->sum, &v->table);
        w->sent_accesses += v->accesses;
        w->sent_insns += v->insns;
        v->accesses = v->insns = 0;
        memset(v->recent, 0, sizeof(v->recent));
}

static bool runs_here(const struct hb_vcpu *v) {
        return v->thread == pthread_self();
}

static void hand_over(struct hb_windows *w, struct hb_vcpu *v) {
        move(w, v);
        v->seen = w->window;
}

static bool take_parked(struct hb_windows *w, struct hb_vcpu *v) {
        int parked = PARKED;

        if (!atomic_compare_exchange_strong(&v->state, &parked, TAKEN))
                return false;
        hand_over(w, v);
        atomic_store(&v->state, PARKED);
        return true;
}

/* A vCPU came by: its own table, and those that only its thread touches. */
static void answer(struct hb_windows *w, struct hb_vcpu *self) {
        if (!w->pending)
                return;
        if (self->seen != w->window) {
                hand_over(w, self);
                w->pending--;
        }
        for (unsigned i = 0; w->pending && i < w->made; i++) {
                struct hb_vcpu *v = w->vcpus[i];

                if (v && v->seen != w->window && runs_here(v) && atomic_load(&v->state) == RUNNING) {
                        (void)account(w, v);
                        hand_over(w, v);
                        w->pending--;
                }
        }
        if (!w->pending)
                send_window(w);
}

/* Not before the last one is sent: then the next is longer. */
static void close_window(struct hb_windows *w) {
        if (w->pending)
                return;
        atomic_fetch_add(&w->window, 1);
        for (unsigned i = 0; i < w->made; i++)
                if (w->vcpus[i] && !take_parked(w, w->vcpus[i]))
                        w->pending++;
        if (!w->pending)
                send_window(w);
}

/* The counter of the window's unit has passed its end. */
static void end_reached(struct hb_windows *w, uint64_t at) {
        uint64_t ends = w->ends;

        if (w->pending || at < ends)
                return;
        while (ends <= at)
                ends += w->o.window;
        w->ends = ends;
        close_window(w);
}

static void tick(void *arg) {
        struct hb_windows *w = arg;

        pthread_mutex_lock(&w->lock);
        if (w->limit)
                close_window(w);
        pthread_mutex_unlock(&w->lock);
}

/* ---- vCPUs ---- */

int hb_vcpu_add(struct hb_windows *w, unsigned vcpu) {
        struct hb_vcpu *v;
        int r = 0;

        pthread_mutex_lock(&w->lock);
        if (vcpu >= w->limit) {
                r = -ENOSPC;
        } else if (!w->vcpus[vcpu]) {
                v = aligned_alloc(64, sizeof(*v));
                if (v)
                        memset(v, 0, sizeof(*v));
                if (!v || hb_table_init(&v->table, VCPU_TABLE_LOG2) < 0) {
                        free(v);
                        r = -ENOMEM;
                } else {
                        v->seen = w->window;
                        w->vcpus[vcpu] = v;
                        w->made = vcpu + 1 > w->made ? vcpu + 1 : w->made;
                }
        }
        pthread_mutex_unlock(&w->lock);
        return r;
}

static void unpark(struct hb_windows *w, struct hb_vcpu *v) {
        for (;;) {
                int parked = PARKED;

                if (atomic_load_explicit(&v->state, memory_order_relaxed) == RUNNING ||
                    atomic_compare_exchange_strong(&v->state, &parked, RUNNING))
                        break;
                pthread_mutex_lock(&w->lock); /* who took it holds this */
                pthread_mutex_unlock(&w->lock);
        }
        if (atomic_load_explicit(&v->thread, memory_order_relaxed) != pthread_self())
                v->thread = pthread_self();
}

/* Up to the window's end, so that with one vCPU windows are of exactly their size. */
static uint64_t share_of(const struct hb_windows *w, enum hb_frame_unit unit, uint64_t at) {
        uint64_t ends = w->ends;

        return w->o.unit != unit || ends <= at || ends - at > CHUNK ? CHUNK : ends - at;
}

bool hb_vcpu_turn(struct hb_windows *w, struct hb_vcpu *v) {
        bool for_access = v->left < 0;
        uint64_t at;

        if (!w->limit)
                return false;
        v->left = for_access ? 0 : v->left;
        unpark(w, v);
        at = account(w, v);
        if (w->window != v->seen || v->accesses >= TABLE_FULL || (w->o.unit != HB_UNIT_NS && at >= w->ends)) {
                pthread_mutex_lock(&w->lock);
                if (v->accesses >= TABLE_FULL)
                        move(w, v);
                if (w->o.unit != HB_UNIT_NS)
                        end_reached(w, at);
                answer(w, v);
                pthread_mutex_unlock(&w->lock);
        }
        v->reserved = share_of(w, HB_UNIT_ACCESSES, at);
        v->reserved_insns = share_of(w, HB_UNIT_INSTRUCTIONS, at);
        v->left = (int64_t)v->reserved - for_access;
        v->left_insns = (int64_t)v->reserved_insns;
        return true;
}

void hb_vcpu_park(struct hb_windows *w, struct hb_vcpu *v) {
        int parked;

        if (!w->limit || atomic_load_explicit(&v->state, memory_order_relaxed) != RUNNING)
                return;
        account(w, v);
        do {
                atomic_store(&v->state, PARKED);
                /* Who closes a window either finds us parked, or we find the window here. */
                parked = PARKED;
                if (w->window == v->seen || !atomic_compare_exchange_strong(&v->state, &parked, RUNNING))
                        break;
                pthread_mutex_lock(&w->lock);
                answer(w, v);
                pthread_mutex_unlock(&w->lock);
        } while (w->limit);
}

struct hb_cell *hb_vcpu_miss(struct hb_windows *w, struct hb_vcpu *v, uint64_t key, bool write) {
        const struct hb_cell *before = v->table.cells;
        struct hb_cell *c = hb_table_get(&v->table, key);

        if (!c) {
                atomic_fetch_add(&w->lost, 1);
                return NULL;
        }
        if (v->table.cells != before) /* it grew: the other one points into what is gone */
                memset(v->recent, 0, sizeof(v->recent));
        v->recent[write] = (struct hb_recent){key, c};
        return c;
}

/* ---- from the first to the last ---- */

int hb_windows_start(struct hb_windows *w, const struct hb_windows_options *o) {
        int r;

        memset(w, 0, sizeof(*w));
        w->o = *o;
        w->ends = o->window;
        w->began_ns = now_ns(CLOCK_MONOTONIC);
        r = -pthread_mutex_init(&w->lock, NULL);
        if (r == 0)
                r = hb_table_init(&w->sum, SUM_TABLE_LOG2);
        if (r == 0)
                r = hb_out_start(o->fd, o->unit == HB_UNIT_NS ? o->window : 0, tick, w, &w->out);
        if (r < 0)
                return r;
        w->limit = HB_VCPUS_MAX;
        send_hello(w);
        return 0;
}

void hb_windows_flush(struct hb_windows *w) {
        if (!w->limit)
                return;
        pthread_mutex_lock(&w->lock);
        close_window(w);
        pthread_mutex_unlock(&w->lock);
        hb_out_drain(w->out);
}

void hb_windows_stop(struct hb_windows *w) {
        w->limit = 0;
}

void hb_windows_finish(struct hb_windows *w) {
        if (!w->out)
                return;
        pthread_mutex_lock(&w->lock);
        if (w->limit) {
                for (unsigned i = 0; i < w->made; i++)
                        if (w->vcpus[i]) {
                                account(w, w->vcpus[i]);
                                move(w, w->vcpus[i]);
                        }
                if (w->sent_accesses != w->last_sent)
                        send_window(w);
                send_end(w);
        }
        w->limit = 0;
        pthread_mutex_unlock(&w->lock);
        hb_out_finish(w->out);
        w->out = NULL;
}
