/* lens: a replay seen from inside, for people: its pages, what policies are shown of them, and the fetches it
 * made lately. The replay's result is the same with and without it. */
#pragma once
#include "replay/replay.h"

#define HB_LENS_DECISIONS 4096u /* remembered */

typedef struct hb_replay_lens hb_replay_lens;

struct hb_lens_decision {
        uint64_t gfn, time_ns; /* time_ns: of the epoch in which it was made */
        uint32_t pages, epoch; /* the replay's epoch after which it was made */
        enum hb_fetch_class fetch_class;
        unsigned bucket; /* of its score, of HB_POLICY_BUCKETS over [-1, 1]; HB_POLICY_BUCKETS: a demand */
};

/* The replay is borrowed, and steps only through the lens from here on. */
int hb_replay_lens_new(hb_replay *r, hb_replay_lens **ret, struct hb_err *e);
hb_replay_lens *hb_replay_lens_free(hb_replay_lens *l); /* before the replay */
/* As hb_replay_step. */
int hb_replay_lens_step(hb_replay_lens *l, struct hb_err *e);
/* As hb_engine_look; asked are policies of the lens's own, which have the replay's files but have seen
 * nothing yet: a policy that remembers may say something else. -ENODATA: there is no engine yet. */
int hb_replay_lens_pages(hb_replay_lens *l, uint64_t gfn, uint64_t n, struct hb_engine_page_view *ret);
/* The i-th newest fetch; false: there is none, or it is forgotten. */
bool hb_replay_lens_decision(const hb_replay_lens *l, unsigned i, struct hb_lens_decision *ret);
/* The newest that fetched this page. */
bool hb_replay_lens_fetched(const hb_replay_lens *l, uint64_t gfn, struct hb_lens_decision *ret);
