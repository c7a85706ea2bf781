/* settings_table: the rows behind settings.h, and how a row's value is read. Only the settings*.c files and
 * their tests see this. */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>

enum hb_setting_type {
        HB_SET_NAME,    /* char[]: as hb_name_ok */
        HB_SET_TEXT,    /* char[]: anything printable */
        HB_SET_PATH,    /* char[]: absolute */
        HB_SET_SOCKET,  /* char[]: absolute, at most 107 bytes */
        HB_SET_LISTEN,  /* char[]: IPv4:PORT or [IPv6]:PORT, port 0 = any */
        HB_SET_ADDRESS, /* char[]: the same, port from 1 */
        HB_SET_CHOICE,  /* char[]: one of `choices` */
        HB_SET_INT,     /* int */
        HB_SET_REAL,    /* double */
        HB_SET_BYTES,   /* uint64_t: a number, optionally with k, M, G (powers of 1000) or Ki, Mi, Gi */
        HB_SET_BOOL,    /* bool: yes/no, true/false, on/off */
        HB_SET_GRACE,   /* int: auto (-1) or milliseconds */
        HB_SET_COUNT,   /* int: auto (0) or a number */
        HB_SET_ZSTD,    /* int: auto, off or a level, as in transport/tcp.h */
};

struct hb_setting {
        const char *section; /* "host", or "host.*" for [host.NAME] */
        const char *key;
        enum hb_setting_type type;
        size_t offset, size;
        double min, max;       /* numbers */
        const char *otherwise; /* the value when left out; NULL: required */
        const char *example;   /* for the reference file; NULL: `otherwise` */
        bool fixed;            /* a reload cannot change it */
        const char *choices;   /* "a b c" */
        const char *help;
};

struct hb_setting_section {
        const char *name;      /* "host", or "host.*" */
        const char *example;   /* for "host.*": the name in the reference file */
        bool optional_example; /* commented out there */
        const char *help;
};

extern const struct hb_setting hb_setting_rows[];
extern const size_t hb_setting_count;
extern const struct hb_setting_section hb_setting_sections[];
extern const size_t hb_setting_section_count;

/* Reads `text` into the field of `row` inside `object`. -EINVAL, with what is wrong in *e (which and next are
 * left for the caller's place). */
int hb_setting_set(const struct hb_setting *row, const char *text, void *object, struct hb_err *e);
/* True when the row's field is equal in both objects. */
bool hb_setting_same(const struct hb_setting *row, const void *a, const void *b);
/* "50..60000", "yes or no", one of ...: what may be written. */
const char *hb_setting_range(const struct hb_setting *row, char *buf, size_t size);
