/* Joining of neighbours and the bounce ring: examples, and random work against what must hold. */
#include "check.h"
#include "rdma/read_plan.h"
#include <stdlib.h>
#include <string.h>

static uint8_t *const memory = (uint8_t *)0x10000000; /* never touched */

static struct hb_fetch at(uint64_t gfn, uint32_t pages) {
        return (struct hb_fetch){.gfn = gfn, .pages = pages, .dst = memory + gfn * HB_PAGE_SIZE};
}

static const struct hb_read_limits wide = {
        .end_gfn = 1024, .bounce_pages = 64, .direct_pages = 512, .look = 16};

static void neighbours_are_joined(void **state) {
        struct hb_fetch f[] = {at(0, 64), at(500, 3), at(64, 64), at(900, 1), at(128, 1), at(503, 2)};
        struct hb_fetch_list l = {0};
        struct hb_read_plan p;

        for (unsigned i = 0; i < 6; i++)
                hb_fetch_list_push(&l, &f[i]);
        hb_read_plan_take(&l, &wide, &p);
        assert_int_equal(p.pages, 129);
        assert_int_equal(p.fetches.n, 3);
        assert_true(p.contiguous);
        assert_ptr_equal(l.first, &f[1]);
        assert_ptr_equal(l.last, &f[5]);
        hb_read_plan_take(&l, &wide, &p);
        assert_true(p.gfn == 500 && p.pages == 5 && p.fetches.last == &f[5]);
        assert_true(l.n == 1 && l.first == &f[3] && l.last == &f[3]);
}

static void what_does_not_join(void **state) {
        struct hb_fetch a = at(0, 60), b = at(60, 5), c = at(0, 4), d = at(4, 4), g = at(1020, 4),
                        h = at(1024, 4);
        struct hb_read_limits narrow = wide;
        struct hb_fetch_list l = {0};
        struct hb_read_plan p;

        b.dst += HB_PAGE_SIZE; /* not straight on: only the bounce ring takes both, and it has no room for 65
                                */
        hb_fetch_list_push(&l, &a);
        hb_fetch_list_push(&l, &b);
        hb_read_plan_take(&l, &wide, &p);
        assert_int_equal(p.pages, 60);
        hb_fetch_list_pop(&l);
        d.dst += HB_PAGE_SIZE; /* the same, and short enough */
        hb_fetch_list_push(&l, &c);
        hb_fetch_list_push(&l, &d);
        hb_read_plan_take(&l, &wide, &p);
        assert_true(p.pages == 8 && !p.contiguous);
        hb_fetch_list_push(&l, &g); /* another key begins */
        hb_fetch_list_push(&l, &h);
        hb_read_plan_take(&l, &wide, &p);
        assert_true(p.pages == 4 && l.n == 1);
        hb_fetch_list_pop(&l);
        narrow.direct_pages = narrow.bounce_pages =
                0; /* no room at all: the first is taken all the same, alone */
        c = at(0, 4);
        d = at(4, 4);
        hb_fetch_list_push(&l, &c);
        hb_fetch_list_push(&l, &d);
        hb_read_plan_take(&l, &narrow, &p);
        assert_true(p.pages == 4 && l.n == 1);
}

static void nothing_is_lost(void **state) {
        enum { N = 200 };
        static struct hb_fetch f[N];
        unsigned seed = 9;

        for (unsigned round = 0; round < 200; round++) {
                struct hb_fetch_list l = {0};
                unsigned seen = 0;

                for (unsigned i = 0; i < N; i++) {
                        f[i] = at((unsigned)rand_r(&seed) % 300, 1 + (unsigned)rand_r(&seed) % 4);
                        f[i].status = 0;
                        hb_fetch_list_push(&l, &f[i]);
                }
                while (l.n > 0) {
                        struct hb_read_plan p;
                        uint64_t next;

                        hb_read_plan_take(&l, &wide, &p);
                        next = p.gfn;
                        for (struct hb_fetch *g = p.fetches.first; g; g = g->next) {
                                assert_int_equal(g->gfn, next);
                                assert_int_equal(g->status++, 0);
                                next += g->pages;
                                seen++;
                        }
                        assert_int_equal(next, p.gfn + p.pages);
                }
                assert_null(l.first);
                assert_null(l.last);
                assert_int_equal(seen, N);
        }
}

static void lists_keep_order(void **state) {
        struct hb_fetch f[6] = {0};
        struct hb_fetch_list a = {0}, b = {0};

        hb_fetch_list_push(&a, &f[2]);
        hb_fetch_list_push(&b, &f[0]);
        hb_fetch_list_push(&b, &f[1]);
        hb_fetch_list_prepend(&a, &b);
        hb_fetch_list_push(&b, &f[4]);
        hb_fetch_list_unshift(&b, &f[3]);
        hb_fetch_list_append(&a, &b);
        hb_fetch_list_append(&a, &b); /* nothing more */
        hb_fetch_list_prepend(&a, &b);
        assert_int_equal(a.n, 5);
        for (unsigned i = 0; i < 5; i++)
                assert_ptr_equal(hb_fetch_list_pop(&a), &f[i]);
        assert_null(hb_fetch_list_pop(&a));
}

/* Given out pages never overlap, and what hb_bounce_room says is what can be taken. */
static void ring_against_a_model(void **state) {
        struct hb_bounce ring = {.size = 200};
        struct {
                unsigned at, pages, took;
        } out[256];
        unsigned head = 0, n = 0, seed = 3;
        uint8_t used[200] = {0};

        for (unsigned step = 0; step < 50000; step++) {
                unsigned pages = 1 + (unsigned)rand_r(&seed) % 64, room = hb_bounce_room(&ring), i;

                if (rand_r(&seed) % 2 && n > 0) {
                        memset(used + out[head % 256].at, 0, out[head % 256].pages);
                        hb_bounce_give(&ring, out[head++ % 256].took);
                        n--;
                        continue;
                }
                i = (head + n) % 256;
                if (!hb_bounce_take(&ring, pages, &out[i].at, &out[i].took)) {
                        assert_true(pages > room);
                        continue;
                }
                assert_true(pages <= room && out[i].at + pages <= ring.size);
                for (unsigned p = 0; p < pages; p++)
                        assert_int_equal(used[out[i].at + p]++, 0);
                out[i].pages = pages;
                n++;
                assert_true(ring.used <= ring.size);
        }
        while (n-- > 0)
                hb_bounce_give(&ring, out[head++ % 256].took);
        assert_int_equal(hb_bounce_room(&ring), 200);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(neighbours_are_joined), cmocka_unit_test(what_does_not_join),
                cmocka_unit_test(nothing_is_lost),       cmocka_unit_test(lists_keep_order),
                cmocka_unit_test(ring_against_a_model),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
