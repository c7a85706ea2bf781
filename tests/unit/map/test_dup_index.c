/* dup_index: against a plain model; how full it gets, whom it evicts, what becomes of an owner's entries; and
 * the whole chain, from bytes to a place, on 200 000 pages with planted duplicates and pages one bit off them
 * (tests/bench/bench_duplicates.c does ten million). */
#include "base/fault.h"
#include "base/splitmix.h"
#include "check.h"
#include "map/dup_index.h"
#include <errno.h>
#include <stdlib.h>

#define BUCKET 192u

static hb_dup_index *make(uint64_t entries) {
        hb_dup_index *i = NULL;

        assert_int_equal(hb_dup_index_new(entries * 24, &i), 0);
        return i;
}

static struct hb_print print_of(uint64_t n) {
        struct hb_print p;
        uint64_t w[2];

        w[0] = hb_splitmix64(&n);
        w[1] = hb_splitmix64(&n);
        memcpy(p.b, w, sizeof(p.b));
        return p;
}

static struct hb_dup_index_stats stats(const hb_dup_index *i) {
        struct hb_dup_index_stats s;

        hb_dup_index_stats(i, &s);
        return s;
}

static uint32_t owner(hb_dup_index *i) {
        uint32_t id = 0;

        assert_int_equal(hb_dup_index_owner_add(i, &id), 0);
        return id;
}

/* ---- against a model ---- */

#define KEYS   300u
#define OWNERS 4u

struct model {
        struct hb_dup_place at[KEYS]; /* owner 0: none */
        uint32_t owner[OWNERS];
};

static void expect_as_model(hb_dup_index *i, const struct model *m) {
        uint64_t n = 0;

        for (unsigned k = 0; k < KEYS; k++) {
                struct hb_print p = print_of(k);
                struct hb_dup_place at = {0};
                int rc = hb_dup_index_get(i, &p, &at);

                assert_int_equal(rc, m->at[k].owner ? 0 : -ENOENT);
                assert_true(at.owner == m->at[k].owner && at.page == m->at[k].page);
                assert_int_equal(hb_dup_index_has_tag(i, hb_print_tag(&p)), rc == 0);
                p.b[15] ^= 1; /* another print of the same tag */
                assert_int_equal(hb_dup_index_get(i, &p, &at), -ENOENT);
                n += rc == 0;
        }
        assert_true(stats(i).entries >= n); /* others may wait to be swept */
        assert_int_equal(stats(i).evicted, 0);
        assert_int_equal(stats(i).owners, OWNERS);
}

static void change(hb_dup_index *i, struct model *m, uint64_t *seed) {
        unsigned k = (unsigned)(hb_splitmix64(seed) % KEYS), o = (unsigned)(hb_splitmix64(seed) % OWNERS);
        struct hb_dup_place at = {m->owner[o], hb_splitmix64(seed) % 1000}, *held = &m->at[k];
        struct hb_print p = print_of(k);

        switch (hb_splitmix64(seed) % 8) {
        case 0:
                assert_int_equal(hb_dup_index_replace(i, &p, at), 0);
                *held = at;
                break;
        case 1: /* the wrong place, then the right one */
                at.owner = held->owner;
                at.page = held->page + 1;
                assert_int_equal(hb_dup_index_remove(i, &p, at), -ENOENT);
                assert_int_equal(hb_dup_index_remove(i, &p, *held), held->owner ? 0 : -ENOENT);
                *held = (struct hb_dup_place){0};
                break;
        case 2:
                hb_dup_index_sweep(i, hb_splitmix64(seed) % 30);
                break;
        default:
                assert_int_equal(hb_dup_index_put(i, &p, at), held->owner ? -EEXIST : 0);
                *held = held->owner ? *held : at;
        }
}

static void test_as_the_model(void **state) {
        for (uint64_t seed = 1; seed <= 20; seed++) {
                hb_dup_index *i = make(600);
                struct model m = {0};
                uint64_t rng = seed;

                for (unsigned o = 0; o < OWNERS; o++)
                        m.owner[o] = owner(i);
                for (unsigned n = 0; n < 1500; n++) {
                        unsigned o = n % OWNERS;

                        change(i, &m, &rng);
                        if (n % 97 == 5) { /* one goes, another comes */
                                hb_dup_index_owner_remove(i, m.owner[o]);
                                for (unsigned k = 0; k < KEYS; k++)
                                        if (m.at[k].owner == m.owner[o])
                                                m.at[k] = (struct hb_dup_place){0};
                                m.owner[o] = owner(i);
                        }
                        if (n % 50 == 0)
                                expect_as_model(i, &m);
                }
                while (hb_dup_index_sweep(i, 3))
                        ;
                expect_as_model(i, &m);
                hb_dup_index_free(i);
        }
}

/* ---- room ---- */

static void test_it_fills_and_stays_within(void **state) {
        hb_dup_index *i = make(1 << 14);
        uint32_t o = owner(i);
        uint64_t n = 0, found = 0, cap = stats(i).capacity;
        struct hb_dup_place at;

        assert_true(cap == 1 << 14 && stats(i).bytes == 24ull << 14);
        while (stats(i).evicted == 0) {
                struct hb_print p = print_of(n);

                assert_int_equal(hb_dup_index_put(i, &p, (struct hb_dup_place){o, n++}), 0);
        }
        print_message("the first is evicted at %.1f %% of its room\n", 100.0 * (double)(n - 1) / (double)cap);
        assert_true((double)(n - 1) > 0.9 * (double)cap);
        for (; n < 3 * cap; n++) {
                struct hb_print p = print_of(n);

                assert_int_equal(hb_dup_index_put(i, &p, (struct hb_dup_place){o, n}), 0);
                assert_int_equal(hb_dup_index_get(i, &p, &at), 0); /* what came last is there */
        }
        for (uint64_t k = 0; k < n; k++) {
                struct hb_print p = print_of(k);

                found += hb_dup_index_get(i, &p, &at) == 0 && at.page == k;
        }
        assert_true(found == stats(i).entries && found <= cap && (double)found > 0.95 * (double)cap);
        assert_int_equal(stats(i).evicted, n - found);
        hb_dup_index_free(i);
}

/* What is asked for stays, what nobody wants goes. */
/* Its memory follows what is in it, and no print is lost or twice there while it grows, with owners going
 * meanwhile. */
static void test_it_grows_with_what_is_in_it(void **state) {
        hb_dup_index *i = make(1 << 20);
        uint32_t o = owner(i), guest = 0;
        struct hb_dup_place at;
        uint64_t n = 0, gone = 0;

        assert_true(stats(i).bytes_now * 100 < stats(i).bytes);
        for (uint64_t next = 1000; next < 900000; next *= 3) {
                guest = owner(i);
                for (; n < next; n++) {
                        struct hb_print p = print_of(n);
                        bool goes = n % 5 == 0;

                        assert_int_equal(hb_dup_index_put(i, &p, (struct hb_dup_place){goes ? guest : o, n}),
                                         0);
                        gone += goes;
                }
                hb_dup_index_owner_remove(i, guest);
                assert_true(stats(i).bytes_now <= 24 * 4 * next / 2 + (64 << 10));
                for (uint64_t k = 0; k < n; k += 7) {
                        struct hb_print p = print_of(k);

                        assert_int_equal(hb_dup_index_get(i, &p, &at), k % 5 == 0 ? -ENOENT : 0);
                        assert_true(k % 5 == 0 || (at.owner == o && at.page == k));
                }
        }
        while (hb_dup_index_sweep(i, 1 << 10))
                ;
        assert_int_equal(stats(i).entries, n - gone);
        assert_int_equal(stats(i).evicted, 0);
        hb_dup_index_free(i);
}

static void test_what_is_used_outlives_what_is_not(void **state) {
        enum { CAP = 8192, USED = 2000 };
        hb_dup_index *i = make(CAP);
        uint32_t o = owner(i);
        uint64_t kept = 0, unused = 0;
        struct hb_dup_place at;

        for (uint64_t n = 0; n < CAP / 2; n++) {
                struct hb_print p = print_of(n);

                assert_int_equal(hb_dup_index_put(i, &p, (struct hb_dup_place){o, n}), 0);
        }
        for (uint64_t n = CAP; n < 3 * CAP; n++) { /* twice its room passes through */
                struct hb_print p = print_of(n), q = print_of(n % USED);

                assert_int_equal(hb_dup_index_put(i, &p, (struct hb_dup_place){o, n}), 0);
                hb_dup_index_get(i, &q, &at);
        }
        for (uint64_t n = 0; n < CAP / 2; n++) {
                struct hb_print p = print_of(n);

                *(n < USED ? &kept : &unused) += hb_dup_index_get(i, &p, &at) == 0;
        }
        assert_true(kept > USED * 98 / 100);
        assert_true(unused < (CAP / 2 - USED) / 4);
        hb_dup_index_free(i);
}

/* ---- owners ---- */

static void test_ids_come_back_when_swept(void **state) {
        hb_dup_index *i = make(800);
        struct hb_print p = print_of(1);
        struct hb_dup_place at;
        uint32_t id, n = 0;

        while (hb_dup_index_owner_add(i, &id) == 0)
                n++;
        assert_int_equal(n, HB_DUP_OWNERS - 1);
        assert_int_equal(hb_dup_index_put(i, &p, (struct hb_dup_place){5, 1}), 0);
        hb_dup_index_owner_remove(i, 5);
        hb_dup_index_owner_remove(i, 5);
        hb_dup_index_owner_remove(i, 0);
        hb_dup_index_owner_remove(i, HB_DUP_OWNERS);
        assert_int_equal(stats(i).owners, n - 1);
        assert_int_equal(hb_dup_index_get(i, &p, &at), -ENOENT);
        assert_int_equal(hb_dup_index_put(i, &p, (struct hb_dup_place){5, 1}), -EINVAL);
        assert_int_equal(hb_dup_index_put(i, &p, (struct hb_dup_place){0, 1}), -EINVAL);
        assert_int_equal(hb_dup_index_put(i, &p, (struct hb_dup_place){6, 1ull << 32}), -EINVAL);
        assert_int_equal(hb_dup_index_owner_add(i, &id),
                         -ENOSPC); /* its entries might be taken for the new one's */
        assert_true(hb_dup_index_sweep(i, 99));
        hb_dup_index_owner_remove(i, 7); /* another, in the midst of it */
        assert_true(hb_dup_index_sweep(i, 99));
        assert_false(hb_dup_index_sweep(i, 1));
        assert_int_equal(stats(i).entries, 0);
        assert_int_equal(hb_dup_index_owner_add(i, &id), 0);
        assert_true(id == 5 || id == 7);
        assert_int_equal(hb_dup_index_get(i, &p, &at), -ENOENT);
        hb_dup_index_free(i);
}

static void test_refused(void **state) {
        hb_dup_index *i = NULL;

        assert_int_equal(hb_dup_index_new(BUCKET - 1, &i), -EINVAL);
        assert_int_equal(hb_fault_arm("dup_index.new=fail"), 0);
        assert_int_equal(hb_dup_index_new(1 << 20, &i), -ENOMEM);
        hb_fault_disarm();
        assert_null(i);
        assert_null(hb_dup_index_free(NULL));
}

/* ---- the whole chain ---- */

#define HELD    100000u
#define ASKED   100000u
#define PLANTED 4u /* one in so many of those asked for is held, one is held but for a bit */

static void fill(uint64_t page[512], uint64_t n) {
        uint64_t seed = n;

        for (unsigned k = 0; k < 512; k++)
                page[k] = hb_splitmix64(&seed);
}

static void hold(hb_dup_index *i, const hb_fingerprint *f, uint32_t o) {
        uint64_t page[512];
        struct hb_print p;

        for (uint64_t n = 0; n < HELD; n++) {
                fill(page, n);
                hb_fingerprint_pages(f, page, 1, &p);
                assert_int_equal(hb_dup_index_put(i, &p, (struct hb_dup_place){o, n}), 0);
        }
}

static void test_two_hundred_thousand_pages(void **state) {
        hb_dup_index *i = make(HELD * 10 / 9);
        hb_fingerprint *f = NULL;
        uint32_t o = owner(i);
        uint64_t page[512], found = 0, planted = 0, false_hits = 0, others = 0;

        assert_int_equal(hb_fingerprint_new("twenty bytes or more", 20, &f, NULL), 0);
        hold(i, f, o);
        for (uint64_t n = 0; n < ASKED; n++) {
                bool same = n % PLANTED == 0, near = n % PLANTED == 1;
                struct hb_dup_place at;
                struct hb_print p;

                fill(page, same || near ? n : n + HELD);
                if (near)
                        page[n % 512] ^= 1ull << n / 512 % 64;
                hb_fingerprint_pages(f, page, 1, &p);
                if (hb_dup_index_get(i, &p, &at) == 0) {
                        assert_true(same && at.page == n); /* nothing else is ever shared */
                        assert_true(hb_dup_index_has_tag(i, hb_print_tag(&p)));
                        found++;
                }
                planted += same;
                others += !same;
                false_hits += !same && hb_dup_index_has_tag(i, hb_print_tag(&p));
        }
        print_message("%llu of %llu duplicates found; %llu false hits of the filter, %.2f expected\n",
                      (unsigned long long)found, (unsigned long long)planted, (unsigned long long)false_hits,
                      (double)HELD * (double)others / 4294967296.0);
        assert_int_equal(found, planted);
        assert_true(false_hits <= 9); /* 1.75 expected: more than 9 one time in 100 000 keys */
        hb_fingerprint_free(f);
        hb_dup_index_free(i);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_as_the_model),
                cmocka_unit_test(test_it_fills_and_stays_within),
                cmocka_unit_test(test_it_grows_with_what_is_in_it),
                cmocka_unit_test(test_what_is_used_outlives_what_is_not),
                cmocka_unit_test(test_ids_come_back_when_swept),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_two_hundred_thousand_pages),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
