/* cut: a part of a trace.
 *
 * Read from the beginning even where the index could jump: what was known before the part (active policies,
 * resident pages, the time at which the part begins) is in the stream. Memory: a bit a page, and only for
 * traces that tell which pages are resident. One thread. */
#include "look/pipe.h"
#include "look/runs.h"
#include <errno.h>
#include <string.h>

struct cut {
        struct hb_look_pipe p;
        const struct hb_look_cut *w;
        struct hb_trace_header h;
        struct hb_bitmap resident; /* bits 0: not tracked */
        uint32_t first_epoch;      /* of the trace */
        uint64_t before_ns;        /* time of the last epoch before the part */
        bool before;               /* there was one */
        bool tail;                 /* the trace's last epoch is inside: what follows it belongs to it */
        bool engine;               /* the engine began inside */
        bool chained;              /* or nothing was left out before */
        uint64_t end_ns;           /* time of the last epoch taken */
};

static bool is_before(const struct cut *c, const struct hb_trace_item *i) {
        return c->w->by_time ? i->time_ns < c->w->from_ns : i->epoch < c->w->from;
}

static bool is_after(const struct cut *c, const struct hb_trace_item *i) {
        return c->w->by_time ? i->time_ns > c->w->to_ns : i->epoch > c->w->to;
}

static bool has_page(const struct cut *c, uint64_t gfn) {
        return gfn >= c->w->first_page && (c->w->npages == 0 || gfn - c->w->first_page < c->w->npages);
}

static bool all_pages(const struct cut *c) {
        return c->w->first_page == 0 && c->w->npages == 0;
}

/* Before the part: only what the part's beginning must tell. */
static void remember(struct cut *c, const struct hb_trace_item *i) {
        c->chained = false;
        if (i->kind == HB_TRACE_EPOCH) {
                c->before = true;
                c->before_ns = i->time_ns;
                for (size_t k = 0; k < i->naccess && c->resident.bits; k++)
                        hb_bitmap_set(&c->resident, i->access[k].gfn);
                return;
        }
        c->p.r.left_out++;
        hb_look_policy_of_mark(&i->event, c->h.policies);
        if (i->event.stream == HB_TRACE_RESIDENT && c->resident.bits)
                hb_look_runs_read(i->event.raw.data, i->event.raw.size, &c->resident);
}

static int put_resident(struct cut *c, uint64_t time_ns, const struct hb_bitmap *pages, struct hb_err *e) {
        struct hb_trace_event ev = {.stream = HB_TRACE_RESIDENT, .time_ns = time_ns};
        struct hb_buf runs = {0};
        int r = 0;

        hb_look_runs_write(pages, &runs);
        ev.raw.data = runs.data;
        ev.raw.size = runs.len;
        if (runs.failed)
                r = hb_err_set(e, -ENOMEM, NULL, NULL, "no memory for the resident pages");
        else if (runs.len)
                r = hb_look_pipe_event(&c->p, &ev, e);
        hb_buf_free(&runs);
        return r;
}

/* The pages outside the range are not told of. */
static void keep_range(const struct cut *c, struct hb_bitmap *pages) {
        uint64_t end = c->w->npages ? c->w->first_page + c->w->npages : pages->bits;

        hb_bitmap_clear_range(pages, 0, c->w->first_page < pages->bits ? c->w->first_page : pages->bits);
        if (end < pages->bits)
                hb_bitmap_clear_range(pages, end, pages->bits - end);
}

static int begin(struct cut *c, uint64_t time_ns, struct hb_err *e) {
        int r = hb_look_pipe_begin(&c->p, &c->h, e);

        if (r < 0 || !c->resident.bits)
                return r;
        keep_range(c, &c->resident);
        return put_resident(c, time_ns, &c->resident, e);
}

static int ready(struct cut *c, uint64_t time_ns, struct hb_err *e) {
        return c->p.out ? 0 : begin(c, time_ns, e);
}

static int take_epoch(struct cut *c, const struct hb_trace_item *i, struct hb_err *e) {
        size_t from = hb_trace_access_from(i->access, i->naccess, c->w->first_page);
        size_t to = c->w->npages
                            ? hb_trace_access_from(i->access, i->naccess, c->w->first_page + c->w->npages)
                            : i->naccess;
        int r = ready(c, c->before ? c->before_ns : 0, e);

        c->end_ns = i->time_ns;
        return r < 0 ? r : hb_look_pipe_epoch(&c->p, i->epoch, i->time_ns, i->access + from, to - from, e);
}

/* A range of pages leaves out what is said of others; a run that reaches out of it is shortened. */
static bool shorten(const struct cut *c, uint64_t *gfn, uint32_t *pages) {
        uint64_t first = *gfn, end = *gfn + *pages, last = c->w->first_page + c->w->npages;

        first = first < c->w->first_page ? c->w->first_page : first;
        end = c->w->npages && end > last ? last : end;
        if (first >= end)
                return false;
        *gfn = first;
        *pages = (uint32_t)(end - first);
        return true;
}

static int take_resident(struct cut *c, const struct hb_trace_event *ev, struct hb_err *e) {
        hb_bitmap_clear_all(&c->resident);
        if (hb_look_runs_read(ev->raw.data, ev->raw.size, &c->resident) < 0)
                return hb_err_set(e, -EBADMSG, NULL, "harbinger trace verify tells more",
                                  "an event tells of pages that are none");
        keep_range(c, &c->resident);
        return put_resident(c, ev->time_ns, &c->resident, e);
}

/* Whether an event inside the part goes with it; a run in it may be shortened. */
static bool wanted(struct cut *c, struct hb_trace_event *ev) {
        if (ev->stream == HB_TRACE_MARK && ev->mark.kind == HB_MARK_ENGINE)
                c->engine = true;
        if (ev->stream == HB_TRACE_INPUT ||
            (ev->stream == HB_TRACE_MARK &&
             (ev->mark.kind == HB_MARK_DIGEST || ev->mark.kind == HB_MARK_ENGINE)))
                return all_pages(c) && (c->engine || c->chained);
        if (ev->stream == HB_TRACE_FINGERPRINT)
                return all_pages(c);
        if (all_pages(c))
                return true;
        if (ev->stream == HB_TRACE_DECISION)
                return shorten(c, &ev->decision.gfn, &ev->decision.pages);
        if (ev->stream == HB_TRACE_TRANSFER)
                return has_page(c, ev->transfer.gfn) &&
                       has_page(c, ev->transfer.gfn + (ev->transfer.pages ? ev->transfer.pages - 1 : 0));
        return true;
}

static int take_event(struct cut *c, const struct hb_trace_item *i, struct hb_err *e) {
        struct hb_trace_event ev = i->event;
        int r = ready(c, c->before ? c->before_ns : 0, e);

        if (r < 0)
                return r;
        if (ev.stream == HB_TRACE_RESIDENT && !all_pages(c))
                return take_resident(c, &ev, e);
        if (!wanted(c, &ev)) {
                c->p.r.left_out++;
                return 0;
        }
        return hb_look_pipe_event(&c->p, &ev, e);
}

/* An event belongs to the first epoch that ends at or after it. Whether that one is inside is known from the
 * epoch before it; epochs are dense but for gaps, whose events go with what is before the gap. */
static bool event_before(const struct cut *c, const struct hb_trace_item *i) {
        if (c->p.r.epochs)
                return false;
        if (c->w->by_time)
                return i->time_ns < c->w->from_ns;
        if (!c->before)
                return c->first_epoch < c->w->from;
        return (uint64_t)i->epoch + 1 < c->w->from || i->time_ns <= c->before_ns;
}

static bool event_after(const struct cut *c, const struct hb_trace_item *i) {
        if (c->w->by_time)
                return i->time_ns > c->w->to_ns;
        return c->p.r.epochs && i->epoch >= c->w->to && i->time_ns > c->end_ns && !c->tail;
}

static int take(struct cut *c, const struct hb_trace_item *i, struct hb_err *e) {
        bool epoch = i->kind == HB_TRACE_EPOCH;

        if (epoch ? is_before(c, i) : event_before(c, i)) {
                remember(c, i);
                return 0;
        }
        if (!epoch && event_after(c, i)) {
                c->p.r.left_out++;
                return 0;
        }
        return epoch ? take_epoch(c, i, e) : take_event(c, i, e);
}

static int run(struct cut *c, hb_trace_reader *in, struct hb_err *e) {
        struct hb_trace_item item;
        int r;

        while ((r = hb_trace_reader_next(in, &item, e)) > 0) {
                if (item.kind == HB_TRACE_EPOCH && is_after(c, &item))
                        return 0;
                r = take(c, &item, e);
                if (r == 0)
                        r = hb_look_pipe_tick(&c->p, in, e);
                if (r < 0)
                        return r;
        }
        return r;
}

static void describe(struct cut *c) {
        const struct hb_look_cut *w = c->w;

        c->h.part = 0;
        if (w->by_time)
                hb_look_note(&c->h, "cut: %.3f s to %.3f s", (double)w->from_ns / 1e9,
                             (double)w->to_ns / 1e9);
        else
                hb_look_note(&c->h, "cut: epochs %u to %u", w->from, w->to);
        if (!all_pages(c))
                hb_look_note(&c->h, "pages from %llu, %llu of them", (unsigned long long)w->first_page,
                             (unsigned long long)w->npages);
}

/* The range that is meant, in numbers that are there. */
static int prepare(struct cut *c, const hb_trace_reader *in, struct hb_look_cut *w, struct hb_err *e) {
        struct hb_trace_info info;

        hb_trace_reader_info(in, &info);
        c->h = *hb_trace_reader_header(in);
        c->first_epoch = info.first_epoch;
        c->tail = w->to >= info.last_epoch;
        if (w->first_page >= c->h.shape.pages || (w->npages && w->first_page + w->npages < w->first_page))
                return hb_err_set(e, -EINVAL, NULL, "harbinger trace info FILE tells how many there are",
                                  "there are no pages in that range");
        if (w->npages > c->h.shape.pages - w->first_page)
                w->npages = c->h.shape.pages - w->first_page;
        if (w->first_page == 0 && w->npages == c->h.shape.pages)
                w->npages = 0;
        w->to = w->to < info.last_epoch ? w->to : info.last_epoch;
        w->from = w->from > info.first_epoch ? w->from : info.first_epoch;
        w->to_ns = w->to_ns < info.last_ns ? w->to_ns : info.last_ns;
        describe(c);
        if (info.events[HB_TRACE_RESIDENT] && hb_bitmap_init(&c->resident, c->h.shape.pages) < 0)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory for the resident pages");
        return 0;
}

int hb_look_cut(const char *in, const struct hb_look_cut *what, const struct hb_look_output *o,
                struct hb_look_result *ret, struct hb_err *e) {
        struct hb_look_cut w = *what;
        struct cut c = {.w = &w, .chained = true};
        hb_trace_reader *reader = NULL;
        int r;

        w.to = w.to ? w.to : UINT32_MAX;
        w.to_ns = w.to_ns ? w.to_ns : UINT64_MAX;
        hb_look_pipe_init(&c.p, o);
        r = hb_look_pipe_open(&c.p, in, &reader, e);
        if (r == 0)
                r = prepare(&c, reader, &w, e);
        if (r == 0 && (w.by_time || w.from <= w.to))
                r = run(&c, reader, e);
        r = hb_look_pipe_end(&c.p, r, ret, e);
        hb_bitmap_fini(&c.resident);
        hb_trace_reader_free(reader);
        return r;
}
