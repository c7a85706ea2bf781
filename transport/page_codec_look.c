/* page_codec_look: SAMPLES pieces of PIECE bytes, evenly spread, and how often two of their bytes are equal.
 *
 * That is the collision entropy: one sum of squares and one logarithm, and free of bias by leaving out the
 * pairs of a byte with itself, so 2 KiB in 256 bins are enough: bytes without order come out at 8. Pieces
 * move through the pages (a page's head alone would show allocators' headers, not contents). Cost: about 2
 * us, whatever the size. */
#include "transport/page_codec_look.h"
#include <math.h>
#include <string.h>

#define SAMPLES 32u
#define PIECE   64u

static const float bounds[HB_LOOK_CLASSES - 1] = {1.0f, 2.0f, 3.0f, 4.2f, 5.4f, 6.5f, 7.5f};

float hb_look_bits(const uint8_t *data, size_t size) {
        uint16_t bins[4][256];
        unsigned n = size / PIECE < SAMPLES ? (unsigned)(size / PIECE) : SAMPLES;
        uint64_t all = (uint64_t)n * PIECE, pairs = 0;
        size_t slot;

        if (n == 0)
                return 8;
        slot = size / n;
        memset(bins, 0, sizeof bins);
        for (unsigned i = 0; i < n; i++) {
                const uint8_t *p = data + slot * i + (i * 37u % 16) * (slot - PIECE) / 16;

                for (unsigned k = 0; k < PIECE; k += 4) { /* equal neighbours need not wait for each other */
                        bins[0][p[k]]++;
                        bins[1][p[k + 1]]++;
                        bins[2][p[k + 2]]++;
                        bins[3][p[k + 3]]++;
                }
        }
        for (unsigned i = 0; i < 256; i++) {
                uint32_t times = (uint32_t)bins[0][i] + bins[1][i] + bins[2][i] + bins[3][i];

                pairs += (uint64_t)times * (times - 1);
        }
        if (pairs * 256 <= all * (all - 1))
                return 8;
        return log2f((float)(all * (all - 1)) / (float)pairs);
}

unsigned hb_look_class(float bits) {
        unsigned k = 0;

        while (k < HB_LOOK_CLASSES - 1 && bits >= bounds[k])
                k++;
        return k;
}

float hb_look_class_bits(unsigned klass) {
        float low = klass == 0 ? 0 : bounds[klass - 1],
              high = klass == HB_LOOK_CLASSES - 1 ? 8 : bounds[klass];

        return (low + high) / 2;
}
