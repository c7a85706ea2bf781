/* trace: the .hbt file, written and read. docs/TRACE_FORMAT.md says every byte of it.
 *
 * A trace is a header, then *epochs* in ascending order, each with the pages accessed in it, and between them
 * *events* in the order they happened. Times are ns of one monotonic clock, made relative to the trace's
 * first moment (`begins_unix_ns` says when that was). Epoch e with time t tells what was accessed in (time of
 * e-1, t]. Page numbers are gfns of the header's shape. A trace never holds page contents.
 *
 * One writer, one thread; one reader, one thread; any number of readers of a file that is being written (they
 * end at its last whole block). Memory: one block each, whatever the file's length. */
#pragma once
#include "base/err.h"
#include "base/shape.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HB_TRACE_MAJOR 1 /* another major: refused. A higher minor: readable, unknown streams are skipped */
#define HB_TRACE_MINOR 0

enum hb_trace_origin {                      /* who saw the accesses */
                       HB_TRACE_SOURCE = 1, /* the tracker of a daemon that runs the guest */
                       HB_TRACE_TARGET, /* what a daemon heard of a guest placed with it; with INPUT events */
                       HB_TRACE_PLUGIN, /* every load and store of a whole guest, by the emulator plugin */
                       HB_TRACE_PROGRAM,   /* every load and store of one program, by the emulator plugin */
                       HB_TRACE_IMPORT,    /* another format */
                       HB_TRACE_SYNTHETIC, /* made up by a generator */
                       HB_TRACE_ORIGINS
};
const char *hb_trace_origin_name(enum hb_trace_origin o);

enum {                            /* what the accesses mean */
       HB_TRACE_COUNTS = 1u << 0, /* reads and writes are counts; else 0 or 1: seen in that epoch or not */
       HB_TRACE_EXACT_READS = 1u << 1, /* every read is there; else sampled, or none (NO_READS) */
       HB_TRACE_NO_READS = 1u << 2,
       HB_TRACE_EXACT_WRITES = 1u << 3,
       HB_TRACE_ANONYMIZED = 1u << 4,
       HB_TRACE_ROUNDED = 1u << 5, /* large counts are near the true ones: see count_bits of a writer */
};

struct hb_trace_policy {
        char name[64], version[32], hash[33];
};

struct hb_trace_header {
        char guest[HB_NAME_MAX], host[HB_NAME_MAX];
        char note[256];          /* free text: the command traced, the file imported, the seed */
        struct hb_shape shape;   /* pages may grow while a trace is written (hb_trace_writer_grow); a reader
                                    sees the last known */
        uint32_t page_size;      /* 4096 */
        uint64_t epoch_ns;       /* nominal; each epoch has its own time */
        uint64_t begins_unix_ns; /* 0: unknown */
        enum hb_trace_origin origin;
        uint32_t flags;
        uint32_t part;                      /* 0, or the number of this file in a rotated recording */
        struct hb_trace_policy policies[3]; /* by enum hb_policy_kind; name "" : none */
        uint64_t seed;                      /* of the policies */
        char salt[33];        /* hex; fingerprints, where there are any, are salted with it; "" : none */
        uint32_t engine_size; /* engine options, encoded by place/engine_input.h; 0: none */
        uint8_t engine[256];
};

struct hb_trace_access {
        uint32_t gfn, reads, writes; /* not both 0 */
};

/* The first of n sorted accesses at or after a page; n: none. */
size_t hb_trace_access_from(const struct hb_trace_access *a, size_t n, uint64_t gfn);

enum hb_trace_stream {
        HB_TRACE_NETWORK = 1, /* a link sample */
        HB_TRACE_SUMMARY,     /* a map summary heard: its size and what it covers */
        HB_TRACE_DECISION,    /* pages decided upon, with class and score bucket */
        HB_TRACE_TRANSFER,    /* a transfer that ended */
        HB_TRACE_OUTCOME,     /* accuracy and counters, about one an epoch */
        HB_TRACE_MARK,  /* a word at a moment: dropped records, a migration asked for, an operator's note */
        HB_TRACE_INPUT, /* one input of the engine, encoded by place/engine_input.h: what makes an exact
                           replay */
        HB_TRACE_RESIDENT,    /* page runs (varint gap, length) that hold data from now on; absent pages were
                                 touched at some time */
        HB_TRACE_FINGERPRINT, /* salted fingerprints */
        HB_TRACE_STREAMS
};
const char *hb_trace_stream_name(enum hb_trace_stream s); /* "network"...; NULL outside */

enum hb_trace_mark {
        HB_MARK_NOTE = 1,     /* text */
        HB_MARK_DROPPED,      /* value: records the recorder had no room for, text: of what */
        HB_MARK_MIGRATE,      /* a migration was asked for */
        HB_MARK_FREEZE,       /* value: final epoch */
        HB_MARK_COMPLETE,     /* value: final epoch */
        HB_MARK_THAW,         /* the migration was given up */
        HB_MARK_DIGEST,       /* value: the engine's decision digest at this point of the input stream */
        HB_MARK_ENGINE,       /* the engine began here; INPUT events before this mean nothing */
        HB_MARK_POLICY,       /* value: kind; text: name version hash now active */
        HB_MARK_POLICY_ERROR, /* value: kind; text: the error. From here an exact replay may differ */
        HB_MARK_REPAIRED,     /* by `trace repair`: epochs are missing here */
        HB_MARKS
};
const char *hb_trace_mark_name(enum hb_trace_mark m);

/* Bodies of the events, decoded. hb_trace_event_encode/_decode are the only places that know their bytes. */
struct hb_trace_event {
        enum hb_trace_stream stream;
        uint64_t time_ns;
        union {
                struct {
                        double latency_s, bytes_per_s, free_bytes_per_s, used_share, cap_bytes_per_s;
                } network;
                struct {
                        uint32_t epoch;
                        uint64_t bytes, pages;
                } summary;
                struct {
                        uint64_t gfn;
                        uint32_t pages, epoch;
                        uint8_t fetch_class; /* enum hb_fetch_class */
                        uint8_t bucket;      /* of HB_POLICY_BUCKETS over [-1, 1] */
                } decision;
                struct {
                        uint64_t gfn;
                        uint32_t pages, stamp;
                        uint64_t wire_bytes;
                        bool failed;
                } transfer;
                struct {
                        uint64_t hit, late, stale, wasted, fresh, resident, bytes, wire_bytes;
                        double threshold, precision, recall;
                } outcome;
                struct {
                        enum hb_trace_mark kind;
                        uint64_t value;
                        char text[256];
                } mark;
                struct {
                        const uint8_t *data; /* reader: points into the block, good until the next item */
                        size_t size;
                } raw; /* INPUT, RESIDENT, FINGERPRINT */
        };
};

/* ---- writing ---- */
typedef struct hb_trace_writer hb_trace_writer;

struct hb_trace_writer_options {
        uint32_t block_bytes; /* of raw columns, default 2 MiB */
        int level;            /* zstd, default 6 */
        bool atomic; /* written beside and renamed at close; a writer that is freed unclosed leaves nothing */
        bool replace;       /* an existing file is replaced (atomic) or appended to (not); else -EEXIST */
        bool sync;          /* fsync at each block, else at close */
        uint8_t count_bits; /* counts are rounded to this many leading bits (5: within 3 %), which makes long
                               windows up to a third smaller, and the header says so (ROUNDED). 0: exact */
};

/* Creates the file 0640, never through a symlink. With replace and not atomic an existing trace of equal
 * header is cut after its last whole block and continued; another file is refused. */
int hb_trace_writer_new(const char *path, const struct hb_trace_header *h,
                        const struct hb_trace_writer_options *o, hb_trace_writer **ret, struct hb_err *e);
/* Epochs and times ascend (-EINVAL, nothing written). Accesses are sorted by gfn, each page once; a set that
 * is not is sorted and joined. Errors stay: what failed once is told again at close. */
int hb_trace_writer_epoch(hb_trace_writer *w, uint32_t epoch, uint64_t time_ns,
                          const struct hb_trace_access *a, size_t n);
int hb_trace_writer_event(hb_trace_writer *w,
                          const struct hb_trace_event *ev); /* time not before the last epoch's or event's */
int hb_trace_writer_mark(hb_trace_writer *w, uint64_t time_ns, enum hb_trace_mark kind, uint64_t value,
                         const char *text);
int hb_trace_writer_grow(hb_trace_writer *w, uint64_t pages); /* the last region now ends here; only up */
int hb_trace_writer_flush(hb_trace_writer *w); /* ends the block: readers see all that was written */
uint64_t hb_trace_writer_bytes(const hb_trace_writer *w); /* in the file so far */
/* Index, end mark, fsync, rename. The writer is gone, also on failure. */
int hb_trace_writer_close(hb_trace_writer *w, struct hb_err *e);
hb_trace_writer *
hb_trace_writer_free(hb_trace_writer *w); /* unclosed: as a kill would leave it, or with `atomic` nothing */

/* ---- reading ---- */
typedef struct hb_trace_reader hb_trace_reader;

enum hb_trace_item_kind { HB_TRACE_END, HB_TRACE_EPOCH, HB_TRACE_EVENT };

struct hb_trace_item {
        enum hb_trace_item_kind kind;
        uint32_t epoch; /* EPOCH: this; EVENT: the last epoch before it, 0: none yet */
        uint64_t time_ns;
        const struct hb_trace_access *access; /* EPOCH: sorted by gfn; good until the next item */
        size_t naccess;
        struct hb_trace_event event;
};

struct hb_trace_info {
        uint64_t bytes, blocks, epochs, records, events[HB_TRACE_STREAMS]; /* records: page accesses */
        uint64_t first_ns, last_ns, raw_bytes;
        uint32_t first_epoch, last_epoch;
        bool indexed;     /* false: cut short or still being written; found by walking the blocks' heads */
        bool damaged;     /* a block or the index failed its checks, or blocks are missing */
        char damage[160]; /* what and where, the first of it; not damaged: how the file was cut short, or ""
                           */
};

/* A regular file; anything else is refused with a word. A file without its end is readable to its last whole
 * block. */
int hb_trace_reader_open(const char *path, hb_trace_reader **ret, struct hb_err *e);
hb_trace_reader *hb_trace_reader_free(hb_trace_reader *r);
const struct hb_trace_header *hb_trace_reader_header(const hb_trace_reader *r);
void hb_trace_reader_info(const hb_trace_reader *r,
                          struct hb_trace_info *ret); /* from the index or the heads; no block is decoded */
/* 1: *ret is filled, 0: the end (a file cut short ends like this too; info says so), -EBADMSG: a damaged
 * block, *e says where; the next call goes on after it. */
int hb_trace_reader_next(hb_trace_reader *r, struct hb_trace_item *ret, struct hb_err *e);
/* The next item is the first of epoch >= `epoch` (or an event after it). */
int hb_trace_reader_seek(hb_trace_reader *r, uint32_t epoch, struct hb_err *e);
void hb_trace_reader_rewind(hb_trace_reader *r);
/* Byte offset of the block the last item came from, and bytes in all: for progress lines. */
uint64_t hb_trace_reader_at(const hb_trace_reader *r, uint64_t *ret_of);
