/* doc_words_priv: what pictures say, in words; for --plain, and for paint where there is room beside them. */
#pragma once
#include "draw/doc_priv.h"

#define HB_DOC_SAID 64u

/* The least or greatest value of a series in the unit of its text ("88 MiB/s", newest 92274688: one unit is
 * 1048576), "12 MiB/s"; "" where the text begins with no number that says its unit well enough. */
const char *hb_doc_say_like(const struct hb_doc_block *series, double value, char buf[HB_DOC_SAID]);
/* The least and greatest known value; false: none is known. */
bool hb_doc_range(const struct hb_doc_values *v, double *ret_least, double *ret_most);
/* "rising", "falling", "steady": the newest third beside the oldest; "" under six known values. */
const char *hb_doc_trend(const struct hb_doc_values *v);
/* A part of a bar as a share of it, 0..1; what is unknown or negative counts as nothing. */
double hb_doc_part_value(const struct hb_doc_part *p);
double
hb_doc_bar_total(const struct hb_doc_parts *bar); /* the total, or the sum of the parts where that is more */
