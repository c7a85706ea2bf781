/* incoming: wires one placement's engine to its session, its fetcher and its image. Transport threads only
 * append to the done queue; the loop drains it in one go, feeds the engine and lets it plan once. Losing the
 * session ends the fetcher too: everything in flight is settled as failed before anything else happens, so a
 * page is never FETCHING without a fetch. */
#include "daemon/incoming.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/pool.h"
#include "daemon/guest.h"
#include "daemon/migrate.h"
#include "map/announce.h"
#include "map/summary.h"
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define TICK_MS   100
#define REPORT_NS HB_NS_PER_S

/* ---- completions ---- */

struct hb_done_queue {
        struct hb_mail mail; /* first */
        pthread_mutex_t lock;
        struct hb_fetch *head, **tail;
        bool posted;
        struct hb_incoming *in; /* NULL: the placement is gone, free with the last mail */
        hb_mailbox *mailbox;
        hb_pool *pool;
};

static struct hb_fetch *take_all(struct hb_done_queue *q) {
        pthread_mutex_lock(&q->lock);
        struct hb_fetch *list = q->head;
        q->head = NULL;
        q->tail = &q->head;
        pthread_mutex_unlock(&q->lock);
        return list;
}

static void settle(struct hb_incoming *in, struct hb_fetch *f) {
        uint64_t now = hb_now_ns();
        if (f->status == 0)
                hb_engine_fetched(in->engine, now, f->gfn, f->pages, f->stamp, f->wire_bytes, f->zero_mask);
        else
                hb_engine_failed(in->engine, now, f->gfn, f->pages);
        hb_pool_put(in->done->pool, f);
}

static void settle_all(struct hb_incoming *in) {
        struct hb_fetch *f = take_all(in->done);
        while (f) {
                struct hb_fetch *next = f->next;
                settle(in, f);
                f = next;
        }
}

static void queue_free(struct hb_done_queue *q) {
        hb_pool_free(q->pool);
        pthread_mutex_destroy(&q->lock);
        free(q);
}

static void on_done_mail(struct hb_mail *m) {
        struct hb_done_queue *q = (struct hb_done_queue *)m;
        if (!q->in) {
                queue_free(q);
                return;
        }
        pthread_mutex_lock(&q->lock);
        q->posted = false; /* here alone: only now is the mail out of the mailbox */
        pthread_mutex_unlock(&q->lock);
        settle_all(q->in);
        hb_incoming_step(q->in);
}

static void on_fetch_done(void *arg, struct hb_fetch *f) {
        struct hb_done_queue *q = arg;
        pthread_mutex_lock(&q->lock);
        f->next = NULL;
        *q->tail = f;
        q->tail = &f->next;
        bool post = !q->posted;
        q->posted = true;
        pthread_mutex_unlock(&q->lock);
        if (post)
                hb_mailbox_post(q->mailbox, &q->mail, on_done_mail);
}

static void on_fetcher_state(void *arg, bool connected) {
}

static int queue_new(struct hb_incoming *in) {
        struct hb_done_queue *q = calloc(1, sizeof *q);
        if (!q)
                return -ENOMEM;
        pthread_mutex_init(&q->lock, NULL);
        q->tail = &q->head;
        q->in = in;
        q->mailbox = in->d->mailbox;
        unsigned runs = (unsigned)(in->d->settings->window_bytes * 4 / HB_PAGE_SIZE) + 64;
        if (hb_pool_new(sizeof(struct hb_fetch), runs, &q->pool) < 0) {
                queue_free(q);
                return -ENOMEM;
        }
        in->done = q;
        return 0;
}

/* After the fetcher is finished no new mail comes; one may be under way. */
static void queue_abandon(struct hb_incoming *in) {
        struct hb_done_queue *q = in->done;
        if (!q)
                return;
        in->done = NULL;
        pthread_mutex_lock(&q->lock);
        bool under_way = q->posted;
        pthread_mutex_unlock(&q->lock);
        q->in = NULL;
        if (!under_way)
                queue_free(q);
}

/* ---- the engine's wishes ---- */

static int op_fetch(void *arg, uint64_t gfn, uint32_t pages, enum hb_fetch_class c) {
        struct hb_incoming *in = arg;
        if (!in->fetcher)
                return -EAGAIN;
        struct hb_err e;
        if (hb_image_reserve_run(in->image, gfn, pages, &e) < 0) {
                if (!in->no_room)
                        hb_log_err(HB_LOG_ERR, "prefetching pauses", &e);
                in->no_room = true;
                return -EAGAIN;
        }
        in->no_room = false;
        struct hb_fetch *f = hb_pool_get(in->done->pool);
        if (!f)
                return -EAGAIN;
        f->gfn = gfn;
        f->pages = pages;
        f->urgent = c == HB_FETCH_DEMAND || c == HB_FETCH_FINAL;
        f->dst = hb_image_at(in->image, gfn);
        int r = in->fetcher->ops->fetch(in->fetcher, f);
        if (r < 0) {
                hb_pool_put(in->done->pool, f);
                return -EAGAIN;
        }
        return 0;
}

static void op_report(void *arg) {
        hb_incoming_report(arg);
}

static void op_complete(void *arg, uint32_t f) {
        struct hb_incoming *in = arg;
        if (in->completed)
                in->completed(in, f);
}

static void op_resync(void *arg, uint32_t processed) {
        struct hb_incoming *in = arg;
        struct hb_buf b = {0};
        hb_buf_u32(&b, processed);
        hb_incoming_send(in, HB_MSG_RESYNC, b.data, b.len);
        hb_buf_free(&b);
}

static const struct hb_engine_ops engine_ops = {op_fetch, op_report, op_complete, op_resync};

static int op_zero(void *arg, uint64_t gfn, uint64_t pages) {
        struct hb_incoming *in = arg;
        return hb_image_zero(in->image, gfn, pages);
}

/* ---- reports ---- */

static double no_inf(double v) {
        return isfinite(v) ? v : 1e12;
}

void hb_incoming_report(struct hb_incoming *in) {
        struct hb_engine_stats s;
        hb_engine_stats(in->engine, &s);
        struct hb_msg_report m = {.resident = s.resident,
                                  .fresh = s.fresh,
                                  .stale = s.stale,
                                  .absent = s.absent,
                                  .fetching = s.fetching,
                                  .zero_pages = s.zero_pages,
                                  .fetched_pages = s.fetched_pages,
                                  .fetched_bytes = s.fetched_bytes,
                                  .wire_bytes = s.wire_bytes,
                                  .wasted_pages = s.wasted_pages,
                                  .above_threshold = s.above_threshold,
                                  .hit = s.hit,
                                  .late = s.late,
                                  .stale_at_freeze = s.stale_at_freeze,
                                  .missing_at_freeze = s.missing_at_freeze,
                                  .final_pages = s.final_pages,
                                  .final_bytes = s.final_bytes,
                                  .threshold = no_inf(s.threshold),
                                  .precision = s.precision,
                                  .recall = s.recall,
                                  .wasted_share = s.wasted_share,
                                  .rate_bytes_per_s = s.rate_bytes_per_s,
                                  .processed = s.processed,
                                  .ready = s.ready,
                                  .draining = s.draining,
                                  .frozen = s.frozen,
                                  .digest = s.digest};
        bool converging = false;
        hb_engine_estimate(in->engine, &m.estimate_final_bytes, &m.estimate_final_s, &m.estimate_ready_s,
                           &converging);
        m.estimate_final_bytes = no_inf(m.estimate_final_bytes);
        m.estimate_final_s = no_inf(m.estimate_final_s);
        m.estimate_ready_s = no_inf(m.estimate_ready_s);
        m.converging = converging;
        struct hb_buf b = {0};
        hb_msg_report_put(&m, &b);
        if (!b.failed)
                hb_incoming_send(in, HB_MSG_REPORT, b.data, b.len);
        hb_buf_free(&b);
        in->last_report_ns = hb_now_ns();
}

void hb_incoming_step(struct hb_incoming *in) {
        hb_engine_step(in->engine, hb_now_ns());
}

static void feed_link(struct hb_incoming *in, uint64_t now) {
        if (!in->fetcher)
                return;
        struct hb_link_stats st;
        hb_tcp_fetcher_stats(in->fetcher, &st);
        double rate = st.bytes_per_s > 0 ? st.bytes_per_s : 0;
        struct hb_policy_link l = {.latency_s = st.latency_s,
                                   .bytes_per_s = rate,
                                   .free_bytes_per_s = rate * (1 - st.used_share),
                                   .used_share = st.used_share,
                                   .cap_bytes_per_s = (double)in->d->settings->cap_bytes_per_s};
        hb_engine_link(in->engine, now, &l);
}

static void on_tick(evutil_socket_t fd, short what, void *arg) {
        struct hb_incoming *in = arg;
        uint64_t now = hb_now_ns();
        feed_link(in, now);
        hb_incoming_step(in);
        struct hb_engine_stats s;
        hb_engine_stats(in->engine, &s);
        if (in->session && (s.draining || now - in->last_report_ns >= REPORT_NS))
                hb_incoming_report(in);
}

/* ---- messages ---- */

static void link_down(struct hb_incoming *in);

static void protocol_error(struct hb_incoming *in, enum hb_msg_type type) {
        struct hb_err e;
        hb_err_set(&e, -EPROTO, in->host, "update both daemons to the same version",
                   "a %s message of guest %s cannot be read", hb_msg_name(type), in->guest);
        hb_log_err(HB_LOG_ERR, "placement", &e);
        hb_session_refuse(in->session, &e);
        in->session = NULL;
        link_down(in);
}

static void on_announce(struct hb_incoming *in, enum hb_msg_type type, const uint8_t *p, size_t n) {
        struct hb_announce a;
        if (hb_announce_decode(p, n, &a, &in->scratch) < 0) {
                protocol_error(in, type);
                return;
        }
        if (a.more)
                return;
        uint64_t now = hb_now_ns();
        if (type == HB_MSG_ZERO) {
                hb_engine_zero(in->engine, now, a.to, &in->scratch);
        } else {
                hb_engine_invalidate(in->engine, now, a.from, a.to, &in->scratch);
                hb_image_set_processed(in->image, in->processed);
        }
        hb_bitmap_clear_all(&in->scratch);
        hb_incoming_step(in);
}

struct summary_arg {
        struct hb_incoming *in;
        uint64_t now;
        uint32_t epoch;
};

static void on_summary_entry(void *arg, const struct hb_summary_entry *e) {
        struct summary_arg *s = arg;
        hb_engine_summary(s->in->engine, s->now, s->epoch, e);
}

static void on_summary(struct hb_incoming *in, const uint8_t *p, size_t n) {
        struct summary_arg s = {in, hb_now_ns(),
                                in->processed}; /* a summary never steers freshness: our own epoch will do */
        uint32_t epoch;
        uint64_t time_ns;
        if (hb_summary_decode(p, n, in->shape.pages, &epoch, &time_ns, on_summary_entry, &s) < 0)
                protocol_error(in, HB_MSG_SUMMARY);
}

static void on_message(void *arg, hb_session *s, enum hb_msg_type type, const uint8_t *p, size_t n) {
        struct hb_incoming *in = arg;
        switch (type) {
        case HB_MSG_INVALIDATE:
        case HB_MSG_ZERO:
                on_announce(in, type, p, n);
                break;
        case HB_MSG_SUMMARY:
                on_summary(in, p, n);
                break;
        case HB_MSG_DRAIN:
                hb_engine_drain(in->engine, hb_now_ns(), n == 1 && p[0]);
                hb_incoming_step(in);
                break;
        case HB_MSG_UNPLACE:
                if (in->handover) { /* it uses the image until it has ended */
                        in->unplace_due = true;
                        break;
                }
                hb_incoming_send(in, HB_MSG_UNPLACED, NULL, 0);
                hb_log(HB_LOG_NOTICE, "placement of %s from %s: given up by its source", in->guest, in->host);
                hb_daemon_history(in->d, "placement", in->guest, in->host, in->d->settings->name, "unplaced",
                                  NULL);
                hb_incoming_free(in, HB_IN_REMOVE);
                break;
        default:
                hb_migrate_target_message(in, type, p, n);
        }
}

static void on_closed(void *arg, hb_session *s, const struct hb_err *why) {
        struct hb_incoming *in = arg;
        hb_log_err(HB_LOG_WARNING, "placement session lost", why);
        link_down(in);
}

static const struct hb_session_callbacks session_cb = {NULL, on_message, on_closed};

/* ---- link up and down ---- */

static void stop_fetching(struct hb_incoming *in) {
        if (in->fetcher) {
                in->fetcher->ops->close(in->fetcher);
                in->fetcher = in->fetcher->ops->fini(in->fetcher);
                settle_all(in);
        }
}

static void link_down(struct hb_incoming *in) {
        in->session = hb_session_free(in->session);
        stop_fetching(in);
        hb_engine_reconnected(in->engine, hb_now_ns());
        hb_migrate_link(in->d, in->guest, false);
}

static int link_up(struct hb_incoming *in, hb_session *s, struct hb_err *e) {
        if (in->session) { /* the source dialled again before we noticed */
                in->session = hb_session_free(in->session);
                stop_fetching(in);
        }
        struct hb_tcp_fetcher_options o = {0};
        struct hb_fetcher_callbacks cb = {on_fetch_done, on_fetcher_state, in->done};
        int r = hb_tcp_fetcher_new(&o, &cb, &in->fetcher, e);
        if (r < 0)
                return r;
        if (getrandom(in->token, sizeof in->token, 0) != (ssize_t)sizeof in->token)
                return hb_err_set(e, -EIO, in->guest, NULL, "no random numbers from the kernel");
        in->session = s;
        hb_session_set(s, &session_cb, in);
        hb_engine_reconnected(in->engine, hb_now_ns());
        hb_bitmap_clear_all(&in->scratch);
        struct hb_engine_stats st;
        hb_engine_stats(in->engine, &st);
        struct hb_msg_placed m = {.processed = in->processed,
                                  .fresh_pages = st.fresh,
                                  .connections = (uint32_t)in->d->settings->connections};
        memcpy(m.token, in->token, sizeof m.token);
        struct hb_buf b = {0};
        hb_msg_placed_put(&m, &b);
        r = b.failed ? -ENOMEM : hb_incoming_send(in, HB_MSG_PLACED, b.data, b.len);
        hb_buf_free(&b);
        hb_incoming_report(in);
        hb_migrate_link(in->d, in->guest, true);
        return r;
}

/* ---- PLACE ---- */

static int check_place(hb_daemon *d, const char *host, const struct hb_msg_place *m, struct hb_err *e) {
        const struct hb_host_settings *h = hb_settings_host(d->settings, host);
        if (!h)
                return hb_err_set(e, -EACCES, host,
                                  "add a [host.NAME] section for it to the target's settings and reload",
                                  "host %s does not know this host", d->settings->name);
        if (!hb_settings_allows(h->may_push, m->guest))
                return hb_err_set(
                        e, -EACCES, m->guest,
                        "add the guest to may_push in the target's section for that host and reload",
                        "host %s does not let %s place this guest", d->settings->name, host);
        if (hb_guest_find(d, m->guest))
                return hb_err_set(e, -EEXIST, m->guest, "harbinger guest list, on the target",
                                  "a guest of this name runs on %s already", d->settings->name);
        struct hb_incoming *in = hb_incoming_find(d, m->guest);
        if (in && strcmp(in->host, host) != 0)
                return hb_err_set(e, -EEXIST, m->guest,
                                  "harbinger unplace it on the host that placed it, or on the target",
                                  "%s already holds another placement of this guest, from %s",
                                  d->settings->name, in->host);
        if (in && memcmp(in->id, m->placement, HB_ID_SIZE) != 0) {
                /* Its own source has begun anew (it lost its map, or unplaced it while we were away): the old
                 * image's epochs mean nothing any more. */
                if (in->handover)
                        return hb_err_set(e, -EBUSY, m->guest, "harbinger migrate --recover it on the target",
                                          "%s is still in a hand-over of this guest", d->settings->name);
                hb_incoming_free(in, HB_IN_REMOVE);
                in = NULL;
        }
        if (in && !hb_shape_equal(&in->shape, &m->shape))
                return hb_err_set(e, -EINVAL, m->guest, "harbinger unplace, then place again",
                                  "the guest's memory has changed its shape");
        return 0;
}

static int make_engine(struct hb_incoming *in, struct hb_err *e) {
        const hb_settings *s = in->d->settings;
        struct hb_policy_options po = {
                .dir = s->policy_dir, .names = {s->predictor, s->scorer, s->threshold}, .seed = 1};
        int r = hb_policies_new(&po, &in->policies, e);
        if (r < 0)
                return r;
        struct hb_engine_options eo = {.window_bytes = s->window_bytes,
                                       .run_pages = HB_FETCH_MAX_PAGES,
                                       .final_epoch_s = 0.05,
                                       .horizon_s = s->horizon_s};
        struct hb_engine_image ei = {.shape = hb_image_shape(in->image),
                                     .pages = hb_image_pages(in->image),
                                     .processed = &in->processed,
                                     .zero = op_zero,
                                     .arg = in};
        in->processed = hb_image_processed(in->image);
        r = hb_engine_new(&eo, &ei, in->policies, &engine_ops, in, &in->engine);
        return r < 0 ? hb_err_set(e, r, in->guest, NULL, "cannot set up the engine") : 0;
}

static void remember(struct hb_incoming *in) {
        struct hb_store_placement s = {.incoming = true, .wall_ns = hb_wall_ns()};
        memcpy(s.id, in->id, HB_ID_SIZE);
        snprintf(s.guest, sizeof s.guest, "%s", in->guest);
        snprintf(s.host, sizeof s.host, "%s", in->host);
        snprintf(s.image_dir, sizeof s.image_dir, "%s", in->dir);
        struct hb_err e;
        if (hb_store_placement_put(in->d->store, &s, &e) < 0)
                hb_log_err(HB_LOG_WARNING, "remembering the placement", &e);
}

static int incoming_new(hb_daemon *d, const char *host, const struct hb_msg_place *m,
                        struct hb_incoming **ret, struct hb_err *e) {
        struct hb_incoming *in = calloc(1, sizeof *in);
        if (!in)
                return hb_err_set(e, -ENOMEM, m->guest, NULL, "no memory for a placement");
        in->d = d;
        in->shape = m->shape;
        in->began_ns = hb_now_ns();
        memcpy(in->id, m->placement, HB_ID_SIZE);
        snprintf(in->guest, sizeof in->guest, "%s", m->guest);
        snprintf(in->host, sizeof in->host, "%s", host);
        snprintf(in->kind, sizeof in->kind, "%s", m->kind);
        snprintf(in->dir, sizeof in->dir, "%s", d->settings->image_dir);
        struct hb_image_id id = {0};
        memcpy(id.placement, in->id, HB_ID_SIZE);
        snprintf(id.guest, sizeof id.guest, "%s", in->guest);
        snprintf(id.source, sizeof id.source, "%s", host);
        bool resumed = false;
        int r = hb_image_open(in->dir, &id, &in->shape, m->resident_pages * HB_PAGE_SIZE, &in->image,
                              &resumed, e);
        if (r < 0)
                goto fail;
        r = hb_bitmap_init(&in->scratch, in->shape.pages);
        if (r == 0)
                r = queue_new(in);
        if (r < 0) {
                hb_err_set(e, r, m->guest, NULL, "no memory for a placement");
                goto fail;
        }
        r = make_engine(in, e);
        if (r < 0)
                goto fail;
        in->tick = event_new(d->base, -1, EV_PERSIST, on_tick, in);
        struct timeval tv = hb_timeval(hb_ms_to_ns(TICK_MS));
        event_add(in->tick, &tv);
        in->next = d->incoming;
        d->incoming = in;
        remember(in);
        hb_log(HB_LOG_NOTICE, "placement of %s from %s: image in %s%s", in->guest, host, in->dir,
               resumed ? ", resumed" : "");
        *ret = in;
        return 0;
fail:
        hb_incoming_free(in, resumed ? HB_IN_KEEP : HB_IN_REMOVE);
        return r;
}

void hb_incoming_place(hb_daemon *d, hb_session *s, const uint8_t *payload, size_t size) {
        struct hb_msg_place m;
        struct hb_err e = {0};
        const char *host = hb_session_host(s);
        struct hb_incoming *in = NULL;
        if (hb_msg_place_get(payload, size, &m) < 0) {
                hb_err_set(&e, -EBADMSG, host, "update both daemons to the same version",
                           "a PLACE message cannot be read");
        } else if (check_place(d, host, &m, &e) == 0) {
                in = hb_incoming_find(d, m.guest);
                if (!in)
                        incoming_new(d, host, &m, &in, &e);
        }
        if (in && link_up(in, s, &e) == 0)
                return;
        hb_log_err(HB_LOG_WARNING, "refusing a placement", &e);
        if (in && in->session == s)
                in->session = NULL;
        hb_session_refuse(s, &e);
}

struct hb_incoming *hb_incoming_find(hb_daemon *d, const char *guest) {
        for (struct hb_incoming *in = d->incoming; in; in = in->next)
                if (strcmp(in->guest, guest) == 0)
                        return in;
        return NULL;
}

struct hb_incoming *hb_incoming_by_token(hb_daemon *d, const uint8_t token[HB_TOKEN_SIZE]) {
        for (struct hb_incoming *in = d->incoming; in; in = in->next) {
                uint8_t diff = 0;
                for (unsigned i = 0; i < HB_TOKEN_SIZE;
                     i++) /* no early end: a guess learns nothing from the time it took */
                        diff |= (uint8_t)(in->token[i] ^ token[i]);
                if (in->session && diff == 0)
                        return in;
        }
        return NULL;
}

int hb_incoming_data(struct hb_incoming *in, struct hb_data_conn *c) {
        if (strcmp(c->host, in->host) != 0 || !in->fetcher)
                return -EACCES;
        if (c->kind == HB_DATA_TUNNEL)
                return hb_migrate_tunnel(in, c);
        int r = hb_tcp_fetcher_add(in->fetcher, c);
        if (r == 0)
                hb_incoming_step(in);
        return r;
}

int hb_incoming_send(struct hb_incoming *in, enum hb_msg_type type, const void *payload, size_t size) {
        return in->session ? hb_session_send(in->session, type, payload, size) : -ENOTCONN;
}

void hb_incoming_free(struct hb_incoming *in, enum hb_incoming_end how) {
        if (!in)
                return;
        if (how != HB_IN_KEEP)
                hb_store_placement_remove(in->d->store, in->id);
        if (in->fetcher) {
                in->fetcher->ops->close(in->fetcher);
                in->fetcher = in->fetcher->ops->fini(in->fetcher);
        }
        if (in->done && in->engine)
                settle_all(in);
        queue_abandon(in);
        if (in->tick)
                event_free(in->tick);
        in->engine = hb_engine_free(in->engine);
        in->policies = hb_policies_free(in->policies);
        if (in->image && how == HB_IN_REMOVE)
                hb_image_remove(in->image);
        else if (in->image && how == HB_IN_RELEASE)
                hb_image_release(in->image);
        else
                hb_image_free(in->image);
        hb_bitmap_fini(&in->scratch);
        if (in->session && how != HB_IN_KEEP)
                hb_arrival_adopt(
                        in->d,
                        in->session); /* what was sent last still has to leave; the source may place again */
        else
                hb_session_free(in->session);
        for (struct hb_incoming **p = &in->d->incoming; *p; p = &(*p)->next)
                if (*p == in) {
                        *p = in->next;
                        break;
                }
        free(in);
}
