/* image_state: encodes and checks the head of a state file. The file is ours, but it is read after kills,
 * full disks and operators' mistakes, so it is decoded like anything from outside. Phase and processed epoch
 * stand outside the checked body: each changes by one aligned store. Pure. */
#include "place/image_state.h"
#include <errno.h>
#include <string.h>

#define AT_PHASE     8
#define AT_PROCESSED 12
#define AT_BODY      32

static const char magic[8] = {'H', 'B', 'I', 'M', 'A', 'G', 'E', '1'};

static uint64_t sum_of(const uint8_t *p, size_t n) {
        uint64_t h = 0xCBF29CE484222325ull;

        for (size_t i = 0; i < n; i++)
                h = (h ^ p[i]) * 0x100000001B3ull;
        return h;
}

static void put_body(const struct hb_image_state *s, struct hb_buf *b) {
        hb_buf_raw(b, s->id.placement, sizeof(s->id.placement));
        hb_buf_str(b, s->id.guest);
        hb_buf_str(b, s->id.source);
        hb_shape_encode(&s->shape, b);
        for (uint32_t r = 0; r < s->shape.nregions; r++) {
                hb_buf_u64(b, s->file[r].dev);
                hb_buf_u64(b, s->file[r].ino);
        }
}

int hb_image_state_encode(const struct hb_image_state *s, uint8_t head[HB_IMAGE_HEAD]) {
        struct hb_buf body = {0}, b = {0};
        int rc = -ENOMEM;

        put_body(s, &body);
        hb_buf_raw(&b, magic, sizeof(magic));
        hb_buf_u32(&b, (uint32_t)s->phase);
        hb_buf_u32(&b, s->processed);
        hb_buf_u64(&b, body.len);
        hb_buf_u64(&b, body.failed ? 0 : sum_of(body.data, body.len));
        hb_buf_raw(&b, body.data, body.len);
        if (!b.failed && !body.failed && b.len <= HB_IMAGE_HEAD) {
                memset(head, 0, HB_IMAGE_HEAD);
                memcpy(head, b.data, b.len);
                rc = 0;
        }
        hb_buf_free(&body);
        hb_buf_free(&b);
        return rc;
}

static int get_body(struct hb_rd *rd, struct hb_image_state *s) {
        const void *placement = hb_rd_raw(rd, sizeof(s->id.placement));

        if (placement)
                memcpy(s->id.placement, placement, sizeof(s->id.placement));
        hb_rd_str(rd, s->id.guest, sizeof(s->id.guest));
        hb_rd_str(rd, s->id.source, sizeof(s->id.source));
        if (hb_shape_decode(rd, &s->shape) < 0)
                return -EBADMSG;
        for (uint32_t r = 0; r < s->shape.nregions; r++) {
                s->file[r].dev = hb_rd_u64(rd);
                s->file[r].ino = hb_rd_u64(rd);
        }
        return hb_rd_done(rd) && hb_name_ok(s->id.guest) && hb_name_ok(s->id.source) ? 0 : -EBADMSG;
}

static bool all_zero(const uint8_t *p, size_t n) {
        for (size_t i = 0; i < n; i++)
                if (p[i])
                        return false;
        return true;
}

int hb_image_state_decode(const void *head, size_t size, struct hb_image_state *ret) {
        struct hb_image_state s = {0};
        struct hb_rd rd = hb_rd_init(head, size), body;
        const void *m, *p;
        uint32_t phase;
        uint64_t n, sum;

        if (size >= AT_BODY && all_zero(head, AT_BODY))
                return -ENODATA;
        m = hb_rd_raw(&rd, sizeof(magic));
        phase = hb_rd_u32(&rd);
        s.processed = hb_rd_u32(&rd);
        n = hb_rd_u64(&rd);
        sum = hb_rd_u64(&rd);
        p = n <= HB_IMAGE_HEAD - AT_BODY ? hb_rd_raw(&rd, n) : NULL;
        if (!m || !p || memcmp(m, magic, sizeof(magic)) != 0 || phase < HB_IMAGE_CREATING ||
            phase > HB_IMAGE_GOING)
                return -EBADMSG;
        body = hb_rd_init(p, n);
        if (sum_of(p, n) != sum || get_body(&body, &s) < 0)
                return -EBADMSG;
        s.phase = (enum hb_image_phase)phase;
        *ret = s;
        return 0;
}

void hb_image_state_set_phase(uint8_t *head, enum hb_image_phase phase) {
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        __atomic_store_n((uint32_t *)(head + AT_PHASE), (uint32_t)phase, __ATOMIC_RELEASE);
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

uint32_t *hb_image_state_processed(uint8_t *head) {
        return (uint32_t *)(head + AT_PROCESSED);
}
