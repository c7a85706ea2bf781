/* page_map: what the source knows of its guest's pages. One record of <= 24 bytes a page, kept in one mapping
 * (a file on tmpfs when `path` is given, so that a restarted daemon continues; otherwise anonymous). Owned by
 * the loop thread.
 *
 * Epochs count 1, 2, 3 ... per guest. hb_page_map_apply(e, W, ...) is the only writer: it sets version[p] = e
 * for p in W(e) and ages heat lazily, so an epoch costs O(touched pages). The header carries the last
 * completed epoch; it is advanced last, so a kill between leaves an epoch that will be applied again, which
 * is idempotent but for heat. */
#pragma once
#include "base/bitmap.h"
#include "base/shape.h"

typedef struct hb_page_map hb_page_map;

struct hb_page_info {
        uint32_t version; /* epoch last seen written, 0: never since attach (the first scan, epoch 1, reports
                             all resident) */
        uint32_t last_access;   /* epoch last seen accessed (a write is an access), 0: never */
        float write_heat;       /* decayed writes per second */
        float read_heat;        /* decayed reads per second; sampled pages only, 0 elsewhere */
        uint32_t writes, reads; /* epochs in which it was seen written / touched without a write; halved
                                   together at 65535 */
        float read_write_ratio; /* reads / writes by those counts; INFINITY for never written */
        uint64_t version_time_ns,
                last_access_time_ns; /* of the scans that saw it; 0: never or older than the ring of times */
        bool resident;
};

/* -EBADMSG / -ESTALE when `path` holds something else (another shape or format): the caller removes it and
 * opens afresh. */
int hb_page_map_open(const struct hb_shape *shape, const char *path, hb_page_map **ret, struct hb_err *e);
hb_page_map *hb_page_map_free(hb_page_map *m); /* the file stays */
const struct hb_shape *hb_page_map_shape(const hb_page_map *m);
uint32_t hb_page_map_epoch(const hb_page_map *m);                         /* last completed epoch, 0: none */
uint64_t hb_page_map_epoch_time_ns(const hb_page_map *m, uint32_t epoch); /* 0: forgotten */

/* Completes epoch hb_page_map_epoch()+1. `accessed`/`observed` may be NULL. now_ns: time of the scan. `lost`:
 * everything in W is there because state was lost, it raises versions but not heat; and the versions of all
 * pages ever known, since some may have become holes unseen: then announce hb_page_map_since(epoch - 1), not
 * W. */
void hb_page_map_apply(hb_page_map *m, uint64_t now_ns, const struct hb_bitmap *written,
                       const struct hb_bitmap *accessed, const struct hb_bitmap *observed, bool lost);
/* The same by an observer that misses no access and sees what is only read: silence is evidence too, so read
 * heat is a rate like write heat. Untouched pages fade a share at a time, all within some seconds; an epoch
 * costs O(touched pages) and that share of the known ones. */
void hb_page_map_apply_exact(hb_page_map *m, uint64_t now_ns, const struct hb_bitmap *written,
                             const struct hb_bitmap *accessed);
/* 16 bytes kept for the map's owner, zero in a new map: the placement that counts on this map's epochs. A
 * remembered placement whose id is not there belongs to an earlier numbering, and an image that believes in
 * that must not be resumed, however its epochs compare.
 */
void hb_page_map_owner(const hb_page_map *m, uint8_t ret[16]);
void hb_page_map_set_owner(hb_page_map *m, const uint8_t id[16]);
void hb_page_map_set_resident(hb_page_map *m, const struct hb_bitmap *resident);
void hb_page_map_get(const hb_page_map *m, uint64_t gfn, struct hb_page_info *ret);
uint64_t hb_page_map_resident_pages(const hb_page_map *m);
double hb_page_map_dirty_pages_per_s(const hb_page_map *m); /* smoothed over recent epochs */
/* Sets bits for every page with version > since (what a target that processed `since` has missed). Returns
 * their number. */
uint64_t hb_page_map_since(const hb_page_map *m, uint32_t since, struct hb_bitmap *out);
unsigned hb_page_map_bytes_per_page(void); /* engine metadata, for the bench: <= 24 */
