/* fuzz_shape: any bytes either fail to decode, or give a shape that holds its invariants and encodes to the
 * same bytes. */
#include "base/shape.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
        if (!ok)
                abort();
}

static void check_invariants(const struct hb_shape *s) {
        uint64_t pages = 0;

        check(s->nregions >= 1 && s->nregions <= HB_MAX_REGIONS);
        for (uint32_t i = 0; i < s->nregions; i++) {
                const struct hb_region *r = &s->regions[i];

                check(hb_name_ok(r->name) && r->first_gfn == pages && r->pages > 0);
                check(hb_shape_region_of(s, r->first_gfn) == (int)i);
                check(hb_shape_region_of(s, r->first_gfn + r->pages - 1) == (int)i);
                pages += r->pages;
        }
        check(pages == s->pages && pages <= HB_MAX_PAGES);
        check(hb_shape_region_of(s, pages) < 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct hb_rd in = hb_rd_init(data, size);
        struct hb_shape s;
        struct hb_buf out = {0};

        if (hb_shape_decode(&in, &s) < 0) {
                check(!hb_rd_ok(&in));
                return 0;
        }
        check_invariants(&s);
        hb_shape_encode(&s, &out);
        check(!out.failed && out.len == size - hb_rd_left(&in) && memcmp(out.data, data, out.len) == 0);
        hb_buf_free(&out);
        return 0;
}
