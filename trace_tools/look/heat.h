/* heat: how often each band of pages was accessed in each slice of a trace: what every heat map is drawn
 * from.
 *
 * Column x covers the epochs from hb_heatmap_epoch_of(m, x) up to that of x + 1, row y the pages from
 * hb_heatmap_page_of(m, y) up to that of y + 1; together they cover the range asked for without overlap. A
 * range of fewer epochs (pages) than `width` (`height`) makes a matrix of that many columns (rows). One pass;
 * memory: width x height, whatever the trace's length. Not thread-safe. */
#pragma once
#include "trace/trace.h"

#define HB_HEATMAP_MAX 4096u /* columns and rows at most */

/* A mark inside the range; `epoch`: that which ends after it. */
typedef void hb_heatmap_mark(void *arg, uint32_t epoch, enum hb_trace_mark kind, uint64_t value);

struct hb_heatmap_options {          /* zero: the default */
        uint32_t width, height;      /* 80 x 24; at most HB_HEATMAP_MAX each */
        uint32_t from, to;           /* epochs, both included; 0: the trace's first, last */
        uint64_t first_page, npages; /* npages 0: to the last */
        hb_heatmap_mark *mark;       /* for hb_heatmap_read; NULL: nobody asks */
        void *mark_arg;
};

struct hb_heatmap {
        uint32_t width, height;
        uint32_t from, to;
        uint64_t first_page, npages;
        uint64_t *reads, *writes; /* sums, [y * width + x]; of a trace without counts: touched page-epochs */
        uint64_t *begins_ns; /* per column: time of its first epoch that is in the trace; UINT64_MAX: none */
        uint64_t end_ns;     /* time of the last epoch taken; 0: none */
        uint64_t records, epochs; /* taken */
        uint64_t damaged;         /* blocks left out because they failed their checks */
};

enum hb_heatmap_what { HB_HEATMAP_ALL, HB_HEATMAP_READS, HB_HEATMAP_WRITES };

/* Empty, of the range that `o` makes of this shape and these epochs. -EINVAL: an empty or inverted range;
 * -ENOMEM. */
int hb_heatmap_new(const struct hb_heatmap_options *o, uint64_t pages, uint32_t first_epoch,
                   uint32_t last_epoch, struct hb_heatmap **ret, struct hb_err *e);
struct hb_heatmap *hb_heatmap_free(struct hb_heatmap *m);
/* One epoch's accesses, sorted by gfn; what lies outside the range is left out. */
void hb_heatmap_add(struct hb_heatmap *m, uint32_t epoch, uint64_t time_ns, const struct hb_trace_access *a,
                    size_t n);

/* Called about every 64 epochs of work with the bytes done and in all; nonzero ends it with -ECANCELED. */
typedef int hb_look_tick(void *arg, uint64_t at, uint64_t of);

/* All of it from a trace. The reader is where it pleases afterwards. Damaged blocks are counted and passed
 * over. tick may be NULL. */
int hb_heatmap_read(hb_trace_reader *r, const struct hb_heatmap_options *o, hb_look_tick *tick, void *arg,
                    struct hb_heatmap **ret, struct hb_err *e);

uint32_t hb_heatmap_epoch_of(const struct hb_heatmap *m, uint32_t x);
uint64_t hb_heatmap_page_of(const struct hb_heatmap *m, uint32_t y);
static inline uint64_t hb_heatmap_at(const struct hb_heatmap *m, enum hb_heatmap_what w, uint32_t x,
                                     uint32_t y) {
        size_t i = (size_t)y * m->width + x;

        return (w != HB_HEATMAP_WRITES ? m->reads[i] : 0) + (w != HB_HEATMAP_READS ? m->writes[i] : 0);
}
uint64_t hb_heatmap_peak(const struct hb_heatmap *m, enum hb_heatmap_what w);
/* What a scale should span: all but the lowest and highest 2 % of the sums that are not 0, so that a few
 * cells do not take the contrast from all others. 0, 0: every sum is 0. */
void hb_heatmap_scale(const struct hb_heatmap *m, enum hb_heatmap_what w, uint64_t *ret_low,
                      uint64_t *ret_high);
/* 0 for 0, else 1..levels by the logarithm: `low` and below is level 1, `high` and above is `levels`. */
unsigned hb_heatmap_level_between(uint64_t value, uint64_t low, uint64_t high, unsigned levels);
