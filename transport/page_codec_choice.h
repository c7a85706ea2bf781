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

/* What is known of one way to treat one class of bytes. */
struct hb_choice_arm {
        float cost, size; /* factors on what the class's scales say */
        uint32_t seen;    /* times measured */
        uint64_t last;    /* by the choice's count of runs */
};

struct hb_choice_class {
        float share;      /* of the plain bytes of late */
        float cost, size; /* scales: of all arms together, beside the priors */
        unsigned arm;     /* in use */
        struct hb_choice_arm arms[HB_CHOICE_ARMS];
};

struct hb_choice_link { /* bytes/s this connection can move */
        double hint, cap, rate;
        bool measured, drifted;
        double busy_ns, blocked_ns, bytes; /* of the window */
        unsigned runs, quiet, patience;
};

struct hb_choice {
        struct hb_choice_link link;
        struct hb_choice_class classes[HB_LOOK_CLASSES];
        float base,
                wire; /* ns a plain byte costs beside compressing, ns a byte on the wire costs the thread */
        double busy_ns, probed_ns; /* all time, and what probes took of it */
        uint64_t runs, decided;
        unsigned previous;
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
/* Compressing `size` bytes by `arm` took `ns` and made `packed` of them. */
void hb_choice_learn(struct hb_choice *c, unsigned klass, unsigned arm, size_t size, size_t packed,
                     uint64_t ns, bool probe);
/* A run is in the kernel's hands: packing took pack_ns (compress_ns of it compressing), sending send_ns, of
 * which it waited for room for blocked_ns. */
void hb_choice_sent(struct hb_choice *c, size_t plain, size_t wire, uint64_t pack_ns, uint64_t compress_ns,
                    uint64_t send_ns, uint64_t blocked_ns);
