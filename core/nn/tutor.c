/* tutor: a trainer with the habits of fine-tuning: few lessons, few steps each, the note of the model it
 * began with. Cost: the steps, some milliseconds each; memory: HB_TUTOR_LESSONS lessons. */
#include "nn/tutor.h"
#include "base/fault.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct hb_tutor {
        hb_trainer *trainer;
        unsigned steps;
        struct hb_model_info began;
        uint64_t lessons;
        bool failed;
};

int hb_tutor_new(const hb_model *from, const struct hb_tutor_options *o, hb_tutor **ret) {
        hb_tutor *t = hb_fault("nn.tutor") ? NULL : calloc(1, sizeof(*t));
        struct hb_trainer_options trainer = o->trainer;
        int rc;

        if (!t)
                return -ENOMEM;
        t->steps = o->steps ? o->steps : HB_TUTOR_STEPS;
        trainer.lessons = trainer.lessons ? trainer.lessons : HB_TUTOR_LESSONS;
        hb_model_info(from, &t->began);
        rc = hb_trainer_new(from, &trainer, &t->trainer);
        if (rc < 0) {
                hb_tutor_free(t);
                return rc;
        }
        *ret = t;
        return 0;
}

hb_tutor *hb_tutor_free(hb_tutor *t) {
        if (t)
                hb_trainer_free(t->trainer);
        free(t);
        return NULL;
}

int hb_tutor_teach(hb_tutor *t, struct hb_model_lesson *l) {
        int rc;

        if (t->failed) {
                hb_model_lesson_free(l);
                return -EDOM;
        }
        hb_trainer_add(t->trainer, l);
        t->lessons++;
        rc = hb_trainer_step(t->trainer, t->steps);
        t->failed = rc == -EDOM;
        return rc;
}

int hb_tutor_weights(hb_tutor *t, struct hb_buf *out) {
        struct hb_trainer_progress p;
        struct hb_model_info info;
        hb_model *m;
        int rc = hb_trainer_model(t->trainer, &m);

        if (rc < 0)
                return rc;
        hb_trainer_progress(t->trainer, &p);
        hb_model_info(m, &info);
        info.steps = t->began.steps + p.steps;
        info.examples = t->began.examples + p.examples;
        info.seed = t->began.seed;
        info.loss = p.loss;
        info.validation = t->began.validation;
        memcpy(info.note, t->began.note, sizeof(info.note));
        hb_model_set_info(m, &info);
        rc = hb_model_encode(m, out);
        hb_model_free(m);
        return rc;
}

void hb_tutor_status(const hb_tutor *t, struct hb_tutor_status *ret) {
        struct hb_trainer_progress p;

        hb_trainer_progress(t->trainer, &p);
        *ret = (struct hb_tutor_status){.lessons = t->lessons,
                                        .steps = p.steps,
                                        .bad_steps = p.bad_steps,
                                        .loss = p.loss,
                                        .failed = t->failed || p.failed};
}
