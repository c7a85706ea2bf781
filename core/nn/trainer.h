/* trainer: makes a model better from lessons. Pure: no clock, no file, no thread of its own, randomness from
 * its seed. The model it was given is not touched; hb_trainer_model gives the weights as they are.
 *
 * A step takes one mini-batch of pages from the lessons it holds (a bounded store: the newest lessons all, of
 * the older ones a share that fades; half of what is drawn is from the newest quarter), goes forward and back
 * through time, clips, and steps Adam. A step whose loss or gradient is not finite is undone and counted;
 * after HB_TRAINER_BAD of them in a row training has failed, and the last good weights stand. A lesson takes
 * 276 bytes a page and 1 KiB a block. */
#pragma once
#include "nn/model.h"

#define HB_TRAINER_BAD     8u
#define HB_TRAINER_BLOCKS  32u
#define HB_TRAINER_PAGES   512u
#define HB_TRAINER_LESSONS 64u

typedef struct hb_trainer hb_trainer;

struct hb_trainer_options { /* zero: the default */
        uint64_t seed;
        float rate;            /* 1e-3 */
        float clip;            /* 1 */
        uint32_t batch_blocks; /* blocks of a mini-batch, HB_TRAINER_BLOCKS */
        uint32_t batch_pages;  /* pages of it at most, HB_TRAINER_PAGES */
        uint32_t lessons;      /* held at most, HB_TRAINER_LESSONS */
};
struct hb_trainer_progress {
        uint64_t steps, bad_steps, examples; /* pages seen */
        double loss;                         /* smoothed; NAN before the first step */
        uint32_t lessons;                    /* held */
        bool failed;
};

/* -ENOMEM; -EINVAL: a batch beyond all reason. */
int hb_trainer_new(const hb_model *from, const struct hb_trainer_options *o, hb_trainer **ret);
hb_trainer *hb_trainer_free(hb_trainer *t);
void hb_trainer_add(hb_trainer *t, struct hb_model_lesson *l); /* owns it; an older one goes when full */
int hb_trainer_step(hb_trainer *t, unsigned steps);            /* -ENODATA no lesson, -EDOM failed, -ENOMEM */
double hb_trainer_validate(hb_trainer *t, const struct hb_model_lesson *l); /* its loss, nothing learned */
int hb_trainer_model(const hb_trainer *t, hb_model **ret);                  /* a copy */
void hb_trainer_progress(const hb_trainer *t, struct hb_trainer_progress *ret);
/* To stop and go on later: seed, steps, weights, Adam's moments; not the lessons. Options are the caller's.
 */
int hb_trainer_save(const hb_trainer *t, struct hb_buf *out);
int hb_trainer_restore(hb_trainer *t, const void *data, size_t size, struct hb_err *e); /* -EBADMSG */
