/* trainer_store: the lessons a trainer holds, and mini-batches drawn from them. Internal to the room.
 *
 * The newer half of the places holds the newest lessons all; in the older half the lesson goes whose
 * neighbours in time lie closest for its age. So what is far back is held ever more thinly, but not
 * forgotten: a guest that comes back to an old phase finds it known. */
#pragma once
#include "nn/model.h"

struct hb_kept_lesson {
        struct hb_model_lesson *lesson;
        uint64_t number;       /* how many came before it */
        uint32_t *first, *row; /* rows of block b: row[first[b]] .. row[first[b + 1] - 1] */
};

struct hb_trainer_store {
        struct hb_kept_lesson *kept; /* oldest first */
        uint32_t n, most;
        uint64_t added;
};

int hb_trainer_store_init(struct hb_trainer_store *s, uint32_t most);
void hb_trainer_store_fini(struct hb_trainer_store *s);
/* Owns the lesson. One that cannot be indexed (no memory, no pages, blocks out of range) is dropped. */
void hb_trainer_store_add(struct hb_trainer_store *s, struct hb_model_lesson *l);

struct hb_mini_batch { /* rows copied together from a few lessons */
        uint32_t n, blocks, most_pages, most_blocks;
        float *page, *sequence, *labels, *weights;
        uint32_t *block;
};

int hb_mini_batch_init(struct hb_mini_batch *b, uint32_t pages, uint32_t blocks);
void hb_mini_batch_fini(struct hb_mini_batch *b);
/* Half of the draws are from the newest quarter. The store must hold a lesson. */
void hb_mini_batch_draw(struct hb_mini_batch *b, const struct hb_trainer_store *s, uint64_t *random);
