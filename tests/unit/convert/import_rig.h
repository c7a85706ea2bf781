/* import_rig: text (or bytes) through an importer into memory. */
#pragma once
#include "check.h"
#include "convert/import.h"
#include "convert/source.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RIG_MAX 4096

struct rig {
        struct hb_import_options o;
        struct hb_import_stats stats;
        struct hb_trace_header header;
        struct hb_err err;
        unsigned begun, epochs;
        uint32_t last_epoch;
        uint64_t last_ns, pages;
        size_t n; /* all accesses, in order */
        struct rig_access {
                uint32_t epoch;
                uint64_t time_ns;
                uint32_t gfn, reads, writes;
        } a[RIG_MAX];
};

static inline int rig_begin(void *arg, const struct hb_trace_header *h, struct hb_err *e) {
        struct rig *r = arg;

        r->header = *h;
        assert_int_equal(r->begun++, 0);
        return 0;
}

static inline int rig_epoch(void *arg, uint32_t epoch, uint64_t time_ns, const struct hb_trace_access *a,
                            size_t n, uint64_t pages, struct hb_err *e) {
        struct rig *r = arg;

        assert_int_equal(r->begun, 1);
        assert_true(epoch > r->last_epoch && time_ns > r->last_ns && n > 0 && pages >= r->pages);
        for (size_t i = 0; i < n; i++) {
                assert_true(i == 0 || a[i].gfn > a[i - 1].gfn);
                assert_true(a[i].gfn < pages && (a[i].reads || a[i].writes));
                if (r->n < RIG_MAX)
                        r->a[r->n++] = (struct rig_access){epoch, time_ns, a[i].gfn, a[i].reads, a[i].writes};
        }
        r->epochs++;
        r->last_epoch = epoch;
        r->last_ns = time_ns;
        r->pages = pages;
        return 0;
}

/* Options are set by the caller in a rig of zeros. */
static inline int rig_bytes(struct rig *r, const void *data, size_t size) {
        struct hb_import_sink sink = {rig_begin, rig_epoch, r};
        hb_source *s;
        int rc;

        r->o.stop_fd = -1;
        assert_int_equal(hb_source_memory(data, size, &s, &r->err), 0);
        rc = hb_import_from(s, "input", &r->o, &sink, &r->stats, &r->err);
        hb_source_free(s);
        return rc;
}

static inline int rig_text(struct rig *r, const char *text) {
        return rig_bytes(r, text, strlen(text));
}

/* "epoch@seconds gfn/reads/writes ..." of all that came out. */
static inline const char *rig_said(const struct rig *r) {
        static char text[16384];
        size_t at = 0;

        text[0] = '\0';
        for (size_t i = 0; i < r->n && at < sizeof(text) - 100; i++) {
                if (i == 0 || r->a[i - 1].epoch != r->a[i].epoch)
                        at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%u@%.9g", i ? " " : "",
                                               r->a[i].epoch, (double)r->a[i].time_ns / 1e9);
                at += (size_t)snprintf(text + at, sizeof(text) - at, " %u/%u/%u", r->a[i].gfn, r->a[i].reads,
                                       r->a[i].writes);
        }
        return text;
}

static inline void rig_gives(const char *text, struct hb_import_options o, const char *expected) {
        struct rig *r = calloc(1, sizeof(*r));

        r->o = o;
        if (rig_text(r, text) != 0)
                fail_msg("%s (%s)", r->err.what, r->err.which);
        assert_string_equal(rig_said(r), expected);
        free(r);
}

/* Refused with this code; the error names the place and says this. */
static inline void rig_refuses(const char *text, struct hb_import_options o, int code, const char *which,
                               const char *what) {
        struct rig *r = calloc(1, sizeof(*r));
        int rc;

        r->o = o;
        rc = rig_text(r, text);
        if (rc != code || !strstr(r->err.which, which) || !strstr(r->err.what, what))
                fail_msg("%d: \"%s\" (%s), expected %d: \"%s\" (%s)", rc, r->err.what, r->err.which, code,
                         what, which);
        free(r);
}
