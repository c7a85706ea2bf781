/* lesson: what a lesson and a batch hold, given back. */
#include "nn/model.h"
#include <stdlib.h>

void hb_model_batch_free(struct hb_model_batch *b) {
        free(b->page);
        free(b->block);
        free(b->sequence);
        *b = (struct hb_model_batch){0};
}

struct hb_model_lesson *hb_model_lesson_free(struct hb_model_lesson *l) {
        if (l) {
                hb_model_batch_free(&l->batch);
                free(l->labels);
                free(l->weights);
                free(l);
        }
        return NULL;
}
