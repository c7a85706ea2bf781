/* teacher: fine-tunes the model of each placement by what its guest does, on one thread of the lowest
 * priority for the whole daemon. A placement's *pupil* takes the lessons that its policies hand over; the
 * thread trains a copy of the weights and gives them back through the mailbox, on the loop's thread. The loop
 * never waits: a thread that is slow, or gets no processor, updates less often, and of the lessons that pile
 * up the oldest go.
 *
 * What a guest taught is kept in STATE_DIR/models/GUEST.hbm when its placement ends, and used again when it
 * is placed again. */
#pragma once
#include "base/err.h"
#include "daemon/mailbox.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HB_PUPIL_LESSONS 4u /* waiting at most */

typedef struct hb_teacher hb_teacher;
typedef struct hb_pupil hb_pupil;
struct hb_model_lesson;

int hb_teacher_new(hb_mailbox *m, hb_teacher **ret);
/* Ends after the lesson under way. Pupils should be gone; before the mailbox. */
hb_teacher *hb_teacher_free(hb_teacher *t);

struct hb_pupil_options {
        const char *model; /* the file that policies ask; its weights are where training begins */
        const char *kept;  /* where what was learned is kept; NULL: nowhere */
        uint64_t seed;
        unsigned steps; /* of training a lesson; 0: the default */
        /* New weights, a model file's bytes, good until it returns. Loop thread. */
        void (*learned)(void *arg, const void *data, size_t size);
        void *arg;
};
/* All three: loop thread. Strings are copied. Cheap: nothing is read before the first lesson. */
int hb_pupil_new(hb_teacher *t, const struct hb_pupil_options *o, hb_pupil **ret);
/* `learned` is not called any more; what was learned is kept. NULL allowed. */
hb_pupil *hb_pupil_free(hb_pupil *p);
/* An hb_policies_teacher, its arg is the pupil. Owns the lesson. */
void hb_pupil_lesson(void *pupil, struct hb_model_lesson *l);

struct hb_pupil_status {
        uint64_t lessons, dropped, steps, updates; /* dropped: went unlearned, the thread was busy */
        uint64_t updated_ns;                       /* 0: never */
        double loss;                               /* NAN: none yet */
        bool failed;                               /* training; the last good weights stand */
        char error[160];                           /* why there is none: its model cannot be read */
};
void hb_pupil_status(const hb_pupil *p, struct hb_pupil_status *ret);
