/* json_out: JSON written straight into a text, for what is made each second: no tree, no allocation per
 * value. What comes out is valid JSON whatever bytes the strings hold, as hb_ctl_text has it: control bytes
 * are escaped, a byte that is no UTF-8 becomes '?'; a real that JSON cannot say becomes null.
 *
 * Keys are the program's own words and are not escaped; NULL inside an array. Without memory the buffer is
 * failed and the rest is dropped: check once, at the end. Pure. */
#pragma once
#include "base/bytes.h"
#include <jansson.h>

struct hb_json_out {
        struct hb_buf buf; /* the owner frees it */
        bool comma;        /* the next value follows another one */
};

/* bracket: '{' or '['. */
void hb_json_open(struct hb_json_out *o, const char *key, char bracket);
void hb_json_close(struct hb_json_out *o, char bracket); /* '}' or ']' */
void hb_json_str(struct hb_json_out *o, const char *key, const char *s /* NULL: "" */);
void hb_json_int(struct hb_json_out *o, const char *key, int64_t v);
void hb_json_pages(struct hb_json_out *o, const char *key, uint64_t v);    /* and whatever else is counted */
void hb_json_real(struct hb_json_out *o, const char *key, double v);       /* nine digits */
void hb_json_time(struct hb_json_out *o, const char *key, double seconds); /* to the millisecond */
void hb_json_bool(struct hb_json_out *o, const char *key, bool v);
void hb_json_null(struct hb_json_out *o, const char *key);
void hb_json_ready(struct hb_json_out *o, const char *key, const char *json, size_t len); /* JSON already */
void hb_json_tree(struct hb_json_out *o, const char *key, json_t *tree /* stolen; NULL: failed */);
