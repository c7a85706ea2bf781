/* import_priv: what the importers share. Each format is one file: a line (or record) in, accesses into the
 * gather. */
#pragma once
#include "convert/gather.h"
#include "convert/import.h"
#include "convert/source.h"
#include "trace/trace.h"

struct hb_import_job {
        const struct hb_import_options *o; /* defaults filled in */
        const char *name;                  /* of the input, for errors */
        hb_source *source;
        struct hb_import_sink sink;
        struct hb_gather gather;
        struct hb_import_stats stats;
        struct hb_trace_header header;
        struct hb_err *e;

        bool begun;          /* the sink has its header */
        unsigned page_shift; /* of page_size */
        bool time_known;     /* whether this text has times: its first line decided */
        uint64_t origin_ns;  /* timed: the input's time that is 0 in the trace */
        uint64_t now_ns;     /* timed: the newest time of the input */
        uint64_t in_epoch;   /* counted: accesses of this epoch so far */
        uint64_t record;     /* oracle: number of this record */
};

/* ---- the formats: 0, HB_IMPORT_ENOUGH, or an error that hb_import_bad or the like has told ---- */
#define HB_IMPORT_ENOUGH 1 /* past `to`: the rest is not read */
typedef int hb_import_line_fn(struct hb_import_job *j, const char *p, const char *end);

int hb_import_csv_line(struct hb_import_job *j, const char *p, const char *end);
int hb_import_lackey_line(struct hb_import_job *j, const char *p, const char *end);
int hb_import_perf_line(struct hb_import_job *j, const char *p, const char *end);
int hb_import_text_line(struct hb_import_job *j, const char *p, const char *end);
int hb_import_oracle(struct hb_import_job *j); /* all of it */

/* Does a line look like this format? For guessing; no side effects. */
bool hb_import_csv_like(const char *p, const char *end);
bool hb_import_lackey_like(const char *p, const char *end);
bool hb_import_perf_like(const char *p, const char *end);
bool hb_import_text_like(const char *p, const char *end);
bool hb_import_oracle_like(const uint8_t *p, size_t n);

/* By what peek shows; -EBADMSG with *e when nothing fits. */
int hb_import_guess(hb_source *s, const char *name, struct hb_err *e);

/* ---- errors with a place: "FILE line 12" or "FILE byte 288" ---- */
int hb_import_fail(struct hb_import_job *j, int code, const char *next, const char *fmt, ...)
        __attribute__((format(printf, 4, 5)));
/* -EBADMSG: "expected WHAT, found ...", with what stands there, made safe for a terminal. */
int hb_import_bad(struct hb_import_job *j, const char *p, const char *end, const char *expected);

/* ---- moving on in time ---- */
enum hb_import_origin {
        HB_IMPORT_FROM_ZERO, /* the input's times are the trace's, unless they are Unix times */
        HB_IMPORT_FROM_FIRST /* the first is the trace's 0 */
};
/* A timed access comes now. 0: take it; HB_IMPORT_ENOUGH; HB_IMPORT_OUTSIDE: before `from`. */
#define HB_IMPORT_OUTSIDE 2
int hb_import_time(struct hb_import_job *j, uint64_t input_ns, enum hb_import_origin origin);
int hb_import_counted(struct hb_import_job *j); /* the same for an access without time */
/* Timed only, without choosing the epoch: checks the order, makes it trace time. */
int hb_import_clock(struct hb_import_job *j, uint64_t input_ns, enum hb_import_origin origin,
                    uint64_t *ret_ns);
int hb_import_begin(struct hb_import_job *j); /* the sink gets its header, once */

/* ---- taking ---- */
enum hb_import_what { HB_IMPORT_READ = 1, HB_IMPORT_WRITE = 2, HB_IMPORT_UNKNOWN = 4 };
/* One access of `bytes` at `address`; each page it lies in counts. */
int hb_import_access(struct hb_import_job *j, uint64_t address, uint64_t bytes, unsigned what);
int hb_import_page(struct hb_import_job *j, uint64_t page, uint64_t reads, uint64_t writes);
/* The kind an unknown one counts as; 0: none. */
unsigned hb_import_kind_of(const struct hb_import_job *j, unsigned what);
