/* window_runs: a window with many holes has more runs than a GRANT has room for, and than registrations are
 * worth: the longest stay, the rest is read another way. O(pages + runs * HB_RDMA_MAX_RUNS). */
#include "rdma/window_runs.h"
#include <string.h>

static unsigned shortest(const struct hb_rdma_run *runs, unsigned n) {
        unsigned least = 0;

        for (unsigned i = 1; i < n; i++)
                if (runs[i].pages < runs[least].pages)
                        least = i;
        return least;
}

static unsigned keep(struct hb_rdma_run *runs, unsigned n, uint32_t first, uint32_t pages) {
        if (n == HB_RDMA_MAX_RUNS) {
                unsigned out = shortest(runs, n);

                if (runs[out].pages >= pages)
                        return n;
                memmove(&runs[out], &runs[out + 1], (n - out - 1) * sizeof(*runs));
                n--;
        }
        runs[n] = (struct hb_rdma_run){.first = first, .pages = pages};
        return n + 1;
}

unsigned hb_window_runs(const uint8_t *resident, uint32_t first, uint32_t pages, struct hb_rdma_run *ret,
                        unsigned n) {
        uint32_t i = 0;

        while (i < pages) {
                uint32_t from = i;

                while (i < pages && (resident[i] & 1))
                        i++;
                if (i > from)
                        n = keep(ret, n, first + from, i - from);
                else
                        i++;
        }
        return n;
}
