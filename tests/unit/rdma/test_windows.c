/* The books of windows against a plain model, and the runs of a window that are worth a registration. */
#include "check.h"
#include "rdma/window_book.h"
#include "rdma/window_runs.h"
#include <stdlib.h>
#include <string.h>

#define N 300u

static void book_is_as_a_list_by_use(void **state) {
        struct hb_window all[N] = {0}, *order[N]; /* order[0]: used last */
        struct hb_window_book b;
        unsigned n = 0, seed = 5;

        assert_int_equal(hb_window_book_init(&b, 8), 0); /* few buckets: chains are long */
        for (unsigned step = 0; step < 20000; step++) {
                unsigned i = (unsigned)rand_r(&seed) % N, at = 0;
                struct hb_window *w = &all[i];

                w->number = i * 4096 + 7;
                while (at < n && order[at] != w)
                        at++;
                assert_ptr_equal(hb_window_book_find(&b, w->number), at < n ? w : NULL);
                if (at == n) {
                        hb_window_book_add(&b, w);
                        w->in_use = (unsigned)rand_r(&seed) % 2;
                        w->state = (uint8_t)(1 + rand_r(&seed) % 2);
                        n++;
                } else if (rand_r(&seed) % 3 == 0) {
                        hb_window_book_remove(&b, w);
                        memmove(&order[at], &order[at + 1], (--n - at) * sizeof(order[0]));
                        continue;
                } else
                        hb_window_book_touch(&b, w);
                memmove(&order[1], &order[0], at * sizeof(order[0]));
                order[0] = w;
                for (at = n; at > 0 && (order[at - 1]->in_use || order[at - 1]->state != 1); at--)
                        ;
                assert_ptr_equal(hb_window_book_oldest(&b, 1), at ? order[at - 1] : NULL);
                assert_int_equal(b.n, n);
        }
        for (unsigned i = 0; i < n; i++)
                hb_window_book_remove(&b, order[i]);
        assert_null(b.newest);
        assert_null(b.oldest);
        hb_window_book_fini(&b);
}

static void runs_of_residency(void **state) {
        const uint8_t r[] = {0, 1, 1, 0, 0, 1, 0xFF, 1, 0, 1};
        struct hb_rdma_run runs[HB_RDMA_MAX_RUNS];
        unsigned n = hb_window_runs(r, 100, sizeof(r), runs, 0);

        assert_int_equal(n, 3);
        assert_true(runs[0].first == 101 && runs[0].pages == 2);
        assert_true(runs[1].first == 105 && runs[1].pages == 3);
        assert_true(runs[2].first == 109 && runs[2].pages == 1);
        n = hb_window_runs(r, 110, 3, runs, n); /* another region's share follows */
        assert_int_equal(n, 4);
        assert_true(runs[3].first == 111 && runs[3].pages == 2);
        assert_int_equal(hb_window_runs((const uint8_t[4]){0}, 0, 4, runs, 0), 0);
}

static void longest_runs_stay(void **state) {
        uint8_t r[HB_RDMA_MAX_WINDOW] = {0};
        struct hb_rdma_run runs[HB_RDMA_MAX_RUNS];
        unsigned at = 0, n, least = 0;

        for (unsigned i = 0; i < 40; i++) { /* runs of 1..40 pages, mixed */
                unsigned pages = 1 + i * 7 % 40;

                memset(r + at, 1, pages);
                at += pages + 1;
        }
        n = hb_window_runs(r, 0, sizeof(r), runs, 0);
        assert_int_equal(n, HB_RDMA_MAX_RUNS);
        for (unsigned i = 0; i < n; i++) {
                least = i == 0 || runs[i].pages < least ? runs[i].pages : least;
                if (i > 0)
                        assert_true(runs[i].first >= runs[i - 1].first + runs[i - 1].pages);
        }
        assert_int_equal(least, 40 - HB_RDMA_MAX_RUNS + 1);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(book_is_as_a_list_by_use),
                cmocka_unit_test(runs_of_residency),
                cmocka_unit_test(longest_runs_stay),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
