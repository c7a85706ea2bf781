/* import_harness: what the fuzzers of the importers share. The input's first byte chooses options, the rest
 * is the foreign trace. Whatever comes: epochs ascend and are not empty, pages are sorted and inside the
 * guest, sums fit what is told, and an error says what, and where. The including file defines FORMAT. */
#pragma once
#include "convert/import.h"
#include "convert/source.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct heard {
        bool begun;
        uint32_t epoch;
        uint64_t time_ns, pages, records, epochs;
};

static void check(bool ok) {
        if (!ok)
                abort();
}

static int begin(void *arg, const struct hb_trace_header *h, struct hb_err *e) {
        struct heard *s = arg;

        check(!s->begun && h->page_size == 4096 && h->epoch_ns > 0 && h->origin == HB_TRACE_IMPORT);
        check(memchr(h->note, '\0', sizeof(h->note)) && hb_name_ok(h->guest) && h->shape.nregions == 1);
        s->begun = true;
        return 0;
}

static int epoch(void *arg, uint32_t number, uint64_t time_ns, const struct hb_trace_access *a, size_t n,
                 uint64_t pages, struct hb_err *e) {
        struct heard *s = arg;

        check(s->begun && n > 0 && number > s->epoch && time_ns > s->time_ns && pages >= s->pages);
        for (size_t i = 0; i < n; i++)
                check((i == 0 || a[i - 1].gfn < a[i].gfn) && a[i].gfn < pages && (a[i].reads || a[i].writes));
        s->epoch = number;
        s->time_ns = time_ns;
        s->pages = pages;
        s->records += n;
        s->epochs++;
        return 0;
}

static struct hb_import_options options_of(uint8_t byte) {
        return (struct hb_import_options){
                .format = FORMAT,
                .map = (enum hb_import_map)(byte & 3),
                .page_size = byte & 4 ? 65536 : 4096,
                .epoch_ns = byte & 8 ? 1000 : 0,
                .epoch_accesses = byte & 8 ? 3 : 0,
                .unknown = byte & 16 ? HB_IMPORT_AS_WRITES : HB_IMPORT_AS_READS,
                .fetches = byte & 16,
                .from_ns = byte & 32 ? 2000000000 : 0,
                .to_ns = byte & 64 ? 9000000000 : 0,
                .most_pages = byte & 128 ? 8 : 0,
                .stop_fd = -1,
        };
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct hb_import_options o = options_of(size ? data[0] : 0);
        struct hb_import_stats stats;
        struct heard s = {0};
        struct hb_import_sink sink = {begin, epoch, &s};
        struct hb_err e = {0};
        hb_source *source;
        int r;

        check(hb_source_memory(size ? data + 1 : data, size ? size - 1 : 0, &source, &e) == 0);
        r = hb_import_from(source, "input", &o, &sink, &stats, &e);
        hb_source_free(source);
        if (r < 0) {
                check(e.code == r && e.what[0] && e.which[0]);
                return 0;
        }
        check(s.epochs > 0 && stats.epochs == s.epochs && stats.records == s.records &&
              stats.pages == s.pages);
        check(stats.format != HB_IMPORT_GUESS && stats.map != HB_IMPORT_MAP_USUAL && stats.accesses > 0);
        return 0;
}
