/* params: one row per parameter of the load; words on the command line, the kernel command line and the help
 * come from it. */
#include "load.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct row {
        const char *name;
        size_t offset;
        uint64_t value, min, max;
        const char *help;
} rows[] = {
#define ROW(field, value, min, max, help)                                                                    \
        { #field, offsetof(struct load_params, field), value, min, max, help }
        ROW(mb, 128, 1, 1 << 20, "MiB of memory"),
        ROW(rate, 2000, 0, 100000000, "pages written a second"),
        ROW(hot, 10, 1, 100, "per cent of the pages that are hot"),
        ROW(hot_writes, 90, 0, 100, "per cent of the writes that go to hot pages"),
        ROW(shift_s, 0, 0, 86400, "seconds after which the hot pages move on a little; 0: never"),
        ROW(reads, 2000, 0, 100000000, "pages read a second"),
        ROW(verify_s, 2, 0, 86400, "seconds for one check of every page; 0: on demand only"),
        ROW(beat_ms, 200, 10, 3600000, "between two heartbeat lines"),
        ROW(renew, 0, 0, 100, "per cent of the writes that put their page into another frame first"),
        ROW(seed, 1, 0, UINT64_MAX >> 2, "of the random choice of pages"),
#undef ROW
};

#define ROWS (sizeof(rows) / sizeof(*rows))

static uint64_t *field(struct load_params *p, const struct row *r) {
        return (uint64_t *)(void *)((char *)p + r->offset);
}

void load_params_init(struct load_params *p) {
        for (size_t i = 0; i < ROWS; i++)
                *field(p, &rows[i]) = rows[i].value;
}

static int row_set(struct load_params *p, const struct row *r, const char *text) {
        char *end;
        uint64_t v;

        if (*text < '0' || *text > '9')
                return -ERANGE;
        errno = 0;
        v = strtoull(text, &end, 10);
        if (errno || *end || v < r->min || v > r->max)
                return -ERANGE;
        *field(p, r) = v;
        return 0;
}

int load_params_set(struct load_params *p, const char *word) {
        const char *eq = strchr(word, '=');

        for (size_t i = 0; eq && i < ROWS; i++)
                if (strlen(rows[i].name) == (size_t)(eq - word) &&
                    !strncmp(rows[i].name, word, (size_t)(eq - word)))
                        return row_set(p, &rows[i], eq + 1);
        return -ENOENT;
}

const char *load_params_help(unsigned i, const char **ret_name) {
        if (i >= ROWS)
                return NULL;
        *ret_name = rows[i].name;
        return rows[i].help;
}
