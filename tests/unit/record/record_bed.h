/* record_bed: a folder, a header, a recorder and a reader for the tests of this room, and a small world that
 * is worth recording. */
#pragma once
#include "../place/engine_world.h"
#include "base/clock.h"
#include "base/fault.h"
#include "record/source.h"
#include "record/target.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char dir[64];

static inline const char *at(const char *name) {
        static char path[128];

        snprintf(path, sizeof(path), "%s/%s", dir, name);
        return path;
}

static inline struct hb_trace_header header(void) {
        struct hb_trace_header h = {.page_size = 4096, .epoch_ns = HB_NS_PER_S, .origin = HB_TRACE_SOURCE};

        snprintf(h.guest, sizeof(h.guest), "g");
        snprintf(h.host, sizeof(h.host), "a");
        h.begins_unix_ns = 1700000000ull * HB_NS_PER_S;
        assert_int_equal(hb_shape_add(&h.shape, "ram", W_PAGES * 4096, 4096, NULL), 0);
        return h;
}

static inline hb_recorder *recorder(const char *path, const struct hb_recorder_options *o) {
        struct hb_trace_header h = header();
        hb_recorder *r = NULL;
        struct hb_err e;

        assert_int_equal(hb_recorder_new(path, &h, o, &r, &e), 0);
        return r;
}

static inline struct hb_recorder_status wait_for(hb_recorder *r, enum hb_recorder_state least) {
        struct hb_recorder_status s;

        for (unsigned i = 0; i < 20000; i++) {
                hb_recorder_status(r, &s);
                if (s.state >= least)
                        return s;
                usleep(500); /* another thread's word */
        }
        fail_msg("still %s", hb_recorder_state_name(s.state));
        return s;
}

static inline hb_trace_reader *reader(const char *path) {
        hb_trace_reader *r = NULL;
        struct hb_err e;

        if (hb_trace_reader_open(path, &r, &e) < 0)
                fail_msg("%s: %s", path, e.what);
        return r;
}

static inline bool next(hb_trace_reader *r, struct hb_trace_item *it) {
        struct hb_err e;
        int rc = hb_trace_reader_next(r, it, &e);

        if (rc < 0)
                fail_msg("%s", e.what);
        return rc == 1;
}

static inline struct world *a_world(uint64_t seed) {
        struct world_options o = {.seed = seed,
                                  .writes_per_tick = 6,
                                  .hot_pages = 40,
                                  .epoch_ticks = 20,
                                  .fail = 20,
                                  .refuse = 200,
                                  .zero = 50,
                                  .known = 1000,
                                  .lie = 100,
                                  .window_bytes = 128 * 4096};

        return w_new(&o);
}

static inline int make_dir(void **state) {
        snprintf(dir, sizeof(dir), "/tmp/hb_recorder_XXXXXX");
        return mkdtemp(dir) ? 0 : -1;
}

static inline int remove_dir(void **state) {
        char command[128];

        snprintf(command, sizeof(command), "rm -r %s", dir);
        return system(command); /* NOLINT: our own words */
}
