/* block_words: see the header. Everything here follows from the engine's inputs alone, but for `asked`, which
 * steers nothing but what is asked for. Cost: a word is one store and eight words of a bitmap cleared. */
#include "place/block_words.h"
#include "base/fault.h"
#include <errno.h>
#include <stdlib.h>

int hb_block_words_init(struct hb_block_words *w, uint64_t pages) {
        int rc;

        *w = (struct hb_block_words){.pages = pages, .blocks = hb_blocks_of(pages)};
        w->word = hb_fault("block_words.init") ? NULL : calloc(w->blocks, sizeof(*w->word));
        if (!w->word)
                return -ENOMEM;
        rc = hb_bitmap_init(&w->told, pages);
        if (rc == 0)
                rc = hb_bitmap_init(&w->wanted, w->blocks);
        if (rc == 0)
                rc = hb_bitmap_init(&w->asked, w->blocks);
        if (rc < 0)
                hb_block_words_fini(w);
        return rc;
}

void hb_block_words_fini(struct hb_block_words *w) {
        free(w->word);
        hb_bitmap_fini(&w->told);
        hb_bitmap_fini(&w->wanted);
        hb_bitmap_fini(&w->asked);
        *w = (struct hb_block_words){0};
}

static void told_page(struct hb_block_words *w, uint64_t gfn) {
        if (hb_bitmap_test(&w->told, gfn))
                return;
        hb_bitmap_set(&w->told, gfn);
        w->word[gfn >> HB_BLOCK_SHIFT].told++;
}

void hb_block_words_told(struct hb_block_words *w, uint64_t gfn, uint64_t pages) {
        if (!w->any) { /* nobody counts; a word that comes begins anew */
                hb_bitmap_set_range(&w->told, gfn, pages);
                return;
        }
        for (uint64_t g = gfn; g < gfn + pages; g++)
                told_page(w, g);
}

void hb_block_words_put(struct hb_block_words *w, const struct hb_summary_entry *e) {
        struct hb_block_word word = {.access = e->last_access,
                                     .any_access = e->any_access,
                                     .write_q = hb_heat_q(e->write_heat),
                                     .read_q = hb_heat_q(e->read_heat),
                                     .any_write_q = hb_heat_q(e->any_write_heat),
                                     .any_read_q = hb_heat_q(e->any_read_heat),
                                     .unlike = (uint16_t)(HB_BLOCK_WORD | e->unlike)};
        uint64_t first = e->gfn >> HB_BLOCK_SHIFT, n = hb_blocks_of(e->pages);

        w->any = true;
        for (uint64_t b = first; b < first + n; b++)
                w->word[b] = word;
        hb_bitmap_clear_range(&w->told, e->gfn, e->pages);
        hb_bitmap_clear_range(&w->wanted, first, n);
        hb_bitmap_clear_range(&w->asked, first, n);
}

void hb_block_words_worth(struct hb_block_words *w, uint64_t gfn) {
        uint64_t b = gfn >> HB_BLOCK_SHIFT;

        if (hb_block_word_open(&w->word[b]) && !hb_bitmap_test(&w->asked, b) &&
            !hb_bitmap_test(&w->told, gfn))
                hb_bitmap_set(&w->wanted, b);
}

uint64_t hb_block_words_ask(struct hb_block_words *w, struct hb_bitmap *into) {
        uint64_t first = 0, n = 0, asked = 0;

        while (asked < HB_DETAIL_BLOCKS &&
               hb_bitmap_next_run(&w->wanted, first + n, HB_DETAIL_BLOCKS - asked, &first, &n)) {
                for (uint64_t b = first; b < first + n; b++) {
                        if (!hb_block_word_open(&w->word[b])) /* told meanwhile */
                                continue;
                        hb_bitmap_set(into, b);
                        hb_bitmap_set(&w->asked, b);
                        asked++;
                }
                hb_bitmap_clear_range(&w->wanted, first, n);
        }
        return asked;
}
