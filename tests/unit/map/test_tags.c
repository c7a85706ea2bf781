/* tags: what is cut into parts comes together again, whatever the pattern; hostile parts are refused whole.
 */
#include "base/splitmix.h"
#include "check.h"
#include "map/tags.h"
#include <errno.h>
#include <stdlib.h>

#define TOTAL 1000000u

struct got {
        uint32_t *gfn, stamp;
        struct hb_print *prints;
        uint64_t n, parts, biggest;
        int fail_at; /* the part at which sending fails; 0: never */
};

static void got_tag(void *arg, uint64_t gfn, uint32_t tag) {
        struct got *g = arg;
        static const uint8_t rest[HB_PRINT_REST];

        g->gfn[g->n] = (uint32_t)gfn;
        g->prints[g->n++] = hb_print_join(tag, rest);
}

static void got_ask(void *arg, uint64_t gfn) {
        struct got *g = arg;

        g->gfn[g->n++] = (uint32_t)gfn;
}

static void got_rest(void *arg, uint64_t gfn, const uint8_t rest[HB_PRINT_REST]) {
        struct got *g = arg;

        assert_int_equal(g->gfn[g->n], gfn);
        g->prints[g->n] = hb_print_join(hb_print_tag(&g->prints[g->n]), rest);
        g->n++;
}

static int count(struct got *g, size_t size) {
        g->parts++;
        g->biggest = size > g->biggest ? size : g->biggest;
        return g->fail_at && (int)g->parts == g->fail_at ? -EPIPE : 0;
}

static int take_tags(void *arg, const void *part, size_t size) {
        struct got *g = arg;

        assert_int_equal(hb_tags_decode(part, size, TOTAL, &g->stamp, got_tag, g), 0);
        return count(g, size);
}

static int take_ask(void *arg, const void *part, size_t size) {
        assert_int_equal(hb_ask_decode(part, size, TOTAL, got_ask, arg), 0);
        return count(arg, size);
}

static int take_prints(void *arg, const void *part, size_t size) {
        struct got *g = arg;

        assert_int_equal(hb_prints_decode(part, size, TOTAL, &g->stamp, got_rest, g), 0);
        return count(g, size);
}

static struct got got_new(void) {
        struct got g = {.gfn = calloc(TOTAL, sizeof(*g.gfn)), .prints = calloc(TOTAL, sizeof(*g.prints))};

        assert_true(g.gfn && g.prints);
        return g;
}

static void got_free(struct got *g) {
        free(g->gfn);
        free(g->prints);
}

static void round_trip(const uint32_t *gfn, const struct hb_print *prints, uint64_t n) {
        struct got g = got_new(), asked = got_new();
        uint64_t parts = (n + HB_TAGS_PART - 1) / HB_TAGS_PART;
        struct hb_buf b = {0};

        assert_true(hb_tags_encode(17, gfn, prints, n, &b, take_tags, &g) >= (int64_t)(n * 4));
        assert_true(g.n == n && g.parts == parts);
        assert_true(hb_ask_encode(gfn, n, &b, take_ask, &asked) >= 0);
        assert_true(asked.n == n && asked.parts == parts);
        assert_memory_equal(asked.gfn, gfn, n * sizeof(*gfn));
        assert_memory_equal(g.gfn, gfn, n * sizeof(*gfn));
        g.n = g.parts = 0;
        assert_true(hb_prints_encode(18, gfn, prints, n, &b, take_prints, &g) >= (int64_t)(n * 12));
        assert_true(g.n == n && g.parts == parts && (n == 0 || g.stamp == 18));
        assert_memory_equal(g.prints, prints, n * sizeof(*prints));
        assert_true(g.biggest < 2u << 20); /* well within a frame */
        got_free(&g);
        got_free(&asked);
        hb_buf_free(&b);
}

static uint64_t pick(uint32_t *gfn, uint64_t *seed, unsigned per_mille) {
        uint64_t n = 0;

        for (uint32_t g = 0; g < TOTAL; g++)
                if (hb_splitmix64(seed) % 1000 < per_mille)
                        gfn[n++] = g;
        return n;
}

static void test_patterns(void **state) {
        static const unsigned density[] = {0, 1, 10, 300, 999, 1000};
        uint32_t *gfn = malloc(TOTAL * sizeof(*gfn));
        struct hb_print *prints = malloc(TOTAL * sizeof(*prints));
        uint64_t seed = 3;

        for (uint64_t i = 0; i < TOTAL * 2ull; i++)
                ((uint64_t *)prints)[i] = hb_splitmix64(&seed);
        for (unsigned i = 0; i < sizeof(density) / sizeof(*density); i++)
                round_trip(gfn, prints, pick(gfn, &seed, density[i]));
        gfn[0] = TOTAL - 1;
        round_trip(gfn, prints, 1);
        for (uint32_t i = 0; i < TOTAL / 2; i++) /* as many runs as there can be */
                gfn[i] = 2 * i;
        round_trip(gfn, prints, TOTAL / 2);
        free(gfn);
        free(prints);
}

static void test_what_cannot_be_sent(void **state) {
        struct got g = got_new();
        struct hb_print p[3] = {{{1}}, {{2}}, {{3}}};
        uint32_t gfn[] = {5, 5, 9};
        struct hb_buf b = {0};

        assert_int_equal(hb_tags_encode(1, gfn, p, 3, &b, take_tags, &g), -EINVAL);
        gfn[1] = 6;
        assert_int_equal(hb_tags_encode(0, gfn, p, 3, &b, take_tags, &g), -EINVAL);
        assert_int_equal(hb_prints_encode(0, gfn, p, 3, &b, take_prints, &g), -EINVAL);
        assert_int_equal(g.parts, 0);
        g.fail_at = 1;
        assert_int_equal(hb_ask_encode(gfn, 3, &b, take_ask, &g), -EPIPE);
        hb_buf_free(&b);
        got_free(&g);
}

/* ---- hostile ---- */

static void no_tag(void *arg, uint64_t gfn, uint32_t tag) {
        fail_msg("a page of a part that is refused");
}

static void no_ask(void *arg, uint64_t gfn) {
        fail_msg("a page of a part that is refused");
}

static void test_hostile(void **state) {
        static const struct {
                const char *what;
                uint8_t b[16];
                size_t n;
        } tags[] = {
                {"nothing", {0}, 0},
                {"another version", {2, 1, 0, 0, 0, 1, 0, 1, 9, 9, 9, 9}, 12},
                {"no stamp", {1, 0, 0, 0, 0, 1, 0, 1, 9, 9, 9, 9}, 12},
                {"no runs", {1, 1, 0, 0, 0, 0}, 6},
                {"an empty run", {1, 1, 0, 0, 0, 1, 0, 0}, 8},
                {"a byte too few", {1, 1, 0, 0, 0, 1, 0, 1, 9, 9, 9}, 11},
                {"a byte too many", {1, 1, 0, 0, 0, 1, 0, 1, 9, 9, 9, 9, 9}, 13},
                {"runs that touch", {1, 1, 0, 0, 0, 2, 0, 1, 0, 1, 9, 9, 9, 9, 9, 9}, 16},
                {"a page outside", {1, 1, 0, 0, 0, 1, 100, 1, 9, 9, 9, 9}, 12},
                {"a run that leaves", {1, 1, 0, 0, 0, 1, 99, 2, 9, 9, 9, 9, 9, 9, 9, 9}, 16},
                {"more runs than bytes", {1, 1, 0, 0, 0, 9, 0, 1}, 8},
                {"a gap of all ones", {1, 1, 0, 0, 0, 1, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}, 16},
        };
        static const uint8_t touch[] = {1, 2, 0, 1, 0, 1}, tail[] = {1, 1, 0, 1, 7}, none[] = {1, 0};
        uint32_t stamp = 77;

        for (unsigned i = 0; i < sizeof(tags) / sizeof(*tags); i++)
                if (hb_tags_decode(tags[i].b, tags[i].n, 100, &stamp, no_tag, NULL) != -EBADMSG)
                        fail_msg("%s was read", tags[i].what);
        assert_int_equal(stamp, 77);
        assert_int_equal(hb_ask_decode(touch, sizeof(touch), 100, no_ask, NULL), -EBADMSG);
        assert_int_equal(hb_ask_decode(tail, sizeof(tail), 100, no_ask, NULL), -EBADMSG);
        assert_int_equal(hb_ask_decode(none, sizeof(none), 100, no_ask, NULL), -EBADMSG);
}

/* More pages than a part may name are refused, however few bytes say so. */
static void test_no_part_names_more_than_it_may(void **state) {
        const uint8_t most[] = {1, 1, 0, 0x80, 0x80, 4}, more[] = {1, 2, 0, 0x80, 0x80, 4, 1, 1};
        struct got g = got_new();

        assert_int_equal(hb_ask_decode(most, sizeof(most), TOTAL, got_ask, &g), 0);
        assert_int_equal(g.n, HB_TAGS_PART);
        assert_int_equal(hb_ask_decode(more, sizeof(more), TOTAL, no_ask, NULL), -EBADMSG);
        got_free(&g);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_patterns),
                cmocka_unit_test(test_what_cannot_be_sent),
                cmocka_unit_test(test_hostile),
                cmocka_unit_test(test_no_part_names_more_than_it_may),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
