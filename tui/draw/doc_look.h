/* doc_look: reading a doc, for what renders it: paint, lines, JSON, CSV; and for what moves in its main
 * table. All pointers live as long as the doc. Internal structs are in doc_priv.h. */
#pragma once
#include "draw/doc.h"

const char *hb_doc_view_name(const hb_doc *d);
const char *hb_doc_subject_text(const hb_doc *d);
hb_doc_table *hb_doc_main(const hb_doc *d); /* NULL: it has none */
unsigned hb_doc_columns(const hb_doc_table *t, const struct hb_doc_column **ret);

/* ---- order and filter of the main table ---- */
/* What is shown of it, in which order. filter: words that must all occur in a row, case aside; "key:word"
 * looks in one column, "!word" must not occur; "" or NULL: all. sort: a column's key; NULL: as built. */
struct hb_doc_order {
        char sort[32];
        bool descending;
        char filter[96];
};
/* Applies it; returns how many rows are left. Equal rows keep the order of the doc. Numbers sort by value,
 * unknown (null) last in both directions. */
unsigned hb_doc_arrange(hb_doc *d, const struct hb_doc_order *o);
unsigned hb_doc_rows(const hb_doc_table *t); /* after arranging */
unsigned hb_doc_rows_all(const hb_doc_table *t);
const char *hb_doc_row_id(const hb_doc_table *t, unsigned i);    /* of the arranged; NULL: no such row */
unsigned hb_doc_row_find(const hb_doc_table *t, const char *id); /* hb_doc_rows(t): not there */
