/* parts: what several views put into a doc alike: numbers that may be unknown, keys to press, times of day.
 * Text comes from daemons: it is cut, never trusted. Pure; one thread. */
#pragma once
#include "draw/format.h"
#include "views/view.h"

/* Values for --json: null for what JSON cannot say. hb_part_known: also for what is below 0, the daemon's
 * "unknown". */
json_t *hb_part_number(double v);
json_t *hb_part_known(double v);
json_t *hb_part_string(const char *s); /* text that was cut may end inside a character: that is left out */
/* The member as it is, null where there is none. */
json_t *hb_part_member(const json_t *o, const char *path);
/* A share, rate or count: NaN where it is unknown (-1, null, missing). */
double hb_part_share(const json_t *o, const char *path);
bool hb_part_true(const json_t *o, const char *path);

#define HB_PART_TEXT 48
const char *hb_part_fixed(double v, unsigned digits, char buf[HB_PART_TEXT]); /* "0.412"; "-" */
const char *hb_part_bound(double v, char buf[HB_PART_TEXT]);                  /* "0.25"; "any" */
/* What time it is where the newest tick comes from: a replay has a time of its own. Seconds since 1970. */
double hb_part_now(const hb_world *w);
/* "23:41:33" of a moment on the day of `now`, "11-22 23:41" of another; UTC. Both in seconds since 1970. */
const char *hb_part_time(double t, double now, char buf[HB_PART_TEXT]);
/* The same of "2026-11-22T23:41:33Z"; other text is cut and given back. */
const char *hb_part_stamp(const char *stamp, double now, char buf[HB_PART_TEXT]);
/* The first key that means the action ("P"); its name where it has no key ("promote"). */
const char *hb_part_key(const struct hb_view_ctx *c, enum hb_action a, char buf[HB_PART_TEXT]);

/* Cells: unknown is "-" and null; no text is a blank. */
void hb_part_cell(hb_doc_table *t, enum hb_style style, const char *text);
void hb_part_cell_fixed(hb_doc_table *t, enum hb_style style, double v, unsigned digits);
typedef const char *hb_part_format(double v, char *buf); /* of draw/format.h */
void hb_part_cell_as(hb_doc_table *t, enum hb_style style, double v, hb_part_format *f);
void hb_part_field_as(hb_doc *d, const char *key, const char *label, enum hb_style style, double v,
                      hb_part_format *f);
void hb_part_field_text(hb_doc *d, const char *key, const char *label, enum hb_style style, const char *text);
/* "! what: why. Next: next" as one note; e is a daemon's error object or NULL, then why is in *err. */
void hb_part_error_note(hb_doc *d, const char *key, const char *what, const struct hb_err *err);

/* Adds to a text of fixed size; what does not fit is cut. */
void hb_part_add(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The seat whose host has this name; HB_NO_SEAT. */
unsigned hb_part_seat_of(const hb_world *w, const char *host);
/* The host's name as its seat's label has it; "?" without. */
const char *hb_part_host(const hb_world *w, unsigned seat);
/* The guests' array or string as "vm1, vm2"; at most `most` by name, then "and 3 more". */
const char *hb_part_names(const json_t *names, unsigned most, char *buf, size_t size);
