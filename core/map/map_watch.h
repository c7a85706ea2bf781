/* map_watch: how the summary encoder learns, without looking at every page, which pages have news. Internal
 * to the room.
 *
 * The map sets in each watcher's bitmaps the pages that were touched, whose sampled read heat changed class,
 * or whose residency flipped, and their blocks, so that a watcher walks only blocks with news. The watcher
 * clears both. A watcher is unlinked before it or the map is freed. */
#pragma once
#include "map/history.h"
#include "map/page_map.h"

struct hb_map_watch {
        struct hb_bitmap news, blocks; /* a bit a page, a bit a block */
        struct hb_map_watch *next;
};

void hb_page_map_watch(hb_page_map *m,
                       struct hb_map_watch *w); /* its bitmaps inited by the caller, sized as the map */
void hb_page_map_unwatch(hb_page_map *m, struct hb_map_watch *w);
/* Every page with anything to tell is news: ever touched, or resident. */
void hb_page_map_all_news(const hb_page_map *m, struct hb_map_watch *w);
/* The pages of a block with anything to tell, ascending; returns how many. */
uint32_t hb_page_map_block(const hb_page_map *m, uint64_t block, uint32_t ret[HB_BLOCK_PAGES]);
/* No page of the block was seen accessed and none holds memory that was never in a W, as far as is known
 * without a look at its records. */
bool hb_page_map_untouched(const hb_page_map *m, uint64_t block);

struct hb_map_brief { /* what a summary says of a page */
        uint32_t version, last_access;
        uint8_t write_q; /* as of last_access: it only decays from there */
        uint8_t read_q;  /* as last sampled */
        bool resident;
};
void hb_page_map_briefs(const hb_page_map *m, const uint32_t *gfn, uint32_t n, struct hb_map_brief *ret);
