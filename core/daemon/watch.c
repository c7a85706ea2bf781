/* watch: see watch.h. */
#include "daemon/watch.h"
#include "base/clock.h"
#include "daemon/snapshot.h"
#include "serve/watchers.h"
#include <errno.h>
#include <stdlib.h>

#define EVERY_MOST 3600

struct hb_watch {
        hb_watchers *viewers;
        hb_snapshot *snapshot;
};

int hb_watch_new(hb_daemon *d, struct hb_err *e) {
        struct hb_watch *w = calloc(1, sizeof *w);
        int r = -ENOMEM;
        d->watch = w;
        if (w)
                r = hb_snapshot_new(d, &w->snapshot);
        if (r == 0 && !d->events)
                r = hb_event_ring_new(HB_EVENTS_KEPT, hb_wall_ns(), &d->events);
        if (r == 0) {
                struct hb_watch_use use = {hb_snapshot_write, w->snapshot};
                r = hb_watchers_new(d->base, &use, d->events, &w->viewers);
        }
        if (r == 0)
                return 0;
        hb_watch_free(d);
        return hb_err_set(e, r, "watch", NULL, "no memory for those who will watch");
}

void hb_watch_free(hb_daemon *d) {
        struct hb_watch *w = d->watch;
        d->watch = NULL;
        if (w) {
                hb_watchers_free(w->viewers);
                hb_snapshot_free(w->snapshot);
        }
        free(w);
        d->events = hb_event_ring_free(d->events);
}

void hb_watch_cmd(hb_daemon *d, hb_request *r, json_t *args) {
        json_t *v = json_object_get(args, "every");
        json_int_t every = v ? json_integer_value(v) : 1;
        struct hb_err e;
        if (every >= 1 && every <= EVERY_MOST) {
                hb_watchers_add(d->watch->viewers, r, (unsigned)every, hb_now_ns());
                return;
        }
        hb_err_set(&e, -EINVAL, "every", "give 1 for each tick, 10 for each tenth",
                   "it is a number of ticks from 1 to %d", EVERY_MOST);
        hb_request_fail(r, &e);
}

void hb_watch_cmd_replay(hb_daemon *d, hb_request *r, json_t *args) {
        struct hb_err e;
        hb_err_set(&e, -EOPNOTSUPP, d->settings->name, "harbinger trace serve FILE plays a trace",
                   "no replay here: this is a real host");
        hb_request_fail(r, &e);
}
