/* The quickstart's verdict rests on the load noticing every kind of wrong memory: each kind is made here and
 * must be seen, by the check of everything at one moment and by the running pass that goes on while pages are
 * written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "content.h"
#include "load.h"

#define MB 4u

struct fixture {
        struct load load;
        uint8_t *memory;
        uint64_t now;
};

static void run_for(struct fixture *f, uint64_t ms) {
        for (uint64_t i = 0; i < ms / 10; i++) {
                f->now += 10000000;
                load_step(&f->load, f->now);
        }
}

static int setup(void **state) {
        struct fixture *f = calloc(1, sizeof(*f));
        struct load_params p;

        load_params_init(&p);
        p.mb = MB;
        p.rate = 20000;
        p.verify_s = 1;
        f->memory = aligned_alloc(LOAD_PAGE, MB << 20);
        f->now = 1000000000;
        assert_int_equal(load_start(&f->load, &p, f->memory), 0);
        load_step(&f->load, f->now);
        run_for(f, 1500);
        assert_int_equal(load_verify_all(&f->load), 0);
        *state = f;
        return 0;
}

static int teardown(void **state) {
        struct fixture *f = *state;

        free(f->memory);
        free(f);
        return 0;
}

static uint8_t *data_page(struct fixture *f, uint64_t page) {
        uint64_t first = (MB << 20) / LOAD_PAGE - f->load.state.pages;

        return f->memory + (first + page) * LOAD_PAGE;
}

static uint32_t *generation(struct fixture *f, uint64_t page) {
        return (uint32_t *)(void *)f->memory + page;
}

static void test_clean_run_stays_clean(void **state) {
        struct fixture *f = *state;

        run_for(f, 5000);
        assert_int_equal(f->load.state.bad, 0);
        assert_int_equal(f->load.state.lost, 0);
        assert_in_range(f->load.state.passes, 5, 8);
        assert_in_range(f->load.state.writes, 125000, 135000);
        assert_int_equal(load_verify_all(&f->load), 0);
}

/* Pages are given back and come back as they were. */
static void test_renewed_pages_stay_clean(void **state) {
        struct load_params p;
        struct fixture f = {.now = 1000000000};
        unsigned char held = 1;

        load_params_init(&p);
        p.mb = MB;
        p.rate = 20000;
        p.renew = 100;
        f.memory = mmap(NULL, MB << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        assert_int_equal(load_start(&f.load, &p, f.memory), 0);
        load_step(&f.load, f.now);
        run_for(&f, 1500);
        assert_in_range(f.load.state.writes, 25000, 35000);
        assert_int_equal(load_verify_all(&f.load), 0);
        assert_int_equal(madvise(data_page(&f, 5), LOAD_PAGE, MADV_REMOVE), 0); /* this memory can do it */
        assert_int_equal(mincore(data_page(&f, 5), LOAD_PAGE, &held), 0);
        assert_int_equal(held & 1, 0);
        assert_int_equal(load_verify_all(&f.load), 1);
        munmap(f.memory, MB << 20);
}

static void test_every_flipped_bit_is_seen(void **state) {
        struct fixture *f = *state;

        for (unsigned byte = 0; byte < LOAD_PAGE; byte += 7) {
                data_page(f, 500)[byte] ^= 1u << (byte % 8);
                assert_int_equal(load_verify_all(&f->load), 1);
                data_page(f, 500)[byte] ^= 1u << (byte % 8);
        }
        assert_int_equal(load_verify_all(&f->load), 0);
}

static void test_page_one_write_behind_is_seen(void **state) {
        struct fixture *f = *state;
        uint8_t old[LOAD_PAGE];
        uint64_t page = f->load.state.hot_base;
        uint32_t g = *generation(f, page);

        memcpy(old, data_page(f, page), LOAD_PAGE);
        while (*generation(f, page) == g)
                run_for(f, 10);
        memcpy(data_page(f, page), old, LOAD_PAGE);
        assert_int_equal(load_verify_all(&f->load), 1);
        assert_int_equal(f->load.state.last_bad.page, page);
}

static void test_half_old_page_is_seen(void **state) {
        struct fixture *f = *state;
        uint8_t old[LOAD_PAGE];
        uint64_t page = f->load.state.hot_base + 1;

        memcpy(old, data_page(f, page), LOAD_PAGE);
        for (uint32_t want = *generation(f, page) + 64; *generation(f, page) < want;)
                run_for(f, 10);
        memcpy(data_page(f, page), old, LOAD_PAGE / 2);
        assert_int_equal(load_verify_all(&f->load), 1);
}

static void test_other_page_and_zero_page_are_seen(void **state) {
        struct fixture *f = *state;

        memcpy(data_page(f, 700), data_page(f, 701), LOAD_PAGE);
        memset(data_page(f, 702), 0, LOAD_PAGE);
        assert_int_equal(load_verify_all(&f->load), 2);
}

/* The page and its generation both from the past: content alone cannot tell, the sum of writes can. */
static void test_page_old_with_its_generation_is_seen(void **state) {
        struct fixture *f = *state;
        uint8_t old[LOAD_PAGE];
        uint64_t page = f->load.state.hot_base;
        uint32_t g = *generation(f, page);

        memcpy(old, data_page(f, page), LOAD_PAGE);
        while (*generation(f, page) == g)
                run_for(f, 10);
        memcpy(data_page(f, page), old, LOAD_PAGE);
        *generation(f, page) = g;
        assert_int_equal(load_verify_all(&f->load), 1);
        assert_int_equal(f->load.state.bad, 0);
        assert_int_equal(f->load.state.lost, 1);
        run_for(f, 2500);
        assert_true(f->load.state.lost > 1);
}

static void test_running_pass_finds_a_bad_page(void **state) {
        struct fixture *f = *state;
        uint64_t cold = f->load.state.pages - 3;

        data_page(f, cold)[100] ^= 4;
        run_for(f, 2500);
        assert_true(f->load.state.bad > 0);
        assert_int_equal(f->load.state.last_bad.page, cold);
        assert_int_equal(f->load.state.last_pass_bad, 1);
}

/* The next pass may begin in the very step that ends one: its count must not wipe out the last page's. */
static void test_pass_counts_its_last_page(void **state) {
        struct fixture *f = *state;

        data_page(f, f->load.state.pages - 1)[7] ^= 1;
        for (uint64_t want = f->load.state.passes + 1, end = want + 4; want < end; want++) {
                while (f->load.state.passes < want)
                        run_for(f, 10);
                assert_int_equal(f->load.state.last_pass_bad, 1);
        }
}

static void test_resume_from_bytes_elsewhere(void **state) {
        struct fixture *f = *state;
        uint8_t blob[sizeof(struct load_state)], *copy = aligned_alloc(LOAD_PAGE, MB << 20);
        struct load moved;

        assert_true(sizeof(blob) < 64 * 1024);
        memcpy(blob, &f->load.state, sizeof(blob));
        memcpy(copy, f->memory, MB << 20);
        memset(f->memory, 0xee, MB << 20);
        assert_int_equal(load_resume(&moved, blob, sizeof(blob), copy), 0);
        for (uint64_t t = 5; t < 5 + 3000; t += 10)
                load_step(&moved, t * 1000000);
        assert_int_equal(moved.state.bad, 0);
        assert_int_equal(moved.state.lost, 0);
        assert_int_equal(load_verify_all(&moved), 0);
        free(copy);
}

static void test_resume_refuses_what_it_did_not_write(void **state) {
        struct fixture *f = *state;
        struct load_state s = f->load.state;
        struct load moved;

        assert_int_equal(load_resume(&moved, &s, sizeof(s) - 1, f->memory), -EINVAL);
        s.pages++;
        assert_int_equal(load_resume(&moved, &s, sizeof(s), f->memory), -EINVAL);
        s = f->load.state;
        s.magic ^= 1;
        assert_int_equal(load_resume(&moved, &s, sizeof(s), f->memory), -EINVAL);
        s = f->load.state;
        s.hot_base = s.pages;
        assert_int_equal(load_resume(&moved, &s, sizeof(s), f->memory), -EINVAL);
}

static void test_absence_is_dropped_not_made_up_for(void **state) {
        struct fixture *f = *state;
        uint64_t before = f->load.state.writes;

        f->now += 10000000000ull;
        load_step(&f->load, f->now);
        assert_in_range(f->load.state.writes - before, 3000, 5000);
        assert_in_range(f->load.state.dropped, 190000, 200000);
        assert_true(load_take_gap(&f->load) >= 10000000000ull);
        assert_int_equal(load_take_gap(&f->load), 0);
}

static void test_hot_pages_get_their_share(void **state) {
        struct fixture *f = *state;
        uint64_t hot = f->load.state.pages / 10, sum = 0;

        for (uint64_t i = 0; i < hot; i++)
                sum += *generation(f, i);
        assert_in_range(sum * 100 / f->load.state.writes, 88, 94);
}

static void test_params(void **state) {
        struct load_params p;
        const char *name;

        load_params_init(&p);
        assert_int_equal(load_params_set(&p, "rate=77"), 0);
        assert_int_equal(p.rate, 77);
        assert_int_equal(load_params_set(&p, "rate"), -ENOENT);
        assert_int_equal(load_params_set(&p, "rat=1"), -ENOENT);
        assert_int_equal(load_params_set(&p, "rate=1x"), -ERANGE);
        assert_int_equal(load_params_set(&p, "rate=-1"), -ERANGE);
        assert_int_equal(load_params_set(&p, "hot=101"), -ERANGE);
        assert_int_equal(load_params_set(&p, "mb=99999999999999999999"), -ERANGE);
        assert_non_null(load_params_help(0, &name));
        assert_string_equal(name, "mb");
        assert_null(load_params_help(1000, &name));
}

int main(void) {
        const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
                T(test_clean_run_stays_clean),
                cmocka_unit_test(test_renewed_pages_stay_clean),
                T(test_every_flipped_bit_is_seen),
                T(test_page_one_write_behind_is_seen),
                T(test_half_old_page_is_seen),
                T(test_other_page_and_zero_page_are_seen),
                T(test_page_old_with_its_generation_is_seen),
                T(test_running_pass_finds_a_bad_page),
                T(test_pass_counts_its_last_page),
                T(test_resume_from_bytes_elsewhere),
                T(test_resume_refuses_what_it_did_not_write),
                T(test_absence_is_dropped_not_made_up_for),
                T(test_hot_pages_get_their_share),
                cmocka_unit_test(test_params),
        };

        return cmocka_run_group_tests_name("guest_load", tests, NULL, NULL);
}
