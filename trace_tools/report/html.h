/* html: text into a page. `put` takes what we wrote ourselves, `text` everything else. */
#pragma once
#include "base/bytes.h"
#include "compare/figures.h"

void hb_html_put(struct hb_buf *b, const char *html); /* as it is */
/* As text or as an attribute's value: what means something to HTML is escaped, control characters and bytes
 * that are no UTF-8 become '?'. */
void hb_html_text(struct hb_buf *b, const char *text);
/* Our words around numbers; %s only for what is ours. */
void hb_html_f(struct hb_buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Numbers for people; buf of 48. "-" for NAN. */
const char *hb_html_number(enum hb_figure_unit unit, double v, char *buf);
/* "A" ... "Z", "AA" ...; buf of 4. */
const char *hb_html_letter(unsigned policy, char *buf);
