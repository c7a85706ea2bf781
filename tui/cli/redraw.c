/* redraw: each line is written over the one before and only its rest is cleared, so nothing is ever blank in
 * between. Lines are cut, not wrapped: a wrapped one would move all others. One write a block. */
#include "cli/redraw.h"
#include <string.h>
#include <sys/ioctl.h>

static void size_now(FILE *out, unsigned *ret_rows, unsigned *ret_columns) {
        struct winsize w = {0};

        if (fileno(out) < 0 || ioctl(fileno(out), TIOCGWINSZ, &w) < 0 || !w.ws_row || !w.ws_col)
                w = (struct winsize){.ws_row = 24, .ws_col = 80};
        *ret_rows = w.ws_row;
        *ret_columns = w.ws_col;
}

/* Bytes of an escape sequence at p ("\033[1;31m"); 0: none begins there. */
static size_t escape(const char *p) {
        size_t n = 2;

        if (p[0] != '\033' || p[1] != '[')
                return 0;
        n += strcspn(p + n, "m\n");
        return n + (p[n] == 'm');
}

/* One line, at most `columns` characters of it; escape sequences take no room and are never left out. Returns
 * its length with the newline. */
static size_t put_line(FILE *out, const char *line, unsigned columns) {
        unsigned used = 0;
        size_t i = 0;

        while (line[i] && line[i] != '\n') {
                size_t n = escape(line + i);

                if (n == 0) {
                        for (n = 1; ((unsigned char)line[i + n] & 0xC0) == 0x80;)
                                n++; /* the rest of a UTF-8 character */
                        used++;
                }
                if (used <= columns || line[i] == '\033')
                        fwrite(line + i, 1, n, out);
                i += n;
        }
        fputs("\033[K\n", out);
        return i + (line[i] == '\n');
}

static unsigned count_lines(const char *text) {
        unsigned n = 0;

        for (; *text; text += strcspn(text, "\n"), text += *text == '\n')
                n++;
        return n;
}

void hb_cli_redraw_show(struct hb_cli_redraw *r, const char *text) {
        unsigned rows, columns, lines = count_lines(text), shown;

        size_now(r->out, &rows, &columns);
        if (!r->rows) /* what is on the screen moves up into the terminal's memory */
                for (unsigned i = 0; i < rows; i++)
                        fputc('\n', r->out);
        fputs(r->rows && (rows != r->rows || columns != r->columns) ? "\033[H\033[2J" : "\033[H", r->out);
        r->rows = rows;
        r->columns = columns;
        shown = lines < rows ? lines : rows > 2 ? rows - 2 : 0; /* the cursor rests on the last row */
        for (unsigned i = 0; i < shown; i++)
                text += put_line(r->out, text, columns);
        if (shown < lines)
                fprintf(r->out, "... %u more lines; harbinger console shows all\033[K\n", lines - shown);
        fputs("\033[J", r->out);
        fflush(r->out);
}
