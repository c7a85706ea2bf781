/* TAGS, ASK and PRINTS bodies as a peer may send them: refused, or pages inside the guest, ascending, no more
 * than a part may name; and sent again they are the same bytes. */
#include "map/tags.h"
#include <stdlib.h>

#define PAGES 200000u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct got {
        uint32_t gfn[HB_TAGS_PART];
        struct hb_print prints[HB_TAGS_PART];
        uint32_t n;
        const uint8_t *data;
        size_t size;
};

static void note(struct got *g, uint64_t gfn, struct hb_print p) {
        if (g->n >= HB_TAGS_PART || gfn >= PAGES || (g->n > 0 && gfn <= g->gfn[g->n - 1]))
                abort();
        g->gfn[g->n] = (uint32_t)gfn;
        g->prints[g->n++] = p;
}

static void on_tag(void *arg, uint64_t gfn, uint32_t tag) {
        static const uint8_t rest[HB_PRINT_REST];

        note(arg, gfn, hb_print_join(tag, rest));
}

static void on_ask(void *arg, uint64_t gfn) {
        note(arg, gfn, (struct hb_print){{0}});
}

static void on_rest(void *arg, uint64_t gfn, const uint8_t rest[HB_PRINT_REST]) {
        note(arg, gfn, hb_print_join(0, rest));
}

static int expect_same(void *arg, const void *part, size_t size) {
        const struct got *g = arg;

        if (size != g->size || memcmp(part, g->data, size) != 0)
                abort();
        return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct got *g = calloc(1, sizeof(*g));
        struct hb_buf b = {0};
        uint32_t stamp;

        if (!g)
                return 0;
        g->data = data;
        g->size = size;
        if (hb_tags_decode(data, size, PAGES, &stamp, on_tag, g) == 0)
                hb_tags_encode(stamp, g->gfn, g->prints, g->n, &b, expect_same, g);
        g->n = 0;
        if (hb_ask_decode(data, size, PAGES, on_ask, g) == 0)
                hb_ask_encode(g->gfn, g->n, &b, expect_same, g);
        g->n = 0;
        if (hb_prints_decode(data, size, PAGES, &stamp, on_rest, g) == 0)
                hb_prints_encode(stamp, g->gfn, g->prints, g->n, &b, expect_same, g);
        hb_buf_free(&b);
        free(g);
        return 0;
}
