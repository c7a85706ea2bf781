/* Summaries from a peer: entries must ascend inside the guest and speak of epochs that were; a bad one
 * delivers nothing. */
#include "map/summary.h"
#include <stdlib.h>

#define PAGES 100000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct seen {
        uint64_t end, entries;
        uint32_t newest;
};

static void entry(void *arg, const struct hb_summary_entry *e) {
        struct seen *s = arg;

        if (e->gfn < s->end || e->pages == 0 || e->gfn + e->pages > PAGES)
                abort();
        if (e->block && (e->gfn % HB_BLOCK_PAGES || e->unlike > HB_BLOCK_PAGES ||
                         (e->pages % HB_BLOCK_PAGES && e->gfn + e->pages != PAGES) ||
                         !(e->any_write_heat >= 0.0f && e->any_write_heat < 1e5f)))
                abort();
        if (!(e->write_heat >= 0.0f && e->write_heat < 1e5f && e->read_heat >= 0.0f && e->read_heat < 1e5f))
                abort();
        s->end = e->gfn + e->pages;
        s->entries++;
        s->newest = e->version > s->newest ? e->version : s->newest;
        s->newest = e->last_access > s->newest ? e->last_access : s->newest;
        s->newest = e->any_access > s->newest ? e->any_access : s->newest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct seen s = {0};
        uint32_t epoch = 0;
        uint64_t time_ns = 0;
        int rc = hb_summary_decode(data, size, PAGES, &epoch, &time_ns, entry, &s);

        if (rc < 0 ? s.entries != 0 : s.newest > epoch)
                abort();
        return 0;
}
