/* fuzz_trainer_state: any bytes either fail to be gone on from, changing nothing, or give a state that is
 * saved as the same bytes and can be stepped. */
#include "nn/trainer.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
        if (!ok)
                abort();
}

static struct hb_model_lesson *lesson(void) {
        struct hb_model_lesson *l = calloc(1, sizeof *l);
        const uint32_t gfn = 3;
        hb_history *h = NULL;

        check(l && hb_history_new(512, &h) == 0 && hb_history_note(h, 3, 5, true) == 0);
        check(hb_model_batch_make(h, 9, 10, &gfn, 1, &l->batch) == 0);
        l->labels = calloc(HB_MODEL_OUT, sizeof(float));
        check(l->labels != NULL);
        hb_history_free(h);
        return l;
}

static void check_same(const hb_trainer *t, const uint8_t *data, size_t size) {
        struct hb_buf out = {0};

        check(hb_trainer_save(t, &out) == 0 && out.len == size && memcmp(out.data, data, size) == 0);
        hb_buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct hb_trainer_options o = {.batch_pages = 1, .batch_blocks = 1, .lessons = 1};
        struct hb_buf before = {0};
        struct hb_err e = {0};
        hb_trainer *t = NULL;
        hb_model *m = NULL;
        int r;

        check(hb_model_new(1, 2, 1, &m) == 0 && hb_trainer_new(m, &o, &t) == 0);
        check(hb_trainer_save(t, &before) == 0);
        r = hb_trainer_restore(t, data, size, &e);
        if (r < 0) {
                check(e.code < 0 && e.what[0]);
                check_same(t, before.data, before.len);
        } else {
                check_same(t, data, size);
                hb_trainer_add(t, lesson());
                r = hb_trainer_step(t,
                                    2); /* weights may be anything: that training has failed is an answer */
                check(r == 0 || r == -EDOM);
        }
        hb_buf_free(&before);
        hb_trainer_free(t);
        hb_model_free(m);
        return 0;
}
