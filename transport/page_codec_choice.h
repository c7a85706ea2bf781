/* page_codec_choice: which runs to compress, and how hard, so that pages arrive soonest. Pure: times come in
 * as durations; not thread-safe (one a codec).
 *
 * The model: a connection's thread packs and sends in turn, and its socket's buffer lets the link work
 * meanwhile. So the time of many runs is the larger of what they cost the thread and what their bytes cost
 * the link, and the best choice is where the two meet. See the .c file. */
#pragma once
#include "transport/page_codec_look.h"
#include <stdbool.h>
#include <stdint.h>

#define HB_CHOICE_ARMS 11u /* arm 0: not compressed */
#define HB_CHOICE_OFF  0u

int hb_choice_level(unsigned arm); /* zstd's, of arms above 0 */

/* One way to treat one class of bytes, beside arms of the class that met the same runs: sums that fade, of
 * what it took and what it was expected to take. Their quotient corrects the expectation. */
struct hb_choice_arm {
        float cost, cost_expected, size, size_expected;
        uint64_t last; /* measured, by the choice's count of runs; 0: never */
};

struct hb_choice_class {
        float share;      /* of the plain bytes just now */
        float cost, size; /* of its bytes at the priors' measure: what runs differ in, whatever the arm */
        bool met;
        unsigned low, high, arm; /* taken by turns; of the last run */
        float turn;
        struct hb_choice_arm arms[HB_CHOICE_ARMS];
};

struct hb_choice_link { /* bytes/s this connection can move */
        double hint, cap, rate;
        bool told, was_full, measured, drifted, full; /* full: the socket was, when the window began */
        double busy_ns, blocked_ns, bytes;            /* of the window */
        unsigned runs, quiet, patience;
};

struct hb_choice {
        struct hb_choice_link link;
        struct hb_choice_class classes[HB_LOOK_CLASSES];
        float base;                /* processor ns a plain byte costs beside compressing */
        float wire;                /* and a byte on the wire */
        float stretch;             /* time that goes by while the thread gets one unit of processor time */
        double busy_ns, probed_ns; /* all time, and what probes took of it */
        float mix;                 /* share of runs by `high` */
        uint64_t runs, decided;
        unsigned previous;
        bool stale; /* what is known of the link has changed since */
};

void hb_choice_init(struct hb_choice *c);
/* What others believe of the link (0: unknown): holds until the connection's own sends have shown better. */
void hb_choice_hint(struct hb_choice *c, double bytes_per_s);
/* A cap on this connection; 0: none. Holds at once. */
void hb_choice_cap(struct hb_choice *c, double bytes_per_s);
double hb_choice_link_rate(const struct hb_choice *c);

/* The arm for a run of `size` bytes of this class. */
unsigned hb_choice_pick(struct hb_choice *c, unsigned klass, size_t size);
/* An arm worth measuring on this run besides, or HB_CHOICE_OFF for none. */
unsigned hb_choice_probe(struct hb_choice *c, unsigned klass, size_t size);
struct hb_choice_tried {
        unsigned arm;
        size_t packed;
        uint64_t ns; /* of the processor's time */
};
/* What came of a run: `used` by the arm in use, `probe` by another. Either may be NULL. */
void hb_choice_learn(struct hb_choice *c, unsigned klass, size_t size, const struct hb_choice_tried *used,
                     const struct hb_choice_tried *probe);
/* A run is in the kernel's hands. */
struct hb_choice_sent {
        size_t plain, wire;
        uint64_t pack_ns, pack_cpu_ns, compress_cpu_ns; /* compressing is part of packing */
        uint64_t send_ns, blocked_ns;                   /* waiting for room is part of sending */
};
void hb_choice_sent(struct hb_choice *c, const struct hb_choice_sent *s);
