/* detail: which blocks a target asks about. The law of runs (runs.c) holds, over blocks in place of pages;
 * more blocks than a message may name are refused, so that an ask costs the source no more than a look at
 * each. Pure. */
#include "map/summary.h"
#include <errno.h>

#define FORMAT 1u

void hb_detail_encode(const struct hb_bitmap *blocks, struct hb_buf *out) {
        hb_buf_u8(out, FORMAT);
        hb_runs_encode(blocks, out);
}

static int64_t count_blocks(struct hb_rd in) {
        int64_t n = 0;

        while (hb_rd_left(&in) > 0 && hb_rd_ok(&in) && n <= HB_DETAIL_BLOCKS) {
                hb_rd_varint(&in);
                n += (int64_t)hb_rd_upto(&in, HB_DETAIL_BLOCKS);
        }
        return hb_rd_ok(&in) ? n : -EBADMSG;
}

int64_t hb_detail_decode(const void *data, size_t size, struct hb_bitmap *into) {
        struct hb_rd in = hb_rd_init(data, size);
        int64_t n;

        if (hb_rd_u8(&in) != FORMAT || !hb_rd_ok(&in))
                return -EBADMSG;
        n = count_blocks(in);
        if (n <= 0 || n > HB_DETAIL_BLOCKS)
                return -EBADMSG;
        return hb_runs_decode(&in, into);
}
