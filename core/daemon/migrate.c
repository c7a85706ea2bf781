/* migrate: the driver. It knows the table's rules and no action: a transition replaces the entry's list of
 * actions and raises the generation, so the outcome of an action begun for an earlier entry is recognised and
 * dropped, and the next entry's actions begin when it has ended. Loop thread. */
#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "daemon/events.h"
#include "daemon/migrate_job.h"
#include "daemon/recover.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void run_actions(struct hb_handover *h);

static void on_timeout(evutil_socket_t fd, short what, void *arg);

struct hb_handover *hb_handover_new(hb_daemon *d, enum hb_role role, const uint8_t id[HB_ID_SIZE],
                                    const char *guest, const char *peer) {
        struct hb_handover *h = calloc(1, sizeof *h);
        if (!h)
                return NULL;
        h->d = d;
        h->role = role;
        h->state = role == HB_ROLE_SOURCE ? HB_S_PREPARE : HB_T_PREPARE;
        memcpy(h->id, id, HB_ID_SIZE);
        snprintf(h->guest, sizeof h->guest, "%s", guest);
        snprintf(h->peer, sizeof h->peer, "%s", peer);
        h->vmm_pidfd = h->stream_fd = h->tunnel_conn.fd = -1;
        h->state_since_ns = h->fig.asked_ns = hb_now_ns();
        h->next = d->handovers;
        d->handovers = h;
        h->timer = event_new(d->base, -1, 0, on_timeout, h);
        h->end = event_new(d->base, -1, 0, hb_migrate_on_end, h);
        if (h->timer && h->end && hb_jobs_new(d->mailbox, "move", h, &h->jobs) == 0)
                return h;
        hb_handover_free(h);
        return NULL;
}

struct hb_handover *hb_handover_find(hb_daemon *d, const char *guest) {
        for (struct hb_handover *h = d->handovers; h; h = h->next)
                if (strcmp(h->guest, guest) == 0)
                        return h;
        return NULL;
}

struct hb_handover *hb_handover_by_id(hb_daemon *d, const uint8_t id[HB_ID_SIZE]) {
        for (struct hb_handover *h = d->handovers; h; h = h->next)
                if (memcmp(h->id, id, HB_ID_SIZE) == 0)
                        return h;
        return NULL;
}

void hb_handover_why(struct hb_handover *h, const struct hb_err *e) {
        if (e && e->code && !h->why.code)
                h->why = *e;
}

static void add_memory(struct hb_handover *h, const char *path) {
        size_t used = strlen(h->memory);
        int n = snprintf(h->memory + used, sizeof h->memory - used, "%s\n", path);
        if (n < 0 || (size_t)n >= sizeof h->memory - used)
                h->memory[used] = '\0';
}

/* Target: the image's files. Source: which of the guest's memory files an earlier hand-over made here: named
 * as an image is, in our folder, and the very file. */
void hb_handover_note_memory(struct hb_handover *h) {
        for (unsigned i = 0; h->in && i < h->in->shape.nregions; i++)
                add_memory(h, hb_image_region_path(h->in->image, i));
        if (!h->g)
                return;
        const hb_target *t = h->g->target;
        for (unsigned i = 0; i < t->shape.nregions; i++) {
                char path[512];
                struct stat st;
                snprintf(path, sizeof path, "%s/%s.%s.img", h->d->settings->image_dir, h->guest,
                         t->regions[i].name);
                if (stat(path, &st) < 0 || st.st_dev != t->regions[i].dev || st.st_ino != t->regions[i].ino)
                        continue;
                add_memory(h, path);
        }
}

int hb_handover_record(struct hb_handover *h, struct hb_err *e) {
        struct hb_journal_entry j = {.wall_ns = hb_wall_ns(), .open = !hb_ho_terminal(h->state)};
        memcpy(j.id, h->id, sizeof j.id);
        snprintf(j.guest, sizeof j.guest, "%s", h->guest);
        snprintf(j.peer, sizeof j.peer, "%s", h->peer);
        snprintf(j.state, sizeof j.state, "%s", hb_ho_state_name(h->state));
        snprintf(j.port_kind, sizeof j.port_kind, "%s", h->port_kind);
        snprintf(j.port_path, sizeof j.port_path, "%s", h->port_path);
        snprintf(j.detail, sizeof j.detail, "%s", h->why.what);
        snprintf(j.image, sizeof j.image, "%s", h->memory);
        return hb_journal_put(h->d->store, &j, e);
}

/* ---- events ---- */

static void on_timeout(evutil_socket_t fd, short what, void *arg) {
        struct hb_handover *h = arg;
        struct hb_err e;
        hb_err_set(&e, -ETIMEDOUT, h->guest, NULL, "took too long: %s", hb_ho_state_text(h->state));
        const struct hb_ho_transition *t = hb_ho_next(h->state, HB_EV_TIMEOUT);
        if (t && t->to != t->from && (t->to == HB_S_ABORT || t->to == HB_T_ABORT)) /* others only ask again */
                hb_handover_why(h, &e);
        hb_handover_event(h, HB_EV_TIMEOUT);
}

static void arm_timeout(struct hb_handover *h) {
        event_del(h->timer);
        int ms = hb_ho_timeout_ms(h->state);
        struct timeval tv = hb_timeval(hb_ms_to_ns(ms));
        if (ms > 0)
                event_add(h->timer, &tv);
}

/* False: a state that is to be in the journal is not. */
static bool enter(struct hb_handover *h, const struct hb_ho_transition *t, enum hb_ho_event ev,
                  struct hb_err *e) {
        hb_daemon_event(h->d, HB_LOG_INFO, HB_ON_MIGRATION, h->guest, h->peer, NULL,
                        "hand-over of %s: %s: %s --%s--> %s", h->guest, hb_ho_state_text(t->to),
                        hb_ho_state_name(h->state), hb_ho_event_name(ev), hb_ho_state_name(t->to));
        bool moved = t->to != h->state || ev == HB_EV_TIMEOUT || ev == HB_EV_RECOVER;
        if (h->state == HB_S_CONVERGE && t->to != HB_S_CONVERGE)
                hb_migrate_left_converge(h);
        if (moved)
                hb_handover_job_cancel(h);
        if (h->waiting) /* for something that is not a job: it will not come, or come and be ignored */
                h->waiting = h->busy = false;
        uint64_t now = hb_now_ns();
        h->fig.in_state_ns[h->state] += now - h->state_since_ns;
        h->state = t->to;
        h->state_since_ns = now;
        memcpy(h->actions, t->actions, sizeof h->actions);
        h->next_action = 0;
        h->generation++;
        arm_timeout(h);
        bool recorded = true;
        if (h->state == HB_S_DONE ||
            h->state == HB_S_DEAD) /* before the journal is closed: nobody would come back */
                hb_recover_remove_files(h->memory);
        if (hb_ho_recorded(h->state) && hb_handover_record(h, e) < 0) {
                recorded = false;
                hb_daemon_event_err(h->d, HB_LOG_ERR, HB_ON_MIGRATION, h->guest, h->peer,
                                    "writing the journal",
                                    e); /* the former record stands; recovery goes on from there */
        }
        /* A named point at each state, so that tests can kill either side exactly there. */
        char point[48];
        snprintf(point, sizeof point, "handover.%s", hb_ho_state_name(h->state));
        hb_fault(point);
        return recorded;
}

static bool link_up(const struct hb_handover *h) {
        if (h->role == HB_ROLE_SOURCE)
                return h->g && h->g->placement && hb_outgoing_usable(h->g->placement);
        return h->in && h->in->session;
}

void hb_handover_event(struct hb_handover *h, enum hb_ho_event ev) {
        const struct hb_ho_transition *t = hb_ho_next(h->state, ev);
        if (!t) {
                hb_log(HB_LOG_DEBUG, "hand-over of %s: %s means nothing in %s", h->guest,
                       hb_ho_event_name(ev), hb_ho_state_name(h->state));
                return;
        }
        if (ev == HB_EV_LINK_LOST && (t->to == HB_S_ABORT || t->to == HB_T_ABORT)) {
                struct hb_err lost;
                hb_err_set(&lost, -ECONNRESET, h->guest,
                           "harbinger status; the placement connects again by itself",
                           "the link to host %s was lost during the move", h->peer);
                hb_handover_why(h, &lost);
        }
        enum hb_ho_state before = h->state;
        struct hb_err e;
        if (!enter(h, t, ev, &e) && ev == HB_EV_START) { /* without a record it does not begin */
                hb_handover_why(h, &e);
                hb_handover_event(h, HB_EV_FAIL);
                return;
        }
        bool reachable = link_up(h) || (h->ask && h->ask_ready);
        if (!reachable && before != h->state && ev != HB_EV_LINK_LOST &&
            hb_ho_next(h->state, HB_EV_LINK_LOST)) {
                hb_handover_event(h, HB_EV_LINK_LOST);
                return;
        }
        if (!h->busy)
                run_actions(h);
}

/* ---- actions ---- */

bool hb_handover_entry_done(const struct hb_handover *h) {
        return !h->busy && (h->next_action >= HB_HO_MAX_ACTIONS || h->actions[h->next_action] == HB_ACT_NONE);
}

static void finish_entry(struct hb_handover *h) {
        if (h->actions[0] != HB_ACT_NONE)
                hb_handover_event(h, HB_EV_OK);
}

static void run_actions(struct hb_handover *h) {
        while (h->next_action < HB_HO_MAX_ACTIONS && h->actions[h->next_action] != HB_ACT_NONE) {
                enum hb_ho_action a = h->actions[h->next_action++];
                if (a == HB_ACT_FINISHED) {
                        hb_migrate_ended(h);
                        return;
                }
                if (a == HB_ACT_SEND_QUERY) {
                        hb_migrate_ask(h);
                        return; /* an answer, or the next time-out, goes on */
                }
                h->busy = true;
                unsigned generation = h->generation;
                bool done = h->role == HB_ROLE_SOURCE ? hb_migrate_source_action(h, a)
                                                      : hb_migrate_target_action(h, a);
                if (!done)
                        return;
                h->busy = false;
                if (generation != h->generation)
                        return;
        }
        finish_entry(h);
}

void hb_handover_done(struct hb_handover *h, unsigned generation, int rc, const struct hb_err *e) {
        h->busy = h->waiting = false;
        if (generation != h->generation) {
                run_actions(h);
                return;
        }
        if (rc >= 0) {
                run_actions(h);
                return;
        }
        hb_handover_why(h, e);
        if (e && e->code)
                hb_daemon_event_err(h->d, HB_LOG_WARNING, HB_ON_MIGRATION, h->guest, h->peer,
                                    hb_ho_state_text(h->state), e);
        h->next_action = HB_HO_MAX_ACTIONS;
        bool gone = rc == -ESRCH && hb_ho_next(h->state, HB_EV_VMM_GONE);
        hb_handover_event(h, gone ? HB_EV_VMM_GONE : HB_EV_FAIL);
}

/* ---- messages, tunnel, VMM ---- */

int hb_handover_send(struct hb_handover *h, enum hb_msg_type type, const void *more, size_t size) {
        struct hb_buf b = {0};
        hb_buf_raw(&b, h->id, HB_ID_SIZE);
        hb_buf_raw(&b, more, size);
        int r = b.failed ? -ENOMEM : -ENOTCONN;
        if (!b.failed && link_up(h))
                r = h->role == HB_ROLE_SOURCE ? hb_outgoing_send(h->g->placement, type, b.data, b.len)
                                              : hb_incoming_send(h->in, type, b.data, b.len);
        else if (!b.failed && h->ask && h->ask_ready)
                r = hb_session_send(h->ask, type, b.data, b.len);
        hb_buf_free(&b);
        return r;
}

void hb_handover_tunnel_ended(struct hb_handover *h, uint64_t bytes, const struct hb_err *e) {
        h->fig.tunnel_bytes = bytes;
        hb_log(HB_LOG_DEBUG, "hand-over of %s: device-state tunnel ended, %llu bytes", h->guest,
               (unsigned long long)bytes);
        /* A target that has taken the guest lets go of the tunnel: no news then. */
        bool moved = h->state == HB_S_FINISH || h->state == HB_S_DONE;
        if (e->code)
                hb_daemon_event_err(h->d, moved ? HB_LOG_DEBUG : HB_LOG_WARNING, HB_ON_MIGRATION, h->guest,
                                    h->peer, "device-state tunnel", e);
}

static void on_vmm_gone(evutil_socket_t fd, short what, void *arg) {
        struct hb_handover *h = arg;
        struct hb_err e;
        hb_err_set(&e, -ESRCH, h->guest, NULL, "the VMM on host %s ended by itself", h->d->settings->name);
        if (!hb_ho_terminal(h->state) && h->state != HB_S_FINISH && h->state != HB_T_ABORT &&
            h->state != HB_T_UNLOAD)
                hb_handover_why(h, &e);
        event_del(h->vmm_event);
        hb_handover_event(h, HB_EV_VMM_GONE);
}

void hb_handover_watch_vmm(struct hb_handover *h, pid_t pid) {
        if (h->vmm_event)
                return;
        h->vmm_pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
        if (h->vmm_pidfd < 0)
                return;
        h->vmm_event = event_new(h->d->base, h->vmm_pidfd, EV_READ, on_vmm_gone, h);
        if (h->vmm_event)
                event_add(h->vmm_event, NULL);
}

void hb_handover_free(struct hb_handover *h) {
        if (!h)
                return;
        hb_handover_job_cancel(h);
        h->jobs = hb_jobs_free(h->jobs);
        h->tunnel = hb_tunnel_free(h->tunnel);
        hb_migrate_ask_free(h);
        if (h->timer)
                event_free(h->timer);
        if (h->end)
                event_free(h->end);
        if (h->poll)
                event_free(h->poll);
        if (h->progress)
                event_free(h->progress);
        if (h->vmm_event)
                event_free(h->vmm_event);
        if (h->vmm_pidfd >= 0)
                close(h->vmm_pidfd);
        if (h->stream_fd >= 0)
                close(h->stream_fd);
        hb_data_conn_close(&h->tunnel_conn);
        if (h->port && h->own_port)
                h->port->ops->close(h->port);
        if (h->g) {
                h->g->handover = NULL;
                h->g->scanned = NULL;
                h->g->looked = NULL;
        }
        if (h->in) {
                h->in->handover = NULL;
                h->in->completed = NULL;
        }
        if (h->request) {
                struct hb_err e;
                hb_err_set(&e, -ECANCELED, h->guest, "harbinger status",
                           "the daemon stopped while the hand-over was under way");
                hb_request_fail(h->request, &e);
        }
        for (struct hb_handover **p = &h->d->handovers; *p; p = &(*p)->next)
                if (*p == h) {
                        *p = h->next;
                        break;
                }
        free(h);
}
