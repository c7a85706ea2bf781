/* finetune: the model learns from the guest while its trace is replayed, as the daemon's worker lets it, but
 * in step: after the epoch in which lessons ended the tutor is taught them, and the engine is given the new
 * weights before anything of the next epoch. So the result does not depend on the machine's speed.
 *
 * Nothing happens in an exact replay, whose recording holds the weights that there were, and nothing when no
 * policy wants lessons or there is no model. */
#include "base/fault.h"
#include "nn/tutor.h"
#include "policy/change.h"
#include "policy/lesson.h"
#include "replay/replay_priv.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct hb_replay_tuning {
        hb_tutor *tutor;
        struct hb_model_lesson *lessons[HB_LESSONS]; /* ended in this epoch */
        unsigned n;
        struct hb_buf weights;
};

static void taught(void *arg, struct hb_model_lesson *l) {
        struct hb_replay_tuning *t = arg;

        if (t->n < HB_LESSONS)
                t->lessons[t->n++] = l;
        else
                hb_model_lesson_free(l);
}

/* The model that the policies ask: the one named, else the shipped one. */
static int read_model(const struct hb_replay *r, hb_model **ret, struct hb_err *e) {
        char path[4096];

        if (r->model)
                return hb_model_read(r->model, ret, e);
        if (!r->dir || snprintf(path, sizeof(path), "%s/models/default.hbm", r->dir) >= (int)sizeof(path) ||
            access(path, R_OK) < 0)
                return -ENOENT;
        return hb_model_read(path, ret, e);
}

int hb_replay_tuning_new(struct hb_replay *r, struct hb_err *e) {
        struct hb_tutor_options o = {.steps = r->o.finetune > 0 ? (unsigned)r->o.finetune : 0,
                                     .trainer.seed = r->o.seed ? r->o.seed : 1};
        hb_model *model = NULL;
        int rc;

        if (r->o.finetune < 0 || r->exact)
                return 0;
        rc = read_model(r, &model, e);
        if (rc == -ENOENT && !r->model)
                return 0;
        if (rc < 0)
                return rc;
        r->tuning = hb_fault("replay.tuning") ? NULL : calloc(1, sizeof(*r->tuning));
        rc = r->tuning ? hb_tutor_new(model, &o, &r->tuning->tutor) : -ENOMEM;
        hb_model_free(model);
        if (rc < 0)
                return hb_err_set(e, rc, NULL, NULL, "no memory to fine-tune the model");
        hb_policies_set_teacher(r->policies, taught, r->tuning);
        return 0;
}

struct hb_replay_tuning *hb_replay_tuning_free(struct hb_replay_tuning *t) {
        if (!t)
                return NULL;
        for (unsigned i = 0; i < t->n; i++)
                hb_model_lesson_free(t->lessons[i]);
        hb_tutor_free(t->tutor);
        hb_buf_free(&t->weights);
        free(t);
        return NULL;
}

static int give(struct hb_replay *r, struct hb_err *e) {
        struct hb_replay_tuning *t = r->tuning;
        struct hb_policy_change c = {.op = HB_POLICY_MODEL};
        int rc;

        hb_buf_reset(&t->weights);
        rc = hb_tutor_weights(t->tutor, &t->weights);
        if (rc < 0 || t->weights.failed)
                return hb_err_set(e, -ENOMEM, NULL, NULL, "no memory to fine-tune the model");
        c.source = t->weights.data;
        c.size = t->weights.len;
        return hb_engine_change(hb_replay_engine_of(r), r->sim->now_ns, &c, e);
}

int hb_replay_tuning_step(struct hb_replay *r, struct hb_err *e) {
        struct hb_replay_tuning *t = r->tuning;
        int rc = 0;

        if (!t || t->n == 0)
                return 0;
        for (unsigned i = 0; i < t->n; i++) {
                int one = hb_tutor_teach(t->tutor, t->lessons[i]);

                rc = rc < 0 ? rc : one;
        }
        t->n = 0;
        if (rc == -EDOM) /* the last good weights stand */
                return 0;
        return rc < 0 ? hb_err_set(e, rc, NULL, NULL, "no memory to fine-tune the model") : give(r, e);
}

void hb_replay_tuning_fill(const struct hb_replay *r, struct hb_replay_result *ret) {
        struct hb_tutor_status s;

        ret->tuned_lessons = ret->tuned_steps = 0;
        if (!r->tuning)
                return;
        hb_tutor_status(r->tuning->tutor, &s);
        ret->tuned_lessons = s.lessons;
        ret->tuned_steps = s.steps;
}

/* One word: "PARAM=VALUE". */
static int set_param(struct hb_replay *r, char *word, struct hb_err *e) {
        struct hb_policy_change c = {.op = HB_POLICY_TUNE, .kind = HB_POLICY_PREDICTOR};
        char *equals = strchr(word, '='), *end = word;
        struct hb_policy_status s;

        if (equals) {
                *equals = '\0';
                c.value = strtod(equals + 1, &end);
        }
        if (!equals || end == equals + 1 || *end || strlen(word) >= sizeof(c.param))
                return hb_err_set(e, -EINVAL, word, "write PARAM=NUMBER", "a param cannot be understood");
        hb_policies_status(r->policies, HB_POLICY_PREDICTOR, &s);
        snprintf(c.name, sizeof(c.name), "%s", s.name);
        snprintf(c.param, sizeof(c.param), "%s", word);
        return hb_engine_change(hb_replay_engine_of(r), r->sim->now_ns, &c, e);
}

int hb_replay_set_params(struct hb_replay *r, struct hb_err *e) {
        char *save, *copy = strdup(r->params);
        int rc = copy ? 0 : -ENOMEM;

        for (char *w = copy ? strtok_r(copy, ",", &save) : NULL; w && rc == 0; w = strtok_r(NULL, ",", &save))
                rc = set_param(r, w, e);
        free(copy);
        return rc;
}
