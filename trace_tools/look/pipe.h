/* pipe: one trace being read into one being written: what every rewriting has in common. Internal to the
 * room. */
#pragma once
#include "look/rewrite.h"

struct hb_look_pipe {
        const struct hb_look_output *o;
        hb_trace_writer *out; /* NULL until hb_look_pipe_begin */
        struct hb_look_result r;
        uint64_t at_before, of; /* bytes of the files read before this one, and of all: for progress */
        uint64_t first_ns, last_ns, epoch_ns;
        unsigned since;
};

void hb_look_pipe_init(struct hb_look_pipe *p, const struct hb_look_output *o);
/* Opens a file to read; refuses the one that will be written. Counts its bytes. */
int hb_look_pipe_open(struct hb_look_pipe *p, const char *path, hb_trace_reader **ret, struct hb_err *e);
int hb_look_pipe_begin(struct hb_look_pipe *p, const struct hb_trace_header *h, struct hb_err *e);
int hb_look_pipe_epoch(struct hb_look_pipe *p, uint32_t epoch, uint64_t time_ns,
                       const struct hb_trace_access *a, size_t n, struct hb_err *e);
int hb_look_pipe_event(struct hb_look_pipe *p, const struct hb_trace_event *ev, struct hb_err *e);
int hb_look_pipe_mark(struct hb_look_pipe *p, uint64_t time_ns, enum hb_trace_mark kind, uint64_t value,
                      const char *text, struct hb_err *e);
/* Now and then asks whether to go on. */
int hb_look_pipe_tick(struct hb_look_pipe *p, const hb_trace_reader *in, struct hb_err *e);
/* rc >= 0: closes the result and fills *ret, else leaves nothing behind. Returns rc or what went wrong. */
int hb_look_pipe_end(struct hb_look_pipe *p, int rc, struct hb_look_result *ret, struct hb_err *e);

/* "name version hash" of a POLICY mark into the header's row. False: not such a text. */
bool hb_look_policy_of_mark(const struct hb_trace_event *ev, struct hb_trace_policy policies[3]);
/* Appends " [words]" to the note, cut at its size. */
void hb_look_note(struct hb_trace_header *h, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
