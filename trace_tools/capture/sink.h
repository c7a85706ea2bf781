/* sink: windows in, epochs of a trace out. Internal to the room. */
#pragma once
#include "capture/dense.h"
#include "capture/frames.h"
#include "trace/trace.h"

struct hb_capture_shape { /* what is traced */
        const char *guest, *region, *note;
        uint64_t pages; /* of a whole guest; 0: a program, whose pages are numbered as they come */
};

typedef struct hb_capture_sink hb_capture_sink;

/* The file is made when the first frame says that the command runs. `shape` outlives the sink. */
int hb_capture_sink_new(const char *path, bool replace, const struct hb_capture_shape *shape,
                        hb_capture_sink **ret, struct hb_err *e);
/* Bytes as they come. */
int hb_capture_sink_feed(hb_capture_sink *s, const void *data, size_t n, struct hb_err *e);

struct hb_capture_sums {
        uint64_t epochs, pages, records, accesses, bytes, lost, time_ns;
        uint32_t forks;
        bool began, ended;
};
void hb_capture_sink_sums(const hb_capture_sink *s, struct hb_capture_sums *ret);
/* A word at the trace's end; then the index. The sink stays, for its sums. */
int hb_capture_sink_close(hb_capture_sink *s, const char *why, struct hb_err *e);
hb_capture_sink *hb_capture_sink_free(
        hb_capture_sink *s); /* unclosed: what was whole is left, unless it was to replace another */
