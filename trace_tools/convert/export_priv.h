/* export_priv: what the exporters share. */
#pragma once
#include "convert/export.h"
#include "trace/trace.h"

struct hb_export_job {
        const struct hb_export_options *o;
        const char *path, *out;
        hb_trace_reader *reader;
        struct hb_export_stats stats;
        unsigned pass, passes; /* for progress */
        uint64_t items;
        struct hb_err *e;
};

/* 1: *ret is the next item, 0: the end. Progress and stopping are seen to. */
int hb_export_next(struct hb_export_job *j, struct hb_trace_item *ret);
void hb_export_rewind(struct hb_export_job *j); /* the next pass */
/* When an epoch's window began: its end less the epoch length; never below 0, always after the one before
 * (`last_ns`, 0 at first and kept by this). */
uint64_t hb_export_window(const struct hb_export_job *j, uint64_t time_ns, uint64_t *last_ns, bool first);

int hb_export_csv(struct hb_export_job *j);
int hb_export_oracle(struct hb_export_job *j);
int hb_export_sqlite(struct hb_export_job *j);
