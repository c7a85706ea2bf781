/* clock: thin over clock_gettime, which cannot fail for these clocks on Linux. Any thread. */
#include "base/clock.h"
#include <errno.h>
#include <time.h>

static uint64_t read_clock(clockid_t id) {
        struct timespec ts;

        clock_gettime(id, &ts);
        return (uint64_t)ts.tv_sec * HB_NS_PER_S + (uint64_t)ts.tv_nsec;
}

uint64_t hb_now_ns(void) {
        return read_clock(CLOCK_MONOTONIC);
}

uint64_t hb_wall_ns(void) {
        return read_clock(CLOCK_REALTIME);
}

void hb_sleep_ns(uint64_t ns) {
        /* An absolute end, so that a storm of signals cannot stretch the sleep by rounding. */
        uint64_t end = hb_now_ns() + ns;
        struct timespec until = {.tv_sec = (time_t)(end / HB_NS_PER_S), .tv_nsec = (long)(end % HB_NS_PER_S)};

        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
                ;
}
