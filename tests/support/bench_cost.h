/* bench_cost: what a bench asks the kernel of itself, and numbers that are the same in every run. */
#pragma once
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static inline double bench_cpu_ms(void) { /* of this thread */
        struct timespec t;

        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

static inline double bench_resident_bytes(void) { /* < 0: cannot be read */
        FILE *f = fopen("/proc/self/statm", "r");
        unsigned long size = 0, rss = 0;
        int n = f ? fscanf(f, "%lu %lu", &size, &rss) : 0;

        if (f)
                fclose(f);
        return n == 2 ? (double)rss * (double)sysconf(_SC_PAGESIZE) : -1;
}

/* Marsaglia's xorshift (2003): below n. *state is not 0. */
static inline uint64_t bench_random(uint64_t *state, uint64_t n) {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        return (*state >> 11) % n;
}
