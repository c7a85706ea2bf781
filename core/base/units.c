/* units: a number and one word from a table. Pure; not for a hot path. */
#include "base/units.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct unit {
        const char *name;
        double factor;
};

static const struct unit bytes[] = {
        {"", 1},          {"b", 1},        {"k", 1e3},          {"kb", 1e3},
        {"m", 1e6},       {"mb", 1e6},     {"g", 1e9},          {"gb", 1e9},
        {"t", 1e12},      {"tb", 1e12},    {"kib", 1024},       {"ki", 1024},
        {"mib", 1048576}, {"mi", 1048576}, {"gib", 1073741824}, {"gi", 1073741824},
        {"tib", 0x1p40},  {"ti", 0x1p40},  {NULL, 0},
};
static const struct unit bits[] = {
        {"bit", 0.125}, {"kbit", 125}, {"mbit", 125e3}, {"gbit", 125e6}, {"tbit", 125e9}, {NULL, 0},
};
static const struct unit seconds[] = {
        {"", 1},      {"s", 1},    {"sec", 1},  {"ms", 1e-3}, {"us", 1e-6}, {"\u00b5s", 1e-6},
        {"ns", 1e-9}, {"min", 60}, {"h", 3600}, {"d", 86400}, {NULL, 0},
};

/* Digits and a dot, with an exponent; what strtod takes beyond that (signs, inf, hex) is no amount. */
static int number(const char *text, const char **rest, double *ret) {
        char *end;

        if (strspn(text, "0123456789.") == 0 || strspn(text, "xX0123456789.") != strspn(text, "0123456789."))
                return -EINVAL;
        *ret = strtod(text, &end);
        *rest = end;
        return end != text && isfinite(*ret) ? 0 : -EINVAL;
}

static double factor(const struct unit *table, const char *name, size_t n) {
        for (; table->name; table++)
                if (strlen(table->name) == n && strncasecmp(table->name, name, n) == 0)
                        return table->factor;
        return 0;
}

int hb_units_bytes(const char *text, uint64_t *ret) {
        const char *unit;
        double v, f;

        if (number(text, &unit, &v) < 0 || !((f = factor(bytes, unit, strlen(unit))) > 0) || v * f >= 0x1p63)
                return -EINVAL;
        *ret = (uint64_t)(v * f + 0.5);
        return 0;
}

int hb_units_rate(const char *text, double *ret) {
        const char *unit;
        double v, f;
        size_t n;

        if (number(text, &unit, &v) < 0)
                return -EINVAL;
        n = strlen(unit);
        if (n > 2 && strcasecmp(unit + n - 2, "/s") == 0)
                n -= 2;
        f = factor(bits, unit, n);
        if (!(f > 0))
                f = factor(bytes, unit, n);
        if (!(f > 0) || v * f > 1e18)
                return -EINVAL;
        *ret = v * f;
        return 0;
}

int hb_units_seconds(const char *text, double *ret) {
        const char *unit;
        double v, f;

        if (number(text, &unit, &v) < 0 || !((f = factor(seconds, unit, strlen(unit))) > 0) || v * f > 1e12)
                return -EINVAL;
        *ret = v * f;
        return 0;
}
