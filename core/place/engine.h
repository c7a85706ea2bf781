/* engine: the target's state machine for one placement. Pure: no clock, no socket, no file of its own, no
 * randomness; time comes in with each input, and everything it wants done goes out as actions. Same inputs,
 * same policies, same image state at start: same actions, bit for bit, and the same decision digest. (The
 * image it works on is memory given to it: an hb_image, or a plain array in the replayer.) Owned by one
 * thread.
 *
 * Inputs arrive through hb_engine_<input>(), each of which only updates state; hb_engine_step() then plans
 * and emits actions. In flight: at most `window_bytes` asked for and not yet answered; planning refills when
 * it falls below half (back-pressure: the window follows what the transport completes). One fetch a page at a
 * time. Priorities, high to low: DEMAND (an operator's or guest's access), FINAL (after freeze), DRAIN
 * (migration asked for), PREFETCH by score. */
#pragma once
#include "base/bitmap.h"
#include "base/shape.h"
#include "place/image.h"
#include "policy/policy.h"

typedef struct hb_engine hb_engine;

enum hb_fetch_class { HB_FETCH_PREFETCH, HB_FETCH_DRAIN, HB_FETCH_FINAL, HB_FETCH_DEMAND };

struct hb_engine_ops { /* actions; called only from inside hb_engine_step and hb_engine_demand */
        /* Fetch a run (all pages marked FETCHING, no stamps). The answer comes as hb_engine_fetched/_failed
         * for the same run, never from inside. 0, or -EAGAIN: the transport is full (any other failure is
         * taken the same), the engine unmarks the run and tries at a later step. */
        int (*fetch)(void *arg, uint64_t gfn, uint32_t pages, enum hb_fetch_class c);
        /* State worth telling the source: emptied/filled/ready changed. */
        void (*report)(void *arg);
        /* Image complete as of final epoch f: emitted once per freeze. */
        void (*complete)(void *arg, uint32_t f);
        /* An announcement is missing: ask the source for (processed, to]. */
        void (*resync)(void *arg, uint32_t processed);
        /* As fetch, of pages that are all KNOWN: make them of the bytes this host has. The answer comes as
         * hb_engine_copied and hb_engine_refuted, for parts of the run as may be, whether the source is
         * reachable or not, never from inside. NULL: no page is ever taken for KNOWN. */
        int (*copy)(void *arg, uint64_t gfn, uint32_t pages, enum hb_fetch_class c);
};

struct hb_engine_options {
        uint64_t window_bytes; /* in flight, default 8 MiB */
        uint32_t run_pages;    /* longest single fetch, default 64 */
        double horizon_s;      /* default 10 */
        double epoch_s;        /* the source's epochs as far as known, default 1; measured from then on */
        double final_epoch_s;  /* how short the source makes them before it freezes; 0: does not */
        uint64_t plan_ns;      /* least time between full scorings, default 200 ms */
        uint32_t plan_pages; /* most candidates scored per step, default HB_POLICY_BATCH; a cursor goes round
                              */
};

struct hb_engine_image { /* what of the image the engine touches */
        const struct hb_shape *shape;
        struct hb_image_page *pages;
        uint32_t *processed;
        int (*zero)(void *arg, uint64_t gfn, uint64_t pages);
        void *arg;
        bool blank; /* a new image: all records are zeros and need no look, which would give them memory */
};

struct hb_engine_stats {
        uint64_t resident, fresh, stale, absent,
                fetching;    /* pages; resident = known to hold data on the source */
        uint64_t zero_pages; /* fresh because the source has a hole or zero page there */
        uint64_t fetched_pages, fetched_bytes, wire_bytes; /* completed transfers since the placement began */
        uint64_t wasted_pages; /* transfers whose copy was invalidated before hand-over */
        uint64_t failed_pages;
        uint64_t known_pages;   /* wanted now, and KNOWN: they cost nothing on the link */
        uint64_t copied_pages;  /* made fresh here, from bytes this host had; not among the fetched */
        uint64_t refuted_pages; /* KNOWN, and the bytes turned out to be others, or could not be read */
        uint64_t hit, late,
                stale_at_freeze;    /* set at freeze: prefetched and fresh / in flight / prefetched, stale */
        uint64_t missing_at_freeze; /* never prefetched */
        uint64_t final_pages, final_bytes; /* transferred after freeze */
        uint64_t above_threshold;          /* candidates still worth fetching: 0 = ready */
        double threshold, precision, recall, wasted_share;
        double dirty_bytes_per_s,
                rate_bytes_per_s;        /* smoothed: source's writes, our completions (memory bytes) */
        uint32_t processed, final_epoch; /* final_epoch 0: not frozen */
        bool ready, draining, frozen, complete;
        uint64_t digest; /* of every decision so far */
};

int hb_engine_new(const struct hb_engine_options *o, const struct hb_engine_image *image,
                  hb_policies *policies /* borrowed */, const struct hb_engine_ops *ops, void *arg,
                  hb_engine **ret);
hb_engine *hb_engine_free(hb_engine *e);

/* --- inputs --- */
/* Announcement covering (from, to]; W by gfn. Returns as hb_coherency_accept. */
int hb_engine_invalidate(hb_engine *e, uint64_t now_ns, uint32_t from, uint32_t to,
                         const struct hb_bitmap *written);
/* Pages that are holes on the source, observed after scan `stamp` completed and before the next began. */
void hb_engine_zero(hb_engine *e, uint64_t now_ns, uint32_t stamp, const struct hb_bitmap *zero);
struct hb_summary_entry;
void hb_engine_summary(hb_engine *e, uint64_t now_ns, uint32_t epoch, const struct hb_summary_entry *entry);
/* Blocks of which the engine would know more than their words, worth it by its policies; each is named once.
 * `into` has a bit a block (map/summary.h); returns how many. For the source to be asked: decides nothing. */
uint64_t hb_engine_ask_detail(hb_engine *e, struct hb_bitmap *into);
void hb_engine_link(hb_engine *e, uint64_t now_ns, const struct hb_policy_link *l);
/* Bytes of the run are in the image. wire_bytes: what it cost on the link. zero_mask bit i: page i is all
 * zero (pages <= 64). */
void hb_engine_fetched(hb_engine *e, uint64_t now_ns, uint64_t gfn, uint32_t pages, uint32_t stamp,
                       uint64_t wire_bytes, uint64_t zero_mask);
void hb_engine_failed(hb_engine *e, uint64_t now_ns, uint64_t gfn,
                      uint32_t pages); /* connection lost: absent again */
/* The bytes that these pages had as of `stamp` are on this host (known), or are not there any more. Pages
 * that are fresh, on their way, or named by a W after `stamp` are left as they are. An invalidation of a
 * KNOWN page ends that by itself. Outlives a lost connection, not the engine. O(pages). */
void hb_engine_known(hb_engine *e, uint64_t now_ns, uint64_t gfn, uint32_t pages, uint32_t stamp, bool known);
/* Bytes of a run given to ops->copy (or of a part of it) are in the image, and their prints are those under
 * `stamp`: like a fetch with that stamp which cost nothing. pages <= 64; zero_mask as in hb_engine_fetched.
 */
void hb_engine_copied(hb_engine *e, uint64_t now_ns, uint64_t gfn, uint32_t pages, uint32_t stamp,
                      uint64_t zero_mask);
/* They are other bytes, or could not be had: absent, no more KNOWN, wanted from the source. */
void hb_engine_refuted(hb_engine *e, uint64_t now_ns, uint64_t gfn, uint32_t pages);
void hb_engine_drain(hb_engine *e, uint64_t now_ns, bool on); /* a migration was asked for / given up */
void hb_engine_freeze(hb_engine *e, uint64_t now_ns,
                      uint32_t f); /* the guest stands still; f is the final epoch (its W may still come) */
void hb_engine_thaw(hb_engine *e, uint64_t now_ns);                 /* hand-over given up: go on as before */
void hb_engine_demand(hb_engine *e, uint64_t now_ns, uint64_t gfn); /* want this page now */
/* Another policy, param or model: given to the engine's policies, and to those that are informed. As
 * hb_policies_change; refused by the engine's own, nothing has changed anywhere. */
struct hb_policy_change;
int hb_engine_change(hb_engine *e, uint64_t now_ns, const struct hb_policy_change *c, struct hb_err *err);
/* Copies that were fresh are no longer there (what an image had put on a disk came back wrong): absent, to be
 * fetched again. Pages that are not fresh are passed over. */
void hb_engine_lost(hb_engine *e, uint64_t now_ns, uint64_t gfn, uint32_t pages);
/* Every fetch in flight is gone and none of them writes any more: FETCHING -> absent. Copies go on. */
void hb_engine_reconnected(hb_engine *e, uint64_t now_ns);

void hb_engine_step(hb_engine *e, uint64_t now_ns);
enum hb_page_state hb_engine_page(const hb_engine *e, uint64_t gfn);
void hb_engine_stats(const hb_engine *e, struct hb_engine_stats *ret);
/* The predictor of `with` (never the engine's own policies: they may remember) on every page of the guest, as
 * of now_ns: one float a page each, see hb_policies_predict. Changes nothing the engine decides by. */
void hb_engine_predict(hb_engine *e, hb_policies *with, uint64_t now_ns, float *accesses, float *writes);
/* These policies (one set beside the engine's own, e.g. a judge's) observe what the engine's observe, have
 * its lessons and get its changes; they decide nothing. Borrowed; NULL: nobody. */
void hb_engine_inform(hb_engine *e, hb_policies *also);
/* What the engine knows of a page, and what policies are shown of it. */
struct hb_engine_page_view {
        enum hb_page_state state;
        bool resident, zero, prefetched, used; /* as HB_IP_* */
        bool wanted;                           /* a candidate: resident, not fresh, not on its way */
        bool known;                            /* HB_IP_KNOWN */
        uint8_t fetches;
        uint32_t stamp, invalid, last_access; /* epochs; 0: none */
        float read_heat, write_heat, age_s, version_age_s, run_length, bytes_to_send;
        float predicted, predicted_writes, score; /* by `with`; NAN without it */
};
/* Pages [gfn, gfn + n) as of the last input. `with` as in hb_engine_predict. Changes nothing the engine
 * decides by. -EINVAL: not all of them are pages of the guest. */
int hb_engine_look(hb_engine *e, hb_policies *with, uint64_t gfn, uint64_t n,
                   struct hb_engine_page_view *ret);
/* Heat of the n pages of a list, and the accesses that the predictor which answers now expects of them, asked
 * aside; for a picture of them. All of that in accesses per second but `expected`, see hb_policies_predict.
 * -EINVAL: they are not all pages of the guest, or more than a batch; else the predictor's failure, with
 * `expected` zeros. `expected` NULL: nobody is asked. Changes nothing the engine decides by. */
int hb_engine_glance(hb_engine *e, const uint32_t *gfn, uint32_t n, float *read_heat, float *write_heat,
                     float *expected);
/* Why a page is not being fetched, or is. */
enum hb_engine_why {
        HB_WHY_NO_DATA,
        HB_WHY_FRESH,
        HB_WHY_IN_FLIGHT,
        HB_WHY_MOVING, /* draining or frozen: all pages go */
        HB_WHY_NOT_YET,
        HB_WHY_OBSERVING, /* the cut is HB_POLICY_CUT_NONE */
        HB_WHY_BELOW_CUT,
        HB_WHY_WAITS, /* for those ahead of it, or for room in flight */
        HB_WHYS
};
const char *hb_engine_why_text(enum hb_engine_why why); /* a sentence without its full stop */
struct hb_engine_explained {
        struct hb_engine_page_view page; /* with what the policies say of it now */
        enum hb_engine_why why;
        double cut; /* NAN: not asked for yet */
        /* of the last round: candidates, those with clearly better scores than this page has now, and those
         * whose scores are alike (itself among them when it was one) */
        uint64_t candidates, ahead, alike;
};
/* `with`: as in hb_engine_predict, or NULL: the engine's own, asked aside. shadow: as hb_policies_explain,
 * which also says what is told to `term` (policy/change.h; NULL: nothing) and what fails. -EINVAL: no such
 * page. Changes nothing the engine decides by. */
int hb_engine_explain(hb_engine *e, hb_policies *with, bool shadow, uint64_t gfn,
                      void (*term)(void *arg, enum hb_policy_kind k, const char *name, double value),
                      void *arg, struct hb_engine_explained *ret, struct hb_err *err);
void hb_engine_histogram(const hb_engine *e, uint32_t ret[HB_POLICY_BUCKETS]);
/* Bytes that would have to cross after a freeze now, and seconds until ready, from the smoothed rates;
 * INFINITY: never. */
void hb_engine_estimate(const hb_engine *e, double *ret_final_bytes, double *ret_final_s, double *ret_ready_s,
                        bool *ret_converging);
