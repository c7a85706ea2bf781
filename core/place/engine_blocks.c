/* engine_blocks: a large guest known by the words of its blocks (block_words.h), and which of them the engine
 * would know more of.
 *
 * The rule: a block is asked about when a page of it comes up to the cut by what the word says, while pages
 * unlike the word have still to be told. Each block once for each word. What is asked for changes no
 * decision; what is then told is an input like any other. */
#include "place/engine_priv.h"

void hb_engine_words_told(struct hb_engine *e, const struct hb_summary_entry *entry) {
        if (entry->block)
                hb_block_words_put(&e->words, entry);
        else
                hb_block_words_told(&e->words, entry->gfn, entry->pages);
}

uint64_t hb_engine_ask_detail(hb_engine *e, struct hb_bitmap *into) {
        return e->words.any ? hb_block_words_ask(&e->words, into) : 0;
}
