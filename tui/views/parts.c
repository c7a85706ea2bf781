/* parts: one place decides how an unknown figure, a key or a time looks in the views. Times are UTC, since a
 * view asks no environment what zone the operator is in, and the daemons' own stamps are UTC too. */
#include "views/parts.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* ---- values ---- */

json_t *hb_part_number(double v) {
        return isfinite(v) ? json_real(v) : json_null();
}

json_t *hb_part_known(double v) {
        return isfinite(v) && v >= 0 ? json_real(v) : json_null();
}

json_t *hb_part_string(const char *s) {
        size_t n = strlen(s);

        for (unsigned cut = 0; cut < 4 && cut <= n; cut++) {
                json_t *j = json_stringn(s, n - cut);

                if (j)
                        return j;
        }
        return json_null();
}

json_t *hb_part_member(const json_t *o, const char *path) {
        const json_t *v = hb_json_at(o, path);
        json_t *copy = v ? json_deep_copy(v) : NULL;

        return copy ? copy : json_null();
}

double hb_part_share(const json_t *o, const char *path) {
        double v = hb_json_number(o, path);

        return v >= 0 ? v : NAN;
}

bool hb_part_true(const json_t *o, const char *path) {
        return json_is_true(hb_json_at(o, path));
}

/* ---- texts ---- */

void hb_part_add(char *buf, size_t size, const char *fmt, ...) {
        size_t at = strlen(buf);
        va_list ap;

        va_start(ap, fmt);
        vsnprintf(buf + at, size - at, fmt, ap);
        va_end(ap);
}

const char *hb_part_fixed(double v, unsigned digits, char buf[HB_PART_TEXT]) {
        if (!isfinite(v))
                return strcpy(buf, "-");
        snprintf(buf, HB_PART_TEXT, fabs(v) < 1e9 ? "%.*f" : "%.*e", (int)digits, v);
        if (strspn(buf, "-0.") == strlen(buf) && buf[0] == '-') /* "-0.00" */
                memmove(buf, buf + 1, strlen(buf));
        return buf;
}

const char *hb_part_bound(double v, char buf[HB_PART_TEXT]) {
        if (!isfinite(v))
                return strcpy(buf, "any");
        snprintf(buf, HB_PART_TEXT, "%.6g", v);
        return buf;
}

static bool broken_down(double t, struct tm *ret) {
        time_t s;

        if (!(t > 0 && t < 253402300800.0)) /* the year 10000 */
                return false;
        s = (time_t)t;
        return gmtime_r(&s, ret) != NULL;
}

double hb_part_now(const hb_world *w) {
        double newest = NAN;

        for (unsigned i = 0; i < hb_world_seats(w); i++) {
                const struct hb_seat *s = hb_world_seat(w, i);
                double t = s ? hb_part_share(s->tick, "time") : NAN;

                if (!(newest >= t) && isfinite(t))
                        newest = t;
        }
        return isnan(newest) ? hb_world_wall(w) : newest;
}

const char *hb_part_time(double t, double now, char buf[HB_PART_TEXT]) {
        struct tm at, today;

        if (!broken_down(t, &at))
                return strcpy(buf, "-");
        if (broken_down(now, &today) && (today.tm_yday != at.tm_yday || today.tm_year != at.tm_year))
                strftime(buf, HB_PART_TEXT, "%m-%d %H:%M", &at);
        else
                strftime(buf, HB_PART_TEXT, "%H:%M:%S", &at);
        return buf;
}

const char *hb_part_stamp(const char *stamp, double now, char buf[HB_PART_TEXT]) {
        struct tm tm = {0};
        int year, month;

        if (sscanf(stamp, "%4d-%2d-%2dT%2d:%2d:%2d", &year, &month, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
                   &tm.tm_sec) != 6) {
                snprintf(buf, HB_PART_TEXT, "%s", *stamp ? stamp : "-");
                return buf;
        }
        tm.tm_year = year - 1900;
        tm.tm_mon = month - 1;
        return hb_part_time((double)timegm(&tm), now, buf);
}

const char *hb_part_key(const struct hb_view_ctx *c, enum hb_action a, char buf[HB_PART_TEXT]) {
        for (unsigned i = 0; i < c->nkeys; i++) {
                const char *keys = c->keys[i].keys;

                if (c->keys[i].action != a || !keys || !*keys)
                        continue;
                snprintf(buf, HB_PART_TEXT, "%.*s", (int)(1 + strcspn(keys + 1, ",")), keys);
                return buf;
        }
        snprintf(buf, HB_PART_TEXT, "%s", hb_action_name(a));
        return buf;
}

const char *hb_part_names(const json_t *names, unsigned most, char *buf, size_t size) {
        size_t n = json_array_size(names);

        snprintf(buf, size, "%s", json_is_string(names) ? json_string_value(names) : "");
        if (json_is_integer(names) && json_integer_value(names) >= 0)
                snprintf(buf, size, "%lld", (long long)json_integer_value(names));
        for (size_t i = 0; i < n && i < most; i++) {
                const char *s = json_string_value(json_array_get(names, i));

                hb_part_add(buf, size, "%s%s", i ? ", " : "", s ? s : "?");
        }
        if (n > most)
                hb_part_add(buf, size, " and %zu more", n - most);
        return buf;
}

/* ---- cells, fields ---- */

void hb_part_cell(hb_doc_table *t, enum hb_style style, const char *text) {
        hb_doc_cell(t, style, hb_part_string(text), "%s", text);
}

void hb_part_cell_fixed(hb_doc_table *t, enum hb_style style, double v, unsigned digits) {
        char buf[HB_PART_TEXT];

        hb_doc_cell(t, style, hb_part_number(v), "%s", hb_part_fixed(v, digits, buf));
}

void hb_part_cell_as(hb_doc_table *t, enum hb_style style, double v, hb_part_format *f) {
        char buf[HB_FMT_SIZE];

        hb_doc_cell(t, style, hb_part_known(v), "%s", f(v, buf));
}

void hb_part_field_as(hb_doc *d, const char *key, const char *label, enum hb_style style, double v,
                      hb_part_format *f) {
        char buf[HB_FMT_SIZE];

        hb_doc_field(d, key, label, style, hb_part_known(v), "%s", f(v, buf));
}

void hb_part_field_text(hb_doc *d, const char *key, const char *label, enum hb_style style,
                        const char *text) {
        hb_doc_field(d, key, label, style, *text ? hb_part_string(text) : json_null(), "%s",
                     *text ? text : "-");
}

void hb_part_error_note(hb_doc *d, const char *key, const char *what, const struct hb_err *err) {
        hb_doc_note(d, key, HB_STYLE_WARN, '!', "%s: %s%s%s", what, err->what, err->next[0] ? ". Next: " : "",
                    err->next);
}

/* ---- hosts ---- */

unsigned hb_part_seat_of(const hb_world *w, const char *host) {
        for (unsigned i = 0; i < hb_world_seats(w); i++) {
                const struct hb_seat *s = hb_world_seat(w, i);

                if (s && strcmp(s->tick ? hb_json_text(s->tick, "host") : s->label, host) == 0)
                        return i;
        }
        return HB_NO_SEAT;
}

const char *hb_part_host(const hb_world *w, unsigned seat) {
        const struct hb_seat *s = seat == HB_NO_SEAT ? NULL : hb_world_seat(w, seat);

        return !s                                            ? "?"
               : s->tick && hb_json_text(s->tick, "host")[0] ? hb_json_text(s->tick, "host")
                                                             : s->label;
}
