/* The switchboard: each point fails once in turn, names and patterns act as written, bad specs change
 * nothing. */
#include "base/clock.h"
#include "base/fault.h"
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int disarm(void **state) {
        hb_fault_disarm();
        return 0;
}

static int three_steps(void) {
        if (hb_fault("t.one"))
                return -1;
        if (hb_fault("t.two"))
                return -2;
        if (hb_fault("t.three"))
                return -3;
        return 0;
}

static void nothing_armed(void **state) {
        for (int i = 0; i < 1000; i++)
                assert_int_equal(three_steps(), 0);
}

static void each_in_turn_until_none(void **state) {
        static const int want[] = {-1, -2, -3, 0};
        unsigned rounds = 0;

        for (unsigned n = 1; hb_fail_nth(n); n++) {
                assert_true(n <= 4);
                assert_int_equal(three_steps(), want[n - 1]);
                assert_int_equal(hb_fault_passed(), n <= 3 ? n : 3);
                rounds++;
        }
        assert_int_equal(rounds, 4); /* the last round meets no fault: the success case */
        assert_int_equal(three_steps(), 0);
}

static void nth_fails_once_only(void **state) {
        assert_true(hb_fail_nth(1));
        assert_int_equal(three_steps(), -1);
        assert_int_equal(three_steps(), 0);
        assert_int_equal(hb_fault_passed(), 4);
}

static void nth_needs_a_round_before(void **state) {
        assert_false(hb_fail_nth(5));
        assert_false(hb_fail_nth(0));
        assert_int_equal(three_steps(), 0);
}

static void by_name(void **state) {
        assert_int_equal(hb_fault_arm("t.two=fail"), 0);
        assert_int_equal(three_steps(), -2);
        assert_int_equal(three_steps(), -2);
        assert_int_equal(hb_fault_arm("t.two=fail@3,t.one=fail@4"), 0);
        assert_int_equal(three_steps(), 0);
        assert_int_equal(three_steps(), 0);
        assert_int_equal(three_steps(), -2);
        assert_int_equal(three_steps(), -1);
        assert_int_equal(three_steps(), 0);
        assert_int_equal(hb_fault_arm(""), 0);
        assert_int_equal(three_steps(), 0);
        assert_int_equal(hb_fault_arm("t.one=fail"), 0);
        assert_int_equal(hb_fault_arm(NULL), 0);
        assert_int_equal(three_steps(), 0);
}

static void by_pattern(void **state) {
        assert_int_equal(hb_fault_arm("t.t*=fail@2"), 0);
        assert_int_equal(three_steps(), -3); /* the second that matches */
        assert_int_equal(hb_fault_arm("*=fail@5"), 0);
        assert_int_equal(three_steps(), 0);
        assert_int_equal(three_steps(), -2);
        assert_int_equal(hb_fault_arm("t.t=fail,t.three.more=fail,T.two=fail"), 0);
        assert_int_equal(three_steps(), 0);
}

static void bad_specs_change_nothing(void **state) {
        static const char *const bad[] = {
                "t.two",
                "=fail",
                "t.two=",
                "t.two=fial",
                "t.two=fail@",
                "t.two=fail@0",
                "t.two=fail@x",
                "t.two=fail@1x",
                "t.two=fail@-1",
                "t.two=fail,",
                ",t.two=fail",
                "t two=fail",
                "t*o=fail",
                "t.two=stall",
                "t.two=stall:",
                "t.two=stall:0",
                "t.two=stall:1s",
                "t.two=fail ",
                "t.two=kill:1",
                "**=fail",
                "t.two=fail@99999999999999999999",
                "t.two=stall:999999999",
                "a23456789b123456789c123456789d123456789e123456789f123456789g1234=fail",
        };

        assert_int_equal(hb_fault_arm("t.three=fail"), 0);
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                if (hb_fault_arm(bad[i]) != -EINVAL)
                        fail_msg("accepted: %s", bad[i]);
                assert_int_equal(three_steps(), -3);
        }
}

static void too_many_rules(void **state) {
        char spec[2048] = "";

        for (int i = 0; i < 32; i++)
                strcat(spec, i ? ",x=fail" : "x=fail");
        assert_int_equal(hb_fault_arm(spec), 0);
        strcat(spec, ",x=fail");
        assert_int_equal(hb_fault_arm(spec), -EINVAL);
}

static void stall_takes_its_time(void **state) {
        uint64_t before;

        assert_int_equal(hb_fault_arm("t.one=stall:30@1"), 0);
        before = hb_now_ns();
        assert_int_equal(three_steps(), 0);
        assert_true(hb_now_ns() - before >= 30 * HB_NS_PER_MS);
        assert_int_equal(hb_fault_passed(), 3);
}

static void kill_is_sudden(void **state) {
        int status;
        pid_t pid = fork();

        if (pid == 0) {
                hb_fault_arm("t.two=kill");
                _exit(three_steps() == 0 ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static void from_the_environment(void **state) {
        setenv("HB_TEST_FAULT", "t.three=fail", 1);
        assert_int_equal(hb_fault_from_env("HB_TEST_FAULT"), 0);
        assert_int_equal(three_steps(), -3);
        setenv("HB_TEST_FAULT", "nonsense", 1);
        assert_int_equal(hb_fault_from_env("HB_TEST_FAULT"), -EINVAL);
        unsetenv("HB_TEST_FAULT");
        assert_int_equal(hb_fault_from_env("HB_TEST_FAULT"), 0);
        assert_int_equal(three_steps(), 0);
}

#define THREADS 4
#define PASSES  500

static void *count_failures(void *arg) {
        unsigned long *failed = arg;

        for (int i = 0; i < PASSES; i++)
                *failed += hb_fault("t.shared");
        return NULL;
}

static void one_failure_among_threads(void **state) {
        unsigned long failed[THREADS] = {0}, sum = 0;
        pthread_t t[THREADS];

        assert_int_equal(hb_fault_arm("t.shared=fail@777"), 0);
        for (int i = 0; i < THREADS; i++)
                assert_int_equal(pthread_create(&t[i], NULL, count_failures, &failed[i]), 0);
        for (int i = 0; i < THREADS; i++) {
                pthread_join(t[i], NULL);
                sum += failed[i];
        }
        assert_int_equal(sum, 1);
        assert_int_equal(hb_fault_passed(), THREADS * PASSES);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_teardown(nothing_armed, disarm),
                cmocka_unit_test_teardown(each_in_turn_until_none, disarm),
                cmocka_unit_test_teardown(nth_fails_once_only, disarm),
                cmocka_unit_test_teardown(nth_needs_a_round_before, disarm),
                cmocka_unit_test_teardown(by_name, disarm),
                cmocka_unit_test_teardown(by_pattern, disarm),
                cmocka_unit_test_teardown(bad_specs_change_nothing, disarm),
                cmocka_unit_test_teardown(too_many_rules, disarm),
                cmocka_unit_test_teardown(stall_takes_its_time, disarm),
                cmocka_unit_test_teardown(kill_is_sudden, disarm),
                cmocka_unit_test_teardown(from_the_environment, disarm),
                cmocka_unit_test_teardown(one_failure_among_threads, disarm),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
