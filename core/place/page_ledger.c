/* page_ledger: see the header. Cost: a few nanoseconds a change; finding the next wanted page costs one look
 * for each 64 pages passed over. */
#include "place/page_ledger.h"
#include "base/fault.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int count_all(struct hb_page_ledger *l, struct hb_image_page *pages, uint64_t npages, bool blank) {
        *l = (struct hb_page_ledger){.pages = pages, .npages = npages};
        l->wanted.words =
                calloc((npages + 63) / 64, sizeof(uint64_t)); /* no fault point: recounts are for tests */
        if (!l->wanted.words)
                return -ENOMEM;
        l->wanted.bits = npages;
        for (uint64_t g = 0; g < l->npages && !blank; g++)
                hb_page_ledger_put(l, g);
        return 0;
}

int hb_page_ledger_init(struct hb_page_ledger *l, const struct hb_engine_image *image) {
        *l = (struct hb_page_ledger){0};
        return hb_fault("ledger.init") ? -ENOMEM
                                       : count_all(l, image->pages, image->shape->pages, image->blank);
}

void hb_page_ledger_fini(struct hb_page_ledger *l) {
        hb_bitmap_fini(&l->wanted);
}

bool hb_page_ledger_sound(const struct hb_page_ledger *l) {
        struct hb_page_ledger again;
        bool same;

        if (count_all(&again, l->pages, l->npages, false) < 0)
                return false;
        same = memcmp(again.state, l->state, sizeof(l->state)) == 0 && again.resident == l->resident &&
               again.zero == l->zero && again.hits == l->hits && again.stale_hits == l->stale_hits &&
               again.known == l->known && again.copying == l->copying &&
               memcmp(again.wanted.words, l->wanted.words, (l->npages + 63) / 64 * sizeof(uint64_t)) == 0;
        hb_page_ledger_fini(&again);
        return same;
}
