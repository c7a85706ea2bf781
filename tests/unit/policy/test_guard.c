/* The guard by itself: work that ignores its interruption is left all the same, time asleep is not charged,
 * threads do not disturb each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants the four above first */
#include "base/clock.h"
#include "base/fault.h"
#include "policy/guard.h"
#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#define BUDGET (10 * HB_NS_PER_MS)
#define ALLOWED                                                                                              \
        (BUDGET + HB_GUARD_GRACE_NS + 50 * HB_NS_PER_MS) /* the last term: a busy machine under sanitizers   \
                                                          */

static uint64_t cpu_ns(void) {
        struct timespec t;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (uint64_t)t.tv_sec * HB_NS_PER_S + (uint64_t)t.tv_nsec;
}

struct work {
        hb_guard *guard;
        volatile unsigned interrupted, rounds, stop_after;
};

static void on_interrupt(void *arg) {
        struct work *w = arg;
        w->interrupted++;
}

/* Polls only where the guard cannot signal, as a sandbox would. */
static void spin(void *arg) {
        struct work *w = arg;

        for (;;) {
                w->rounds++;
                if (hb_guard_polled(w->guard) && hb_guard_due(w->guard))
                        hb_guard_leave(w->guard);
        }
}

static void spin_until_interrupted(void *arg) {
        struct work *w = arg;

        while (!w->interrupted && !(hb_guard_polled(w->guard) && hb_guard_due(w->guard)))
                w->rounds++;
}

static void doze(void *arg) {
        hb_sleep_ns(3 * BUDGET);
}

static void leave(void *arg) {
        struct work *w = arg;
        hb_guard_leave(w->guard);
}

static int run(struct work *w, void (*what)(void *), uint64_t *cpu_ns) {
        struct hb_guard_job job = {.run = what, .interrupt = on_interrupt, .arg = w};

        w->interrupted = 0;
        return hb_guard_run(w->guard, BUDGET, &job, cpu_ns);
}

static void test_stubborn_work_is_left(void **state) {
        struct work w = {0};
        uint64_t cpu;

        assert_int_equal(hb_guard_new(&w.guard), 0);
        for (int i = 0; i < 5; i++) {
                assert_int_equal(run(&w, spin, &cpu), -ETIME);
                assert_true(cpu >= BUDGET && cpu <= ALLOWED);
                assert_int_equal(w.interrupted, hb_guard_polled(w.guard) ? 0 : 1);
        }
        assert_true(w.rounds > 0);
        hb_guard_free(w.guard);
}

/* Stays behind a shield until the grace is over as well, then steps out of it. */
static void shielded(void *arg) {
        struct work *w = arg;
        uint64_t start = cpu_ns();

        w->rounds = 0;
        hb_guard_shield(w->guard);
        while (cpu_ns() - start < BUDGET + 2 * HB_GUARD_GRACE_NS)
                ;
        w->rounds = 1;
        hb_guard_unshield(w->guard);
        w->rounds = 2;
}

static void test_a_shield_puts_the_jump_off(void **state) {
        struct work w = {0};
        uint64_t cpu;

        assert_int_equal(hb_guard_new(&w.guard), 0);
        for (int i = 0; i < 3; i++) {
                assert_int_equal(run(&w, shielded, &cpu), -ETIME);
                assert_int_equal(w.rounds, hb_guard_polled(w.guard) ? 2 : 1);
                assert_int_equal(run(&w, doze, &cpu), 0); /* nothing is left of it */
        }
        hb_guard_free(w.guard);
}

static void test_ending_in_the_grace_is_late(void **state) {
        struct work w = {0};
        uint64_t cpu;

        assert_int_equal(hb_guard_new(&w.guard), 0);
        assert_int_equal(run(&w, spin_until_interrupted, &cpu), -ETIME);
        assert_true(cpu >= BUDGET && cpu <= ALLOWED);
        assert_int_equal(run(&w, leave, &cpu), -ETIME);
        assert_true(cpu < BUDGET);
        hb_guard_free(w.guard);
}

static void test_sleep_is_free(void **state) {
        struct work w = {0};
        uint64_t cpu;

        assert_int_equal(hb_guard_new(&w.guard), 0);
        assert_int_equal(run(&w, doze, &cpu), 0);
        assert_int_equal(w.interrupted, 0);
        assert_true(cpu < BUDGET);
        hb_guard_free(w.guard);
}

static void test_no_timer(void **state) {
        struct work w = {0};

        assert_int_equal(hb_guard_new(&w.guard), 0);
        hb_fault_arm("policy.timer=fail");
        assert_int_equal(run(&w, spin, NULL), -ETIME);
        assert_true(hb_guard_polled(w.guard));
        hb_fault_disarm();
        hb_guard_free(w.guard);
        assert_null(hb_guard_free(NULL));
}

static void *thread_main(void *arg) {
        struct work w = {0};
        long bad = 0;

        if (hb_guard_new(&w.guard) < 0)
                return (void *)1;
        for (int i = 0; i < 10; i++) {
                bad += run(&w, spin, NULL) != -ETIME;
                bad += run(&w, doze, NULL) != 0;
        }
        hb_guard_free(w.guard);
        return (void *)bad;
}

static void test_threads(void **state) {
        pthread_t threads[4];
        void *bad;

        for (int i = 0; i < 4; i++)
                assert_int_equal(pthread_create(&threads[i], NULL, thread_main, NULL), 0);
        for (int i = 0; i < 4; i++) {
                assert_int_equal(pthread_join(threads[i], &bad), 0);
                assert_null(bad);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_stubborn_work_is_left),
                cmocka_unit_test(test_a_shield_puts_the_jump_off),
                cmocka_unit_test(test_ending_in_the_grace_is_late),
                cmocka_unit_test(test_sleep_is_free),
                cmocka_unit_test(test_no_timer),
                cmocka_unit_test(test_threads),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
