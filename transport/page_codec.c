/* page_codec: a run of guest pages to bytes for the wire and back.
 *
 * Invariant: the pages are read from the guest exactly once, into `out`; mask, checksum and compressed bytes
 * are all made from that copy, so they agree whatever the guest writes meanwhile. The checksum covers the
 * non-zero pages' bytes and is seeded with mask and count, so a damaged mask is noticed too.
 *
 * In auto mode compression is on while it pays: time to compress plus time to send less must beat time to
 * send all, with ratio and speed as measured on recent runs and the link's rate as told by
 * hb_page_codec_link. While off, one run in PROBE_EVERY is compressed to keep the measure fresh. Cost raw:
 * one copy, one pass of XXH3 and a zero test that leaves a page at its first 256 bytes when they hold
 * anything. No allocation once `out` has grown. */
#include "transport/page_codec.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/shape.h"
#include "sum/sum.h"
#include "transport/tcp.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define RUN_BYTES    ((size_t)HB_FETCH_MAX_PAGES * HB_PAGE_SIZE)
#define PROBE_EVERY  32u
#define GAIN         0.2   /* of a new run in the measured ratio and speed */
#define MARGIN       0.95  /* compressing must be this much faster to be switched on */
#define WORTH        0.9   /* a run that stays above this share of its size goes out raw */
#define UNKNOWN_LINK 125e6 /* 1 Gbit/s */
#define SLOW_LINK    40e6  /* below: level 1; below MIDDLE: -1; else -5 */
#define MIDDLE_LINK  150e6

struct hb_page_codec {
        int level; /* HB_ZSTD_AUTO, HB_ZSTD_OFF or zstd's */
        bool on;   /* auto: compress every run */
        unsigned runs_off;
        double link, ratio, speed;
        ZSTD_CCtx *cctx;
        ZSTD_DCtx *dctx;
        uint8_t *scratch;
        size_t scratch_size;
};

hb_page_codec *hb_page_codec_free(hb_page_codec *c) {
        if (!c)
                return NULL;
        ZSTD_freeCCtx(c->cctx);
        ZSTD_freeDCtx(c->dctx);
        free(c->scratch);
        free(c);
        return NULL;
}

int hb_page_codec_new(int zstd_level, hb_page_codec **ret) {
        hb_page_codec *c;

        if (zstd_level != HB_ZSTD_AUTO && zstd_level != HB_ZSTD_OFF &&
            (zstd_level < HB_ZSTD_LEVEL_MIN || zstd_level > HB_ZSTD_LEVEL_MAX))
                return -EINVAL;
        c = hb_fault("page_codec.new") ? NULL : calloc(1, sizeof(*c));
        if (!c)
                return -ENOMEM;
        *c = (hb_page_codec){.level = zstd_level, .scratch_size = ZSTD_compressBound(RUN_BYTES)};
        c->cctx = ZSTD_createCCtx();
        c->dctx = ZSTD_createDCtx();
        c->scratch = malloc(c->scratch_size);
        if (!c->cctx || !c->dctx || !c->scratch) {
                hb_page_codec_free(c);
                return -ENOMEM;
        }
        *ret = c;
        return 0;
}

void hb_page_codec_link(hb_page_codec *c, double bytes_per_s) {
        c->link = bytes_per_s;
}

/* ---- pack ---- */

static bool page_is_zero(const uint8_t *page) {
        for (size_t at = 0; at < HB_PAGE_SIZE; at += 256) {
                uint64_t words[32], any = 0;

                memcpy(words, page + at, sizeof(words));
                for (unsigned i = 0; i < 32; i++)
                        any |= words[i];
                if (any)
                        return false;
        }
        return true;
}

/* Copies the run to `to` without its zero pages. Returns the pages copied. */
static uint32_t copy_non_zero(const uint8_t *pages, uint32_t n, uint8_t *to, uint64_t *ret_mask) {
        uint64_t mask = 0;
        uint32_t kept = 0;

        for (uint32_t i = 0; i < n; i++) {
                uint8_t *slot = to + (size_t)kept * HB_PAGE_SIZE;

                memcpy(slot, pages + (size_t)i * HB_PAGE_SIZE, HB_PAGE_SIZE);
                if (page_is_zero(slot))
                        mask |= 1ull << i;
                else
                        kept++;
        }
        *ret_mask = mask;
        return kept;
}

static uint64_t seed_of(uint64_t mask, uint32_t n) {
        return mask ^ ((uint64_t)n << 57);
}

static uint64_t checksum_of(const void *data, size_t size, uint64_t mask, uint32_t n) {
        return hb_hash64(seed_of(mask, n), data, size);
}

static double link_of(const hb_page_codec *c) {
        return c->link > 0 ? c->link : UNKNOWN_LINK;
}

static int level_of(const hb_page_codec *c) {
        if (c->level != HB_ZSTD_AUTO)
                return c->level;
        return link_of(c) < SLOW_LINK ? 1 : link_of(c) < MIDDLE_LINK ? -1 : -5;
}

static bool should_try(hb_page_codec *c) {
        if (c->level == HB_ZSTD_OFF)
                return false;
        if (c->level != HB_ZSTD_AUTO || c->on)
                return true;
        return c->runs_off++ % PROBE_EVERY == 0;
}

static void learn(hb_page_codec *c, size_t size, size_t packed, uint64_t took_ns) {
        double ratio = (double)packed / (double)size;
        double speed = (double)size / ((double)(took_ns ? took_ns : 1) / 1e9);
        double raw_s = 1 / link_of(c), packed_s;

        c->ratio = c->ratio > 0 ? c->ratio + GAIN * (ratio - c->ratio) : ratio;
        c->speed = c->speed > 0 ? c->speed + GAIN * (speed - c->speed) : speed;
        packed_s = 1 / c->speed + c->ratio / link_of(c);
        c->on = packed_s < (c->on ? raw_s : MARGIN * raw_s);
}

/* Compressed size in scratch, 0 when the run goes out raw. */
static size_t try_compress(hb_page_codec *c, const uint8_t *data, size_t size) {
        uint64_t start;
        size_t packed;

        if (!should_try(c))
                return 0;
        start = hb_now_ns();
        packed = ZSTD_compressCCtx(c->cctx, c->scratch, c->scratch_size, data, size, level_of(c));
        if (ZSTD_isError(packed))
                return 0;
        learn(c, size, packed, hb_now_ns() - start);
        return (double)packed < WORTH * (double)size ? packed : 0;
}

int hb_page_codec_pack(hb_page_codec *c, const uint8_t *pages, uint32_t n, struct hb_packed *ret,
                       struct hb_buf *out) {
        struct hb_packed p = {.encoding = HB_PACKED_NOTHING};
        size_t start = out->len, size, packed;
        uint8_t *copy;

        if (n == 0 || n > HB_FETCH_MAX_PAGES)
                return -EINVAL;
        copy = hb_buf_space(out, (size_t)n * HB_PAGE_SIZE);
        if (!copy)
                return -ENOMEM;
        size = (size_t)copy_non_zero(pages, n, copy, &p.zero_mask) * HB_PAGE_SIZE;
        p.checksum = checksum_of(copy, size, p.zero_mask, n);
        if (size > 0) {
                packed = try_compress(c, copy, size);
                p.encoding = packed ? HB_PACKED_ZSTD : HB_PACKED_RAW;
                if (packed) {
                        memcpy(copy, c->scratch, packed);
                        size = packed;
                }
        }
        out->len = start + size; /* give back what zero pages and compression spared */
        *ret = p;
        return 0;
}

/* ---- unpack ---- */

static void scatter(const uint8_t *from, uint64_t mask, uint8_t *dst, uint32_t n) {
        for (uint32_t i = 0; i < n; i++) {
                if (mask >> i & 1)
                        continue;
                memcpy(dst + (size_t)i * HB_PAGE_SIZE, from, HB_PAGE_SIZE);
                from += HB_PAGE_SIZE;
        }
}

static size_t plain_bytes(const struct hb_packed *p, uint32_t n) {
        return (n - (size_t)__builtin_popcountll(p->zero_mask)) * HB_PAGE_SIZE;
}

bool hb_page_codec_header_ok(const struct hb_packed *p, size_t size, uint32_t n) {
        size_t bytes;

        if (n == 0 || n > HB_FETCH_MAX_PAGES || (n < 64 && p->zero_mask >> n != 0))
                return false;
        bytes = plain_bytes(p, n);
        switch (p->encoding) {
        case HB_PACKED_RAW:
                return bytes > 0 && size == bytes;
        case HB_PACKED_ZSTD:
                return bytes > 0 && size > 0 && size < bytes;
        case HB_PACKED_NOTHING:
                return bytes == 0 && size == 0;
        default:
                return false;
        }
}

/* The first page at or after `from` whose zero bit is `zero`, n if there is none. */
static uint32_t next_page(uint64_t mask, uint32_t from, uint32_t n, bool zero) {
        uint64_t rest = from < 64 ? (zero ? mask : ~mask) >> from : 0;
        uint32_t at = rest ? from + (uint32_t)__builtin_ctzll(rest) : n;

        return at < n ? at : n;
}

uint8_t *hb_page_codec_place(const struct hb_packed *p, uint8_t *dst, uint32_t n, size_t at,
                             size_t *ret_room) {
        uint32_t first = next_page(p->zero_mask, 0, n, false), end = next_page(p->zero_mask, first, n, true);

        while (first < n && at >= (size_t)(end - first) * HB_PAGE_SIZE) {
                at -= (size_t)(end - first) * HB_PAGE_SIZE;
                first = next_page(p->zero_mask, end, n, false);
                end = next_page(p->zero_mask, first, n, true);
        }
        *ret_room = (size_t)(end - first) * HB_PAGE_SIZE - at;
        return dst + (size_t)first * HB_PAGE_SIZE + at;
}

int hb_page_codec_check(const struct hb_packed *p, const uint8_t *dst, uint32_t n) {
        struct hb_hash64 h;

        if (hb_fault("page_codec.check"))
                return -EBADMSG;
        if (p->zero_mask == 0)
                return checksum_of(dst, (size_t)n * HB_PAGE_SIZE, 0, n) == p->checksum ? 0 : -EBADMSG;
        hb_hash64_start(&h, seed_of(p->zero_mask, n));
        for (uint32_t i = 0; i < n; i++)
                if (!(p->zero_mask >> i & 1))
                        hb_hash64_more(&h, dst + (size_t)i * HB_PAGE_SIZE, HB_PAGE_SIZE);
        return hb_hash64_end(&h) == p->checksum ? 0 : -EBADMSG;
}

int hb_page_codec_unpack(hb_page_codec *c, const struct hb_packed *p, const void *data, size_t size,
                         uint8_t *dst, uint32_t n) {
        const uint8_t *plain = data;
        size_t bytes;

        if (!hb_page_codec_header_ok(p, size, n) || hb_fault("page_codec.unpack"))
                return -EBADMSG;
        bytes = plain_bytes(p, n);
        if (p->encoding == HB_PACKED_ZSTD) {
                uint8_t *to = p->zero_mask ? c->scratch : dst;

                if (ZSTD_decompressDCtx(c->dctx, to, bytes, data, size) != bytes)
                        return -EBADMSG;
                plain = to;
        }
        if (checksum_of(plain, bytes, p->zero_mask, n) != p->checksum)
                return -EBADMSG;
        if (plain != dst)
                scatter(plain, p->zero_mask, dst, n);
        return 0;
}
