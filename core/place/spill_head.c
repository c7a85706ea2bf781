/* spill_head: the page that says whose spill file this is. Ours, but read after kills, power cuts and
 * operators' mistakes: decoded like anything from outside. Pure. */
#include "base/bytes.h"
#include "place/spill_file.h"
#include "sum/sum.h"
#include <errno.h>
#include <string.h>

static const char magic[8] = {'H', 'B', 'S', 'P', 'I', 'L', 'L', '1'};

#define AT_BODY 24u

static void put_body(const struct hb_spill_head *h, struct hb_buf *b) {
        hb_buf_raw(b, h->id.placement, sizeof(h->id.placement));
        hb_buf_str(b, h->id.guest);
        hb_buf_str(b, h->id.source);
        hb_buf_u64(b, h->pages);
        hb_buf_u64(b, h->key);
        hb_buf_u64(b, h->dev);
        hb_buf_u64(b, h->ino);
        hb_buf_str(b, h->path);
}

int hb_spill_head_encode(const struct hb_spill_head *h, uint8_t to[HB_SPILL_HEAD]) {
        struct hb_buf body = {0}, b = {0};
        int rc = -ENOMEM;

        put_body(h, &body);
        hb_buf_raw(&b, magic, sizeof(magic));
        hb_buf_u64(&b, body.len);
        hb_buf_u64(&b, body.failed ? 0 : hb_crc64(0, body.data, body.len));
        hb_buf_raw(&b, body.data, body.len);
        if (!b.failed && !body.failed && b.len <= HB_SPILL_HEAD) {
                memset(to, 0, HB_SPILL_HEAD);
                memcpy(to, b.data, b.len);
                rc = 0;
        }
        hb_buf_free(&body);
        hb_buf_free(&b);
        return rc;
}

static int get_body(struct hb_rd *rd, struct hb_spill_head *h) {
        const void *placement = hb_rd_raw(rd, sizeof(h->id.placement));

        if (placement)
                memcpy(h->id.placement, placement, sizeof(h->id.placement));
        hb_rd_str(rd, h->id.guest, sizeof(h->id.guest));
        hb_rd_str(rd, h->id.source, sizeof(h->id.source));
        h->pages = hb_rd_u64(rd);
        h->key = hb_rd_u64(rd);
        h->dev = hb_rd_u64(rd);
        h->ino = hb_rd_u64(rd);
        hb_rd_str(rd, h->path, sizeof(h->path));
        return hb_rd_done(rd) && hb_name_ok(h->id.guest) && hb_name_ok(h->id.source) && h->path[0] == '/' &&
                               h->pages > 0 && h->pages < 1ull << 40
                       ? 0
                       : -EBADMSG;
}

int hb_spill_head_decode(const void *head, size_t size, struct hb_spill_head *ret) {
        struct hb_spill_head h = {0};
        struct hb_rd rd = hb_rd_init(head, size), body;
        const void *m = hb_rd_raw(&rd, sizeof(magic)), *p;
        uint64_t n = hb_rd_u64(&rd), sum = hb_rd_u64(&rd);

        p = n <= HB_SPILL_HEAD - AT_BODY ? hb_rd_raw(&rd, n) : NULL;
        if (!m || !p || memcmp(m, magic, sizeof(magic)) != 0)
                return -EBADMSG;
        body = hb_rd_init(p, n);
        if (hb_crc64(0, p, n) != sum || get_body(&body, &h) < 0)
                return -EBADMSG;
        *ret = h;
        return 0;
}
