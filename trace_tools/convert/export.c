/* export: opens the trace, chooses the format, and gives the exporters one item after the other. A damaged
 * block ends an export: a file with a hole in it would look whole. One thread. */
#include "convert/export.h"
#include "convert/export_priv.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define LOOK_EVERY 16u /* items, between two looks at whether to stop */

static const char *const names[HB_EXPORT_FORMATS] = {NULL, "csv", "oracle", "sqlite"};

const char *hb_export_format_name(enum hb_export_format f) {
        return (unsigned)f < HB_EXPORT_FORMATS ? names[f] : NULL;
}

int hb_export_format_from_name(const char *name) {
        for (int i = 1; i < HB_EXPORT_FORMATS; i++)
                if (strcmp(names[i], name) == 0)
                        return i;
        return -ENOENT;
}

static bool ends_in(const char *s, size_t n, const char *end) {
        size_t m = strlen(end);

        return n > m && strncasecmp(s + n - m, end, m) == 0;
}

int hb_export_format_of(const char *path) {
        static const struct {
                const char *ending;
                int format;
        } endings[] = {{".csv", HB_EXPORT_CSV},       {".oracleGeneral", HB_EXPORT_ORACLE},
                       {".oracle", HB_EXPORT_ORACLE}, {".bin", HB_EXPORT_ORACLE},
                       {".db", HB_EXPORT_SQLITE},     {".sqlite", HB_EXPORT_SQLITE},
                       {".sqlite3", HB_EXPORT_SQLITE}};
        size_t n = strlen(path);
        bool packed = ends_in(path, n, ".zst");

        n -= packed ? strlen(".zst") : 0;
        for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
                if (ends_in(path, n, endings[i].ending) && !(packed && endings[i].format == HB_EXPORT_SQLITE))
                        return endings[i].format;
        return -ENOENT;
}

int hb_export_next(struct hb_export_job *j, struct hb_trace_item *ret) {
        uint64_t of = 0, at = hb_trace_reader_at(j->reader, &of);
        int r;

        j->stats.in_bytes = j->pass * of + at;
        j->stats.in_size = j->passes * of;
        if (j->items++ % LOOK_EVERY == 0 && j->o->progress && j->o->progress(j->o->arg, &j->stats))
                return hb_err_set(j->e, -EINTR, j->out, NULL, "interrupted");
        r = hb_trace_reader_next(j->reader, ret, j->e);
        if (r == 1 && ret->kind == HB_TRACE_EPOCH && j->pass == 0) {
                j->stats.epochs++;
                j->stats.records += ret->naccess;
                j->stats.last_ns = ret->time_ns;
        }
        return r;
}

void hb_export_rewind(struct hb_export_job *j) {
        hb_trace_reader_rewind(j->reader);
        j->pass++;
}

uint64_t hb_export_window(const struct hb_export_job *j, uint64_t time_ns, uint64_t *last_ns, bool first) {
        uint64_t length = hb_trace_reader_header(j->reader)->epoch_ns;
        uint64_t begins = time_ns > length ? time_ns - length : 0;

        if (!first && begins <= *last_ns)
                begins = *last_ns + 1;
        *last_ns = begins;
        return begins;
}

static int choose(struct hb_export_job *j) {
        const char *const next = "--format csv, oracle or sqlite";
        int f = j->o->format ? (int)j->o->format : hb_export_format_of(j->out);

        if (f < 0)
                return hb_err_set(j->e, -EINVAL, j->out, next, "the output's name does not tell its format");
        if (f == HB_EXPORT_SQLITE && strcmp(j->out, "-") == 0)
                return hb_err_set(j->e, -EINVAL, j->out, "name a file", "SQLite cannot be written to a pipe");
        j->stats.format = (enum hb_export_format)f;
        return 0;
}

/* Damage inside a block is told when it is met; this is what opening found. */
static int is_sound(struct hb_export_job *j) {
        struct hb_trace_info info;

        hb_trace_reader_info(j->reader, &info);
        j->stats.cut = !info.indexed;
        j->stats.pages = hb_trace_reader_header(j->reader)->shape.pages;
        if (!info.damaged)
                return 0;
        return hb_err_set(j->e, -EBADMSG, j->path, "harbinger trace repair keeps what is whole",
                          "the trace is damaged: %s", info.damage);
}

int hb_export(const char *path, const char *out, const struct hb_export_options *o,
              struct hb_export_stats *ret, struct hb_err *e) {
        static int (*const exporters[HB_EXPORT_FORMATS])(struct hb_export_job *) = {
                [HB_EXPORT_CSV] = hb_export_csv,
                [HB_EXPORT_ORACLE] = hb_export_oracle,
                [HB_EXPORT_SQLITE] = hb_export_sqlite,
        };
        struct hb_export_job j = {.o = o, .path = path, .out = out, .passes = 1, .e = e};
        int r = choose(&j);

        if (r == 0)
                r = hb_trace_reader_open(path, &j.reader, e);
        if (r < 0)
                return r;
        r = is_sound(&j);
        if (r == 0)
                r = exporters[j.stats.format](&j);
        hb_trace_reader_free(j.reader);
        if (r == 0 && ret)
                *ret = j.stats;
        return r;
}
