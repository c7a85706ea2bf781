/* page_map_priv: the object behind hb_page_map, shared by its files. Internal to the room.
 *
 * page_map.c      made, unmade, epochs applied, watchers
 * page_map_ask.c  the questions */
#pragma once
#include "map/history.h"
#include "map/map_file.h"
#include "map/map_watch.h"
#include "map/page_map.h"

struct hb_page_map {
        struct hb_map_file f;
        struct hb_bitmap known, resident; /* views into the mapping */
        uint64_t resident_pages;
        struct hb_map_watch *watches;
        uint64_t fade_word; /* of `known`: where fading goes on */
        /* For each 2 MiB block an epoch not before any of its pages' version, or access (0: none): whoever
         * looks for newer ones passes over the records of the others, which for a guest of a TiB are
         * gigabytes. */
        struct hb_map_newest {
                uint32_t version, access;
        } * newest;
};

static inline struct hb_map_newest *hb_page_map_newest(const hb_page_map *m, uint64_t gfn) {
        return &m->newest[gfn >> HB_BLOCK_SHIFT];
}

/* Seconds from `epoch` until now_ns; older than the ring counts as the oldest time known, which can only
 * overstate heat that has all but gone by then. */
double hb_page_map_seconds_since(const hb_page_map *m, uint32_t epoch, uint64_t now_ns);
