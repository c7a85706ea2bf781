/* scan: reads the whole of a trace, checks the whole of it, and tells what it holds beyond what its index
 * says. */
#pragma once
#include "look/heat.h" /* hb_look_tick */

#define HB_SCAN_MARKS  256u /* kept; more are counted */
#define HB_SCAN_DAMAGE 16u

struct hb_scan_mark {
        uint64_t time_ns, value;
        uint32_t epoch; /* the last before it */
        enum hb_trace_mark kind;
        char text[96];
};

struct hb_scan {
        uint64_t epochs, records, events[HB_TRACE_STREAMS]; /* as read */
        uint64_t first_ns, last_ns;                         /* times of the first and last epoch */
        uint64_t pages;                                     /* distinct */
        uint64_t reads, writes; /* sums; without counts: pages seen, over epochs */
        uint64_t written_pages; /* distinct */
        uint64_t missing;       /* epoch numbers left out between the first and the last */
        uint64_t dropped;       /* sum of the DROPPED marks */
        uint64_t most;          /* records of the largest epoch */
        uint64_t nmarks, mark_kinds[HB_MARKS];
        struct hb_scan_mark marks[HB_SCAN_MARKS]; /* all but DIGEST and ENGINE, in order */
        uint64_t damaged;                         /* places that failed their checks, also those below */
        char damage[HB_SCAN_DAMAGE][256];         /* the first of them: what and where */
};

/* What the reader cannot know alone is checked here: that pages lie inside the shape, epochs and times
 * ascend, and that the index says what was read. Each offence counts as damage. 0, or < 0 when it could not
 * go on
 * (-ECANCELED, an I/O error). */
int hb_look_scan(hb_trace_reader *r, hb_look_tick *tick, void *arg, struct hb_scan *ret, struct hb_err *e);
