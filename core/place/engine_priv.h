/* engine_priv: the object behind hb_engine, shared by its files. Internal to the room.
 *
 * engine.c        made, unmade, the questions (stats, pages)
 * engine_inputs.c what the source and the operator tell: updates records, sums and rates, decides nothing
 * engine_arrivals.c the same of who fetches and copies
 * engine_step.c   decides and acts
 * engine_blocks.c a large guest known by its blocks
 * engine_rates.c  smoothed rates and the estimates made of them
 * engine_tap.c    who listens to the inputs, and what the world answered to each
 * engine_learn.c  the past, and the lessons that policies are given of it
 * engine_change.c policies swapped
 * engine_look.c, engine_explain.c  for people who want to know why */
#pragma once
#include "place/engine_input.h"
#include "place/learning.h"
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

struct hb_answers { /* yes, no, yes ... in turn; see struct hb_engine_input */
        uint32_t run[HB_ENGINE_ANSWERS], n;
        bool cut;
};

struct hb_engine {
        struct hb_engine_options o;
        struct hb_engine_image image;
        struct hb_engine_ops ops;
        void *arg;
        struct hb_page_ledger ledger;
        struct hb_block_words words;
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
        bool news; /* a page may be worth more, or wanted again, since the last round began */
        struct hb_learning learning;
        struct hb_engine_stats s; /* what is counted as it happens; the rest is filled in when asked */
        /* engine_tap.c */
        hb_engine_tap *tap;
        hb_engine_decided *decided;
        void *tap_arg, *decided_arg;
        struct hb_answers heard;             /* during the input under way; kept while there is a tap */
        const struct hb_engine_input *again; /* being replayed: the answers are its; NULL: asked of the ops */
        uint32_t again_run, again_used;
        bool told; /* any input since it was made */
};

static inline uint64_t hb_engine_on_wire(const struct hb_engine *e) { /* pages; the other ones are copied */
        return e->ledger.state[HB_PAGE_FETCHING] - e->ledger.copying;
}

void hb_engine_clock(struct hb_engine *e, uint64_t now_ns); /* never goes back */
void hb_rates_init(struct hb_rates *r);
void hb_rates_flight(struct hb_rates *r, uint64_t now_ns,
                     bool any); /* call when something is or no longer is in flight */
void hb_rates_done(struct hb_rates *r, uint64_t now_ns, uint32_t pages, uint64_t wire_bytes);
void hb_rates_announced(struct hb_rates *r, uint64_t now_ns, uint64_t pages, double epoch_s);
uint64_t hb_engine_above(const struct hb_engine *e);
void hb_engine_judge_ready(struct hb_engine *e);
/* ---- engine_predict.c ---- */
/* What the planner and the policies are shown as of now_ns; `in` points at `guest`. */
void hb_engine_plan_view(struct hb_engine *e, uint64_t now_ns, struct hb_policy_guest *guest,
                         struct hb_plan_inputs *in);
/* ---- engine_blocks.c ---- */
void hb_engine_words_told(struct hb_engine *e, const struct hb_summary_entry *entry);
/* ---- engine_look.c ---- */
/* Fills the planner's batch with `n` pages (no more than fit) and the neighbours that may belong to their
 * runs; `with` NULL: nobody is asked. Returns the page that is the batch's first. */
uint64_t hb_engine_look_around(struct hb_engine *e, const struct hb_plan_inputs *in, hb_policies *with,
                               uint64_t gfn, uint64_t n);
/* The page and its columns, `i` its place in the batch; nothing of what policies said. */
struct hb_engine_page_view hb_engine_view_of(const struct hb_engine *e, uint64_t gfn, uint32_t i);
/* ---- engine_learn.c ---- */
/* Just before the next announcement is applied: the epoch under way is over. Only with e->learning.room. */
void hb_engine_learn_epoch(struct hb_engine *e);
/* Just after; `pages` it names, `before`: resident pages before it. */
void hb_engine_learn_announced(struct hb_engine *e, uint32_t from, uint32_t to,
                               const struct hb_bitmap *written, uint64_t pages, uint64_t before);
/* Only with e->learning.room. */
void hb_engine_learn_summary(struct hb_engine *e, const struct hb_summary_entry *s);
void hb_engine_learn_forget(struct hb_engine *e);     /* the open lessons */
void hb_engine_learn_free(struct hb_engine *e);       /* all of it, with the engine: tells nobody */
uint32_t hb_engine_window(const struct hb_engine *e); /* of the history, that is now */
/* ---- engine_tap.c ---- */
void hb_engine_tell_it(struct hb_engine *e, struct hb_engine_input *in);
/* At the end of each input. True: somebody wants to know which it was. */
static inline bool hb_engine_heard(struct hb_engine *e) {
        e->told = true;
        return e->tap != NULL;
}
static inline void hb_engine_tell(struct hb_engine *e, struct hb_engine_input in) {
        if (hb_engine_heard(e))
                hb_engine_tell_it(e, &in);
}
int hb_engine_ask_fetch(struct hb_engine *e, uint64_t gfn, uint32_t pages, enum hb_fetch_class c,
                        unsigned bucket);
int hb_engine_ask_copy(struct hb_engine *e, uint64_t gfn, uint32_t pages, enum hb_fetch_class c,
                       unsigned bucket);
bool hb_engine_ask_zero(struct hb_engine *e, uint64_t gfn, uint64_t pages);
void hb_engine_mix(struct hb_engine *e, uint64_t a, uint64_t b); /* into the digest */
