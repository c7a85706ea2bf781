/* tags: bodies of the messages by which a target learns which pages it need not fetch (docs/PROTOCOL.md).
 *
 *   TAGS    S  the tags of pages that have settled: which of them may the target have?
 *   ASK     T  those
 *   PRINTS  S  the rest of their prints, and the stamp under which they are true
 *
 * A tag is the first 4 bytes of a print, the rest the other 12. Each part stands for itself and names at most
 * HB_TAGS_PART pages: no frame grows with the guest. A page's stamp means for a print what it means for bytes
 * that were fetched: number of a scan that was complete before the page was read to be printed, or of a later
 * one whose W, like all between, does not name the page.
 *
 *   TAGS, PRINTS: u8 version (1), u32 stamp, varint runs, {varint gap, varint pages} each, then 4 or 12
 * bytes a page in order to the end.  ASK: u8 version (1), varint runs, the runs. */
#pragma once
#include "base/bytes.h"
#include "map/fingerprint.h"

#define HB_TAGS_PART  65536u
#define HB_PRINT_REST 12u

/* gfn: ascending, n of them. Calls send for each part (`b` is scratch), stops at its first failure and
 * returns it; otherwise bytes sent (0: no pages, no call). -EINVAL: not ascending, or no stamp. */
typedef int hb_tags_send(void *arg, const void *part, size_t size);
int64_t hb_tags_encode(uint32_t stamp, const uint32_t *gfn, const struct hb_print *prints, uint64_t n,
                       struct hb_buf *b, hb_tags_send *send, void *arg);
int64_t hb_ask_encode(const uint32_t *gfn, uint64_t n, struct hb_buf *b, hb_tags_send *send, void *arg);
int64_t hb_prints_encode(uint32_t stamp, const uint32_t *gfn, const struct hb_print *prints, uint64_t n,
                         struct hb_buf *b, hb_tags_send *send, void *arg);

/* Call `page` for each page, ascending; 0, or -EBADMSG and no call was made. Nothing is allocated. */
int hb_tags_decode(const void *part, size_t size, uint64_t pages_total, uint32_t *ret_stamp,
                   void (*page)(void *arg, uint64_t gfn, uint32_t tag), void *arg);
int hb_ask_decode(const void *part, size_t size, uint64_t pages_total, void (*page)(void *arg, uint64_t gfn),
                  void *arg);
int hb_prints_decode(const void *part, size_t size, uint64_t pages_total, uint32_t *ret_stamp,
                     void (*page)(void *arg, uint64_t gfn, const uint8_t rest[HB_PRINT_REST]), void *arg);
/* A tag and its rest. */
struct hb_print hb_print_join(uint32_t tag, const uint8_t rest[HB_PRINT_REST]);
