/* announce: a part is a window on the bitmap, so the run codec of summary.h does the work. Cost: one pass
 * over the bitmap's words. */
#include "map/announce.h"
#include "map/summary.h"
#include <errno.h>
#include <string.h>

static struct hb_bitmap window(const struct hb_bitmap *b, uint64_t base) {
        uint64_t left = b->bits - base;
        return (struct hb_bitmap){.words = b->words + base / 64,
                                  .bits = left < HB_ANNOUNCE_SPAN ? left : HB_ANNOUNCE_SPAN};
}

/* First window at or after `base` with a page in it; false: none. */
static bool next_window(const struct hb_bitmap *b, uint64_t *base) {
        uint64_t first, count;
        if (*base >= b->bits || !hb_bitmap_next_run(b, *base, 1, &first, &count))
                return false;
        *base = first / HB_ANNOUNCE_SPAN * HB_ANNOUNCE_SPAN;
        return true;
}

static void put_part(const struct hb_announce *a, bool more, uint64_t base, const struct hb_bitmap *w,
                     struct hb_buf *b) {
        hb_buf_reset(b);
        hb_buf_u8(b, 1);
        hb_buf_u8(b, more);
        hb_buf_u32(b, a->from);
        hb_buf_u32(b, a->to);
        hb_buf_u64(b, a->time_ns);
        hb_buf_u64(b, base);
        if (w)
                hb_runs_encode(w, b);
}

int64_t hb_announce_encode(const struct hb_announce *a, const struct hb_bitmap *pages, struct hb_buf *b,
                           int (*send)(void *arg, const void *part, size_t size), void *arg) {
        uint64_t base = 0;
        int64_t total = 0;
        bool any = next_window(pages, &base);
        do {
                uint64_t here = base, next = base + HB_ANNOUNCE_SPAN;
                struct hb_bitmap w = any ? window(pages, here) : (struct hb_bitmap){0};
                bool more = any && next_window(pages, &next);
                put_part(a, more, any ? here : 0, any ? &w : NULL, b);
                if (b->failed)
                        return -ENOMEM;
                int r = send(arg, b->data, b->len);
                if (r < 0)
                        return r;
                total += (int64_t)b->len;
                base = next;
                any = more;
        } while (any);
        return total;
}

static int get_head(struct hb_rd *r, struct hb_announce *ret) {
        if (hb_rd_u8(r) != 1)
                hb_rd_fail(r);
        uint8_t more = hb_rd_u8(r);
        struct hb_announce a = {.more = more};
        a.from = hb_rd_u32(r);
        a.to = hb_rd_u32(r);
        a.time_ns = hb_rd_u64(r);
        if (!hb_rd_ok(r) || more > 1 || a.from >= a.to)
                return -EBADMSG;
        *ret = a;
        return 0;
}

int hb_announce_head(const void *part, size_t size, struct hb_announce *ret) {
        struct hb_rd r = hb_rd_init(part, size);
        return get_head(&r, ret);
}

int hb_announce_decode(const void *part, size_t size, struct hb_announce *ret, struct hb_bitmap *into) {
        struct hb_rd r = hb_rd_init(part, size);
        struct hb_announce a;
        if (get_head(&r, &a) < 0)
                return -EBADMSG;
        uint64_t base = hb_rd_u64(&r);
        if (!hb_rd_ok(&r) || base % HB_ANNOUNCE_SPAN || base >= into->bits)
                return -EBADMSG;
        if (hb_rd_left(&r) > 0) {
                struct hb_bitmap w = window(into, base);
                if (hb_runs_decode(&r, &w) < 0 || !hb_rd_done(&r))
                        return -EBADMSG;
        }
        *ret = a;
        return 0;
}
