/* json_out: see json_out.h. Cost: what is written, and one vsnprintf a real. Pure; any thread. */
#include "control/json_out.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void begin(struct hb_json_out *o, const char *key) {
        if (o->comma)
                hb_buf_u8(&o->buf, ',');
        o->comma = true;
        if (!key)
                return;
        hb_buf_u8(&o->buf, '"');
        hb_buf_raw(&o->buf, key, strlen(key));
        hb_buf_raw(&o->buf, "\":", 2);
}

void hb_json_open(struct hb_json_out *o, const char *key, char bracket) {
        begin(o, key);
        hb_buf_u8(&o->buf, (uint8_t)bracket);
        o->comma = false;
}

void hb_json_close(struct hb_json_out *o, char bracket) {
        hb_buf_u8(&o->buf, (uint8_t)bracket);
        o->comma = true;
}

/* Bytes of the UTF-8 character at s; 0: it is none. The string ends with a zero, which follows no lead. */
static unsigned utf8_length(const unsigned char *s) {
        static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
        unsigned n = s[0] < 0xC2 ? 0 : s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : s[0] < 0xF5 ? 4 : 0;
        uint32_t c = n ? s[0] & (0xFFu >> (n + 1)) : 0;
        for (unsigned i = 1; i < n; i++) {
                if ((s[i] & 0xC0) != 0x80)
                        return 0;
                c = c << 6 | (s[i] & 0x3Fu);
        }
        return n && c >= least[n] && c <= 0x10FFFF && !(c >= 0xD800 && c <= 0xDFFF) ? n : 0;
}

static void escape(struct hb_buf *b, unsigned char c) {
        char hex[8];
        if (c == '"' || c == '\\') {
                hb_buf_u8(b, '\\');
                hb_buf_u8(b, c);
        } else {
                snprintf(hex, sizeof hex, "\\u%04x", c);
                hb_buf_raw(b, hex, 6);
        }
}

static bool plain(unsigned char c) {
        return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

void hb_json_str(struct hb_json_out *o, const char *key, const char *s) {
        const unsigned char *p = (const unsigned char *)(s ? s : "");
        begin(o, key);
        hb_buf_u8(&o->buf, '"');
        while (*p) {
                const unsigned char *from = p;
                unsigned n;
                while (plain(*p))
                        p++;
                if (p > from) {
                        hb_buf_raw(&o->buf, from, (size_t)(p - from));
                } else if (*p < 0x80) {
                        escape(&o->buf, *p++);
                } else if ((n = utf8_length(p))) {
                        hb_buf_raw(&o->buf, p, n);
                        p += n;
                } else {
                        hb_buf_u8(&o->buf, '?');
                        p++;
                }
        }
        hb_buf_u8(&o->buf, '"');
}

void hb_json_pages(struct hb_json_out *o, const char *key, uint64_t v) {
        char digits[24], *p = digits + sizeof digits;
        if (v > INT64_MAX) /* no reader takes more */
                v = INT64_MAX;
        do
                *--p = (char)('0' + v % 10);
        while (v /= 10);
        begin(o, key);
        hb_buf_raw(&o->buf, p, (size_t)(digits + sizeof digits - p));
}

void hb_json_int(struct hb_json_out *o, const char *key, int64_t v) {
        char text[24];
        if (v >= 0) {
                hb_json_pages(o, key, (uint64_t)v);
                return;
        }
        begin(o, key);
        hb_buf_raw(&o->buf, text, (size_t)snprintf(text, sizeof text, "%lld", (long long)v));
}

static void number(struct hb_json_out *o, const char *key, double v, bool fixed) {
        char text[400];
        if (!isfinite(v)) {
                hb_json_null(o, key);
                return;
        }
        int n = snprintf(text, sizeof text, fixed ? "%.3f" : "%.9g", v);
        begin(o, key);
        hb_buf_raw(&o->buf, text, (size_t)n);
        if (!strpbrk(text, ".e")) /* or readers would take it for a whole number */
                hb_buf_raw(&o->buf, ".0", 2);
}

void hb_json_real(struct hb_json_out *o, const char *key, double v) {
        if (v == 0) /* most of them */
                hb_json_ready(o, key, "0.0", 3);
        else
                number(o, key, v, false);
}

void hb_json_time(struct hb_json_out *o, const char *key, double seconds) {
        number(o, key, seconds, true);
}

void hb_json_bool(struct hb_json_out *o, const char *key, bool v) {
        hb_json_ready(o, key, v ? "true" : "false", v ? 4 : 5);
}

void hb_json_null(struct hb_json_out *o, const char *key) {
        hb_json_ready(o, key, "null", 4);
}

void hb_json_ready(struct hb_json_out *o, const char *key, const char *json, size_t len) {
        begin(o, key);
        hb_buf_raw(&o->buf, json, len);
}

void hb_json_tree(struct hb_json_out *o, const char *key, json_t *tree) {
        size_t need = tree ? json_dumpb(tree, NULL, 0, JSON_COMPACT | JSON_ENCODE_ANY) : 0;
        begin(o, key);
        char *at = need ? hb_buf_space(&o->buf, need) : NULL;
        if (at)
                json_dumpb(tree, at, need, JSON_COMPACT | JSON_ENCODE_ANY);
        if (!need)
                o->buf.failed = true;
        json_decref(tree);
}
