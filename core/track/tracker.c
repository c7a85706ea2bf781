/* tracker: the door to the backends. Choosing happens here, once, at open; after that a tracker is its ops
 * table. */
#include "track/tracker.h"
#include "base/fault.h"
#include "track/backend.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
        const char *name;
        hb_track_open_fn *open;
} backends[] = {/* best first: the order of "auto" */
                {"present", hb_present_open},
                {"wp", hb_wp_open},
                {"softdirty", hb_softdirty_open},
                {"hash", hb_hash_open}};
#define N_BACKENDS (sizeof backends / sizeof *backends)

static const struct hb_tracker_options defaults = {.guest_budget = 0.01, .epoch_ns = 1000000000ull};

/* The first that this kernel has and this target allows. The last one's error is the one shown: it was the
 * last resort. */
static int open_best(hb_target *t, const struct hb_tracker_options *o, hb_tracker **ret, struct hb_err *e) {
        const char *works[N_BACKENDS];
        int n = hb_tracker_probe(works, N_BACKENDS), r = -EOPNOTSUPP;

        for (unsigned i = 0; i < N_BACKENDS; i++)
                for (int k = 0; k < n; k++) {
                        if (strcmp(works[k], backends[i].name) != 0)
                                continue;
                        r = backends[i].open(t, o, ret, e);
                        if (r != -EOPNOTSUPP && r != -EPERM)
                                return r;
                }
        return r;
}

int hb_tracker_open(hb_target *t, const char *backend, const struct hb_tracker_options *o, hb_tracker **ret,
                    struct hb_err *e) {
        o = o ? o : &defaults;
        if (hb_fault("track.open"))
                return hb_err_set(e, -EIO, backend, NULL, "deliberate failure");
        if (!hb_target_alive(t))
                return hb_target_gone(t, e);
        if (strcmp(backend, "auto") == 0)
                return open_best(t, o, ret, e);
        for (unsigned i = 0; i < N_BACKENDS; i++)
                if (strcmp(backend, backends[i].name) == 0)
                        return backends[i].open(t, o, ret, e);
        return hb_err_set(e, -EINVAL, backend, "use auto, present, wp, softdirty or hash", "no such tracker");
}

const struct hb_tracker_caps *hb_tracker_caps(const hb_tracker *t) {
        return t->caps;
}

bool hb_tracker_resumed(const hb_tracker *t) {
        return t->resumed;
}

int hb_tracker_scan(hb_tracker *t, struct hb_scan *s, struct hb_err *e) {
        return t->ops->scan(t, s, e);
}

void hb_tracker_commit(hb_tracker *t) {
        t->ops->commit(t);
}

int hb_tracker_detach(hb_tracker *t, struct hb_err *e) {
        int r;

        if (!t)
                return 0;
        r = t->ops->detach(t, e);
        t->ops->free(t);
        return r;
}

hb_tracker *hb_tracker_free(hb_tracker *t) {
        if (t)
                t->ops->free(t);
        return NULL;
}
