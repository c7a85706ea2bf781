/* keep_file: a kept memory's files: their names, and the codec of the .kept file. Internal to the room and
 * its tests.
 *
 *   "HBKEPT1\n", u64 bytes of the body, u64 XXH3 of the body, body
 *   body: str guest, u64 visit, u64 secret id, u64 absence, u32 departures, u64 guest's pages, u64 pages
 * kept, varint gap to the page before for each page, 16 bytes of print for each page */
#pragma once
#include "base/bytes.h"
#include "keep/keep.h"

#define HB_KEEP_PATH 4096

int hb_keep_path(char out[HB_KEEP_PATH], const char *dir, const struct hb_kept *m, const char *suffix);
/* "GUEST.0123456789abcdef.SUFFIX": which suffix, NULL: not a name of ours. */
const char *hb_keep_name(const char *name, char ret_guest[HB_NAME_MAX], uint64_t *ret_visit_ns);

/* gaps: the varints, prints: 16 bytes a page, both of m->pages pages. */
void hb_kept_encode(const struct hb_kept *m, const struct hb_buf *gaps, const struct hb_buf *prints,
                    struct hb_buf *out);
/* -EBADMSG and no call was made; or what `page` (NULL: none wanted) ended it with. */
int hb_kept_decode(const void *data, size_t size, struct hb_kept *ret, hb_keep_page *page, void *arg);
/* The whole file, mapped. */
int hb_kept_load(const char *dir, const struct hb_kept *name, struct hb_kept *ret, hb_keep_page *page,
                 void *arg);
