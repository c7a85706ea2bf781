/* store_priv: what the store's files share; no other file includes it. */
#pragma once
#include "store/store.h"
#include <pthread.h>
#include <sqlite3.h>

struct hb_store {
        sqlite3 *db;
        pthread_mutex_t lock;
        char path[256];
};

/* A value for a statement's next parameter. */
struct hb_sql_arg {
        enum { HB_SQL_TEXT, HB_SQL_INT, HB_SQL_ID, HB_SQL_BYTES, HB_SQL_REAL } kind;
        const char *text;
        int64_t number;
        const uint8_t *id; /* 16 bytes; HB_SQL_BYTES: `number` of them */
        double real;
};
#define HB_T(s)    ((struct hb_sql_arg){.kind = HB_SQL_TEXT, .text = (s)})
#define HB_N(n)    ((struct hb_sql_arg){.kind = HB_SQL_INT, .number = (int64_t)(n)})
#define HB_I(i)    ((struct hb_sql_arg){.kind = HB_SQL_ID, .id = (i)})
#define HB_B(p, n) ((struct hb_sql_arg){.kind = HB_SQL_BYTES, .id = (p), .number = (int64_t)(n)})
#define HB_R(r)    ((struct hb_sql_arg){.kind = HB_SQL_REAL, .real = (r)})

/* Runs one statement that returns no rows; `doing` for the error: "journal the hand-over". Takes the lock. */
int hb_store_run(hb_store *s, const char *sql, const struct hb_sql_arg *args, unsigned n, const char *doing,
                 struct hb_err *e);

struct hb_sql_step {
        const char *sql;
        const struct hb_sql_arg *args;
        unsigned n;
};
/* All of them or none: one transaction, on the disk when it returns. */
int hb_store_run_all(hb_store *s, const struct hb_sql_step *steps, unsigned n, const char *doing,
                     struct hb_err *e);

/* Runs a query: all rows are copied first, `size` bytes each by `row`, then shown to fn without the lock,
 * until it returns non-zero (which is returned). */
int hb_store_each(hb_store *s, const char *sql, const struct hb_sql_arg *args, unsigned n, size_t size,
                  void (*row)(sqlite3_stmt *st, void *out), int (*fn)(void *arg, const void *item),
                  void *arg);

/* Errno and words for the database's present error. */
int hb_store_fail(hb_store *s, int sqlite_rc, const char *doing, struct hb_err *e);
void hb_store_text(sqlite3_stmt *st, int column, char *out, size_t size);
int hb_store_schema(hb_store *s, struct hb_err *e);
