/* summary: the compact form of a page map sent to a target, and its decoder. Delta-coded runs with quantised
 * heat. A target decays heat itself and hears of writes from the announcements, so a page is sent again only
 * when that leaves it wrong: it was read, its heat moved by a quarter, its residency changed. The encoder
 * works under a byte budget: what does not fit stays due and goes first the next time, hottest first, with an
 * eighth of the budget for whatever has waited, in page order: a budget makes the map lag, not lie, and no
 * page waits for ever. Format: docs/PROTOCOL.md. Summaries steer only *what is worth sending*; freshness
 * never depends on them.
 *
 * A large guest is told in two steps. First a *word* for each 2 MiB block: what most of its pages are like
 * (the rest), how many are unlike that, and what to take a page for while it is not known which of them it
 * is. Then, page by page, those that are unlike. A word replaces what was told of its block's pages. */
#pragma once
#include "map/history.h"
#include "map/page_map.h"

struct hb_summary_entry { /* one run of pages alike, or of blocks alike */
        uint64_t gfn, pages;
        float write_heat; /* per second, as of last_access: decays from there with HB_HEAT_TAU_S */
        float read_heat;  /* per second; reads are sampled, so it holds until the next word */
        uint32_t last_access, version; /* epochs */
        bool resident;
        /* A word: gfn and pages are those of whole blocks (the guest's last may be short), and the above is
         * what most of a block's pages are like; version and resident are not told. */
        bool block;
        uint16_t unlike; /* pages of each block that are not; they follow as entries of their own */
        /* while fewer than that have followed; as above where unlike is 0 */
        float any_write_heat, any_read_heat;
        uint32_t any_access;
};

typedef struct hb_summary_encoder
        hb_summary_encoder; /* one a placement: knows what was sent; freed before its map */
int hb_summary_encoder_new(const hb_page_map *m, hb_summary_encoder **ret);
hb_summary_encoder *hb_summary_encoder_free(hb_summary_encoder *s);
void hb_summary_reset(hb_summary_encoder *s); /* the next one is full (new or reconnected target) */
/* Appends one summary of at most max_bytes to `out`. Returns bytes appended, 0 when nothing is due, -ENOMEM.
 */
int64_t hb_summary_encode(hb_summary_encoder *s, uint64_t max_bytes, struct hb_buf *out);
bool hb_summary_due(const hb_summary_encoder *s); /* pages wait to be sent */
/* Whether the next full summary, from hb_summary_reset on, begins with blocks (format 2): only for targets
 * that agreed on protocol version 2. Not, unless said. */
void hb_summary_coarse(hb_summary_encoder *s, bool on);
/* The target asks for these blocks (a bit each) before others. Those not summed yet are not moved. */
void hb_summary_ask(hb_summary_encoder *s, const struct hb_bitmap *blocks);
struct hb_summary_lag {
        bool by_blocks;
        uint64_t pages, blocks; /* pages that wait to be told; blocks without their word yet */
        uint64_t oldest_ns;     /* time of the scan since which the oldest has waited; 0: none waits */
};
void hb_summary_lag(const hb_summary_encoder *s, struct hb_summary_lag *ret); /* one look at each block */

/* Decodes either format, calling `entry` for each run (checked against pages_total, ascending). Returns 0, or
 * -EBADMSG and no call was made. */
int hb_summary_decode(const void *data, size_t size, uint64_t pages_total, uint32_t *ret_epoch,
                      uint64_t *ret_time_ns, void (*entry)(void *arg, const struct hb_summary_entry *e),
                      void *arg);

/* Page runs: varint gap/length pairs to the end of the input, used by invalidations, zero lists and fetches.
 */
void hb_runs_encode(const struct hb_bitmap *b, struct hb_buf *out);
/* Sets bits; -EBADMSG (nothing set) beyond `out`'s size, overlapping, touching or empty runs. Returns pages
 * set. */
int64_t hb_runs_decode(struct hb_rd *in, struct hb_bitmap *out);

/* DETAIL: blocks of which a target wants to know more than their words: u8 format (1), runs of blocks. */
#define HB_DETAIL_BLOCKS 4096u /* at most, in one message */
static inline uint64_t hb_blocks_of(uint64_t pages) {
        return (pages + HB_BLOCK_PAGES - 1) >> HB_BLOCK_SHIFT;
}
void hb_detail_encode(const struct hb_bitmap *blocks, struct hb_buf *out);
/* `into` has a bit a block. Returns blocks set; -EBADMSG: nothing was. */
int64_t hb_detail_decode(const void *data, size_t size, struct hb_bitmap *into);
