/* page_codec: a run of guest pages to bytes for the wire and back.
 *
 * Invariant: the pages are read from the guest exactly once, into `out`; mask, checksum and compressed bytes
 * are all made from that copy, so they agree whatever the guest writes meanwhile. The checksum covers the
 * non-zero pages' bytes and is seeded with mask and count, so a damaged mask is noticed too.
 *
 * In auto mode a glance at the copy names its class (page_codec_look), and page_codec_choice says what to do
 * with that class on this link, learns from what came of it and now and then asks for a probe: the run
 * compressed a second way, of which the smaller result is sent.
 *
 * Cost raw: one copy, one pass of XXH3, the glance, and a zero test that leaves a page at its first 256 bytes
 * when they hold anything. No allocation once `out` has grown. */
#include "transport/page_codec.h"
#include "base/clock.h"
#include "base/fault.h"
#include "base/shape.h"
#include "sum/sum.h"
#include "transport/page_codec_choice.h"
#include "transport/page_codec_zstd.h"
#include "transport/tcp.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RUN_BYTES ((size_t)HB_FETCH_MAX_PAGES * HB_PAGE_SIZE)
#define WORTH     0.9 /* by a fixed level: a run that stays above this share of its size goes out raw */

struct hb_page_codec {
        int level; /* HB_ZSTD_AUTO, HB_ZSTD_OFF or zstd's */
        struct hb_choice choice;
        hb_zstd *zstd;
        uint8_t *scratch, *second; /* second: a probe's result; auto alone */
        size_t scratch_size;
        /* of the run packed last */
        struct hb_choice_sent last;
        uint64_t begun_ns, begun_cpu_ns, packed_ns, packed_cpu_ns;
};

hb_page_codec *hb_page_codec_free(hb_page_codec *c) {
        if (!c)
                return NULL;
        hb_zstd_free(c->zstd);
        free(c->scratch);
        free(c->second);
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
        *c = (hb_page_codec){.level = zstd_level, .scratch_size = hb_zstd_bound(RUN_BYTES)};
        c->scratch = malloc(c->scratch_size);
        if (zstd_level == HB_ZSTD_AUTO)
                c->second = malloc(c->scratch_size);
        if (!c->scratch || (zstd_level == HB_ZSTD_AUTO && !c->second) || hb_zstd_new(&c->zstd) < 0) {
                hb_page_codec_free(c);
                return -ENOMEM;
        }
        hb_choice_init(&c->choice);
        *ret = c;
        return 0;
}

void hb_page_codec_link(hb_page_codec *c, double bytes_per_s) {
        hb_choice_hint(&c->choice, bytes_per_s);
}

void hb_page_codec_cap(hb_page_codec *c, double bytes_per_s) {
        hb_choice_cap(&c->choice, bytes_per_s);
}

const char *hb_page_codec_zstd_version(void) {
        return hb_zstd_version();
}

bool hb_page_codec_set_producer(hb_page_codec *c, struct hb_producer *p) {
        return hb_zstd_set_producer(c->zstd, p);
}

/* ---- what sending took ---- */

static uint64_t cpu_ns(void) {
        struct timespec t;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (uint64_t)t.tv_sec * HB_NS_PER_S + (uint64_t)t.tv_nsec;
}

static void tell(hb_page_codec *c, uint64_t send_ns, uint64_t blocked_ns) {
        c->last.send_ns = send_ns;
        c->last.blocked_ns = blocked_ns;
        hb_choice_sent(&c->choice, &c->last);
        c->last.plain = 0;
}

void hb_page_codec_sent_in(hb_page_codec *c, uint64_t send_ns, uint64_t blocked_ns) {
        if (c->last.plain == 0)
                return;
        c->last.pack_ns = c->last.pack_cpu_ns;
        tell(c, send_ns, blocked_ns);
}

void hb_page_codec_sent(hb_page_codec *c) {
        uint64_t took, worked;

        if (c->last.plain == 0)
                return;
        took = hb_now_ns() - c->packed_ns;
        worked = cpu_ns() - c->packed_cpu_ns;
        tell(c, took, took > worked ? took - worked : 0);
}

static void begin(hb_page_codec *c) {
        c->last.plain = 0;
        c->last.compress_cpu_ns = 0;
        if (c->level != HB_ZSTD_AUTO)
                return;
        c->begun_ns = hb_now_ns();
        c->begun_cpu_ns = cpu_ns();
}

static void end(hb_page_codec *c, size_t plain, size_t wire) {
        if (c->level != HB_ZSTD_AUTO)
                return;
        c->packed_ns = hb_now_ns();
        c->packed_cpu_ns = cpu_ns();
        c->last.plain = plain;
        c->last.wire = wire;
        c->last.pack_ns = c->packed_ns - c->begun_ns;
        c->last.pack_cpu_ns = c->packed_cpu_ns - c->begun_cpu_ns;
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

static bool try_arm(hb_page_codec *c, unsigned arm, const uint8_t *data, size_t size, uint8_t *to,
                    struct hb_choice_tried *ret) {
        uint64_t start = cpu_ns();
        size_t packed = hb_zstd_compress(c->zstd, hb_choice_level(arm), data, size, to, c->scratch_size);

        *ret = (struct hb_choice_tried){arm, packed, cpu_ns() - start};
        c->last.compress_cpu_ns += ret->ns;
        return packed > 0;
}

static size_t compress_by_choice(hb_page_codec *c, const uint8_t *data, size_t size) {
        unsigned klass = hb_look_class(hb_look_bits(data, size));
        unsigned arm = hb_choice_pick(&c->choice, klass, size);
        unsigned second = hb_choice_probe(&c->choice, klass, size);
        struct hb_choice_tried used = {0}, probe = {0};
        bool packed = arm != HB_CHOICE_OFF && try_arm(c, arm, data, size, c->scratch, &used);
        bool probed = second != HB_CHOICE_OFF && try_arm(c, second, data, size, c->second, &probe);
        uint8_t *swap = c->scratch;

        hb_choice_learn(&c->choice, klass, size, packed ? &used : NULL, probed ? &probe : NULL);
        if (packed && probed && probe.packed < used.packed) {
                used.packed = probe.packed;
                c->scratch = c->second;
                c->second = swap;
        }
        return packed && used.packed < size ? used.packed : 0;
}

/* Compressed size in scratch, 0 when the run goes out raw. */
static size_t try_compress(hb_page_codec *c, const uint8_t *data, size_t size) {
        size_t packed;

        if (c->level == HB_ZSTD_OFF)
                return 0;
        if (c->level == HB_ZSTD_AUTO)
                return compress_by_choice(c, data, size);
        packed = hb_zstd_compress(c->zstd, c->level, data, size, c->scratch, c->scratch_size);
        return (double)packed < WORTH * (double)size ? packed : 0;
}

int hb_page_codec_pack(hb_page_codec *c, const uint8_t *pages, uint32_t n, struct hb_packed *ret,
                       struct hb_buf *out) {
        struct hb_packed p = {.encoding = HB_PACKED_NOTHING};
        size_t start = out->len, size, plain, packed;
        uint8_t *copy;

        if (n == 0 || n > HB_FETCH_MAX_PAGES)
                return -EINVAL;
        begin(c);
        copy = hb_buf_space(out, (size_t)n * HB_PAGE_SIZE);
        if (!copy)
                return -ENOMEM;
        plain = size = (size_t)copy_non_zero(pages, n, copy, &p.zero_mask) * HB_PAGE_SIZE;
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
        end(c, plain, size);
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

                if (!hb_zstd_decompress(c->zstd, data, size, to, bytes))
                        return -EBADMSG;
                plain = to;
        }
        if (checksum_of(plain, bytes, p->zero_mask, n) != p->checksum)
                return -EBADMSG;
        if (plain != dst)
                scatter(plain, p->zero_mask, dst, n);
        return 0;
}
