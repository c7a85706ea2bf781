/* import: input, format, gather and trace writer joined.
 *
 * Invariant: nothing exists under the output's name before the writer's close, and any error frees the writer
 * unclosed, which leaves nothing. The output is begun with the first access, when the trace's beginning is
 * known: an input without any makes no trace. One thread. */
#include "convert/import.h"
#include "base/fault.h"
#include "convert/import_priv.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define LONGEST_EPOCH_NS 1000000000000000000ull /* its end and any time of an input fit 64 bits together */

static const char *const format_names[HB_IMPORT_FORMATS] = {NULL, "csv", "oracle", "lackey", "perf", "text"};
static const char *const map_names[HB_IMPORT_MAPS] = {NULL, "keep", "blocks", "pages"};

static int index_of(const char *const *names, int n, const char *name) {
        for (int i = 0; i < n; i++)
                if (names[i] && strcmp(names[i], name) == 0)
                        return i;
        return -ENOENT;
}

const char *hb_import_format_name(enum hb_import_format f) {
        return (unsigned)f < HB_IMPORT_FORMATS ? format_names[f] : NULL;
}

int hb_import_format_from_name(const char *name) {
        return index_of(format_names, HB_IMPORT_FORMATS, name);
}

const char *hb_import_map_name(enum hb_import_map m) {
        return (unsigned)m < HB_IMPORT_MAPS ? map_names[m] : NULL;
}

int hb_import_map_from_name(const char *name) {
        return index_of(map_names, HB_IMPORT_MAPS, name);
}

/* ---- taking accesses ---- */
static int page_failed(struct hb_import_job *j, int r, uint64_t page) {
        if (r == -ERANGE)
                return hb_import_fail(j, r, "--map pages or blocks makes numbers dense",
                                      "page %llu is no page number of 32 bits", (unsigned long long)page);
        if (r == -E2BIG)
                return hb_import_fail(j, r, "shorter epochs (--epoch) touch fewer pages",
                                      "one epoch touches more than %u pages", j->o->most_pages);
        return hb_import_fail(j, r, NULL, "no memory for the pages of an epoch");
}

int hb_import_page(struct hb_import_job *j, uint64_t page, uint64_t reads, uint64_t writes) {
        int r = hb_gather_add(&j->gather, page, reads, writes);

        return r < 0 ? page_failed(j, r, page) : 0;
}

unsigned hb_import_kind_of(const struct hb_import_job *j, unsigned what) {
        if (what != HB_IMPORT_UNKNOWN)
                return what;
        return j->o->unknown == HB_IMPORT_AS_READS    ? HB_IMPORT_READ
               : j->o->unknown == HB_IMPORT_AS_WRITES ? HB_IMPORT_WRITE
                                                      : 0;
}

int hb_import_access(struct hb_import_job *j, uint64_t address, uint64_t bytes, unsigned what) {
        unsigned kind = hb_import_kind_of(j, what), shift = j->page_shift;
        uint64_t page = address >> shift, last;
        int r = 0;

        if (bytes == 0 || bytes > HB_IMPORT_MOST_BYTES || bytes - 1 > UINT64_MAX - address)
                return hb_import_fail(j, -EBADMSG, NULL,
                                      "an access of %llu bytes at 0x%llx, expected 1 to %u inside 64 bits",
                                      (unsigned long long)bytes, (unsigned long long)address,
                                      HB_IMPORT_MOST_BYTES);
        last = (address + bytes - 1) >> shift;
        for (; r == 0 && page <= last; page++)
                r = hb_import_page(j, page, (kind & HB_IMPORT_READ) != 0, (kind & HB_IMPORT_WRITE) != 0);
        j->stats.accesses++;
        j->stats.unknown += what == HB_IMPORT_UNKNOWN;
        return r;
}

/* ---- the header ---- */
static uint32_t meaning(const struct hb_import_job *j) {
        uint32_t exact = HB_TRACE_EXACT_READS | HB_TRACE_EXACT_WRITES;

        if (j->o->sampled || j->stats.format == HB_IMPORT_PERF)
                exact = 0;
        else if (j->stats.format == HB_IMPORT_ORACLE)
                exact = j->o->unknown == HB_IMPORT_AS_READS ? HB_TRACE_EXACT_READS
                                                            : HB_TRACE_NO_READS | HB_TRACE_EXACT_WRITES;
        return HB_TRACE_COUNTS | exact;
}

static void describe(const struct hb_import_job *j, char *out, size_t size) {
        const char *name = strrchr(j->name, '/') ? strrchr(j->name, '/') + 1 : j->name;
        int n = snprintf(out, size, "imported from %.120s (%s, --map %s)", name,
                         hb_import_format_name(j->stats.format), hb_import_map_name(j->stats.map));

        if (!j->stats.timed)
                n += snprintf(out + n, size - (size_t)n, "; %llu accesses are one epoch of 1 s",
                              (unsigned long long)j->o->epoch_accesses);
        if (j->o->page_size != HB_PAGE_SIZE)
                snprintf(out + n, size - (size_t)n, "; a page stands for %u bytes", j->o->page_size);
        for (char *c = out; *c; c++)
                if ((unsigned char)*c < 0x20 || *c == 0x7F)
                        *c = '?';
}

int hb_import_begin(struct hb_import_job *j) {
        struct hb_trace_header *h = &j->header;
        int r;

        if (j->begun)
                return 0;
        if (!j->stats.timed && j->o->epoch_accesses == HB_IMPORT_NOT_WHOLE)
                return hb_err_set(j->e, -EINVAL, j->name, "--epoch 4000000 is what it is without --epoch",
                                  "the input has no times: --epoch must be a whole number of accesses");
        h->page_size = HB_PAGE_SIZE;
        h->origin = HB_TRACE_IMPORT;
        h->flags = meaning(j);
        h->epoch_ns = j->stats.timed ? j->o->epoch_ns : 1000000000;
        snprintf(h->guest, sizeof(h->guest), "%s", j->o->guest ? j->o->guest : "import");
        describe(j, h->note, sizeof(h->note));
        r = hb_shape_add(&h->shape, "memory", HB_PAGE_SIZE, HB_PAGE_SIZE, j->e);
        if (r == 0)
                r = j->sink.begin(j->sink.arg, h, j->e);
        j->begun = r == 0;
        return r;
}

/* ---- running over the input ---- */
static void count_up(struct hb_import_job *j) {
        j->stats.records = j->gather.records;
        j->stats.epochs = j->gather.epochs;
        j->stats.pages = j->gather.guest_pages;
        j->stats.last_ns = j->gather.time_ns;
        j->stats.in_bytes = hb_source_loaded(j->source);
        j->stats.in_size = hb_source_size(j->source);
}

static int tick(void *arg) {
        struct hb_import_job *j = arg;

        count_up(j);
        if (j->o->progress && j->o->progress(j->o->arg, &j->stats))
                return hb_err_set(j->e, -EINTR, j->name, NULL, "interrupted");
        return 0;
}

/* The whole lines of [p, p + n), or what is left at the end. */
static int take_lines(struct hb_import_job *j, hb_import_line_fn *fn, const char *p, size_t n) {
        const char *end = p + n, *from = p;
        int r = 0;

        while (r == 0 && p < end) {
                const char *stop = memchr(p, '\n', (size_t)(end - p)), *next;

                if (!stop && p > from)
                        break;
                next = stop ? stop + 1 : end;
                stop = stop ? stop : end;
                if (stop > p && stop[-1] == '\r')
                        stop--;
                j->stats.lines++;
                r = fn(j, p, stop);
                p = next;
        }
        hb_source_take(j->source, (size_t)(p - from));
        return r;
}

static int each_line(struct hb_import_job *j, hb_import_line_fn *fn) {
        const uint8_t *p;
        size_t n, want = 1;
        int r = 0;

        while (r == 0) {
                r = hb_source_peek(j->source, want, &p, &n, j->e);
                if (r < 0 || n == 0)
                        break;
                if (n < want || memchr(p, '\n', n)) {
                        r = take_lines(j, fn, (const char *)p, n);
                        want = 1;
                } else if (n >= HB_SOURCE_MOST) {
                        j->stats.lines++;
                        r = hb_import_fail(j, -EBADMSG, "is --format right?",
                                           "the line is longer than %u bytes", HB_SOURCE_MOST);
                } else {
                        want = n + 1;
                }
        }
        return r;
}

static int run(struct hb_import_job *j) {
        static hb_import_line_fn *const lines[HB_IMPORT_FORMATS] = {
                [HB_IMPORT_CSV] = hb_import_csv_line,
                [HB_IMPORT_LACKEY] = hb_import_lackey_line,
                [HB_IMPORT_PERF] = hb_import_perf_line,
                [HB_IMPORT_TEXT] = hb_import_text_line,
        };
        int r;

        if (j->stats.format == HB_IMPORT_CSV) {
                j->time_known = true;
                j->stats.timed = true;
        }
        r = j->stats.format == HB_IMPORT_ORACLE ? hb_import_oracle(j) : each_line(j, lines[j->stats.format]);
        if (r >= 0)
                r = hb_gather_flush(&j->gather, j->e);
        if (r == 0 && j->gather.epochs == 0)
                r = hb_err_set(j->e, -ENODATA, j->name,
                               j->stats.outside   ? "see --from and --to"
                               : j->stats.skipped ? "harbinger trace import --help says what is passed over"
                                                  : "is --format right?",
                               "the input holds no access to import");
        return r;
}

static int defaults(struct hb_import_options *o, struct hb_err *e) {
        o->page_size = o->page_size ? o->page_size : HB_PAGE_SIZE;
        o->epoch_ns = o->epoch_ns ? o->epoch_ns : 1000000000;
        o->epoch_accesses = o->epoch_accesses ? o->epoch_accesses : HB_IMPORT_EPOCH_ACCESSES;
        o->most_pages = o->most_pages ? o->most_pages : HB_IMPORT_MOST_PAGES;
        if (o->page_size < 512 || o->page_size > 2u << 20 || (o->page_size & (o->page_size - 1)))
                return hb_err_set(e, -EINVAL, NULL, "4096 is usual",
                                  "a page must be a power of two from 512 bytes to 2 MiB");
        if (o->epoch_ns > LONGEST_EPOCH_NS)
                return hb_err_set(e, -EINVAL, NULL, NULL, "an epoch cannot be longer than 10^9 s");
        if (o->guest && !hb_name_ok(o->guest))
                return hb_err_set(e, -EINVAL, o->guest, NULL,
                                  "a guest's name is 1 to 63 letters, digits, . _ -");
        if (o->to_ns && o->to_ns <= o->from_ns)
                return hb_err_set(e, -EINVAL, NULL, NULL, "the part to import ends before it begins");
        return 0;
}

static int choose(struct hb_import_job *j) {
        int f = j->o->format ? (int)j->o->format : hb_import_guess(j->source, j->name, j->e);
        bool addresses = f == HB_IMPORT_LACKEY || f == HB_IMPORT_PERF || f == HB_IMPORT_TEXT;

        if (f < 0)
                return f;
        j->stats.format = (enum hb_import_format)f;
        j->stats.guessed = j->o->format == HB_IMPORT_GUESS;
        j->stats.map = j->o->map ? j->o->map : addresses ? HB_IMPORT_BLOCKS : HB_IMPORT_KEEP;
        if (f == HB_IMPORT_ORACLE && j->o->unknown == HB_IMPORT_SKIP)
                return hb_err_set(
                        j->e, -EINVAL, j->name, "--unknown reads or writes",
                        "oracleGeneral does not say which accesses are writes: all would be left out");
        return 0;
}

int hb_import_from(hb_source *s, const char *name, const struct hb_import_options *options,
                   const struct hb_import_sink *sink, struct hb_import_stats *ret, struct hb_err *e) {
        struct hb_import_options o = *options;
        struct hb_import_job j = {.o = &o, .name = name, .source = s, .sink = *sink, .e = e};
        int r = defaults(&o, e);

        if (r < 0)
                return r;
        j.page_shift = (unsigned)__builtin_ctz(o.page_size);
        hb_source_watch(s, o.stop_fd, tick, &j);
        r = choose(&j);
        hb_gather_init(&j.gather, &j.sink, j.stats.map, o.page_size, o.most_pages);
        if (r == 0)
                r = run(&j);
        count_up(&j);
        if (r == 0 && ret)
                *ret = j.stats;
        if (r < 0 && e && !e->which[0]) /* told where the input's name is not known */
                snprintf(e->which, sizeof(e->which), "%s", name);
        hb_source_watch(s, -1, NULL, NULL);
        hb_gather_free(&j.gather);
        return r;
}

/* ---- into a file ---- */
struct output {
        const char *path;
        bool replace;
        hb_trace_writer *writer;
        uint64_t pages;
};

static int file_begin(void *arg, const struct hb_trace_header *h, struct hb_err *e) {
        struct output *out = arg;
        struct hb_trace_writer_options o = {.atomic = true, .replace = out->replace};

        out->pages = h->shape.pages;
        return hb_trace_writer_new(out->path, h, &o, &out->writer, e);
}

static int file_epoch(void *arg, uint32_t epoch, uint64_t time_ns, const struct hb_trace_access *a, size_t n,
                      uint64_t pages, struct hb_err *e) {
        struct output *out = arg;
        int r = 0;

        if (pages > out->pages) {
                r = hb_trace_writer_grow(out->writer, pages);
                out->pages = pages;
        }
        if (r == 0)
                r = hb_trace_writer_epoch(out->writer, epoch, time_ns, a, n);
        if (r == -E2BIG)
                return hb_err_set(e, r, out->path, "shorter epochs (--epoch) touch fewer pages",
                                  "epoch %u touches %zu pages, more than a trace's block holds", epoch, n);
        return r < 0 ? hb_err_set(e, r, out->path, NULL, "cannot write the trace: %s", strerror(-r)) : 0;
}

int hb_import(const char *path, const char *out, const struct hb_import_options *o,
              struct hb_import_stats *ret, struct hb_err *e) {
        struct output file = {.path = out, .replace = o->replace};
        struct hb_import_sink sink = {file_begin, file_epoch, &file};
        struct hb_import_stats stats;
        struct stat st;
        hb_source *s = NULL;
        int r;

        if (strcmp(out, "-") == 0)
                return hb_err_set(e, -EINVAL, out, "name a file", "a trace cannot be written to a pipe");
        r = hb_source_open(path, &s, e);
        if (r == 0)
                r = hb_import_from(s, strcmp(path, "-") == 0 ? "standard input" : path, o, &sink, &stats, e);
        hb_source_free(s);
        if (r < 0) {
                hb_trace_writer_free(file.writer);
                return r;
        }
        r = hb_trace_writer_close(file.writer, e);
        if (r < 0)
                return r;
        stats.out_bytes = stat(out, &st) == 0 ? (uint64_t)st.st_size : 0;
        if (ret)
                *ret = stats;
        return r;
}
