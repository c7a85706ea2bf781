/* import: foreign traces made .hbt. docs/TRACE_FORMAT.md, "Other formats", says what is read of each.
 *
 * All or nothing: on any failure there is no output. Memory: the pages touched in one epoch and the blocks
 * seen, whatever the file's length. Text errors name the line, binary ones the byte. One thread. */
#pragma once
#include "base/err.h"
#include "trace/trace.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum hb_import_format {
        HB_IMPORT_GUESS,  /* by the first bytes */
        HB_IMPORT_CSV,    /* window_s,page,reads,writes */
        HB_IMPORT_ORACLE, /* libCacheSim's oracleGeneral: records of 24 bytes */
        HB_IMPORT_LACKEY, /* valgrind --tool=lackey --trace-mem=yes */
        HB_IMPORT_PERF,   /* perf script of memory samples */
        HB_IMPORT_TEXT,   /* [time] r|w address [size] */
        HB_IMPORT_FORMATS
};
const char *hb_import_format_name(enum hb_import_format f); /* "csv"...; NULL outside and for GUESS */
int hb_import_format_from_name(const char *name);           /* -ENOENT */

enum hb_import_map {
        HB_IMPORT_MAP_USUAL, /* KEEP for csv and oracle, BLOCKS for addresses */
        HB_IMPORT_KEEP,      /* a page's number is its gfn */
        HB_IMPORT_BLOCKS,    /* 2 MiB blocks get the next free place at their first touch; neighbours inside
                                a block stay neighbours */
        HB_IMPORT_PAGES,     /* every page gets the next number at its first touch */
        HB_IMPORT_MAPS
};
const char *hb_import_map_name(enum hb_import_map m);
int hb_import_map_from_name(const char *name);

enum hb_import_kind { HB_IMPORT_AS_READS, HB_IMPORT_AS_WRITES, HB_IMPORT_SKIP };

#define HB_IMPORT_EPOCH_ACCESSES 4000000ull /* 1 s of trace time where the format has no time */
#define HB_IMPORT_NOT_WHOLE      UINT64_MAX
#define HB_IMPORT_MOST_PAGES     (1u << 24) /* touched in one epoch */
#define HB_IMPORT_MOST_BYTES     (2u << 20) /* of one access */

struct hb_import_stats {
        enum hb_import_format format;
        enum hb_import_map map;
        bool guessed, timed; /* timed: the input says when */
        uint64_t accesses;   /* taken; csv: the sum of the counts */
        uint64_t unknown;    /* of these, of a kind the input does not tell */
        uint64_t skipped;    /* lines or records that hold no access to take: fetches, samples without an
                                address, rows of zeros */
        uint64_t outside;    /* before `from` */
        uint64_t lines;      /* of text */
        uint64_t records, epochs, pages; /* of the trace: page accesses; pages: highest gfn + 1 */
        uint64_t last_ns;                /* trace time */
        uint64_t in_bytes, in_size;      /* read of the file so far; its size, 0: a pipe */
        uint64_t out_bytes;
};

struct hb_import_options {
        enum hb_import_format format;
        enum hb_import_map map;
        uint32_t page_size;          /* a power of two, 512 .. 2 MiB; 0: 4096 */
        uint64_t epoch_ns;           /* timed input; csv: how long a window is. 0: 1 s */
        uint64_t epoch_accesses;     /* else; 0: HB_IMPORT_EPOCH_ACCESSES */
        uint64_t from_ns, to_ns;     /* trace time [from, to); to 0: all */
        uint32_t most_pages;         /* 0: HB_IMPORT_MOST_PAGES */
        enum hb_import_kind unknown; /* accesses of a kind the input does not tell */
        bool fetches;                /* lackey: instruction fetches are reads */
        bool sampled;                /* the input holds a part of the accesses only */
        bool replace;                /* an output that exists */
        const char *guest;           /* name in the header; NULL: "import" */
        int stop_fd;                 /* readable: -EINTR, also while nothing comes; -1: none */
        bool (*progress)(void *arg, const struct hb_import_stats *s); /* every 256 KiB or so; true: stop */
        void *arg;
};

/* path "-": standard input. Packed input (zstd) is seen by its first bytes. */
int hb_import(const char *path, const char *out, const struct hb_import_options *o,
              struct hb_import_stats *ret, struct hb_err *e);

/* The same without files, for tests and fuzzers: epochs go to the sink, ascending, none empty. */
struct hb_import_sink {
        /* Before the first epoch; the header's shape is a beginning only. */
        int (*begin)(void *arg, const struct hb_trace_header *h, struct hb_err *e);
        /* a: sorted, each page once, good until the return; pages: the guest's so far. */
        int (*epoch)(void *arg, uint32_t epoch, uint64_t time_ns, const struct hb_trace_access *a, size_t n,
                     uint64_t pages, struct hb_err *e);
        void *arg;
};
struct hb_source;
int hb_import_from(struct hb_source *s, const char *name, const struct hb_import_options *o,
                   const struct hb_import_sink *sink, struct hb_import_stats *ret, struct hb_err *e);
