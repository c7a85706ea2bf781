/* model_bind: the weights that policies ask, and the lessons their teacher gets.
 *
 * One model serves all policies of a set. Its file is read when the first policy that asks it is loaded (or
 * when it was named), so that those who ask none pay nothing. New weights take over between two epochs, in
 * every policy at once; the old ones live until then. */
#include "base/fault.h"
#include "nn/model.h"
#include "policy/host.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int read_model(hb_policies *p, struct hb_err *e) {
        p->model_looked_for = true;
        return p->model_path ? hb_model_read(p->model_path, &p->model, e) : 0;
}

static char *default_path(const char *dir) {
        char *path = NULL;

        if (!dir || asprintf(&path, "%s/models/default.hbm", dir) < 0)
                return NULL;
        if (access(path, F_OK) == 0)
                return path;
        free(path);
        return NULL;
}

int hb_model_bind_open(hb_policies *p, const struct hb_policy_options *o, struct hb_err *e) {
        p->model_path = o->model ? strdup(o->model) : default_path(o->dir);
        if (o->model && !p->model_path)
                return hb_err_set(e, -ENOMEM, o->model, NULL, "not enough memory for a path");
        return o->model ? read_model(p, e) : 0;
}

void hb_model_bind_close(hb_policies *p) {
        hb_model_free(p->next_model);
        hb_model_free(p->model);
        free(p->model_path);
}

int hb_model_bind_seat(hb_policies *p, struct hb_seat *s, struct hb_err *e) {
        int rc = 0;

        if (!s->plugin || !s->wants.model)
                return 0;
        if (!p->model && !p->model_looked_for)
                rc = read_model(p, e);
        if (rc == 0)
                hb_plugin_set_model(s->plugin, p->model);
        return rc;
}

int hb_model_bind_change(hb_policies *p, const struct hb_policy_change *c, struct hb_err *e) {
        struct hb_model *m;
        int rc = hb_model_decode(c->source, c->size, "new weights", &m, e);

        if (rc < 0)
                return rc;
        hb_model_free(p->next_model);
        p->next_model = m;
        return 0;
}

void hb_model_bind_epoch(hb_policies *p) {
        struct hb_model *before = p->model;

        if (!p->next_model)
                return;
        p->model = p->next_model;
        p->next_model = NULL;
        for (unsigned k = 0; k < HB_POLICY_KINDS; k++) {
                for (unsigned place = 0; place < HB_POLICY_PLACES; place++) {
                        struct hb_seat *s = p->slots[k].next[place];

                        if (s && s->plugin && s->wants.model)
                                hb_plugin_set_model(s->plugin, p->model);
                }
        }
        hb_model_free(before);
        hb_policies_look_again(p);
}

bool hb_model_bind_used(const hb_policies *p) {
        for (unsigned k = 0; p->model && k < HB_POLICY_KINDS; k++) {
                const struct hb_seat *active = hb_slot_answering(&p->slots[k]),
                                     *shadow = p->slots[k].now[HB_POLICY_SHADOWING];

                if ((active && active->wants.model) || (hb_seat_sound(shadow) && shadow->wants.model))
                        return true;
        }
        return false;
}

/* ---- the teacher ---- */

void hb_model_bind_rehearse(hb_policies *p, const struct hb_policy_pages *pages,
                            const struct hb_policy_guest *g, struct hb_open_lesson *l) {
        struct hb_model_lesson *f;

        if (!p->teacher || !hb_model_bind_used(p) || !pages->history || !pages->gfn || pages->n == 0)
                return;
        f = hb_fault("policy.features") ? NULL : calloc(1, sizeof *f);
        if (f && hb_model_batch_make(pages->history, pages->window, g->horizon_s, pages->gfn, pages->n,
                                     &f->batch) < 0) {
                free(f);
                f = NULL;
        }
        l->features = f; /* without memory the teacher misses a lesson */
}

void hb_model_bind_learn(hb_policies *p, struct hb_open_lesson *l, const struct hb_policy_outcome *o) {
        struct hb_model_lesson *f = l->features;

        if (!f || !p->teacher)
                return;
        f->labels = hb_fault("policy.labels") ? NULL : malloc(o->n * HB_MODEL_OUT * sizeof *f->labels);
        if (!f->labels)
                return;
        for (uint32_t i = 0; i < o->n; i++) {
                float *label = f->labels + (size_t)i * HB_MODEL_OUT;
                label[0] = o->accessed[i];
                label[1] = o->written[i];
                label[2] = o->reads[i];
                label[3] = o->writes[i];
        }
        l->features = NULL;
        p->teacher(p->teacher_arg, f);
}
