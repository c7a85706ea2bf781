/* block_words: what is known of a large guest's pages before, and beside, what is known of each: a word for a
 * 2 MiB block, of which policies are shown what a page has no own word for. Internal to the room.
 *
 * The records of pages stay as they are: a word is looked up when a page is shown, so a guest of a TiB is
 * known after half a million words, and none of its 268 million records was touched. A word replaces what was
 * told of its block's pages; each page told after it speaks for itself; and when as many as the word said to
 * be unlike have been told, the others are what it says of the rest. A page's own newer access, which
 * announcements tell, always holds.
 *
 * Memory: 16 bytes a block and a bit a page, taken by the kernel where touched. One thread, the engine's. */
#pragma once
#include "base/bitmap.h"
#include "map/summary.h"
#include "place/image.h"

struct hb_block_word {
        uint32_t access, any_access;
        uint8_t write_q, read_q, any_write_q, any_read_q;
        uint16_t unlike; /* HB_BLOCK_WORD and how many; 0: there is no word */
        uint16_t told;   /* pages told since */
};
#define HB_BLOCK_WORD 0x8000u

struct hb_block_words {
        struct hb_block_word *word;
        uint64_t pages, blocks;
        struct hb_bitmap told;          /* pages with a word of their own */
        struct hb_bitmap wanted, asked; /* blocks whose detail is worth asking for; was asked for */
        bool any;                       /* a word ever came */
};

int hb_block_words_init(struct hb_block_words *w, uint64_t pages); /* -ENOMEM */
void hb_block_words_fini(struct hb_block_words *w);
void hb_block_words_told(struct hb_block_words *w, uint64_t gfn, uint64_t pages);
void hb_block_words_put(struct hb_block_words *w, const struct hb_summary_entry *entry);
/* A page of that block is worth fetching, by what its word says. */
void hb_block_words_worth(struct hb_block_words *w, uint64_t gfn);
/* Moves at most HB_DETAIL_BLOCKS wanted blocks into `into` (a bit a block); returns how many. */
uint64_t hb_block_words_ask(struct hb_block_words *w, struct hb_bitmap *into);

/* Unlike pages have still to be told. */
static inline bool hb_block_word_open(const struct hb_block_word *w) {
        return w->told < (w->unlike & ~HB_BLOCK_WORD);
}

/* Completes a copy of the page's record by what its block's word says. */
static inline void hb_block_words_fill(const struct hb_block_words *w, uint64_t gfn,
                                       struct hb_image_page *p) {
        const struct hb_block_word *b = &w->word[gfn >> HB_BLOCK_SHIFT];
        bool open = hb_block_word_open(b);
        uint32_t access = open ? b->any_access : b->access;

        if (!b->unlike || hb_bitmap_test(&w->told, gfn))
                return;
        p->write_q = open ? b->any_write_q : b->write_q;
        p->read_q = open ? b->any_read_q : b->read_q;
        if (access > p->last_access)
                p->last_access = access;
}
