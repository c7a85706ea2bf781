/* engine_priv: the object behind hb_engine, shared by its files. Internal to the room.
 *
 * engine.c        made, unmade, the questions (stats, pages)
 * engine_inputs.c what the source and the transport tell: updates records, sums and rates, decides nothing
 * engine_step.c   decides and acts
 * engine_rates.c  smoothed rates and the estimates made of them */
#pragma once
#include "place/planner.h"

#define HB_DEMANDS_MAX 64u

struct hb_rates {
        uint64_t busy_since_ns, last_ns; /* 0: idle; last sample */
        uint64_t busy_ns, bytes, wire;   /* since the last sample */
        double bytes_per_s, wire_bytes_per_s;
        double wire_per_page; /* recent; a whole page while unknown */
        double dirty_bytes_per_s;
        uint64_t announced_ns;
        bool rate_known, dirty_known, converging;
};

struct hb_engine {
        struct hb_engine_options o;
        struct hb_engine_image image;
        struct hb_engine_ops ops;
        void *arg;
        struct hb_page_ledger ledger;
        struct hb_epochs epochs;
        struct hb_planner planner;
        struct hb_accuracy accuracy;
        struct hb_rates rates;
        struct hb_policy_link link;
        uint64_t now_ns;
        uint64_t demand[HB_DEMANDS_MAX];
        unsigned demands;
        uint64_t final_cursor;
        bool told_ready, told_filled, resync_wanted, report_wanted;
        struct hb_engine_stats s; /* what is counted as it happens; the rest is filled in when asked */
};

static inline uint64_t hb_engine_in_flight(const struct hb_engine *e) { /* bytes */
        return e->ledger.state[HB_PAGE_FETCHING] << HB_PAGE_SHIFT;
}

void hb_engine_clock(struct hb_engine *e, uint64_t now_ns); /* never goes back */
void hb_rates_init(struct hb_rates *r);
void hb_rates_flight(struct hb_rates *r, uint64_t now_ns,
                     bool any); /* call when something is or no longer is in flight */
void hb_rates_done(struct hb_rates *r, uint64_t now_ns, uint32_t pages, uint64_t wire_bytes);
void hb_rates_announced(struct hb_rates *r, uint64_t now_ns, uint64_t pages, double epoch_s);
uint64_t hb_engine_above(const struct hb_engine *e);
void hb_engine_judge_ready(struct hb_engine *e);
void hb_engine_mix(struct hb_engine *e, uint64_t a, uint64_t b); /* into the digest */
