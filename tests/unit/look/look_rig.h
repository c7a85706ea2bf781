/* look_rig: traces written and read back whole, for the tests of this folder. */
#pragma once
#include "look/rewrite.h"
#include "look/scan.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "trace_synth.h"

#define S 1000000000ull

struct rig {
        char dir[64], a[80], b[80], c[80], out[80];
};

static int rig_setup(void **state) {
        struct rig *r = calloc(1, sizeof(*r));

        snprintf(r->dir, sizeof(r->dir), "/tmp/hb-look-XXXXXX");
        assert_non_null(mkdtemp(r->dir));
        snprintf(r->a, sizeof(r->a), "%s/a.hbt", r->dir);
        snprintf(r->b, sizeof(r->b), "%s/b.hbt", r->dir);
        snprintf(r->c, sizeof(r->c), "%s/c.hbt", r->dir);
        snprintf(r->out, sizeof(r->out), "%s/out.hbt", r->dir);
        *state = r;
        return 0;
}

static int rig_teardown(void **state) {
        struct rig *r = *state;

        unlink(r->a);
        unlink(r->b);
        unlink(r->c);
        unlink(r->out);
        assert_int_equal(rmdir(r->dir), 0); /* nothing else was left there */
        free(r);
        return 0;
}

static inline struct hb_trace_header head(const char *guest, uint64_t pages) {
        struct hb_trace_header h = {.page_size = 4096,
                                    .epoch_ns = S,
                                    .begins_unix_ns = 1700000000 * S,
                                    .origin = HB_TRACE_SYNTHETIC,
                                    .flags = HB_TRACE_COUNTS | HB_TRACE_EXACT_READS | HB_TRACE_EXACT_WRITES,
                                    .seed = 5};

        snprintf(h.guest, sizeof(h.guest), "%s", guest);
        snprintf(h.host, sizeof(h.host), "secret-host");
        snprintf(h.note, sizeof(h.note), "secret note");
        snprintf(h.policies[0].name, sizeof(h.policies[0].name), "ewma");
        snprintf(h.policies[0].version, sizeof(h.policies[0].version), "1.0.0");
        snprintf(h.policies[0].hash, sizeof(h.policies[0].hash), "aaaa");
        assert_int_equal(hb_shape_add(&h.shape, "secret-ram", pages * 4096, 4096, NULL), 0);
        return h;
}

static inline hb_trace_writer *begin_trace(const char *path, const struct hb_trace_header *h) {
        struct hb_trace_writer_options o = {.block_bytes = 4096, .atomic = true, .replace = true};
        hb_trace_writer *w = NULL;
        struct hb_err e = {0};

        if (hb_trace_writer_new(path, h, &o, &w, &e) < 0)
                fail_msg("%s", e.what);
        return w;
}

static inline void end_trace(hb_trace_writer *w) {
        struct hb_err e = {0};

        if (hb_trace_writer_close(w, &e) < 0)
                fail_msg("%s", e.what);
}

static inline void put_epoch(hb_trace_writer *w, uint32_t epoch, uint32_t gfn, uint32_t reads,
                             uint32_t writes) {
        struct hb_trace_access a = {gfn, reads, writes};

        assert_int_equal(hb_trace_writer_epoch(w, epoch, epoch * S, &a, 1), 0);
}

static inline void put_raw(hb_trace_writer *w, uint64_t time_ns, enum hb_trace_stream s, const void *data,
                           size_t n) {
        struct hb_trace_event ev = {.stream = s, .time_ns = time_ns};

        ev.raw.data = data;
        ev.raw.size = n;
        assert_int_equal(hb_trace_writer_event(w, &ev), 0);
}

static inline void put_mark(hb_trace_writer *w, uint64_t time_ns, enum hb_trace_mark k, uint64_t value,
                            const char *text) {
        assert_int_equal(hb_trace_writer_mark(w, time_ns, k, value, text), 0);
}

/* One line an item: "E3@3000000000 7:1/0 9:0/2", "mark note 0 text", "input 3". */
static char *story(const char *path) {
        hb_trace_reader *r = NULL;
        struct hb_trace_item i;
        struct hb_err e = {0};
        size_t size = 0;
        char *text = NULL;
        FILE *f = open_memstream(&text, &size);
        int rc = hb_trace_reader_open(path, &r, &e);

        if (rc < 0)
                fail_msg("%s", e.what);
        while ((rc = hb_trace_reader_next(r, &i, &e)) > 0) {
                const struct hb_trace_event *ev = &i.event;

                if (i.kind == HB_TRACE_EPOCH) {
                        fprintf(f, "E%u@%.1f", i.epoch, (double)i.time_ns / 1e9);
                        for (size_t k = 0; k < i.naccess; k++)
                                fprintf(f, " %u:%u/%u", i.access[k].gfn, i.access[k].reads,
                                        i.access[k].writes);
                } else if (ev->stream == HB_TRACE_MARK) {
                        fprintf(f, "%s@%.1f %llu %s", hb_trace_mark_name(ev->mark.kind),
                                (double)i.time_ns / 1e9, (unsigned long long)ev->mark.value, ev->mark.text);
                } else if (ev->stream == HB_TRACE_DECISION) {
                        fprintf(f, "decision %llu+%u", (unsigned long long)ev->decision.gfn,
                                ev->decision.pages);
                } else if (ev->stream == HB_TRACE_TRANSFER) {
                        fprintf(f, "transfer %llu+%u %llu", (unsigned long long)ev->transfer.gfn,
                                ev->transfer.pages, (unsigned long long)ev->transfer.wire_bytes);
                } else if (ev->stream >= HB_TRACE_INPUT) {
                        fprintf(f, "%s@%.1f", hb_trace_stream_name(ev->stream), (double)i.time_ns / 1e9);
                        for (size_t k = 0; k < ev->raw.size && k < 12; k++)
                                fprintf(f, " %u", ev->raw.data[k]);
                } else {
                        fputs(hb_trace_stream_name(ev->stream), f);
                }
                fputc('\n', f);
        }
        if (rc < 0)
                fprintf(f, "damaged\n");
        hb_trace_reader_free(r);
        fclose(f);
        return text;
}

static inline void tells(const char *path, const char *expected) {
        char *text = story(path);

        assert_string_equal(text, expected);
        free(text);
}

static inline void scan_file(const char *path, struct hb_scan *s, struct hb_trace_info *info) {
        hb_trace_reader *r = NULL;
        struct hb_err e = {0};

        if (hb_trace_reader_open(path, &r, &e) < 0 || hb_look_scan(r, NULL, NULL, s, &e) < 0)
                fail_msg("%s", e.what);
        if (info)
                hb_trace_reader_info(r, info);
        hb_trace_reader_free(r);
}

static inline struct hb_trace_header header_of(const char *path) {
        hb_trace_reader *r = NULL;
        struct hb_trace_header h;

        assert_int_equal(hb_trace_reader_open(path, &r, NULL), 0);
        h = *hb_trace_reader_header(r);
        hb_trace_reader_free(r);
        return h;
}
