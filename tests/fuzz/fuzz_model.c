/* fuzz_model: any bytes either fail to decode as a model, saying why, or give one that encodes to the same
 * bytes and can be asked. The sum would keep all but copies out: bytes are tried as they are, and with the
 * sum put right. */
#include "nn/model.h"
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#define SUM 16u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool ok) {
        if (!ok)
                abort();
}

static void ask(const hb_model *m) {
        float x[4][2];
        struct hb_model_answer a = {x[0], x[1], x[2], x[3]};
        const uint32_t gfn[2] = {3, 600};
        hb_history *h = NULL;

        if (hb_history_new(1024, &h) < 0)
                return;
        (void)hb_history_note(h, 3, 5, true);
        check(hb_model_ask(m, h, 9, 10, gfn, 2, &a) == 0); /* infinities are no reason to fail */
        hb_history_free(h);
}

static void try_one(const uint8_t *data, size_t size) {
        struct hb_model_info i;
        struct hb_buf out = {0};
        struct hb_err e = {0};
        hb_model *m = NULL;

        if (hb_model_decode(data, size, "fuzz", &m, &e) < 0) {
                check(m == NULL && e.code < 0 && e.what[0]);
                return;
        }
        hb_model_info(m, &i);
        check(i.weights > 0 && i.note[sizeof i.note - 1] == '\0');
        check(hb_model_encode(m, &out) == 0 && out.len == size && memcmp(out.data, data, size) == 0);
        ask(m);
        hb_buf_free(&out);
        hb_model_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct hb_buf summed = {0};
        XXH128_hash_t h;

        try_one(data, size);
        if (size < SUM)
                return 0;
        hb_buf_raw(&summed, data, size - SUM);
        h = XXH3_128bits(data, size - SUM);
        hb_buf_u64(&summed, h.low64);
        hb_buf_u64(&summed, h.high64);
        if (!summed.failed)
                try_one(summed.data, summed.len);
        hb_buf_free(&summed);
        return 0;
}
