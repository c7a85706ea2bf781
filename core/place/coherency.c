/* coherency: the two numbers of a page and what follows from them.
 *
 * A guest's write that a copy lacks happened after the copy's stamp was taken, so it is in W(k) with k >
 * stamp. Hence invalid <= stamp for every epoch processed means: no processed W speaks of a write the copy
 * lacks. All else errs toward fetching again. The records may lie in a shared mapping that outlives a kill:
 * stores are single, aligned and not moved by the compiler, which is all a killed process (not a machine)
 * needs. Pure; no cost worth naming. */
#include "place/coherency.h"
#include <errno.h>

static void store(uint32_t *to, uint32_t v) {
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        __atomic_store_n(to, v, __ATOMIC_RELAXED);
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

const char *hb_page_state_name(enum hb_page_state s) {
        switch (s) {
        case HB_PAGE_ABSENT:
                return "absent";
        case HB_PAGE_FETCHING:
                return "fetching";
        case HB_PAGE_FRESH:
                return "fresh";
        case HB_PAGE_STALE:
                return "stale";
        }
        return "unknown";
}

bool hb_coherency_fetched(struct hb_coherency_page *p, uint32_t stamp) {
        if (stamp == 0 || stamp < p->stamp) {
                store(&p->stamp, 0);
                return false;
        }
        store(&p->stamp, stamp);
        return true;
}

void hb_coherency_overwriting(struct hb_coherency_page *p) {
        store(&p->stamp, 0);
}

void hb_coherency_invalidate(struct hb_coherency_page *p, uint32_t epoch) {
        if (epoch > p->invalid)
                store(&p->invalid, epoch);
}

int hb_coherency_accept(uint32_t processed, uint32_t from, uint32_t to) {
        if (from >= to)
                return -EINVAL;
        if (to <= processed)
                return -EALREADY;
        return from > processed ? -ESTALE : 0;
}

bool hb_coherency_complete(uint32_t processed, uint32_t f, uint64_t not_fresh) {
        return f != 0 && processed >= f && not_fresh == 0;
}
