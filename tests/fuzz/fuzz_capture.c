/* The emulator plugin's stream: in one piece and in pieces it must give the same, and never read past its
 * end. */
#include "capture/dense.h"
#include "capture/frames.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct told {
        unsigned frames;
        uint64_t pages, sum;
        int end;
};

static struct told read_in_pieces(const uint8_t *data, size_t size, size_t step) {
        struct hb_frames f = {0};
        struct hb_dense d = {0};
        struct told t = {0};
        struct hb_frame frame;
        struct hb_frame_page p;
        uint32_t gfn;

        for (size_t at = 0; t.end >= 0 && at < size; at += step) {
                t.end = hb_frames_add(&f, data + at, size - at < step ? size - at : step);
                while (t.end >= 0 && (t.end = hb_frames_next(&f, &frame)) == 1) {
                        t.frames++;
                        while (frame.kind == HB_FRAME_PAGES && hb_frames_page(&frame, &p)) {
                                t.pages++;
                                t.sum += p.page ^ p.reads ^ p.writes;
                                if (hb_dense_gfn(&d, p.page, &gfn) == 0 && gfn >= hb_dense_pages(&d))
                                        abort();
                        }
                }
        }
        hb_frames_fini(&f);
        hb_dense_fini(&d);
        return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct told whole = read_in_pieces(data, size, size ? size : 1),
                    parts = read_in_pieces(data, size, 7);

        if (whole.frames != parts.frames || whole.pages != parts.pages || whole.sum != parts.sum ||
            (whole.end < 0) != (parts.end < 0))
                abort();
        return 0;
}
