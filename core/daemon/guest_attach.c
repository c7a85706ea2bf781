/* guest_attach: a guest is opened by a job that works on things of its own; they become the guest's on the
 * loop, when all of them are there. So nothing of a guest that is still being attached is touched from two
 * threads, and a failure or the daemon's end leaves nothing half done. */
#include "daemon/duplicates.h"
#include "daemon/events.h"
#include "daemon/guest.h"
#include "daemon/migrate.h"
#include "daemon/recording.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct attach {
        /* the guest's, which do not change */
        char name[HB_NAME_MAX], kind[16], port_path[256], tracker_wanted[32];
        char track_path[512], map_path[512];
        struct hb_tracker_options opt;
        bool fresh;
        /* the job's, until they are taken */
        hb_guest_port *port;
        struct hb_guest_info info;
        hb_target *target;
        hb_tracker *tracker;
        hb_page_map *map;
        struct hb_bitmap written, accessed, observed, unsettled, resident;
        struct hb_mapper mappers[HB_MAX_MAPPERS];
        int nmappers;
        struct hb_err err;
        /* the loop's */
        hb_guest_attached cb; /* NULL: was called */
        void *arg;
};

/* ---- the job ---- */

static int open_port(struct attach *a) {
        if (strcmp(a->kind, "process") == 0)
                return hb_process_port_open(a->port_path, 0, &a->port, &a->err);
        return hb_qemu_port_open(a->port_path, 0, &a->port, &a->err);
}

/* Another process that can write the RAM makes page-table tracking blind: only `hash` is right then. */
static int choose_tracker(struct attach *a, char out[32]) {
        a->nmappers = hb_target_find_mappers(a->target, a->mappers, HB_MAX_MAPPERS);
        snprintf(out, 32, "%s", a->tracker_wanted);
        if (a->nmappers <= 0 || strcmp(out, "hash") == 0)
                return 0;
        if (strcmp(out, "auto") == 0) {
                snprintf(out, 32, "hash");
                return 0;
        }
        return hb_err_set(
                &a->err, -EBUSY, a->name,
                "attach with --tracker hash (sees every writer), or end that process first",
                "process %d (%s) maps region %s writable: its writes would go unseen by tracker '%s'",
                (int)a->mappers[0].pid, a->mappers[0].comm, a->mappers[0].region, out);
}

static int open_map(struct attach *a) {
        int r = hb_page_map_open(&a->target->shape, a->map_path, &a->map, &a->err);
        if (r == -ESTALE ||
            r == -EBADMSG) { /* another shape's or a damaged map: everything counts as written */
                unlink(a->map_path);
                unlink(a->track_path);
                r = hb_page_map_open(&a->target->shape, a->map_path, &a->map, &a->err);
        }
        return r;
}

static int open_tracker(struct attach *a) {
        char tracker[32];
        int r = choose_tracker(a, tracker);
        if (r < 0)
                return r;
        if (a->fresh) {
                unlink(a->map_path);
                unlink(a->track_path);
        }
        r = open_map(a);
        if (r == 0)
                r = hb_tracker_open(a->target, tracker, &a->opt, &a->tracker, &a->err);
        return r;
}

static int make_bitmaps(struct attach *a) {
        uint64_t pages = a->target->shape.pages;
        if (hb_bitmap_init(&a->written, pages) || hb_bitmap_init(&a->accessed, pages) ||
            hb_bitmap_init(&a->observed, pages) || hb_bitmap_init(&a->unsettled, pages) ||
            hb_bitmap_init(&a->resident, pages))
                return hb_err_set(&a->err, -ENOMEM, a->name, NULL,
                                  "no memory for the page bitmaps of %llu pages", (unsigned long long)pages);
        return 0;
}

static int attach_work(void *arg) {
        struct attach *a = arg;
        int r = open_port(a);
        if (r == 0)
                r = a->port->ops->describe(a->port, &a->info, &a->err);
        if (r == 0)
                r = hb_target_open(a->info.pid, a->info.claims, a->info.nclaims, &a->target, &a->err);
        if (r == 0)
                r = open_tracker(a);
        if (r == 0)
                r = make_bitmaps(a);
        if (r == 0)
                r = hb_target_resident(a->target, &a->resident, &a->err);
        if (r < 0 && a->tracker) { /* the guest is left as it was */
                hb_tracker_detach(a->tracker, NULL);
                a->tracker = NULL;
        }
        return r;
}

/* ---- the answer ---- */

static void call_back(struct attach *a, struct hb_guest *g, const struct hb_err *e) {
        hb_guest_attached cb = a->cb;
        a->cb = NULL;
        if (cb)
                cb(a->arg, a->name, g, e);
}

static void move_bitmap(struct hb_bitmap *to, struct hb_bitmap *from) {
        *to = *from;
        *from = (struct hb_bitmap){0};
}

static void take(struct hb_guest *g, struct attach *a) {
        g->port = a->port;
        g->info = a->info;
        g->target = a->target;
        g->tracker = a->tracker;
        g->map = a->map;
        a->port = NULL;
        a->target = NULL;
        a->tracker = NULL;
        a->map = NULL;
        move_bitmap(&g->scan.written, &a->written);
        move_bitmap(&g->scan.accessed, &a->accessed);
        move_bitmap(&g->scan.observed, &a->observed);
        move_bitmap(&g->unsettled, &a->unsettled);
        g->nmappers = a->nmappers;
        memcpy(g->mappers, a->mappers, sizeof g->mappers);
        g->resumed = hb_tracker_resumed(g->tracker);
        hb_page_map_set_resident(g->map, &a->resident);
        __atomic_store_n(&g->completed_epoch, hb_page_map_epoch(g->map), __ATOMIC_RELEASE);
        g->caps = hb_tracker_caps(g->tracker);
}

static void remember(struct hb_guest *g) {
        struct hb_store_guest s = {.pid = g->target->pid, .start_time = g->target->start_time};
        snprintf(s.name, sizeof s.name, "%s", g->name);
        snprintf(s.kind, sizeof s.kind, "%s", g->kind);
        snprintf(s.port_path, sizeof s.port_path, "%s", g->port_path);
        snprintf(s.tracker, sizeof s.tracker, "%s", g->tracker_wanted);
        struct hb_err e;
        if (hb_store_guest_put(g->d->store, &s, &e) < 0)
                hb_daemon_event_err(g->d, HB_LOG_WARNING, HB_ON_GUEST, g->name, NULL, "remembering the guest",
                                    &e);
}

static void attach_done(void *owner, void *arg, int rc) {
        struct attach *a = arg;
        struct hb_guest *g = owner;
        if (rc < 0) {
                if (!a->err.code)
                        hb_err_set(&a->err, rc, a->name, NULL, "attach failed: %s", hb_errno_name(rc));
                hb_guest_free(g, false);
                call_back(a, NULL, &a->err);
                return;
        }
        take(g, a);
        remember(g);
        hb_dup_guest_attached(g);
        hb_recording_attached(g);
        hb_daemon_event(g->d, HB_LOG_NOTICE, HB_ON_GUEST, g->name, NULL, NULL,
                        "guest %s: attached to pid %d, tracker %s%s%s", g->name, (int)g->target->pid,
                        g->caps->name, g->resumed ? ", tracking resumed without a gap" : "",
                        g->nmappers > 0 ? " (another process maps its memory)" : "");
        hb_guest_start_clock(g);
        call_back(a, g, NULL);
}

/* What is still here was not taken: the attach failed, or the daemon ends, and tracking goes on at its next
 * start. */
static void attach_drop(void *arg) {
        struct attach *a = arg;
        struct hb_err e;
        hb_err_set(&e, -ECANCELED, a->name, NULL, "the daemon stopped while the guest was being attached");
        call_back(a, NULL, &e);
        hb_tracker_free(a->tracker);
        hb_page_map_free(a->map);
        hb_target_free(a->target);
        if (a->port)
                a->port->ops->close(a->port);
        hb_bitmap_fini(&a->written);
        hb_bitmap_fini(&a->accessed);
        hb_bitmap_fini(&a->observed);
        hb_bitmap_fini(&a->unsettled);
        hb_bitmap_fini(&a->resident);
        free(a);
}

static const struct hb_job_ops attach_job = {attach_work, attach_done, attach_drop};

/* ---- beginning ---- */

static int check(hb_daemon *d, const char *name, const char *port_path, const char *tracker,
                 struct hb_err *e) {
        struct hb_guest g;
        if (!hb_name_ok(name))
                return hb_err_set(e, -EINVAL, name, "use letters, digits, '.', '_' and '-', at most 63",
                                  "not a guest name");
        if (strlen(port_path) >= sizeof g.port_path)
                return hb_err_set(e, -ENAMETOOLONG, port_path, "a socket's path has at most 107 bytes",
                                  "not a path of a guest's socket");
        if (strlen(tracker) >= sizeof g.tracker_wanted)
                return hb_err_set(e, -EINVAL, tracker, "use auto, present, wp, softdirty or hash",
                                  "no such tracker");
        if (hb_guest_find(d, name))
                return hb_err_set(e, -EEXIST, name, "harbinger guest list",
                                  "a guest of this name is attached already");
        if (hb_incoming_find(d, name))
                return hb_err_set(e, -EEXIST, name, "harbinger status",
                                  "an image for a guest of this name is being filled here");
        if (hb_handover_find(d, name))
                return hb_err_set(e, -EBUSY, name, "harbinger status, or harbinger migrate --recover",
                                  "a hand-over of a guest of this name is not settled yet");
        return 0;
}

static struct hb_guest *blank_guest(hb_daemon *d, const char *name, const char *kind, const char *port_path,
                                    const char *tracker) {
        struct hb_guest *g = calloc(1, sizeof *g);
        if (!g)
                return NULL;
        hb_rdma_gate_init(&g->rdma);
        g->d = d;
        snprintf(g->name, sizeof g->name, "%s", name);
        snprintf(g->kind, sizeof g->kind, "%s", kind);
        snprintf(g->port_path, sizeof g->port_path, "%s", port_path);
        snprintf(g->tracker_wanted, sizeof g->tracker_wanted, "%s", tracker);
        g->epoch_timer = hb_guest_new_clock(g);
        if (!g->epoch_timer || hb_jobs_new(d->mailbox, "guest", g, &g->jobs) < 0) {
                if (g->epoch_timer)
                        event_free(g->epoch_timer);
                free(g);
                return NULL;
        }
        g->next = d->guests;
        d->guests = g;
        return g;
}

static struct attach *blank_attach(const struct hb_guest *g) {
        const hb_settings *s = g->d->settings;
        struct attach *a = calloc(1, sizeof *a);
        if (!a)
                return NULL;
        memcpy(a->name, g->name, sizeof a->name);
        memcpy(a->kind, g->kind, sizeof a->kind);
        memcpy(a->port_path, g->port_path, sizeof a->port_path);
        memcpy(a->tracker_wanted, g->tracker_wanted, sizeof a->tracker_wanted);
        snprintf(a->track_path, sizeof a->track_path, "%s/%s.track", s->run_dir, g->name);
        snprintf(a->map_path, sizeof a->map_path, "%s/%s.map", s->run_dir, g->name);
        /* the tracker itself checks pid and start time; a map without the tracker's state is refreshed by its
         * first, full scan */
        a->fresh = access(a->track_path, F_OK) != 0;
        a->opt = (struct hb_tracker_options){
                .state_path = a->track_path, .guest_budget = s->budget, .epoch_ns = hb_ms_to_ns(s->epoch_ms)};
        return a;
}

int hb_guest_attach(hb_daemon *d, const char *name, const char *kind, const char *port_path,
                    const char *tracker, hb_guest_attached cb, void *arg, struct hb_err *e) {
        const char *wanted = tracker && *tracker ? tracker : d->settings->backend;
        int r = check(d, name, port_path, wanted, e);
        if (r < 0)
                return r;
        struct hb_guest *g = blank_guest(d, name, kind, port_path, wanted);
        struct attach *a = g ? blank_attach(g) : NULL;
        if (a && hb_jobs_run(g->jobs, &attach_job, a) == 0) {
                a->cb = cb; /* not before: on failure it is not called */
                a->arg = arg;
                return 0;
        }
        hb_guest_free(g, false);
        return hb_err_set(e, -ENOMEM, name, NULL, "no memory to attach a guest");
}
