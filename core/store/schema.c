/* schema: the tables, and bringing an older database up to date.
 *
 * user_version counts the steps taken; a step once released is never changed, only followed by another. A
 * database from a newer Harbinger is refused: writing to it could lose what it knows. Runs at open, before
 * anything else. */
#include "store/store_priv.h"
#include <errno.h>
#include <stdio.h>

static const char *const steps[] = {
        /* 1 */
        "CREATE TABLE journal(id BLOB PRIMARY KEY NOT NULL CHECK(length(id) = 16), seq INTEGER NOT NULL, "
        "guest TEXT NOT NULL,"
        " peer TEXT NOT NULL, state TEXT NOT NULL, port_kind TEXT NOT NULL, port_path TEXT NOT NULL, image "
        "TEXT NOT NULL,"
        " wall_ns INTEGER NOT NULL, open INTEGER NOT NULL, detail TEXT NOT NULL);"
        "CREATE INDEX journal_open ON journal(open, seq);"
        "CREATE TABLE guest(name TEXT PRIMARY KEY NOT NULL, kind TEXT NOT NULL, port_path TEXT NOT NULL, "
        "tracker TEXT NOT NULL,"
        " pid INTEGER NOT NULL, start_time INTEGER NOT NULL);"
        "CREATE TABLE placement(id BLOB PRIMARY KEY NOT NULL CHECK(length(id) = 16), guest TEXT NOT NULL, "
        "host TEXT NOT NULL,"
        " incoming INTEGER NOT NULL, image_dir TEXT NOT NULL, wall_ns INTEGER NOT NULL);"
        "CREATE TABLE history(rowid INTEGER PRIMARY KEY AUTOINCREMENT, wall_ns INTEGER NOT NULL, kind TEXT "
        "NOT NULL,"
        " guest TEXT NOT NULL, host_from TEXT NOT NULL, host_to TEXT NOT NULL, result TEXT NOT NULL, json "
        "TEXT NOT NULL);",
        /* 2: policies */
        "CREATE TABLE policy_version(rowid INTEGER PRIMARY KEY AUTOINCREMENT, hash TEXT NOT NULL, kind TEXT "
        "NOT NULL,"
        " name TEXT NOT NULL, version TEXT NOT NULL, number INTEGER NOT NULL, wall_ns INTEGER NOT NULL, "
        "source BLOB NOT NULL, UNIQUE(kind, hash));"
        "CREATE TABLE policy_kind(kind TEXT PRIMARY KEY NOT NULL, active TEXT NOT NULL, shadow TEXT NOT "
        "NULL, previous TEXT NOT NULL,"
        " rejected TEXT NOT NULL, configured TEXT NOT NULL, promoted INTEGER NOT NULL, previous_promoted "
        "INTEGER NOT NULL, canary REAL NOT NULL, wall_ns INTEGER NOT NULL);"
        "CREATE TABLE policy_event(rowid INTEGER PRIMARY KEY AUTOINCREMENT, wall_ns INTEGER NOT NULL, who "
        "TEXT NOT NULL,"
        " op TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, hash TEXT NOT NULL, previous TEXT NOT "
        "NULL, why TEXT NOT NULL, guests TEXT NOT NULL, result TEXT NOT NULL);"
        "CREATE TABLE policy_param(kind TEXT NOT NULL, hash TEXT NOT NULL, param TEXT NOT NULL, value REAL "
        "NOT NULL, PRIMARY KEY(kind, hash, param));",
};
#define VERSION ((int)(sizeof(steps) / sizeof(steps[0])))

static int run(hb_store *s, const char *sql, struct hb_err *e) {
        int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

        return rc == SQLITE_OK ? 0 : hb_store_fail(s, rc, "open the database", e);
}

static int read_number(hb_store *s, const char *sql, int *ret, struct hb_err *e) {
        sqlite3_stmt *st = NULL;
        int rc = sqlite3_prepare_v2(s->db, sql, -1, &st, NULL);

        if (rc == SQLITE_OK)
                rc = sqlite3_step(st);
        if (rc == SQLITE_ROW)
                *ret = sqlite3_column_int(st, 0);
        sqlite3_finalize(st);
        return rc == SQLITE_ROW ? 0 : hb_store_fail(s, rc, "open the database", e);
}

static int take_step(hb_store *s, int version, struct hb_err *e) {
        char set[64];
        int rc = run(s, steps[version - 1], e);

        snprintf(set, sizeof(set), "PRAGMA user_version = %d", version);
        return rc < 0 ? rc : run(s, set, e);
}

/* The lock comes first: two daemons starting at once must not both make the tables. */
static int migrate(hb_store *s, struct hb_err *e) {
        int now = 0, rc = run(s, "BEGIN IMMEDIATE", e);

        if (rc < 0)
                return rc;
        rc = read_number(s, "PRAGMA user_version", &now, e);
        if (rc == 0 && now > VERSION)
                rc = hb_err_set(e, -EPROTONOSUPPORT, s->path,
                                "use the Harbinger that wrote it, or a newer one",
                                "the database has schema %d; this Harbinger knows up to %d", now, VERSION);
        for (int v = now + 1; rc == 0 && v <= VERSION; v++)
                rc = take_step(s, v, e);
        if (rc == 0)
                rc = run(s, "COMMIT", e);
        if (rc < 0)
                run(s, "ROLLBACK", NULL);
        return rc;
}

int hb_store_schema(hb_store *s, struct hb_err *e) {
        int rc = run(
                s,
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 4194304",
                e);

        return rc < 0 ? rc : migrate(s, e);
}
