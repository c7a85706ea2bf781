/* settings_value: turns one value's text into its field. Everything that can be wrong with a single value is
 * found here, so that a daemon never starts on a number it read halfway ("1000ms", "0x10", "1e9999"). Pure.
 */
#include "base/shape.h"
#include "daemon/settings_table.h"
#include "transport/tcp.h"
#include <arpa/inet.h>
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define SUN_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

/* A plain decimal number: no blanks, hex, infinities. *ret_rest is what follows it. */
static bool decimal(const char *text, double *ret, const char **ret_rest) {
        const char *first = text[0] == '-' ? text + 1 : text;
        char *end;

        if (*first < '0' || *first > '9' || (first[0] == '0' && (first[1] == 'x' || first[1] == 'X')))
                return false;
        *ret = strtod(text, &end);
        *ret_rest = end;
        return isfinite(*ret);
}

static bool whole(const char *text, double *ret) {
        const char *digits = text[0] == '-' ? text + 1 : text, *rest;

        return digits[0] && strspn(digits, "0123456789") == strlen(digits) && decimal(text, ret, &rest);
}

static bool bytes(const char *text, double *ret) {
        static const struct {
                const char *name;
                double factor;
        } units[] = {{"", 1},           {"k", 1e3},           {"M", 1e6},
                     {"G", 1e9},        {"T", 1e12},          {"Ki", 1024.0},
                     {"Mi", 1048576.0}, {"Gi", 1073741824.0}, {"Ti", 1099511627776.0}};
        const char *rest;

        if (text[0] == '-' || !decimal(text, ret, &rest))
                return false;
        rest += strspn(rest, " ");
        for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
                if (strcmp(rest, units[i].name) == 0) {
                        *ret *= units[i].factor;
                        return *ret == floor(*ret);
                }
        return false;
}

static bool one_of(const char *choices, const char *text) {
        size_t n = strlen(text);

        for (const char *p = choices; n > 0 && (p = strstr(p, text)); p += n)
                if ((p == choices || p[-1] == ' ') && (p[n] == '\0' || p[n] == ' ') && !strchr(text, ' '))
                        return true;
        return false;
}

static bool is_true(const char *text) {
        return one_of("yes true on", text);
}

const char *hb_setting_range(const struct hb_setting *row, char *buf, size_t size) {
        switch (row->type) {
        case HB_SET_INT:
                snprintf(buf, size, "%.0f..%.0f", row->min, row->max);
                break;
        case HB_SET_REAL:
                snprintf(buf, size, "%g..%g", row->min, row->max);
                break;
        case HB_SET_BYTES:
                snprintf(buf, size, "%.0f..%.0f, k M G Ki Mi Gi may follow", row->min, row->max);
                break;
        case HB_SET_GRACE:
        case HB_SET_COUNT:
                snprintf(buf, size, "auto or %.0f..%.0f", row->min, row->max);
                break;
        case HB_SET_ZSTD:
                snprintf(buf, size, "auto, off or %.0f..%.0f", row->min, row->max);
                break;
        case HB_SET_BOOL:
                snprintf(buf, size, "yes or no");
                break;
        case HB_SET_CHOICE:
                snprintf(buf, size, "one of: %s", row->choices);
                break;
        case HB_SET_NAME:
                snprintf(buf, size, "1 to %d letters, digits, . _ -", HB_NAME_MAX - 1);
                break;
        case HB_SET_PATH:
        case HB_SET_SOCKET:
                snprintf(buf, size, "a path from /");
                break;
        case HB_SET_LISTEN:
        case HB_SET_ADDRESS:
                snprintf(buf, size, "IPv4:PORT or [IPv6]:PORT");
                break;
        case HB_SET_TEXT:
                snprintf(buf, size, "text");
                break;
        }
        return buf;
}

static int wrong(const struct hb_setting *row, const char *text, struct hb_err *e) {
        char range[160];

        return hb_err_set(e, -EINVAL, NULL, NULL, "%s = %.80s: must be %s", row->key, text,
                          hb_setting_range(row, range, sizeof(range)));
}

static bool address_ok(const char *text, int least_port) {
        struct in6_addr any;
        char host[64];
        const char *colon = strrchr(text, ':');
        size_t n = colon ? (size_t)(colon - text) : 0;
        double port;

        if (!colon || n == 0 || n >= sizeof(host) || !whole(colon + 1, &port) || port < least_port ||
            port > 65535)
                return false;
        memcpy(host, text, n);
        host[n] = '\0';
        if (host[0] != '[')
                return inet_pton(AF_INET, host, &any) == 1;
        if (host[n - 1] != ']')
                return false;
        host[n - 1] = '\0';
        return inet_pton(AF_INET6, host + 1, &any) == 1;
}

static bool text_ok(const struct hb_setting *row, const char *text) {
        for (const char *p = text; *p; p++)
                if ((unsigned char)*p < 0x20 || *p == 0x7F)
                        return false;
        switch (row->type) {
        case HB_SET_NAME:
                return hb_name_ok(text);
        case HB_SET_PATH:
        case HB_SET_SOCKET:
                return text[0] == '/' || (!text[0] && row->otherwise && !row->otherwise[0]);
        case HB_SET_LISTEN:
                return address_ok(text, 0);
        case HB_SET_ADDRESS:
                return address_ok(text, 1);
        case HB_SET_CHOICE:
                return one_of(row->choices, text);
        default:
                return true;
        }
}

static int set_text(const struct hb_setting *row, const char *text, char *field, struct hb_err *e) {
        size_t n = strlen(text), most = row->size - 1;

        if (row->type == HB_SET_SOCKET && most > SUN_PATH_MAX)
                most = SUN_PATH_MAX;
        if (!text_ok(row, text))
                return wrong(row, text, e);
        if (n > most)
                return hb_err_set(e, -EINVAL, NULL, NULL, "%s is %zu bytes long: at most %zu fit", row->key,
                                  n, most);
        memset(field, 0, row->size);
        memcpy(field, text, n);
        return 0;
}

/* The number a row's text stands for, with the words that some rows take for one. */
static bool number_of(const struct hb_setting *row, const char *text, double *ret, bool *ret_word) {
        const char *rest;

        *ret_word = true;
        if (strcmp(text, "auto") == 0 && row->type == HB_SET_COUNT) {
                *ret = 0;
                return true;
        }
        if (strcmp(text, "auto") == 0 && (row->type == HB_SET_GRACE || row->type == HB_SET_ZSTD)) {
                *ret = row->type == HB_SET_GRACE ? -1 : HB_ZSTD_AUTO;
                return true;
        }
        if (strcmp(text, "off") == 0 && row->type == HB_SET_ZSTD) {
                *ret = HB_ZSTD_OFF;
                return true;
        }
        *ret_word = false;
        if (row->type == HB_SET_BYTES)
                return bytes(text, ret);
        if (row->type == HB_SET_REAL)
                return decimal(text, ret, &rest) && !*rest;
        return whole(text, ret);
}

static int set_number(const struct hb_setting *row, const char *text, void *field, struct hb_err *e) {
        double v;
        bool word;

        if (!number_of(row, text, &v, &word) || (!word && (v < row->min || v > row->max)))
                return wrong(row, text, e);
        if (row->type == HB_SET_REAL)
                *(double *)field = v;
        else if (row->type == HB_SET_BYTES)
                *(uint64_t *)field = (uint64_t)v;
        else
                *(int *)field = (int)v;
        return 0;
}

int hb_setting_set(const struct hb_setting *row, const char *text, void *object, struct hb_err *e) {
        void *field = (char *)object + row->offset;

        switch (row->type) {
        case HB_SET_INT:
        case HB_SET_REAL:
        case HB_SET_BYTES:
        case HB_SET_GRACE:
        case HB_SET_COUNT:
        case HB_SET_ZSTD:
                return set_number(row, text, field, e);
        case HB_SET_BOOL:
                if (!is_true(text) && !one_of("no false off", text))
                        return wrong(row, text, e);
                *(bool *)field = is_true(text);
                return 0;
        default:
                return set_text(row, text, field, e);
        }
}

bool hb_setting_same(const struct hb_setting *row, const void *a, const void *b) {
        return memcmp((const char *)a + row->offset, (const char *)b + row->offset, row->size) == 0;
}
