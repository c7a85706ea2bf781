/* test_producer: a library with the entry points of transport/producer.h, for tests: a greedy match finder
 * with one hash table. The variable HB_TEST_PRODUCER says how it behaves from its start on: "" works, "fail"
 * refuses every block, "odd" every second one, "wrong" yields sequences that are no parse of the block,
 * "dead" does not start, "full" has no state to give. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#ifdef QAT_NAMES
#define hb_producer_start      QZSTD_startQatDevice
#define hb_producer_stop       QZSTD_stopQatDevice
#define hb_producer_new_state  QZSTD_createSeqProdState
#define hb_producer_free_state QZSTD_freeSeqProdState
#define hb_producer_sequences  qatSequenceProducer
#endif

int hb_producer_start(void);
void hb_producer_stop(void);
void *hb_producer_new_state(void);
void hb_producer_free_state(void *state);
size_t hb_producer_sequences(void *state, ZSTD_Sequence *out, size_t capacity, const void *src, size_t size,
                             const void *dict, size_t dict_size, int level, size_t window);

#define SLOTS 16384u

struct state {
        uint32_t at[SLOTS]; /* position + 1 */
        unsigned blocks;
};

static char how[16];

int hb_producer_start(void) {
        const char *s = getenv("HB_TEST_PRODUCER");

        strncpy(how, s ? s : "", sizeof how - 1);
        return strcmp(how, "dead") == 0 ? -1 : 0;
}

void hb_producer_stop(void) {
        how[0] = '\0';
}

void *hb_producer_new_state(void) {
        return strcmp(how, "full") == 0 ? NULL : calloc(1, sizeof(struct state));
}

void hb_producer_free_state(void *state) {
        free(state);
}

static uint32_t word(const uint8_t *p) {
        uint32_t w;

        memcpy(&w, p, sizeof w);
        return w;
}

static size_t match_length(const uint8_t *a, const uint8_t *b, const uint8_t *end) {
        const uint8_t *from = b;

        while (b < end && *a == *b)
                a++, b++;
        return (size_t)(b - from);
}

static size_t parse(struct state *s, ZSTD_Sequence *out, size_t capacity, const uint8_t *p, size_t size,
                    size_t window) {
        size_t n = 0, from = 0, at = 0;

        memset(s->at, 0, sizeof s->at);
        while (at + 8 <= size && n + 1 < capacity) {
                uint32_t *slot = &s->at[word(p + at) * 2654435761u >> 18];
                size_t before = *slot, len = 0;

                *slot = (uint32_t)at + 1;
                if (before > 0 && at + 1 - before <= window)
                        len = match_length(p + before - 1, p + at, p + size);
                if (len < 6) {
                        at++;
                        continue;
                }
                out[n++] = (ZSTD_Sequence){.offset = (unsigned)(at + 1 - before),
                                           .litLength = (unsigned)(at - from),
                                           .matchLength = (unsigned)len};
                from = at += len;
        }
        out[n++] = (ZSTD_Sequence){.litLength = (unsigned)(size - from)};
        return n;
}

size_t hb_producer_sequences(void *state, ZSTD_Sequence *out, size_t capacity, const void *src, size_t size,
                             const void *dict, size_t dict_size, int level, size_t window) {
        struct state *s = state;
        size_t n;

        (void)dict, (void)dict_size, (void)level;
        if (strcmp(how, "fail") == 0 || (strcmp(how, "odd") == 0 && s->blocks++ % 2))
                return ZSTD_SEQUENCE_PRODUCER_ERROR;
        n = parse(s, out, capacity, src, size, window);
        if (strcmp(how, "wrong") == 0)
                out[0].litLength += 13;
        return n;
}
