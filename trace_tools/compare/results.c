/* results: opening the database and its transactions.
 *
 * A rollback journal with synchronous=NORMAL: a kill never harms it, and one file is easier to hand on than
 * three. What a power cut may lose is computed again. */
#include "compare/results.h"
#include "base/fault.h"
#include "compare/results_priv.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define APPLICATION 0x48424352 /* "HBCR" */
#define SCHEMA      1
#define BUSY_MS     10000

static int code_of(int rc, int system_errno) {
        switch (rc & 0xff) {
        case SQLITE_FULL:
                return -ENOSPC;
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
                return -EBUSY;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
                return -EUCLEAN;
        case SQLITE_READONLY:
                return -EROFS;
        case SQLITE_NOMEM:
                return -ENOMEM;
        case SQLITE_CANTOPEN:
                return system_errno ? -system_errno : -EACCES;
        default:
                return -EIO;
        }
}

int hb_results_fail(hb_results *r, int rc, const char *doing, struct hb_err *e) {
        int code = code_of(rc, r->db ? sqlite3_system_errno(r->db) : 0);
        const char *next = code == -EUCLEAN ? "move the file away, or name another with --results: its cells "
                                              "are computed again"
                           : code == -EBUSY ? "another process holds it for long; try again"
                           : code == -ENOSPC
                                   ? "free some space and run the same again: finished cells are kept"
                                   : NULL;

        return hb_err_set(e, code, r->path, next, "cannot %s: %s", doing,
                          code == -EUCLEAN ? "the results are damaged, or no results at all"
                          : code == -ENOENT || code == -EACCES || code == -EISDIR ? strerror(-code)
                                                                                  : sqlite3_errstr(rc));
}

int hb_results_exec(hb_results *r, const char *sql, struct hb_err *e) {
        int rc = sqlite3_exec(r->db, sql, NULL, NULL, NULL);

        return rc == SQLITE_OK ? 0 : hb_results_fail(r, rc, "use the results", e);
}

static int number(hb_results *r, const char *sql, int64_t *ret, struct hb_err *e) {
        sqlite3_stmt *st = NULL;
        int rc = sqlite3_prepare_v2(r->db, sql, -1, &st, NULL);

        if (rc == SQLITE_OK)
                rc = sqlite3_step(st);
        if (rc == SQLITE_ROW)
                *ret = sqlite3_column_int64(st, 0);
        sqlite3_finalize(st);
        return rc == SQLITE_ROW ? 0 : hb_results_fail(r, rc, "open the results", e);
}

/* ---- the schema ---- */
static int make_tables(hb_results *r, struct hb_err *e) {
        static const struct hb_rows *const all[] = {&hb_rows_trace,     &hb_rows_policy, &hb_rows_cell,
                                                    &hb_rows_migration, &hb_rows_moment, &hb_rows_span};
        char sql[160];
        int rc = hb_results_exec(r,
                                 "CREATE TABLE plan(key TEXT PRIMARY KEY NOT NULL, value) WITHOUT ROWID;"
                                 "CREATE TABLE axis(name TEXT NOT NULL, n INTEGER NOT NULL, value, word TEXT,"
                                 " PRIMARY KEY(name, n)) WITHOUT ROWID;",
                                 e);

        for (unsigned i = 0; rc == 0 && i < sizeof(all) / sizeof(all[0]); i++)
                rc = hb_results_make(r, all[i], e);
        snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %d;", APPLICATION,
                 SCHEMA);
        return rc < 0 ? rc : hb_results_exec(r, sql, e);
}

static int check_kind(hb_results *r, bool *ret_empty, struct hb_err *e) {
        int64_t application = 0, version = 0, tables = 0;
        int rc = number(r, "PRAGMA application_id", &application, e);

        if (rc == 0)
                rc = number(r, "PRAGMA user_version", &version, e);
        if (rc == 0)
                rc = number(r, "SELECT count(*) FROM sqlite_master", &tables, e);
        if (rc < 0)
                return rc;
        *ret_empty = application == 0 && tables == 0;
        if (!*ret_empty && application != APPLICATION)
                return hb_err_set(e, -EUCLEAN, r->path, "name another file with --results",
                                  "a database of something else: it is left alone");
        if (!*ret_empty && version > SCHEMA)
                return hb_err_set(
                        e, -EPROTONOSUPPORT, r->path, "use the Harbinger that wrote them, or a newer one",
                        "the results have schema %d; this Harbinger knows up to %d", (int)version, SCHEMA);
        return 0;
}

/* The lock comes first: two that start at once must not both make the tables. */
static int prepare(hb_results *r, struct hb_err *e) {
        bool empty;
        int rc = hb_results_exec(r, r->readonly ? "BEGIN" : "BEGIN IMMEDIATE", e);

        if (rc < 0)
                return rc;
        rc = check_kind(r, &empty, e);
        if (rc == 0 && empty)
                rc = r->readonly ? hb_err_set(e, -ENODATA, r->path, "harbinger trace compare makes results",
                                              "there are no results in the file")
                                 : make_tables(r, e);
        if (rc == 0)
                return hb_results_exec(r, "COMMIT", e);
        hb_results_exec(r, "ROLLBACK", NULL);
        return rc;
}

static int check_whole(hb_results *r, struct hb_err *e) {
        sqlite3_stmt *st = NULL;
        int rc = sqlite3_prepare_v2(r->db, "PRAGMA quick_check(1)", -1, &st, NULL);

        if (rc == SQLITE_OK)
                rc = sqlite3_step(st);
        if (rc == SQLITE_ROW)
                rc = strcmp((const char *)sqlite3_column_text(st, 0), "ok") == 0 ? SQLITE_OK : SQLITE_CORRUPT;
        sqlite3_finalize(st);
        return rc == SQLITE_OK ? 0 : hb_results_fail(r, rc, "open the results", e);
}

int hb_results_open(const char *path, bool readonly, hb_results **ret, struct hb_err *e) {
        hb_results *r = hb_fault("compare.results") ? NULL : calloc(1, sizeof(*r));
        int rc;

        if (!r)
                return hb_err_set(e, -ENOMEM, path, NULL, "out of memory");
        r->readonly = readonly;
        snprintf(r->path, sizeof(r->path), "%s", path);
        /* A reader too: what a kill left half written is rolled back by whoever opens it next. */
        rc = sqlite3_open_v2(
                path, &r->db,
                SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_READWRITE | (readonly ? 0 : SQLITE_OPEN_CREATE), NULL);
        if (rc != SQLITE_OK) {
                rc = hb_results_fail(r, rc, "open the results", e);
                goto fail;
        }
        sqlite3_busy_timeout(r->db, BUSY_MS);
        sqlite3_db_config(r->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
        sqlite3_db_config(r->db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
        rc = hb_results_exec(r, readonly ? "PRAGMA query_only = 1" : "PRAGMA synchronous = NORMAL", e);
        if (rc == 0)
                rc = check_whole(r, e);
        if (rc == 0)
                rc = prepare(r, e);
        if (rc == 0) {
                *ret = r;
                return 0;
        }
fail:
        hb_results_close(r);
        return rc;
}

hb_results *hb_results_close(hb_results *r) {
        if (!r)
                return NULL;
        sqlite3_close(r->db);
        free(r);
        return NULL;
}

bool hb_results_is_database(const char *path) {
        static const char magic[16] = "SQLite format 3";
        int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
        char head[16];
        bool is = fd >= 0 && read(fd, head, sizeof(head)) == (ssize_t)sizeof(head) &&
                  memcmp(head, magic, sizeof(head)) == 0;

        if (fd >= 0)
                close(fd);
        return is;
}

/* ---- cells ---- */
int hb_results_has(hb_results *r, const char *key, struct hb_err *e) {
        sqlite3_stmt *st = NULL;
        int rc = sqlite3_prepare_v2(r->db, "SELECT 1 FROM cell WHERE key = ?", -1, &st, NULL);

        if (rc == SQLITE_OK)
                rc = sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
        if (rc == SQLITE_OK)
                rc = sqlite3_step(st);
        sqlite3_finalize(st);
        if (rc == SQLITE_ROW || rc == SQLITE_DONE)
                return rc == SQLITE_ROW;
        return hb_results_fail(r, rc, "read the results", e);
}

static int forget(hb_results *r, const char *key, struct hb_err *e) {
        static const char *const tables[] = {"migration", "moment", "span"};
        int rc = 0;

        for (unsigned i = 0; rc == 0 && i < sizeof(tables) / sizeof(tables[0]); i++) {
                char *sql = sqlite3_mprintf("DELETE FROM %s WHERE cell = %Q", tables[i], key);

                rc = sql ? hb_results_exec(r, sql, e) : hb_results_fail(r, SQLITE_NOMEM, "write a cell", e);
                sqlite3_free(sql);
        }
        return rc;
}

static int write_parts(hb_results *r, const struct hb_compare_cell *c, struct hb_err *e) {
        int rc = 0;

        for (unsigned i = 0; rc == 0 && i < c->r.nmigrations; i++)
                rc = hb_results_write(r, &hb_rows_migration, (struct hb_row_key){c->key, i},
                                      &c->r.migrations[i], e);
        if (hb_fault("compare.put"))
                return hb_results_fail(r, SQLITE_FULL, "write a cell", e);
        for (unsigned i = 0; rc == 0 && i < c->nmoments; i++)
                rc = hb_results_write(r, &hb_rows_moment, (struct hb_row_key){c->key, i}, &c->moments[i], e);
        for (unsigned i = 0; rc == 0 && i < c->nspans; i++)
                rc = hb_results_write(r, &hb_rows_span, (struct hb_row_key){c->key, i}, &c->spans[i], e);
        return rc;
}

/* What the cell is of, in words for whoever queries the table by hand; we look cells up by key. */
static int describe(hb_results *r, const struct hb_compare_plan *p, unsigned cell, const char *key,
                    struct hb_err *e) {
        struct hb_compare_at at = hb_compare_at(p, cell);
        char *sql = sqlite3_mprintf("UPDATE cell SET trace = %Q, policy = %Q, horizon_s = %.17g, link = %Q, "
                                    "link_bytes_per_s = %.17g, at = datetime('now') WHERE key = %Q",
                                    p->traces[at.trace].name, p->policies[at.policy].name,
                                    p->horizons[at.horizon], p->links[at.link].name,
                                    p->links[at.link].bytes_per_s, key);
        int rc = sql ? hb_results_exec(r, sql, e) : hb_results_fail(r, SQLITE_NOMEM, "write a cell", e);

        sqlite3_free(sql);
        return rc;
}

int hb_results_put(hb_results *r, const struct hb_compare_plan *p, unsigned cell,
                   const struct hb_compare_cell *c, struct hb_err *e) {
        int rc = hb_results_exec(r, "BEGIN IMMEDIATE", e);

        if (rc < 0)
                return rc;
        rc = forget(r, c->key, e);
        if (rc == 0)
                rc = hb_results_write(r, &hb_rows_cell, (struct hb_row_key){NULL, -1}, c, e);
        if (rc == 0)
                rc = describe(r, p, cell, c->key, e);
        if (rc == 0)
                rc = write_parts(r, c, e);
        if (rc == 0)
                rc = hb_results_exec(r, "COMMIT", e);
        if (rc < 0)
                hb_results_exec(r, "ROLLBACK", NULL);
        return rc;
}

int hb_results_get(hb_results *r, const char *key, struct hb_compare_cell *ret, struct hb_err *e) {
        struct hb_compare_cell *found = NULL, c = {0};
        struct hb_replay_migration *migrations = NULL;
        unsigned n = 0, nmigrations = 0;
        int rc = hb_results_read(r, &hb_rows_cell, key, sizeof(*found), 1, (void **)&found, &n, e);

        if (rc == 0 && n == 0)
                rc = hb_err_set(e, -ENOENT, r->path, NULL, "the results lack a cell");
        if (rc < 0)
                goto out;
        c = *found;
        rc = hb_results_read(r, &hb_rows_migration, key, sizeof(*migrations), HB_REPLAY_MOMENTS,
                             (void **)&migrations, &nmigrations, e);
        if (rc == 0)
                rc = hb_results_read(r, &hb_rows_moment, key, sizeof(*c.moments), 1u << 20,
                                     (void **)&c.moments, &c.nmoments, e);
        if (rc == 0)
                rc = hb_results_read(r, &hb_rows_span, key, sizeof(*c.spans), 1u << 20, (void **)&c.spans,
                                     &c.nspans, e);
        if (nmigrations)
                memcpy(c.r.migrations, migrations, nmigrations * sizeof(*migrations));
        c.r.nmigrations = nmigrations;
        if (rc == 0)
                *ret = c;
        else
                hb_compare_cell_fini(&c);
out:
        free(found);
        free(migrations);
        return rc;
}
