/* gather: the lessons of several traces, those to train on and those held back. Internal to the room. */
#pragma once
#include "learn/train.h"

struct hb_gathered {
        struct hb_model_lesson **train, **held;
        size_t ntrain, nheld;
        uint64_t pages; /* of all lessons */
};

/* Fewer moments of each trace are taken where all would not fit into o->memory_bytes. */
int hb_gather(const struct hb_train_options *o, int (*tick)(void *arg, uint64_t at, uint64_t of), void *arg,
              struct hb_gathered *ret, struct hb_err *e);
void hb_gathered_fini(struct hb_gathered *g);
/* NULL: no memory. */
struct hb_model_lesson *hb_lesson_copy(const struct hb_model_lesson *l);
