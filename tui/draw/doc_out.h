/* doc_out: a doc for programs and for screen readers. */
#pragma once
#include "draw/doc_look.h"
#include <stdio.h>

/* {"view","subject",key:value,...,table key:[{column key:value,...}],...}; tables as arranged; "incomplete":
 * true where memory failed while the doc was built. NULL: no memory. */
json_t *hb_doc_json(const hb_doc *d);
/* Line by line, no drawing: "label: text", tables as one line a row with "heading text" pairs separated by
 * "; ", pictures as their legend in words. The selected row (id; NULL: none) begins with "> ", others with
 * "- ". utf8 as of a surface. */
int hb_doc_plain(const hb_doc *d, const char *selected, bool utf8, FILE *out);
/* The main table (without one, the first table; without any, key,value of the fields) as RFC 4180: headings
 * are keys, numbers in base units with '.', unknown empty. Cells that begin like a formula ("=", "+", "-",
 * "@" and no number) get an apostrophe before them. */
int hb_doc_csv(const hb_doc *d, FILE *out);
