/* writer_file: the file under a writer: made, found again, cut, renamed. */
#pragma once
#include "trace/scan.h"

struct hb_trace_file {
        int fd;              /* -1: none */
        char *path, *beside; /* beside: written there and renamed to path; NULL: not */
        bool replace;
        uint64_t at; /* where the next block goes */
        struct hb_buf rows;
        struct hb_trace_scan found; /* of a file that is continued; all 0 in a new one */
};

/* `header`: the bytes a new file begins with, or an old one must. */
int hb_trace_file_open(const char *path, const struct hb_buf *header, uint64_t pages, bool atomic,
                       bool replace, struct hb_trace_file *ret, struct hb_err *e);
/* Writes at `at` and moves it on; on failure the file is cut back there. */
int hb_trace_file_append(struct hb_trace_file *f, const void *data, size_t n);
int hb_trace_file_sync(struct hb_trace_file *f);
/* Syncs, gives the file its name. Closed in any case; on failure a file beside is gone. */
int hb_trace_file_finish(struct hb_trace_file *f);
/* As a kill would leave it; a file beside is gone. */
void hb_trace_file_close(struct hb_trace_file *f);
