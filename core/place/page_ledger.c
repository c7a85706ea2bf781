/* page_ledger: see the header. Cost: a few nanoseconds a change; finding wanted pages costs one look a block
 * that has none. */
#include "place/page_ledger.h"
#include "base/fault.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int count_all(struct hb_page_ledger *l, struct hb_image_page *pages, uint64_t npages) {
        *l = (struct hb_page_ledger){.pages = pages, .npages = npages};
        l->nblocks = (npages + HB_LEDGER_BLOCK - 1) / HB_LEDGER_BLOCK;
        l->wanted_in = calloc(l->nblocks, sizeof(*l->wanted_in));
        if (!l->wanted_in)
                return -ENOMEM;
        for (uint64_t g = 0; g < l->npages; g++)
                hb_page_ledger_add(l, g, 1);
        return 0;
}

int hb_page_ledger_init(struct hb_page_ledger *l, const struct hb_engine_image *image) {
        *l = (struct hb_page_ledger){0};
        return hb_fault("ledger.init") ? -ENOMEM : count_all(l, image->pages, image->shape->pages);
}

void hb_page_ledger_fini(struct hb_page_ledger *l) {
        free(l->wanted_in);
        l->wanted_in = NULL;
}

uint64_t hb_page_ledger_next_wanted(const struct hb_page_ledger *l, uint64_t from) {
        while (from < l->npages) {
                uint64_t end = (from / HB_LEDGER_BLOCK + 1) * HB_LEDGER_BLOCK;

                if (end > l->npages)
                        end = l->npages;
                for (; from < end && l->wanted_in[from / HB_LEDGER_BLOCK]; from++)
                        if (hb_page_ledger_wants(&l->pages[from]))
                                return from;
                from = end;
        }
        return l->npages;
}

bool hb_page_ledger_sound(const struct hb_page_ledger *l) {
        struct hb_page_ledger again;
        bool same;

        if (count_all(&again, l->pages, l->npages) < 0)
                return false;
        same = memcmp(again.state, l->state, sizeof(l->state)) == 0 && again.resident == l->resident &&
               again.zero == l->zero && again.hits == l->hits && again.stale_hits == l->stale_hits &&
               memcmp(again.wanted_in, l->wanted_in, l->nblocks * sizeof(*l->wanted_in)) == 0;
        hb_page_ledger_fini(&again);
        return same;
}
