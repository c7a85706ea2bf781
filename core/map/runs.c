/* runs: a set of pages as gaps and lengths, the smallest form for sets that cluster.
 *
 * Invariant: one set has one spelling (runs ascend, never touch, never are empty), so decoding and encoding
 * again gives the same bytes. A list that breaks a rule changes nothing: it is read once to check and once to
 * set. Pure. */
#include "map/summary.h"
#include <errno.h>

void hb_runs_encode(const struct hb_bitmap *b, struct hb_buf *out) {
        uint64_t end = 0, first = 0, n = 0;

        while (hb_bitmap_next_run(b, first + n, 0, &first, &n)) {
                hb_buf_varint(out, first - end);
                hb_buf_varint(out, n);
                end = first + n;
        }
}

/* Reads all runs; sets them when `out` is given. Returns pages, or -EBADMSG. */
static int64_t read_runs(struct hb_rd *in, uint64_t bits, struct hb_bitmap *out) {
        uint64_t end = 0, pages = 0;

        for (bool first = true; hb_rd_left(in) > 0; first = false) {
                uint64_t gap = hb_rd_varint(in);
                uint64_t n = hb_rd_varint(in);

                if (!hb_rd_ok(in) || n == 0 || (gap == 0 && !first) || gap > bits - end ||
                    n > bits - end - gap) {
                        hb_rd_fail(in);
                        return -EBADMSG;
                }
                if (out)
                        hb_bitmap_set_range(out, end + gap, n);
                end += gap + n;
                pages += n;
        }
        return hb_rd_ok(in) ? (int64_t)pages : -EBADMSG;
}

int64_t hb_runs_decode(struct hb_rd *in, struct hb_bitmap *out) {
        struct hb_rd again = *in;
        int64_t rc = read_runs(in, out->bits, NULL);

        return rc < 0 ? rc : read_runs(&again, out->bits, out);
}
