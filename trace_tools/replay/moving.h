/* moving: a move in a simulated replay, short epoch by short epoch, as the daemons make it (core/daemon,
 * migrate_source.c): the target drains, the guest is scanned in short epochs, and it is stopped when the rest
 * is next to nothing, or no longer shrinks and is bearable. Internal to the room.
 *
 * A trace tells what was written in an epoch, not when. A page written n times is taken to be written n times
 * evenly through it, from a moment that depends on the page; so short scans find what they would have found
 * of a guest that writes steadily. */
#pragma once
#include "replay/replay_priv.h"

struct hb_moving {
        struct hb_replay *r;
        struct hb_sim *s;
        const struct hb_trace_access *a; /* of the epoch (from_ns, to_ns] */
        size_t n;
        uint64_t from_ns, to_ns, scanned_ns;
        uint64_t asked_ns, asked_wire, report_ns, best_at_ns, stop_ns;
        double best_bytes, max_downtime_s;
        uint32_t first_epoch;
        struct hb_trace_access *last; /* a copy: what goes on when the trace has ended */
        bool may_refuse;              /* as the daemon does; else it is stopped at the most patience allows */
        bool over, refused;           /* refused: the guest was not touched */
        struct hb_replay_migration m;
};

void hb_moving_init(struct hb_moving *m, struct hb_replay *r);
void hb_moving_fini(struct hb_moving *m);
uint64_t hb_moving_sim_time(const struct hb_replay *r, uint64_t trace_ns);
/* The move is asked for now; the epochs that follow are live ones. */
void hb_moving_ask(struct hb_moving *m);
int hb_moving_remember(struct hb_moving *m, const struct hb_trace_item *i); /* an epoch's accesses */
void hb_moving_epoch(struct hb_moving *m, uint64_t to_ns); /* what was remembered goes on until then */
/* One short epoch, and what the source makes of it. While scanned_ns < to_ns and neither over nor refused. */
int hb_moving_short(struct hb_moving *m);
/* What is left of the epoch in one scan: the move is over, refused or was given up. */
int hb_moving_rest(struct hb_moving *m);
