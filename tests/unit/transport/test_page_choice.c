/* The choice of compression against simulated bytes, processors and links, with no clock: what it does must
 * take at most a twentieth longer than the best that always does the same, also where others keep the
 * processor, the link changes, bytes change, or nothing is known at first. And the glance tells bytes apart.
 */
#include "check.h"
#include "transport/page_codec_choice.h"
#include "transport/page_codec_look.h"
#include <math.h>
#include <stdlib.h>

#define RUN    262144.0
#define UNSENT 524288.0

/* ns a byte and share of the size, by arm; as zstd did on text, on a program's memory and on random bytes. */
struct kind {
        unsigned klass;
        float cost[HB_CHOICE_ARMS], size[HB_CHOICE_ARMS];
};
static const struct kind text = {4,
                                 {0, 2.46f, 2.42f, 2.5f, 2.51f, 2.55f, 2.69f, 2.77f, 3.02f, 3.68f, 4.09f},
                                 {1, .412f, .399f, .384f, .364f, .346f, .33f, .316f, .279f, .2645f, .262f}};
static const struct kind memory = {
        2,
        {0, 1.08f, .95f, 1.21f, 1.23f, 1.2f, 1.22f, 1.13f, 1.4f, 1.61f, 1.83f},
        {1, .285f, .338f, .254f, .229f, .236f, .195f, .153f, .127f, .123f, .1228f}};
static const struct kind noise = {
        7, {0, .49f, .45f, .42f, .43f, .43f, .45f, .42f, .46f, .5f, .54f}, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}};

/* One connection: a thread that packs and sends, a socket that holds UNSENT bytes, a link. */
struct line {
        double now, drained; /* ns; when the link will have sent all it was given */
        double rate, stretch;
        uint64_t random;
};

static double rnd(struct line *l) {
        l->random = l->random * 6364136223846793005ull + 1442695040888963407ull;
        return (double)(l->random >> 11) / (double)(1ull << 53);
}

/* Sends what the run became; returns how long there was no room. */
static double put(struct line *l, double wire) {
        double full;

        l->drained = fmax(l->drained, l->now) + wire / l->rate * 1e9;
        full = l->drained - UNSENT / l->rate * 1e9;
        full = fmax(full - l->now, 0);
        l->now += full;
        return full;
}

/* One run by `arm`; the bytes of a kind differ from run to run. */
static void by_choice(struct hb_choice *c, struct line *l, const struct kind *k) {
        double differ = k == &noise ? 1 : 0.7 + 0.6 * rnd(l), cpu = 0.2 * RUN, sent;
        unsigned arm = hb_choice_pick(c, k->klass, (size_t)RUN),
                 probe = hb_choice_probe(c, k->klass, (size_t)RUN);
        struct hb_choice_tried tried[2];
        struct hb_choice_sent s = {.plain = (size_t)RUN};

        for (unsigned i = 0; i < 2; i++) {
                unsigned a = i ? probe : arm;

                tried[i] =
                        (struct hb_choice_tried){a, (size_t)(k->size[a] * (k == &noise ? 1 : differ) * RUN),
                                                 (uint64_t)(k->cost[a] * RUN * (0.95 + 0.1 * rnd(l)))};
                cpu += (double)tried[i].ns;
                s.compress_cpu_ns += tried[i].ns;
        }
        hb_choice_learn(c, k->klass, (size_t)RUN, arm ? &tried[0] : NULL, probe ? &tried[1] : NULL);
        s.wire = arm && tried[0].packed < RUN ? tried[0].packed : (size_t)RUN;
        s.pack_cpu_ns = (uint64_t)cpu;
        s.pack_ns = (uint64_t)(cpu * l->stretch);
        sent = 0.4 * (double)s.wire * l->stretch;
        l->now += (double)s.pack_ns + sent;
        s.blocked_ns = (uint64_t)put(l, (double)s.wire);
        s.send_ns = (uint64_t)(0.4 * (double)s.wire) + s.blocked_ns;
        hb_choice_sent(c, &s);
}

static double by_fixed(unsigned arm, double rate, double stretch, const struct kind *k, unsigned runs) {
        struct line l = {.rate = rate, .random = 3, .stretch = stretch};

        for (unsigned i = 0; i < runs; i++) {
                double differ = k == &noise ? 1 : 0.7 + 0.6 * rnd(&l);
                double size = fmin(k->size[arm] * (arm ? differ : 1), 1);

                l.now += stretch * RUN * ((double)k->cost[arm] + 0.2 + 0.4 * size);
                put(&l, size * RUN);
        }
        return fmax(l.now, l.drained);
}

static double best_fixed(double rate, double stretch, const struct kind *k, unsigned runs,
                         unsigned *ret_arm) {
        double best = HUGE_VAL;

        for (unsigned a = 0; a < HB_CHOICE_ARMS; a++) {
                double t = by_fixed(a, rate, stretch, k, runs);

                if (t < best) {
                        best = t;
                        *ret_arm = a;
                }
        }
        return best;
}

static void near_best(double rate, double stretch, const struct kind *k, unsigned runs, double hint) {
        struct line l = {.rate = rate, .random = 3, .stretch = stretch};
        struct hb_choice c;
        unsigned arm;
        double best = best_fixed(rate, stretch, k, runs, &arm), is;

        hb_choice_init(&c);
        hb_choice_hint(&c, hint);
        for (unsigned i = 0; i < runs; i++)
                by_choice(&c, &l, k);
        is = fmax(l.now, l.drained);
        if (is > 1.05 * best)
                fail_msg("%.0f MB/s, class %u, stretch %.1f: %.3f s, but level %d always takes %.3f s",
                         rate / 1e6, k->klass, stretch, is / 1e9, arm ? hb_choice_level(arm) : 0, best / 1e9);
}

static void test_within_a_twentieth(void **state) {
        static const struct kind *const kinds[] = {&text, &memory, &noise};
        static const double rates[] = {1.25e6, 12.5e6, 62.5e6, 125e6, 300e6, 625e6, 1.25e9};

        for (unsigned k = 0; k < 3; k++)
                for (unsigned r = 0; r < 7; r++) {
                        near_best(rates[r], 1, kinds[k], 1500, rates[r]);
                        near_best(rates[r], 1, kinds[k], 4000, 0); /* nothing is known of the link */
                        near_best(rates[r], 1, kinds[k], 4000, rates[r] * 3); /* or something wrong */
                }
}

/* Others have two thirds of the processor. */
static void test_processor_shared(void **state) {
        near_best(62.5e6, 3, &text, 2000, 62.5e6);
        near_best(125e6, 3, &text, 2000, 125e6);
        near_best(125e6, 3, &memory, 2000, 125e6);
        near_best(12.5e6, 3, &text, 2000, 12.5e6);
}

static double span(struct hb_choice *c, struct line *l, const struct kind *k, unsigned runs) {
        double from = l->now;

        for (unsigned i = 0; i < runs; i++)
                by_choice(c, l, k);
        return l->now - from;
}

/* From 1000 to 10 Mbit/s and back, and from text to random bytes and back: soon as good as ever. */
static void test_follows(void **state) {
        struct line l = {.rate = 125e6, .random = 3, .stretch = 1};
        struct hb_choice c;
        unsigned arm;

        hb_choice_init(&c);
        span(&c, &l, &text, 500);
        l.rate = 1.25e6;
        span(&c, &l, &text, 40);
        assert_true(span(&c, &l, &text, 300) < 1.05 * best_fixed(l.rate, 1, &text, 300, &arm));
        l.rate = 125e6;
        span(&c, &l, &text, 400);
        assert_true(span(&c, &l, &text, 500) < 1.05 * best_fixed(l.rate, 1, &text, 500, &arm));
        for (unsigned i = 0; i < 5; i++) {
                assert_true(span(&c, &l, &noise, 60) < 1.05 * best_fixed(l.rate, 1, &noise, 60, &arm) + 6e6);
                assert_true(span(&c, &l, &text, 60) < 1.1 * best_fixed(l.rate, 1, &text, 60, &arm) + 6e6);
        }
}

/* A cap on a fast link is obeyed as if it were the link. */
static void test_cap(void **state) {
        struct line l = {.rate = 1.25e9, .random = 3, .stretch = 1};
        unsigned compressed = 0;
        struct hb_choice c;

        hb_choice_init(&c);
        hb_choice_cap(&c, 1.25e6);
        span(&c, &l, &text, 200);
        assert_true(hb_choice_level(hb_choice_pick(&c, text.klass, (size_t)RUN)) >= 2);
        hb_choice_cap(&c, 0);
        span(&c, &l, &text, 400);
        for (unsigned i = 0; i < 100; i++)
                compressed += hb_choice_pick(&c, text.klass, (size_t)RUN) != HB_CHOICE_OFF;
        assert_true(compressed < 25);
}

static void test_probes_are_few(void **state) {
        struct line l = {.rate = 625e6, .random = 3, .stretch = 1};
        struct hb_choice c;

        hb_choice_init(&c);
        span(&c, &l, &memory, 5000);
        assert_true(c.probed_ns < 0.02 * c.busy_ns);
        assert_true(c.probed_ns > 0);
}

static void test_glance(void **state) {
        static uint8_t bytes[262144];
        uint64_t x = 1;

        for (unsigned n = 1; n < 5000; n += 7) { /* any size, nothing beyond its end */
                uint8_t *p = calloc(n, 1);

                assert_non_null(p);
                assert_true(hb_look_bits(p, n) >= 0 && hb_look_bits(p, n) <= 8);
                free(p);
        }
        for (unsigned i = 0; i < sizeof bytes; i++) {
                x = x * 6364136223846793005ull + 1442695040888963407ull;
                bytes[i] = (uint8_t)(x >> 56);
        }
        assert_int_equal(hb_look_class(hb_look_bits(bytes, sizeof bytes)), HB_LOOK_CLASSES - 1);
        for (unsigned i = 0; i < sizeof bytes; i++)
                bytes[i] = (uint8_t)('a' + bytes[i] % 16);
        assert_true(fabsf(hb_look_bits(bytes, sizeof bytes) - 4) < 0.2f);
        for (unsigned i = 0; i < sizeof bytes; i++)
                bytes[i] = 0;
        assert_int_equal(hb_look_class(hb_look_bits(bytes, sizeof bytes)), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_within_a_twentieth),
                cmocka_unit_test(test_processor_shared),
                cmocka_unit_test(test_follows),
                cmocka_unit_test(test_cap),
                cmocka_unit_test(test_probes_are_few),
                cmocka_unit_test(test_glance),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
