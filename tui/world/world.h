/* world: all that is known of the hosts this console looks at, kept from what their daemons say. A *seat* is
 * one daemon; guests are put together over the seats: running on one, coming to another. Nothing here draws
 * and nothing decides.
 *
 * Members of JSON objects are those of docs/CONTROL.md ("watch" ticks hold the short form of status). All
 * pointers are borrowed and good until the next hb_world_pump or hb_world_drop. Memory is bounded: the newest
 * tick of each seat, HB_TRAIL_POINTS figures a guest, HB_WORLD_EVENTS events, HB_WORLD_DETAILS answers. One
 * thread; time comes in, nanoseconds of CLOCK_MONOTONIC. */
#pragma once
#include "base/err.h"
#include <jansson.h>
#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HB_WORLD_SEATS   64u
#define HB_WORLD_GUESTS  4096u
#define HB_WORLD_EVENTS  10000u
#define HB_WORLD_DETAILS 64u
#define HB_TRAIL_POINTS  300u /* five minutes at a tick a second */
#define HB_NO_SEAT       (~0u)

typedef struct hb_world hb_world;

struct hb_world_options {
        unsigned every;    /* of the daemon's ticks, take each n-th; 0: 1 */
        int64_t silent_ns; /* a seat that said nothing for so long is silent (0: 5 s); three times that:
                              redialled */
};
int hb_world_new(const struct hb_world_options *o, hb_world **ret, struct hb_err *e);
hb_world *hb_world_free(hb_world *w);

/* ---- seats ---- */
enum hb_seat_state {
        HB_SEAT_CONNECTING, /* never reached so far */
        HB_SEAT_UP,
        HB_SEAT_SILENT, /* connected, but it says nothing */
        HB_SEAT_LOST    /* was up; what it said last is still shown, with its age */
};
struct hb_seat {
        char label[64]; /* the host's name once it is known, else the socket's path */
        char socket[128];
        enum hb_seat_state state;
        int64_t since_ns;     /* of the state */
        int64_t heard_ns;     /* newest tick; 0: never */
        struct hb_err why;    /* code 0: nothing wrong */
        const json_t *tick;   /* newest, without its events: they are below; NULL: none */
        const json_t *replay; /* its "replay" object: it plays a trace; NULL: a real host */
        uint64_t ticks, bytes, skipped_events;
};
/* Returns the seat's number; -ENOSPC: HB_WORLD_SEATS are there. Numbers are not used again. */
int hb_world_add(hb_world *w, const char *socket_path, struct hb_err *e);
int hb_world_add_fd(hb_world *w, int fd, const char *label, struct hb_err *e); /* owns fd, if it worked */
/* Also from inside an order's callback. Its orders are answered with -ECONNRESET. */
void hb_world_drop(hb_world *w, unsigned seat);
unsigned hb_world_seats(const hb_world *w); /* numbers up to here; dropped ones give NULL */
const struct hb_seat *hb_world_seat(const hb_world *w, unsigned seat);
unsigned hb_world_seat_named(const hb_world *w, const char *label); /* HB_NO_SEAT */
const char *hb_seat_state_name(enum hb_seat_state s);               /* "connecting", "up", "silent", "lost" */

/* From now on take each n-th tick only (0: 1), of all seats; nothing is missed in between but pictures. */
void hb_world_set_every(hb_world *w, unsigned every);

/* ---- the loop ---- */
/* Fills at most max entries; seat numbers are matched by order in the next pump. */
unsigned hb_world_poll(hb_world *w, struct pollfd *fds, unsigned max);
int64_t hb_world_wake_ns(const hb_world *w);
/* Returns true when something changed that a view may show. *ret_more: call again soon (there is more to
 * read). */
bool hb_world_pump(hb_world *w, const struct pollfd *fds, unsigned n, int64_t now_ns, bool *ret_more);
int64_t hb_world_now(const hb_world *w); /* of the last pump */
double hb_world_wall(const hb_world *w); /* seconds since 1970 of the last pump, as the caller gave it */
void hb_world_set_wall(hb_world *w, double seconds);

/* ---- guests ---- */
enum hb_trail_figure {
        HB_TRAIL_DIRTY,    /* bytes/s the guest writes */
        HB_TRAIL_RATE,     /* bytes/s fetched */
        HB_TRAIL_FRESH,    /* share of resident pages that are fresh on the target, 0..1 */
        HB_TRAIL_STALE,    /* pages */
        HB_TRAIL_DOWNTIME, /* estimated, ms */
        HB_TRAIL_THRESHOLD,
        HB_TRAIL_PRECISION,
        HB_TRAIL_WASTED, /* pages/s */
        HB_TRAIL_FIGURES
};
struct hb_guest_seen {
        const char *id; /* "vm1"; "vm1@a" where several seats have one of that name. What rows are called */
        const char *name;
        unsigned seat;       /* it runs there; HB_NO_SEAT: only known as coming from elsewhere */
        const json_t *guest; /* guest object, short form; NULL */
        unsigned target; /* it is coming there, as that seat says; HB_NO_SEAT: that daemon is not looked at */
        const json_t *incoming; /* incoming placement, short form; NULL */
        const json_t *handover; /* under way; the source's view if both are there; NULL */
        unsigned trail;         /* for hb_world_trail */
};
/* Sorted by id. Put together when asked for the first time after a pump. */
unsigned hb_world_guests(const hb_world *w, const struct hb_guest_seen **ret);
/* Also "name@host" when the id is the name alone, so that what was selected is found again. NULL. */
const struct hb_guest_seen *hb_world_guest(const hb_world *w, const char *id);
/* Oldest first, one a tick (one whose "time" is another than that of the tick before), NaN unknown; *ret:
 * HB_TRAIL_POINTS at most. */
size_t hb_world_trail(const hb_world *w, unsigned trail, enum hb_trail_figure f, double ret[HB_TRAIL_POINTS]);

/* ---- events ---- */
enum hb_event_level { HB_EVENT_ERROR, HB_EVENT_WARNING, HB_EVENT_NOTICE, HB_EVENT_INFO };
struct hb_event_seen {
        uint64_t number; /* ours, ascending, never used again */
        unsigned seat;
        enum hb_event_level level;
        double time;                                   /* seconds since 1970 */
        const char *kind, *guest, *host, *text, *next; /* "" where there is none */
};
/* Kept ones, by age: 0 is the newest. False: no such. */
bool hb_world_event(const hb_world *w, size_t i, struct hb_event_seen *ret);
size_t hb_world_events(const hb_world *w);
uint64_t hb_world_events_missed(const hb_world *w); /* fell out of the rings, here or in a daemon */

/* ---- what one view needs beyond the ticks ---- */
/* The newest answer to a command that changes nothing; asks for it again once it is older than max_age_s, as
 * long as somebody calls this. args (stolen, NULL: none). NULL: nothing yet; then *ret_err (may be NULL) says
 * why when the last try failed. *ret_age_s may be NULL. A daemon is asked for four of them at a time, not
 * faster than five times a second each; what nobody asks for in 30 s is forgotten. */
const json_t *hb_world_detail(hb_world *w, unsigned seat, const char *cmd, json_t *args, double max_age_s,
                              const struct hb_err **ret_err, double *ret_age_s);
/* Some detail has no answer at all so far: what is printed once waits for it. */
bool hb_world_asking(const hb_world *w);
/* Ask again with the next call (something was changed). */
void hb_world_details_old(hb_world *w, unsigned seat);

/* ---- orders ---- */
/* One request whose answer (result or error; both NULL: lost with the connection, *e says so) comes once.
 * progress may be NULL. Returns its number, > 0; -ENOTCONN, -EBUSY (16 under way on that seat; the daemon
 * takes 15 at once, the last waits here), -ENOBUFS, -EMSGSIZE. The connection's loss is not the command's
 * end: e->code is -ECONNRESET then. Callbacks come from inside a pump or drop and may do all but free the
 * world. */
struct hb_order_use {
        void (*progress)(void *arg, int number, const json_t *p);
        void (*done)(void *arg, int number, const json_t *result, const struct hb_err *e);
        void *arg;
};
int hb_world_order(hb_world *w, unsigned seat, const char *cmd, json_t *args /* stolen */,
                   const struct hb_order_use *u, struct hb_err *e);
void hb_world_forget(hb_world *w, int number); /* its callbacks are not called any more */
