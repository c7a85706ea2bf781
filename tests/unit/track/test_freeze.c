/* freeze: while the function runs nothing of the process moves, and afterwards everything does. */
#include "base/clock.h"
#include "base/fault.h"
#include "track/freeze.h"
#include "track_child.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct tc child;

static int start(void **state) {
        memset(&child, 0, sizeof child);
        return tc_add(&child, -1, 1 << 20) || tc_start(&child);
}

static int stop(void **state) {
        hb_fault_disarm();
        tc_stop(&child);
        return 0;
}

static int stands_still(void *arg) {
        uint64_t storms = tc_get(child.shared->storms), rounds = tc_get(child.shared->rounds);

        hb_sleep_ns(5000000);
        return storms == tc_get(child.shared->storms) && rounds == tc_get(child.shared->rounds) ? 7 : -EIO;
}

static void wait_for_more(uint64_t *counter) {
        uint64_t before = tc_get(*counter), until = hb_now_ns() + 10 * HB_NS_PER_S;

        while (tc_get(*counter) == before && hb_now_ns() < until)
                sched_yield();
        assert_true(tc_get(*counter) > before);
}

static void test_nothing_moves(void **state) {
        uint64_t ns;

        assert_int_equal(tc_call(&child, TC_THREADS, 0, 0, 10, 2), 0);
        assert_int_equal(tc_call(&child, TC_STORM, 0, 0, 0, 3), 0);
        for (int i = 0; i < 20; i++) {
                assert_int_equal(hb_freeze(child.pid, stands_still, NULL, &ns, NULL), 7);
                assert_true(ns >= 5000000);
                wait_for_more(&child.shared->storms);
                wait_for_more(&child.shared->rounds);
        }
        assert_int_equal(tc_call(&child, TC_CALM, 0, 0, 0, 0), 0);
        assert_int_equal(tc_call(&child, TC_CHECK, 0, 0, 0, 0), 0);
}

static void *breeder(void *arg) {
        pthread_t t;

        for (;;)
                if (pthread_create(&t, NULL, (void *(*)(void *))arg, NULL) == 0)
                        pthread_join(t, NULL);
        return NULL;
}

static uint64_t *born;
static void *infant(void *arg) {
        __atomic_add_fetch(born, 1, __ATOMIC_SEQ_CST);
        return NULL;
}

static int no_births(void *arg) {
        uint64_t before = tc_get(*born);

        hb_sleep_ns(3000000);
        return before == tc_get(*born) ? 0 : -EIO;
}

/* Threads that come and go all the time. */
static void test_threads_born_meanwhile(void **state) {
        pid_t pid;

        born = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        pid = fork();
        if (pid == 0) {
                pthread_t t;

                prctl(PR_SET_PDEATHSIG, SIGKILL);
                for (int i = 0; i < 3; i++)
                        pthread_create(&t, NULL, breeder, (void *)infant);
                for (;;)
                        pause();
        }
        wait_for_more(born);
        for (int i = 0; i < 30; i++) {
                struct hb_err e = {0};
                int r = hb_freeze(pid, no_births, NULL, NULL, &e);

                if (r < 0)
                        fail_msg("%d %s", r, e.what);
                wait_for_more(born);
        }
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        munmap(born, 4096);
}

static int pass(void *arg) {
        return -ENOTTY;
}

static void test_results_and_errors(void **state) {
        struct hb_err e = {0};

        assert_int_equal(hb_freeze(child.pid, pass, NULL, NULL, &e), -ENOTTY); /* the function's own result */
        assert_int_equal(e.code, 0);
        assert_int_equal(hb_freeze(999999999, pass, NULL, NULL, &e), -ESRCH);
        assert_int_equal(e.code, -ESRCH);
        hb_fault_arm("track.seize=fail");
        assert_int_equal(hb_freeze(child.pid, pass, NULL, NULL, &e), -EPERM);
        hb_fault_disarm();
        assert_true(e.next[0]);
        assert_int_equal(tc_call(&child, TC_PING, 0, 0, 0, 0), 0);
}

static int hold(void *arg) {
        volatile int *in = arg;

        *in = 1;
        hb_sleep_ns(10 * HB_NS_PER_S);
        return 0;
}

/* kill -9 while it holds the process: the process goes on. */
static void test_killed_while_holding(void **state) {
        volatile int *in = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        pid_t agent;

        assert_int_equal(tc_call(&child, TC_STORM, 0, 0, 0, 3), 0);
        wait_for_more(&child.shared->storms);
        agent = fork();
        if (agent == 0) {
                prctl(PR_SET_PDEATHSIG, SIGKILL);
                hb_freeze(child.pid, hold, (void *)(uintptr_t)in, NULL, NULL);
                _exit(0);
        }
        while (!*in)
                sched_yield();
        kill(agent, SIGKILL);
        waitpid(agent, NULL, 0);
        wait_for_more(&child.shared->storms);
        assert_int_equal(tc_call(&child, TC_CALM, 0, 0, 0, 0), 0);
        munmap((void *)(uintptr_t)in, 4096);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_nothing_moves, start, stop),
                cmocka_unit_test_setup_teardown(test_threads_born_meanwhile, start, stop),
                cmocka_unit_test_setup_teardown(test_results_and_errors, start, stop),
                cmocka_unit_test_setup_teardown(test_killed_while_holding, start, stop),
        };

        return cmocka_run_group_tests_name("freeze", tests, NULL, NULL);
}
