/* Model: the gradient of the whole, what is asked does not depend on what else is asked, files. */
#include "base/fault.h"
#include "check.h"
#include "guest_past.h"
#include "nn/features.h"
#include "nn/model_net.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct answer {
        struct hb_model_answer a;
        float rows[4][PAST_PAGES];
};

static struct hb_model_answer answer_of(struct answer *x) {
        return (struct hb_model_answer){x->rows[0], x->rows[1], x->rows[2], x->rows[3]};
}

static hb_model *model(uint32_t hidden, uint32_t dense) {
        hb_model *m = NULL;
        uint64_t random = 9;

        assert_int_equal(hb_model_new(hidden, dense, 3, &m), 0);
        for (uint64_t i = 0; i < m->nweights; i++) /* no zeros: every weight is to matter */
                m->weights[i] += hb_random_between(&random, -0.4f, 0.4f);
        return m;
}

static double pass_loss(hb_model *m, struct hb_model_pass *p, const float *labels, const float *weights) {
        assert_int_equal(hb_model_forward(m, p), 0);
        return hb_model_loss(p, labels, weights);
}

static void random_batch(struct hb_model_batch *b, float *labels, float *weights) {
        uint64_t random = 4;

        for (uint32_t i = 0; i < b->n * HB_MODEL_PAGE_IN; i++)
                b->page[i] = hb_random_between(&random, -1, 1);
        for (uint32_t i = 0; i < b->blocks * HB_MODEL_STEPS * HB_MODEL_BLOCK_IN; i++)
                b->sequence[i] = hb_random_between(&random, -1, 1);
        for (uint32_t i = 0; i < b->n; i++) {
                b->block[i] = i * b->blocks / b->n;
                weights[i] = hb_random_between(&random, 0, 2);
                for (unsigned c = 0; c < HB_MODEL_OUT; c++)
                        labels[i * HB_MODEL_OUT + c] = c < 2 ? (float)(hb_splitmix64(&random) & 1)
                                                             : hb_random_between(&random, 0, 10);
        }
}

static void test_gradient(void **state) {
        enum { N = 12, BLOCKS = 3 };
        static float page[N * HB_MODEL_PAGE_IN], sequence[BLOCKS * HB_MODEL_STEPS * HB_MODEL_BLOCK_IN];
        uint32_t block[N];
        float labels[N * HB_MODEL_OUT], weights[N];
        struct hb_model_batch b = {N, BLOCKS, 10, page, block, sequence};
        struct hb_model_pass p;
        hb_model *m = model(5, 6);

        random_batch(&b, labels, weights);
        assert_int_equal(hb_model_begin_learning(m), 0);
        assert_int_equal(hb_model_pass_begin(&p, m, N, BLOCKS, true), 0);
        p.page = page, p.block = block, p.sequence = sequence;
        pass_loss(m, &p, labels, weights);
        assert_int_equal(hb_model_back(m, &p), 0);
        for (unsigned k = 0; k < HB_MODEL_PARAMS; k++) {
                struct hb_nn_param *w = &m->param[k];
                double largest = 0, worst = 0;

                for (uint32_t i = 0; i < w->rows * w->cols; i++)
                        largest = fabs(w->grad[i]) > largest ? fabs(w->grad[i]) : largest;
                assert_true(largest > 0);
                for (uint32_t i = 0; i < w->rows * w->cols; i++) {
                        float was = w->w[i], h = 2e-3f;
                        double up, down, off;

                        w->w[i] = was + h;
                        up = pass_loss(m, &p, labels, weights);
                        w->w[i] = was - h;
                        down = pass_loss(m, &p, labels, weights);
                        w->w[i] = was;
                        off = fabs((up - down) / (2.0 * h) - w->grad[i]) / largest;
                        worst = off > worst ? off : worst;
                }
                if (!(worst < 1e-2))
                        fail_msg("param %u: gradient off by %g", k, worst);
        }
        hb_model_pass_end(&p);
        hb_model_free(m);
}

/* Bit for bit the same: all at once, one by one, by batch; twice. */
static void test_ask(void **state) {
        static struct answer all, one, batched;
        hb_history *h = past_make(120);
        hb_model *m = model(8, 12);
        struct hb_model_answer a = answer_of(&all), c = answer_of(&batched);
        struct hb_model_batch b;
        uint32_t gfn[PAST_PAGES], n = 0;

        for (uint32_t g = 0; g < PAST_PAGES; g += 1 + g % 3)
                gfn[n++] = g;
        assert_int_equal(hb_model_ask(m, h, 121, 10, gfn, n, &a), 0);
        for (uint32_t i = 0; i < n; i++) {
                struct hb_model_answer x = {&one.rows[0][i], &one.rows[1][i], &one.rows[2][i],
                                            &one.rows[3][i]};

                assert_int_equal(hb_model_ask(m, h, 121, 10, &gfn[i], 1, &x), 0);
                assert_true(all.rows[0][i] > 0 && all.rows[0][i] < 1);
                assert_true(all.rows[1][i] <= all.rows[0][i]);
                assert_true(all.rows[2][i] >= 0 && all.rows[2][i] <= 10);
        }
        assert_memory_equal(&all, &one, sizeof all);
        assert_int_equal(hb_model_batch_make(h, 121, 10, gfn, n, &b), 0);
        assert_int_equal(b.n, n);
        assert_int_equal(b.blocks, PAST_PAGES / HB_BLOCK_PAGES);
        assert_int_equal(hb_model_ask_batch(m, &b, &c), 0);
        assert_memory_equal(&all, &batched, sizeof all);
        assert_int_equal(hb_model_ask(m, h, 121, 10, gfn, 0, &a), 0);
        hb_model_batch_free(&b);
        hb_model_free(m);
        hb_history_free(h);
}

static void test_features(void **state) {
        hb_history *h = past_make(PAST_END);
        uint32_t gfn[PAST_PAGES];
        struct hb_model_batch b, again;

        for (uint32_t g = 0; g < PAST_PAGES; g++)
                gfn[g] = g;
        assert_int_equal(hb_model_batch_make(h, PAST_END, 10, gfn, PAST_PAGES, &b), 0);
        assert_int_equal(hb_model_batch_make(h, PAST_END, 10, gfn, PAST_PAGES, &again), 0);
        assert_memory_equal(b.page, again.page, PAST_PAGES * HB_MODEL_PAGE_IN * sizeof(float));
        for (uint32_t i = 0; i < PAST_PAGES * HB_MODEL_PAGE_IN; i++)
                assert_true(b.page[i] >= -1.1f && b.page[i] <= 1.1f);
        for (uint32_t i = 0; i < b.blocks * HB_MODEL_STEPS * HB_MODEL_BLOCK_IN; i++)
                assert_true(b.sequence[i] >= -1.1f && b.sequence[i] <= 1.1f);
        for (uint32_t g = 0; g < PAST_PAGES; g++) {
                const float *f = b.page + (size_t)g * HB_MODEL_PAGE_IN;

                switch (g / 128 % 4) {
                case 0: /* always there */
                        assert_true(f[HB_F_AGE] == 0 && f[HB_F_SEEN_32] == 1 && f[HB_F_RATE] > 0.99f);
                        assert_true(f[HB_F_KNOWN] == 1 && f[HB_F_GAPS] == 0 && f[HB_F_LIFE] > 0.99f);
                        break;
                case 1: /* two windows in twelve, ten away: 11 windows on it is there for certain */
                        /* ten; beyond 32 windows in spans of 4, so rather less */
                        assert_true(f[HB_F_GAP] > logf(5) / logf(353) && f[HB_F_GAP] < logf(12) / logf(353));
                        assert_true(f[HB_F_GAP_DEV] < 0.3f && f[HB_F_GAPS] > 0.5f);
                        assert_true(f[HB_F_CASES_AGE] >= 0.5f);
                        break;
                case 3: /* never */
                        assert_true(f[HB_F_KNOWN] == 0 && f[HB_F_AGE] == 1 && f[HB_F_RATE] == 0);
                        break;
                default:
                        break;
                }
        }
        hb_model_batch_free(&b);
        hb_model_batch_free(&again);
        hb_history_free(h);
}

/* "It was away this long before; how often did it come back within the horizon?" is answered rightly: just
 * left, ten windows of absence to go, a horizon of 5 does not reach the return, near its end it does. */
static void test_cases(void **state) {
        const float *f;
        uint32_t gfn = 128; /* block 0: there when window % 12 is 0 or 1 */
        struct hb_model_batch b;

        for (uint32_t away = 2; away <= 7; away += 5) {
                uint32_t window = 361 + away;
                hb_history *h = past_make(window);

                assert_int_equal(hb_model_batch_make(h, window, 5, &gfn, 1, &b), 0);
                f = b.page;
                assert_true(f[HB_F_CASES_AGE] >= 0.5f);
                assert_true(away == 2 ? f[HB_F_RATE_AGE] < 0.2f : f[HB_F_RATE_AGE] > 0.75f);
                hb_model_batch_free(&b);
                hb_history_free(h);
        }
}

static void test_untrained_is_recency(void **state) {
        static struct answer x;
        struct hb_model_answer a = answer_of(&x);
        hb_history *h = NULL;
        hb_model *m = NULL;
        uint32_t gfn[3] = {10, 600, 1200};

        assert_int_equal(hb_history_new(PAST_PAGES, &h), 0);
        hb_history_note(h, 600, 50, false);
        hb_history_note(h, 1200, 90, false);
        assert_int_equal(hb_model_new(16, 16, 1, &m), 0);
        assert_int_equal(hb_model_ask(m, h, 100, 10, gfn, 3, &a), 0);
        assert_true(a.accessed[2] > a.accessed[1] && a.accessed[1] > a.accessed[0]);
        hb_model_free(m);
        hb_history_free(h);
}

static void test_file(void **state) {
        char folder[] = "/tmp/hb-model-XXXXXX", path[64], path2[80];
        struct hb_model_info i = {.steps = 7, .seed = 3, .examples = 99, .loss = 0.5, .validation = 0.25},
                             got;
        struct hb_buf a = {0}, b = {0};
        hb_model *m = model(8, 12), *back = NULL;
        struct hb_err e;
        struct stat st;

        snprintf(i.note, sizeof i.note, "trained on a test");
        hb_model_set_info(m, &i);
        assert_non_null(mkdtemp(folder));
        snprintf(path, sizeof path, "%s/m.hbm", folder);
        assert_int_equal(hb_model_write(m, path, &e), 0);
        assert_int_equal(hb_model_read(path, &back, &e), 0);
        hb_model_info(back, &got);
        assert_string_equal(got.note, "trained on a test");
        assert_true(got.steps == 7 && got.seed == 3 && got.examples == 99 && got.loss == 0.5);
        assert_true(got.validation == 0.25 && got.hidden == 8 && got.dense == 12);
        hb_model_info(m, &i);
        assert_string_equal(got.hash, i.hash);
        assert_int_equal(hb_model_encode(m, &a), 0);
        assert_int_equal(hb_model_encode(back, &b), 0);
        assert_true(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
        hb_model_free(back);
        /* A write that fails leaves the file, and nothing beside it. */
        for (unsigned n = 1; hb_fail_nth(n); n++) {
                int r = hb_model_write(m, path, &e);
                bool met = hb_fault_passed() >= n;

                hb_fault_disarm();
                assert_true(met ? r < 0 && e.what[0] && e.next[0] : r == 0);
                assert_int_equal(hb_model_read(path, &back, &e), 0);
                back = hb_model_free(back);
        }
        assert_int_equal(hb_model_read(folder, &back, &e), -EISDIR);
        snprintf(path2, sizeof path2, "%s/none", path);
        assert_true(hb_model_read(path2, &back, &e) < 0 && strstr(e.which, "none"));
        assert_int_equal(unlink(path), 0);
        assert_int_equal(rmdir(folder), 0); /* empty */
        assert_int_equal(stat(folder, &st), -1);
        hb_buf_free(&a);
        hb_buf_free(&b);
        hb_model_free(m);
}

/* Every cut and every flipped byte is refused; nothing is written to *ret. */
static void test_damage(void **state) {
        struct hb_buf b = {0};
        hb_model *m = model(1, 2), *none = NULL;
        struct hb_err e;
        uint8_t *copy;

        assert_int_equal(hb_model_encode(m, &b), 0);
        for (size_t size = 0; size < b.len; size++) {
                copy = malloc(size + 1);
                memcpy(copy, b.data, size);
                assert_true(hb_model_decode(copy, size, "cut", &none, &e) < 0);
                free(copy);
        }
        for (size_t i = 0; i < b.len; i++) {
                int r;

                b.data[i] ^= 0x10;
                r = hb_model_decode(b.data, b.len, "flipped", &none, &e);
                assert_true(r == -EBADMSG || r == -EPROTONOSUPPORT);
                b.data[i] ^= 0x10;
        }
        assert_null(none);
        hb_buf_reset(&b);
        m->weights[3] = NAN; /* the sum is right, the weights are not */
        assert_int_equal(hb_model_encode(m, &b), 0);
        assert_int_equal(hb_model_decode(b.data, b.len, "nan", &none, &e), -EBADMSG);
        hb_buf_free(&b);
        hb_model_free(m);
        assert_int_equal(hb_model_new(0, 48, 1, &none), -EINVAL);
        assert_int_equal(hb_model_new(4096, 48, 1, &none), -EINVAL);
        assert_int_equal(hb_model_new(32, 100000, 1, &none), -EINVAL);
}

/* Asking about many pages takes no more memory than about some. */
static void test_bound(void **state) {
        enum { PAGES = 1 << 20 };
        uint32_t *gfn = malloc(PAGES * sizeof *gfn);
        float *x = calloc(4, PAGES * sizeof *x);
        struct hb_model_answer a = {x, x + PAGES, x + 2 * PAGES, x + 3 * PAGES};
        struct rusage before, after;
        hb_history *h = NULL;
        hb_model *m = model(4, 4);

        for (uint32_t i = 0; i < PAGES; i++)
                gfn[i] = i;
        memset(x, 1, 4 * PAGES * sizeof *x);
        assert_int_equal(hb_history_new(PAGES, &h), 0);
        assert_int_equal(hb_model_ask(m, h, 10, 5, gfn, 4096, &a), 0);
        getrusage(RUSAGE_SELF, &before);
        assert_int_equal(hb_model_ask(m, h, 10, 5, gfn, PAGES / 8, &a), 0);
        getrusage(RUSAGE_SELF, &after);
        assert_true(after.ru_maxrss - before.ru_maxrss < 2048);
        hb_model_free(m);
        hb_history_free(h);
        free(gfn);
        free(x);
}

static void test_no_memory(void **state) {
        static struct answer x;
        struct hb_model_answer a = answer_of(&x);
        hb_history *h = past_make(10);
        hb_model *m = model(4, 4);
        struct hb_model_batch b = {0};
        uint32_t gfn[2] = {0, 700};

        hb_fault_arm("model.ask=fail");
        assert_int_equal(hb_model_ask(m, h, 10, 5, gfn, 2, &a), -ENOMEM);
        hb_fault_arm("model.batch=fail");
        assert_int_equal(hb_model_batch_make(h, 10, 5, gfn, 2, &b), -ENOMEM);
        assert_null(b.page);
        hb_fault_disarm();
        hb_model_free(m);
        hb_model_free(NULL);
        hb_history_free(h);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_gradient),
                cmocka_unit_test(test_ask),
                cmocka_unit_test(test_features),
                cmocka_unit_test(test_cases),
                cmocka_unit_test(test_untrained_is_recency),
                cmocka_unit_test(test_file),
                cmocka_unit_test(test_damage),
                cmocka_unit_test(test_bound),
                cmocka_unit_test(test_no_memory),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
