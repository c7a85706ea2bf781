/* runs: bytes to bits and back. Pure; cost: the bytes, and a step for every 64 pages when writing. */
#include "look/runs.h"
#include <errno.h>

int hb_look_runs_read(const uint8_t *data, size_t size, struct hb_bitmap *into) {
        struct hb_rd in = hb_rd_init(data, size);
        uint64_t at = 0;

        while (hb_rd_ok(&in) && hb_rd_left(&in) > 0) {
                uint64_t gap = hb_rd_varint(&in), pages = hb_rd_varint(&in);

                if (!hb_rd_ok(&in) || pages == 0 || gap > into->bits - at || pages > into->bits - at - gap)
                        return -EBADMSG;
                hb_bitmap_set_range(into, at + gap, pages);
                at += gap + pages;
        }
        return hb_rd_ok(&in) ? 0 : -EBADMSG;
}

void hb_look_runs_write(const struct hb_bitmap *pages, struct hb_buf *out) {
        uint64_t first, count, at = 0;

        while (hb_bitmap_next_run(pages, at, 0, &first, &count)) {
                hb_buf_varint(out, first - at);
                hb_buf_varint(out, count);
                at = first + count;
        }
}
