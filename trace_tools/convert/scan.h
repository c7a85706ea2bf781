/* scan: numbers out of text, strict: a digit at least, no sign, nothing that does not fit. Each moves *p past
 * what it read only on success. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static inline bool hb_scan_dec(const char **p, const char *end, uint64_t *ret) {
        const char *q = *p;
        uint64_t v = 0;

        for (; q < end && (unsigned char)(*q - '0') < 10; q++) {
                unsigned d = (unsigned)(*q - '0');

                if (v >= UINT64_MAX / 10 && (v > UINT64_MAX / 10 || d > UINT64_MAX % 10))
                        return false;
                v = v * 10 + d;
        }
        if (q == *p)
                return false;
        *ret = v;
        *p = q;
        return true;
}

static inline int hb_scan_digit(char c) {
        if ((unsigned char)(c - '0') < 10)
                return c - '0';
        c |= 0x20;
        return (unsigned char)(c - 'a') < 6 ? c - 'a' + 10 : -1;
}

static inline bool hb_scan_hex(const char **p, const char *end, uint64_t *ret) {
        const char *q = *p;
        uint64_t v = 0;

        for (int d; q < end && (d = hb_scan_digit(*q)) >= 0; q++) {
                if (v >> 60)
                        return false;
                v = v << 4 | (unsigned)d;
        }
        if (q == *p)
                return false;
        *ret = v;
        *p = q;
        return true;
}

/* 0x1000 or 4096. */
static inline bool hb_scan_number(const char **p, const char *end, uint64_t *ret) {
        const char *q = *p;

        if (end - q < 2 || q[0] != '0' || (q[1] | 0x20) != 'x')
                return hb_scan_dec(p, end, ret);
        q += 2;
        if (!hb_scan_hex(&q, end, ret))
                return false;
        *p = q;
        return true;
}

/* Seconds with an optional fraction, to ns; digits beyond the ninth are read and dropped. */
static inline bool hb_scan_seconds(const char **p, const char *end, uint64_t *ret_ns) {
        uint64_t whole, fraction = 0, unit = 100000000;
        const char *q = *p;

        if (!hb_scan_dec(&q, end, &whole) || whole > UINT64_MAX / 1000000000 / 2)
                return false;
        if (q < end && *q == '.') {
                const char *first = ++q;

                for (; q < end && (unsigned char)(*q - '0') < 10; q++, unit /= 10)
                        fraction += unit * (unsigned)(*q - '0');
                if (q == first)
                        return false;
        }
        *ret_ns = whole * 1000000000 + fraction;
        *p = q;
        return true;
}

static inline bool hb_scan_blank(char c) {
        return c == ' ' || c == '\t';
}

static inline const char *hb_scan_blanks(const char *p, const char *end) {
        while (p < end && hb_scan_blank(*p))
                p++;
        return p;
}

static inline bool hb_scan_literal(const char **p, const char *end, const char *word) {
        size_t n = strlen(word);

        if ((size_t)(end - *p) < n || memcmp(*p, word, n) != 0)
                return false;
        *p += n;
        return true;
}
