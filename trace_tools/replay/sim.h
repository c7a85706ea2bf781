/* sim: two hosts around one guest: the source's page map, summaries and announcements, a simulated link, the
 * target's engine; all production code but for the link and the guest, which is a trace. Internal to the
 * room.
 *
 * Time is the trace's. The guest's epochs are fed in order; between them the target does what the daemon
 * does: steps at every announcement, ten times a second, and when pages have arrived (looked for once a
 * millisecond). Deterministic. */
#pragma once
#include "map/page_map.h"
#include "map/summary.h"
#include "place/engine.h"
#include "replay/replay.h"
#include "replay/sim_link.h"
#include "trace/trace.h"

struct hb_sim_options {
        struct hb_shape shape;
        struct hb_engine_options engine;
        double link_bytes_per_s, latency_s, wire_share;
        uint64_t image_pages; /* room on the target */
        uint32_t flags;       /* HB_TRACE_*: what the accesses mean */
        uint64_t begin_ns;    /* the placement begins here */
};

#define HB_SIM_KEPT 32u

struct hb_sim {
        struct hb_sim_options o;
        /* source */
        hb_page_map *map;
        hb_summary_encoder *encoder;
        struct hb_bitmap accessed, written; /* the last scan's; accessed: read or written */
        struct hb_bitmap announced;         /* written, and what holds data since this epoch */
        struct hb_bitmap resident;
        struct hb_buf out;
        uint64_t source_ns; /* of the last scan */
        double summary_tokens;
        uint64_t summary_bytes, announce_bytes;
        bool more_resident;
        /* between */
        struct hb_sim_link link;
        /* target */
        struct hb_image_page *pages;
        uint32_t processed;
        hb_engine *engine;
        struct hb_summary_entry kept[HB_SIM_KEPT];
        unsigned nkept;
        struct hb_bitmap held, heard; /* pages with room in the image; an announcement being decoded */
        uint64_t held_pages, now_ns, tick_ns, idle_ns, arrived_pages, arrived_wire;
        bool complete;
        bool alone; /* there is no target: never was, was given up, or the guest has moved there */
        int failed; /* -errno: what a codec refused of the other one's words */
};

/* `policies` stays the caller's. */
int hb_sim_new(const struct hb_sim_options *o, hb_policies *policies, struct hb_sim **ret, struct hb_err *e);
struct hb_sim *hb_sim_free(struct hb_sim *s);
/* These pages hold data from the next scan on. */
void hb_sim_resident(struct hb_sim *s, const struct hb_bitmap *pages);
/* The placement begins: the first scan, which tells what is there. Once, before any epoch. */
int hb_sim_begin(struct hb_sim *s);

struct hb_sim_seen {                         /* of one epoch */
        uint64_t accessed, written, covered; /* covered: of the accessed, fresh in the image when it began */
};
/* The epoch that ends at time_ns: the target goes on until then, then hears of it. */
int hb_sim_epoch(struct hb_sim *s, uint64_t time_ns, const struct hb_trace_access *a, size_t n,
                 struct hb_sim_seen *ret);

/* The target drops everything; the source's map goes on. */
void hb_sim_unplace(struct hb_sim *s);
/* A placement begins now, from nothing, with these policies (as hb_sim_new). After hb_sim_begin. */
int hb_sim_place(struct hb_sim *s, hb_policies *policies);

/* ---- for a migration's finer steps ---- */
void hb_sim_advance(struct hb_sim *s, uint64_t to_ns); /* the target goes on */
/* One scan of s->accessed and s->written, and what the target is told of it. */
int hb_sim_scan(struct hb_sim *s, uint64_t time_ns);
/* Goes on until the image is complete. False: it never will be. */
bool hb_sim_finish(struct hb_sim *s);
