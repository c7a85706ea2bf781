/* writer: items in, whole blocks out.
 *
 * Invariant: what was accepted is either in the file or in the block being made, and in order; what was
 * refused
 * (-EINVAL, -E2BIG) changed nothing and is no lasting error. Anything else that fails is kept and told by
 * every later call. Memory: one block, one epoch's copy when a set comes unsorted, and HB_INDEX_ROW bytes a
 * block for the index. One thread. */
#include "base/fault.h"
#include "trace/builder.h"
#include "trace/header.h"
#include "trace/writer_file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_BYTES    (2u << 20)
#define LEVEL          6
#define RECORD_AT_MOST 16u /* raw bytes of one record in all columns */

struct hb_trace_writer {
        struct hb_trace_file file;
        struct hb_shape shape;
        uint32_t flags, block_bytes;
        int level, error;
        bool sync;
        unsigned count_bits; /* 0: all */
        uint32_t epoch;
        uint64_t epoch_ns, last_ns;
        struct hb_block_builder block;
        hb_block_codec *codec;
        struct hb_buf out;
        struct hb_trace_access *sorted;
        size_t sorted_cap;
};

static int keep(struct hb_trace_writer *w, int rc) {
        if (rc < 0 && w->error == 0)
                w->error = rc;
        return rc;
}

static void set_options(struct hb_trace_writer *w, const struct hb_trace_writer_options *o) {
        w->block_bytes = o && o->block_bytes ? o->block_bytes : BLOCK_BYTES;
        if (w->block_bytes > HB_BLOCK_RAW_MAX / 2)
                w->block_bytes = HB_BLOCK_RAW_MAX / 2;
        w->level = o && o->level ? o->level : LEVEL;
        w->sync = o && o->sync;
        w->count_bits = o ? o->count_bits : 0;
}

/* Goes on where an older writer of this file ended. */
static void take_over(struct hb_trace_writer *w) {
        const struct hb_trace_scan *f = &w->file.found;

        if (f->pages > w->shape.pages)
                (void)hb_trace_shape_grow(&w->shape, f->pages);
        w->epoch = f->info.last_epoch;
        w->epoch_ns = w->last_ns = f->info.last_ns;
        w->block.head = (struct hb_block_head){.number = f->next_number,
                                               .epoch_before = w->epoch,
                                               .first_epoch = w->epoch,
                                               .last_epoch = w->epoch,
                                               .pages = w->shape.pages};
}

int hb_trace_writer_new(const char *path, const struct hb_trace_header *h,
                        const struct hb_trace_writer_options *o, hb_trace_writer **ret, struct hb_err *e) {
        struct hb_trace_writer *w = hb_fault("trace.alloc") ? NULL : calloc(1, sizeof(*w));
        struct hb_trace_header as_written = *h;
        struct hb_buf header = {0};
        int rc;

        if (o && o->count_bits)
                as_written.flags |= HB_TRACE_ROUNDED;

        if (!w)
                return hb_err_set(e, -ENOMEM, path, NULL, "no memory to write a trace");
        w->file.fd = -1;
        w->codec = hb_block_codec_new();
        if (!w->codec) {
                rc = hb_err_set(e, -ENOMEM, path, NULL, "no memory to write a trace");
                goto fail;
        }
        rc = hb_trace_header_encode(&as_written, &header, e);
        if (rc < 0)
                goto fail;
        rc = hb_trace_file_open(path, &header, h->shape.pages, o && o->atomic, o && o->replace, &w->file, e);
        if (rc < 0)
                goto fail;
        set_options(w, o);
        w->shape = h->shape;
        w->flags = h->flags;
        take_over(w);
        hb_buf_free(&header);
        *ret = w;
        return 0;
fail:
        hb_buf_free(&header);
        hb_trace_writer_free(w);
        return rc;
}

hb_trace_writer *hb_trace_writer_free(hb_trace_writer *w) {
        if (w) {
                hb_trace_file_close(&w->file);
                hb_block_builder_free(&w->block);
                hb_block_codec_free(w->codec);
                hb_buf_free(&w->out);
                free(w->sorted);
                free(w);
        }
        return NULL;
}

int hb_trace_writer_flush(hb_trace_writer *w) {
        struct hb_block_builder *b = &w->block;
        uint64_t at = w->file.at;
        int rc;

        if (w->error < 0)
                return w->error;
        if (hb_block_builder_empty(b))
                return 0;
        hb_buf_reset(&w->out);
        b->head.pages = w->shape.pages;
        rc = hb_block_builder_pack(b, w->codec, w->level, &w->out);
        if (rc == 0)
                rc = hb_trace_file_append(&w->file, w->out.data, w->out.len);
        if (rc == 0 && w->sync)
                rc = hb_trace_file_sync(&w->file);
        if (rc < 0)
                return keep(w, rc);
        hb_trace_index_row(&w->file.rows, at, w->out.data);
        if (w->file.rows.failed)
                return keep(w, -ENOMEM);
        hb_block_builder_next(b);
        return 0;
}

/* ---- epochs ---- */

static int by_gfn(const void *a, const void *b) {
        uint32_t x = ((const struct hb_trace_access *)a)->gfn, y = ((const struct hb_trace_access *)b)->gfn;

        return (x > y) - (x < y);
}

static uint32_t joined(uint32_t a, uint32_t b, bool counts) {
        if (!counts)
                return a | b;
        return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

/* 1: sorted, 0: not, -EINVAL: something in it cannot be. */
static int examine(const struct hb_trace_writer *w, const struct hb_trace_access *a, size_t n) {
        uint32_t most = w->flags & HB_TRACE_COUNTS ? UINT32_MAX : 1;
        bool sorted = true, bad = false;

        for (size_t i = 0; i < n; i++) {
                bad |= (a[i].reads | a[i].writes) == 0 || a[i].gfn >= w->shape.pages || a[i].reads > most ||
                       a[i].writes > most;
                sorted &= i == 0 || a[i - 1].gfn < a[i].gfn;
        }
        return bad ? -EINVAL : sorted;
}

/* The caller's records in w->sorted, where they may be changed. */
static int copy(struct hb_trace_writer *w, const struct hb_trace_access *a, size_t n) {
        if (n > w->sorted_cap) {
                struct hb_trace_access *s =
                        hb_fault("trace.alloc") ? NULL : realloc(w->sorted, n * sizeof(*s));

                if (!s)
                        return -ENOMEM;
                w->sorted = s;
                w->sorted_cap = n;
        }
        if (n > 0)
                memcpy(w->sorted, a, n * sizeof(*a));
        return 0;
}

static void sort_and_join(struct hb_trace_writer *w, size_t *n) {
        struct hb_trace_access *s = w->sorted;
        size_t to = 0;

        qsort(s, *n, sizeof(*s), by_gfn);
        for (size_t i = 1; i < *n; i++) {
                bool counts = w->flags & HB_TRACE_COUNTS;

                if (s[i].gfn != s[to].gfn) {
                        s[++to] = s[i];
                        continue;
                }
                s[to].reads = joined(s[to].reads, s[i].reads, counts);
                s[to].writes = joined(s[to].writes, s[i].writes, counts);
        }
        *n = to + 1;
}

/* The nearest number that has at most `keep` leading bits; of the largest, the one below. */
static uint32_t rounded(uint32_t v, unsigned keep) {
        unsigned length = v ? 32 - (unsigned)__builtin_clz(v) : 0, drop = length > keep ? length - keep : 0;
        uint64_t r = drop ? (v + (1ull << (drop - 1))) >> drop << drop : v;

        return r > UINT32_MAX ? v >> drop << drop : (uint32_t)r;
}

/* Makes *a a copy that is as it must be; sorted: it is, but for its counts. */
static int put_in_order(struct hb_trace_writer *w, bool sorted, const struct hb_trace_access **a, size_t *n) {
        int rc = copy(w, *a, *n);

        if (rc < 0)
                return rc;
        if (!sorted)
                sort_and_join(w, n);
        for (size_t i = 0; w->count_bits && i < *n; i++) {
                w->sorted[i].reads = rounded(w->sorted[i].reads, w->count_bits);
                w->sorted[i].writes = rounded(w->sorted[i].writes, w->count_bits);
        }
        *a = w->sorted;
        return 0;
}

static int flush_if_full(struct hb_trace_writer *w, size_t more, size_t limit) {
        return hb_block_builder_size(&w->block) + more > limit ? hb_trace_writer_flush(w) : 0;
}

int hb_trace_writer_epoch(hb_trace_writer *w, uint32_t epoch, uint64_t time_ns,
                          const struct hb_trace_access *a, size_t n) {
        int rc;

        if (w->error < 0)
                return w->error;
        if (epoch <= w->epoch || time_ns < w->last_ns || (w->epoch > 0 && time_ns <= w->epoch_ns))
                return -EINVAL;
        if (n > HB_BLOCK_EPOCH_MAX)
                return -E2BIG;
        rc = examine(w, a, n);
        if (rc < 0)
                return rc;
        if (rc == 0 || w->count_bits)
                rc = put_in_order(w, rc, &a, &n);
        if (rc < 0)
                return keep(w, rc);
        rc = flush_if_full(w, n * RECORD_AT_MOST, HB_BLOCK_RAW_MAX);
        if (rc == 0)
                rc = hb_block_builder_epoch(&w->block, epoch, time_ns, a, n);
        if (rc < 0)
                return rc == -E2BIG ? rc : keep(w, rc);
        w->epoch = epoch;
        w->epoch_ns = w->last_ns = time_ns;
        return flush_if_full(w, 0, w->block_bytes);
}

/* ---- events ---- */

int hb_trace_writer_event(hb_trace_writer *w, const struct hb_trace_event *ev) {
        int rc;

        if (w->error < 0)
                return w->error;
        if (ev->time_ns < w->last_ns)
                return -EINVAL;
        rc = flush_if_full(w, ev->stream >= HB_TRACE_INPUT ? ev->raw.size : 0, HB_BLOCK_RAW_MAX / 2);
        if (rc == 0)
                rc = hb_block_builder_event(&w->block, ev);
        if (rc < 0)
                return rc == -EINVAL || rc == -E2BIG ? rc : keep(w, rc);
        w->last_ns = ev->time_ns;
        return flush_if_full(w, 0, w->block_bytes);
}

int hb_trace_writer_mark(hb_trace_writer *w, uint64_t time_ns, enum hb_trace_mark kind, uint64_t value,
                         const char *text) {
        struct hb_trace_event ev = {
                .stream = HB_TRACE_MARK, .time_ns = time_ns, .mark = {.kind = kind, .value = value}};

        if (text)
                strncpy(ev.mark.text, text, sizeof(ev.mark.text) - 1); /* a longer text is cut */
        return hb_trace_writer_event(w, &ev);
}

int hb_trace_writer_grow(hb_trace_writer *w, uint64_t pages) {
        return w->error < 0 ? w->error : hb_trace_shape_grow(&w->shape, pages);
}

uint64_t hb_trace_writer_bytes(const hb_trace_writer *w) {
        return w->file.at;
}

int hb_trace_writer_close(hb_trace_writer *w, struct hb_err *e) {
        char path[192];
        int rc;

        if (!w)
                return 0;
        strncpy(path, w->file.path, sizeof(path) - 1);
        path[sizeof(path) - 1] = '\0';
        rc = hb_trace_writer_flush(w);
        if (rc == 0) {
                hb_buf_reset(&w->out);
                hb_trace_index_encode(&w->file.rows, w->file.at, &w->out);
                rc = w->out.failed ? -ENOMEM : hb_trace_file_append(&w->file, w->out.data, w->out.len);
        }
        if (rc == 0)
                rc = hb_trace_file_finish(&w->file);
        hb_trace_writer_free(w);
        if (rc < 0)
                hb_err_set(e, rc, path, rc == -ENOSPC ? "make room on its file system" : NULL,
                           "the trace could not be written to its end: %s", strerror(-rc));
        return rc;
}
