/* One model for all policies of a set: read when the first one asks, exchanged between epochs; and lessons
 * for its teacher. */
#include "host_fixture.h"
#include "nn/model.h"

#define PREDICTOR HB_POLICY_PREDICTOR
#define N         20u
#define WINDOW    50u

static const char asks[] = "p.history = true\n"
                           "function p:predict(pages, guest)\n"
                           "  local accessed, written = pages:model(guest.horizon_s)\n"
                           "  if not accessed then return hb.vec(pages.n, 77), hb.vec(pages.n) end\n"
                           "  return accessed, written\nend";

struct world {
        char *dir;
        hb_history *history;
        uint32_t *gfn;
        struct hb_policy_pages pages;
        struct hb_policy_guest guest;
        hb_model *model[2];
};

static struct world world_new(void) {
        struct world w = {.dir = host_dir(), .guest = {.horizon_s = 10, .epoch_s = 1, .now_s = WINDOW}};

        assert_non_null(w.gfn = calloc(N, sizeof *w.gfn));
        assert_int_equal(hb_history_new(2048, &w.history), 0);
        for (uint32_t i = 0; i < N; i++) {
                w.gfn[i] = i * 97;
                for (uint32_t t = 1 + i; t <= WINDOW; t += 1 + i % 7)
                        assert_int_equal(hb_history_note(w.history, w.gfn[i], t, i % 3 == 0), 0);
        }
        w.pages = (struct hb_policy_pages){.n = N, .gfn = w.gfn, .history = w.history, .window = WINDOW};
        for (unsigned i = 0; i < 2; i++)
                assert_int_equal(hb_model_new(4, 8, 11 + i, &w.model[i]), 0);
        host_write(w.dir, PREDICTOR, "asks", asks);
        return w;
}

static void world_free(struct world *w) {
        hb_model_free(w->model[0]);
        hb_model_free(w->model[1]);
        hb_history_free(w->history);
        free(w->gfn);
        host_remove(w->dir);
}

static void write_default(const struct world *w, const hb_model *m) {
        char path[512];
        FILE *f;

        snprintf(path, sizeof path, "%s/models", w->dir);
        mkdir(path, 0700);
        snprintf(path, sizeof path, "%s/models/default.hbm", w->dir);
        if (m) {
                host_must(hb_model_write(m, path, &err));
        } else {
                assert_non_null(f = fopen(path, "we"));
                assert_true(fputs("no model", f) >= 0 && fclose(f) == 0);
        }
}

static int open_with(const struct world *w, const char *predictor, const char *model, hb_policies **ret,
                     struct hb_err *e) {
        struct hb_policy_options o = {
                .dir = w->dir, .names = {predictor}, .model = model, .deadline_ns = FIXTURE_DEADLINE_NS / 10};

        return hb_policies_new(&o, ret, e);
}

static void answers_as(hb_policies *p, const struct world *w, const hb_model *m) {
        float a[N], b[N], want_a[N], want_w[N], times[N], times_w[N];
        const struct hb_model_answer want = {want_a, want_w, times, times_w};

        for (unsigned i = 0; i < N; i++)
                want_a[i] = 77, want_w[i] = 0;
        if (m)
                assert_int_equal(hb_model_ask(m, w->history, WINDOW, 10, w->gfn, N, &want), 0);
        hb_policies_predict(p, &w->pages, &w->guest, a, b);
        assert_int_equal(host_status(p, PREDICTOR, HB_POLICY_ACTIVE).errors, 0);
        assert_memory_equal(a, want_a, sizeof a);
        assert_memory_equal(b, want_w, sizeof b);
}

static void test_read_when_asked(void **state) {
        struct world w = world_new();
        struct hb_err e = {0};
        hb_policies *p;

        host_must(open_with(&w, "asks", NULL, &p, &err)); /* there is none */
        answers_as(p, &w, NULL);
        hb_policies_free(p);
        write_default(&w, NULL);
        host_must(open_with(&w, NULL, NULL, &p, &err)); /* nobody asks it */
        hb_policies_free(p);
        assert_true(open_with(&w, "asks", NULL, &p, &e) < 0 && *e.what);
        assert_true(open_with(&w, NULL, "/nonexistent/model", &p, &e) < 0 && *e.what);
        write_default(&w, w.model[0]);
        host_must(open_with(&w, "asks", NULL, &p, &err));
        answers_as(p, &w, w.model[0]);
        hb_policies_free(p);
        world_free(&w);
}

static int give(hb_policies *p, const void *bytes, size_t size, struct hb_err *e) {
        struct hb_policy_change c = {.op = HB_POLICY_MODEL, .source = bytes, .size = size};

        return hb_policies_change(p, &c, e);
}

static void test_new_weights(void **state) {
        struct world w = world_new();
        struct hb_buf bytes = {0};
        struct hb_err e = {0};
        hb_policies *p;

        assert_int_equal(hb_model_encode(w.model[1], &bytes), 0);
        write_default(&w, w.model[0]);
        host_must(open_with(&w, "asks", NULL, &p, &err));
        bytes.data[bytes.len / 2] ^= 1;
        assert_int_equal(give(p, bytes.data, bytes.len, &e), -EBADMSG);
        bytes.data[bytes.len / 2] ^= 1;
        hb_policies_epoch(p, &w.guest);
        answers_as(p, &w, w.model[0]);
        host_must(give(p, bytes.data, bytes.len, &err));
        host_must(give(p, bytes.data, bytes.len, &err)); /* the first is forgotten */
        answers_as(p, &w, w.model[0]);
        hb_policies_epoch(p, &w.guest);
        answers_as(p, &w, w.model[1]);
        host_must(host_shadow(p, PREDICTOR, "other", asks, false, &err)); /* comes later, asks the same */
        host_must(host_do(p, HB_POLICY_PROMOTE, PREDICTOR, &err));
        hb_policies_epoch(p, &w.guest);
        answers_as(p, &w, w.model[1]);
        host_must(give(p, bytes.data, bytes.len, &err));
        hb_policies_free(p);
        hb_buf_free(&bytes);
        world_free(&w);
}

static void take(void *arg, struct hb_model_lesson *l) {
        struct hb_model_lesson **to = arg;

        hb_model_lesson_free(*to);
        *to = l;
}

static void test_teacher(void **state) {
        static const float accessed[N] = {1, 0, 1}, written[N] = {0, 0, 1}, reads[N] = {4, 0, 2},
                           writes[N] = {0, 0, 2};
        static const uint8_t classes[N];
        struct hb_policy_outcome o = {.lesson = 1,
                                      .n = N,
                                      .horizon_s = 10,
                                      .accessed = accessed,
                                      .written = written,
                                      .reads = reads,
                                      .writes = writes,
                                      .class_of = classes,
                                      .budget = 2,
                                      .budget_writes = 1};
        struct hb_policy_link link = {1e-4, 1e8, 1e8, 0, 0};
        struct hb_policy_accuracy accuracy = {.precision = -1, .recall = -1, .wasted_share = -1};
        struct hb_model_lesson *got = NULL;
        struct world w = world_new();
        struct hb_model_batch want;
        hb_policies *p;

        write_default(&w, w.model[0]);
        host_must(open_with(&w, NULL, NULL, &p, &err));
        hb_policies_set_teacher(p, take, &got);
        assert_false(hb_policies_want_lessons(p)); /* nobody uses a model */
        hb_policies_free(p);

        host_must(open_with(&w, "asks", NULL, &p, &err));
        hb_policies_rehearse(p, &w.pages, &w.guest, &link, &accuracy, 0.5);
        hb_policies_set_teacher(p, take, &got);
        assert_true(hb_policies_want_lessons(p));
        hb_policies_learn(p, &o, &w.guest);
        assert_null(got); /* began before there was a teacher */
        hb_policies_rehearse(p, &w.pages, &w.guest, &link, &accuracy, 0.5);
        hb_policies_learn(p, &o, &w.guest);
        assert_non_null(got);
        assert_int_equal(hb_model_batch_make(w.history, WINDOW, 10, w.gfn, N, &want), 0);
        assert_true(got->batch.n == N && got->batch.blocks == want.blocks && !got->weights);
        assert_memory_equal(got->batch.page, want.page, N * HB_MODEL_PAGE_IN * sizeof(float));
        assert_true(got->labels[0] == 1 && got->labels[1] == 0 && got->labels[2] == 4 && got->labels[3] == 0);
        assert_true(got->labels[8] == 1 && got->labels[9] == 1 && got->labels[10] == 2 &&
                    got->labels[11] == 2 && got->labels[12] == 0);
        hb_policies_rehearse(p, &w.pages, &w.guest, &link, &accuracy, 0.5);
        hb_policies_free(p); /* with features taken */
        hb_model_batch_free(&want);
        hb_model_lesson_free(got);
        world_free(&w);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_read_when_asked),
                cmocka_unit_test(test_new_weights),
                cmocka_unit_test(test_teacher),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
