/* What a training run goes on from: any bytes are refused or understood, never more. Bytes are tried as they
 * are and with the right sum behind them, so that the fields before it are reached. */
#include "learn/checkpoint.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put_sum(uint8_t *p, size_t n) {
        uint64_t h = 0xcbf29ce484222325ull;

        for (size_t i = 0; i < n; i++)
                h = (h ^ p[i]) * 0x100000001b3ull;
        for (unsigned i = 0; i < 8; i++)
                p[n + i] = (uint8_t)(h >> (8 * i));
}

static void decode(const uint8_t *data, size_t size) {
        struct hb_checkpoint c;

        if (hb_checkpoint_decode(data, size, &c) < 0)
                return;
        if (c.trainer.len > size || c.model.len > size || strlen(c.key) >= sizeof(c.key))
                abort();
        hb_checkpoint_fini(&c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        uint8_t *copy = malloc(size + 8);

        decode(data, size);
        if (!copy)
                return 0;
        if (size)
                memcpy(copy, data, size);
        put_sum(copy, size);
        decode(copy, size + 8);
        free(copy);
        return 0;
}
