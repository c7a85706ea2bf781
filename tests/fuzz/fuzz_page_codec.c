/* fuzz_page_codec: any bytes as a packed run never write outside the destination and never a page the mask
 * calls zero; what our own pack makes of any bytes always unpacks to them, and no longer does with one bit
 * changed. Input: u8 pages, u8 what to do, u64 mask, u8 encoding, u64 checksum, then bytes. */
#include "base/shape.h"
#include "transport/page_codec.h"
#include "transport/tcp.h"
#include "transport/transport.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MARK 0xC3

static void check(bool ok) {
        if (!ok)
                abort();
}

static bool marked(const uint8_t *p) {
        return p[0] == MARK && memcmp(p, p + 1, HB_PAGE_SIZE - 1) == 0;
}

static uint8_t *fresh(uint32_t n) {
        uint8_t *p = malloc((size_t)n * HB_PAGE_SIZE); /* exactly: AddressSanitizer sees one byte too many */

        check(p != NULL);
        memset(p, MARK, (size_t)n * HB_PAGE_SIZE);
        return p;
}

static void hostile(hb_page_codec *c, uint32_t n, const struct hb_packed *p, const void *bytes, size_t size) {
        uint8_t *dst = fresh(n ? n : 1);

        if (hb_page_codec_unpack(c, p, bytes, size, dst, n) == 0)
                check(n >= 1 && n <= HB_FETCH_MAX_PAGES);
        for (uint32_t i = 0; i < n && i < 64; i++)
                if (p->zero_mask >> i & 1)
                        check(marked(dst + (size_t)i * HB_PAGE_SIZE));
        if (n >= 1 && n <= HB_FETCH_MAX_PAGES && hb_page_codec_header_ok(p, size, n) &&
            p->encoding == HB_PACKED_RAW)
                for (size_t at = 0, room = 0; at < size; at += room) {
                        uint8_t *to = hb_page_codec_place(p, dst, n, at, &room);

                        check(room > 0 && to >= dst && to + room <= dst + (size_t)n * HB_PAGE_SIZE);
                        memset(to, 1, room < size - at ? room : size - at);
                }
        free(dst);
}

static void round_trip(hb_page_codec *c, uint32_t n, const uint8_t *bytes, size_t size, uint64_t flip) {
        uint8_t *pages = calloc(n, HB_PAGE_SIZE), *dst = fresh(n);
        struct hb_buf out = {0};
        struct hb_packed p;

        for (size_t at = 0; size > 0 && at < (size_t)n * HB_PAGE_SIZE; at += 3 * size + 1000)
                memcpy(pages + at, bytes,
                       size < (size_t)n * HB_PAGE_SIZE - at ? size : (size_t)n * HB_PAGE_SIZE - at);
        check(hb_page_codec_pack(c, pages, n, &p, &out) == 0);
        check(hb_page_codec_unpack(c, &p, out.data, out.len, dst, n) == 0);
        for (uint32_t i = 0; i < n; i++) {
                const uint8_t *is = dst + (size_t)i * HB_PAGE_SIZE, *was = pages + (size_t)i * HB_PAGE_SIZE;

                if (p.zero_mask >> i & 1)
                        check(marked(is) && was[0] == 0 && memcmp(was, was + 1, HB_PAGE_SIZE - 1) == 0);
                else
                        check(memcmp(is, was, HB_PAGE_SIZE) == 0);
        }
        if (out.len > 0 && p.encoding == HB_PACKED_RAW) {
                out.data[flip / 8 % out.len] ^= (uint8_t)(1 << flip % 8);
                check(hb_page_codec_unpack(c, &p, out.data, out.len, dst, n) < 0);
        }
        free(pages);
        free(dst);
        hb_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct hb_rd r = hb_rd_init(data, size);
        uint32_t n = hb_rd_u8(&r);
        uint8_t what = hb_rd_u8(&r);
        struct hb_packed p = {0};
        hb_page_codec *c;
        const void *bytes;
        size_t left;

        p.zero_mask = hb_rd_u64(&r);
        p.encoding = hb_rd_u8(&r);
        p.checksum = hb_rd_u64(&r);
        if (!hb_rd_ok(&r))
                return 0;
        left = hb_rd_left(&r);
        bytes = hb_rd_raw(&r, left);
        check(hb_page_codec_new(what % 5 == 4 ? HB_ZSTD_AUTO : what % 5 - 1, &c) == 0);
        hostile(c, n, &p, bytes, left);
        round_trip(c, 1 + n % HB_FETCH_MAX_PAGES, bytes, left, p.zero_mask);
        hb_page_codec_free(c);
        return 0;
}
