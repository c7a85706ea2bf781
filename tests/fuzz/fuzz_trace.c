/* The trace reader. The first byte chooses: a file as it is; a file whose checksums are made right, so that
 * what lies behind them is reached; one block's payload; one event's body. What is told must keep the
 * promises of trace.h, and what decodes must encode to the same. */
#include "sum/sum.h"
#include "trace/cursor.h"
#include "trace/trace_event.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok) {
        if (!ok)
                abort();
}

static void check_event(const struct hb_trace_event *ev) {
        struct hb_buf b = {0};

        must(hb_trace_stream_name(ev->stream) != NULL);
        must(hb_trace_event_encode(ev, &b) == 0);
        hb_buf_free(&b);
}

static void check_item(const struct hb_trace_item *item, struct hb_trace_item *before, uint64_t pages) {
        must(item->time_ns >= before->time_ns && item->epoch >= before->epoch);
        if (item->kind == HB_TRACE_EPOCH) {
                must(item->epoch > before->epoch);
                for (size_t i = 0; i < item->naccess; i++)
                        must(item->access[i].gfn < pages &&
                             (item->access[i].reads | item->access[i].writes) &&
                             (i == 0 || item->access[i].gfn > item->access[i - 1].gfn));
        } else {
                must(item->kind == HB_TRACE_EVENT);
                check_event(&item->event);
        }
        before->time_ns = item->time_ns;
        before->epoch = item->epoch;
}

static void read_file(const uint8_t *data, size_t size) {
        static int fd = -1;
        struct hb_trace_item item, before = {0};
        hb_trace_reader *r;
        char path[32];
        int rc;

        if (fd < 0)
                fd = memfd_create("trace", 0);
        must(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        if (hb_trace_reader_open(path, &r, NULL) < 0)
                return;
        while ((rc = hb_trace_reader_next(r, &item, NULL)) != 0) {
                must(rc == 1 || rc == -EBADMSG);
                if (rc == 1)
                        check_item(&item, &before, hb_trace_reader_header(r)->shape.pages);
        }
        hb_trace_reader_seek(r, before.epoch / 2, NULL);
        rc = hb_trace_reader_next(r, &item, NULL);
        must(rc <= 0 || item.epoch >= before.epoch / 2);
        hb_trace_reader_free(r);
}

static void mend(uint8_t *d, size_t size) {
        uint32_t length, packed, crc;
        size_t at;

        if (size < 20)
                return;
        memcpy(&length, d + 12, 4);
        if (length < 20 || length > size)
                return;
        crc = hb_crc32c(d, length - 4);
        memcpy(d + length - 4, &crc, 4);
        for (at = length; size - at >= HB_BLOCK_HEAD; at += HB_BLOCK_HEAD + packed) {
                memcpy(&packed, d + at + 8, 4);
                if (packed > size - at - HB_BLOCK_HEAD)
                        break;
                crc = hb_crc32c(d + at + HB_BLOCK_HEAD, packed);
                memcpy(d + at + 16, &crc, 4);
                crc = hb_crc32c(d + at, HB_BLOCK_HEAD - 4);
                memcpy(d + at + HB_BLOCK_HEAD - 4, &crc, 4);
        }
}

/* 24 bytes that make the head, then the payload. */
static void read_payload(const uint8_t *data, size_t size) {
        struct hb_block_cursor c = {0};
        struct hb_trace_item item, before = {0};
        struct hb_block_head h = {0};
        struct hb_rd r = hb_rd_init(data, size);
        int rc;

        h.epochs = hb_rd_u16(&r);
        h.epoch_before = hb_rd_u16(&r);
        h.first_epoch = h.epoch_before + hb_rd_u16(&r);
        h.last_epoch = h.first_epoch + hb_rd_u16(&r);
        h.first_ns = hb_rd_u16(&r);
        h.last_ns = h.first_ns + hb_rd_u32(&r);
        h.records = hb_rd_u32(&r);
        h.pages = 1ull << (hb_rd_u8(&r) % 33);
        h.events[0] = hb_rd_u8(&r);
        h.raw = (uint32_t)hb_rd_left(&r);
        if (!hb_rd_ok(&r) || hb_block_cursor_room(&c, &h) < 0)
                return;
        memcpy(c.raw, hb_rd_raw(&r, h.raw), h.raw);
        rc = hb_block_cursor_open(&c, h.events[0] & 1);
        while (rc >= 0 && (rc = hb_block_cursor_next(&c, &item)) == 1)
                check_item(&item, &before, h.pages);
        must(rc != -EBADMSG || c.wrong);
        hb_block_cursor_free(&c);
}

static void read_body(const uint8_t *data, size_t size) {
        struct hb_trace_event ev = {0};
        struct hb_buf b = {0};
        struct hb_rd in;

        if (size < 1)
                return;
        in = hb_rd_init(data + 1, size - 1);
        if (hb_trace_event_decode(&in, data[0], false, &ev) == 0) {
                must(hb_trace_event_encode(&ev, &b) == 0);
                must(b.len == size - 1 && (b.len == 0 || memcmp(b.data, data + 1, b.len) == 0));
        }
        hb_buf_free(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint8_t *copy;

        if (size < 1 || size > 1u << 18)
                return 0;
        switch (data[0] % 4) {
        case 0:
                read_file(data + 1, size - 1);
                break;
        case 1:
                copy = malloc(size);
                must(copy != NULL);
                memcpy(copy, data + 1, size - 1);
                mend(copy, size - 1);
                read_file(copy, size - 1);
                free(copy);
                break;
        case 2:
                read_payload(data + 1, size - 1);
                break;
        default:
                read_body(data + 1, size - 1);
        }
        return 0;
}
