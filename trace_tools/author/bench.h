/* bench: what a policy costs a page, beside the loop a C programmer would write for the shipped default of
 * its kind (libm and all, gcc -O3), on the same columns, in full batches that come from memory and not from
 * the cache. Best of some rounds, one core, CPU or wall time of this thread alone. */
#pragma once
#include "base/err.h"
#include "policy/plugin.h"
#include "policy/policy.h"

struct hb_author_speed {
        double ns_per_page, c_ns_per_page; /* of a threshold: a call */
};

typedef struct hb_author_bench hb_author_bench;
int hb_author_bench_new(hb_author_bench **ret); /* -ENOMEM; some 25 MiB */
hb_author_bench *hb_author_bench_free(hb_author_bench *b);
/* -EINVAL and the like: the policy failed, its message in e. */
int hb_author_bench_plugin(hb_author_bench *b, enum hb_policy_kind k, hb_plugin *p,
                           struct hb_author_speed *ret, struct hb_err *e);
/* One of each kind together: predictor and scorer of each page, the threshold once a batch. */
int hb_author_bench_set(hb_author_bench *b, hb_policies *p, struct hb_author_speed *ret, struct hb_err *e);

/* bench_loop.c: the loops. */
void hb_author_loop_predict(const struct hb_policy_pages *p, double horizon_s, float *accesses,
                            float *writes);
void hb_author_loop_score(const struct hb_policy_pages *p, const struct hb_policy_link *l, float *scores);
