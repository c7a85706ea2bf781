/* trace_synth: made-up traces for tests, the same for the same seed everywhere.
 *
 *   hot     a hot set that is touched in nearly every epoch and drifts slowly; one page in eight is written
 *   scan    a window that moves through all pages, then again
 *   phases  four working sets that take turns of ten epochs: pages that return
 *   random  pages without any pattern
 *   mix     half of the pages hot, a quarter phases, the rest a slow scan and some noise
 *
 * hb_synth_epoch fills one epoch's records (sorted, counts of at least 1); hb_synth_write makes a whole file.
 */
#pragma once
#include "trace/trace.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum hb_synth_shape { HB_SYNTH_HOT, HB_SYNTH_SCAN, HB_SYNTH_PHASES, HB_SYNTH_RANDOM, HB_SYNTH_MIX };

struct hb_synth {
        enum hb_synth_shape shape;
        uint32_t pages, epochs;
        uint64_t seed, epoch_ns; /* 0: 1 s */
        bool bits;               /* counts are 0 or 1 */
};

static inline uint64_t
hb_synth_mix(uint64_t x) { /* splitmix64: a hash, so that any epoch can be made alone */
        x += 0x9E3779B97F4A7C15ull;
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ull;
        x = (x ^ x >> 27) * 0x94D049BB133111EBull;
        return x ^ x >> 31;
}

static inline bool hb_synth_shape_of(const char *name, enum hb_synth_shape *ret) {
        static const char *const names[] = {"hot", "scan", "phases", "random", "mix"};

        for (unsigned i = 0; i < 5; i++)
                if (strcmp(name, names[i]) == 0) {
                        *ret = (enum hb_synth_shape)i;
                        return true;
                }
        return false;
}

/* How likely the page is touched in this epoch, of 256. */
static inline unsigned hb_synth_chance(const struct hb_synth *s, enum hb_synth_shape shape, uint32_t page,
                                       uint32_t pages, uint32_t epoch) {
        uint32_t part = pages / 16 + 1, turn = epoch / 10 % 4;

        switch (shape) {
        case HB_SYNTH_HOT: /* clusters of 8 pages; the set moves on by one cluster in 64 each 4 epochs */
                return (hb_synth_mix(page / 8 + s->seed) + epoch / 4) % 64 < 6 ? 230 : 1;
        case HB_SYNTH_SCAN:
                return (page + pages - (uint64_t)epoch * part % pages) % pages < part ? 255 : 0;
        case HB_SYNTH_PHASES:
                return hb_synth_mix(page / 16 + s->seed * 3) % 8 == turn ? 180 : 0;
        case HB_SYNTH_RANDOM:
                return 24;
        default:
                if (page < pages / 2)
                        return hb_synth_chance(s, HB_SYNTH_HOT, page, pages, epoch);
                if (page < pages / 4 * 3)
                        return hb_synth_chance(s, HB_SYNTH_PHASES, page, pages, epoch);
                return (page + pages - (uint64_t)epoch * 16 % pages) % pages < 32 ? 255 : 2;
        }
}

/* `out` has room for s->pages records; returns how many there are. Epochs count from 1. */
static inline size_t hb_synth_epoch(const struct hb_synth *s, uint32_t epoch, struct hb_trace_access *out) {
        size_t n = 0;

        for (uint32_t page = 0; page < s->pages; page++) {
                uint64_t h = hb_synth_mix((uint64_t)epoch << 32 ^ page ^ s->seed << 17);
                uint32_t reads, writes;

                if ((h & 255) >= hb_synth_chance(s, s->shape, page, s->pages, epoch))
                        continue;
                writes = hb_synth_mix(page + s->seed) % 8 == 0 ? 1 + (uint32_t)(h >> 8) % 5 : 0;
                reads = writes && (h >> 16 & 3) == 0
                                ? 0
                                : 1 + ((uint32_t)(h >> 24) & ((1u << (h >> 60 & 7)) - 1));
                out[n++] = (struct hb_trace_access){page, s->bits ? reads > 0 : reads,
                                                    s->bits ? writes > 0 : writes};
        }
        return n;
}

static inline void hb_synth_header(const struct hb_synth *s, struct hb_trace_header *ret) {
        *ret = (struct hb_trace_header){.guest = "synth",
                                        .host = "nowhere",
                                        .page_size = 4096,
                                        .epoch_ns = s->epoch_ns ? s->epoch_ns : 1000000000ull,
                                        .origin = HB_TRACE_SYNTHETIC,
                                        .flags = HB_TRACE_EXACT_READS | HB_TRACE_EXACT_WRITES,
                                        .seed = s->seed};
        if (!s->bits)
                ret->flags |= HB_TRACE_COUNTS;
        snprintf(ret->note, sizeof(ret->note), "synthetic, seed %llu", (unsigned long long)s->seed);
        hb_shape_add(&ret->shape, "ram", (uint64_t)s->pages * 4096, 4096, NULL);
}

/* A network sample before the first epoch and one each 16, then the epochs at times epoch * epoch_ns. */
static inline int hb_synth_fill(const struct hb_synth *s, hb_trace_writer *w) {
        uint64_t each = s->epoch_ns ? s->epoch_ns : 1000000000ull;
        struct hb_trace_access *a = malloc(((size_t)s->pages + 1) * sizeof(*a));
        int rc = a ? 0 : -ENOMEM;

        for (uint32_t e = 1; e <= s->epochs && rc == 0; e++) {
                struct hb_trace_event ev = {.stream = HB_TRACE_NETWORK,
                                            .time_ns = (e - 1) * each,
                                            .network = {200e-6, 125e6, 100e6, 0.2, 0}};

                if (e % 16 == 1)
                        rc = hb_trace_writer_event(w, &ev);
                if (rc == 0)
                        rc = hb_trace_writer_epoch(w, e, e * each, a, hb_synth_epoch(s, e, a));
        }
        free(a);
        return rc;
}

static inline int hb_synth_write(const struct hb_synth *s, const char *path, struct hb_err *e) {
        struct hb_trace_writer_options o = {.atomic = true, .replace = true};
        struct hb_trace_header h;
        hb_trace_writer *w;
        int rc;

        hb_synth_header(s, &h);
        rc = hb_trace_writer_new(path, &h, &o, &w, e);
        if (rc < 0)
                return rc;
        rc = hb_synth_fill(s, w);
        if (rc < 0) {
                hb_trace_writer_free(w);
                return hb_err_set(e, rc, path, NULL, "could not write the made-up trace: %s", strerror(-rc));
        }
        return hb_trace_writer_close(w, e);
}
