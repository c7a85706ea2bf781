/* guest: a tracked guest of this host: its port, target, tracker and page map, and the epoch clock. Blocking
 * work (attach, scans, monitor commands) runs on the guest's own jobs thread; the page map belongs to the
 * loop. */
#pragma once
#include "daemon/daemon.h"
#include "daemon/outgoing_rdma.h"
#include "map/page_map.h"
#include "move/guest_port.h"
#include "track/tracker.h"

struct hb_outgoing;

#define HB_MAX_MAPPERS 8

struct hb_guest {
        hb_daemon *d;
        struct hb_guest *next;
        char name[HB_NAME_MAX], kind[16], port_path[256], tracker_wanted[32];
        hb_jobs *jobs;
        hb_guest_port *port;
        struct hb_guest_info info;
        hb_target *target;
        hb_tracker *tracker;
        hb_page_map *map;
        struct hb_scan scan;        /* the job's while `scanning` */
        struct hb_bitmap unsettled; /* written within grace before the final scan; scratch */
        bool scanning, resumed, gone;
        uint32_t completed_epoch; /* read by page servers with acquire */
        struct event *epoch_timer;
        uint32_t epoch_ms; /* now in force: shorter while converging */
        uint64_t grace_ns, next_mapper_check_ns;
        struct hb_mapper mappers[HB_MAX_MAPPERS];
        int nmappers;
        const struct hb_tracker_caps *caps; /* of the tracker in use; NULL while attaching */
        double scan_ms, guest_cost_share;
        struct hb_outgoing *placement;
        struct hb_dup_guest *dup; /* daemon/duplicates.h; NULL: none are looked for */
        struct hb_rdma_gate rdma;
        struct hb_handover *handover;   /* this guest is leaving */
        struct hb_recording *recording; /* it is being recorded; NULL: not */
        /* set while a hand-over wants to know of every completed scan */
        void (*scanned)(struct hb_guest *g, int rc, const struct hb_err *e);
        void (*looked)(struct hb_guest *g, bool unseen_writer, const struct hb_mapper *who);
};

typedef void (*hb_guest_attached)(void *arg, const char *name, struct hb_guest *g,
                                  const struct hb_err *e); /* g NULL on failure */

/* Attaches in the background; `cb` (may be NULL) once on the loop. fresh: forget what an earlier process of
 * this name left. */
int hb_guest_attach(hb_daemon *d, const char *name, const char *kind, const char *port_path,
                    const char *tracker, hb_guest_attached cb, void *arg, struct hb_err *e);
/* guest.c, for attach: */
struct event *hb_guest_new_clock(struct hb_guest *g); /* NULL: no memory */
void hb_guest_start_clock(struct hb_guest *g); /* all of the guest is there: the first scan, then epochs */
struct hb_guest *hb_guest_find(hb_daemon *d, const char *name);
/* Map and tracking of a guest that was never taken up again by this daemon and is no longer here. */
void hb_guest_unlink_files(hb_daemon *d, const char *name);
/* Stops tracking. leave: the target keeps its registration (daemon restart); else it is left as it was before
 * attach. */
void hb_guest_free(struct hb_guest *g, bool leave);
void hb_guest_set_epoch(struct hb_guest *g, uint32_t ms); /* 0: back to the settings' */
/* One scan now (the epoch timer rests until the next hb_guest_set_epoch when `final`). Ends in g->scanned and
 * the placement. */
int hb_guest_scan(struct hb_guest *g, bool final);
/* Looks once for processes that could write the memory unseen; ends in g->looked. */
int hb_guest_look(struct hb_guest *g);
json_t *hb_guest_json(const struct hb_guest *g);
