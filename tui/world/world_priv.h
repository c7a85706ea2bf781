/* world_priv: the parts of a world, for its own files alone. Who owns what: seats.c the connections, ticks
 * and numbers of requests; guests.c what is put together from the ticks; trail.c, events.c, details.c and
 * orders.c their table each. */
#pragma once
#include "world/conn.h"
#include "world/world.h"

#define NS_PER_S     1000000000ll
#define UNDER_WAY    16u  /* a daemon takes no more on one connection */
#define DETAIL_ROOM  4u   /* of those at most, so that an order never waits for a picture */
#define ID_MAX       128u /* name + '@' + label */
#define NO_TRAIL     (~0u)
#define TRAIL_KEEP_S 300

struct seat {
        struct hb_seat pub;
        hb_world *w;
        hb_conn *conn;
        unsigned number;
        bool doomed; /* dropped from inside a callback: freed after the pump */
        json_t *tick;
        char host[64];
        /* What is asked on this connection. */
        int next_id, watch_id;        /* watch_id 0: not asked */
        unsigned under_way, detailed; /* orders and details; details alone */
        bool polling;                 /* an older daemon: `status` by and by */
        bool connected, forgiven;     /* forgiven: cut by us because it is silent */
        int64_t ask_ns;               /* when to ask for watch or status again; INT64_MAX */
        int64_t said_ns;              /* connected, or heard */
        short revents;
        bool last_words; /* it said why it is going to hang up: pub.why */
        struct order {
                int number, id; /* number 0: free; id 0: waits to be sent, as `msg` */
                json_t *args;
                char cmd[48];
                bool forgotten;
                struct hb_order_use use;
        } orders[UNDER_WAY];
        /* Trails: a point for each tick whose time is another than that of the one before. */
        uint64_t points;
        double tick_time;
        /* Events. */
        uint64_t event_seq;
        double uptime;
        bool events_known, again; /* again: the first tick of this connection is still to come */
};

struct trail {
        char name[64];
        unsigned seat;   /* whose ticks it follows */
        uint64_t points; /* of that seat, taken up to here */
        unsigned head, count;
        double wasted, wasted_time;
        int64_t claimed_ns;
        bool claimed;
        float v[HB_TRAIL_FIGURES][HB_TRAIL_POINTS];
};

struct trails {
        struct trail *slot[HB_WORLD_GUESTS];
        unsigned by_name[HB_WORLD_GUESTS]; /* slots, sorted by their names */
        unsigned count;                    /* in by_name */
        unsigned slots;                    /* highest used + 1 */
};

struct claim { /* one seat's word about one guest */
        const char *name;
        unsigned seat;
        enum { CLAIM_GUEST, CLAIM_INCOMING, CLAIM_HANDOVER } kind;
        unsigned at; /* position in its array: the first of two alike counts */
        const json_t *json;
};

struct guests {
        struct claim *claims;
        unsigned nclaims, cap_claims;
        struct hb_guest_seen *seen;
        unsigned count, cap;
        char *ids; /* of those whose name alone is not enough */
        size_t ids_cap;
        bool old; /* ticks changed since they were put together */
};

typedef struct event_ring event_ring;

struct detail {
        unsigned seat;
        char cmd[48];
        json_t *args, *result;
        struct hb_err err;
        int id;                                      /* under way; 0: not */
        int64_t asked_ns, got_ns, tried_ns, used_ns; /* got_ns: of result; tried_ns: of result or err */
        uint64_t used_pump;
        bool used, old; /* old: what is known is from before a change */
};

struct hb_world {
        struct hb_world_options options;
        struct seat **seats; /* by number; NULL: dropped */
        unsigned nseats, cap_seats, live;
        unsigned polled[HB_WORLD_SEATS], npolled; /* seats' numbers, as hb_world_poll gave them out */
        unsigned turn;                            /* who is first in the next pump */
        int64_t now_ns, lost_ns; /* lost_ns: next second of trails that nothing is heard for */
        double wall;
        uint64_t pumps;
        bool pumping, changed;
        struct guests guests;
        struct trails trails;
        event_ring *events;
        struct detail details[HB_WORLD_DETAILS];
        int last_order;
};

/* ---- values of other people's JSON: checked by type, "" and NaN where there is none ---- */
const char *hb_world_text(const json_t *o, const char *key);
double hb_world_real(const json_t *o, const char *key);
const json_t *hb_world_object(const json_t *o, const char *key);
/* Cut at `size`, at a character's end. */
void hb_world_copy_text(char *out, size_t size, const char *s);

/* seat.c */
int hb_world_seat_new(hb_world *w, const char *path, int fd, const char *label, struct seat **ret,
                      struct hb_err *e);
struct seat *hb_world_seat_free(struct seat *s);
struct seat *hb_world_live(const hb_world *w, unsigned number); /* NULL */
void hb_world_seat_pump(struct seat *s, bool *ret_more);
int64_t hb_world_seat_wake(const struct seat *s);
/* Sends a request; its number, or a negative error. Steals args. */
int hb_world_ask(struct seat *s, const char *cmd, json_t *args);

/* guests.c */
void hb_world_guests_fini(struct guests *g);
void hb_world_guests_refresh(hb_world *w);

/* trail.c */
void hb_world_trails_fini(struct trails *t);
/* After the guests were put together, while they are sorted by name: whose trail is whose, and new points. */
void hb_world_trails_claim(hb_world *w);
void hb_world_trails_blank(hb_world *w); /* a second went by: seats that say nothing leave a gap */

/* events.c */
event_ring *hb_world_ring_new(void);
event_ring *hb_world_ring_free(event_ring *r);
void hb_world_ring_take(struct seat *s, json_t *tick); /* and takes them out of the tick */

/* world.c */
void hb_world_allow_silence(hb_world *w);

/* details.c */
void hb_world_details_fini(hb_world *w);
bool hb_world_details_answer(struct seat *s, int id, const json_t *msg); /* false: not one of these */
void hb_world_details_lost(struct seat *s, const struct hb_err *why);
void hb_world_details_drop(hb_world *w, unsigned seat);
void hb_world_details_sweep(hb_world *w);

/* orders.c */
void hb_world_orders_message(struct seat *s, int id, const json_t *msg);
void hb_world_orders_lost(struct seat *s, const char *why);
void hb_world_orders_send(struct seat *s); /* those that waited for room */
void hb_world_orders_fini(struct seat *s);
