/* page_codec_choice: a price for bytes on the wire.
 *
 * Let each class of bytes k (page_codec_look) have a share w, and each arm a a cost z in ns a byte and a size
 * r as a share of the plain bytes. The thread then needs  cpu = base + sum w (z + e r)  a byte, e being what
 * encrypting and handing a byte to the kernel takes, and the link  wire = sum w r / C.  Both work at the same
 * time, so what counts is max(cpu, wire). Minimising cpu + lambda * wire for a price lambda separates into
 * one choice a class, and some lambda gives the best mix there is: a dozen and more are tried, every few
 * runs. The price is common to all classes, so bytes that shrink cheaply pay for those that do not shrink at
 * all.
 *
 * z and r are measured on what is compressed anyway. Of arms not in use the priors below tell, scaled by how
 * the class compares with them, corrected by probes: a run is compressed a second time, by an arm next to
 * that in use, as long as probes stay under PROBE_SHARE of the time. On a slow link there is time for all of
 * them.
 *
 * C is what the thread itself sees: bytes a second of the time it spent packing and sending, in windows in
 * which sending had to wait for room. While nothing waits, C is at least what moved, and probably more; after
 * `patience` such windows it is supposed to be half as much again. If that was wrong the link says so within
 * a window, and patience doubles: so the cost of being curious stays a small share. */
#include "transport/page_codec_choice.h"
#include <math.h>

#define UNKNOWN_LINK 125e6 /* 1 Gbit/s */
#define FASTEST_LINK 1e11
#define RUN_BYTES    262144.0f
#define SHARE_GAIN   0.1f
#define SCALE_GAIN   0.15f
#define ARM_GAIN     0.2f
#define PROBE_SHARE  0.01
#define PROBE_FIRST  3e6 /* ns that probes may take at once */
#define PROBE_LEAST  32768u
#define DECIDE_EVERY 8u
#define BETTER       0.99  /* another mix must be this much faster */
#define CPU_WEIGHT   0.02f /* of processor time that is hidden behind the link: enough to not waste it */
#define WINDOW_RUNS  8u
#define WINDOW_NS    4e6
#define BLOCKED      0.25 /* share of a window: the link is what limits */
#define NOT_BLOCKED  0.05
#define CURIOUS      1.5
#define PATIENCE_MAX 256u

/* zstd 1.5 on one core, text and memory of processes: ns a byte and share of the size, each as a multiple of
 * arm 8's (level 1). Only where we begin. */
static const struct {
        int level;
        float cost, size;
} arms[HB_CHOICE_ARMS] = {{0, 0, 0},        {-7, .79f, 1.6f},  {-6, .78f, 1.56f}, {-5, .81f, 1.48f},
                          {-4, .82f, 1.4f}, {-3, .83f, 1.33f}, {-2, .92f, 1.22f}, {-1, .9f, 1.15f},
                          {1, 1, 1},        {2, 1.2f, .96f},   {3, 1.36f, .95f}};
#define PRIOR_COST 0.6f /* ns a byte and bit of entropy */
#define PRIOR_SIZE 0.5f /* of what entropy alone would give */

int hb_choice_level(unsigned arm) {
        return arms[arm].level;
}

void hb_choice_init(struct hb_choice *c) {
        *c = (struct hb_choice){.base = 0.2f, .wire = 0.4f, .link.patience = 1, .previous = HB_LOOK_CLASSES};
        for (unsigned k = 0; k < HB_LOOK_CLASSES; k++) {
                struct hb_choice_class *f = &c->classes[k];
                float bits = hb_look_class_bits(k);
                bool dense = k == HB_LOOK_CLASSES - 1; /* zstd sees that soon, and leaves it */

                f->cost = dense ? PRIOR_COST : 0.2f + PRIOR_COST * bits;
                f->size = dense ? 1 : PRIOR_SIZE * bits / 8;
                for (unsigned a = 0; a < HB_CHOICE_ARMS; a++)
                        f->arms[a] = (struct hb_choice_arm){.cost = 1, .size = 1};
        }
}

/* ---- what arms cost ---- */

static float cost_of(const struct hb_choice_class *f, unsigned a) {
        return a == HB_CHOICE_OFF ? 0 : f->cost * f->arms[a].cost * arms[a].cost;
}

static float size_of(const struct hb_choice_class *f, unsigned a) {
        float r = a == HB_CHOICE_OFF ? 1 : f->size * f->arms[a].size * arms[a].size;

        return r < 1 ? r : 1;
}

/* One figure of an arm against what was expected: part of the surprise goes to all arms of the class, part to
 * this one. The first figures count in full, no single one for more than a factor of four. */
static void adjust(float *scale, float *own, float surprise, uint32_t seen, bool first_of_class) {
        float s = surprise < 0.25f ? 0.25f : surprise > 4 ? 4 : surprise;

        if (first_of_class) {
                *scale *= s;
                return;
        }
        *scale *= powf(s, SCALE_GAIN);
        *own *= powf(s, seen == 0 ? 1 - SCALE_GAIN : ARM_GAIN);
}

void hb_choice_learn(struct hb_choice *c, unsigned klass, unsigned arm, size_t size, size_t packed,
                     uint64_t ns, bool probe) {
        struct hb_choice_class *f = &c->classes[klass];
        struct hb_choice_arm *a = &f->arms[arm];
        bool first = true;
        float r = (float)packed / (float)size, z = (float)(ns ? ns : 1) / (float)size;

        if (probe)
                c->probed_ns += (double)ns;
        if (size < PROBE_LEAST)
                return; /* its cost is mostly that of beginning */
        for (unsigned i = 0; i < HB_CHOICE_ARMS; i++)
                first &= f->arms[i].seen == 0;
        adjust(&f->cost, &a->cost, z / cost_of(f, arm), a->seen, first);
        adjust(&f->size, &a->size, r / (f->size * a->size * arms[arm].size), a->seen, first);
        a->seen++;
        a->last = c->runs;
}

/* ---- the link ---- */

void hb_choice_hint(struct hb_choice *c, double bytes_per_s) {
        c->link.hint = bytes_per_s;
}

void hb_choice_cap(struct hb_choice *c, double bytes_per_s) {
        c->link.cap = bytes_per_s;
}

double hb_choice_link_rate(const struct hb_choice *c) {
        const struct hb_choice_link *l = &c->link;
        double rate = l->measured ? l->rate : l->hint > 0 ? l->hint : UNKNOWN_LINK;

        return l->cap > 0 && l->cap < rate ? l->cap : rate;
}

static void link_is_full(struct hb_choice_link *l, double was, double rate) {
        if (l->drifted)
                l->patience = rate < 0.8 * was ? l->patience * 2 : 4;
        if (l->patience > PATIENCE_MAX)
                l->patience = PATIENCE_MAX;
        l->rate = l->measured && rate > 0.7 * was && rate < 1.4 * was ? was + 0.5 * (rate - was) : rate;
        l->measured = true;
        l->drifted = false;
        l->quiet = 0;
}

static void link_has_room(struct hb_choice_link *l, double was, double rate, double blocked) {
        if (rate > was) {
                l->rate = rate;
                l->measured = true;
        }
        if (blocked >= NOT_BLOCKED || ++l->quiet <= l->patience)
                return;
        l->rate = fmin(CURIOUS * fmax(was, rate), FASTEST_LINK);
        l->measured = l->drifted = true;
        l->quiet = 0;
}

static void close_window(struct hb_choice *c) {
        struct hb_choice_link *l = &c->link;
        double rate = l->bytes / (l->busy_ns / 1e9), blocked = l->blocked_ns / l->busy_ns;
        double was = l->measured ? l->rate : l->hint > 0 ? l->hint : UNKNOWN_LINK;

        if (blocked > BLOCKED)
                link_is_full(l, was, rate);
        else
                link_has_room(l, was, rate, blocked);
        l->busy_ns = l->blocked_ns = l->bytes = 0;
        l->runs = 0;
}

static void blend(float *value, double sample, float gain) {
        *value += gain * ((float)sample - *value);
}

void hb_choice_sent(struct hb_choice *c, size_t plain, size_t wire, uint64_t pack_ns, uint64_t compress_ns,
                    uint64_t send_ns, uint64_t blocked_ns) {
        struct hb_choice_link *l = &c->link;

        c->busy_ns += (double)(pack_ns + send_ns);
        if (plain < PROBE_LEAST)
                return;
        if (pack_ns >= compress_ns)
                blend(&c->base, fmin((double)(pack_ns - compress_ns) / (double)plain, 2), 0.05f);
        if (wire >= PROBE_LEAST && send_ns >= blocked_ns)
                blend(&c->wire, fmin((double)(send_ns - blocked_ns) / (double)wire, 4), 0.05f);
        l->busy_ns += (double)(pack_ns + send_ns);
        l->blocked_ns += (double)blocked_ns;
        l->bytes += (double)wire;
        l->runs++;
        if (l->runs >= WINDOW_RUNS && l->busy_ns >= WINDOW_NS)
                close_window(c);
}

/* ---- the choice ---- */

static unsigned cheapest(const struct hb_choice_class *f, float price) {
        unsigned best = HB_CHOICE_OFF;
        float least = price;

        for (unsigned a = 1; a < HB_CHOICE_ARMS; a++) {
                float cost = cost_of(f, a) + price * size_of(f, a);

                if (cost < least) {
                        least = cost;
                        best = a;
                }
        }
        return best;
}

/* ns a plain byte takes if each class is treated as `pick` says. */
static float time_of(const struct hb_choice *c, const unsigned *pick, float per_byte) {
        float cpu = c->base, size = 0;

        for (unsigned k = 0; k < HB_LOOK_CLASSES; k++) {
                const struct hb_choice_class *f = &c->classes[k];

                cpu += f->share * cost_of(f, pick[k]);
                size += f->share * size_of(f, pick[k]);
        }
        cpu += c->wire * size;
        return fmaxf(cpu, size * per_byte) + CPU_WEIGHT * cpu;
}

static void decide(struct hb_choice *c) {
        float per_byte = (float)(1e9 / hb_choice_link_rate(c)), best, t;
        unsigned pick[HB_LOOK_CLASSES], chosen[HB_LOOK_CLASSES];

        for (unsigned k = 0; k < HB_LOOK_CLASSES; k++)
                chosen[k] = c->classes[k].arm;
        best = c->decided ? (float)BETTER * time_of(c, chosen, per_byte) : HUGE_VALF;
        for (int step = -1; step < 22; step++) {
                float price = c->wire + (step < 0 ? 0 : per_byte * exp2f((float)(step - 10) / 2));

                for (unsigned k = 0; k < HB_LOOK_CLASSES; k++)
                        pick[k] = cheapest(&c->classes[k], price);
                t = time_of(c, pick, per_byte);
                if (t < best) {
                        best = t;
                        for (unsigned k = 0; k < HB_LOOK_CLASSES; k++)
                                chosen[k] = pick[k];
                }
        }
        for (unsigned k = 0; k < HB_LOOK_CLASSES; k++)
                c->classes[k].arm = chosen[k];
        c->decided = c->runs;
}

unsigned hb_choice_pick(struct hb_choice *c, unsigned klass, size_t size) {
        float gain = SHARE_GAIN * fminf((float)size / RUN_BYTES, 1);

        c->runs++;
        for (unsigned k = 0; k < HB_LOOK_CLASSES; k++)
                blend(&c->classes[k].share, k == klass, c->runs == 1 ? 1 : gain);
        if (c->runs == 1 || c->runs >= c->decided + DECIDE_EVERY ||
            (klass != c->previous && c->runs >= c->decided + 3))
                decide(c);
        c->previous = klass;
        return c->classes[klass].arm;
}

/* The arm that has been longest without a figure, weighed by how near it is to the one in use. */
unsigned hb_choice_probe(struct hb_choice *c, unsigned klass, size_t size) {
        const struct hb_choice_class *f = &c->classes[klass];
        unsigned best = HB_CHOICE_OFF;
        float most = 0;

        if (size < PROBE_LEAST || c->probed_ns > PROBE_FIRST + PROBE_SHARE * c->busy_ns)
                return HB_CHOICE_OFF;
        for (unsigned a = 1; a < HB_CHOICE_ARMS; a++) {
                float far = a == f->arm ? 0 : fabsf((float)a - (float)f->arm);
                float age = f->arms[a].seen ? (float)(c->runs - f->arms[a].last) : 200;

                if (far > 0 && age / far > most) {
                        most = age / far;
                        best = a;
                }
        }
        return most >= 4 ? best : HB_CHOICE_OFF;
}
