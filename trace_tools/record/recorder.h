/* recorder: a trace written while something happens, without making it wait.
 *
 * The side that records (one thread, the daemon's loop) only copies bytes into a queue of fixed size; a
 * thread of the recorder's makes the trace of them. What the queue has no room for is dropped and counted,
 * and the trace says so itself (HB_MARK_DROPPED with the count, text "input", "epoch" or "event") at the
 * place where it is missing. Once an input was dropped no more are written until an engine begins anew: an
 * exact replay ends there. A file that cannot be written ends the recording, with a word in its status, and
 * nothing else.
 *
 * Rotation: F.hbt, F.1.hbt, F.2.hbt ..., each a whole trace of its own with `part`, cut at the end of an
 * epoch. A part begins with all pages that hold data. The engine's inputs go on in the next part; exact is
 * what has them from the engine's beginning, so the first part alone, or all of them joined. */
#pragma once
#include "base/bitmap.h"
#include "place/engine_input.h"
#include "trace/trace.h"

typedef struct hb_recorder hb_recorder;

struct hb_recorder_options {              /* zero: the default */
        size_t queue_bytes;               /* 16 MiB */
        uint64_t rotate_bytes, rotate_ns; /* 0: never */
        uint64_t begins_ns; /* of the clock that all times given here are of: the trace's moment 0 */
        unsigned flush_ms;  /* the file is at most this far behind, 5000 */
};

enum hb_recorder_state { HB_RECORDER_OPENING, HB_RECORDER_WRITING, HB_RECORDER_ENDED, HB_RECORDER_FAILED };
const char *hb_recorder_state_name(enum hb_recorder_state s);

struct hb_recorder_status {
        enum hb_recorder_state state; /* ENDED, FAILED: its thread is done, free waits for nothing */
        char file[512];               /* being written, or the last one */
        uint32_t parts;
        uint64_t bytes; /* in all parts' files */
        uint64_t epochs, accesses, events, inputs, dropped, queued_bytes;
        bool inputs_lost;
        struct hb_err err; /* FAILED */
};

/* The file is made by the recorder's thread: whether that went well is in the status. A file that is there
 * already is not touched (-EEXIST in the status). -ENAMETOOLONG, -ENOMEM. */
int hb_recorder_new(const char *path, const struct hb_trace_header *h, const struct hb_recorder_options *o,
                    hb_recorder **ret, struct hb_err *e);
hb_recorder *hb_recorder_free(hb_recorder *r); /* ends it and waits until the file is whole */
/* No more comes: the rest is written and the file closed, in the background. */
void hb_recorder_end(hb_recorder *r);
void hb_recorder_status(hb_recorder *r, struct hb_recorder_status *ret);

/* ---- what happens; never blocks, never fails ---- */
/* Pages read, and pages written, in the epoch that ends now; either may be NULL. A page in both is a write.
 */
void hb_recorder_epoch(hb_recorder *r, uint32_t epoch, uint64_t now_ns, const struct hb_bitmap *reads,
                       const struct hb_bitmap *writes);
void hb_recorder_event(hb_recorder *r,
                       const struct hb_trace_event *ev); /* any stream; time_ns of our clock */
void hb_recorder_mark(hb_recorder *r, uint64_t now_ns, enum hb_trace_mark kind, uint64_t value,
                      const char *text);
void hb_recorder_input(hb_recorder *r, uint64_t now_ns, const struct hb_engine_input *in);
/* Pages that hold data from now on. */
void hb_recorder_resident(hb_recorder *r, uint64_t now_ns, const struct hb_bitmap *pages);
