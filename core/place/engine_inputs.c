/* engine_inputs: what the source and the operator tell the engine. Each input touches the pages it names and
 * the sums, nothing else.
 *
 * Order of stores, for an image that outlives a kill: pages are invalidated before `processed` moves past
 * their epoch; a stamp is cleared before bytes change (hb_engine_step does that when it sends a fetch, we do
 * when we zero) and set after they are in. */
#include "map/heat.h"
#include "map/summary.h"
#include "place/engine_priv.h"
#include <errno.h>

/* ---- what the source tells ---- */

#define LOOK  256u /* pages listed at once, */
#define AHEAD 16u  /* of which this many are on their way from memory */

struct announced {
        uint32_t to;
        bool one; /* a single epoch: its writes happened in it */
        struct hb_accuracy_at at;
};

static void invalidate_page(struct hb_engine *e, uint64_t gfn, const struct announced *a) {
        struct hb_image_page *p = hb_page_ledger_take(&e->ledger, gfn);
        bool held = !(p->flags & HB_IP_FETCHING) && hb_coherency_judge(p->c) == HB_PAGE_FRESH;

        if (a->one) {
                hb_accuracy_accessed_at(&e->accuracy, &a->at, p->last_access, held);
                if ((p->flags & (HB_IP_PREFETCHED | HB_IP_USED)) == HB_IP_PREFETCHED &&
                    hb_accuracy_used(&e->accuracy, a->to, p->c.stamp))
                        p->flags |= HB_IP_USED;
                p->last_access = a->to;
        }
        hb_coherency_invalidate(&p->c, a->to);
        p->flags |= HB_IP_RESIDENT;
        if (!(p->flags & HB_IP_FETCHING)) /* else it says how they come; the copy's end takes it away */
                p->flags &= (uint8_t)~HB_IP_KNOWN;
        if (held && hb_coherency_judge(p->c) == HB_PAGE_STALE && (p->flags & HB_IP_PREFETCHED)) {
                e->s.wasted_pages++;
                hb_accuracy_wasted(&e->accuracy);
                if (e->s.frozen) { /* W(f) came after the freeze was counted */
                        e->s.hit--;
                        e->s.stale_at_freeze++;
                }
        }
        hb_page_ledger_put(&e->ledger, gfn);
}

static void invalidate(struct hb_engine *e, uint32_t from, uint32_t to, const struct hb_bitmap *written) {
        struct announced a = {.to = to, .one = to - from == 1 && from != 0};
        uint64_t at = 0, pages = 0, before = e->ledger.resident;
        uint32_t gfn[LOOK], n;

        if (e->learning.room)
                hb_engine_learn_epoch(e);
        while ((n = hb_bitmap_list(written, &at, gfn, LOOK)) > 0) {
                if (a.one && pages == 0) /* a window opens with its first page */
                        a.at = hb_accuracy_at(&e->accuracy, to);
                for (uint32_t i = 0; i < n; i++) {
                        if (i + AHEAD < n)
                                __builtin_prefetch(&e->ledger.pages[gfn[i + AHEAD]]);
                        invalidate_page(e, gfn[i], &a);
                }
                pages += n;
        }
        hb_epochs_note(&e->epochs, from, to, e->now_ns);
        if (a.one)
                hb_rates_announced(&e->rates, e->now_ns, pages, e->epochs.epoch_s);
        hb_accuracy_epoch(&e->accuracy, to, e->o.horizon_s / e->epochs.epoch_s);
        hb_engine_learn_announced(e, from, to, written, pages, before);
        e->news = true;
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        __atomic_store_n(e->image.processed, to, __ATOMIC_RELEASE);
}

int hb_engine_invalidate(hb_engine *e, uint64_t now_ns, uint32_t from, uint32_t to,
                         const struct hb_bitmap *written) {
        int rc = hb_coherency_accept(*e->image.processed, from, to);

        if (rc == -EINVAL)
                return rc;
        hb_engine_clock(e, now_ns);
        if (rc == 0)
                invalidate(e, from, to, written);
        else if (rc == -ESTALE)
                e->resync_wanted = true;
        hb_engine_tell(
                e,
                (struct hb_engine_input){
                        .kind = HB_IN_INVALIDATE, .now_ns = now_ns, .from = from, .to = to, .set = written});
        return rc;
}

/* True when the page's bytes in the image may be other than zero. */
static bool holds_bytes(const struct hb_image_page *p) {
        return p->fetches > 0 && !(p->flags & HB_IP_ZERO);
}

static bool zero_helps(const struct hb_engine *e, uint64_t gfn, uint32_t stamp) {
        const struct hb_image_page *p = &e->ledger.pages[gfn];

        return hb_page_ledger_wants(p) && p->c.stamp <= stamp && p->c.invalid <= stamp;
}

static void settle_zero(struct hb_engine *e, uint64_t gfn, uint32_t stamp, bool ok) {
        struct hb_image_page *p = hb_page_ledger_take(&e->ledger, gfn);

        p->flags &= (uint8_t) ~(HB_IP_PREFETCHED | HB_IP_USED | HB_IP_ZERO | HB_IP_KNOWN);
        if (ok) {
                p->flags |= HB_IP_ZERO;
                hb_coherency_fetched(&p->c, stamp);
        }
        hb_page_ledger_put(&e->ledger, gfn);
}

static void zero_run(struct hb_engine *e, uint64_t gfn, uint64_t pages, uint32_t stamp) {
        bool bytes = false, ok;

        for (uint64_t g = gfn; g < gfn + pages; g++) {
                hb_page_ledger_take(&e->ledger, g);
                bytes |= holds_bytes(&e->ledger.pages[g]);
                hb_coherency_overwriting(&e->ledger.pages[g].c);
                hb_page_ledger_put(&e->ledger, g);
        }
        ok = !bytes || hb_engine_ask_zero(e, gfn, pages);
        for (uint64_t g = gfn; g < gfn + pages; g++)
                settle_zero(e, g, stamp, ok);
}

void hb_engine_zero(hb_engine *e, uint64_t now_ns, uint32_t stamp, const struct hb_bitmap *zero) {
        uint64_t first = 0, n = 0;

        hb_engine_clock(e, now_ns);
        while (stamp && hb_bitmap_next_run(zero, first + n, 0, &first, &n)) {
                for (uint64_t g = hb_page_ledger_next_wanted(&e->ledger, first); g < first + n;
                     g = hb_page_ledger_next_wanted(&e->ledger, g)) {
                        uint64_t k = 0;

                        while (g + k < first + n && zero_helps(e, g + k, stamp))
                                k++;
                        if (k > 0)
                                zero_run(e, g, k, stamp);
                        g += k ? k : 1;
                }
        }
        hb_engine_tell(
                e, (struct hb_engine_input){.kind = HB_IN_ZERO, .now_ns = now_ns, .to = stamp, .set = zero});
}

struct told { /* a summary's entry */
        const struct hb_summary_entry *entry;
        uint32_t epoch;
        uint8_t write_q, read_q;
        bool at_known; /* a window opens with its first page */
        struct hb_accuracy_at at;
};

static void accessed_since(struct hb_engine *e, struct hb_image_page *p, struct told *t) {
        uint32_t epoch = t->entry->last_access;
        bool held = !(p->flags & HB_IP_FETCHING) && hb_coherency_judge(p->c) == HB_PAGE_FRESH;

        if (!t->at_known)
                t->at = hb_accuracy_at(&e->accuracy, epoch);
        t->at_known = true;
        hb_accuracy_accessed_at(&e->accuracy, &t->at, p->last_access, held);
        if ((p->flags & (HB_IP_PREFETCHED | HB_IP_USED)) == HB_IP_PREFETCHED &&
            hb_accuracy_used(&e->accuracy, epoch, p->c.stamp))
                p->flags |= HB_IP_USED;
}

static void summarize_page(struct hb_engine *e, uint64_t gfn, struct told *t) {
        struct hb_image_page *p = &e->ledger.pages[gfn];
        uint32_t epoch = t->entry->last_access;

        p->write_q = t->write_q;
        p->read_q = t->read_q;
        if (epoch > p->last_access)
                accessed_since(e, p, t);
        /* Lower is right too: an announcement of lost state looked like an access. But not below what came
         * after the summary. */
        if (epoch > p->last_access || p->last_access <= t->epoch)
                p->last_access = epoch;
        if (t->entry->resident && !(p->flags & HB_IP_RESIDENT)) { /* all else here is in no sum */
                hb_page_ledger_take(&e->ledger, gfn)->flags |= HB_IP_RESIDENT;
                hb_page_ledger_put(&e->ledger, gfn);
        }
}

void hb_engine_summary(hb_engine *e, uint64_t now_ns, uint32_t epoch, const struct hb_summary_entry *entry) {
        struct told t = {.entry = entry, .epoch = epoch};
        uint64_t end = entry->gfn + entry->pages;

        if (entry->gfn >= e->ledger.npages || entry->pages > e->ledger.npages - entry->gfn)
                return;
        hb_engine_clock(e, now_ns);
        t.write_q = hb_heat_q(entry->write_heat);
        t.read_q = hb_heat_q(entry->read_heat);
        hb_engine_words_told(e, entry);
        for (uint64_t g = entry->gfn; g < end && !entry->block; g++)
                summarize_page(e, g, &t);
        if (e->learning.room && !entry->block)
                hb_engine_learn_summary(e, entry);
        e->news = true;
        if (hb_engine_heard(e))
                hb_engine_tell(
                        e, (struct hb_engine_input){
                                   .kind = HB_IN_SUMMARY, .now_ns = now_ns, .to = epoch, .entry = *entry});
}

void hb_engine_link(hb_engine *e, uint64_t now_ns, const struct hb_policy_link *l) {
        hb_engine_clock(e, now_ns);
        e->link = *l;
        if (hb_engine_heard(e))
                hb_engine_tell(e, (struct hb_engine_input){.kind = HB_IN_LINK, .now_ns = now_ns, .link = *l});
}

/* ---- what the operator tells ---- */

void hb_engine_drain(hb_engine *e, uint64_t now_ns, bool on) {
        hb_engine_clock(e, now_ns);
        if (e->s.draining != on)
                hb_planner_restart(&e->planner, on);
        if (on)
                hb_engine_learn_forget(e);
        e->s.draining = on;
        if (hb_engine_heard(e))
                hb_engine_tell(e, (struct hb_engine_input){.kind = HB_IN_DRAIN, .now_ns = now_ns, .on = on});
}

static void freeze(struct hb_engine *e, uint32_t f) {
        e->s.frozen = true;
        e->s.complete = false;
        e->s.final_epoch = f;
        e->s.hit = e->ledger.hits;
        e->s.late = e->ledger.state[HB_PAGE_FETCHING];
        e->s.stale_at_freeze = e->ledger.state[HB_PAGE_STALE];
        e->s.missing_at_freeze = e->ledger.state[HB_PAGE_ABSENT];
        e->s.final_pages = e->s.final_bytes = 0;
        e->final_cursor = 0;
        hb_planner_restart(&e->planner, true);
        hb_engine_learn_forget(e);
}

void hb_engine_freeze(hb_engine *e, uint64_t now_ns, uint32_t f) {
        hb_engine_clock(e, now_ns);
        if (!e->s.frozen && f != 0)
                freeze(e, f);
        if (hb_engine_heard(e))
                hb_engine_tell(e, (struct hb_engine_input){.kind = HB_IN_FREEZE, .now_ns = now_ns, .to = f});
}

/* Copies made while frozen were not made ahead; of a freeze that comes now they are. */
static void call_prefetched(struct hb_engine *e) {
        for (uint64_t g = 0; g < e->ledger.npages; g++) {
                struct hb_image_page *p = hb_page_ledger_take(&e->ledger, g);

                if (p->fetches > 0 && hb_page_ledger_state_of(p) == HB_PAGE_FRESH)
                        p->flags |= HB_IP_PREFETCHED;
                hb_page_ledger_put(&e->ledger, g);
        }
}

static void thaw(struct hb_engine *e) {
        call_prefetched(e);
        e->s.frozen = e->s.complete = false;
        e->s.final_epoch = 0;
        hb_planner_restart(&e->planner, e->s.draining);
}

void hb_engine_thaw(hb_engine *e, uint64_t now_ns) {
        hb_engine_clock(e, now_ns);
        if (e->s.frozen)
                thaw(e);
        if (hb_engine_heard(e))
                hb_engine_tell(e, (struct hb_engine_input){.kind = HB_IN_THAW, .now_ns = now_ns});
}
