/* clock: the monotonic clock in nanoseconds. Only wiring (daemon, transports, tools) calls this; pure modules
 * get time as a parameter. */
#pragma once
#include <stdint.h>

#define HB_NS_PER_S  1000000000ull
#define HB_NS_PER_MS 1000000ull

uint64_t hb_now_ns(void);      /* CLOCK_MONOTONIC */
uint64_t hb_wall_ns(void);     /* CLOCK_REALTIME, for history and file names */
void hb_sleep_ns(uint64_t ns); /* whole duration, restarts after signals */
