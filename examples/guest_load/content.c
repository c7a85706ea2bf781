/* content: pages that look like a program's data (rows of ids, times, names and a few random bits; zstd makes
 * them about two and a half times smaller) and still let every byte be checked. Invariant: record r of a page
 * of generation g was last written at the largest generation <= g that is r modulo 64, so a page that is old,
 * torn or another page's is seen whichever write it missed. Cost: a write is 64 bytes, a check reads the page
 * once. */
#include "content.h"

static const char names[16][9] = {
        "harbour ", "lantern ", "meadow  ", "quarter ", "stable  ", "marshal ", "granary ", "highway ",
        "bridge  ", "courier ", "village ", "banner  ", "orchard ", "smithy  ", "ferry   ", "market  ",
};

static uint64_t mix(uint64_t x) {
        x ^= x >> 30;
        x *= 0xbf58476d1ce4e5b9ull;
        x ^= x >> 27;
        x *= 0x94d049bb133111ebull;
        return x ^ (x >> 31);
}

static uint64_t name_word(uint64_t pick) {
        uint64_t w;

        __builtin_memcpy(&w, names[pick & 15], sizeof(w));
        return w;
}

static void record_make(uint64_t w[CONTENT_WORDS], uint32_t page, uint32_t record, uint32_t generation) {
        uint64_t h = mix(((uint64_t)page << 38) ^ ((uint64_t)record << 32) ^ generation);

        w[0] = (uint64_t)page << 32 | generation;
        w[1] = h;
        w[2] = name_word(h);
        w[3] = name_word(h >> 4);
        w[4] = (uint64_t)record << 48 | (h >> 40 & 0xff);
        w[5] = h * 0x9e3779b97f4a7c15ull >> 32;
        w[6] = 1700000000000ull + page * 1000ull + generation;
        w[7] = h >> 56;
}

static uint32_t record_generation(uint32_t record, uint32_t generation) {
        uint32_t back = (generation - record) % CONTENT_RECORDS;

        return back <= generation ? generation - back : 0;
}

void content_fill(uint64_t *page_words, uint32_t page) {
        for (uint32_t r = 0; r < CONTENT_RECORDS; r++)
                record_make(page_words + r * CONTENT_WORDS, page, r, 0);
}

void content_write(uint64_t *page_words, uint32_t page, uint32_t generation) {
        uint32_t r = generation % CONTENT_RECORDS;

        record_make(page_words + r * CONTENT_WORDS, page, r, generation);
}

int content_check(const uint64_t *page_words, uint32_t page, uint32_t generation, uint32_t *ret_found) {
        uint64_t want[CONTENT_WORDS];

        for (uint32_t r = 0; r < CONTENT_RECORDS; r++) {
                const uint64_t *have = page_words + r * CONTENT_WORDS;

                record_make(want, page, r, record_generation(r, generation));
                if (__builtin_memcmp(have, want, sizeof(want)) != 0) {
                        *ret_found = (uint32_t)have[0];
                        return (int)r;
                }
        }
        return -1;
}
