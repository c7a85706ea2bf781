/* page_codec_choice: a price for bytes on the wire.
 *
 * Let each class of bytes k (page_codec_look) have a share w, and each arm a a cost z in ns a byte and a size
 * r as a share of the plain bytes. The thread then needs  cpu = base + sum w (z + e r)  a byte, e being what
 * encrypting and handing a byte to the kernel takes, and the link  wire = sum w r / C.  Both work at the same
 * time, so what counts is max(cpu, wire). Minimising cpu + lambda * wire for a price lambda separates into
 * one choice a class; the prices are gone through, every few runs, and of the choices of neighbouring prices
 * those two are taken between which thread and link balance, by turns: every third run not compressed, say,
 * where none would be too much for the link and all too much for the thread. That is better than any single
 * level. The price is common to all classes, so bytes that shrink cheaply pay for those that do not shrink at
 * all.
 *
 * Runs of one class differ, more than levels do. So what an arm does beside another is learned from runs that
 * met both (probes: a run is compressed a second time, by an arm near the one in use, as long as that stays
 * under PROBE_SHARE of the time; on a slow link there is time for all of them), and what a class's bytes are
 * like from every run. Before anything was measured the priors below speak. Cost is counted in the
 * processor's time; where others keep the processor, `stretch` says how much longer it takes.
 *
 * C is what the thread itself sees: bytes a second of the time it spent packing and sending, in windows in
 * which sending had to wait for room. While nothing waits, C is at least what moved, and probably more; after
 * `patience` such windows it is supposed to be half as much again. If that was wrong the link says so within
 * a window, and patience doubles: so the cost of being curious stays a small share. */
#include "transport/page_codec_choice.h"
#include <math.h>
#include <string.h>

#define UNKNOWN_LINK   125e6 /* 1 Gbit/s */
#define FASTEST_LINK   1e11
#define RUN_BYTES      262144.0f
#define SHARE_GAIN     0.6f /* a socket holds a run or two: so far apart link and processor can work */
#define SCALE_GAIN     0.1f
#define PAIR_FADE      0.97f
#define PAIR_PRIOR     0.2f /* the weight of a prior, as a run of that size */
#define SOCKET_RUNS    2    /* uncompressed runs that wait in a socket (sock.h) */
#define PRICES         24
#define PROBE_SHARE    0.01
#define PROBE_FIRST    3e6 /* ns that probes may take at once */
#define PROBE_LEAST    32768u
#define DECIDE_EVERY   6u
#define CPU_WEIGHT     0.02f /* of processor time that is hidden behind the link: enough to not waste it */
#define WINDOW_RUNS    8u
#define WINDOW_NS      4e6
#define WINDOW_SLOW_NS 2e7
#define WAIT_NS        3e4
#define WINDOW_BYTES   1e6 /* twice what a socket holds, else what fills it passes for pace */
#define WINDOW_LONG_NS 1e8
#define BLOCKED        0.08 /* share of a window: the link is what limits */
#define LINK_GAIN      0.3
#define CURIOUS        1.5
#define PATIENCE_MIN   8u /* once the link was seen full */
#define PATIENCE_MAX   256u

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
        *c = (struct hb_choice){.base = 0.2f, .wire = 0.4f, .stretch = 1, .link.patience = 1};
        for (unsigned k = 0; k < HB_LOOK_CLASSES; k++) {
                struct hb_choice_class *f = &c->classes[k];
                float bits = hb_look_class_bits(k);
                bool dense = k == HB_LOOK_CLASSES - 1; /* zstd sees that soon, and leaves it */

                f->cost = dense ? PRIOR_COST : 0.2f + PRIOR_COST * bits;
                f->size = dense ? 1 : PRIOR_SIZE * bits / 8;
                for (unsigned a = 0; a < HB_CHOICE_ARMS; a++)
                        f->arms[a] = (struct hb_choice_arm){f->cost, f->cost, PAIR_PRIOR, PAIR_PRIOR, 0};
        }
}

/* ---- what arms cost ---- */

static float cost_factor(const struct hb_choice_class *f, unsigned a) {
        return arms[a].cost * f->arms[a].cost / f->arms[a].cost_expected;
}

static float size_factor(const struct hb_choice_class *f, unsigned a) {
        return arms[a].size * f->arms[a].size / f->arms[a].size_expected;
}

static float cost_of(const struct hb_choice_class *f, unsigned a) {
        return a == HB_CHOICE_OFF ? 0 : f->cost * cost_factor(f, a);
}

static float size_of(const struct hb_choice_class *f, unsigned a) {
        float r = a == HB_CHOICE_OFF ? 1 : f->size * size_factor(f, a);

        return r < 1 ? r : 1;
}

static void blend(float *value, double sample, float gain) {
        *value += gain * ((float)sample - *value);
}

static void pair(float *sum, float *expected, float is, float should) {
        *sum = PAIR_FADE * *sum + is;
        *expected = PAIR_FADE * *expected + should;
}

struct figures {
        float cost, size;
};

static struct figures figures_of(const struct hb_choice_tried *t, size_t size) {
        return (struct figures){(float)(t->ns ? t->ns : 1) / (float)size, (float)t->packed / (float)size};
}

static void learn_class(struct hb_choice_class *f, unsigned arm, struct figures is) {
        float gain = f->met ? SCALE_GAIN : 1;
        float cost = is.cost / cost_factor(f, arm);

        blend(&f->cost, f->met && cost > 4 * f->cost ? 4 * f->cost : cost, gain);
        blend(&f->size, is.size / size_factor(f, arm), gain);
        f->met = true;
}

/* The probe beside the arm in use, on one run. */
static void learn_pair(struct hb_choice_class *f, unsigned used, struct figures u, unsigned probe,
                       struct figures p) {
        struct hb_choice_arm *a = &f->arms[probe];

        pair(&a->cost, &a->cost_expected, p.cost, arms[probe].cost * u.cost / cost_factor(f, used));
        pair(&a->size, &a->size_expected, p.size, arms[probe].size * u.size / size_factor(f, used));
}

void hb_choice_learn(struct hb_choice *c, unsigned klass, size_t size, const struct hb_choice_tried *used,
                     const struct hb_choice_tried *probe) {
        struct hb_choice_class *f = &c->classes[klass];
        const struct hb_choice_tried *any = used ? used : probe;

        if (probe) {
                c->probed_ns += (double)probe->ns;
                f->arms[probe->arm].last = c->runs;
        }
        if (!any || size < PROBE_LEAST)
                return; /* a short run's cost is mostly that of beginning */
        if (used && probe)
                learn_pair(f, used->arm, figures_of(used, size), probe->arm, figures_of(probe, size));
        learn_class(f, any->arm, figures_of(any, size));
        f->arms[any->arm].last = c->runs;
}

/* ---- the link ---- */

void hb_choice_hint(struct hb_choice *c, double bytes_per_s) {
        c->stale |= fabs(bytes_per_s - c->link.hint) > 0.05 * c->link.hint;
        c->link.hint = bytes_per_s;
}

void hb_choice_cap(struct hb_choice *c, double bytes_per_s) {
        c->stale |= bytes_per_s != c->link.cap;
        c->link.cap = bytes_per_s;
}

/* Before anything was measured. TCP's word of the first moments is what buffers took, so a high one waits
 * until a window has passed without waiting. */
static double supposed(const struct hb_choice_link *l) {
        if (l->hint <= 0 || (l->told && l->hint > UNKNOWN_LINK))
                return UNKNOWN_LINK;
        return l->hint;
}

double hb_choice_link_rate(const struct hb_choice *c) {
        const struct hb_choice_link *l = &c->link;
        double rate = l->measured ? l->rate : supposed(l);

        return l->cap > 0 && l->cap < rate ? l->cap : rate;
}

static void link_is_full(struct hb_choice_link *l, double was, double rate) {
        bool near = l->measured && !l->drifted && rate > 0.7 * was && rate < 1.4 * was;

        if (l->drifted && rate < 0.9 * was)
                l->patience *= 2;
        else if (l->drifted)
                l->patience /= 2;
        l->patience = l->patience < PATIENCE_MIN   ? PATIENCE_MIN
                      : l->patience > PATIENCE_MAX ? PATIENCE_MAX
                                                   : l->patience;
        l->rate = near ? was + LINK_GAIN * (rate - was) : rate;
        l->measured = l->was_full = true;
        l->drifted = false;
        l->quiet = 0;
}

static void link_has_room(struct hb_choice_link *l, double was, double rate) {
        if (rate > was) {
                l->rate = was + LINK_GAIN * (rate - was);
                l->measured = true;
        }
        if (++l->quiet <= l->patience)
                return;
        l->rate = fmin(CURIOUS * fmax(was, rate), FASTEST_LINK);
        if (!l->was_full && l->hint > l->rate)
                l->rate = l->hint;
        l->measured = l->drifted = true;
        l->quiet = 0;
}

static void close_window(struct hb_choice *c) {
        struct hb_choice_link *l = &c->link;
        double rate = l->bytes / (l->busy_ns / 1e9), blocked = l->blocked_ns / l->busy_ns;
        double was = l->measured ? l->rate : supposed(l);

        if (blocked > BLOCKED)
                link_is_full(l, was, rate);
        else
                link_has_room(l, was, rate);
        l->busy_ns = l->blocked_ns = l->bytes = 0;
        l->runs = 0;
        c->stale = true;
}

/* What filled the socket's buffer is no pace: a window in which sending first had to wait begins again there.
 */
static void add_to_window(struct hb_choice *c, const struct hb_choice_sent *s, double took) {
        struct hb_choice_link *l = &c->link;
        bool waited = (double)s->blocked_ns > fmax(WAIT_NS, took / 10); /* less is how clocks differ */
        unsigned enough = l->drifted ? WINDOW_RUNS / 2 : WINDOW_RUNS;

        l->told = true;
        if (waited && !l->full) {
                l->full = true;
                l->busy_ns = l->blocked_ns = l->bytes = 0;
                l->runs = 0;
                return;
        }
        l->busy_ns += took;
        l->blocked_ns += (double)s->blocked_ns;
        l->bytes += (double)s->wire;
        l->runs++;
        if (l->full && l->busy_ns >= WINDOW_SLOW_NS)
                enough = 1; /* between two waits, however few runs */
        if (l->runs < enough || l->busy_ns < WINDOW_NS ||
            (l->bytes < WINDOW_BYTES && l->busy_ns < WINDOW_LONG_NS && !l->full))
                return;
        if (l->full && !waited && l->runs < 4 * WINDOW_RUNS)
                return;
        close_window(c);
        l->full = waited;
}

void hb_choice_sent(struct hb_choice *c, const struct hb_choice_sent *s) {
        double took = (double)(s->pack_ns + s->send_ns), plain = (double)s->plain;

        c->busy_ns += took;
        if (s->plain < PROBE_LEAST)
                return;
        if (s->pack_cpu_ns >= s->compress_cpu_ns)
                blend(&c->base, fmin((double)(s->pack_cpu_ns - s->compress_cpu_ns) / plain, 2), 0.05f);
        if (s->pack_cpu_ns > 0)
                blend(&c->stretch, fmax(1, fmin((double)s->pack_ns / (double)s->pack_cpu_ns, 4)), 0.05f);
        if (s->wire >= PROBE_LEAST && s->send_ns >= s->blocked_ns)
                blend(&c->wire, fmin((double)(s->send_ns - s->blocked_ns) / (double)s->wire, 4), 0.05f);
        add_to_window(c, s, took);
}

/* ---- the choice ---- */

/* The figures of the classes that are met just now, gathered once for all prices. */
struct mix {
        unsigned n, klass[HB_LOOK_CLASSES];
        float share[HB_LOOK_CLASSES];
        struct figures arm[HB_LOOK_CLASSES][HB_CHOICE_ARMS];
};

static void gather(const struct hb_choice *c, struct mix *m) {
        float all = 0;

        m->n = 0;
        for (unsigned k = 0; k < HB_LOOK_CLASSES; k++) {
                const struct hb_choice_class *f = &c->classes[k];

                if (f->share < 0.02f)
                        continue;
                for (unsigned a = 0; a < HB_CHOICE_ARMS; a++)
                        m->arm[m->n][a] = (struct figures){c->stretch * cost_of(f, a), size_of(f, a)};
                all += m->share[m->n] = f->share;
                m->klass[m->n++] = k;
        }
        for (unsigned i = 0; i < m->n; i++)
                m->share[i] /= all;
}

static unsigned cheapest(const struct figures *f, float price) {
        unsigned best = HB_CHOICE_OFF;
        float least = HUGE_VALF;

        for (unsigned a = 0; a < HB_CHOICE_ARMS; a++) {
                float cost = f[a].cost + price * f[a].size;

                if (cost < least) {
                        least = cost;
                        best = a;
                }
        }
        return best;
}

struct load { /* ns a plain byte: of the thread, and of the link */
        float cpu, link;
};

/* A run that is compressed for longer than a full socket lasts leaves the link idle. */
static struct load load_of(const struct hb_choice *c, const struct mix *m, const unsigned *pick,
                           float per_byte) {
        float cpu = 0, size = 0, idle = 0;

        for (unsigned i = 0; i < m->n; i++) {
                const struct figures *f = &m->arm[i][pick[i]];

                cpu += m->share[i] * f->cost;
                size += m->share[i] * f->size;
                idle += m->share[i] * fmaxf(f->cost - SOCKET_RUNS * per_byte, 0);
        }
        return (struct load){cpu + c->stretch * (c->base + c->wire * size), size * per_byte + idle};
}

/* The share of runs by `b`, the rest by `a`, after which thread and link take the same time; else the better
 * of the two alone. */
static float balance(struct load a, struct load b, float *ret_time) {
        float over = a.link - a.cpu, under = b.cpu - b.link, share, cpu;

        if (over <= 0)
                share = 0; /* the processor is what limits, and b would ask more of it */
        else if (under <= 0)
                share = 1;
        else
                share = over / (over + under);
        cpu = a.cpu + share * (b.cpu - a.cpu);
        *ret_time = fmaxf(cpu, a.link + share * (b.link - a.link)) + CPU_WEIGHT * cpu;
        return share;
}

static void pick_all(const struct mix *m, float price, unsigned *pick) {
        for (unsigned i = 0; i < m->n; i++)
                pick[i] = cheapest(m->arm[i], price);
}

static void decide(struct hb_choice *c) {
        float per_byte = (float)(1e9 / hb_choice_link_rate(c)), best = HUGE_VALF, t, share;
        unsigned low[HB_LOOK_CLASSES] = {0}, high[HB_LOOK_CLASSES];
        struct load before, now;
        struct mix m;

        gather(c, &m);
        pick_all(&m, c->stretch * c->wire, low);
        before = load_of(c, &m, low, per_byte);
        for (int step = 0; step < PRICES; step++) {
                pick_all(&m, c->stretch * c->wire + per_byte * exp2f((float)(step - PRICES / 2) / 2), high);
                now = load_of(c, &m, high, per_byte);
                share = balance(before, now, &t);
                if (t < best) {
                        best = t;
                        c->mix = share;
                        for (unsigned i = 0; i < m.n; i++) {
                                c->classes[m.klass[i]].low = low[i];
                                c->classes[m.klass[i]].high = high[i];
                        }
                }
                memcpy(low, high, sizeof low);
                before = now;
        }
        c->decided = c->runs;
        c->stale = false;
}

unsigned hb_choice_pick(struct hb_choice *c, unsigned klass, size_t size) {
        struct hb_choice_class *f = &c->classes[klass];
        float gain = c->runs == 0 ? 1 : SHARE_GAIN * fminf((float)size / RUN_BYTES, 1);

        c->runs++;
        for (unsigned k = 0; k < HB_LOOK_CLASSES; k++)
                blend(&c->classes[k].share, k == klass, gain);
        if (c->runs == 1 || c->stale || klass != c->previous || c->runs >= c->decided + DECIDE_EVERY)
                decide(c);
        c->previous = klass;
        f->turn += c->mix;
        f->arm = f->turn >= 1 ? f->high : f->low;
        f->turn -= f->turn >= 1;
        return f->arm;
}

/* The arm that has been longest without a figure, weighed by how near it is to the one in use. Where none is
 * in use: near the one that would be first. */
unsigned hb_choice_probe(struct hb_choice *c, unsigned klass, size_t size) {
        const struct hb_choice_class *f = &c->classes[klass];
        unsigned best = HB_CHOICE_OFF, from = f->arm == HB_CHOICE_OFF ? 3 : f->arm;
        float most = 4;

        if (size < PROBE_LEAST || c->probed_ns > PROBE_FIRST + PROBE_SHARE * c->busy_ns)
                return HB_CHOICE_OFF;
        for (unsigned a = 1; a < HB_CHOICE_ARMS; a++) {
                float far = 1 + fabsf((float)a - (float)from);
                float age = (float)(c->runs - f->arms[a].last) + (f->arms[a].last ? 0 : 100);

                if (a != f->arm && age / far > most) {
                        most = age / far;
                        best = a;
                }
        }
        return best;
}
