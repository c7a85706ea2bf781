/* The .kept file of a kept memory, and the names in its folder. The sum hides the fields from a fuzzer, so
 * the input is also tried as a body under a good sum. What decodes has pages that ascend within the guest,
 * and encodes to what decodes alike. */
#include "keep/keep_file.h"
#include "sum/sum.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct walk {
        uint64_t n, next;
        struct hb_buf gaps, prints;
};

static int on_page(void *arg, uint64_t gfn, const struct hb_print *p) {
        struct walk *w = arg;

        if (gfn < w->next)
                abort();
        hb_buf_varint(&w->gaps, gfn - w->next);
        hb_buf_raw(&w->prints, p, sizeof(*p));
        w->next = gfn + 1;
        w->n++;
        return 0;
}

static void try(const uint8_t *data, size_t size) {
        struct hb_buf out = {0};
        struct hb_kept m, again;
        struct walk w = {0};

        if (hb_kept_decode(data, size, &m, on_page, &w) == 0) {
                if (w.n != m.pages || w.next > m.pages_total || !hb_name_ok(m.guest))
                        abort();
                hb_kept_encode(&m, &w.gaps, &w.prints, &out);
                if (out.failed || hb_kept_decode(out.data, out.len, &again, NULL, NULL) < 0 ||
                    again.pages != m.pages || again.visit_ns != m.visit_ns ||
                    strcmp(again.guest, m.guest) != 0)
                        abort();
        } else if (w.n) {
                abort();
        }
        hb_buf_free(&out);
        hb_buf_free(&w.gaps);
        hb_buf_free(&w.prints);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        char name[256] = {0}, guest[HB_NAME_MAX];
        struct hb_buf b = {0};
        uint64_t visit;

        try(data, size);
        hb_buf_raw(&b, "HBKEPT1\n", 8);
        hb_buf_u64(&b, size);
        hb_buf_u64(&b, hb_hash64(0, data, size));
        hb_buf_raw(&b, data, size);
        if (!b.failed)
                try(b.data, b.len);
        hb_buf_free(&b);
        memcpy(name, data, size < sizeof(name) - 1 ? size : sizeof(name) - 1);
        if (hb_keep_name(name, guest, &visit) && !hb_name_ok(guest))
                abort();
        return 0;
}
