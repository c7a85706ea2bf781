/* page_codec_look: entropy of SAMPLES pieces of PIECE bytes, evenly spread.
 *
 * Pieces move through the pages (a page's head alone would show allocators' headers, not contents). With 2
 * KiB in 256 bins, bytes without order come out at 7.9 bits, not 8: the classes' bounds are set for that.
 * Cost: 1-2 us, whatever the size. */
#include "transport/page_codec_look.h"
#include <math.h>
#include <string.h>

#define SAMPLES 32u
#define PIECE   64u

static const float bounds[HB_LOOK_CLASSES - 1] = {1.0f, 2.2f, 3.4f, 4.6f, 5.8f, 6.8f, 7.6f};

static float weight(unsigned n) {
        return n < 2 ? 0 : (float)n * log2f((float)n);
}

float hb_look_bits(const uint8_t *data, size_t size) {
        uint16_t bins[4][256];
        unsigned n = size / PIECE < SAMPLES ? (unsigned)(size / PIECE) : SAMPLES, all = n * PIECE;
        float sum = 0;

        if (n == 0)
                return 8;
        memset(bins, 0, sizeof bins);
        for (unsigned i = 0; i < n; i++) {
                const uint8_t *p = data + (size - PIECE) / n * i + (i * 37u % 16) * (size / n / 17);

                for (unsigned k = 0; k < PIECE;
                     k += 4) { /* four sets: equal neighbours do not wait for each other */
                        bins[0][p[k]]++;
                        bins[1][p[k + 1]]++;
                        bins[2][p[k + 2]]++;
                        bins[3][p[k + 3]]++;
                }
        }
        for (unsigned i = 0; i < 256; i++)
                sum += weight((unsigned)bins[0][i] + bins[1][i] + bins[2][i] + bins[3][i]);
        return log2f((float)all) - sum / (float)all;
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
