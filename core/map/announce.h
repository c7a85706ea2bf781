/* announce: bodies of the INVALIDATE and ZERO messages: which pages W(from, to] holds, or which are holes as
 * of `stamp`, cut into parts of at most HB_ANNOUNCE_SPAN pages each so that no frame grows with the guest.
 * Parts without pages are left out; the last part always comes, with `more` = 0, and only then does the
 * announcement count.
 *
 *   u8 version (1), u8 more, u32 from, u32 to, u64 time_ns, u64 base (multiple of HB_ANNOUNCE_SPAN), runs
 * relative to base
 *
 * ZERO uses the same body with from = 0 and to = stamp. */
#pragma once
#include "base/bitmap.h"
#include "base/bytes.h"

#define HB_ANNOUNCE_SPAN (1ull << 19)

struct hb_announce {
        uint32_t from, to;
        uint64_t time_ns;
        bool more;
};

/* Calls send for each part; stops at its first failure and returns it. `b` is scratch. Returns bytes sent. */
int64_t hb_announce_encode(const struct hb_announce *a, const struct hb_bitmap *pages, struct hb_buf *b,
                           int (*send)(void *arg, const void *part, size_t size), void *arg);
/* The head of a part alone. Parts of one announcement have equal heads but for `more`; one that is broken off
 * never counts. -EBADMSG. */
int hb_announce_head(const void *part, size_t size, struct hb_announce *ret);
/* Adds one part's pages to `into` (the guest's size). -EBADMSG. */
int hb_announce_decode(const void *part, size_t size, struct hb_announce *ret, struct hb_bitmap *into);
