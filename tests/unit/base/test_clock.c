/* The clocks go forward, and a sleep lasts its whole time through a storm of signals. */
#include "base/clock.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/time.h>
#include <time.h>

#include <cmocka.h>

static volatile sig_atomic_t signals;

static void on_alarm(int sig) {
        signals++;
}

static void monotonic(void **state) {
        uint64_t last = hb_now_ns();

        for (int i = 0; i < 10000; i++) {
                uint64_t now = hb_now_ns();

                assert_true(now >= last);
                last = now;
        }
        assert_true(last > 0);
}

static void wall_is_the_calendar(void **state) {
        uint64_t s = hb_wall_ns() / HB_NS_PER_S;
        uint64_t libc = (uint64_t)time(NULL);

        assert_true(s <= libc + 1 && s + 1 >= libc);
}

static void sleep_survives_signals(void **state) {
        struct sigaction sa = {.sa_handler = on_alarm}; /* without SA_RESTART */
        struct itimerval each_ms = {.it_interval.tv_usec = 1000, .it_value.tv_usec = 1000};
        struct itimerval off = {.it_value.tv_usec = 0};
        uint64_t before;

        sigaction(SIGALRM, &sa, NULL);
        before = hb_now_ns();
        setitimer(ITIMER_REAL, &each_ms, NULL);
        hb_sleep_ns(20 * HB_NS_PER_MS);
        setitimer(ITIMER_REAL, &off, NULL);
        assert_true(hb_now_ns() - before >= 20 * HB_NS_PER_MS);
        assert_true(signals > 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(monotonic),
                cmocka_unit_test(wall_is_the_calendar),
                cmocka_unit_test(sleep_survives_signals),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
