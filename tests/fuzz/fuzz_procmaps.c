/* fuzz_procmaps: any bytes as a process's memory map: lines that are accepted hold what the callers rely on,
 * and parsing ends. */
#include "track/procmaps.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
        if (!ok)
                abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct hb_rd in = hb_rd_init(data, size);
        struct hb_vma v;
        size_t left = size;

        while (hb_procmaps_next(&in, &v)) {
                check(v.start < v.end);
                check(memchr(v.path, 0, sizeof v.path) != NULL);
                check(hb_rd_left(&in) < left);
                left = hb_rd_left(&in);
        }
        check(!hb_rd_ok(&in) || hb_rd_left(&in) == 0);
        return 0;
}
