/* table: aligned columns, and text made safe for a terminal. */
#pragma once
#include "cli/command.h"

enum hb_cli_color { HB_PLAIN, HB_GOOD, HB_WARN, HB_BAD, HB_DIM };

#define HB_TABLE_COLUMNS 12
typedef struct hb_cli_table hb_cli_table;
/* headings: NULL-ended; one that begins with '>' is aligned to the right. NULL: no memory (the other
 * functions take it). */
hb_cli_table *hb_cli_table_new(const char *const *headings);
void hb_cli_table_cell(hb_cli_table *t, enum hb_cli_color color,
                       const char *text); /* the next cell, row after row; "" prints as "-" */
/* Prints and frees. Without rows nothing is printed. */
void hb_cli_table_print(hb_cli_table *t, struct hb_cli *c);

/* Text from elsewhere: control bytes become '?', whatever they might do to a terminal. */
void hb_cli_put(FILE *f, const char *text);
/* Text from column `indent`, where the cursor stands, its words wrapped there: at the terminal's width,
 * elsewhere at `width` (0: not at all, which is what grep likes). Ends the line. */
void hb_cli_wrap(struct hb_cli *c, unsigned indent, unsigned width, const char *text);
/* "label:  value" lines of one object. */
void hb_cli_field(struct hb_cli *c, const char *label, const char *value);
const char *hb_cli_color_on(const struct hb_cli *c, enum hb_cli_color color);
const char *hb_cli_color_off(const struct hb_cli *c, enum hb_cli_color color);
