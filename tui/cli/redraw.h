/* redraw: a block of lines that is shown again and again in the same place of a terminal, without flicker and
 * without the alternate screen: what was above stays in the terminal's memory, the last block stays when the
 * command ends. */
#pragma once
#include <stdbool.h>
#include <stdio.h>

struct hb_cli_redraw {
        FILE *out;
        unsigned rows, columns; /* of the terminal when last shown; 0: never shown */
};
/* Lines of `text` from the first row on, cut to the terminal as it is now (a last line says how many are left
 * out). Colours of the text are kept. */
void hb_cli_redraw_show(struct hb_cli_redraw *r, const char *text);
