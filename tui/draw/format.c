/* format: one place decides how a size, a rate, a time looks, so that every table and line agrees. Pure. */
#include "draw/format.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *unknown(char *buf) {
        return strcpy(buf, "-");
}

static const char *scaled(double v, const char *suffix, char *buf) {
        static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
        unsigned u = 0;

        if (!(v >= 0) || isinf(v))
                return unknown(buf);
        while (v >= 1023.5 && u + 1 < sizeof(units) / sizeof(units[0])) {
                v /= 1024;
                u++;
        }
        snprintf(buf, HB_FMT_SIZE, u && v < 9.95 ? "%.1f %s%s" : "%.0f %s%s", v, units[u], suffix);
        return buf;
}

const char *hb_fmt_bytes(double bytes, char *buf) {
        return scaled(bytes, "", buf);
}

const char *hb_fmt_rate(double bytes_per_s, char *buf) {
        return scaled(bytes_per_s, "/s", buf);
}

static void long_time(unsigned long long s, char *buf) {
        if (s < 3600)
                snprintf(buf, HB_FMT_SIZE, "%llu min %llu s", s / 60, s % 60);
        else if (s < 86400)
                snprintf(buf, HB_FMT_SIZE, "%llu h %llu min", s / 3600, s % 3600 / 60);
        else
                snprintf(buf, HB_FMT_SIZE, "%llu d %llu h", s / 86400, s % 86400 / 3600);
}

const char *hb_fmt_seconds(double s, char *buf) {
        if (isinf(s) && s > 0)
                return strcpy(buf, "never");
        if (!(s >= 0))
                return unknown(buf);
        if (s < 0.9995)
                snprintf(buf, HB_FMT_SIZE, s > 0 && s < 0.00995 ? "%.1f ms" : "%.0f ms", s * 1e3);
        else if (s < 99.95)
                snprintf(buf, HB_FMT_SIZE, s < 9.95 ? "%.1f s" : "%.0f s", s);
        else
                long_time((unsigned long long)(s < 1e15 ? s : 1e15), buf);
        return buf;
}

const char *hb_fmt_ms(double ms, char *buf) {
        return hb_fmt_seconds(ms / 1e3, buf);
}

const char *hb_fmt_share(double share, char *buf) {
        if (!(share >= 0) || isinf(share))
                return unknown(buf);
        snprintf(buf, HB_FMT_SIZE, "%.1f %%", share * 100);
        return buf;
}

const char *hb_fmt_count(double n, char *buf) {
        if (!(n >= 0) || isinf(n))
                return unknown(buf);
        snprintf(buf, HB_FMT_SIZE, "%.0f", n);
        return buf;
}

const json_t *hb_json_at(const json_t *o, const char *path) {
        while (o && *path) {
                size_t n = strcspn(path, ".");

                o = json_object_getn(o, path, n);
                path += n + (path[n] == '.');
        }
        return o;
}

double hb_json_number(const json_t *o, const char *path) {
        const json_t *v = hb_json_at(o, path);

        return json_is_number(v) ? json_number_value(v) : NAN;
}

const char *hb_json_text(const json_t *o, const char *path) {
        const char *s = json_string_value(hb_json_at(o, path));

        return s ? s : "";
}
