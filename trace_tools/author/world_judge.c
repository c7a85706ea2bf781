/* world_judge: predictions beside the future, by the definition of docs/POLICY_API.md ("Prediction quality")
 * at one moment. Cost: a sort of the pages. */
#include "author/world_priv.h"
#include <errno.h>
#include <stdlib.h>

struct entry {
        float value;
        uint32_t gfn;
};

static int by_value(const void *a, const void *b) {
        const struct entry *x = a, *y = b;

        if (x->value != y->value)
                return x->value < y->value ? 1 : -1;
        return x->gfn < y->gfn ? -1 : x->gfn > y->gfn;
}

struct tally {
        double right, predicted, real;
};

static double f1_of(const struct tally *t) {
        double precision = t->predicted > 0 ? t->right / t->predicted : 0, recall;

        if (t->real == 0)
                return -1;
        recall = t->right / t->real;
        return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
}

struct sides { /* of each page, by gfn: bits of hb_made_world_between; 4: among the predicted */
        uint8_t *past, *future;
};

static int pick(hb_made_world *w, const float *values, const struct sides *s, uint8_t bit) {
        struct entry *order = malloc((w->touched + 1) * sizeof(*order));
        uint32_t budget = 0;

        if (!order)
                return -ENOMEM;
        for (uint32_t i = 0; i < w->touched; i++)
                order[i] = (struct entry){values[i], w->gfn[i]};
        qsort(order, w->touched, sizeof(*order), by_value);
        for (uint32_t i = 0; i < w->npages; i++) {
                budget += (s->past[i] & bit) != 0;
                s->past[i] &= 3;
        }
        for (uint32_t i = 0; i < w->touched && i < budget; i++)
                s->past[order[i].gfn] |= 4;
        free(order);
        return 0;
}

static struct tally count(const hb_made_world *w, const struct sides *s, uint8_t bit, bool returning) {
        struct tally t = {0, 0, 0};

        for (uint32_t i = 0; i < w->npages; i++) {
                bool predicted = s->past[i] & 4, real = s->future[i] & bit;
                if (returning && ((s->past[i] & 1) || !w->page[i].touched))
                        continue;
                t.predicted += predicted;
                t.real += real;
                t.right += predicted && real;
        }
        return t;
}

static int look(hb_made_world *w, const struct sides *s) {
        uint32_t horizon = (uint32_t)w->horizon_s;
        int rc =
                hb_made_world_between(w, w->epoch >= horizon ? w->epoch - horizon + 1 : 1, w->epoch, s->past);

        return rc < 0 ? rc : hb_made_world_between(w, w->epoch + 1, w->epoch + horizon, s->future);
}

int hb_made_world_judge(hb_made_world *w, const float *accesses, const float *writes,
                        struct hb_made_world_quality *ret) {
        struct sides s = {malloc(w->npages), malloc(w->npages)};
        struct hb_made_world_quality q = {-1, -1, -1, -1, -1};
        struct hb_policy_pages pages;
        int rc = s.past && s.future ? look(w, &s) : -ENOMEM;

        hb_made_world_pages(w, &pages); /* makes w->gfn */
        if (rc == 0)
                rc = pick(w, accesses, &s, 1);
        if (rc == 0) {
                struct tally all = count(w, &s, 1, false), returning = count(w, &s, 1, true);
                q.f1 = f1_of(&all);
                q.precision = all.real == 0 ? -1 : all.predicted > 0 ? all.right / all.predicted : 0;
                q.recall = all.real == 0 ? -1 : all.right / all.real;
                q.f1_returning = f1_of(&returning);
                rc = writes ? pick(w, writes, &s, 2) : 0;
        }
        if (rc == 0 && writes) {
                struct tally t = count(w, &s, 2, false);
                q.f1_writes = f1_of(&t);
        }
        free(s.past);
        free(s.future);
        if (rc == 0)
                *ret = q;
        return rc;
}
