/* source: a tracker's scan made into an epoch. Cost: the words of three bitmaps an epoch. */
#include "record/source.h"
#include "base/fault.h"
#include <errno.h>
#include <stdlib.h>

struct hb_record_source {
        hb_recorder *r;
        struct hb_bitmap resident, fresh;
};

static void say_resident(struct hb_record_source *s, uint64_t now_ns, const struct hb_bitmap *pages) {
        hb_bitmap_copy(&s->fresh, pages);
        hb_bitmap_and_not(&s->fresh, &s->resident);
        hb_bitmap_or(&s->resident, &s->fresh);
        hb_recorder_resident(s->r, now_ns, &s->fresh); /* an empty set is nothing to say */
}

int hb_record_source_new(hb_recorder *r, uint64_t pages, const struct hb_bitmap *resident, uint64_t now_ns,
                         hb_record_source **ret) {
        hb_record_source *s = hb_fault("record.source") ? NULL : calloc(1, sizeof(*s));

        if (!s)
                return -ENOMEM;
        s->r = r;
        if (hb_bitmap_init(&s->resident, pages) < 0 || hb_bitmap_init(&s->fresh, pages) < 0) {
                hb_record_source_free(s);
                return -ENOMEM;
        }
        if (resident)
                say_resident(s, now_ns, resident);
        *ret = s;
        return 0;
}

hb_record_source *hb_record_source_free(hb_record_source *s) {
        if (!s)
                return NULL;
        hb_bitmap_fini(&s->resident);
        hb_bitmap_fini(&s->fresh);
        free(s);
        return NULL;
}

void hb_record_source_epoch(hb_record_source *s, uint32_t epoch, uint64_t now_ns,
                            const struct hb_bitmap *written, const struct hb_bitmap *accessed, bool lost) {
        bool evidence = !lost && epoch > 1;

        say_resident(s, now_ns, written);
        if (lost)
                hb_recorder_mark(
                        s->r, now_ns, HB_MARK_NOTE, epoch,
                        "tracking lost its state: which pages were written in this epoch is unknown");
        hb_recorder_epoch(s->r, epoch, now_ns, accessed, evidence ? written : NULL);
}
