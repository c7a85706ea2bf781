/* columns: pages as policies are shown them (policy/policy.h), made of the ledger's records. Internal to the
 * room. */
#pragma once
#include "place/block_words.h"
#include "place/epochs.h"
#include "place/page_ledger.h"

struct hb_plan_inputs { /* what the engine knows; borrowed for one call */
        const struct hb_page_ledger *ledger;
        const struct hb_shape *shape;
        const struct hb_epochs *epochs;
        const struct hb_policy_guest *guest;
        const struct hb_policy_link *link;
        const struct hb_policy_accuracy *accuracy;
        const struct hb_history *history; /* NULL: none is kept */
        struct hb_block_words *words;     /* NULL: none came */
        uint64_t now_ns;
        uint32_t processed;
        uint32_t window; /* the history's, that is now */
        double wire_bytes_per_page;
};

struct hb_columns {
        uint32_t cap;
        uint32_t *gfn;
        /* `cap` floats each, in one piece of memory */
        float *read_heat, *write_heat, *age_s, *version_age_s, *run_length, *bytes_to_send, *known;
        float *predicted, *predicted_writes, *score;
        struct hb_policy_pages view; /* of all that but the score */
};

int hb_columns_init(struct hb_columns *c, uint32_t cap); /* -ENOMEM */
void hb_columns_fini(struct hb_columns *c);
/* Fills everything but run_length and what policies answer, for the first n <= cap of c->gfn. */
void hb_columns_fill(struct hb_columns *c, const struct hb_plan_inputs *in, uint32_t n);
