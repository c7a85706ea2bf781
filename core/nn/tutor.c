/* tutor: a trainer with the habits of fine-tuning: few lessons, few steps each.
 *
 * What one guest did in a few minutes is little to learn from, and the newest of it is what the trainer has
 * seen last. So the weights handed on are not the trainer's own: they are a running mean over the lessons
 * (Polyak and Juditsky 1992), drawn back towards the weights it began with, which know many programs (as in
 * Li, Grandvalet and Davoine 2018). On guests it had not seen this gives half the loss of overall precision
 * back that plain fine-tuning costs, and keeps what it gains on pages that return.
 *
 * Cost: the steps, about a millisecond each; memory: 7 times the weights, HB_TUTOR_LESSONS lessons. */
#include "nn/tutor.h"
#include "base/fault.h"
#include "nn/model_net.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DECAY 0.8f /* of the mean, a lesson */
#define FIRST 0.3f /* share of the weights it began with */

struct hb_tutor {
        hb_trainer *trainer;
        hb_model *first;
        float *mean;
        unsigned steps;
        uint64_t lessons;
        bool failed;
};

static int take(hb_tutor *t, const hb_model *from, const struct hb_trainer_options *o) {
        int rc = hb_model_copy(from, &t->first);

        if (rc < 0)
                return rc;
        hb_model_info(from, &t->first->info);
        t->mean = malloc(from->nweights * sizeof(*t->mean));
        if (!t->mean)
                return -ENOMEM;
        memcpy(t->mean, from->weights, from->nweights * sizeof(*t->mean));
        return hb_trainer_new(from, o, &t->trainer);
}

int hb_tutor_new(const hb_model *from, const struct hb_tutor_options *o, hb_tutor **ret) {
        hb_tutor *t = hb_fault("nn.tutor") ? NULL : calloc(1, sizeof(*t));
        struct hb_trainer_options trainer = o->trainer;
        int rc;

        if (!t)
                return -ENOMEM;
        t->steps = o->steps ? o->steps : HB_TUTOR_STEPS;
        trainer.lessons = trainer.lessons ? trainer.lessons : HB_TUTOR_LESSONS;
        rc = take(t, from, &trainer);
        if (rc < 0) {
                hb_tutor_free(t);
                return rc;
        }
        *ret = t;
        return 0;
}

hb_tutor *hb_tutor_free(hb_tutor *t) {
        if (t) {
                hb_trainer_free(t->trainer);
                hb_model_free(t->first);
                free(t->mean);
        }
        free(t);
        return NULL;
}

static int follow(hb_tutor *t) {
        hb_model *m;
        int rc = hb_trainer_model(t->trainer, &m);

        if (rc < 0)
                return rc;
        for (uint64_t i = 0; i < m->nweights; i++)
                t->mean[i] = DECAY * t->mean[i] + (1 - DECAY) * m->weights[i];
        hb_model_free(m);
        return 0;
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
        return rc < 0 ? rc : follow(t);
}

int hb_tutor_weights(hb_tutor *t, struct hb_buf *out) {
        struct hb_trainer_progress p;
        hb_model *m;
        int rc = hb_model_copy(t->first, &m);

        if (rc < 0)
                return rc;
        for (uint64_t i = 0; i < m->nweights; i++)
                m->weights[i] = FIRST * m->weights[i] + (1 - FIRST) * t->mean[i];
        hb_trainer_progress(t->trainer, &p);
        m->info = t->first->info;
        m->info.steps += p.steps;
        m->info.examples += p.examples;
        m->info.loss = p.loss;
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
