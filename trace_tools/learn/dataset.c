/* dataset: a history is driven, lessons are opened at moments and closed when their horizon has passed.
 *
 * Invariant: a lesson sees the history as it was at its moment (its features are made there and then), and is
 * labelled only by epochs after it. Lessons are given out in the order in which they end, and among equals in
 * that of their beginning. Cost: each access is noted once in the history, and each epoch is compared with
 * the sample of every open lesson (both are sorted: one walk). One thread. */
#include "learn/dataset.h"
#include "base/clock.h"
#include "base/fault.h"
#include "learn/sample.h"
#include "trace/trace.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define TICK_EPOCHS 16u

struct open_lesson {
        struct open_lesson *next; /* by the time it ends */
        struct hb_model_lesson *lesson;
        uint64_t asked_ns, end_ns;
        double horizon_s;
        uint32_t *gfn;
        uint32_t *last, *last_written; /* windows counted so far, by page */
};

struct reading {
        struct hb_dataset_options o;
        hb_dataset_take *take;
        int (*tick)(void *arg, uint64_t at, uint64_t of);
        void *arg;
        hb_trace_reader *reader;
        const struct hb_trace_header *h;
        hb_history *history;
        struct hb_bitmap touched;
        uint64_t random;
        bool began;
        uint64_t begin_ns, last_ns, due_ns; /* due, last: since the begin */
        uint32_t epochs;
        struct open_lesson *open;
};

static void defaults(struct hb_dataset_options *o) {
        static const double horizons[] = {5, 10, 30};

        if (o->nhorizons == 0) {
                memcpy(o->horizons, horizons, sizeof(horizons));
                o->nhorizons = 3;
        }
        o->every_s = o->every_s > 0 ? o->every_s : HB_DATASET_EVERY_S;
        o->warmup_s = o->warmup_s > 0 ? o->warmup_s : HB_DATASET_WARMUP_S;
        o->pages = o->pages ? o->pages : HB_DATASET_PAGES;
}

uint64_t hb_dataset_moments(const struct hb_dataset_options *o, double seconds) {
        struct hb_dataset_options d = *o;

        defaults(&d);
        return seconds < d.warmup_s ? 0 : 1 + (uint64_t)((seconds - d.warmup_s) / d.every_s);
}

static uint64_t ns(double s) {
        return (uint64_t)(s * (double)HB_NS_PER_S + 0.5);
}

/* Windows are numbered from 1; a moment at a window's end belongs to that window. */
static uint32_t window_at(uint64_t time_ns) {
        return 1 + (uint32_t)((time_ns ? time_ns - 1 : 0) / HB_HISTORY_WINDOW_NS);
}

/* ---- a lesson's life ---- */

static struct open_lesson *open_free(struct open_lesson *l) {
        if (!l)
                return NULL;
        hb_model_lesson_free(l->lesson);
        free(l->gfn);
        free(l->last);
        free(l->last_written);
        free(l);
        return NULL;
}

/* The gfns become the lesson's, also on failure. */
static int open_new(struct reading *r, double horizon_s, uint32_t *gfn, uint32_t n) {
        struct open_lesson *l = hb_fault("learn.lesson") ? NULL : calloc(1, sizeof(*l)), **at = &r->open;
        int rc = -ENOMEM;

        if (!l) {
                free(gfn);
                return rc;
        }
        l->gfn = gfn;
        l->asked_ns = r->last_ns;
        l->end_ns = r->last_ns + ns(horizon_s);
        l->horizon_s = horizon_s;
        l->lesson = calloc(1, sizeof(*l->lesson));
        l->last = calloc(n, sizeof(*l->last));
        l->last_written = calloc(n, sizeof(*l->last_written));
        if (!l->lesson || !l->last || !l->last_written)
                goto fail;
        l->lesson->labels = calloc((size_t)n * HB_MODEL_OUT, sizeof(float));
        if (!l->lesson->labels)
                goto fail;
        rc = hb_model_batch_make(r->history, window_at(r->last_ns), horizon_s, gfn, n, &l->lesson->batch);
        if (rc < 0)
                goto fail;
        while (*at && (*at)->end_ns <= l->end_ns)
                at = &(*at)->next;
        l->next = *at;
        *at = l;
        return 0;
fail:
        open_free(l);
        return rc;
}

static void label(struct open_lesson *l, uint32_t i, bool written, uint32_t window) {
        float *y = l->lesson->labels + (size_t)i * HB_MODEL_OUT;

        y[0] = 1;
        y[2] += l->last[i] != window;
        l->last[i] = window;
        if (!written)
                return;
        y[1] = 1;
        y[3] += l->last_written[i] != window;
        l->last_written[i] = window;
}

static void label_epoch(struct open_lesson *l, const struct hb_trace_access *a, size_t n, uint32_t window) {
        uint32_t pages = l->lesson->batch.n;
        size_t at = 0;

        for (uint32_t i = 0; i < pages && at < n; i++) {
                at += hb_trace_access_from(a + at, n - at, l->gfn[i]);
                if (at < n && a[at].gfn == l->gfn[i])
                        label(l, i, a[at].writes > 0, window);
        }
}

/* Gives out the lessons that nothing at or after `from_ns` belongs to. */
static int close_until(struct reading *r, uint64_t from_ns) {
        int rc = 0;

        while (rc >= 0 && r->open && r->open->end_ns < from_ns) {
                struct open_lesson *l = r->open;

                r->open = l->next;
                rc = r->take(r->arg, l->asked_ns, l->horizon_s, l->lesson);
                l->lesson = NULL;
                open_free(l);
        }
        return rc;
}

static int ask(struct reading *r) {
        for (unsigned h = 0; h < r->o.nhorizons; h++) {
                struct hb_sample s;
                int rc = hb_sample_take(&r->touched, r->o.pages, &r->random, &s);

                if (rc == 0 && s.n == 0) {
                        free(s.gfn);
                        continue;
                }
                if (rc == 0)
                        rc = open_new(r, r->o.horizons[h], s.gfn, s.n);
                if (rc < 0)
                        return rc;
        }
        return 0;
}

/* ---- the trace ---- */

static int note(struct reading *r, const struct hb_trace_item *i, uint32_t window) {
        for (size_t k = 0; k < i->naccess; k++) {
                uint32_t g = i->access[k].gfn;
                int rc;

                if (g >= r->touched.bits)
                        return -EBADMSG;
                hb_bitmap_set(&r->touched, g);
                rc = hb_history_note(r->history, g, window, i->access[k].writes > 0);
                if (rc < 0)
                        return rc;
        }
        return 0;
}

static int take_epoch(struct reading *r, const struct hb_trace_item *i) {
        uint64_t end, middle;
        int rc;

        if (!r->began)
                r->begin_ns = i->time_ns > r->h->epoch_ns ? i->time_ns - r->h->epoch_ns : 0;
        r->began = true;
        end = i->time_ns > r->begin_ns ? i->time_ns - r->begin_ns : 0;
        end = end > r->last_ns ? end : r->last_ns;
        middle = r->last_ns + (end - r->last_ns) / 2;
        rc = close_until(r, middle);
        for (struct open_lesson *l = r->open; l && rc >= 0; l = l->next)
                label_epoch(l, i->access, i->naccess, window_at(middle));
        if (rc >= 0)
                rc = note(r, i, window_at(middle));
        r->last_ns = end;
        if (rc >= 0)
                rc = close_until(r, end + 1);
        if (rc < 0 || end < r->due_ns)
                return rc;
        r->due_ns += ((end - r->due_ns) / ns(r->o.every_s) + 1) * ns(r->o.every_s);
        return ask(r);
}

static int read_all(struct reading *r, const char *path, struct hb_err *e) {
        struct hb_trace_item i;
        uint64_t at, of;
        int rc;

        while ((rc = hb_trace_reader_next(r->reader, &i, e)) > 0) {
                if (i.kind != HB_TRACE_EPOCH)
                        continue;
                rc = take_epoch(r, &i);
                if (rc < 0)
                        return hb_err_set(e, rc, path, rc == -EBADMSG ? "harbinger trace verify it" : NULL,
                                          "no lessons from epoch %u on: %s", i.epoch, strerror(-rc));
                at = hb_trace_reader_at(r->reader, &of);
                if (r->tick && r->epochs++ % TICK_EPOCHS == 0 && r->tick(r->arg, at, of))
                        return hb_err_set(e, -ECANCELED, path, NULL, "the reading was ended");
        }
        return rc;
}

static int begin(struct reading *r) {
        uint64_t pages = r->h->shape.pages;
        int rc = hb_history_new(pages, &r->history);

        if (rc == 0)
                rc = hb_bitmap_init(&r->touched, pages);
        r->random = r->o.seed;
        r->due_ns = ns(r->o.warmup_s);
        return rc;
}

int hb_dataset_read(const char *path, const struct hb_dataset_options *o, hb_dataset_take *take,
                    int (*tick)(void *arg, uint64_t at, uint64_t of), void *arg, struct hb_err *e) {
        struct reading r = {.o = *o, .take = take, .tick = tick, .arg = arg};
        int rc;

        defaults(&r.o);
        rc = hb_trace_reader_open(path, &r.reader, e);
        if (rc < 0)
                return rc;
        r.h = hb_trace_reader_header(r.reader);
        rc = begin(&r);
        if (rc == 0)
                rc = read_all(&r, path, e);
        else
                hb_err_set(e, rc, path, NULL, "no memory for the history of %llu pages",
                           (unsigned long long)r.h->shape.pages);
        while (r.open) {
                struct open_lesson *l = r.open;

                r.open = l->next;
                open_free(l);
        }
        hb_history_free(r.history);
        hb_bitmap_fini(&r.touched);
        hb_trace_reader_free(r.reader);
        return rc;
}
