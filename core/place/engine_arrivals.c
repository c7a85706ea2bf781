/* engine_arrivals: what those tell who fetch pages from the source, and who copy them from bytes this host
 * has.
 *
 * Invariants: a page on its way is KNOWN exactly when it is being copied, so an answer of the one is never
 * taken for one of the other, whatever comes late. What has arrived, however it came, has a stamp, and the
 * judge (place/coherency.h) says what that is worth. Copies are in no rate of the link. Cost: the pages
 * named. */
#include "place/engine_priv.h"

/* The end of a page's transfer. stamp 0: it failed. True: bytes with a stamp are there. */
static bool arrived(struct hb_engine *e, uint64_t gfn, uint32_t stamp, bool zero) {
        struct hb_image_page *p = hb_page_ledger_take(&e->ledger, gfn);
        bool ok = stamp != 0 && hb_coherency_fetched(&p->c, stamp);

        p->flags &= (uint8_t) ~(HB_IP_FETCHING | HB_IP_PREFETCHED | HB_IP_USED | HB_IP_ZERO | HB_IP_KNOWN);
        if (!ok) {
                hb_coherency_overwriting(&p->c);
        } else {
                if (zero)
                        p->flags |= HB_IP_ZERO;
                if (!e->s.frozen) {
                        p->flags |= HB_IP_PREFETCHED;
                        hb_accuracy_copied(&e->accuracy, stamp);
                }
                if (!e->s.frozen && hb_coherency_judge(p->c) == HB_PAGE_STALE) {
                        e->s.wasted_pages++;
                        hb_accuracy_wasted(&e->accuracy);
                }
        }
        e->news |= hb_page_ledger_wants(p); /* wanted again */
        hb_page_ledger_put(&e->ledger, gfn);
        return ok;
}

static void failed(struct hb_engine *e, uint64_t gfn) {
        arrived(e, gfn, 0, false);
        e->s.failed_pages++;
}

enum way { BY_LINK, BY_COPY };

static bool flying(const struct hb_engine *e, enum way way, uint64_t gfn) {
        const struct hb_image_page *p = &e->ledger.pages[gfn];

        return gfn < e->ledger.npages &&
               (way == BY_COPY ? hb_page_ledger_copying(p) : hb_page_ledger_fetching(p));
}

/* Zero pages did not travel: their old bytes, or the room reserved for new ones, are given back. One call for
 * neighbours. */
static void arrived_zero(struct hb_engine *e, uint64_t gfn, uint32_t pages, uint32_t stamp) {
        bool ok = hb_engine_ask_zero(e, gfn, pages);

        for (uint64_t g = gfn; g < gfn + pages; g++)
                e->s.failed_pages += !arrived(e, g, ok ? stamp : 0, true);
}

/* Pages from `i` on that are alike: in flight, and zero or not. */
static uint32_t alike(const struct hb_engine *e, enum way way, uint64_t gfn, uint32_t i, uint32_t pages,
                      uint64_t zero_mask) {
        uint32_t k = 1;

        while (i + k < pages && flying(e, way, gfn + i + k) &&
               ((zero_mask >> (i + k) ^ zero_mask >> i) & 1) == 0)
                k++;
        return k;
}

/* The part of a run that can be meant: a call with nothing of it is no input. */
static uint32_t sensible(const struct hb_engine *e, uint64_t gfn, uint32_t pages) {
        if (gfn >= e->ledger.npages)
                return 0;
        return pages < e->ledger.npages - gfn ? pages : (uint32_t)(e->ledger.npages - gfn);
}

/* How many of a run were still expected that way. */
static uint32_t take_in(struct hb_engine *e, enum way way, uint64_t gfn, uint32_t pages, uint32_t stamp,
                        uint64_t zero_mask) {
        uint32_t came = 0, k = 1;

        for (uint32_t i = 0; i < pages; i += k) {
                k = 1;
                if (!flying(e, way, gfn + i)) /* answered twice, or given up by a reconnect */
                        continue;
                k = alike(e, way, gfn, i, pages, zero_mask);
                came += k;
                if (zero_mask >> i & 1)
                        arrived_zero(e, gfn + i, k, stamp);
                else
                        for (uint32_t j = i; j < i + k; j++)
                                e->s.failed_pages += !arrived(e, gfn + j, stamp, false);
        }
        return came;
}

static void fetched(struct hb_engine *e, uint64_t gfn, uint32_t pages, uint32_t stamp, uint64_t wire_bytes,
                    uint64_t zero_mask) {
        uint32_t came = take_in(e, BY_LINK, gfn, pages, stamp, zero_mask);

        if (came == 0)
                return;
        e->s.fetched_pages += came;
        e->s.fetched_bytes += (uint64_t)came << HB_PAGE_SHIFT;
        e->s.wire_bytes += wire_bytes;
        if (e->s.frozen) {
                e->s.final_pages += came;
                e->s.final_bytes += wire_bytes;
        }
        hb_rates_done(&e->rates, e->now_ns, came, wire_bytes);
        hb_rates_flight(&e->rates, e->now_ns, hb_engine_on_wire(e) > 0);
}

void hb_engine_fetched(hb_engine *e, uint64_t now_ns, uint64_t gfn, uint32_t pages, uint32_t stamp,
                       uint64_t wire_bytes, uint64_t zero_mask) {
        pages = sensible(e, gfn, pages < 64 ? pages : 64);
        if (pages == 0)
                return;
        hb_engine_clock(e, now_ns);
        fetched(e, gfn, pages, stamp, wire_bytes, zero_mask);
        if (hb_engine_heard(e))
                hb_engine_tell(e, (struct hb_engine_input){.kind = HB_IN_FETCHED,
                                                           .now_ns = now_ns,
                                                           .gfn = gfn,
                                                           .pages = pages,
                                                           .stamp = stamp,
                                                           .wire_bytes = wire_bytes,
                                                           .zero_mask = zero_mask});
}

void hb_engine_failed(hb_engine *e, uint64_t now_ns, uint64_t gfn, uint32_t pages) {
        pages = sensible(e, gfn, pages);
        if (pages == 0)
                return;
        hb_engine_clock(e, now_ns);
        for (uint32_t i = 0; i < pages; i++)
                if (flying(e, BY_LINK, gfn + i))
                        failed(e, gfn + i);
        hb_rates_flight(&e->rates, e->now_ns, hb_engine_on_wire(e) > 0);
        if (hb_engine_heard(e))
                hb_engine_tell(e,
                               (struct hb_engine_input){
                                       .kind = HB_IN_FAILED, .now_ns = now_ns, .gfn = gfn, .pages = pages});
}

static void lose(struct hb_engine *e, uint64_t gfn) {
        struct hb_image_page *p = hb_page_ledger_take(&e->ledger, gfn);

        if (hb_page_ledger_state_of(p) == HB_PAGE_FRESH) {
                if (e->s.frozen && p->flags & HB_IP_PREFETCHED) { /* counted at the freeze */
                        e->s.hit--;
                        e->s.missing_at_freeze++;
                }
                hb_coherency_overwriting(&p->c);
                p->flags &= (uint8_t) ~(HB_IP_PREFETCHED | HB_IP_USED | HB_IP_ZERO | HB_IP_SPILLED);
                e->s.complete = false;
                e->news = true;
        }
        hb_page_ledger_put(&e->ledger, gfn);
}

void hb_engine_lost(hb_engine *e, uint64_t now_ns, uint64_t gfn, uint32_t pages) {
        pages = sensible(e, gfn, pages);
        if (pages == 0)
                return;
        hb_engine_clock(e, now_ns);
        for (uint32_t i = 0; i < pages; i++)
                lose(e, gfn + i);
        if (hb_engine_heard(e))
                hb_engine_tell(e, (struct hb_engine_input){
                                          .kind = HB_IN_LOST, .now_ns = now_ns, .gfn = gfn, .pages = pages});
}

void hb_engine_reconnected(hb_engine *e, uint64_t now_ns) {
        hb_engine_clock(e, now_ns);
        for (uint64_t g = 0; g < e->ledger.npages && hb_engine_on_wire(e) > 0; g++)
                if (flying(e, BY_LINK, g))
                        failed(e, g);
        hb_rates_flight(&e->rates, e->now_ns, false);
        e->resync_wanted = false; /* the source announces from `processed` on by itself */
        if (hb_engine_heard(e))
                hb_engine_tell(e, (struct hb_engine_input){.kind = HB_IN_RECONNECTED, .now_ns = now_ns});
}

/* ---- bytes this host has ---- */

static void know(struct hb_engine *e, uint64_t gfn, uint32_t stamp, bool known) {
        struct hb_image_page *p = &e->ledger.pages[gfn];
        bool helps = stamp != 0 && p->c.invalid <= stamp && hb_coherency_judge(p->c) != HB_PAGE_FRESH;

        if (p->flags & HB_IP_FETCHING || (known ? !helps : !(p->flags & HB_IP_KNOWN)))
                return;
        hb_page_ledger_take(&e->ledger, gfn);
        p->flags = (uint8_t)(known ? p->flags | HB_IP_KNOWN : p->flags & ~HB_IP_KNOWN);
        hb_page_ledger_put(&e->ledger, gfn);
        e->news |= hb_page_ledger_wants(p); /* it costs otherwise now */
}

void hb_engine_known(hb_engine *e, uint64_t now_ns, uint64_t gfn, uint32_t pages, uint32_t stamp,
                     bool known) {
        pages = sensible(e, gfn, pages);
        if (pages == 0 || (!e->ops.copy && !e->again))
                return;
        hb_engine_clock(e, now_ns);
        for (uint32_t i = 0; i < pages; i++)
                know(e, gfn + i, stamp, known);
        if (hb_engine_heard(e))
                hb_engine_tell(e, (struct hb_engine_input){.kind = HB_IN_KNOWN,
                                                           .now_ns = now_ns,
                                                           .gfn = gfn,
                                                           .pages = pages,
                                                           .stamp = stamp,
                                                           .on = known});
}

void hb_engine_copied(hb_engine *e, uint64_t now_ns, uint64_t gfn, uint32_t pages, uint32_t stamp,
                      uint64_t zero_mask) {
        uint64_t failed_before, came;

        pages = sensible(e, gfn, pages < 64 ? pages : 64);
        if (pages == 0)
                return;
        hb_engine_clock(e, now_ns);
        failed_before = e->s.failed_pages;
        came = take_in(e, BY_COPY, gfn, pages, stamp, zero_mask);
        e->s.copied_pages += came - (e->s.failed_pages - failed_before);
        if (hb_engine_heard(e))
                hb_engine_tell(e, (struct hb_engine_input){.kind = HB_IN_COPIED,
                                                           .now_ns = now_ns,
                                                           .gfn = gfn,
                                                           .pages = pages,
                                                           .stamp = stamp,
                                                           .zero_mask = zero_mask});
}

void hb_engine_refuted(hb_engine *e, uint64_t now_ns, uint64_t gfn, uint32_t pages) {
        pages = sensible(e, gfn, pages);
        if (pages == 0)
                return;
        hb_engine_clock(e, now_ns);
        for (uint32_t i = 0; i < pages; i++)
                if (flying(e, BY_COPY, gfn + i)) {
                        arrived(e, gfn + i, 0, false);
                        e->s.refuted_pages++;
                }
        if (hb_engine_heard(e))
                hb_engine_tell(e,
                               (struct hb_engine_input){
                                       .kind = HB_IN_REFUTED, .now_ns = now_ns, .gfn = gfn, .pages = pages});
}
