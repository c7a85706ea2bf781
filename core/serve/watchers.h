/* watchers: all who watch a program get the same snapshot, made and written once a tick. While nobody
 * watches there is no tick and nothing is made.
 *
 * A tick is one progress of the request `watch` (docs/CONTROL.md): "seq" and "time", what the program writes
 * of itself, "cost", and the events since the last tick that this viewer was sent. A viewer that has not read
 * all of its last tick misses the next one, and gets what happened meanwhile with the one after: nothing ever
 * queues up. One thread, that of `base`. */
#pragma once
#include "serve/control_server.h"
#include "serve/event_ring.h"

#define HB_WATCH_EVENTS 256u       /* of one tick */
#define HB_WATCH_FIRST  200u       /* of a viewer's first one */
#define HB_WATCH_ROOM   (3u << 20) /* bytes of a snapshot above which it leaves something out */

typedef struct hb_watchers hb_watchers;
struct hb_watch_use {
        /* Writes members of the snapshot's object. Called at most once a tick. */
        void (*snapshot)(void *arg, uint64_t now_ns, struct hb_json_out *o);
        void *arg;
};
/* base NULL: no timer, the owner calls hb_watchers_tick. ring: borrowed. -ENOMEM. */
int hb_watchers_new(struct event_base *base, const struct hb_watch_use *use, const hb_event_ring *ring,
                    hb_watchers **ret);
hb_watchers *hb_watchers_free(hb_watchers *w); /* ends the requests that are left */
/* Takes r. Its first tick is sent at once: the last snapshot while it is younger than a tick, else a new one.
 * every: each n-th tick only. A connection that watches already goes on as it was, with the new `every`; its
 * former request is answered. */
void hb_watchers_add(hb_watchers *w, hb_request *r, unsigned every, uint64_t now_ns);
unsigned hb_watchers_count(const hb_watchers *w);
void hb_watchers_tick(hb_watchers *w, uint64_t now_ns); /* what the timer does each second */
