/* sqlite_export: a trace as tables for people who think in SQL. docs/TRACE_FORMAT.md documents the schema;
 * user_version is its version.
 *
 * The file is built beside its name without a journal (a crash leaves a file that nobody knows) in one
 * transaction; the index by page is made last, when it costs a sort and no random writes. 64-bit values are
 * SQLite's signed integers, bits kept. One thread. */
#include "base/fault.h"
#include "convert/beside.h"
#include "convert/export_priv.h"
#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRESS_STEPS 100000 /* of SQLite's machine, between two looks at whether to stop */

static const char schema[] =
        "CREATE TABLE meta(key TEXT PRIMARY KEY, value) WITHOUT ROWID;"
        "CREATE TABLE epochs(epoch INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, pages INTEGER NOT NULL,"
        " reads INTEGER NOT NULL, writes INTEGER NOT NULL);"
        "CREATE TABLE accesses(epoch INTEGER NOT NULL, page INTEGER NOT NULL, reads INTEGER NOT NULL,"
        " writes INTEGER NOT NULL, PRIMARY KEY(epoch, page)) WITHOUT ROWID;"
        "CREATE TABLE events(id INTEGER PRIMARY KEY, time_ns INTEGER NOT NULL, epoch INTEGER NOT NULL,"
        " stream TEXT NOT NULL,"
        " latency_s REAL, bytes_per_s REAL, free_bytes_per_s REAL, used_share REAL, cap_bytes_per_s REAL,"
        " page INTEGER, pages INTEGER, of_epoch INTEGER, fetch_class INTEGER, bucket INTEGER,"
        " bytes INTEGER, wire_bytes INTEGER, failed INTEGER,"
        " hit INTEGER, late INTEGER, stale INTEGER, wasted INTEGER, fresh INTEGER, resident INTEGER,"
        " threshold REAL, precision REAL, recall REAL,"
        " kind TEXT, value INTEGER, text TEXT, data BLOB);";

static const char indexes[] = "CREATE INDEX accesses_by_page ON accesses(page, epoch, reads, writes);"
                              "CREATE INDEX events_by_stream ON events(stream, time_ns);"
                              "CREATE INDEX epochs_by_time ON epochs(time_ns);";

/* Columns of events, as parameters of its INSERT. */
enum {
        TIME_NS = 1,
        EPOCH,
        STREAM,
        LATENCY_S,
        BYTES_PER_S,
        FREE_BYTES_PER_S,
        USED_SHARE,
        CAP_BYTES_PER_S,
        PAGE,
        PAGES,
        OF_EPOCH,
        FETCH_CLASS,
        BUCKET,
        BYTES,
        WIRE_BYTES,
        FAILED,
        HIT,
        LATE,
        STALE,
        WASTED,
        FRESH,
        RESIDENT,
        THRESHOLD,
        PRECISION,
        RECALL,
        KIND,
        VALUE,
        TEXT,
        DATA
};

struct base {
        struct hb_export_job *j;
        sqlite3 *db;
        sqlite3_stmt *epoch, *access, *event;
};

static int failed(struct base *b, int r) {
        int code = r == SQLITE_FULL        ? -ENOSPC
                   : r == SQLITE_NOMEM     ? -ENOMEM
                   : r == SQLITE_INTERRUPT ? -EINTR
                                           : -EIO;

        return hb_err_set(b->j->e, code, b->j->out, NULL, "cannot write the SQLite file: %s",
                          code == -EINTR ? "interrupted"
                          : b->db        ? sqlite3_errmsg(b->db)
                                         : sqlite3_errstr(r));
}

static int run_sql(struct base *b, const char *sql) {
        int r = hb_fault("export.sqlite") ? SQLITE_IOERR : sqlite3_exec(b->db, sql, NULL, NULL, NULL);

        return r == SQLITE_OK ? 0 : failed(b, r);
}

static int prepare(struct base *b, const char *sql, sqlite3_stmt **ret) {
        int r = sqlite3_prepare_v2(b->db, sql, -1, ret, NULL);

        return r == SQLITE_OK ? 0 : failed(b, r);
}

static int step(struct base *b, sqlite3_stmt *st) {
        int r = hb_fault("export.write") ? SQLITE_FULL : sqlite3_step(st);

        if (r != SQLITE_DONE)
                return failed(b, r);
        sqlite3_reset(st);
        return 0;
}

static int busy(void *arg) {
        struct base *b = arg;

        return b->j->o->progress && b->j->o->progress(b->j->o->arg, &b->j->stats);
}

static int open_base(struct base *b, const char *path) {
        int r = sqlite3_open_v2(path, &b->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOFOLLOW, NULL);

        if (r != SQLITE_OK)
                return failed(b, r);
        sqlite3_progress_handler(b->db, PROGRESS_STEPS, busy, b);
        r = run_sql(b, "PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; PRAGMA locking_mode=EXCLUSIVE;"
                       "PRAGMA user_version=1; PRAGMA cache_size=-16384; BEGIN");
        if (r == 0)
                r = run_sql(b, schema);
        if (r == 0)
                r = prepare(b, "INSERT INTO epochs VALUES(?,?,?,?,?)", &b->epoch);
        if (r == 0)
                r = prepare(b, "INSERT INTO accesses VALUES(?,?,?,?)", &b->access);
        if (r == 0)
                r = prepare(
                        b,
                        "INSERT INTO events VALUES(NULL,?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,"
                        "?16,?17,?18,?19,?20,?21,?22,?23,?24,?25,?26,?27,?28,?29)",
                        &b->event);
        return r;
}

static void close_base(struct base *b) {
        sqlite3_finalize(b->epoch);
        sqlite3_finalize(b->access);
        sqlite3_finalize(b->event);
        sqlite3_close(b->db);
}

/* ---- meta ---- */
static int put_meta(struct base *b, const char *key, const char *text, uint64_t number) {
        sqlite3_stmt *st = NULL;
        int r = prepare(b, "INSERT INTO meta VALUES(?,?)", &st);

        if (r < 0)
                return r;
        sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
        if (text)
                sqlite3_bind_text(st, 2, text, -1, SQLITE_STATIC);
        else
                sqlite3_bind_int64(st, 2, (sqlite3_int64)number);
        r = step(b, st);
        sqlite3_finalize(st);
        return r;
}

static int put_policies(struct base *b, const struct hb_trace_header *h) {
        static const char *const kinds[] = {"predictor", "scorer", "threshold"};
        int r = 0;

        for (unsigned i = 0; r == 0 && i < 3; i++) {
                char text[sizeof(h->policies[i]) + 2];

                if (!h->policies[i].name[0])
                        continue;
                snprintf(text, sizeof(text), "%s %s %s", h->policies[i].name, h->policies[i].version,
                         h->policies[i].hash);
                r = put_meta(b, kinds[i], text, 0);
        }
        return r;
}

static int put_regions(struct base *b, const struct hb_shape *s) {
        char key[HB_NAME_MAX + 24], text[64];
        int r = 0;

        for (uint32_t i = 0; r == 0 && i < s->nregions; i++) {
                snprintf(key, sizeof(key), "region.%u.%s", i, s->regions[i].name);
                snprintf(text, sizeof(text), "%llu %llu", (unsigned long long)s->regions[i].first_gfn,
                         (unsigned long long)s->regions[i].pages);
                r = put_meta(b, key, text, 0);
        }
        return r;
}

static int put_header(struct base *b, const struct hb_trace_header *h) {
        const struct {
                const char *key, *text;
                uint64_t number;
        } rows[] = {
                {"guest", h->guest, 0},
                {"host", h->host, 0},
                {"note", h->note, 0},
                {"origin", hb_trace_origin_name(h->origin), h->origin},
                {"pages", NULL, h->shape.pages},
                {"page_size", NULL, h->page_size},
                {"epoch_ns", NULL, h->epoch_ns},
                {"begins_unix_ns", NULL, h->begins_unix_ns},
                {"part", NULL, h->part},
                {"seed", NULL, h->seed},
                {"counts", NULL, (h->flags & HB_TRACE_COUNTS) != 0},
                {"exact_reads", NULL, (h->flags & HB_TRACE_EXACT_READS) != 0},
                {"no_reads", NULL, (h->flags & HB_TRACE_NO_READS) != 0},
                {"exact_writes", NULL, (h->flags & HB_TRACE_EXACT_WRITES) != 0},
                {"anonymized", NULL, (h->flags & HB_TRACE_ANONYMIZED) != 0},
        };
        int r = 0;

        for (size_t i = 0; r == 0 && i < sizeof(rows) / sizeof(rows[0]); i++)
                r = put_meta(b, rows[i].key, rows[i].text, rows[i].number);
        if (r == 0)
                r = put_regions(b, &h->shape);
        return r < 0 ? r : put_policies(b, h);
}

/* ---- epochs and their accesses ---- */
static int put_epoch(struct base *b, const struct hb_trace_item *item) {
        uint64_t reads = 0, writes = 0;
        int r = 0;

        for (size_t i = 0; r == 0 && i < item->naccess; i++) {
                sqlite3_bind_int64(b->access, 1, item->epoch);
                sqlite3_bind_int64(b->access, 2, item->access[i].gfn);
                sqlite3_bind_int64(b->access, 3, item->access[i].reads);
                sqlite3_bind_int64(b->access, 4, item->access[i].writes);
                reads += item->access[i].reads;
                writes += item->access[i].writes;
                r = step(b, b->access);
        }
        if (r < 0)
                return r;
        b->j->stats.accesses += reads + writes;
        sqlite3_bind_int64(b->epoch, 1, item->epoch);
        sqlite3_bind_int64(b->epoch, 2, (sqlite3_int64)item->time_ns);
        sqlite3_bind_int64(b->epoch, 3, (sqlite3_int64)item->naccess);
        sqlite3_bind_int64(b->epoch, 4, (sqlite3_int64)reads);
        sqlite3_bind_int64(b->epoch, 5, (sqlite3_int64)writes);
        return step(b, b->epoch);
}

/* ---- events ---- */
static void number(struct base *b, int column, uint64_t v) {
        sqlite3_bind_int64(b->event, column, (sqlite3_int64)v);
}

static void real(struct base *b, int column, double v) {
        sqlite3_bind_double(b->event, column, v);
}

static void bind_network(struct base *b, const struct hb_trace_event *ev) {
        real(b, LATENCY_S, ev->network.latency_s);
        real(b, BYTES_PER_S, ev->network.bytes_per_s);
        real(b, FREE_BYTES_PER_S, ev->network.free_bytes_per_s);
        real(b, USED_SHARE, ev->network.used_share);
        real(b, CAP_BYTES_PER_S, ev->network.cap_bytes_per_s);
}

static void bind_summary(struct base *b, const struct hb_trace_event *ev) {
        number(b, OF_EPOCH, ev->summary.epoch);
        number(b, BYTES, ev->summary.bytes);
        number(b, PAGES, ev->summary.pages);
}

static void bind_decision(struct base *b, const struct hb_trace_event *ev) {
        number(b, PAGE, ev->decision.gfn);
        number(b, PAGES, ev->decision.pages);
        number(b, OF_EPOCH, ev->decision.epoch);
        number(b, FETCH_CLASS, ev->decision.fetch_class);
        number(b, BUCKET, ev->decision.bucket);
}

static void bind_transfer(struct base *b, const struct hb_trace_event *ev) {
        number(b, PAGE, ev->transfer.gfn);
        number(b, PAGES, ev->transfer.pages);
        number(b, OF_EPOCH, ev->transfer.stamp);
        number(b, WIRE_BYTES, ev->transfer.wire_bytes);
        number(b, FAILED, ev->transfer.failed);
}

static void bind_outcome(struct base *b, const struct hb_trace_event *ev) {
        number(b, HIT, ev->outcome.hit);
        number(b, LATE, ev->outcome.late);
        number(b, STALE, ev->outcome.stale);
        number(b, WASTED, ev->outcome.wasted);
        number(b, FRESH, ev->outcome.fresh);
        number(b, RESIDENT, ev->outcome.resident);
        number(b, BYTES, ev->outcome.bytes);
        number(b, WIRE_BYTES, ev->outcome.wire_bytes);
        real(b, THRESHOLD, ev->outcome.threshold);
        real(b, PRECISION, ev->outcome.precision);
        real(b, RECALL, ev->outcome.recall);
}

static void bind_mark(struct base *b, const struct hb_trace_event *ev) {
        const char *kind = hb_trace_mark_name(ev->mark.kind);

        sqlite3_bind_text(b->event, KIND, kind ? kind : "unknown", -1, SQLITE_STATIC);
        number(b, VALUE, ev->mark.value);
        sqlite3_bind_text(b->event, TEXT, ev->mark.text, (int)strnlen(ev->mark.text, sizeof(ev->mark.text)),
                          SQLITE_TRANSIENT);
}

static void bind_raw(struct base *b, const struct hb_trace_event *ev) {
        sqlite3_bind_blob64(b->event, DATA, ev->raw.data, ev->raw.size, SQLITE_TRANSIENT);
}

static int put_event(struct base *b, const struct hb_trace_item *item) {
        static void (*const binders[HB_TRACE_STREAMS])(struct base *, const struct hb_trace_event *) = {
                [HB_TRACE_NETWORK] = bind_network,   [HB_TRACE_SUMMARY] = bind_summary,
                [HB_TRACE_DECISION] = bind_decision, [HB_TRACE_TRANSFER] = bind_transfer,
                [HB_TRACE_OUTCOME] = bind_outcome,   [HB_TRACE_MARK] = bind_mark,
                [HB_TRACE_INPUT] = bind_raw,         [HB_TRACE_RESIDENT] = bind_raw,
                [HB_TRACE_FINGERPRINT] = bind_raw,
        };
        enum hb_trace_stream stream = item->event.stream;

        if ((unsigned)stream >= HB_TRACE_STREAMS || !binders[stream])
                return 0;
        sqlite3_clear_bindings(b->event);
        number(b, TIME_NS, item->time_ns);
        number(b, EPOCH, item->epoch);
        sqlite3_bind_text(b->event, STREAM, hb_trace_stream_name(stream), -1, SQLITE_STATIC);
        binders[stream](b, &item->event);
        b->j->stats.events++;
        return step(b, b->event);
}

static int fill(struct base *b) {
        struct hb_trace_item item;
        int r;

        while ((r = hb_export_next(b->j, &item)) == 1) {
                if (item.kind == HB_TRACE_EPOCH)
                        r = put_epoch(b, &item);
                else if (item.kind == HB_TRACE_EVENT)
                        r = put_event(b, &item);
                if (r < 0)
                        return r;
        }
        return r;
}

int hb_export_sqlite(struct hb_export_job *j) {
        struct base b = {.j = j};
        struct hb_beside beside;
        struct stat st;
        int fd = hb_beside_new(&beside, j->out, j->o->replace, j->e), r;

        if (fd < 0)
                return fd;
        r = open_base(&b, beside.temporary);
        if (r == 0)
                r = fill(&b);
        if (r == 0) /* the header as it is at the end: pages may have grown */
                r = put_header(&b, hb_trace_reader_header(j->reader));
        if (r == 0)
                r = run_sql(&b, indexes);
        if (r == 0)
                r = run_sql(&b, "COMMIT");
        close_base(&b);
        if (r == 0)
                r = hb_beside_commit(&beside, fd, j->e);
        if (r == 0 && fstat(fd, &st) == 0)
                j->stats.out_bytes = (uint64_t)st.st_size;
        close(fd);
        hb_beside_drop(&beside);
        return r;
}
