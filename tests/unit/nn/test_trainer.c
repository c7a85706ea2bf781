/* Training: Adam and the LSTM learn what can be learned, the trainer foresees a guest with habits, repeats
 * itself, goes on where it stopped, and survives numbers that are none. */
#include "base/fault.h"
#include "check.h"
#include "guest_past.h"
#include "nn/nn.h"
#include "nn/trainer.h"
#include "nn/trainer_store.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define HORIZON 5u

static void test_adam(void **state) {
        float w[2] = {5, -3}, grad[2], m[2] = {0}, v[2] = {0};
        struct hb_nn_param p = {1, 2, w, grad, m, v}, *all[] = {&p};
        struct hb_nn_adam a = {.rate = 0.05f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .clip = 1};
        double norm;

        for (unsigned i = 0; i < 1000; i++) { /* (w0 - 1)^2 + 10 (w1 - 2)^2 */
                grad[0] = 2 * (w[0] - 1);
                grad[1] = 20 * (w[1] - 2);
                assert_int_equal(hb_nn_adam_step(&a, all, 1, &norm), 0);
                assert_true(grad[0] == 0 && grad[1] == 0);
        }
        assert_true(fabsf(w[0] - 1) < 0.01f && fabsf(w[1] - 2) < 0.01f);
        assert_int_equal(a.steps, 1000);
        grad[0] = NAN, grad[1] = 1;
        memcpy(m, w, sizeof m); /* to see them unchanged */
        assert_int_equal(hb_nn_adam_step(&a, all, 1, &norm), -EDOM);
        assert_memory_equal(m, w, sizeof m);
        assert_true(grad[0] == 0 && grad[1] == 0 && a.steps == 1000);
}

/* Was the first of the inputs set? To be told 8 steps later. */
static void test_lstm_remembers(void **state) {
        enum { T = 8, N = 32, H = 8 };
        float wx[4 * H], wh[H * 4 * H], b[4 * H] = {0}, wo[H], bo[1] = {0}, memory[3][4 * H * (H + 3)] = {0};
        static float x[T * N], h[T * N * H], keep[6 * H * T * N], dh[T * N * H], y[N], dy[N], want[N];
        struct hb_nn_lstm l = {.in = 1, .hidden = H};
        struct hb_nn_param out, bias, *all[] = {&l.wx, &l.wh, &l.b, &out, &bias};
        struct hb_nn_adam a = {.rate = 0.02f, .beta1 = 0.9f, .beta2 = 0.999f, .eps = 1e-8f, .clip = 1};
        size_t at = 0;
        uint64_t random = 1;
        double loss = 1;

#define PARAM(r, c, weights)                                                                                 \
        (struct hb_nn_param){r, c, weights, memory[0] + at, memory[1] + at, memory[2] + at};                 \
        at += (r) * (c)
        l.wx = PARAM(1, 4 * H, wx);
        l.wh = PARAM(H, 4 * H, wh);
        l.b = PARAM(1, 4 * H, b);
        out = PARAM(H, 1, wo);
        bias = PARAM(1, 1, bo);
        for (unsigned i = 0; i < 4 * H; i++)
                wx[i] = hb_random_between(&random, -0.5f, 0.5f);
        for (unsigned i = 0; i < 4 * H * H; i++)
                wh[i] = hb_random_between(&random, -0.3f, 0.3f);
        for (unsigned i = 0; i < H; i++)
                wo[i] = hb_random_between(&random, -0.5f, 0.5f), b[H + i] = 1;
        for (unsigned s = 0; s < 300; s++) {
                for (unsigned i = 0; i < T * N; i++)
                        x[i] = (float)(hb_splitmix64(&random) & 1);
                memcpy(want, x, sizeof want);
                memset(dh, 0, sizeof dh);
                assert_int_equal(hb_nn_lstm_forward(&l, T, N, x, h, keep), 0);
                hb_nn_dense(&out, &bias, N, h + (T - 1) * N * H, y);
                loss = hb_nn_bce(N, y, want, NULL, dy);
                hb_nn_dense_back(&out, &bias, N, h + (T - 1) * N * H, dy, dh + (T - 1) * N * H);
                assert_int_equal(hb_nn_lstm_back(&l, T, N, x, h, keep, dh, NULL), 0);
                assert_int_equal(hb_nn_adam_step(&a, all, 5, NULL), 0);
        }
        assert_true(loss < 0.1); /* knowing nothing: 0.69 */
}

/* What is known of a moment of the guest with habits, and what came of it. */
static struct hb_model_lesson *lesson(uint32_t window) {
        struct hb_model_lesson *l = calloc(1, sizeof *l);
        hb_history *h = past_make(window);
        uint32_t gfn[PAST_PAGES], n = 0;

        for (uint32_t g = window % 8; g < PAST_PAGES; g += 8)
                gfn[n++] = g;
        assert_int_equal(hb_model_batch_make(h, window, HORIZON, gfn, n, &l->batch), 0);
        l->labels = calloc((size_t)n * HB_MODEL_OUT, sizeof(float));
        for (uint32_t i = 0; i < n; i++) {
                float *y = l->labels + (size_t)i * HB_MODEL_OUT;

                for (uint32_t w = window + 1; w <= window + HORIZON; w++)
                        y[2] += past_there(gfn[i], w);
                y[0] = y[2] > 0;
                y[3] = gfn[i] % 3 == 0 ? y[2] : 0;
                y[1] = y[3] > 0;
        }
        hb_history_free(h);
        return l;
}

static hb_trainer *trainer(uint64_t seed, uint32_t lessons) {
        struct hb_trainer_options o = {.seed = seed, .lessons = lessons, .rate = 3e-3f};
        hb_trainer *t = NULL;
        hb_model *m = NULL;

        assert_int_equal(hb_model_new(8, 16, seed, &m), 0);
        assert_int_equal(hb_trainer_new(m, &o, &t), 0);
        hb_model_free(m); /* not needed any more */
        return t;
}

static hb_trainer *taught(uint64_t seed) {
        hb_trainer *t = trainer(seed, 8);

        for (uint32_t w = 100; w < 108; w++)
                hb_trainer_add(t, lesson(w));
        return t;
}

static void weights_of(const hb_trainer *t, char hash[33]) {
        struct hb_model_info i;
        hb_model *m = NULL;

        assert_int_equal(hb_trainer_model(t, &m), 0);
        hb_model_info(m, &i);
        memcpy(hash, i.hash, 33);
        hb_model_free(m);
}

/* Pages with a period of twelve windows: recency cannot tell when they come back, the model can. */
static void test_foresees(void **state) {
        hb_trainer *t = taught(1);
        struct hb_model_lesson *held = lesson(111);
        struct hb_trainer_progress p;
        double before = hb_trainer_validate(t, held), after;
        float y[4][PAST_PAGES];
        struct hb_model_answer a = {y[0], y[1], y[2], y[3]};
        hb_model *m = NULL;
        unsigned right = 0, all = 0;

        hb_trainer_progress(t, &p);
        assert_true(isnan(p.loss) && p.lessons == 8 && p.steps == 0);
        assert_int_equal(hb_trainer_step(t, 300), 0);
        after = hb_trainer_validate(t, held);
        assert_true(after < before / 3);
        hb_trainer_progress(t, &p);
        assert_true(p.steps == 300 && p.loss > 0 && p.loss < before && p.examples > 300 && !p.failed);
        assert_int_equal(hb_trainer_model(t, &m), 0);
        assert_int_equal(hb_model_ask_batch(m, &held->batch, &a), 0);
        for (uint32_t i = 0; i < held->batch.n; i++) {
                uint32_t gfn = 111 % 8 + 8 * i;

                if (gfn / 128 % 4 != 1)
                        continue;
                all++;
                right += (y[0][i] > 0.5f) == (held->labels[i * HB_MODEL_OUT] > 0.5f);
        }
        assert_true(all > 50 && right >= all * 95 / 100);
        hb_model_free(m);
        hb_model_lesson_free(held);
        hb_trainer_free(t);
}

static void test_repeats(void **state) {
        hb_trainer *a = taught(1), *b = taught(1), *c = taught(2);
        char ha[33], hb[33], hc[33];

        assert_int_equal(hb_trainer_step(a, 20), 0);
        for (unsigned i = 0; i < 20; i++)
                assert_int_equal(hb_trainer_step(b, 1), 0);
        assert_int_equal(hb_trainer_step(c, 20), 0);
        weights_of(a, ha);
        weights_of(b, hb);
        weights_of(c, hc);
        assert_string_equal(ha, hb);
        assert_string_not_equal(ha, hc);
        hb_trainer_free(a);
        hb_trainer_free(b);
        hb_trainer_free(c);
}

static void test_goes_on(void **state) {
        hb_trainer *a = taught(1), *b = taught(5);
        struct hb_trainer_progress pa, pb;
        struct hb_buf saved = {0};
        struct hb_err e;
        char ha[33], hb[33];

        assert_int_equal(hb_trainer_step(a, 10), 0);
        assert_int_equal(hb_trainer_save(a, &saved), 0);
        assert_int_equal(hb_trainer_step(a, 15), 0);
        assert_int_equal(hb_trainer_step(b, 3), 0); /* whatever it did before */
        for (size_t size = 0; size < saved.len; size += 1 + saved.len / 300) {
                uint8_t *cut = malloc(size + 1);

                memcpy(cut, saved.data, size);
                assert_int_equal(hb_trainer_restore(b, cut, size, &e), -EBADMSG);
                free(cut);
        }
        assert_int_equal(hb_trainer_restore(b, saved.data, saved.len, &e), 0);
        assert_int_equal(hb_trainer_step(b, 15), 0);
        weights_of(a, ha);
        weights_of(b, hb);
        assert_string_equal(ha, hb);
        hb_trainer_progress(a, &pa);
        hb_trainer_progress(b, &pb);
        assert_true(pa.steps == pb.steps && pa.examples == pb.examples && pa.loss == pb.loss);
        assert_true(pa.bad_steps == pb.bad_steps && pa.lessons == pb.lessons && pa.failed == pb.failed);
        hb_buf_free(&saved);
        hb_trainer_free(a);
        hb_trainer_free(b);
}

static void test_no_numbers(void **state) {
        hb_trainer *t = trainer(1, 4), *good = taught(1);
        struct hb_model_lesson *bad = lesson(100);
        struct hb_trainer_progress p;
        char before[33], after[33];

        assert_int_equal(hb_trainer_step(t, 1), -ENODATA);
        for (uint32_t i = 0; i < bad->batch.n; i++)
                bad->labels[i * HB_MODEL_OUT] = NAN;
        weights_of(t, before);
        hb_trainer_add(t, bad);
        assert_int_equal(hb_trainer_step(t, HB_TRAINER_BAD - 1), 0);
        hb_trainer_progress(t, &p);
        assert_true(p.bad_steps == HB_TRAINER_BAD - 1 && p.steps == 0 && !p.failed);
        assert_int_equal(hb_trainer_step(t, 1), -EDOM);
        assert_int_equal(hb_trainer_step(t, 1), -EDOM);
        hb_trainer_progress(t, &p);
        assert_true(p.failed && p.bad_steps == HB_TRAINER_BAD);
        weights_of(t, after);
        assert_string_equal(before, after);
        hb_trainer_free(t);
        /* One of them now and then is counted, and training goes on. */
        for (unsigned i = 0; i < 3 * HB_TRAINER_BAD; i++) {
                hb_fault_arm(i & 1 ? NULL : "nn.loss=fail");
                assert_int_equal(hb_trainer_step(good, 1), 0);
        }
        hb_fault_disarm();
        hb_trainer_progress(good, &p);
        assert_true(p.bad_steps == p.steps && p.steps == 3 * HB_TRAINER_BAD / 2 && !p.failed);
        hb_trainer_free(good);
}

/* Held: a bounded number, the newest all, the oldest thinly; what cannot be used is dropped. */
static void test_store(void **state) {
        struct hb_trainer_store s;
        uint64_t last = 0;

        assert_int_equal(hb_trainer_store_init(&s, 16), 0);
        for (unsigned i = 0; i < 1000; i++) {
                struct hb_model_lesson *l = calloc(1, sizeof *l);

                l->batch.n = i == 500 ? 0 : 1;
                l->batch.blocks = 1;
                l->batch.block = calloc(1, sizeof(uint32_t));
                l->batch.block[0] = i == 600; /* out of range */
                hb_trainer_store_add(&s, l);
                assert_true(s.n <= 16);
        }
        assert_int_equal(s.n, 16);
        for (uint32_t i = 0; i < 16; i++) {
                assert_true(i == 0 || s.kept[i].number > last);
                last = s.kept[i].number;
                if (i >= 8)
                        assert_int_equal(last, 1000 - 16 + i);
        }
        assert_true(s.kept[0].number < 800);
        assert_true(s.kept[7].number - s.kept[6].number < s.kept[1].number - s.kept[0].number);
        hb_trainer_store_fini(&s);
}

static void test_no_memory(void **state) {
        hb_trainer *t = NULL;
        hb_model *m = NULL;
        struct hb_trainer_options o = {0}, huge = {.batch_pages = 1u << 30};

        assert_int_equal(hb_model_new(4, 4, 1, &m), 0);
        hb_fault_arm("nn.trainer=fail");
        assert_int_equal(hb_trainer_new(m, &o, &t), -ENOMEM);
        hb_fault_disarm();
        assert_int_equal(hb_trainer_new(m, &huge, &t), -EINVAL);
        assert_null(t);
        assert_int_equal(hb_trainer_new(m, &o, &t), 0);
        hb_fault_arm("nn.store=fail");
        hb_trainer_add(t, lesson(20)); /* dropped, not leaked */
        hb_fault_disarm();
        assert_int_equal(hb_trainer_step(t, 1), -ENODATA);
        hb_trainer_free(t);
        hb_trainer_free(NULL);
        hb_model_free(m);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_adam),     cmocka_unit_test(test_lstm_remembers),
                cmocka_unit_test(test_foresees), cmocka_unit_test(test_repeats),
                cmocka_unit_test(test_goes_on),  cmocka_unit_test(test_no_numbers),
                cmocka_unit_test(test_store),    cmocka_unit_test(test_no_memory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
