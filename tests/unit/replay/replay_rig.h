/* replay_rig: a folder of its own for a test program, made-up traces in it, and replays of them. */
#pragma once
#include "check.h"
#include "replay/replay_priv.h"
#include "trace_synth.h"
#include <errno.h>
#include <math.h>
#include <unistd.h>

#define S 1000000000ull

static char rig_dir[] = "/tmp/hb-replay-XXXXXX";
static char rig_path[128];

static inline int rig_begin(void **state) {
        return mkdtemp(rig_dir) ? 0 : -1;
}

static inline int rig_end(void **state) {
        char command[200];

        snprintf(command, sizeof(command), "rm -r %s", rig_dir);
        return system(command);
}

static inline const char *rig_file(const char *name) {
        snprintf(rig_path, sizeof(rig_path), "%s/%s", rig_dir, name);
        return rig_path;
}

static inline const char *rig_synth(const char *name, enum hb_synth_shape shape, uint32_t pages,
                                    uint32_t epochs) {
        struct hb_synth s = {.shape = shape, .pages = pages, .epochs = epochs, .seed = 7};
        struct hb_err e;

        if (hb_synth_write(&s, rig_file(name), &e) < 0)
                fail_msg("%s", e.what);
        return rig_path;
}

/* A trace of one's own making. */
static inline hb_trace_writer *rig_writer(const char *name, uint32_t pages, uint32_t flags) {
        struct hb_trace_writer_options o = {.atomic = true, .replace = true};
        struct hb_synth s = {.pages = pages};
        struct hb_trace_header h;
        hb_trace_writer *w;
        struct hb_err e;

        hb_synth_header(&s, &h);
        h.flags = flags;
        if (hb_trace_writer_new(rig_file(name), &h, &o, &w, &e) < 0)
                fail_msg("%s", e.what);
        return w;
}

static inline void rig_close(hb_trace_writer *w) {
        struct hb_err e;

        if (hb_trace_writer_close(w, &e) < 0)
                fail_msg("%s", e.what);
}

static inline struct hb_replay_result rig_run(const char *path, const struct hb_replay_options *o) {
        struct hb_replay_result r;
        struct hb_err e = {0};

        if (hb_replay_run(path, o, NULL, NULL, &r, &e) < 0)
                fail_msg("%s (%s)", e.what, e.which);
        return r;
}
