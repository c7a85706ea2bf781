/* summary: the compact form of a page map sent to a target, and its decoder. Delta-coded runs with quantised
 * heat. A target decays heat itself and hears of writes from the announcements, so a page is sent again only
 * when that leaves it wrong: it was read, its heat moved by a quarter, its residency changed. The encoder
 * works under a byte budget: what does not fit stays due and goes first the next time (hottest first), so a
 * budget makes the map lag, not lie. Format: docs/PROTOCOL.md. Summaries steer only *what is worth sending*;
 * freshness never depends on them. */
#pragma once
#include "map/page_map.h"

struct hb_summary_entry { /* one run of pages alike */
        uint64_t gfn, pages;
        float write_heat; /* per second, as of last_access: decays from there with HB_HEAT_TAU_S */
        float read_heat;  /* per second; reads are sampled, so it holds until the next word */
        uint32_t last_access, version; /* epochs */
        bool resident;
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

/* Decodes, calling `entry` for each run (checked against pages_total, ascending). Returns 0, or -EBADMSG and
 * no call was made. */
int hb_summary_decode(const void *data, size_t size, uint64_t pages_total, uint32_t *ret_epoch,
                      uint64_t *ret_time_ns, void (*entry)(void *arg, const struct hb_summary_entry *e),
                      void *arg);

/* Page runs: varint gap/length pairs to the end of the input, used by invalidations, zero lists and fetches.
 */
void hb_runs_encode(const struct hb_bitmap *b, struct hb_buf *out);
/* Sets bits; -EBADMSG (nothing set) beyond `out`'s size, overlapping, touching or empty runs. Returns pages
 * set. */
int64_t hb_runs_decode(struct hb_rd *in, struct hb_bitmap *out);
