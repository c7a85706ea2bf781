/* bytes: the cursor everything from outside is read through, and the buffer everything for outside is written
 * into.
 *
 * Invariant of a reader: p <= end, and a failed reader has p == end, so no later read can return data.
 * Varints have one spelling only: a value written with needless bytes is refused, which keeps re-encoding
 * equal to the input. Invariant of a buffer: len <= cap, and a failed buffer never grows again until reset.
 * No locks: owned by one thread. */
#include "base/bytes.h"
#include "base/fault.h"
#include <stdlib.h>
#include <string.h>

#define VARINT_MAX_BYTES 10u
#define FIRST_CAPACITY   64u

struct hb_rd hb_rd_init(const void *data, size_t size) {
        const uint8_t *p = data ? data : (const uint8_t *)"";

        return (struct hb_rd){.p = p, .end = p + (data ? size : 0)};
}

void hb_rd_fail(struct hb_rd *r) {
        r->failed = true;
        r->p = r->end;
}

const void *hb_rd_raw(struct hb_rd *r, size_t n) {
        const uint8_t *p = r->p;

        if (r->failed || n > hb_rd_left(r)) {
                hb_rd_fail(r);
                return NULL;
        }
        r->p += n;
        return p;
}

static uint64_t read_le(struct hb_rd *r, unsigned bytes) {
        const uint8_t *p = hb_rd_raw(r, bytes);
        uint64_t v = 0;

        if (!p)
                return 0;
        for (unsigned i = 0; i < bytes; i++)
                v |= (uint64_t)p[i] << (8 * i);
        return v;
}

uint16_t hb_rd_u16(struct hb_rd *r) {
        return (uint16_t)read_le(r, 2);
}

uint32_t hb_rd_u32(struct hb_rd *r) {
        return (uint32_t)read_le(r, 4);
}

uint64_t hb_rd_u64(struct hb_rd *r) {
        return read_le(r, 8);
}

uint64_t hb_rd_varint_long(struct hb_rd *r) {
        uint64_t v = 0;

        for (unsigned i = 0; i < VARINT_MAX_BYTES; i++) {
                uint8_t b = hb_rd_u8(r);

                if (r->failed)
                        return 0;
                if (i == VARINT_MAX_BYTES - 1 && b > 1) /* past 64 bits, or no end */
                        break;
                if (b == 0 && i > 0) /* overlong */
                        break;
                v |= (uint64_t)(b & 0x7F) << (7 * i);
                if (!(b & 0x80))
                        return v;
        }
        hb_rd_fail(r);
        return 0;
}

uint64_t hb_rd_upto(struct hb_rd *r, uint64_t most) {
        uint64_t v = hb_rd_varint(r);

        if (v > most)
                hb_rd_fail(r);
        return r->failed ? 0 : v;
}

double hb_rd_f64(struct hb_rd *r) {
        uint64_t bits = hb_rd_u64(r);
        double v;

        memcpy(&v, &bits, sizeof(v));
        return v;
}

bool hb_rd_bool(struct hb_rd *r) {
        uint8_t v = hb_rd_u8(r);

        if (v > 1)
                hb_rd_fail(r);
        return v == 1;
}

void hb_rd_str(struct hb_rd *r, char *out, size_t size) {
        size_t n = hb_rd_u16(r);
        const char *p = hb_rd_raw(r, n);

        if (size > 0)
                out[0] = '\0';
        if (!p)
                return;
        if (n + 1 > size || memchr(p, '\0', n)) {
                hb_rd_fail(r);
                return;
        }
        memcpy(out, p, n);
        out[n] = '\0';
}

void hb_buf_free(struct hb_buf *b) {
        free(b->data);
        *b = (struct hb_buf){0};
}

void hb_buf_reset(struct hb_buf *b) {
        b->len = 0;
        b->failed = false;
}

static bool grow(struct hb_buf *b, size_t need) {
        size_t cap = b->cap ? b->cap : FIRST_CAPACITY;
        uint8_t *data;

        while (cap < need) {
                if (cap > SIZE_MAX / 2) {
                        cap = need;
                        break;
                }
                cap *= 2;
        }
        data = hb_fault("bytes.grow") ? NULL : realloc(b->data, cap);
        if (!data)
                return false;
        b->data = data;
        b->cap = cap;
        return true;
}

void *hb_buf_space(struct hb_buf *b, size_t n) {
        uint8_t *p;

        if (b->failed)
                return NULL;
        if (n > SIZE_MAX - b->len || ((b->len + n > b->cap || !b->data) && !grow(b, b->len + n))) {
                b->failed = true;
                return NULL;
        }
        p = b->data + b->len;
        b->len += n;
        return p;
}

static void store_le(uint8_t *p, uint64_t v, unsigned bytes) {
        for (unsigned i = 0; i < bytes; i++)
                p[i] = (uint8_t)(v >> (8 * i));
}

static void append_le(struct hb_buf *b, uint64_t v, unsigned bytes) {
        uint8_t *p = hb_buf_space(b, bytes);

        if (p)
                store_le(p, v, bytes);
}

void hb_buf_u16(struct hb_buf *b, uint16_t v) {
        append_le(b, v, 2);
}

void hb_buf_u32(struct hb_buf *b, uint32_t v) {
        append_le(b, v, 4);
}

void hb_buf_u64(struct hb_buf *b, uint64_t v) {
        append_le(b, v, 8);
}

void hb_buf_varint_long(struct hb_buf *b, uint64_t v) {
        uint8_t tmp[VARINT_MAX_BYTES];
        unsigned n = 0;

        while (v >= 0x80) {
                tmp[n++] = (uint8_t)(v | 0x80);
                v >>= 7;
        }
        tmp[n++] = (uint8_t)v;
        hb_buf_raw(b, tmp, n);
}

void hb_buf_f64(struct hb_buf *b, double v) {
        uint64_t bits;

        memcpy(&bits, &v, sizeof(bits));
        hb_buf_u64(b, bits);
}

void hb_buf_raw(struct hb_buf *b, const void *p, size_t n) {
        void *to = hb_buf_space(b, n);

        if (to && n > 0)
                memcpy(to, p, n);
}

void hb_buf_str(struct hb_buf *b, const char *s) {
        size_t n = strlen(s);

        if (n > UINT16_MAX) {
                b->failed = true;
                return;
        }
        hb_buf_u16(b, (uint16_t)n);
        hb_buf_raw(b, s, n);
}

void hb_buf_set_u32(struct hb_buf *b, size_t at, uint32_t v) {
        if (b->failed)
                return;
        if (b->len < 4 || at > b->len - 4) {
                b->failed = true;
                return;
        }
        store_le(b->data + at, v, 4);
}
