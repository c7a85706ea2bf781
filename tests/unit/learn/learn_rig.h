/* learn_rig: traces of one's own making in a folder of one's own. */
#pragma once
#include "base/clock.h"
#include "check.h"
#include "trace/trace.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char rig_dir[] = "/tmp/hb-learn-XXXXXX";

static inline int rig_begin(void **state) {
        return mkdtemp(rig_dir) ? 0 : -1;
}

static inline int rig_end(void **state) {
        char command[200];

        snprintf(command, sizeof(command), "rm -r %s", rig_dir);
        return system(command);
}

static inline const char *rig_file(const char *name) {
        static char path[4][128];
        static unsigned next;

        next = (next + 1) % 4;
        snprintf(path[next], sizeof(path[next]), "%s/%s", rig_dir, name);
        return path[next];
}

/* `accessed(page, epoch)`: 0 not, 1 read, 2 written. Epochs of 1 s, counted from 0. */
static inline void rig_trace(const char *path, uint32_t pages, uint32_t epochs,
                             int (*accessed)(uint32_t page, uint32_t epoch)) {
        struct hb_trace_writer_options o = {.atomic = true, .replace = true};
        struct hb_trace_header h = {.guest = "toy",
                                    .host = "here",
                                    .page_size = 4096,
                                    .epoch_ns = HB_NS_PER_S,
                                    .origin = HB_TRACE_SYNTHETIC,
                                    .flags = HB_TRACE_COUNTS | HB_TRACE_EXACT_READS | HB_TRACE_EXACT_WRITES};
        struct hb_trace_access *a = calloc(pages, sizeof(*a));
        hb_trace_writer *w;
        struct hb_err e;

        assert_non_null(a);
        assert_int_equal(hb_shape_add(&h.shape, "ram", (uint64_t)pages * 4096, 4096, NULL), 0);
        if (hb_trace_writer_new(path, &h, &o, &w, &e) < 0)
                fail_msg("%s", e.what);
        for (uint32_t t = 0; t < epochs; t++) {
                size_t n = 0;

                for (uint32_t p = 0; p < pages; p++) {
                        int how = accessed(p, t);

                        if (how)
                                a[n++] = (struct hb_trace_access){p, how == 1, how == 2};
                }
                assert_int_equal(hb_trace_writer_epoch(w, t + 1, (t + 1) * HB_NS_PER_S, a, n), 0);
        }
        if (hb_trace_writer_close(w, &e) < 0)
                fail_msg("%s", e.what);
        free(a);
}
