/* results_rows: one list of columns a struct. Numbers that are unknown (NAN) are NULL in the database.
 * Invariant: column names come from here only, values always by binding. */
#include "base/fault.h"
#include "compare/results_priv.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof((a)[0]))
#define COL(type, of, member, column)                                                                        \
        { column, type, offsetof(struct of, member), sizeof(((struct of *)0)->member) }

#define T(member, column) COL(HB_COL_TEXT, hb_compare_trace, member, column)
#define I(member, column) COL(HB_COL_U64, hb_compare_trace, member, column)
static const struct hb_column trace_columns[] = {
        T(hash, "hash"),       T(path, "path"),         T(name, "name"),       T(guest, "guest"),
        T(origin, "origin"),   I(bytes, "bytes"),       I(pages, "pages"),     I(epochs, "epochs"),
        I(records, "records"), I(first_ns, "first_ns"), I(last_ns, "last_ns"),
};
#undef T
#undef I
const struct hb_rows hb_rows_trace = {"trace", "n INTEGER NOT NULL", "n", trace_columns, N(trace_columns)};

#define T(member, column) COL(HB_COL_TEXT, hb_compare_policy, member, column)
static const struct hb_column policy_columns[] = {
        {"kind", HB_COL_U32, offsetof(struct hb_compare_policy, kind), 0},
        T(name, "name"),
        T(names[0], "predictor"),
        T(names[1], "scorer"),
        T(names[2], "threshold"),
        T(hashes[0], "predictor_hash"),
        T(hashes[1], "scorer_hash"),
        T(hashes[2], "threshold_hash"),
};
#undef T
const struct hb_rows hb_rows_policy = {"policy", "n INTEGER NOT NULL", "n", policy_columns,
                                       N(policy_columns)};

#define I(member, column) COL(HB_COL_U64, hb_compare_cell, r.member, column)
#define R(member, column) COL(HB_COL_REAL, hb_compare_cell, r.member, column)
#define SCORE(of, column)                                                                                    \
        R(quality.of.precision, column "precision"), R(quality.of.recall, column "recall"),                  \
                R(quality.of.f1, column "f1"), I(quality.of.moments, column "moments")
static const struct hb_column cell_columns[] = {
        COL(HB_COL_TEXT, hb_compare_cell, key, "key"),
        SCORE(all, ""),
        SCORE(writes, "writes_"),
        SCORE(returning, "returning_"),
        SCORE(fresh, "new_"),
        R(coverage, "coverage"),
        I(hit, "hit"),
        I(late, "late"),
        I(stale, "stale"),
        I(missing, "missing"),
        I(wasted, "wasted"),
        I(bytes, "bytes"),
        I(wire_bytes, "wire_bytes"),
        I(summary_bytes, "summary_bytes"),
        I(records, "records"),
        I(epochs, "epochs"),
        I(digest, "digest"),
        R(seconds, "seconds"),
        R(took_s, "took_s"),
        I(policies[0].errors, "predictor_errors"),
        I(policies[1].errors, "scorer_errors"),
        I(policies[2].errors, "threshold_errors"),
};
#undef I
#undef R
const struct hb_rows hb_rows_cell = {
        "cell", "trace TEXT, policy TEXT, horizon_s REAL, link TEXT, link_bytes_per_s REAL, at TEXT", "key",
        cell_columns, N(cell_columns)};

#define R(member) COL(HB_COL_REAL, hb_replay_migration, member, #member)
static const struct hb_column migration_columns[] = {
        COL(HB_COL_U64, hb_replay_migration, at_ns, "at_ns"),
        R(predicted_downtime_s),
        R(predicted_bytes),
        R(drain_s),
        R(downtime_s),
        COL(HB_COL_U64, hb_replay_migration, bytes_after, "bytes_after"),
        COL(HB_COL_U64, hb_replay_migration, final_pages, "final_pages"),
        COL(HB_COL_BOOL, hb_replay_migration, converged, "converged"),
};
#undef R
const struct hb_rows hb_rows_migration = {"migration", "cell TEXT NOT NULL, n INTEGER NOT NULL", "cell, n",
                                          migration_columns, N(migration_columns)};

#define R(member) COL(HB_COL_REAL, hb_compare_moment, member, #member)
static const struct hb_column moment_columns[] = {
        COL(HB_COL_U64, hb_compare_moment, time_ns, "time_ns"),
        R(precision),
        R(recall),
        R(f1),
        R(f1_returning),
        R(f1_new),
        R(f1_writes),
};
#undef R
const struct hb_rows hb_rows_moment = {"moment", "cell TEXT NOT NULL, n INTEGER NOT NULL", "cell, n",
                                       moment_columns, N(moment_columns)};

#define R(member) COL(HB_COL_REAL, hb_compare_span, member, #member)
static const struct hb_column span_columns[] = {
        COL(HB_COL_U64, hb_compare_span, time_ns, "time_ns"),
        R(accessed),
        R(coverage),
        R(fresh),
        R(resident),
        R(bytes),
        R(threshold),
};
#undef R
const struct hb_rows hb_rows_span = {"span", "cell TEXT NOT NULL, n INTEGER NOT NULL", "cell, n",
                                     span_columns, N(span_columns)};

/* ---- statements ---- */
static const char *type_of(enum hb_column_type t) {
        return t == HB_COL_TEXT ? "TEXT" : t == HB_COL_REAL ? "REAL" : "INTEGER";
}

int hb_results_make(hb_results *r, const struct hb_rows *rows, struct hb_err *e) {
        sqlite3_str *s = sqlite3_str_new(r->db);
        char *sql;
        int rc;

        sqlite3_str_appendf(s, "CREATE TABLE %s(%s", rows->table, rows->key);
        for (unsigned i = 0; i < rows->n; i++)
                sqlite3_str_appendf(s, ", %s %s", rows->columns[i].name, type_of(rows->columns[i].type));
        sqlite3_str_appendf(s, ", PRIMARY KEY(%s)) WITHOUT ROWID", rows->primary);
        sql = sqlite3_str_finish(s);
        rc = sql ? hb_results_exec(r, sql, e) : hb_results_fail(r, SQLITE_NOMEM, "make the tables", e);
        sqlite3_free(sql);
        return rc;
}

static void append_columns(sqlite3_str *s, const struct hb_rows *rows) {
        for (unsigned i = 0; i < rows->n; i++)
                sqlite3_str_appendf(s, "%s%s", i ? ", " : "", rows->columns[i].name);
}

static int prepare(hb_results *r, sqlite3_str *s, sqlite3_stmt **ret) {
        char *sql = sqlite3_str_finish(s);
        int rc = sql ? sqlite3_prepare_v2(r->db, sql, -1, ret, NULL) : SQLITE_NOMEM;

        sqlite3_free(sql);
        return rc;
}

static int bind_column(sqlite3_stmt *st, int at, const struct hb_column *c, const void *item) {
        const char *p = (const char *)item + c->offset;

        switch (c->type) {
        case HB_COL_TEXT:
                return sqlite3_bind_text(st, at, p, -1, SQLITE_STATIC);
        case HB_COL_U64:
                return sqlite3_bind_int64(st, at, (int64_t) * (const uint64_t *)(const void *)p);
        case HB_COL_U32:
                return sqlite3_bind_int64(st, at, *(const uint32_t *)(const void *)p);
        case HB_COL_BOOL:
                return sqlite3_bind_int64(st, at, *(const bool *)(const void *)p);
        case HB_COL_REAL:
                break;
        }
        return sqlite3_bind_double(st, at, *(const double *)(const void *)p); /* NAN becomes NULL */
}

int hb_results_write(hb_results *r, const struct hb_rows *rows, struct hb_row_key key, const void *item,
                     struct hb_err *e) {
        sqlite3_str *s = sqlite3_str_new(r->db);
        sqlite3_stmt *st = NULL;
        int at = 1, rc;

        sqlite3_str_appendf(s, "INSERT OR REPLACE INTO %s(%s%s", rows->table, key.text ? "cell, " : "",
                            key.n >= 0 ? "n, " : "");
        append_columns(s, rows);
        sqlite3_str_appendf(s, ") VALUES(%s%s?", key.text ? "?, " : "", key.n >= 0 ? "?, " : "");
        for (unsigned i = 1; i < rows->n; i++)
                sqlite3_str_appendall(s, ", ?");
        sqlite3_str_appendall(s, ")");
        rc = prepare(r, s, &st);
        if (rc == SQLITE_OK && key.text)
                rc = sqlite3_bind_text(st, at++, key.text, -1, SQLITE_STATIC);
        if (rc == SQLITE_OK && key.n >= 0)
                rc = sqlite3_bind_int64(st, at++, key.n);
        for (unsigned i = 0; rc == SQLITE_OK && i < rows->n; i++)
                rc = bind_column(st, at++, &rows->columns[i], item);
        if (rc == SQLITE_OK)
                rc = sqlite3_step(st);
        sqlite3_finalize(st);
        return rc == SQLITE_DONE ? 0 : hb_results_fail(r, rc, "write the results", e);
}

static void take_column(sqlite3_stmt *st, int at, const struct hb_column *c, void *item) {
        char *p = (char *)item + c->offset;
        const unsigned char *text;

        switch (c->type) {
        case HB_COL_TEXT:
                text = sqlite3_column_text(st, at);
                snprintf(p, c->size, "%s", text ? (const char *)text : "");
                break;
        case HB_COL_U64:
                *(uint64_t *)(void *)p = (uint64_t)sqlite3_column_int64(st, at);
                break;
        case HB_COL_U32:
                *(uint32_t *)(void *)p = (uint32_t)sqlite3_column_int64(st, at);
                break;
        case HB_COL_BOOL:
                *(bool *)(void *)p = sqlite3_column_int(st, at) != 0;
                break;
        case HB_COL_REAL:
                *(double *)(void *)p =
                        sqlite3_column_type(st, at) == SQLITE_NULL ? NAN : sqlite3_column_double(st, at);
                break;
        }
}

static int gather(sqlite3_stmt *st, const struct hb_rows *rows, size_t size, unsigned most, char **items,
                  unsigned *n) {
        unsigned cap = 0;
        int rc;

        while ((rc = sqlite3_step(st)) == SQLITE_ROW && *n < most) {
                if (*n == cap) {
                        char *more = hb_fault("compare.read")
                                             ? NULL
                                             : realloc(*items, (cap = cap ? cap * 2 : 8) * size);

                        if (!more)
                                return SQLITE_NOMEM;
                        *items = more;
                }
                memset(*items + *n * size, 0, size);
                for (unsigned i = 0; i < rows->n; i++)
                        take_column(st, (int)i, &rows->columns[i], *items + *n * size);
                ++*n;
        }
        return rc == SQLITE_ROW ? SQLITE_DONE : rc;
}

int hb_results_read(hb_results *r, const struct hb_rows *rows, const char *key, size_t size, unsigned most,
                    void **ret, unsigned *ret_n, struct hb_err *e) {
        bool by_n = strcmp(rows->primary, "key") != 0;
        sqlite3_str *s = sqlite3_str_new(r->db);
        sqlite3_stmt *st = NULL;
        char *items = NULL;
        unsigned n = 0;
        int rc;

        sqlite3_str_appendall(s, "SELECT ");
        append_columns(s, rows);
        sqlite3_str_appendf(s, " FROM %s%s%s", rows->table,
                            !key   ? ""
                            : by_n ? " WHERE cell = ?"
                                   : " WHERE key = ?",
                            by_n ? " ORDER BY n" : "");
        rc = prepare(r, s, &st);
        if (rc == SQLITE_OK && key)
                rc = sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
        if (rc == SQLITE_OK)
                rc = gather(st, rows, size, most, &items, &n);
        sqlite3_finalize(st);
        if (rc != SQLITE_DONE) {
                free(items);
                return hb_results_fail(r, rc, "read the results", e);
        }
        *ret = items;
        *ret_n = n;
        return 0;
}
