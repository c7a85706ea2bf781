/* heat: sums of a trace over bands of pages and slices of epochs.
 *
 * Invariant: row y ends where row y + 1 begins (page_of is the one place that says where), so every page in
 * the range falls into exactly one row; the same for epochs and columns.
 * Cost: one addition a page record, plus one step a row for each epoch: accesses come sorted, so that the row
 * is found by walking, not by dividing. Owned by its caller. */
#include "look/heat.h"
#include "base/fault.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define TICK_EPOCHS 64u

uint32_t hb_heatmap_epoch_of(const struct hb_heatmap *m, uint32_t x) {
        uint64_t span = (uint64_t)m->to - m->from + 1;

        return (uint32_t)(m->from + (x * span + m->width - 1) / m->width);
}

uint64_t hb_heatmap_page_of(const struct hb_heatmap *m, uint32_t y) {
        return m->first_page + (y * m->npages + m->height - 1) / m->height;
}

static uint32_t least(uint64_t a, uint32_t b) {
        return a < b ? (uint32_t)a : b;
}

/* The part of what was asked for that is there. */
static int set_range(struct hb_heatmap *m, const struct hb_heatmap_options *o, uint64_t pages, uint32_t first,
                     uint32_t last, struct hb_err *e) {
        uint32_t width = o->width ? o->width : 80, height = o->height ? o->height : 24;

        m->from = o->from > first ? o->from : first;
        m->to = o->to && o->to < last ? o->to : last;
        m->first_page = o->first_page;
        if (m->from > m->to || last == 0)
                return hb_err_set(e, -EINVAL, NULL, "harbinger trace info FILE tells which there are",
                                  "there are no epochs in that range");
        if (o->first_page >= pages)
                return hb_err_set(e, -EINVAL, NULL, "harbinger trace info FILE tells how many there are",
                                  "there are no pages in that range");
        m->npages = pages - o->first_page;
        if (o->npages && o->npages < m->npages)
                m->npages = o->npages;
        m->width = least((uint64_t)m->to - m->from + 1, least(width, HB_HEATMAP_MAX));
        m->height = least(m->npages, least(height, HB_HEATMAP_MAX));
        return 0;
}

int hb_heatmap_new(const struct hb_heatmap_options *o, uint64_t pages, uint32_t first_epoch,
                   uint32_t last_epoch, struct hb_heatmap **ret, struct hb_err *e) {
        struct hb_heatmap *m = calloc(1, sizeof(*m));
        size_t cells;
        int r;

        if (!m)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory for a heat map");
        r = set_range(m, o, pages, first_epoch, last_epoch, e);
        if (r < 0)
                goto fail;
        cells = (size_t)m->width * m->height;
        m->reads = hb_fault("look.heat") ? NULL : calloc(cells, sizeof(*m->reads));
        m->writes = calloc(cells, sizeof(*m->writes));
        m->begins_ns = malloc(m->width * sizeof(*m->begins_ns));
        r = m->reads && m->writes && m->begins_ns ? 0 : -ENOMEM;
        if (r < 0) {
                hb_err_set(e, r, NULL, "ask for fewer columns or rows", "no memory for a heat map");
                goto fail;
        }
        for (uint32_t x = 0; x < m->width; x++)
                m->begins_ns[x] = UINT64_MAX;
        *ret = m;
        return 0;
fail:
        hb_heatmap_free(m);
        return r;
}

struct hb_heatmap *hb_heatmap_free(struct hb_heatmap *m) {
        if (m) {
                free(m->reads);
                free(m->writes);
                free(m->begins_ns);
        }
        free(m);
        return NULL;
}

void hb_heatmap_add(struct hb_heatmap *m, uint32_t epoch, uint64_t time_ns, const struct hb_trace_access *a,
                    size_t n) {
        uint64_t end = m->first_page + m->npages, row_end;
        uint64_t *reads = m->reads, *writes = m->writes;
        uint32_t x, y = 0;
        size_t i;

        if (epoch < m->from || epoch > m->to)
                return;
        x = (uint32_t)((uint64_t)(epoch - m->from) * m->width / ((uint64_t)m->to - m->from + 1));
        if (m->begins_ns[x] == UINT64_MAX)
                m->begins_ns[x] = time_ns;
        m->end_ns = time_ns;
        m->epochs++;
        row_end = hb_heatmap_page_of(m, 1);
        i = m->first_page ? hb_trace_access_from(a, n, m->first_page) : 0;
        for (; i < n && a[i].gfn < end; i++) {
                while (a[i].gfn >= row_end)
                        row_end = hb_heatmap_page_of(m, ++y + 1);
                reads[(size_t)y * m->width + x] += a[i].reads;
                writes[(size_t)y * m->width + x] += a[i].writes;
                m->records++;
        }
}

static int cancelled(hb_trace_reader *r, hb_look_tick *tick, void *arg, struct hb_err *e) {
        uint64_t of, at = hb_trace_reader_at(r, &of);

        if (!tick || tick(arg, at, of) == 0)
                return 0;
        return hb_err_set(e, -ECANCELED, NULL, NULL, "stopped");
}

/* Behind the last epoch there is none that ends after the mark: then it is that one's. */
static void tell_mark(const struct hb_heatmap *m, const struct hb_heatmap_options *o, uint32_t last,
                      const struct hb_trace_item *i) {
        uint32_t epoch = i->epoch < last ? i->epoch + 1 : last;

        if (o->mark && i->event.stream == HB_TRACE_MARK && epoch >= m->from && epoch <= m->to)
                o->mark(o->mark_arg, epoch, i->event.mark.kind, i->event.mark.value);
}

/* Until the range or the trace ends. */
static int take(struct hb_heatmap *m, hb_trace_reader *r, const struct hb_heatmap_options *o,
                hb_look_tick *tick, void *arg, struct hb_err *e) {
        struct hb_trace_info info;
        struct hb_trace_item item;
        unsigned since = 0;
        int rc;

        hb_trace_reader_info(r, &info);
        for (;;) {
                rc = hb_trace_reader_next(r, &item, e);
                if (rc == -EBADMSG) {
                        m->damaged++;
                        continue;
                }
                if (rc <= 0)
                        return rc;
                if (item.kind != HB_TRACE_EPOCH) {
                        tell_mark(m, o, info.last_epoch, &item);
                        continue;
                }
                if (item.epoch > m->to)
                        return 0;
                hb_heatmap_add(m, item.epoch, item.time_ns, item.access, item.naccess);
                if (++since % TICK_EPOCHS == 0) {
                        rc = cancelled(r, tick, arg, e);
                        if (rc < 0)
                                return rc;
                }
        }
}

int hb_heatmap_read(hb_trace_reader *r, const struct hb_heatmap_options *o, hb_look_tick *tick, void *arg,
                    struct hb_heatmap **ret, struct hb_err *e) {
        struct hb_trace_info info;
        struct hb_heatmap *m = NULL;
        int rc;

        hb_trace_reader_info(r, &info);
        rc = hb_heatmap_new(o, hb_trace_reader_header(r)->shape.pages, info.first_epoch, info.last_epoch, &m,
                            e);
        if (rc < 0)
                return rc;
        hb_trace_reader_rewind(r);
        rc = m->from > info.first_epoch ? hb_trace_reader_seek(r, m->from, e) : 0;
        if (rc == 0)
                rc = take(m, r, o, tick, arg, e);
        if (rc < 0) {
                hb_heatmap_free(m);
                return rc;
        }
        *ret = m;
        return 0;
}

uint64_t hb_heatmap_peak(const struct hb_heatmap *m, enum hb_heatmap_what w) {
        uint64_t peak = 0;

        for (uint32_t y = 0; y < m->height; y++)
                for (uint32_t x = 0; x < m->width; x++) {
                        uint64_t v = hb_heatmap_at(m, w, x, y);

                        peak = v > peak ? v : peak;
                }
        return peak;
}

static int by_size(const void *a, const void *b) {
        uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

        return x < y ? -1 : x > y;
}

/* The sums that are not 0, in order; NULL: no memory, or none. */
static uint64_t *in_order(const struct hb_heatmap *m, enum hb_heatmap_what w, size_t *ret_n) {
        uint64_t *all = hb_fault("look.heat") ? NULL : malloc((size_t)m->width * m->height * sizeof(*all));
        size_t n = 0;

        for (uint32_t y = 0; all && y < m->height; y++)
                for (uint32_t x = 0; x < m->width; x++) {
                        uint64_t v = hb_heatmap_at(m, w, x, y);

                        if (v)
                                all[n++] = v;
                }
        if (n == 0) {
                free(all);
                return NULL;
        }
        qsort(all, n, sizeof(*all), by_size);
        *ret_n = n;
        return all;
}

void hb_heatmap_scale(const struct hb_heatmap *m, enum hb_heatmap_what w, uint64_t *ret_low,
                      uint64_t *ret_high) {
        size_t n = 0;
        uint64_t *all = in_order(m, w, &n);

        *ret_high = all ? all[n - 1 - n / 50] : hb_heatmap_peak(m, w);
        *ret_low = all ? all[n / 50] : *ret_high > 0;
        free(all);
}

unsigned hb_heatmap_level_between(uint64_t value, uint64_t low, uint64_t high, unsigned levels) {
        double share;

        if (value == 0 || levels == 0)
                return 0;
        if (value >= high)
                return levels;
        if (value <= low)
                return 1;
        share = log((double)value / (double)low) / log((double)high / (double)low);
        return 1 + (unsigned)(share * (levels - 1) + 0.5);
}
