/* summary_decode: reads a summary from a peer. Invariant: either every entry is delivered, or (-EBADMSG)
 * none, so that half a summary never steers anything; the bytes are read twice for that. Pure. */
#include "base/shape.h"
#include "map/heat.h"
#include "map/summary.h"
#include "map/summary_format.h"
#include <errno.h>

struct reader {
        struct hb_rd rd;
        uint8_t format;
        uint32_t epoch;
        uint64_t time_ns, end, total;
};

static float read_heat(struct reader *r) {
        uint8_t q = hb_rd_u8(&r->rd);

        if (q == 0 || q == 255)
                hb_rd_fail(&r->rd);
        return hb_heat_of(q);
}

static uint32_t read_epoch(struct reader *r) {
        uint64_t back = hb_rd_varint(&r->rd);

        if (back >= r->epoch) { /* epochs begin at 1 */
                hb_rd_fail(&r->rd);
                return 0;
        }
        return r->epoch - (uint32_t)back;
}

/* In line where it is used: what the pass that only checks does not want is then not made. */
static inline __attribute__((always_inline)) void read_pages(struct reader *r, struct hb_summary_entry *ret) {
        uint64_t gap = hb_rd_varint(&r->rd);
        uint64_t pages = hb_rd_varint(&r->rd);
        uint8_t flags = hb_rd_u8(&r->rd);

        *ret = (struct hb_summary_entry){.pages = pages, .resident = flags & HB_SF_RESIDENT};
        if (gap > r->total - r->end || pages == 0 || pages > r->total - r->end - gap || (flags & ~HB_SF_ALL))
                hb_rd_fail(&r->rd);
        if ((flags & HB_SF_ACCESS_IS_VERSION) && ((flags & HB_SF_ACCESS) || !(flags & HB_SF_VERSION)))
                hb_rd_fail(&r->rd);
        if (flags & HB_SF_WRITE_Q)
                ret->write_heat = read_heat(r);
        if (flags & HB_SF_READ_Q)
                ret->read_heat = read_heat(r);
        if (flags & HB_SF_VERSION)
                ret->version = ret->last_access = read_epoch(r);
        if (!(flags & HB_SF_ACCESS_IS_VERSION))
                ret->last_access = flags & HB_SF_ACCESS ? read_epoch(r) : 0;
        ret->gfn = r->end + gap;
        r->end = ret->gfn + pages;
}

static void read_any(struct reader *r, struct hb_summary_entry *ret) {
        uint64_t unlike = hb_rd_upto(&r->rd, HB_BLOCK_PAGES);
        uint8_t flags = hb_rd_u8(&r->rd);

        if (unlike == 0 || (flags & ~HB_SF_WORD))
                hb_rd_fail(&r->rd);
        ret->unlike = (uint16_t)unlike;
        ret->any_write_heat = flags & HB_SF_WRITE_Q ? read_heat(r) : 0.0f;
        ret->any_read_heat = flags & HB_SF_READ_Q ? read_heat(r) : 0.0f;
        ret->any_access = flags & HB_SF_ACCESS ? read_epoch(r) : 0;
}

/* `end` counts blocks here. */
static inline __attribute__((always_inline)) void read_blocks(struct reader *r,
                                                              struct hb_summary_entry *ret) {
        uint64_t total = hb_blocks_of(r->total), gap = hb_rd_varint(&r->rd), blocks = hb_rd_varint(&r->rd);
        uint8_t flags = hb_rd_u8(&r->rd);

        *ret = (struct hb_summary_entry){.block = true};
        if (gap > total - r->end || blocks == 0 || blocks > total - r->end - gap ||
            (flags & ~(HB_SF_WORD | HB_SF_UNLIKE))) {
                hb_rd_fail(&r->rd);
                return;
        }
        ret->write_heat = flags & HB_SF_WRITE_Q ? read_heat(r) : 0.0f;
        ret->read_heat = flags & HB_SF_READ_Q ? read_heat(r) : 0.0f;
        ret->last_access = flags & HB_SF_ACCESS ? read_epoch(r) : 0;
        ret->any_write_heat = ret->write_heat;
        ret->any_read_heat = ret->read_heat;
        ret->any_access = ret->last_access;
        if (flags & HB_SF_UNLIKE)
                read_any(r, ret);
        ret->gfn = (r->end + gap) << HB_BLOCK_SHIFT;
        r->end += gap + blocks;
        ret->pages = (r->end << HB_BLOCK_SHIFT < r->total ? r->end << HB_BLOCK_SHIFT : r->total) - ret->gfn;
}

static inline __attribute__((always_inline)) void read_entry(struct reader *r, struct hb_summary_entry *ret) {
        if (r->format == HB_SUMMARY_BLOCKS)
                read_blocks(r, ret);
        else
                read_pages(r, ret);
}

static int open_reader(struct reader *r, const void *data, size_t size, uint64_t total) {
        *r = (struct reader){.rd = hb_rd_init(data, size), .total = total};
        r->format = hb_rd_u8(&r->rd);
        if (r->format != HB_SUMMARY_FORMAT && r->format != HB_SUMMARY_BLOCKS)
                hb_rd_fail(&r->rd);
        r->epoch = hb_rd_u32(&r->rd);
        r->time_ns = hb_rd_u64(&r->rd);
        return hb_rd_ok(&r->rd) ? 0 : -EBADMSG;
}

/* A bad entry ends it: what follows has no meaning. */
static int check_all(struct reader r) {
        struct hb_summary_entry e;

        while (hb_rd_left(&r.rd) > 0)
                read_entry(&r, &e);
        return hb_rd_ok(&r.rd) ? 0 : -EBADMSG;
}

static void deliver_all(struct reader r, void (*entry)(void *arg, const struct hb_summary_entry *e),
                        void *arg) {
        struct hb_summary_entry e;

        while (hb_rd_left(&r.rd) > 0) {
                read_entry(&r, &e);
                entry(arg, &e);
        }
}

int hb_summary_decode(const void *data, size_t size, uint64_t pages_total, uint32_t *ret_epoch,
                      uint64_t *ret_time_ns, void (*entry)(void *arg, const struct hb_summary_entry *e),
                      void *arg) {
        struct reader r;
        int rc = open_reader(&r, data, size, pages_total);

        if (rc == 0)
                rc = check_all(r);
        if (rc < 0)
                return rc;
        *ret_epoch = r.epoch;
        *ret_time_ns = r.time_ns;
        if (entry)
                deliver_all(r, entry, arg);
        return 0;
}
