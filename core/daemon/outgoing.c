/* outgoing: one session and one page server. However a session ends, lose() is what follows: connections cut,
 * a hand-over told, another dial after a while; so a target that answers nonsense costs no more than one that
 * is down. Loop thread; dialling of data connections is a job. */
#include "daemon/outgoing.h"
#include "base/clock.h"
#include "daemon/duplicates.h"
#include "daemon/events.h"
#include "daemon/hardware.h"
#include "daemon/migrate.h"
#include "daemon/outgoing_priv.h"
#include "daemon/recording.h"
#include "daemon/waiter.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BACKOFF_MIN_MS 250u
#define BACKOFF_MAX_MS 5000u
#define PLACED_DUE_NS  (30 * HB_NS_PER_S)

static void remember(struct hb_outgoing *p);

/* ---- page connections ---- */

struct dial_job { /* nothing in it is the placement's: it may outlive it */
        hb_tls *tls;
        char host[HB_NAME_MAX], address[128];
        uint8_t token[HB_TOKEN_SIZE];
        struct hb_data_conn conn;
        struct hb_err err;
};

static int dial_work(void *arg) {
        struct dial_job *j = arg;
        return hb_data_dial(j->tls, j->host, j->address, j->token, HB_DATA_PAGES, 10000, &j->conn, &j->err);
}

static void dial_done(void *owner, void *arg, int rc) {
        struct dial_job *j = arg;
        struct hb_outgoing *p = owner;
        p->dialling--;
        if (rc < 0) {
                p->last_error = j->err;
                hb_daemon_event_err(p->d, HB_LOG_WARNING, HB_ON_NETWORK, p->g->name, p->host,
                                    "dialling a page connection", &j->err);
                return;
        }
        if (!p->session || memcmp(p->placed.token, j->token, HB_TOKEN_SIZE) != 0)
                return; /* of an earlier session */
        hb_tcp_server_add(p->server,
                          &j->conn); /* takes it in any case; on failure we dial again in a second */
}

static void dial_drop(void *arg) {
        struct dial_job *j = arg;
        hb_data_conn_close(&j->conn);
        free(j);
}

static const struct hb_job_ops dial_data_job = {dial_work, dial_done, dial_drop};

static const char *address_of(struct hb_outgoing *p) {
        const struct hb_host_settings *h = hb_settings_host(p->d->settings, p->host);
        return h ? h->address : "";
}

static void top_up_connections(struct hb_outgoing *p) {
        struct hb_link_stats st;
        hb_tcp_server_stats(p->server, &st);
        p->connections = st.connections;
        unsigned want = p->placed.connections ? p->placed.connections : 1;
        while (p->session && st.connections + p->dialling < want) {
                struct dial_job *j = calloc(1, sizeof *j);
                if (!j)
                        return;
                j->tls = p->d->tls;
                j->conn.fd = -1;
                snprintf(j->host, sizeof j->host, "%s", p->host);
                snprintf(j->address, sizeof j->address, "%s", address_of(p));
                memcpy(j->token, p->placed.token, HB_TOKEN_SIZE);
                p->dialling++;
                if (hb_jobs_run(p->jobs, &dial_data_job, j) < 0) {
                        p->dialling--;
                        return;
                }
        }
}

/* ---- losing the session ---- */

static void retry_later(struct hb_outgoing *p) {
        p->state = HB_OUT_LOST;
        struct timeval tv = hb_timeval(hb_ms_to_ns((int)p->backoff_ms));
        event_add(p->retry, &tv);
        p->backoff_ms = p->backoff_ms * 2 > BACKOFF_MAX_MS ? BACKOFF_MAX_MS : p->backoff_ms * 2;
}

static void lose(struct hb_outgoing *p, const struct hb_err *why) {
        bool was_open = p->state == HB_OUT_OPEN;
        p->last_error = *why;
        p->session = hb_session_free(p->session);
        hb_tcp_server_cut(p->server); /* bound to the session that is over */
        hb_outgoing_rdma_stop(p);
        if (was_open || p->backoff_ms == BACKOFF_MIN_MS)
                hb_daemon_event_err(p->d, HB_LOG_WARNING, HB_ON_PLACEMENT, p->g->name, p->host,
                                    was_open ? "placement session lost" : "placing", why);
        p->since_ns = hb_now_ns();
        retry_later(p);
        hb_waiters_failed(p, why);
        if (was_open)
                hb_migrate_link(p->g->handover, false);
}

static void refuse(struct hb_outgoing *p, const struct hb_err *why) {
        if (p->session)
                hb_session_refuse(p->session, why);
        p->session = NULL;
        lose(p, why);
}

static void protocol_error(struct hb_outgoing *p, enum hb_msg_type type, const char *what) {
        struct hb_err e;
        hb_err_set(&e, -EPROTO, p->host, "update both daemons to the same version",
                   "a %s message about guest %s %s", hb_msg_name(type), p->g->name, what);
        refuse(p, &e);
}

/* ---- messages ---- */

static int send_place(struct hb_outgoing *p) {
        struct hb_guest *g = p->g;
        struct hb_msg_place m = {.shape = g->target->shape,
                                 .resident_pages = hb_page_map_resident_pages(g->map),
                                 .epoch_ms = (uint32_t)p->d->settings->epoch_ms,
                                 .secret_id = hb_duplicates_secret_id(p->d)};
        memcpy(m.placement, p->id, HB_ID_SIZE);
        snprintf(m.guest, sizeof m.guest, "%s", g->name);
        snprintf(m.kind, sizeof m.kind, "%s", g->kind);
        snprintf(m.vmm_version, sizeof m.vmm_version, "%s", g->info.vmm_version);
        struct hb_buf b = {0};
        hb_msg_place_put(&m, hb_session_version(p->session), &b);
        int r = b.failed ? -ENOMEM : hb_outgoing_send(p, HB_MSG_PLACE, b.data, b.len);
        hb_buf_free(&b);
        return r;
}

static void on_ready(void *arg, hb_session *s) {
        struct hb_outgoing *p = arg;
        p->state = HB_OUT_PLACING;
        p->placing_ns = hb_now_ns();
        if (send_place(p) < 0)
                p->placing_ns -= PLACED_DUE_NS; /* not from inside the dialling session's first callback */
}

/* The image is of an earlier life of this guest's map: of no use, and its epochs would lie. UNPLACED ends the
 * session, and the next one places anew. */
static void start_over(struct hb_outgoing *p) {
        hb_daemon_event(p->d, HB_LOG_WARNING, HB_ON_PLACEMENT, p->g->name, p->host, NULL,
                        "placement of %s on %s: the image there is of another tracking; starting over",
                        p->g->name, p->host);
        hb_outgoing_send(p, HB_MSG_UNPLACE, NULL, 0);
        hb_store_placement_remove(p->d->store, p->id);
        hb_id_random(p->id);
        hb_page_map_set_owner(p->g->map, p->id);
        remember(p);
}

static void on_placed(struct hb_outgoing *p, const uint8_t *payload, size_t size) {
        struct hb_guest *g = p->g;
        struct hb_msg_placed m;
        if (p->state != HB_OUT_PLACING ||
            hb_msg_placed_get(payload, size, hb_session_version(p->session), &m) < 0) {
                protocol_error(p, HB_MSG_PLACED,
                               p->state == HB_OUT_PLACING ? "cannot be read"
                                                          : "came without being asked for");
                return;
        }
        p->placed = m;
        if (m.processed > hb_page_map_epoch(g->map)) {
                start_over(p);
                return;
        }
        p->state = HB_OUT_OPEN;
        p->backoff_ms = BACKOFF_MIN_MS;
        p->since_ns = hb_now_ns();
        p->sent_epoch = m.processed;
        p->have_report = p->told_ready = false;
        hb_summary_coarse(p->encoder, hb_session_version(p->session) >= 2 &&
                                              g->target->shape.pages << HB_PAGE_SHIFT >=
                                                      p->d->settings->summary_blocks_bytes);
        hb_summary_reset(p->encoder);
        hb_outgoing_announce_since(p, m.processed);
        hb_outgoing_look_for_holes(p);
        hb_dup_guest_open(p);
        p->summary_tokens = 4.0 * (double)p->d->settings->summary_bytes_per_s;
        top_up_connections(p);
        hb_outgoing_rdma_check(p);
        if (p->draining)
                hb_outgoing_drain(p, true);
        hb_daemon_event(p->d, HB_LOG_NOTICE, HB_ON_PLACEMENT, p->g->name, p->host, NULL,
                        "placement of %s on %s: open, %llu pages there already fresh", g->name, p->host,
                        (unsigned long long)m.fresh_pages);
        hb_migrate_link(g->handover, true);
}

/* What is counted in pages of the guest cannot be more than it has. */
static bool plausible(const struct hb_msg_report *m, uint64_t pages) {
        return m->resident <= pages && m->fresh <= pages && m->stale <= pages && m->absent <= pages &&
               m->fetching <= pages && m->zero_pages <= pages;
}

static void on_report(struct hb_outgoing *p, const uint8_t *payload, size_t size) {
        struct hb_msg_report m;
        if (hb_msg_report_get(payload, size, hb_session_version(p->session), &m) < 0 ||
            !plausible(&m, p->g->target->shape.pages)) {
                protocol_error(p, HB_MSG_REPORT, "cannot be true");
                return;
        }
        p->report = m;
        p->have_report = true;
        p->report_ns = hb_now_ns();
        if (m.ready && !p->ready_ns)
                p->ready_ns = p->report_ns;
        hb_outgoing_track(p);
        hb_waiters_check(p);
        if (p->g->handover)
                hb_migrate_source_message(p, HB_MSG_REPORT, payload, size);
}

static void on_resync(struct hb_outgoing *p, const uint8_t *payload, size_t size) {
        struct hb_rd r = hb_rd_init(payload, size);
        uint32_t processed = hb_rd_u32(&r);
        if (!hb_rd_done(&r))
                protocol_error(p, HB_MSG_RESYNC, "cannot be read");
        else
                hb_outgoing_announce_since(p, processed);
}

static void on_detail(struct hb_outgoing *p, const uint8_t *payload, size_t size) {
        struct hb_bitmap blocks;
        if (hb_bitmap_init(&blocks, hb_blocks_of(p->g->target->shape.pages)) < 0)
                return; /* it may be left undone */
        bool ok = hb_session_version(p->session) >= 2 && hb_detail_decode(payload, size, &blocks) > 0;
        if (ok)
                hb_summary_ask(p->encoder, &blocks);
        hb_bitmap_fini(&blocks);
        if (!ok)
                protocol_error(p, HB_MSG_DETAIL, "cannot be read, or was not agreed on");
}

static void on_unplaced(struct hb_outgoing *p) {
        struct hb_err e;
        hb_err_set(&e, -ESTALE, p->g->name, "it is placed anew by itself", "%s gave the image up", p->host);
        lose(p, &e);
}

static void on_message(void *arg, hb_session *s, enum hb_msg_type type, const uint8_t *payload, size_t size) {
        struct hb_outgoing *p = arg;
        if (p->state != HB_OUT_OPEN && type != HB_MSG_PLACED && type != HB_MSG_UNPLACED)
                return; /* starting over: reports of the old image may be under way */
        switch (type) {
        case HB_MSG_PLACED:
                on_placed(p, payload, size);
                break;
        case HB_MSG_REPORT:
                on_report(p, payload, size);
                break;
        case HB_MSG_RESYNC:
                on_resync(p, payload, size);
                break;
        case HB_MSG_UNPLACED:
                on_unplaced(p);
                break;
        case HB_MSG_ASK:
                if (hb_dup_guest_asked(p, payload, size) < 0)
                        protocol_error(p, type, "cannot be read, or was not agreed on");
                break;
        case HB_MSG_DETAIL:
                on_detail(p, payload, size);
                break;
        case HB_MSG_PLACE:
        case HB_MSG_UNPLACE:
        case HB_MSG_SUMMARY:
        case HB_MSG_INVALIDATE:
        case HB_MSG_ZERO:
        case HB_MSG_DRAIN:
        case HB_MSG_TAGS:
        case HB_MSG_PRINTS:
                protocol_error(p, type, "does not belong here");
                break;
        default:
                hb_migrate_source_message(p, type, payload, size);
        }
}

static void on_closed(void *arg, hb_session *s, const struct hb_err *why) {
        lose(arg, why);
}

static const struct hb_session_callbacks session_cb = {on_ready, on_message, on_closed};

/* ---- dialling ---- */

static int check_host(const struct hb_settings *s, const char *host, const char *guest, struct hb_err *e) {
        const struct hb_host_settings *h = hb_settings_host(s, host);
        if (!h)
                return hb_err_set(e, -ENOENT, host,
                                  "add a [host.NAME] section with its address to the settings and reload",
                                  "unknown host");
        if (!hb_settings_allows(h->may_pull, guest))
                return hb_err_set(e, -EACCES, guest,
                                  "add the guest to may_pull in this host's section for it and reload",
                                  "the settings do not let host %s have this guest", host);
        return 0;
}

static void dial(struct hb_outgoing *p) {
        struct hb_err e;
        p->state = HB_OUT_CONNECTING;
        int r = check_host(p->d->settings, p->host, p->g->name, &e);
        if (r == 0)
                r = hb_session_dial(p->d->base, p->d->tls, p->host, address_of(p), &session_cb, p,
                                    &p->session, &e);
        if (r < 0) {
                p->last_error = e;
                retry_later(p);
        }
}

static void on_retry(evutil_socket_t fd, short what, void *arg) {
        struct hb_outgoing *p = arg;
        struct hb_handover *h = p->g->handover;
        if (h && !hb_ho_undoable(h->state) && !hb_ho_terminal(h->state)) {
                retry_later(p); /* released: whose guest it is must be known before anything is placed again;
                                   the hand-over asks */
                return;
        }
        dial(p);
}

static void on_ping(evutil_socket_t fd, short what, void *arg) {
        struct hb_outgoing *p = arg;
        struct hb_err e;
        if (p->state == HB_OUT_PLACING && hb_now_ns() - p->placing_ns > PLACED_DUE_NS) {
                hb_err_set(&e, -ETIMEDOUT, p->host, "look at the log of harbingerd on that host",
                           "no answer to PLACE of guest %s", p->g->name);
                refuse(p, &e);
        }
        if (p->state != HB_OUT_OPEN)
                return;
        hb_session_ping(p->session);
        top_up_connections(p);
        hb_outgoing_rdma_check(p);
}

void hb_outgoing_reloaded(struct hb_outgoing *p) {
        struct hb_err e;
        hb_outgoing_cap(p, p->d->settings->cap_bytes_per_s);
        hb_outgoing_rdma_check(p);
        if (!p->session || p->g->handover || check_host(p->d->settings, p->host, p->g->name, &e) == 0)
                return;
        refuse(p, &e);
}

/* ---- life ---- */

static int start_server(struct hb_outgoing *p, struct hb_err *e) {
        struct hb_guest *g = p->g;
        p->source.shape = &g->target->shape;
        for (unsigned i = 0; i < g->target->shape.nregions; i++)
                p->source.region_map[i] = g->target->regions[i].bytes_map;
        p->source.completed_epoch = &g->completed_epoch;
        struct hb_tcp_server_options o = {.cap_bytes_per_s = p->d->settings->cap_bytes_per_s,
                                          .zstd_level = p->d->settings->zstd_level,
                                          .producer = hb_hardware_producer(p->d)};
        return hb_tcp_server_new(&p->source, &o, &p->server, e);
}

static void remember(struct hb_outgoing *p) {
        struct hb_store_placement s = {.wall_ns = hb_wall_ns()};
        memcpy(s.id, p->id, HB_ID_SIZE);
        snprintf(s.guest, sizeof s.guest, "%s", p->g->name);
        snprintf(s.host, sizeof s.host, "%s", p->host);
        struct hb_err e;
        if (hb_store_placement_put(p->d->store, &s, &e) < 0)
                hb_daemon_event_err(p->d, HB_LOG_WARNING, HB_ON_PLACEMENT, p->g->name, p->host,
                                    "remembering the placement", &e);
}

int hb_outgoing_new(struct hb_guest *g, const char *host, const uint8_t *id, struct hb_err *e) {
        if (g->placement)
                return hb_err_set(e, -EEXIST, g->name, "harbinger unplace it first",
                                  "already placed on host %s", g->placement->host);
        if (g->gone)
                return hb_err_set(e, -ESRCH, g->name, "harbinger guest detach it",
                                  "the guest's process has ended");
        int r = check_host(g->d->settings, host, g->name, e);
        if (r < 0)
                return r;
        struct hb_outgoing *p = calloc(1, sizeof *p);
        if (!p)
                return hb_err_set(e, -ENOMEM, g->name, NULL, "no memory for a placement");
        p->d = g->d;
        p->g = g;
        snprintf(p->host, sizeof p->host, "%s", host);
        uint8_t owner[HB_ID_SIZE];
        hb_page_map_owner(g->map, owner);
        if (id && memcmp(owner, id, HB_ID_SIZE) == 0) {
                memcpy(p->id, id, HB_ID_SIZE);
        } else { /* new, or the map is not the one whose epochs the image counts by */
                if (id)
                        hb_store_placement_remove(g->d->store, id);
                hb_id_random(p->id);
                hb_page_map_set_owner(g->map, p->id);
        }
        p->backoff_ms = BACKOFF_MIN_MS;
        p->began_ns = p->since_ns = hb_now_ns();
        r = start_server(p, e);
        if (r < 0)
                goto fail;
        p->retry = event_new(g->d->base, -1, 0, on_retry, p);
        p->ping = event_new(g->d->base, -1, EV_PERSIST, on_ping, p);
        r = hb_err_set(e, -ENOMEM, g->name, NULL, "no memory for a placement");
        if (!p->retry || !p->ping || hb_summary_encoder_new(g->map, &p->encoder) < 0 ||
            hb_jobs_new(g->d->mailbox, "dial", p, &p->jobs) < 0 || hb_outgoing_rdma_new(p) < 0)
                goto fail;
        struct timeval second = {1, 0};
        event_add(p->ping, &second);
        g->placement = p;
        remember(p);
        hb_daemon_event(p->d, HB_LOG_NOTICE, HB_ON_PLACEMENT, g->name, host, NULL,
                        "placement of %s on %s: begun", g->name, host);
        dial(p);
        if (e)
                e->code = 0;
        return 0;
fail:
        hb_outgoing_free(p, false);
        return r;
}

void hb_outgoing_free(struct hb_outgoing *p, bool unplace) {
        if (!p)
                return;
        if (unplace) {
                if (p->state == HB_OUT_OPEN || p->state == HB_OUT_PLACING) /* PLACE may be under way */
                        hb_outgoing_send(p, HB_MSG_UNPLACE, NULL, 0);
                hb_store_placement_remove(p->d->store, p->id);
        }
        struct hb_err e;
        hb_err_set(&e, -ECANCELED, p->g->name, NULL, "the placement was given up");
        hb_waiters_failed(p, &e);
        p->jobs = hb_jobs_leave(p->jobs); /* a dial may take its 10 s */
        if (p->session && unplace)
                hb_session_refuse(p->session, &e); /* flushes UNPLACE first */
        else
                hb_session_free(p->session);
        hb_outgoing_rdma_free(p);
        p->server = hb_tcp_server_free(p->server);
        p->encoder = hb_summary_encoder_free(p->encoder);
        if (p->retry)
                event_free(p->retry);
        if (p->ping)
                event_free(p->ping);
        if (p->g->placement == p)
                p->g->placement = NULL;
        free(p);
}

bool hb_outgoing_usable(const struct hb_outgoing *p) {
        return p->session && p->state == HB_OUT_OPEN;
}

int hb_outgoing_send(struct hb_outgoing *p, enum hb_msg_type type, const void *payload, size_t size) {
        return p->session ? hb_session_send(p->session, type, payload, size) : -ENOTCONN;
}

void hb_outgoing_drain(struct hb_outgoing *p, bool on) {
        uint8_t v = on;
        if (p->g->recording && p->draining != on)
                hb_recording_drain(p->g->recording, on);
        p->draining = on;
        hb_outgoing_send(p, HB_MSG_DRAIN, &v, 1);
}

void hb_outgoing_cap(struct hb_outgoing *p, uint64_t bytes_per_s) {
        hb_tcp_server_set_cap(p->server, bytes_per_s);
}
