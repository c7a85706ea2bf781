/* text: decodes UTF-8 strictly and keeps what could harm a terminal from ever being drawn: escape sequences
 * begin with controls (C0, C1), and a bidirectional override makes "vm1" read as another guest.
 *
 * Pure; a string ends at its NUL, which no continuation byte equals, so nothing is read past it. Cost: one
 * comparison for ASCII, two binary searches for the rest. */
#include "draw/text.h"
#include "draw/surface.h"
#include <stddef.h>

static bool in(const struct hb_text_range *table, unsigned n, uint32_t ch) {
        unsigned low = 0, high = n;

        while (low < high) {
                unsigned mid = low + (high - low) / 2;

                if (ch > table[mid].last)
                        low = mid + 1;
                else
                        high = mid;
        }
        return low < n && ch >= table[low].first;
}

uint32_t hb_text_clean(uint32_t ch, bool utf8) {
        if (ch < 0x80)
                return ch >= ' ' && ch != 0x7f ? ch : '?';
        if (!utf8 || ch > 0x10ffff)
                return '?';
        return in(hb_text_refused, hb_text_refused_count, ch) ? '?' : ch;
}

unsigned hb_char_width(uint32_t ch) {
        return ch >= 0x1100 && in(hb_text_wide, hb_text_wide_count, ch) ? 2 : 1;
}

/* How many bytes follow, what the first one carries, and the least that may be written so long. */
static int lead(unsigned char c, uint32_t *ret_bits, uint32_t *ret_least) {
        static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
        int more = (c & 0xe0) == 0xc0 ? 1 : (c & 0xf0) == 0xe0 ? 2 : (c & 0xf8) == 0xf0 ? 3 : -1;

        if (more < 0)
                return -1;
        *ret_bits = c & (0x3fu >> more);
        *ret_least = least[more];
        return more;
}

/* Returns the bytes of the character at s, 0 if there is none. */
static unsigned decode(const unsigned char *s, uint32_t *ret) {
        uint32_t ch, least;
        int more = lead(*s, &ch, &least);

        if (more < 0)
                return 0;
        for (int i = 1; i <= more; i++) {
                if ((s[i] & 0xc0) != 0x80)
                        return 0;
                ch = ch << 6 | (s[i] & 0x3f);
        }
        if (ch < least || ch > 0x10ffff || (ch >= 0xd800 && ch <= 0xdfff))
                return 0;
        *ret = ch;
        return (unsigned)more + 1;
}

uint32_t hb_text_next(const char **text, bool utf8) {
        const unsigned char *s = (const unsigned char *)*text;
        uint32_t ch;
        unsigned n;

        if (*s == '\0')
                return 0;
        if (*s < 0x80) {
                *text += 1;
                return hb_text_clean(*s, utf8);
        }
        n = decode(s, &ch);
        *text += n ? n : 1;
        return n ? hb_text_clean(ch, utf8) : '?';
}

unsigned hb_char_encode(uint32_t ch, char ret[4]) {
        unsigned n = ch < 0x80 ? 1 : ch < 0x800 ? 2 : ch < 0x10000 ? 3 : 4;
        static const unsigned char first[] = {0, 0, 0xc0, 0xe0, 0xf0};

        for (unsigned i = n - 1; i > 0; i--, ch >>= 6)
                ret[i] = (char)(0x80 | (ch & 0x3f));
        ret[0] = (char)(n == 1 ? ch : first[n] | ch);
        return n;
}

unsigned hb_text_width(const char *text, bool utf8) {
        unsigned width = 0;
        uint32_t ch;

        while ((ch = hb_text_next(&text, utf8)))
                width += hb_char_width(ch);
        return width;
}
