/* An engine's input and its options: whatever decodes must encode to the same bytes (a link of an older
 * trace: to those and two numbers more), and must be something an engine of that size can be given. */
#include "place/engine_input.h"
#include "policy/policy.h"
#include <stdlib.h>
#include <string.h>

#define PAGES 1300u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_same(const struct hb_buf *again, const uint8_t *data, size_t size) {
        if (!again->failed && (again->len != size || memcmp(again->data, data, size) != 0))
                abort();
}

static int take(void *arg, uint64_t gfn, uint32_t pages, enum hb_fetch_class c) {
        if (pages == 0 || pages > 64 || gfn >= PAGES || pages > PAGES - gfn)
                abort();
        return 0;
}

static void hear(void *arg) {
}

static void hear_epoch(void *arg, uint32_t epoch) {
}

static int zero(void *arg, uint64_t gfn, uint64_t pages) {
        if (gfn >= PAGES || pages > PAGES - gfn)
                abort();
        return 0;
}

/* The records it begins with, or as new; then the input, twice, and a step. */
static void give(const struct hb_engine_input *in) {
        static const struct hb_engine_ops ops = {take, hear, hear_epoch, hear_epoch, take};
        static struct hb_image_page pages[PAGES];
        struct hb_shape shape = {0};
        struct hb_policy_options po = {0};
        struct hb_engine_options o = {0};
        hb_policies *policies = NULL;
        hb_engine *e = NULL;
        uint32_t processed = 0;
        struct hb_engine_image image = {
                .shape = &shape, .pages = pages, .processed = &processed, .zero = zero};

        memset(pages, 0, sizeof(pages));
        hb_shape_add(&shape, "ram", PAGES * 4096ull, 4096, NULL);
        if (in->kind == HB_IN_BEGIN && hb_engine_input_begin(in, pages, PAGES, &processed) < 0)
                return;
        if (hb_policies_new(&po, &policies, NULL) == 0 &&
            hb_engine_new(&o, &image, policies, &ops, NULL, &e) == 0) {
                hb_engine_input_apply(e, in);
                hb_engine_input_apply(e, in);
                hb_engine_step(e, in->now_ns);
        }
        hb_engine_free(e);
        hb_policies_free(policies);
}

static void options(const uint8_t *data, size_t size) {
        struct hb_rd rd = hb_rd_init(data, size);
        struct hb_engine_options o;
        struct hb_buf again = {0};

        if (hb_engine_options_decode(&rd, &o) < 0)
                return;
        hb_engine_options_encode(&o, &again);
        expect_same(&again, data, size);
        hb_buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct hb_engine_input in;
        struct hb_engine_input_room room = {0};
        struct hb_rd rd = hb_rd_init(data, size);
        struct hb_buf again = {0};

        options(data, size);
        if (hb_bitmap_init(&room.scratch, PAGES) < 0)
                return 0;
        if (hb_engine_input_decode(&rd, PAGES, &in, &room) == 0) {
                hb_engine_input_encode(&in, &again);
                if (in.kind == HB_IN_LINK && again.len == size + 16)
                        again.len = size;
                expect_same(&again, data, size);
                give(&in);
        }
        hb_buf_free(&again);
        hb_engine_input_room_fini(&room);
        return 0;
}
