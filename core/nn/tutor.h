/* tutor: fine-tuning while a guest runs. Each lesson that ends is added to a trainer's store, some steps are
 * taken on it, and the weights, as they are then, may be handed to those who ask the model. Used by the
 * daemon's worker and, synchronously, by a replay: the same lessons and seed give the same weights on one
 * machine. The model it begins with is copied. One thread at a time. */
#pragma once
#include "nn/trainer.h"

#define HB_TUTOR_STEPS   60u
#define HB_TUTOR_LESSONS 48u

typedef struct hb_tutor hb_tutor;

struct hb_tutor_options { /* zero: the default */
        unsigned steps;   /* a lesson, HB_TUTOR_STEPS */
        struct hb_trainer_options trainer;
};

struct hb_tutor_status {
        uint64_t lessons, steps, bad_steps;
        double loss; /* smoothed; NAN before the first lesson */
        bool failed; /* the last good weights stand; nothing more is learned */
};

int hb_tutor_new(const hb_model *from, const struct hb_tutor_options *o, hb_tutor **ret);
hb_tutor *hb_tutor_free(hb_tutor *t);
/* Owns the lesson. 0, or -EDOM: training failed (the lesson is gone all the same), -ENOMEM. */
int hb_tutor_teach(hb_tutor *t, struct hb_model_lesson *l);
/* A model file's bytes, for HB_POLICY_MODEL. -ENOMEM. */
int hb_tutor_weights(hb_tutor *t, struct hb_buf *out);
void hb_tutor_status(const hb_tutor *t, struct hb_tutor_status *ret);
