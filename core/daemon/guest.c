/* guest: the epoch clock, and the end of tracking. Everything slow is a job; the page map is touched on the
 * loop only, and a scan's bitmaps belong to the job while `scanning` is set. completed_epoch is published
 * after the map holds the epoch: a page server that reads it early stamps its pages too old, which only costs
 * a second fetch. */
#include "daemon/guest.h"
#include "base/clock.h"
#include "daemon/duplicates.h"
#include "daemon/events.h"
#include "daemon/migrate.h"
#include "daemon/outgoing.h"
#include "daemon/recording.h"
#include "daemon/waiter.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAPPER_CHECK_NS (10 * HB_NS_PER_S)

struct hb_guest *hb_guest_find(hb_daemon *d, const char *name) {
        for (struct hb_guest *g = d->guests; g; g = g->next)
                if (strcmp(g->name, name) == 0)
                        return g;
        return NULL;
}

void hb_guest_unlink_files(hb_daemon *d, const char *name) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s.map", d->settings->run_dir, name);
        unlink(path);
        snprintf(path, sizeof path, "%s/%s.track", d->settings->run_dir, name);
        unlink(path);
}

void hb_guest_free(struct hb_guest *g, bool leave) {
        if (!g)
                return;
        hb_recording_detached(g);
        if (g->placement)
                hb_outgoing_free(g->placement, !leave);
        if (g->port)
                g->port->ops->cancel(g->port);
        hb_dup_guest_gone(g);
        g->jobs = hb_jobs_free(g->jobs);
        if (g->epoch_timer)
                event_free(g->epoch_timer);
        struct hb_err e;
        if (leave)
                g->tracker = hb_tracker_free(g->tracker);
        else if (g->tracker && hb_tracker_detach(g->tracker, &e) < 0 && !g->gone)
                hb_daemon_event_err(g->d, HB_LOG_WARNING, HB_ON_GUEST, g->name, NULL, "detaching", &e);
        g->map = hb_page_map_free(g->map);
        if (!leave)
                hb_guest_unlink_files(g->d, g->name);
        g->target = hb_target_free(g->target);
        if (g->port)
                g->port = g->port->ops->close(g->port);
        hb_bitmap_fini(&g->scan.written);
        hb_bitmap_fini(&g->scan.accessed);
        hb_bitmap_fini(&g->scan.observed);
        hb_bitmap_fini(&g->unsettled);
        hb_rdma_gate_fini(&g->rdma);
        for (struct hb_guest **p = &g->d->guests; *p; p = &(*p)->next)
                if (*p == g) {
                        *p = g->next;
                        break;
                }
        free(g);
}

/* ---- epochs ---- */

static void on_epoch(evutil_socket_t fd, short what, void *arg) {
        hb_guest_scan(arg, false);
}

struct event *hb_guest_new_clock(struct hb_guest *g) {
        return event_new(g->d->base, -1, EV_PERSIST, on_epoch, g);
}

static uint64_t grace_of(const struct hb_guest *g) {
        int ms = g->d->settings->grace_ms;
        if (ms >= 0)
                return hb_ms_to_ns(ms);
        return g->info.dma_unseen ? 2 * HB_NS_PER_S : 0;
}

void hb_guest_start_clock(struct hb_guest *g) {
        g->grace_ns = grace_of(g);
        hb_guest_set_epoch(g, 0);
        hb_guest_scan(g, false);
}

struct scan_job {
        struct hb_guest *g;
        struct hb_err err;
        uint64_t at_ns;
        bool final, writes_only, check_mappers;
        int epoch_ms, nmappers;
        struct hb_mapper mappers[HB_MAX_MAPPERS];
};

/* A writer we cannot follow page by page came up while we tracked: whatever it did is unknown, so every page
 * counts as written. */
static int follow_mappers(struct scan_job *s) {
        struct hb_guest *g = s->g;
        s->nmappers = hb_target_find_mappers(g->target, s->mappers, HB_MAX_MAPPERS);
        if (s->nmappers <= 0 || strcmp(hb_tracker_caps(g->tracker)->name, "hash") == 0)
                return 0;
        struct hb_tracker_options o = {.epoch_ns = hb_ms_to_ns(s->epoch_ms)};
        hb_tracker *hash = NULL;
        int r = hb_tracker_open(g->target, "hash", &o, &hash, &s->err);
        if (r < 0)
                return r;
        hb_tracker_detach(g->tracker, NULL);
        g->tracker = hash;
        return 1;
}

static int scan_work(void *arg) {
        struct scan_job *s = arg;
        struct hb_guest *g = s->g;
        hb_bitmap_clear_all(&g->scan.written);
        hb_bitmap_clear_all(&g->scan.accessed);
        hb_bitmap_clear_all(&g->scan.observed);
        g->scan.written_pages = g->scan.accessed_pages = g->scan.observed_pages = 0;
        g->scan.scan_ns = g->scan.guest_ns = 0;
        g->scan.lost = false;
        int switched = s->check_mappers ? follow_mappers(s) : 0;
        if (switched < 0)
                return switched;
        s->at_ns = hb_now_ns();
        g->scan.writes_only = s->writes_only;
        int r = hb_tracker_scan(g->tracker, &g->scan, &s->err);
        if (r == 0 && switched)
                g->scan.lost = true;
        if (r == 0)
                hb_rdma_gate_scanned(&g->rdma, &g->scan.written);
        return r;
}

/* Device writes past the page tables may still have been under way for pages written shortly before the guest
 * stood still. */
static void add_unsettled(struct hb_guest *g, uint64_t now) {
        uint32_t epoch = hb_page_map_epoch(g->map), since = epoch;
        while (since > 0) {
                uint64_t t = hb_page_map_epoch_time_ns(g->map, since);
                if (t == 0 || t + g->grace_ns < now)
                        break;
                since--;
        }
        hb_bitmap_clear_all(&g->unsettled);
        if (hb_page_map_since(g->map, since, &g->unsettled))
                hb_bitmap_or(&g->scan.written, &g->unsettled);
}

static void note_mappers(struct hb_guest *g, const struct scan_job *s) {
        if (!s->check_mappers)
                return;
        if (s->nmappers > 0 && g->nmappers <= 0)
                hb_daemon_event(
                        g->d, HB_LOG_WARNING, HB_ON_GUEST, g->name, NULL,
                        "end that process, if it is not meant to",
                        "guest %s: process %d (%s) now maps region %s writable; tracking goes on by content "
                        "hash, all pages sent again",
                        g->name, (int)s->mappers[0].pid, s->mappers[0].comm, s->mappers[0].region);
        g->nmappers = s->nmappers;
        memcpy(g->mappers, s->mappers, sizeof g->mappers);
}

static void guest_gone(struct hb_guest *g) {
        if (g->gone)
                return;
        g->gone = true;
        event_del(g->epoch_timer);
        hb_daemon_event(g->d, HB_LOG_WARNING, HB_ON_GUEST, g->name, NULL, "harbinger guest detach it",
                        "guest %s: its process %d has ended", g->name, (int)g->target->pid);
        struct hb_err e;
        hb_err_set(&e, -ESRCH, g->name, "harbinger guest detach it", "the guest's process has ended");
        if (g->placement)
                hb_waiters_failed(g->placement, &e);
        if (g->handover)
                hb_handover_event(g->handover, HB_EV_VMM_GONE);
}

static void scan_done(void *owner, void *arg, int rc) {
        struct scan_job *s = arg;
        struct hb_guest *g = owner;
        g->scanning = false;
        if (rc == 0) {
                if (s->final && g->grace_ns)
                        add_unsettled(g, s->at_ns);
                hb_page_map_apply(g->map, s->at_ns, &g->scan.written, &g->scan.accessed, &g->scan.observed,
                                  g->scan.lost);
                hb_tracker_commit(g->tracker);
                __atomic_store_n(&g->completed_epoch, hb_page_map_epoch(g->map), __ATOMIC_RELEASE);
                hb_rdma_gate_completed(&g->rdma, hb_page_map_epoch(g->map));
                g->caps = hb_tracker_caps(g->tracker);
                g->scan_ms = (double)g->scan.scan_ns / 1e6;
                double share = (double)g->scan.guest_ns / ((double)g->epoch_ms * HB_NS_PER_MS);
                g->guest_cost_share += 0.2 * (share - g->guest_cost_share);
                note_mappers(g, s);
                if (g->recording)
                        hb_recording_scan(g, s->at_ns, s->final);
                if (g->placement)
                        hb_outgoing_epoch(g->placement, &g->scan.written);
                hb_dup_guest_epoch(g, &g->scan.written);
        } else if (rc == -ESRCH) {
                guest_gone(g);
        } else {
                hb_daemon_event_err(g->d, HB_LOG_ERR, HB_ON_GUEST, g->name, NULL, "scanning", &s->err);
        }
        if (g->scanned)
                g->scanned(g, rc, &s->err);
}

/* In the frozen state: has anybody come to map the memory since the last look? Runs beside the transfer of
 * the last pages. */
static int look_work(void *arg) {
        struct scan_job *s = arg;
        s->nmappers = hb_target_find_mappers(s->g->target, s->mappers, HB_MAX_MAPPERS);
        return 0;
}

static void look_done(void *owner, void *arg, int rc) {
        struct scan_job *s = arg;
        struct hb_guest *g = owner;
        bool unseen = s->nmappers > 0 && strcmp(g->caps->name, "hash") != 0;
        g->next_mapper_check_ns = 0;
        if (g->looked)
                g->looked(g, unseen, s->nmappers > 0 ? &s->mappers[0] : NULL);
}

static const struct hb_job_ops look_job = {look_work, look_done, free};

int hb_guest_look(struct hb_guest *g) {
        struct scan_job *s = calloc(1, sizeof *s);
        if (!s)
                return -ENOMEM;
        s->g = g;
        return hb_jobs_run(g->jobs, &look_job, s);
}

static const struct hb_job_ops scan_job = {scan_work, scan_done, free};

int hb_guest_scan(struct hb_guest *g, bool final) {
        if (g->gone)
                return -ESRCH;
        if (g->scanning)
                return -EBUSY;
        struct scan_job *s = calloc(1, sizeof *s);
        if (!s)
                return -ENOMEM;
        s->g = g;
        s->final = final;
        s->writes_only = g->handover != NULL;
        s->epoch_ms = g->d->settings->epoch_ms;
        uint64_t now = hb_now_ns();
        s->check_mappers = !final && now >= g->next_mapper_check_ns;
        if (s->check_mappers)
                g->next_mapper_check_ns = now + MAPPER_CHECK_NS;
        g->scanning = true;
        if (final)
                event_del(g->epoch_timer);
        int r = hb_jobs_run(g->jobs, &scan_job, s);
        if (r < 0)
                g->scanning = false;
        return r;
}

void hb_guest_set_epoch(struct hb_guest *g, uint32_t ms) {
        g->epoch_ms = ms ? ms : (uint32_t)g->d->settings->epoch_ms;
        if (g->gone)
                return;
        struct timeval tv = hb_timeval(hb_ms_to_ns((int)g->epoch_ms));
        event_add(g->epoch_timer, &tv);
}
