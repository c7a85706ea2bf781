/* map_watch: how the summary encoder learns, without looking at every page, which pages have news. Internal
 * to the room.
 *
 * The map sets in each watcher's bitmap the pages that were touched, whose sampled read heat changed class,
 * or whose residency flipped. The watcher clears them. A watcher is unlinked before it or the map is freed.
 */
#pragma once
#include "map/page_map.h"

struct hb_map_watch {
        struct hb_bitmap news;
        struct hb_map_watch *next;
};

void hb_page_map_watch(hb_page_map *m,
                       struct hb_map_watch *w); /* `news` inited by the caller, sized as the map */
void hb_page_map_unwatch(hb_page_map *m, struct hb_map_watch *w);
/* Adds every page with anything to tell: ever touched, or resident. */
void hb_page_map_all_known(const hb_page_map *m, struct hb_bitmap *out);

struct hb_map_brief { /* what a summary says of a page */
        uint32_t version, last_access;
        uint8_t write_q; /* as of last_access: it only decays from there */
        uint8_t read_q;  /* as last sampled */
        bool resident;
};
void hb_page_map_briefs(const hb_page_map *m, const uint32_t *gfn, uint32_t n, struct hb_map_brief *ret);
