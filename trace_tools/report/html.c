/* html: the only way of a foreign string into the page is hb_html_text. Pure. */
#include "report/html.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void hb_html_put(struct hb_buf *b, const char *html) {
        hb_buf_raw(b, html, strlen(html));
}

/* Bytes of the UTF-8 character at p; 0: none, or one that moves text about. */
static unsigned length_of(const unsigned char *p) {
        unsigned n = p[0] < 0x80                   ? 1
                     : p[0] >= 0xC2 && p[0] < 0xE0 ? 2
                     : p[0] >= 0xE0 && p[0] < 0xF0 ? 3
                     : p[0] >= 0xF0 && p[0] < 0xF5 ? 4
                                                   : 0;

        for (unsigned i = 1; i < n; i++)
                if ((p[i] & 0xC0) != 0x80)
                        return 0;
        if ((p[0] == 0xE0 && p[1] < 0xA0) || (p[0] == 0xED && p[1] >= 0xA0) ||
            (p[0] == 0xF0 && p[1] < 0x90) || (p[0] == 0xF4 && p[1] >= 0x90) || (p[0] == 0xC2 && p[1] < 0xA0))
                return 0; /* overlong, surrogates, beyond the last, C1 controls */
        if (p[0] == 0xE2 && ((p[1] == 0x80 && p[2] >= 0xAA && p[2] <= 0xAE) ||
                             (p[1] == 0x81 && p[2] >= 0xA6 && p[2] <= 0xA9)))
                return 0; /* directions of writing */
        return n;
}

void hb_html_text(struct hb_buf *b, const char *text) {
        const unsigned char *p = (const unsigned char *)text;

        while (*p) {
                unsigned n = length_of(p);

                if (*p == '&')
                        hb_html_put(b, "&amp;");
                else if (*p == '<')
                        hb_html_put(b, "&lt;");
                else if (*p == '>')
                        hb_html_put(b, "&gt;");
                else if (*p == '"')
                        hb_html_put(b, "&quot;");
                else if (*p == '\'')
                        hb_html_put(b, "&#39;");
                else if (n == 0 || *p < 0x20 || *p == 0x7F)
                        hb_html_put(b, "?");
                else
                        hb_buf_raw(b, p, n);
                p += n ? n : 1;
        }
}

void hb_html_f(struct hb_buf *b, const char *format, ...) {
        char text[1024];
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        if (n < 0 || (size_t)n >= sizeof(text))
                b->failed = true; /* ours, and never as long */
        else
                hb_buf_raw(b, text, (size_t)n);
}

static const char *scaled(double v, const char *const *units, unsigned n, double by, char *buf) {
        unsigned i = 0;

        while (i + 1 < n && fabs(v) >= by) {
                v /= by;
                i++;
        }
        snprintf(buf, 48, fabs(v) >= 100 || v == floor(v) ? "%.0f %s" : "%.3g %s", v, units[i]);
        return buf;
}

const char *hb_html_number(enum hb_figure_unit unit, double v, char *buf) {
        static const char *const bytes[] = {"B", "KiB", "MiB", "GiB", "TiB"};
        static const char *const small[] = {"\u00b5s", "ms", "s"};

        if (isnan(v))
                return "-";
        if (isinf(v))
                return "never";
        switch (unit) {
        case HB_UNIT_BYTES:
                return scaled(v, bytes, 5, 1024, buf);
        case HB_UNIT_SECONDS:
                return scaled(v * 1e6, small, 3, 1000, buf);
        case HB_UNIT_PAGES:
                snprintf(buf, 48, "%.0f", v);
                return buf;
        case HB_UNIT_SHARE:
                break;
        }
        snprintf(buf, 48, "%.3f", v);
        return buf;
}

const char *hb_html_letter(unsigned policy, char *buf) {
        if (policy < 26)
                snprintf(buf, 4, "%c", 'A' + (int)policy);
        else
                snprintf(buf, 4, "A%c", 'A' + (int)(policy % 26));
        return buf;
}
