/* paint_wrap: text into lines of a width. Blanks, tabs and newlines part words; everything else is cleaned on
 * the way, so a line's bytes are bounded by its columns. Pure. */
#include "draw/paint_priv.h"
#include "draw/text.h"
#include <string.h>

static bool blank(char c) {
        return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static const char *skip_blanks(const char *p) {
        while (blank(*p))
                p++;
        return p;
}

/* The line being made; `broken`: where it could end after a whole word, and what follows then. */
struct line {
        char *buf;
        unsigned bytes, used, broken;
        const char *after;
};

/* False: does not fit any more. The first character of a line always fits, as '?' if it has to. */
static bool add(struct line *l, uint32_t ch, unsigned width) {
        unsigned columns = hb_char_width(ch);

        if (l->bytes + 5 > HB_PAINT_LINE || l->used + columns > width) {
                if (l->used)
                        return false;
                ch = '?';
                columns = 1;
        }
        l->bytes += hb_char_encode(ch, l->buf + l->bytes);
        l->used += columns;
        return true;
}

bool hb_paint_wrap(const char **text, unsigned width, bool utf8, bool hard, char buf[HB_PAINT_LINE]) {
        struct line l = {.buf = buf};
        const char *p = hard ? *text : skip_blanks(*text);

        buf[0] = '\0';
        if (!*p) {
                *text = p;
                return false;
        }
        while (*p) {
                const char *here = p;
                uint32_t ch = hb_text_next(&p, utf8);

                if (!hard && blank(*here)) {
                        ch = ' ';
                        l.broken = l.bytes;
                        l.after = p;
                }
                if (add(&l, ch, width))
                        continue;
                p = l.after ? l.after : here;
                l.bytes = l.after ? l.broken : l.bytes;
                break;
        }
        buf[l.bytes] = '\0';
        *text = hard ? p : skip_blanks(p);
        return true;
}

unsigned hb_paint_wrap_lines(const char *text, unsigned width, bool utf8, bool hard) {
        char buf[HB_PAINT_LINE];
        unsigned n = 0;

        while (hb_paint_wrap(&text, width, utf8, hard, buf))
                n++;
        return n ? n : 1;
}

const char *hb_paint_wrap_line(const char *text, unsigned width, bool utf8, bool hard, unsigned i, bool last,
                               char buf[HB_PAINT_LINE]) {
        for (; i > 0; i--)
                hb_paint_wrap(&text, width, utf8, hard, buf);
        if (last)
                return hard ? text : skip_blanks(text);
        hb_paint_wrap(&text, width, utf8, hard, buf);
        return buf;
}
