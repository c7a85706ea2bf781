/* results_priv: rows by table. A struct's fields and its table's columns are one list, from which the table
 * is made, written and read; no other file than results*.c includes this. */
#pragma once
#include "compare/results.h"
#include <sqlite3.h>
#include <stddef.h>

struct hb_results {
        sqlite3 *db;
        char path[1024];
        bool readonly;
};

enum hb_column_type { HB_COL_TEXT, HB_COL_U64, HB_COL_U32, HB_COL_BOOL, HB_COL_REAL };

struct hb_column {
        const char *name;
        enum hb_column_type type;
        size_t offset, size; /* size: of a text's room */
};

struct hb_rows {
        const char *table;
        const char *key;     /* columns before the struct's, with their types: "cell TEXT, n INTEGER" */
        const char *primary; /* "cell, n" */
        const struct hb_column *columns;
        unsigned n;
};
extern const struct hb_rows hb_rows_trace, hb_rows_policy, hb_rows_cell, hb_rows_migration, hb_rows_moment,
        hb_rows_span;

/* What stands in the columns before the struct's. */
struct hb_row_key {
        const char *text; /* NULL: no such column */
        int64_t n;        /* below 0: no such column */
};

int hb_results_make(hb_results *r, const struct hb_rows *rows, struct hb_err *e);
int hb_results_write(hb_results *r, const struct hb_rows *rows, struct hb_row_key key, const void *item,
                     struct hb_err *e);
/* All rows of that text key (NULL: all), in order of n: *ret is malloced, `size` bytes each. */
int hb_results_read(hb_results *r, const struct hb_rows *rows, const char *key, size_t size, unsigned most,
                    void **ret, unsigned *ret_n, struct hb_err *e);
int hb_results_exec(hb_results *r, const char *sql, struct hb_err *e);
int hb_results_fail(hb_results *r, int sqlite_rc, const char *doing, struct hb_err *e);
