/* store: opening the database, and running statements in it.
 *
 * Write-ahead log with synchronous=FULL: one fsync a record, and a commit is on the disk when it returns (a
 * rollback journal in DELETE mode would also need its directory synced). Invariant: every statement, or
 * list of statements that belong together, is a transaction of its own, and one that fails is rolled back
 * before its error is returned, so the former record stands. A damaged file is named and left alone: it may
 * be the only witness of who owns a guest. One lock around each statement; callbacks run outside it. */
#include "base/fault.h"
#include "store/store_priv.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUSY_MS 2000

static int code_of(int sqlite_rc, int system_errno) {
        switch (sqlite_rc & 0xff) {
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
        case SQLITE_IOERR:
                return system_errno == ENOSPC || system_errno == EDQUOT ? -ENOSPC : -EIO;
        default:
                return -EIO;
        }
}

static const char *next_of(int code) {
        switch (code) {
        case -ENOSPC:
                return "free space in the state directory";
        case -EBUSY:
                return "another process holds the database; is a second harbingerd running here?";
        case -EUCLEAN:
                return "stop the daemon and move the file away (keep it: it says who owns which guest; "
                       "`sqlite3 FILE .recover` may read it); a new one is made at the next start";
        case -EROFS:
        case -EACCES:
                return "let the daemon write in its state directory";
        case -ENOENT:
                return "make the state directory, or correct state_dir";
        default:
                return "see the kernel's log for errors of the disk";
        }
}

int hb_store_fail(hb_store *s, int sqlite_rc, const char *doing, struct hb_err *e) {
        int code = code_of(sqlite_rc, s->db ? sqlite3_system_errno(s->db) : 0);

        return hb_err_set(e, code, s->path, next_of(code), "cannot %s: %s", doing,
                          code == -EUCLEAN ? "the database is damaged" : sqlite3_errstr(sqlite_rc));
}

static int bind(sqlite3_stmt *st, const struct hb_sql_arg *args, unsigned n) {
        for (unsigned i = 0; i < n; i++) {
                const struct hb_sql_arg *a = &args[i];
                int rc;

                if (a->kind == HB_SQL_TEXT)
                        rc = sqlite3_bind_text(st, (int)i + 1, a->text, -1, SQLITE_STATIC);
                else if (a->kind == HB_SQL_INT)
                        rc = sqlite3_bind_int64(st, (int)i + 1, a->number);
                else if (a->kind == HB_SQL_REAL)
                        rc = sqlite3_bind_double(st, (int)i + 1, a->real);
                else
                        rc = sqlite3_bind_blob(st, (int)i + 1, a->id,
                                               a->kind == HB_SQL_ID ? 16 : (int)a->number, SQLITE_STATIC);
                if (rc != SQLITE_OK)
                        return rc;
        }
        return SQLITE_OK;
}

static int run_locked(hb_store *s, const char *sql, const struct hb_sql_arg *args, unsigned n) {
        sqlite3_stmt *st = NULL;
        int rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);

        if (rc == SQLITE_OK)
                rc = bind(st, args, n);
        if (rc == SQLITE_OK)
                rc = sqlite3_step(st);
        sqlite3_finalize(st);
        return rc == SQLITE_ROW ? SQLITE_DONE : rc;
}

int hb_store_run(hb_store *s, const char *sql, const struct hb_sql_arg *args, unsigned n, const char *doing,
                 struct hb_err *e) {
        int rc;

        if (hb_fault("store.write"))
                return hb_err_set(e, -ENOSPC, s->path, next_of(-ENOSPC), "cannot %s: injected", doing);
        pthread_mutex_lock(&s->lock);
        rc = run_locked(s, sql, args, n);
        rc = rc == SQLITE_DONE ? 0 : hb_store_fail(s, rc, doing, e);
        pthread_mutex_unlock(&s->lock);
        return rc;
}

int hb_store_run_all(hb_store *s, const struct hb_sql_step *steps, unsigned n, const char *doing,
                     struct hb_err *e) {
        int rc;

        if (hb_fault("store.write"))
                return hb_err_set(e, -ENOSPC, s->path, next_of(-ENOSPC), "cannot %s: injected", doing);
        pthread_mutex_lock(&s->lock);
        rc = run_locked(s, "BEGIN IMMEDIATE", NULL, 0);
        for (unsigned i = 0; rc == SQLITE_DONE && i < n; i++)
                rc = run_locked(s, steps[i].sql, steps[i].args, steps[i].n);
        if (rc == SQLITE_DONE)
                rc = run_locked(s, "COMMIT", NULL, 0);
        rc = rc == SQLITE_DONE ? 0 : hb_store_fail(s, rc, doing, e);
        if (rc < 0 && !sqlite3_get_autocommit(s->db))
                run_locked(s, "ROLLBACK", NULL, 0);
        pthread_mutex_unlock(&s->lock);
        return rc;
}

/* Copies every row to one growing array. */
static int gather(hb_store *s, sqlite3_stmt *st, size_t size, void (*row)(sqlite3_stmt *st, void *out),
                  char **ret, size_t *ret_n) {
        char *items = NULL;
        size_t n = 0, cap = 0;
        int rc;

        while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
                if (n == cap) {
                        char *more = realloc(items, (cap = cap ? cap * 2 : 16) * size);

                        if (!more) {
                                free(items);
                                return -ENOMEM;
                        }
                        items = more;
                }
                memset(items + n * size, 0, size);
                row(st, items + n++ * size);
        }
        if (rc != SQLITE_DONE) {
                free(items);
                return hb_store_fail(s, rc, "read", NULL);
        }
        *ret = items;
        *ret_n = n;
        return 0;
}

int hb_store_each(hb_store *s, const char *sql, const struct hb_sql_arg *args, unsigned n, size_t size,
                  void (*row)(sqlite3_stmt *st, void *out), int (*fn)(void *arg, const void *item),
                  void *arg) {
        sqlite3_stmt *st = NULL;
        char *items = NULL;
        size_t count = 0;
        int rc;

        pthread_mutex_lock(&s->lock);
        rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);
        if (rc == SQLITE_OK)
                rc = bind(st, args, n);
        rc = rc == SQLITE_OK ? gather(s, st, size, row, &items, &count) : hb_store_fail(s, rc, "read", NULL);
        sqlite3_finalize(st);
        pthread_mutex_unlock(&s->lock);
        for (size_t i = 0; rc == 0 && i < count; i++)
                rc = fn(arg, items + i * size);
        free(items);
        return rc;
}

void hb_store_text(sqlite3_stmt *st, int column, char *out, size_t size) {
        const unsigned char *text = sqlite3_column_text(st, column);

        snprintf(out, size, "%s", text ? (const char *)text : "");
}

int hb_store_open(const char *path, hb_store **ret, struct hb_err *e) {
        hb_store *s = calloc(1, sizeof(*s));
        int rc;

        if (!s)
                return hb_err_set(e, -ENOMEM, path, NULL, "out of memory");
        pthread_mutex_init(&s->lock, NULL);
        snprintf(s->path, sizeof(s->path), "%s", path);
        rc = sqlite3_open_v2(path, &s->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
                             NULL);
        if (rc != SQLITE_OK) {
                rc = hb_store_fail(s, rc, "open the database", e);
                goto fail;
        }
        sqlite3_busy_timeout(s->db, BUSY_MS);
        rc = hb_store_schema(s, e);
        if (rc < 0)
                goto fail;
        *ret = s;
        return 0;
fail:
        hb_store_close(s);
        return rc;
}

hb_store *hb_store_close(hb_store *s) {
        if (!s)
                return NULL;
        sqlite3_close(s->db);
        pthread_mutex_destroy(&s->lock);
        free(s);
        return NULL;
}
