/* sink: invariant: an epoch is written when its window is whole; a file exists only once the command was seen
 * running. Page numbers are given out in the order of addresses within a window, so that the same run gives
 * the same trace. Memory: one window, in a buffer that grows to the largest. */
#include "capture/sink.h"
#include "base/fault.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECOND_NS 1000000000u

struct hb_capture_sink {
        const char *path;
        const struct hb_capture_shape *shape;
        bool replace;
        enum hb_frame_unit unit;
        hb_trace_writer *writer;
        struct hb_frames frames;
        struct hb_dense dense;
        struct hb_frame_page *pages;
        struct hb_trace_access *accesses;
        size_t n, cap;
        uint64_t window, shown_pages;
        struct hb_capture_sums sums;
};

int hb_capture_sink_new(const char *path, bool replace, const struct hb_capture_shape *shape,
                        hb_capture_sink **ret, struct hb_err *e) {
        hb_capture_sink *s;
        struct stat st;

        if (!replace && lstat(path, &st) == 0)
                return hb_err_set(e, -EEXIST, path, "choose another name, or remove it",
                                  "the file is there already");
        s = calloc(1, sizeof(*s));
        if (!s)
                return hb_err_set(e, -ENOMEM, path, NULL, "no memory");
        s->path = path;
        s->replace = replace;
        s->shape = shape;
        *ret = s;
        return 0;
}

/* ---- the first frame: the header ---- */

static void host_name(char *out, size_t size) {
        char name[256] = "";

        gethostname(name, sizeof(name) - 1);
        name[strcspn(name, ".")] = '\0';
        snprintf(out, size, "%.*s", (int)size - 1, name);
        if (!hb_name_ok(out))
                snprintf(out, size, "host");
}

static int begin(hb_capture_sink *s, const struct hb_frame *f, struct hb_err *e) {
        struct hb_trace_header h = {.page_size = HB_PAGE_SIZE,
                                    .begins_unix_ns = f->hello.begins_unix_ns,
                                    .flags = HB_TRACE_COUNTS | HB_TRACE_EXACT_READS | HB_TRACE_EXACT_WRITES};
        struct hb_trace_writer_options o = {.atomic = s->replace, .replace = s->replace};
        uint64_t pages = f->hello.whole_guest ? s->shape->pages : HB_DENSE_BLOCK_PAGES;
        int r;

        if (f->hello.whole_guest != (s->shape->pages != 0))
                return -EBADMSG;
        s->unit = f->hello.unit;
        s->window = f->hello.window;
        h.origin = f->hello.whole_guest ? HB_TRACE_PLUGIN : HB_TRACE_PROGRAM;
        h.epoch_ns = s->unit == HB_UNIT_NS ? f->hello.window : SECOND_NS;
        snprintf(h.guest, sizeof(h.guest), "%s", s->shape->guest);
        snprintf(h.note, sizeof(h.note), "%s", s->shape->note);
        host_name(h.host, sizeof(h.host));
        r = hb_shape_add(&h.shape, s->shape->region, pages * HB_PAGE_SIZE, HB_PAGE_SIZE, e);
        if (r < 0)
                return r;
        s->shown_pages = pages;
        r = hb_trace_writer_new(s->path, &h, &o, &s->writer, e);
        s->sums.began = r == 0;
        return r;
}

/* ---- a window ---- */

static int gather(hb_capture_sink *s, struct hb_frame *f) {
        size_t need = s->n + f->pages.n, cap = s->cap ? s->cap : 4096;

        while (cap < need)
                cap *= 2;
        if (cap > s->cap) {
                struct hb_frame_page *p =
                        hb_fault("capture.window") ? NULL : realloc(s->pages, cap * sizeof(*p));
                struct hb_trace_access *a = NULL;

                s->pages = p ? p : s->pages;
                if (p)
                        a = realloc(s->accesses, cap * sizeof(*a));
                if (!a)
                        return -ENOMEM;
                s->accesses = a;
                s->cap = cap;
        }
        while (hb_frames_page(f, &s->pages[s->n]))
                s->n++;
        return 0;
}

static int by_page(const void *a, const void *b) {
        const struct hb_frame_page *x = a, *y = b;

        return x->page < y->page ? -1 : x->page > y->page;
}

static int by_gfn(const void *a, const void *b) {
        const struct hb_trace_access *x = a, *y = b;

        return x->gfn < y->gfn ? -1 : x->gfn > y->gfn;
}

/* Page numbers for all of the window. -EBADMSG: outside of the guest, or a page twice. */
static int number(hb_capture_sink *s) {
        bool sorted = true;
        int r;

        qsort(s->pages, s->n, sizeof(*s->pages), by_page);
        for (size_t i = 0; i < s->n; i++) {
                struct hb_trace_access *a = &s->accesses[i];

                if (i && s->pages[i].page == s->pages[i - 1].page)
                        return -EBADMSG;
                if (s->shape->pages) {
                        if (s->pages[i].page >= s->shape->pages)
                                return -EBADMSG;
                        a->gfn = (uint32_t)s->pages[i].page;
                } else {
                        r = hb_dense_gfn(&s->dense, s->pages[i].page, &a->gfn);
                        if (r < 0)
                                return r;
                }
                a->reads = s->pages[i].reads;
                a->writes = s->pages[i].writes;
                sorted = sorted && (!i || a[-1].gfn < a->gfn);
        }
        if (!sorted)
                qsort(s->accesses, s->n, sizeof(*s->accesses), by_gfn);
        return 0;
}

/* Accesses and instructions make a clock of their own: a window is a second of it. */
static uint64_t time_of(const hb_capture_sink *s, const struct hb_frame *f) {
        uint64_t at = s->unit == HB_UNIT_INSTRUCTIONS ? f->window.instructions : f->window.accesses, t;

        t = s->unit == HB_UNIT_NS ? f->window.ns : (uint64_t)((unsigned __int128)at * SECOND_NS / s->window);
        return t > s->sums.time_ns ? t : s->sums.time_ns + 1;
}

static int epoch(hb_capture_sink *s, const struct hb_frame *f) {
        uint64_t t = time_of(s, f);
        int r = number(s);

        if (r == 0 && hb_dense_pages(&s->dense) > s->shown_pages) {
                s->shown_pages = hb_dense_pages(&s->dense);
                r = hb_trace_writer_grow(s->writer, s->shown_pages);
        }
        if (r == 0)
                r = hb_trace_writer_epoch(s->writer, f->window.number, t, s->accesses, s->n);
        if (r < 0)
                return r;
        s->sums.epochs++;
        s->sums.records += s->n;
        s->sums.accesses = f->window.accesses;
        s->sums.time_ns = t;
        s->n = 0;
        return 0;
}

/* ---- bytes ---- */

static int take(hb_capture_sink *s, struct hb_frame *f, struct hb_err *e) {
        switch (f->kind) {
        case HB_FRAME_HELLO:
                return begin(s, f, e);
        case HB_FRAME_PAGES:
                return gather(s, f);
        case HB_FRAME_WINDOW:
                return epoch(s, f);
        case HB_FRAME_END:
                s->sums.lost = f->end.lost;
                s->sums.forks = f->end.forks;
                s->sums.ended = true;
                return 0;
        }
        return -EBADMSG;
}

int hb_capture_sink_feed(hb_capture_sink *s, const void *data, size_t n, struct hb_err *e) {
        struct hb_err own = {0};
        struct hb_frame f = {0};
        int r = hb_frames_add(&s->frames, data, n);

        while (r == 0) {
                r = hb_frames_next(&s->frames, &f);
                if (r == 1)
                        r = take(s, &f, &own);
                else if (r == 0)
                        return 0;
        }
        if (f.kind == HB_FRAME_HELLO && own.code == r) { /* what made no file said why */
                if (e)
                        *e = own;
                return r;
        }
        if (r == -EBADMSG || r == -EPROTONOSUPPORT)
                return hb_err_set(e, r, s->path, "the plugin and harbinger must be of one build",
                                  "what the emulator's plugin sends %s",
                                  r == -EBADMSG ? "is damaged" : "is of another version");
        return hb_err_set(
                e, r, s->path, r == -E2BIG ? "record a part of it" : "free some room, then record again",
                r == -E2BIG ? "the command touches more than 16 TiB" : "the trace cannot be written: %s",
                strerror(-r));
}

void hb_capture_sink_sums(const hb_capture_sink *s, struct hb_capture_sums *ret) {
        *ret = s->sums;
        ret->pages = s->shown_pages;
        if (s->writer)
                ret->bytes = hb_trace_writer_bytes(s->writer);
}

int hb_capture_sink_close(hb_capture_sink *s, const char *why, struct hb_err *e) {
        hb_trace_writer *w = s->writer;
        struct stat st;
        int r;

        if (s->sums.lost)
                (void)hb_trace_writer_mark(w, s->sums.time_ns, HB_MARK_DROPPED, s->sums.lost, "accesses");
        if (why)
                (void)hb_trace_writer_mark(w, s->sums.time_ns, HB_MARK_NOTE, 0, why);
        s->writer = NULL;
        r = hb_trace_writer_close(w, e);
        if (r == 0 && stat(s->path, &st) == 0)
                s->sums.bytes = (uint64_t)st.st_size;
        return r;
}

hb_capture_sink *hb_capture_sink_free(hb_capture_sink *s) {
        if (!s)
                return NULL;
        if (s->writer) {
                hb_trace_writer_free(s->writer);
                if (!s->replace && !s->sums.epochs)
                        unlink(s->path);
        }
        hb_frames_fini(&s->frames);
        hb_dense_fini(&s->dense);
        free(s->pages);
        free(s->accesses);
        free(s);
        return NULL;
}
