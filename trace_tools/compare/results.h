/* results: the cells there are, in an SQLite database: rows a person can query, and what a matrix goes on
 * from after an interruption.
 *
 * A cell is written whole in one transaction, or not at all: a kill at any time loses the cells under way and
 * nothing else. The plan last asked for is kept too, so that the database alone makes a table or a report.
 * Tables: plan (key, value), axis (name, n, value), trace, policy, cell, migration, moment, span.
 * One thread. Several processes may write to one database, one cell after the other. A file that is damaged
 * or something else is named and left alone. */
#pragma once
#include "compare/compare.h"

typedef struct hb_results hb_results;

/* Creates it where it is missing, unless readonly. ":memory:" is gone at the close. -EUCLEAN: damaged or not
 * ours; -EPROTONOSUPPORT: of a newer Harbinger; -ENOENT. */
int hb_results_open(const char *path, bool readonly, hb_results **ret, struct hb_err *e);
hb_results *hb_results_close(hb_results *r);

/* 1, 0, or negative. */
int hb_results_has(hb_results *r, const char *key, struct hb_err *e);
/* A cell of that key is replaced. */
int hb_results_put(hb_results *r, const struct hb_compare_plan *p, unsigned cell,
                   const struct hb_compare_cell *c, struct hb_err *e);
/* -ENOENT: not there. The caller's to fini. */
int hb_results_get(hb_results *r, const char *key, struct hb_compare_cell *ret, struct hb_err *e);

/* Replaces the plan there was; cells stay. */
int hb_results_put_plan(hb_results *r, const struct hb_compare_plan *p, struct hb_err *e);
/* The plan last put, to look up its cells with; it cannot be run. -ENODATA: none. */
int hb_results_get_plan(hb_results *r, struct hb_compare_plan **ret, struct hb_err *e);
/* True when the file begins as a database does. */
bool hb_results_is_database(const char *path);
