/* export: a .hbt made CSV windows, libCacheSim's oracleGeneral, or an SQLite file. docs/TRACE_FORMAT.md,
 * "Other formats", says every column.
 *
 * All or nothing, but for a pipe: the output is written beside and renamed. One thread. */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

enum hb_export_format {
        HB_EXPORT_BY_NAME, /* of the output: .csv, .oracleGeneral (also .bin, .oracle), .db, .sqlite; .zst
                              after it */
        HB_EXPORT_CSV,
        HB_EXPORT_ORACLE, /* 8 bytes of temporary file a page record, 8 bytes of memory a page */
        HB_EXPORT_SQLITE,
        HB_EXPORT_FORMATS
};
const char *hb_export_format_name(enum hb_export_format f);
int hb_export_format_from_name(const char *name); /* -ENOENT */
int hb_export_format_of(const char *path);        /* by its ending; -ENOENT */

struct hb_export_stats {
        enum hb_export_format format;
        uint64_t records, epochs, pages, events; /* of the trace; events: exported, SQLite only */
        uint64_t accesses;                       /* sum of reads and writes */
        uint64_t last_ns;
        uint64_t in_bytes, in_size, out_bytes; /* in: counted once a pass */
        bool cut;                              /* the trace has no end: exported to its last whole block */
};

struct hb_export_options {
        enum hb_export_format format;
        bool replace; /* an output that exists */
        bool once;    /* oracle: one record a page and epoch, whatever its counts */
        bool (*progress)(void *arg, const struct hb_export_stats *s); /* true: stop with -EINTR; NULL */
        void *arg;
};

/* out "-": standard output (csv and oracle; the format must be given). */
int hb_export(const char *path, const char *out, const struct hb_export_options *o,
              struct hb_export_stats *ret, struct hb_err *e);
