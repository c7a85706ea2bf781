/* scan: where the blocks are and what they hold, without unpacking any.
 *
 * A file that was closed ends with an index, which is believed when its checksum and its order fit. Otherwise
 * the heads are walked, each telling where the next is. A head that is damaged cannot tell: then the bytes
 * behind it are searched for the next whole one. Invariant: blocks are seen in ascending position, number,
 * epoch and time, so a reader behind this never goes back. Cost: one small read a block. */
#include "trace/scan.h"
#include "base/fault.h"
#include "sum/sum.h"
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SEARCH_CHUNK (64u << 10)

static const char index_magic[4] = {'H', 'B', 'T', 'I'};
static const char end_magic[8] = {'H', 'B', 'T', 'E', 'N', 'D', '\r', '\n'};

struct scan {
        int fd;
        uint64_t size;
        hb_trace_seen *seen;
        void *arg;
        struct hb_trace_scan *s;
        bool any;
        uint8_t *chunk; /* what a search looks at; NULL: none was needed */
        uint64_t chunk_at;
        size_t chunk_size;
};

int hb_trace_read_at(int fd, void *to, size_t n, uint64_t at) {
        uint8_t *p = to;

        if (hb_fault("trace.read"))
                return -EIO;
        while (n > 0) {
                ssize_t got = pread(fd, p, n, (off_t)at);

                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return -errno;
                if (got == 0)
                        return -ENODATA;
                p += got;
                at += (uint64_t)got;
                n -= (size_t)got;
        }
        return 0;
}

void hb_trace_damage(struct hb_trace_info *info, const char *fmt, ...) {
        va_list ap;

        info->damaged = true;
        if (info->damage[0]) /* the first is the one to look at */
                return;
        va_start(ap, fmt);
        vsnprintf(info->damage, sizeof(info->damage), fmt, ap);
        va_end(ap);
}

static void add_info(struct hb_trace_scan *s, bool first, const struct hb_block_head *h) {
        struct hb_trace_info *i = &s->info;

        i->blocks++;
        i->epochs += h->epochs;
        i->records += h->records;
        i->raw_bytes += h->raw;
        for (unsigned k = 0; k < HB_TRACE_STREAMS; k++)
                i->events[k] += h->events[k];
        if (first)
                i->first_ns = h->first_ns;
        if (i->first_epoch == 0 && h->epochs > 0)
                i->first_epoch = h->first_epoch;
        i->last_ns = h->last_ns;
        i->last_epoch = h->last_epoch;
        s->pages = h->pages;
}

static bool in_order(const struct scan *c, uint64_t at, const struct hb_block_head *h) {
        const struct hb_trace_scan *s = c->s;

        return at >= s->end && h->pages >= s->pages && h->number >= s->next_number &&
               (!c->any || (h->epoch_before >= s->info.last_epoch && h->first_ns >= s->info.last_ns));
}

static int saw(struct scan *c, uint64_t at, const uint8_t *raw, const struct hb_block_head *h) {
        int rc = c->seen(c->arg, at, raw, h);

        if (rc)
                return rc;
        if (h->number != c->s->next_number)
                hb_trace_damage(&c->s->info, "before byte %" PRIu64 " %" PRIu32 " blocks are missing", at,
                                h->number - c->s->next_number);
        add_info(c->s, !c->any, h);
        c->any = true;
        c->s->next_number = h->number + 1;
        c->s->end = at + HB_BLOCK_HEAD + h->packed;
        return 0;
}

/* ---- by the index ---- */

static bool end_mark(const struct scan *c, uint64_t *ret_at, uint32_t *ret_length) {
        uint8_t mark[HB_TRACE_END_MARK] = {0};
        struct hb_rd r = hb_rd_init(mark, sizeof(mark));

        if (c->size < c->s->end + HB_INDEX_HEAD + 4 + HB_TRACE_END_MARK ||
            hb_trace_read_at(c->fd, mark, sizeof(mark), c->size - sizeof(mark)) < 0)
                return false;
        if (memcmp(hb_rd_raw(&r, sizeof(end_magic)), end_magic, sizeof(end_magic)) != 0)
                return false;
        *ret_at = hb_rd_u64(&r);
        *ret_length = hb_rd_u32(&r);
        return hb_rd_u32(&r) == hb_crc32c(mark, sizeof(mark) - 4) && *ret_at >= c->s->end &&
               *ret_at <= c->size && c->size - *ret_at - sizeof(mark) == *ret_length &&
               *ret_length >= HB_INDEX_HEAD + 4;
}

/* The checked rows of the index, at *ret_rows in *ret_room; false when it cannot be believed. */
static bool load_index(const struct scan *c, uint64_t at, uint32_t length, uint8_t *room, uint32_t *ret_n) {
        struct hb_rd r = hb_rd_init(room, length);
        uint32_t crc;

        if (hb_trace_read_at(c->fd, room, length, at) < 0 ||
            memcmp(hb_rd_raw(&r, sizeof(index_magic)), index_magic, sizeof(index_magic)) != 0)
                return false;
        if (hb_rd_u32(&r) != length - HB_INDEX_HEAD)
                return false;
        crc = hb_rd_u32(&r);
        if (crc != hb_crc32c(room + HB_INDEX_HEAD, length - HB_INDEX_HEAD))
                return false;
        *ret_n = hb_rd_u32(&r);
        return hb_rd_left(&r) == (uint64_t)*ret_n * HB_INDEX_ROW;
}

static uint64_t row_at(const uint8_t *row) {
        struct hb_rd r = hb_rd_init(row, 8);

        return hb_rd_u64(&r);
}

static bool rows_ok(const struct scan *c, const uint8_t *rows, uint32_t n, uint64_t limit) {
        struct hb_trace_scan s = *c->s;
        struct scan dry = {.s = &s};

        for (uint32_t i = 0; i < n; i++, rows += HB_INDEX_ROW) {
                uint64_t at = row_at(rows);
                struct hb_block_head h;

                if (hb_block_head_decode(rows + 8, &h) < 0 || !in_order(&dry, at, &h) || at > limit ||
                    HB_BLOCK_HEAD + h.packed > limit - at)
                        return false;
                add_info(&s, !dry.any, &h);
                dry.any = true;
                s.next_number = h.number + 1;
                s.end = at + HB_BLOCK_HEAD + h.packed;
        }
        return true;
}

/* 1: done by the index, 0: there is none to believe. */
static int by_index(struct scan *c) {
        uint64_t at;
        uint32_t length, n;
        uint8_t *room;
        int rc = 0;

        if (!end_mark(c, &at, &length))
                return 0;
        room = hb_fault("trace.alloc") ? NULL : malloc(length);
        if (!room)
                return -ENOMEM;
        if (load_index(c, at, length, room, &n) && rows_ok(c, room + HB_INDEX_HEAD + 4, n, at)) {
                const uint8_t *row = room + HB_INDEX_HEAD + 4;

                for (uint32_t i = 0; i < n && rc == 0; i++, row += HB_INDEX_ROW) {
                        struct hb_block_head h;

                        rc = hb_block_head_decode(row + 8, &h);
                        if (rc == 0)
                                rc = saw(c, row_at(row), row + 8, &h);
                }
                c->s->info.indexed = true;
                rc = rc < 0 ? rc : 1;
        } else {
                hb_trace_damage(&c->s->info, "the index at byte %" PRIu64 " is damaged", at);
        }
        free(room);
        return rc;
}

/* ---- by walking ---- */

/* Bytes from `at` on, as many as there are up to a head's length at least, while searching: heads may be
 * close by. */
static int peek(struct scan *c, uint64_t at, const uint8_t **ret, size_t *ret_n) {
        uint64_t left = c->size - at;
        size_t need = left < HB_BLOCK_HEAD ? (size_t)left : HB_BLOCK_HEAD;

        if (!c->chunk)
                c->chunk = hb_fault("trace.alloc") ? NULL : malloc(SEARCH_CHUNK);
        if (!c->chunk)
                return -ENOMEM;
        if (at < c->chunk_at || at + need > c->chunk_at + c->chunk_size) {
                size_t n = left < SEARCH_CHUNK ? (size_t)left : SEARCH_CHUNK;
                int rc = hb_trace_read_at(c->fd, c->chunk, n, at);

                c->chunk_at = at;
                c->chunk_size = rc < 0 ? 0 : n;
                if (rc < 0)
                        return rc;
        }
        *ret = c->chunk + (at - c->chunk_at);
        *ret_n = (size_t)(c->chunk_at + c->chunk_size - at);
        return 0;
}

/* The next whole head in order from `at` on; c->size: none. */
static int search(struct scan *c, uint64_t at, uint64_t *ret) {
        while (c->size - at >= HB_BLOCK_HEAD) {
                const uint8_t *p, *found;
                struct hb_block_head h;
                size_t n;
                int rc = peek(c, at, &p, &n);

                if (rc < 0)
                        return rc;
                found = memmem(p, n, "HBTB", 4);
                if (!found) {
                        at += n - 3;
                        continue;
                }
                at += (uint64_t)(found - p);
                if (c->size - at < HB_BLOCK_HEAD)
                        break;
                rc = peek(c, at, &p, &n);
                if (rc < 0)
                        return rc;
                if (hb_block_head_decode(p, &h) == 0 && in_order(c, at, &h) &&
                    h.packed <= c->size - at - HB_BLOCK_HEAD) {
                        *ret = at;
                        return 0;
                }
                at++;
        }
        *ret = c->size;
        return 0;
}

enum met { MET_BLOCK, MET_INDEX, MET_CUT, MET_DAMAGE };

static int meet(struct scan *c, uint64_t at, uint8_t raw[HB_BLOCK_HEAD], struct hb_block_head *h,
                enum met *ret) {
        uint64_t left = c->size - at;
        size_t n = left < HB_BLOCK_HEAD ? (size_t)left : HB_BLOCK_HEAD;
        int rc = hb_trace_read_at(c->fd, raw, n, at);

        if (rc < 0)
                return rc;
        if (n >= sizeof(index_magic) && memcmp(raw, index_magic, sizeof(index_magic)) == 0)
                *ret = MET_INDEX;
        else if (n < HB_BLOCK_HEAD)
                *ret = MET_CUT;
        else if (hb_block_head_decode(raw, h) < 0 || !in_order(c, at, h))
                *ret = MET_DAMAGE;
        else
                *ret = left - HB_BLOCK_HEAD < h->packed ? MET_CUT : MET_BLOCK;
        return 0;
}

static void cut_short(struct scan *c, uint64_t at) {
        if (!c->s->info.damage[0])
                snprintf(c->s->info.damage, sizeof(c->s->info.damage),
                         "cut short: %" PRIu64 " bytes of an unfinished block at byte %" PRIu64, c->size - at,
                         at);
}

static int walk(struct scan *c, uint64_t at) {
        uint8_t raw[HB_BLOCK_HEAD];
        struct hb_block_head h;
        enum met met;
        int rc;

        while (at < c->size) {
                rc = meet(c, at, raw, &h, &met);
                if (rc < 0)
                        return rc;
                switch (met) {
                case MET_BLOCK:
                        rc = saw(c, at, raw, &h);
                        at = c->s->end;
                        break;
                case MET_DAMAGE:
                        hb_trace_damage(&c->s->info, "no whole block at byte %" PRIu64, at);
                        rc = search(c, at + 1, &at);
                        break;
                case MET_CUT:
                        cut_short(c, at);
                        return 0;
                case MET_INDEX:
                        return 0;
                }
                if (rc)
                        return rc;
        }
        return 0;
}

int hb_trace_scan_file(int fd, uint64_t size, uint64_t from, uint64_t pages, hb_trace_seen *seen, void *arg,
                       struct hb_trace_scan *ret) {
        struct scan c = {.fd = fd, .size = size, .seen = seen, .arg = arg, .s = ret};
        int rc;

        *ret = (struct hb_trace_scan){.info.bytes = size, .pages = pages, .end = from};
        rc = by_index(&c);
        if (rc == 0)
                rc = walk(&c, from);
        free(c.chunk);
        return rc < 0 ? rc : 0;
}

void hb_trace_index_row(struct hb_buf *rows, uint64_t at, const uint8_t head[HB_BLOCK_HEAD]) {
        hb_buf_u64(rows, at);
        hb_buf_raw(rows, head, HB_BLOCK_HEAD);
}

void hb_trace_index_encode(const struct hb_buf *rows, uint64_t at, struct hb_buf *out) {
        size_t start = out->len, mark;

        hb_buf_raw(out, index_magic, sizeof(index_magic));
        hb_buf_u32(out, (uint32_t)rows->len + 4);
        hb_buf_u32(out, 0);
        hb_buf_u32(out, (uint32_t)(rows->len / HB_INDEX_ROW));
        hb_buf_raw(out, rows->data, rows->len);
        if (rows->failed || rows->len > UINT32_MAX - 64)
                out->failed = true;
        if (out->failed)
                return;
        hb_buf_set_u32(out, start + 8, hb_crc32c(out->data + start + HB_INDEX_HEAD, rows->len + 4));
        mark = out->len;
        hb_buf_raw(out, end_magic, sizeof(end_magic));
        hb_buf_u64(out, at);
        hb_buf_u32(out, (uint32_t)(mark - start));
        if (!out->failed)
                hb_buf_u32(out, hb_crc32c(out->data + mark, out->len - mark));
}
