/* coherency: the only judge of fresh and stale. Pure; no state of its own but the two numbers a page.
 *
 * DESIGN section 5: source scan e returns W(e), announced densely and in order. A fetch carries the stamp s =
 * number of the last scan completed before its first byte was read. At the target `processed` is the last
 * epoch whose W has been applied, and for each page `invalid` is the newest processed epoch whose W held it.
 * The copy is fresh as of `processed`  iff  stamp != 0 and invalid <= stamp   (s counts from 1; 0: nothing
 * was ever fetched) since W(k) with k <= s only speaks of writes from before the copy was read. A stamp newer
 * than `processed` is legal: the invalidation stream is behind the data; invalidations that arrive later
 * decide. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

enum hb_page_state { HB_PAGE_ABSENT, HB_PAGE_FETCHING, HB_PAGE_FRESH, HB_PAGE_STALE };
const char *hb_page_state_name(enum hb_page_state s);

struct hb_coherency_page {
        uint32_t stamp;   /* of the bytes in the image; 0: none, or being overwritten */
        uint32_t invalid; /* newest processed epoch whose W contained the page; 0: none */
};

/* The state but for FETCHING, which only the planner knows. Asked for every page of every plan. */
static inline enum hb_page_state hb_coherency_judge(struct hb_coherency_page p) {
        if (p.stamp == 0)
                return HB_PAGE_ABSENT;
        return p.invalid <= p.stamp ? HB_PAGE_FRESH : HB_PAGE_STALE;
}
/* Bytes with `stamp` are in place. An older stamp than the present one never replaces it: returns false, the
 * bytes in the image are then undefined and the page becomes absent (callers issue one fetch a page at a
 * time, so this is a peer's error). */
bool hb_coherency_fetched(struct hb_coherency_page *p, uint32_t stamp);
void hb_coherency_overwriting(
        struct hb_coherency_page *p); /* before the first byte of a fetch may be written */
void hb_coherency_invalidate(struct hb_coherency_page *p, uint32_t epoch);

/* The announcement stream. An announcement covers (from, to]. 0: apply it. -EALREADY: old, ignore (came
 * twice). -ESTALE: a gap, some epoch between was lost: ask for (processed, to]. -EINVAL: from >= to. */
int hb_coherency_accept(uint32_t processed, uint32_t from, uint32_t to);
/* Complete for hand-over at final scan f: everything up to f processed and nothing but fresh pages. */
bool hb_coherency_complete(uint32_t processed, uint32_t f, uint64_t not_fresh);
