/* The queue of runs against a naive model: sorted, ranges judged anew replaced, the worst dropped when full.
 * And the windows of accuracy on counted cases. */
#include "check.h"
#include "place/accuracy.h"
#include "place/run_queue.h"
#include <stdlib.h>
#include <string.h>

#define PAGES 2000u

static int order(const void *a, const void *b) {
        const struct hb_queued_run *x = a, *y = b;

        if (x->bucket != y->bucket)
                return y->bucket - x->bucket;
        return x->gfn < y->gfn ? -1 : x->gfn > y->gfn;
}

static void expect(struct hb_run_queue *q, struct hb_queued_run *model, uint32_t n) {
        uint64_t pages = 0;

        qsort(model, n, sizeof(*model), order);
        assert_int_equal(q->count, n);
        for (uint32_t i = 0; i < n; i++) {
                assert_memory_equal(&q->runs[q->first + i], &model[i], sizeof(*model));
                pages += model[i].pages;
        }
        assert_int_equal(q->pages, pages);
}

static void test_against_a_model(void **state) {
        struct hb_run_queue q;
        struct hb_queued_run model[2 * PAGES];
        uint32_t n = 0;

        srandom(5);
        assert_int_equal(hb_run_queue_init(&q, PAGES), 0);
        for (unsigned round = 0; round < 300; round++) {
                uint32_t from = (uint32_t)random() % PAGES, to = from + 1 + (uint32_t)random() % 500,
                         kept = 0;

                to = to < PAGES ? to : PAGES;
                for (uint32_t i = 0; i < n; i++)
                        if (model[i].gfn < from || model[i].gfn >= to)
                                model[kept++] = model[i];
                n = kept;
                for (uint32_t g = from; g < to; g += 1 + (uint32_t)random() % 9) {
                        unsigned bucket = (unsigned)random() % 64;

                        hb_run_queue_add(&q, g, 1 + g % 3, bucket);
                        model[n++] = (struct hb_queued_run){g, (uint16_t)(1 + g % 3), (uint8_t)bucket, 0};
                }
                hb_run_queue_merge(&q, from, to);
                expect(&q, model, n);
                for (unsigned k = (unsigned)random() % 20; k > 0 && n > 0; k--) {
                        assert_memory_equal(hb_run_queue_head(&q), &model[0], sizeof(model[0]));
                        hb_run_queue_pop(&q);
                        memmove(model, model + 1, --n * sizeof(model[0]));
                }
        }
        hb_run_queue_clear(&q);
        assert_null(hb_run_queue_head(&q));
        hb_run_queue_fini(&q);
}

static void test_the_worst_go_when_full(void **state) {
        struct hb_run_queue q;
        uint32_t best = 0;

        assert_int_equal(hb_run_queue_init(&q, 60000), 0);
        for (uint32_t g = 0; g < 60000; g++) {
                hb_run_queue_add(&q, g, 1, g % 64);
                best += g % 64 >= 48;
        }
        hb_run_queue_merge(&q, 0, 60000);
        assert_true(q.truncated);
        assert_int_equal(q.count, HB_RUN_QUEUE_MAX);
        for (uint32_t i = 0; i < best; i++)
                assert_true(q.runs[i].bucket >= 48);
        for (uint32_t i = 1; i < q.count; i++)
                assert_true(order(&q.runs[i - 1], &q.runs[i]) < 0);
        hb_run_queue_fini(&q);
}

static void test_precision_and_recall(void **state) {
        struct hb_accuracy a;

        hb_accuracy_init(&a);
        hb_accuracy_epoch(&a, 100, 10);
        assert_true(a.out.precision < 0 && a.out.recall < 0 && a.out.wasted_share < 0);
        for (unsigned w = 0; w < 12; w++)
                for (uint32_t e = 100 + w * 10; e < 110 + w * 10; e++) {
                        for (unsigned i = 0; i < 8; i++) {
                                hb_accuracy_copied(&a, e);
                                if (i < 6) /* six of eight are used in time, one too late */
                                        assert_true(hb_accuracy_used(&a, e + 3, e));
                        }
                        assert_false(hb_accuracy_used(&a, e + 11, e));
                        assert_false(hb_accuracy_used(&a, e, e)); /* before the copy */
                        for (unsigned i = 0; i < 5; i++) {
                                hb_accuracy_accessed(&a, e, e > 120 ? e - 20 : 0, i < 2);
                                hb_accuracy_accessed(&a, e, e,
                                                     false); /* again in the same window: does not count */
                        }
                        hb_accuracy_wasted(&a);
                        hb_accuracy_wasted(&a);
                        hb_accuracy_epoch(&a, e + 1, 10);
                }
        assert_true(a.out.precision > 0.74 && a.out.precision < 0.76);
        assert_true(a.out.recall > 0.39 && a.out.recall < 0.41);
        assert_true(a.out.wasted_share > 0.24 && a.out.wasted_share < 0.26);
        assert_int_equal((int)a.out.wasted, 240);
}

static void test_few_events_prove_nothing(void **state) {
        struct hb_accuracy a;

        hb_accuracy_init(&a);
        for (uint32_t e = 1; e < 200; e++) {
                if (e % 10 == 0)
                        hb_accuracy_copied(&a, e);
                hb_accuracy_epoch(&a, e, 10);
        }
        assert_true(a.out.precision < 0 && a.out.wasted_share < 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_against_a_model),
                cmocka_unit_test(test_the_worst_go_when_full),
                cmocka_unit_test(test_precision_and_recall),
                cmocka_unit_test(test_few_events_prove_nothing),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
