/* format: numbers for people. Every function writes into buf (HB_FMT_SIZE) and returns it; "-" for what is
 * unknown (NaN, null, negative). */
#pragma once
#include <jansson.h>

#define HB_FMT_SIZE 32

const char *hb_fmt_bytes(double bytes, char *buf);      /* "512 MiB", "1.5 GiB", "0 B" */
const char *hb_fmt_rate(double bytes_per_s, char *buf); /* "88 MiB/s" */
const char *
hb_fmt_seconds(double s, char *buf); /* "12 ms", "4.2 s", "3 min 12 s", "2 h 5 min", "never" when infinite */
const char *hb_fmt_ms(double ms, char *buf);       /* the same from milliseconds */
const char *hb_fmt_share(double share, char *buf); /* 0..1 -> "98.2 %" */
const char *hb_fmt_count(double n, char *buf);     /* "1234567" */

/* Members of objects; missing or of another type: NaN, "", NULL. Paths go down by '.':
 * "estimate.downtime_ms". */
const json_t *hb_json_at(const json_t *o, const char *path);
double hb_json_number(const json_t *o, const char *path);
const char *hb_json_text(const json_t *o, const char *path);
