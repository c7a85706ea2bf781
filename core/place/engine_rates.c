/* engine_rates: how fast things go, and what follows from that.
 *
 * A rate counts only time in which something was in flight, so an idle engine does not look like a slow link.
 * It is the link's: pages that are copied here neither make it faster nor slower, and cost nothing.
 * Samples are taken over at least 50 ms and smoothed over seconds. Estimates say infinity rather than guess
 * when nothing has been measured. */
#include "base/clock.h"
#include "map/heat.h"
#include "place/engine_priv.h"
#include <math.h>

#define SAMPLE_NS      (50 * HB_NS_PER_MS)
#define RATE_TAU_S     2.0
#define DIRTY_TAU_S    5.0
#define WIRE_SMOOTH    0.05
#define CONVERGE_BELOW 0.7 /* dirty rate / transfer rate: converging when below, */
#define DIVERGE_ABOVE  0.9 /* no more when above */
#define READY_FEW      16u
#define READY_SHARE    256u /* 1 / of the resident pages may be worth fetching in a ready image, */
#define UNREADY_SHARE  64u  /* and must be for it to be no more ready */

void hb_rates_init(struct hb_rates *r) {
        *r = (struct hb_rates){.wire_per_page = HB_PAGE_SIZE, .converging = true};
}

static void count_busy(struct hb_rates *r, uint64_t now_ns) {
        if (r->busy_since_ns && now_ns > r->busy_since_ns) {
                r->busy_ns += now_ns - r->busy_since_ns;
                r->busy_since_ns = now_ns;
        }
}

void hb_rates_flight(struct hb_rates *r, uint64_t now_ns, bool any) {
        count_busy(r, now_ns);
        if (!any)
                r->busy_since_ns = 0;
        else if (!r->busy_since_ns)
                r->busy_since_ns = now_ns ? now_ns : 1;
}

static void sample(struct hb_rates *r) {
        double s = (double)r->busy_ns / (double)HB_NS_PER_S;
        double keep = r->rate_known ? (double)hb_decay(s, RATE_TAU_S) : 0.0;

        r->bytes_per_s = r->bytes_per_s * keep + (double)r->bytes / s * (1.0 - keep);
        r->wire_bytes_per_s = r->wire_bytes_per_s * keep + (double)r->wire / s * (1.0 - keep);
        r->rate_known = true;
        r->busy_ns = r->bytes = r->wire = 0;
}

void hb_rates_done(struct hb_rates *r, uint64_t now_ns, uint32_t pages, uint64_t wire_bytes) {
        double per_page = (double)wire_bytes / pages;

        count_busy(r, now_ns);
        r->bytes += (uint64_t)pages << HB_PAGE_SHIFT;
        r->wire += wire_bytes;
        r->wire_per_page += WIRE_SMOOTH * (per_page - r->wire_per_page);
        if (r->busy_ns >= SAMPLE_NS)
                sample(r);
}

static void judge_converging(struct hb_rates *r) {
        if (!r->rate_known || !r->dirty_known)
                return;
        if (r->dirty_bytes_per_s < CONVERGE_BELOW * r->bytes_per_s)
                r->converging = true;
        else if (r->dirty_bytes_per_s > DIVERGE_ABOVE * r->bytes_per_s)
                r->converging = false;
}

void hb_rates_announced(struct hb_rates *r, uint64_t now_ns, uint64_t pages, double epoch_s) {
        double now = epoch_s > 0 ? (double)(pages << HB_PAGE_SHIFT) / epoch_s : 0.0;
        double keep = r->dirty_known ? (double)hb_decay(epoch_s, DIRTY_TAU_S) : 0.0;

        r->dirty_bytes_per_s = r->dirty_bytes_per_s * keep + now * (1.0 - keep);
        r->dirty_known = true;
        r->announced_ns = now_ns;
        judge_converging(r);
}

/* ---- readiness ---- */

uint64_t hb_engine_above(const struct hb_engine *e) {
        uint64_t wanted = hb_page_ledger_wanted(&e->ledger), known = e->planner.above;

        if (e->s.draining || e->s.frozen)
                return wanted + e->ledger.state[HB_PAGE_FETCHING];
        if (e->planner.rounds == 0) /* not all has been looked at: everything may be worth it */
                known = wanted;
        return (known < wanted ? known : wanted) + e->ledger.state[HB_PAGE_FETCHING];
}

/* Ready: what is worth fetching is here, but for the few pages an epoch makes stale. Two limits, so that it
 * does not flicker. */
void hb_engine_judge_ready(struct hb_engine *e) {
        uint64_t above = hb_engine_above(e),
                 few = e->ledger.resident / (e->s.ready ? UNREADY_SHARE : READY_SHARE);

        e->s.ready = *e->image.processed != 0 && above <= (few > READY_FEW ? few : READY_FEW);
}

/* ---- estimates ---- */

/* Of so many pages that are to become fresh, those that must cross the link. */
static double to_send(const struct hb_engine *e, uint64_t pages) {
        uint64_t here = e->ledger.known + e->ledger.copying;

        return pages > here ? (double)(pages - here) : 0.0;
}

static double wire_rate(const struct hb_engine *e) {
        if (e->link.bytes_per_s > 0)
                return e->link.bytes_per_s;
        return e->rates.rate_known ? e->rates.wire_bytes_per_s : 0.0;
}

/* Asked for now, a move first drains what is not fresh, and freezes after short epochs; it gets there if it
 * fetches faster than the guest writes. Otherwise what is not fresh now is still to be sent then. */
static bool drains_first(const struct hb_engine *e, double rate) {
        double memory_rate = e->rates.wire_per_page > 0 ? rate / e->rates.wire_per_page * HB_PAGE_SIZE : 0.0;

        return !e->s.draining && !e->s.frozen && memory_rate > 2.0 * e->rates.dirty_bytes_per_s;
}

static double final_bytes(const struct hb_engine *e, double rate) {
        double pages = drains_first(e, rate) ? 0.0 : to_send(e, hb_page_ledger_not_fresh(&e->ledger)),
               fresh = (double)e->ledger.state[HB_PAGE_FRESH], epoch_s = e->epochs.epoch_s;

        if (e->o.final_epoch_s > 0 && e->o.final_epoch_s < epoch_s)
                epoch_s = e->o.final_epoch_s;
        double unseen = e->rates.dirty_bytes_per_s / HB_PAGE_SIZE * (epoch_s + e->link.latency_s);

        if (!e->s.frozen) /* written since the last scan, as much of it as is here fresh */
                pages += unseen < fresh ? unseen : fresh;
        return pages * e->rates.wire_per_page;
}

static double ready_s(const struct hb_engine *e) {
        double remaining = to_send(e, hb_engine_above(e)) * HB_PAGE_SIZE, net = e->rates.bytes_per_s;
        double wasted = e->accuracy.out.wasted_share > 0 ? e->accuracy.out.wasted_share : 0.0;

        if (e->s.ready || remaining == 0)
                return 0.0;
        if (!e->rates.rate_known)
                return INFINITY;
        net = e->s.draining ? net - e->rates.dirty_bytes_per_s : net * (1.0 - wasted);
        return net > 0 ? remaining / net : INFINITY;
}

void hb_engine_estimate(const struct hb_engine *e, double *ret_final_bytes, double *ret_final_s,
                        double *ret_ready_s, bool *ret_converging) {
        double rate = wire_rate(e), bytes = final_bytes(e, rate);

        *ret_final_bytes = bytes;
        *ret_final_s = rate > 0 ? bytes / rate + e->link.latency_s : bytes > 0 ? (double)INFINITY : 0.0;
        *ret_ready_s = ready_s(e);
        *ret_converging = e->rates.converging;
}
