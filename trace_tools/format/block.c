/* block: heads to bytes and back, payloads through zstd. A head is trusted for its lengths only after its own
 * checksum, and a payload is given to zstd only after its own: what decompresses was written so. The room for
 * the unpacked bytes is the head's, capped, and zstd is told its size: no bomb can grow it. One thread a
 * codec. */
#include "trace/block.h"
#include "base/fault.h"
#include "sum/sum.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define CODEC_ZSTD 1u

static const char magic[4] = {'H', 'B', 'T', 'B'};

struct hb_block_codec {
        ZSTD_CCtx *pack; /* made when first needed: readers never pack */
        ZSTD_DCtx *unpack;
};

void hb_block_head_encode(const struct hb_block_head *h, uint8_t out[HB_BLOCK_HEAD]) {
        const uint32_t words[] = {h->number, h->packed,       h->raw,         h->crc,       CODEC_ZSTD,
                                  h->epochs, h->epoch_before, h->first_epoch, h->last_epoch};
        const uint64_t longs[] = {h->first_ns, h->last_ns, h->records, h->pages};
        uint32_t crc;
        uint8_t *p = out + sizeof(magic);

        memset(out, 0, HB_BLOCK_HEAD);
        memcpy(out, magic, sizeof(magic));
        memcpy(p, words, sizeof(words));
        memcpy(p + sizeof(words), longs, sizeof(longs));
        memcpy(p + sizeof(words) + sizeof(longs), h->events, sizeof(h->events));
        crc = hb_crc32c(out, HB_BLOCK_HEAD - 4);
        memcpy(out + HB_BLOCK_HEAD - 4, &crc, 4);
}

static bool head_ok(const struct hb_block_head *h) {
        if (h->packed > HB_BLOCK_PACKED_MAX || h->raw > HB_BLOCK_RAW_MAX || h->pages > HB_MAX_PAGES)
                return false;
        if (h->last_ns < h->first_ns || h->records > h->epochs * (uint64_t)HB_BLOCK_EPOCH_MAX)
                return false;
        if (h->epochs == 0)
                return h->first_epoch == h->epoch_before && h->last_epoch == h->epoch_before;
        return h->first_epoch > h->epoch_before && h->last_epoch >= h->first_epoch &&
               h->last_epoch - h->first_epoch >= h->epochs - 1;
}

int hb_block_head_decode(const uint8_t in[HB_BLOCK_HEAD], struct hb_block_head *ret) {
        struct hb_rd r = hb_rd_init(in, HB_BLOCK_HEAD), end = hb_rd_init(in + HB_BLOCK_HEAD - 4, 4);
        struct hb_block_head h;
        uint32_t codec;

        if (memcmp(hb_rd_raw(&r, sizeof(magic)), magic, sizeof(magic)) != 0 ||
            hb_rd_u32(&end) != hb_crc32c(in, HB_BLOCK_HEAD - 4))
                return -EBADMSG;
        h.number = hb_rd_u32(&r);
        h.packed = hb_rd_u32(&r);
        h.raw = hb_rd_u32(&r);
        h.crc = hb_rd_u32(&r);
        codec = hb_rd_u32(&r);
        h.epochs = hb_rd_u32(&r);
        h.epoch_before = hb_rd_u32(&r);
        h.first_epoch = hb_rd_u32(&r);
        h.last_epoch = hb_rd_u32(&r);
        h.first_ns = hb_rd_u64(&r);
        h.last_ns = hb_rd_u64(&r);
        h.records = hb_rd_u64(&r);
        h.pages = hb_rd_u64(&r);
        for (unsigned i = 0; i < HB_BLOCK_STREAMS; i++)
                h.events[i] = hb_rd_u32(&r);
        if (codec != CODEC_ZSTD || !head_ok(&h))
                return -EBADMSG;
        *ret = h;
        return 0;
}

hb_block_codec *hb_block_codec_new(void) {
        return hb_fault("trace.alloc") ? NULL : calloc(1, sizeof(hb_block_codec));
}

hb_block_codec *hb_block_codec_free(hb_block_codec *c) {
        if (c) {
                ZSTD_freeCCtx(c->pack);
                ZSTD_freeDCtx(c->unpack);
                free(c);
        }
        return NULL;
}

int hb_block_pack(hb_block_codec *c, int level, const struct hb_buf *raw, struct hb_block_head *h,
                  struct hb_buf *out) {
        size_t start = out->len, room = ZSTD_compressBound(raw->len), n;
        uint8_t *to;

        if (raw->failed)
                return -ENOMEM;
        if (raw->len > HB_BLOCK_RAW_MAX)
                return -E2BIG;
        if (!c->pack)
                c->pack = hb_fault("trace.pack") ? NULL : ZSTD_createCCtx();
        to = hb_buf_space(out, HB_BLOCK_HEAD + room);
        if (!c->pack || !to)
                return -ENOMEM;
        n = ZSTD_compressCCtx(c->pack, to + HB_BLOCK_HEAD, room, raw->data, raw->len, level);
        if (ZSTD_isError(n))
                return -ENOMEM; /* the room suffices for any input */
        h->packed = (uint32_t)n;
        h->raw = (uint32_t)raw->len;
        h->crc = hb_crc32c(to + HB_BLOCK_HEAD, n);
        hb_block_head_encode(h, to);
        out->len = start + HB_BLOCK_HEAD + n;
        return 0;
}

int hb_block_unpack(hb_block_codec *c, const struct hb_block_head *h, const uint8_t *packed, uint8_t *raw) {
        size_t n;

        if (hb_crc32c(packed, h->packed) != h->crc)
                return -EBADMSG;
        if (!c->unpack)
                c->unpack = hb_fault("trace.unpack") ? NULL : ZSTD_createDCtx();
        if (!c->unpack)
                return -ENOMEM;
        n = ZSTD_decompressDCtx(c->unpack, raw, h->raw, packed, h->packed);
        return !ZSTD_isError(n) && n == h->raw ? 0 : -EBADMSG;
}
