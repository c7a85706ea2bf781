/* paths: which of two fetchers a run is given to, and what becomes of it when that one fails.
 *
 * Invariant: an accepted run is with exactly one member, in `waiting` (TCP was full when RDMA gave it back),
 * or on its way into done(). A run waits only while TCP has others in flight, whose completions look here
 * again; so nothing waits for what may never come. The lock is never held across a call into a member or into
 * the owner; `users` keeps a member alive for those who are inside it. Any thread. */
#include "transport/paths.h"
#include "base/clock.h"
#include "base/fault.h"
#include "transport/link_stats.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define PROBE_EVERY 128u
#define PAGE_GAIN   0.1 /* of one run's wire bytes a page in the smoothed value */
#define ENTER_TCP   0.8 /* it must be that much cheaper before bulk leaves RDMA, */
#define LEAVE_TCP   0.95
#define REST_NS     HB_NS_PER_S
#define REST_MAX_NS (32 * HB_NS_PER_S)

struct hb_paths;

struct path {
        struct hb_paths *p;
        hb_fetcher *t;
        unsigned users; /* calls under way into t */
        bool up, lost, leaving;
        unsigned in_flight, bad;     /* bad: failed in a row though the connection stood */
        struct hb_fetch *probe;      /* the run that measures this path while the other carries bulk */
        uint64_t rest_ns, rests_til; /* it is left alone until then */
        double wire_per_page;
        struct hb_link_meter meter; /* of runs that are no probes: a trickle says nothing of a rate */
        struct hb_path_stats s;
};

struct hb_paths {
        hb_fetcher head;
        struct hb_fetcher_callbacks cb;
        void (*rdma_lost)(void *arg);
        pthread_mutex_t lock, state_lock; /* state_lock orders state() calls; taken before `lock` */
        pthread_cond_t idle;              /* a member has no users */
        struct path path[HB_PATHS];
        struct hb_fetch *waiting, **waiting_end;
        uint64_t cap, bulk_runs;
        bool closed, told, bulk_is_tcp;
};

const char *hb_path_name(enum hb_path p) {
        return p == HB_PATH_RDMA ? "rdma" : "tcp";
}

/* ---- which one; all with the lock held ---- */

static double seconds_per_page(double bytes, double rate) {
        return rate > 0 ? bytes / rate : 0;
}

/* Whether TCP brings a page in clearly less time. Not measured: not known to. */
static bool tcp_is_cheaper(struct hb_paths *p, uint64_t now) {
        struct hb_link_stats tcp, rdma;
        struct path *t = &p->path[HB_PATH_TCP], *r = &p->path[HB_PATH_RDMA];
        hb_link_meter_get(&t->meter, now, &tcp);
        hb_link_meter_get(&r->meter, now, &rdma);
        double by_tcp = seconds_per_page(t->wire_per_page, tcp.bytes_per_s);
        double by_rdma = seconds_per_page(r->wire_per_page, rdma.bytes_per_s);
        if (!(by_tcp > 0) || !(by_rdma > 0))
                return false;
        return by_tcp < by_rdma * (p->bulk_is_tcp ? LEAVE_TCP : ENTER_TCP);
}

static bool usable(const struct path *a, uint64_t now) {
        return a->t && a->up && now >= a->rests_til;
}

static enum hb_path choose_bulk(struct hb_paths *p, uint64_t now, const char **ret_why) {
        const struct path *r = &p->path[HB_PATH_RDMA];
        if (!usable(r, now)) {
                *ret_why = !r->t   ? "there is no RDMA connection"
                           : r->up ? "RDMA fetches failed; it is tried again"
                                   : "the RDMA connection was lost";
                return HB_PATH_TCP;
        }
        *ret_why = "TCP is not connected";
        if (!p->path[HB_PATH_TCP].up)
                return HB_PATH_RDMA;
        *ret_why = "a cap is set, and TCP holds it";
        if (p->cap)
                return HB_PATH_TCP;
        p->bulk_is_tcp = tcp_is_cheaper(p, now);
        *ret_why = p->bulk_is_tcp ? "compressed pages take less time than raw ones on this link"
                                  : "raw pages take no more time than compressed ones on this link";
        return p->bulk_is_tcp ? HB_PATH_TCP : HB_PATH_RDMA;
}

/* One in PROBE_EVERY goes the other way, one at a time. */
static bool probe_due(struct hb_paths *p, enum hb_path chosen, uint64_t now) {
        const struct path *other = &p->path[!chosen];
        return ++p->bulk_runs % PROBE_EVERY == 0 && !other->probe && usable(other, now);
}

static struct path *choose(struct hb_paths *p, struct hb_fetch *f) {
        uint64_t now = hb_now_ns();
        const char *why;
        if (f->urgent)
                return &p->path[usable(&p->path[HB_PATH_RDMA], now)];
        enum hb_path chosen = choose_bulk(p, now, &why);
        if (!p->cap && probe_due(p, chosen, now)) {
                p->path[!chosen].probe = f;
                return &p->path[!chosen];
        }
        return &p->path[chosen];
}

/* ---- handing over ---- */

static void begin(struct path *a, const struct hb_fetch *f) {
        a->users++;
        a->in_flight++;
        if (a->probe != f)
                hb_link_meter_begin(&a->meter, hb_now_ns(), 1);
}

static void leave(struct path *a) {
        if (--a->users == 0)
                pthread_cond_broadcast(&a->p->idle);
}

static void end(struct path *a, const struct hb_fetch *f) {
        a->in_flight--;
        if (a->probe == f)
                a->probe = NULL;
        else
                hb_link_meter_end(&a->meter, hb_now_ns(), 1);
}

/* With the lock held; lets go of it for the call. */
static int give(struct path *a, struct hb_fetch *f) {
        struct hb_paths *p = a->p;
        hb_fetcher *t = a->t;
        if (!t || p->closed) {
                if (a->probe == f)
                        a->probe = NULL;
                return -ENOTCONN;
        }
        begin(a, f);
        pthread_mutex_unlock(&p->lock);
        int r = t->ops->fetch(t, f);
        pthread_mutex_lock(&p->lock);
        leave(a);
        if (r < 0)
                end(a, f);
        return r;
}

static int fetch(hb_fetcher *h, struct hb_fetch *f) {
        struct hb_paths *p = (struct hb_paths *)h;
        if (f->pages == 0 || f->pages > HB_FETCH_MAX_PAGES)
                return -EINVAL;
        if (hb_fault("paths.fetch"))
                return -EAGAIN;
        pthread_mutex_lock(&p->lock);
        struct path *a = choose(p, f), *tcp = &p->path[HB_PATH_TCP];
        int r = give(a, f);
        /* A full path with work in flight says when it has room; one without would leave the run to nobody.
         */
        if (r < 0 && a != tcp && (r != -EAGAIN || f->urgent || a->in_flight == 0))
                r = give(tcp, f);
        pthread_mutex_unlock(&p->lock);
        return r;
}

/* ---- completions ---- */

static void finish(struct hb_paths *p, struct hb_fetch *f) {
        p->cb.done(p->cb.arg, f);
}

static void wait_in_line(struct hb_paths *p, struct hb_fetch *f, bool first) {
        first |= f->urgent;
        f->next = first ? p->waiting : NULL;
        if (first) {
                p->waiting = f;
                if (!f->next)
                        p->waiting_end = &f->next;
                return;
        }
        *p->waiting_end = f;
        p->waiting_end = &f->next;
}

static struct hb_fetch *next_in_line(struct hb_paths *p) {
        struct hb_fetch *f = p->waiting;
        if (!f)
                return NULL;
        p->waiting = f->next;
        if (!p->waiting)
                p->waiting_end = &p->waiting;
        f->next = NULL;
        return f;
}

/* What RDMA gave back goes to TCP, as far as that takes it. With the lock held. */
static void give_line_to_tcp(struct hb_paths *p) {
        struct path *tcp = &p->path[HB_PATH_TCP];
        struct hb_fetch *f;
        while ((f = next_in_line(p))) {
                int r = give(tcp, f);
                if (r == -EAGAIN && tcp->in_flight > tcp->users) { /* some that it has accepted */
                        wait_in_line(p, f, true);
                        return;
                }
                if (r == 0)
                        continue;
                f->status = -ECONNRESET;
                pthread_mutex_unlock(&p->lock);
                finish(p, f);
                pthread_mutex_lock(&p->lock);
        }
}

static void rest(struct path *a) {
        if (++a->bad < HB_PATHS_PATIENCE)
                return;
        a->rest_ns = a->rest_ns == 0 ? REST_NS : a->rest_ns * 2 > REST_MAX_NS ? REST_MAX_NS : a->rest_ns * 2;
        a->rests_til = hb_now_ns() + a->rest_ns;
        a->bad = 0;
}

static void count_done(struct path *a, const struct hb_fetch *f, bool probe) {
        double each = (double)f->wire_bytes / f->pages;
        a->bad = 0;
        a->rest_ns = 0;
        a->s.runs++;
        a->s.pages += f->pages;
        a->s.wire_bytes += f->wire_bytes;
        a->wire_per_page =
                a->wire_per_page > 0 ? a->wire_per_page + PAGE_GAIN * (each - a->wire_per_page) : each;
        if (!probe)
                hb_link_meter_moved(&a->meter, hb_now_ns(), f->wire_bytes, f->pages, 0);
}

static void on_done(void *arg, struct hb_fetch *f) {
        struct path *a = arg;
        struct hb_paths *p = a->p;
        bool again = false;
        pthread_mutex_lock(&p->lock);
        bool probe = a->probe == f;
        end(a, f);
        if (f->status == 0) {
                count_done(a, f, probe);
        } else {
                a->s.failed++;
                again = a == &p->path[HB_PATH_RDMA] && !p->closed;
                if (f->status != -ECONNRESET && f->status != -ENODATA) /* of this run alone */
                        rest(a);
        }
        if (again)
                wait_in_line(p, f, false);
        give_line_to_tcp(p);
        pthread_mutex_unlock(&p->lock);
        if (!again)
                finish(p, f);
}

/* ---- state ---- */

/* What is true now, in order: members' threads may see their connections come and go at the same time. */
static void tell(struct hb_paths *p) {
        pthread_mutex_lock(&p->state_lock);
        pthread_mutex_lock(&p->lock);
        bool now = false;
        for (unsigned i = 0; i < HB_PATHS; i++)
                now |= p->path[i].t && p->path[i].up;
        pthread_mutex_unlock(&p->lock);
        if (now != p->told && p->cb.state)
                p->cb.state(p->cb.arg, now);
        p->told = now;
        pthread_mutex_unlock(&p->state_lock);
}

static void on_state(void *arg, bool connected) {
        struct path *a = arg;
        struct hb_paths *p = a->p;
        pthread_mutex_lock(&p->lock);
        bool lost = a == &p->path[HB_PATH_RDMA] && !connected && !a->lost;
        bool say = lost && !a->leaving && !p->closed;
        a->lost |= lost;
        a->up = connected && !a->lost;
        pthread_mutex_unlock(&p->lock);
        tell(p);
        if (say && p->rdma_lost)
                p->rdma_lost(p->cb.arg);
}

/* ---- members ---- */

struct hb_fetcher_callbacks hb_paths_callbacks(hb_fetcher *h, enum hb_path which) {
        struct hb_paths *p = (struct hb_paths *)h;
        return (struct hb_fetcher_callbacks){.done = on_done, .state = on_state, .arg = &p->path[which]};
}

void hb_paths_set_tcp(hb_fetcher *h, hb_fetcher *tcp) {
        struct hb_paths *p = (struct hb_paths *)h;
        pthread_mutex_lock(&p->lock);
        p->path[HB_PATH_TCP].t = tcp;
        pthread_mutex_unlock(&p->lock);
        tell(p); /* it may have said before that it is connected */
}

hb_fetcher *hb_paths_tcp(hb_fetcher *h) {
        return ((struct hb_paths *)h)->path[HB_PATH_TCP].t;
}

hb_fetcher *hb_paths_rdma(hb_fetcher *h) {
        return ((struct hb_paths *)h)->path[HB_PATH_RDMA].t;
}

/* Nobody comes into it any more, and those who are inside have left. */
static hb_fetcher *take_out(struct path *a) {
        struct hb_paths *p = a->p;
        pthread_mutex_lock(&p->lock);
        hb_fetcher *t = a->t;
        a->t = NULL;
        a->leaving = true;
        while (a->users > 0)
                pthread_cond_wait(&p->idle, &p->lock);
        pthread_mutex_unlock(&p->lock);
        return t;
}

static void finish_member(struct path *a) {
        hb_fetcher *t = take_out(a);
        if (t) {
                t->ops->close(t);
                t->ops->fini(t);
        }
        pthread_mutex_lock(&a->p->lock);
        a->up = a->lost = a->leaving = false; /* the next one's word counts from here */
        pthread_mutex_unlock(&a->p->lock);
}

void hb_paths_set_rdma(hb_fetcher *h, hb_fetcher *rdma) {
        struct hb_paths *p = (struct hb_paths *)h;
        struct path *a = &p->path[HB_PATH_RDMA];
        if (a->t)
                finish_member(a);
        pthread_mutex_lock(&p->lock);
        a->t = rdma; /* it may have said already that it stands, or that it was lost */
        a->bad = 0;
        a->rest_ns = a->rests_til = 0;
        pthread_mutex_unlock(&p->lock);
        tell(p);
}

void hb_paths_set_cap(hb_fetcher *h, uint64_t bytes_per_s) {
        struct hb_paths *p = (struct hb_paths *)h;
        pthread_mutex_lock(&p->lock);
        p->cap = bytes_per_s;
        pthread_mutex_unlock(&p->lock);
}

void hb_paths_stats(hb_fetcher *h, struct hb_paths_stats *ret) {
        struct hb_paths *p = (struct hb_paths *)h;
        uint64_t now = hb_now_ns();
        struct hb_link_stats link;
        pthread_mutex_lock(&p->lock);
        ret->bulk = choose_bulk(p, now, &ret->why);
        ret->urgent = usable(&p->path[HB_PATH_RDMA], now) ? HB_PATH_RDMA : HB_PATH_TCP;
        for (unsigned i = 0; i < HB_PATHS; i++) {
                struct path *a = &p->path[i];
                hb_link_meter_get(&a->meter, now, &link);
                ret->path[i] = a->s;
                ret->path[i].up = a->up;
                ret->path[i].bytes_per_s = link.bytes_per_s;
                ret->path[i].wire_bytes_per_page = a->wire_per_page;
        }
        pthread_mutex_unlock(&p->lock);
}

/* ---- life ---- */

static void close_paths(hb_fetcher *h) {
        struct hb_paths *p = (struct hb_paths *)h;
        pthread_mutex_lock(&p->lock);
        p->closed = true;
        for (unsigned i = 0; i < HB_PATHS; i++) {
                struct path *a = &p->path[i];
                hb_fetcher *t = a->t;
                if (!t)
                        continue;
                a->users++;
                pthread_mutex_unlock(&p->lock);
                t->ops->close(t);
                pthread_mutex_lock(&p->lock);
                leave(a);
        }
        give_line_to_tcp(p); /* which takes none any more: they fail */
        pthread_mutex_unlock(&p->lock);
}

static hb_fetcher *fini(hb_fetcher *h) {
        struct hb_paths *p = (struct hb_paths *)h;
        if (!p)
                return NULL;
        close_paths(h);
        finish_member(&p->path[HB_PATH_RDMA]);
        finish_member(&p->path[HB_PATH_TCP]);
        tell(p);
        for (unsigned i = 0; i < HB_PATHS; i++)
                hb_link_meter_fini(&p->path[i].meter);
        pthread_cond_destroy(&p->idle);
        pthread_mutex_destroy(&p->state_lock);
        pthread_mutex_destroy(&p->lock);
        free(p);
        return NULL;
}

static const struct hb_fetcher_ops ops = {
        .name = "paths", .fetch = fetch, .close = close_paths, .fini = fini};

int hb_paths_new(const struct hb_fetcher_callbacks *cb, void (*rdma_lost)(void *arg), hb_fetcher **ret) {
        struct hb_paths *p = hb_fault("paths.new") ? NULL : calloc(1, sizeof *p);
        if (!p)
                return -ENOMEM;
        p->head.ops = &ops;
        p->cb = *cb;
        p->rdma_lost = rdma_lost;
        p->waiting_end = &p->waiting;
        pthread_mutex_init(&p->lock, NULL);
        pthread_mutex_init(&p->state_lock, NULL);
        pthread_cond_init(&p->idle, NULL);
        for (unsigned i = 0; i < HB_PATHS; i++) {
                p->path[i].p = p;
                hb_link_meter_init(&p->path[i].meter, hb_now_ns());
        }
        *ret = &p->head;
        return 0;
}
