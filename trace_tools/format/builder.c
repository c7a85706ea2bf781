/* builder: turns items into the columns of one block.
 *
 * Invariant: what was refused left no trace in any column (each is put back), so a block always holds whole
 * items. An epoch's page numbers stand either each as its gap to the one before, or, when neighbours are
 * common, as runs; counts that are alike throughout an epoch are said once. Cost: one pass over the records
 * to look at them, one a column to write it. One thread. */
#include "trace/builder.h"
#include "base/fault.h"
#include "trace/trace_event.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RUN_AT_LEAST 4u /* records a run, on average, from which runs are the shorter way */
#define HEAD_AT_MOST 64u

struct look { /* what an epoch's records are like */
        size_t runs;
        bool same_reads, same_writes;
};

static struct look look_at(const struct hb_trace_access *a, size_t n) {
        uint32_t reads = 0, writes = 0;
        size_t runs = n > 0;

        for (size_t i = 1; i < n; i++) {
                runs += a[i].gfn != a[i - 1].gfn + 1;
                reads |= a[i].reads ^ a[0].reads;
                writes |= a[i].writes ^ a[0].writes;
        }
        return (struct look){runs, reads == 0, writes == 0};
}

static void columns(struct hb_block_builder *b, struct hb_column *out[4]) {
        out[0] = &b->pages;
        out[1] = &b->runs;
        out[2] = &b->reads;
        out[3] = &b->writes;
}

static void buffers(struct hb_block_builder *b, struct hb_buf *out[6]) {
        out[0] = &b->epochs;
        out[1] = &b->streams;
        out[2] = &b->after;
        out[3] = &b->times;
        out[4] = &b->sizes;
        out[5] = &b->bodies;
}

void hb_block_builder_free(struct hb_block_builder *b) {
        struct hb_column *column[4];
        struct hb_buf *buffer[6];

        columns(b, column);
        buffers(b, buffer);
        for (unsigned i = 0; i < 4; i++)
                hb_column_free(column[i]);
        for (unsigned i = 0; i < 6; i++)
                hb_buf_free(buffer[i]);
        hb_buf_free(&b->payload);
        free(b->scratch);
        *b = (struct hb_block_builder){0};
}

void hb_block_builder_next(struct hb_block_builder *b) {
        struct hb_block_head h = {.number = b->head.number + 1,
                                  .epoch_before = b->head.last_epoch,
                                  .first_epoch = b->head.last_epoch,
                                  .last_epoch = b->head.last_epoch,
                                  .pages = b->head.pages};
        struct hb_column *column[4];
        struct hb_buf *buffer[6];

        columns(b, column);
        buffers(b, buffer);
        for (unsigned i = 0; i < 4; i++)
                hb_column_reset(column[i]);
        for (unsigned i = 0; i < 6; i++)
                hb_buf_reset(buffer[i]);
        hb_buf_reset(&b->payload);
        b->head = h;
        b->since = 0;
        b->any = false;
}

static size_t column_size(const struct hb_column *c) {
        return c->tokens.len + c->bits.len + (c->npending > 0);
}

size_t hb_block_builder_size(const struct hb_block_builder *b) {
        return b->epochs.len + column_size(&b->pages) + column_size(&b->runs) + column_size(&b->reads) +
               column_size(&b->writes) + b->streams.len + b->after.len + b->times.len + b->sizes.len +
               b->bodies.len + 5 * HB_SECTIONS;
}

bool hb_block_builder_empty(const struct hb_block_builder *b) {
        return !b->any;
}

static void put_time(struct hb_block_builder *b, uint64_t time_ns) {
        if (!b->any) {
                b->head.first_ns = b->epoch_ns = b->event_ns = time_ns;
                b->any = true;
        }
        b->head.last_ns = time_ns;
}

static int scratch(struct hb_block_builder *b, size_t n) {
        uint32_t *p;

        if (n <= b->scratch_cap)
                return 0;
        p = hb_fault("trace.alloc") ? NULL : realloc(b->scratch, n * sizeof(*p));
        if (!p)
                return -ENOMEM;
        b->scratch = p;
        b->scratch_cap = n;
        return 0;
}

/* gaps: each page number less the one before less 1; the first as it is. */
static void gaps_of(const struct hb_trace_access *a, size_t n, uint32_t *gaps) {
        uint32_t last = UINT32_MAX;

        for (size_t i = 0; i < n; i++) {
                gaps[i] = a[i].gfn - last - 1;
                last = a[i].gfn;
        }
}

/* Gaps before the runs (from the end of the one before) and their lengths less 1. */
static void runs_of(const struct hb_trace_access *a, size_t n, uint32_t *gaps, uint32_t *lengths) {
        uint32_t last = UINT32_MAX;
        size_t r = 0;

        for (size_t i = 0, j; i < n; i = j, r++) {
                for (j = i + 1; j < n && a[j].gfn == a[j - 1].gfn + 1;)
                        j++;
                gaps[r] = a[i].gfn - last - 1;
                lengths[r] = (uint32_t)(j - i - 1);
                last = a[j - 1].gfn;
        }
}

static int put_pages(struct hb_block_builder *b, const struct hb_trace_access *a, size_t n,
                     const struct look *l, bool runs) {
        int rc = scratch(b, runs ? 2 * l->runs : n);

        if (rc < 0)
                return rc;
        if (runs) {
                runs_of(a, n, b->scratch, b->scratch + l->runs);
                hb_column_put(&b->pages, b->scratch, 1, l->runs);
                hb_column_put(&b->runs, b->scratch + l->runs, 1, l->runs);
        } else {
                gaps_of(a, n, b->scratch);
                hb_column_put(&b->pages, b->scratch, 1, n);
        }
        return 0;
}

static int put_records(struct hb_block_builder *b, const struct hb_trace_access *a, size_t n) {
        struct look l = look_at(a, n);
        bool runs = n > 0 && l.runs * RUN_AT_LEAST <= n;

        hb_buf_u8(&b->epochs,
                  (uint8_t)((runs ? HB_EPOCH_RUNS : 0) | (n && l.same_reads ? HB_EPOCH_SAME_READS : 0) |
                            (n && l.same_writes ? HB_EPOCH_SAME_WRITES : 0)));
        if (runs)
                hb_buf_varint(&b->epochs, l.runs);
        if (n > 0 && l.same_reads)
                hb_buf_varint(&b->epochs, a[0].reads);
        if (n > 0 && l.same_writes)
                hb_buf_varint(&b->epochs, a[0].writes);
        if (n > 0 && !l.same_reads)
                hb_column_put(&b->reads, &a[0].reads, sizeof(*a) / 4, n);
        if (n > 0 && !l.same_writes)
                hb_column_put(&b->writes, &a[0].writes, sizeof(*a) / 4, n);
        return put_pages(b, a, n, &l, runs);
}

static bool failed(const struct hb_block_builder *b) {
        return b->epochs.failed || b->pages.tokens.failed || b->runs.tokens.failed ||
               b->reads.tokens.failed || b->writes.tokens.failed;
}

int hb_block_builder_epoch(struct hb_block_builder *b, uint32_t epoch, uint64_t time_ns,
                           const struct hb_trace_access *a, size_t n) {
        struct hb_column *column[4];
        struct hb_column_mark mark[4];
        size_t was = b->epochs.len;
        int rc;

        if (n > HB_BLOCK_EPOCH_MAX)
                return -E2BIG;
        columns(b, column);
        for (unsigned i = 0; i < 4; i++)
                mark[i] = hb_column_here(column[i]);
        hb_buf_varint(&b->epochs, epoch - b->head.last_epoch);
        hb_buf_varint(&b->epochs, b->any ? time_ns - b->epoch_ns : 0);
        hb_buf_varint(&b->epochs, n);
        rc = put_records(b, a, n);
        if (rc == 0 && failed(b))
                rc = -ENOMEM;
        if (rc == 0 && hb_block_builder_size(b) > HB_BLOCK_RAW_MAX)
                rc = -E2BIG;
        if (rc < 0)
                goto fail;
        put_time(b, time_ns);
        b->epoch_ns = time_ns;
        b->head.last_epoch = epoch;
        if (b->head.epochs++ == 0)
                b->head.first_epoch = epoch;
        b->head.records += n;
        b->since++;
        return 0;
fail:
        b->epochs.len = was;
        for (unsigned i = 0; i < 4; i++)
                hb_column_back(column[i], &mark[i]);
        return rc;
}

int hb_block_builder_event(struct hb_block_builder *b, const struct hb_trace_event *ev) {
        size_t was = b->bodies.len;
        uint64_t from = b->event_ns > b->epoch_ns ? b->event_ns : b->epoch_ns;
        int rc = hb_trace_event_encode(ev, &b->bodies);

        if (rc == 0 && hb_block_builder_size(b) + HEAD_AT_MOST > HB_BLOCK_RAW_MAX)
                rc = -E2BIG;
        if (rc < 0) {
                b->bodies.len = was;
                return rc;
        }
        hb_buf_u8(&b->streams, (uint8_t)ev->stream);
        hb_buf_varint(&b->after, b->since);
        hb_buf_varint(&b->times, b->any ? ev->time_ns - from : 0);
        hb_buf_varint(&b->sizes, b->bodies.len - was);
        put_time(b, ev->time_ns);
        b->event_ns = ev->time_ns;
        b->since = 0;
        b->head.events[(unsigned)ev->stream < HB_BLOCK_STREAMS ? (unsigned)ev->stream : 0]++;
        return b->streams.failed || b->after.failed || b->times.failed || b->sizes.failed ? -ENOMEM : 0;
}

static void put_section(struct hb_buf *out, enum hb_block_section s, const struct hb_buf *from) {
        if (from->failed)
                out->failed = true;
        if (from->len == 0)
                return;
        hb_buf_u8(out, (uint8_t)s);
        hb_buf_u32(out, (uint32_t)from->len);
        hb_buf_raw(out, from->data, from->len);
}

static void put_column(struct hb_buf *out, enum hb_block_section s, struct hb_column *c) {
        hb_column_end(c);
        put_section(out, s, &c->tokens);
        put_section(out, s + 1, &c->bits);
}

int hb_block_builder_pack(struct hb_block_builder *b, hb_block_codec *c, int level, struct hb_buf *out) {
        struct hb_buf *p = &b->payload;

        hb_buf_reset(p);
        put_section(p, HB_SECTION_EPOCHS, &b->epochs);
        put_column(p, HB_SECTION_PAGES, &b->pages);
        put_column(p, HB_SECTION_RUNS, &b->runs);
        put_column(p, HB_SECTION_READS, &b->reads);
        put_column(p, HB_SECTION_WRITES, &b->writes);
        put_section(p, HB_SECTION_EVENT_STREAMS, &b->streams);
        put_section(p, HB_SECTION_EVENT_AFTER, &b->after);
        put_section(p, HB_SECTION_EVENT_TIMES, &b->times);
        put_section(p, HB_SECTION_EVENT_SIZES, &b->sizes);
        put_section(p, HB_SECTION_EVENT_BODIES, &b->bodies);
        return hb_block_pack(c, level, p, &b->head, out);
}
