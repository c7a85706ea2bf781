/* Large guests, told by blocks first. A target that holds a word a block, takes a page for what its word says
 * until it is told of the page itself, and decays what it knows, must end up believing what the map says, to
 * within the octave that words are made of; the budget is kept while it lags, and nothing waits for ever. */
#include "base/fault.h"
#include "check.h"
#include "map/heat.h"
#include "map/summary.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define S      1000000000ull
#define PAGES  20000u /* 39 blocks and a short one */
#define BLOCKS 40u

struct word {
        struct hb_summary_entry e;
        unsigned told;
        bool there;
};

struct belief {
        float write_heat, read_heat;
        uint32_t last_access;
        bool told;
};

struct world {
        hb_page_map *map;
        hb_summary_encoder *enc;
        struct hb_bitmap written, since;
        struct word word[BLOCKS];
        struct belief b[PAGES];
        unsigned words, runs, order; /* entries heard */
        unsigned heard_at[BLOCKS];   /* order of the first page entry of a block */
        uint64_t now, rng;
        size_t word_bytes, page_bytes;
};

static uint64_t rnd(struct world *w) {
        w->rng ^= w->rng << 13;
        w->rng ^= w->rng >> 7;
        w->rng ^= w->rng << 17;
        return w->rng;
}

static void world_init(struct world *w, uint64_t seed) {
        struct hb_shape shape = {0};

        *w = (struct world){.now = S, .rng = seed * 0x9E3779B97F4A7C15ull + 1};
        assert_int_equal(hb_shape_add(&shape, "ram", (uint64_t)PAGES << HB_PAGE_SHIFT, HB_PAGE_SIZE, NULL),
                         0);
        assert_int_equal(hb_page_map_open(&shape, NULL, &w->map, NULL), 0);
        assert_int_equal(hb_summary_encoder_new(w->map, &w->enc), 0);
        assert_int_equal(hb_bitmap_init(&w->written, PAGES), 0);
        assert_int_equal(hb_bitmap_init(&w->since, PAGES), 0);
}

static void world_fini(struct world *w) {
        hb_summary_encoder_free(w->enc);
        hb_page_map_free(w->map);
        hb_bitmap_fini(&w->written);
        hb_bitmap_fini(&w->since);
}

static void epoch(struct world *w) {
        uint32_t e;

        w->now += S;
        hb_page_map_apply(w->map, w->now, &w->written, NULL, NULL, false);
        e = hb_page_map_epoch(w->map);
        for (unsigned g = 0; g < PAGES && e > 1; g++)
                if (hb_bitmap_test(&w->written, g))
                        w->b[g].last_access = e;
}

static void hear_word(struct world *w, const struct hb_summary_entry *e) {
        w->words++;
        assert_int_equal(e->gfn % HB_BLOCK_PAGES, 0);
        for (uint64_t b = e->gfn / HB_BLOCK_PAGES; b * HB_BLOCK_PAGES < e->gfn + e->pages; b++)
                w->word[b] = (struct word){*e, 0, true};
        for (uint64_t g = e->gfn; g < e->gfn + e->pages; g++)
                w->b[g].told = false;
}

static void hear(void *arg, const struct hb_summary_entry *e) {
        struct world *w = arg;

        if (e->block) {
                hear_word(w, e);
                return;
        }
        w->runs++;
        for (uint64_t g = e->gfn; g < e->gfn + e->pages; g++) {
                struct word *k = &w->word[g / HB_BLOCK_PAGES];

                k->told += !w->b[g].told;
                w->b[g] = (struct belief){e->write_heat, e->read_heat, e->last_access, true};
                if (!w->heard_at[g / HB_BLOCK_PAGES])
                        w->heard_at[g / HB_BLOCK_PAGES] = ++w->order;
        }
}

static int64_t talk(struct world *w, uint64_t budget) {
        struct hb_buf out = {0};
        uint32_t e;
        uint64_t time_ns;
        int64_t n = hb_summary_encode(w->enc, budget, &out);

        assert_true(n >= 0 && (uint64_t)n <= budget);
        assert_int_equal(out.len, n);
        if (n > 0) {
                assert_int_equal(hb_summary_decode(out.data, out.len, PAGES, &e, &time_ns, hear, w), 0);
                assert_int_equal(e, hb_page_map_epoch(w->map));
                *(out.data[0] == 2 ? &w->word_bytes : &w->page_bytes) += out.len;
        }
        hb_buf_free(&out);
        return n;
}

static void talk_it_all(struct world *w, uint64_t budget) {
        unsigned rounds = 0;

        while (hb_summary_due(w->enc)) {
                assert_true(rounds++ < 5000);
                talk(w, budget);
        }
}

/* What a target shows its policies of a page. */
static struct belief shown(const struct world *w, unsigned g) {
        const struct word *k = &w->word[g / HB_BLOCK_PAGES];
        struct belief b = w->b[g];
        bool open = k->told < k->e.unlike;
        uint32_t access = open ? k->e.any_access : k->e.last_access;

        if (b.told || !k->there)
                return b;
        b.write_heat = open ? k->e.any_write_heat : k->e.write_heat;
        b.read_heat = open ? k->e.any_read_heat : k->e.read_heat;
        b.last_access = access > b.last_access ? access : b.last_access;
        return b;
}

static bool near(double a, double b) { /* an octave and two classes, or next to nothing */
        return fmax(a, b) <= 2.4 * fmin(a, b) || fmax(a, b) < 0.01;
}

static void agree(const struct world *w) {
        uint32_t now = hb_page_map_epoch(w->map);

        for (unsigned g = 0; g < PAGES; g++) {
                struct belief b = shown(w, g);
                struct hb_page_info i;
                double since = (double)(now - b.last_access), heat = (double)b.write_heat;
                double age, told = (double)(now - b.last_access);

                hb_page_map_get(w->map, g, &i);
                heat = b.last_access ? heat * exp(-since / HB_HEAT_TAU_S) : 0.0;
                assert_true(near(heat, (double)i.write_heat));
                assert_int_equal(b.last_access == 0, i.last_access == 0);
                age = (double)(now - i.last_access);
                assert_true(fmax(age, told) <= 2.0 * fmin(age, told) + 1.0);
        }
}

/* Blocks 0-9 hot in all, 10-19 with some hot pages, 20-29 left after a while, the others at rest. */
static void work(struct world *w, unsigned e) {
        hb_bitmap_clear_all(&w->written);
        for (unsigned g = 0; g < 10 * HB_BLOCK_PAGES; g++)
                if (rnd(w) % 4)
                        hb_bitmap_set(&w->written, g);
        for (unsigned b = 10; b < 20; b++)
                for (unsigned k = 0; k < b - 9; k++)
                        if (rnd(w) % 2)
                                hb_bitmap_set(&w->written, b * HB_BLOCK_PAGES + k * 37);
        for (unsigned g = 20 * HB_BLOCK_PAGES; e < 30 && g < 30 * HB_BLOCK_PAGES; g++)
                hb_bitmap_set(&w->written, g);
}

static void live(struct world *w, unsigned epochs) {
        hb_bitmap_set_all(&w->written);
        epoch(w);
        for (unsigned e = 0; e < epochs; e++) {
                work(w, e);
                epoch(w);
        }
}

static void test_target_believes_what_the_map_says(void **state) {
        for (uint64_t seed = 1; seed <= 4; seed++) {
                struct world *w = malloc(sizeof(*w));

                world_init(w, seed);
                live(w, 80);
                hb_summary_coarse(w->enc, true);
                hb_summary_reset(w->enc);
                talk_it_all(w, seed % 2 ? UINT64_MAX : 700);
                agree(w);
                for (unsigned e = 0; e < 30; e++) { /* and goes on believing it */
                        work(w, seed == 3 ? 0 : 99);
                        epoch(w);
                        talk_it_all(w, UINT64_MAX);
                        agree(w);
                }
                world_fini(w);
                free(w);
        }
}

static void test_all_is_known_by_words_before_any_page_is_told(void **state) {
        struct world *w = malloc(sizeof(*w));

        world_init(w, 7);
        live(w, 60);
        hb_summary_coarse(w->enc, true);
        hb_summary_reset(w->enc);
        while (w->runs == 0)
                assert_true(talk(w, 400) > 0);
        for (unsigned b = 0; b < BLOCKS; b++)
                assert_true(w->word[b].there);
        assert_true(w->word_bytes <= 16 * BLOCKS + 3 * 13);
        assert_true(w->word[35].e.unlike == 0 && w->word[35].e.last_access == 0); /* at rest */
        assert_true(w->word[3].e.write_heat > 0.3f);                              /* hot */
        assert_true(w->word[15].e.last_access == 0 && w->word[15].e.unlike == 6); /* six pages are not */
        assert_true(w->word[25].e.last_access == 31);                             /* left */
        world_fini(w);
        free(w);
}

static void test_pages_alike_are_not_told(void **state) {
        struct world *w = malloc(sizeof(*w));

        world_init(w, 8);
        live(w, 60);
        hb_summary_coarse(w->enc, true);
        hb_summary_reset(w->enc);
        talk_it_all(w, UINT64_MAX);
        for (unsigned g = 20 * HB_BLOCK_PAGES; g < PAGES; g++)
                assert_false(w->b[g].told);
        for (unsigned g = 10 * HB_BLOCK_PAGES; g < 20 * HB_BLOCK_PAGES; g++)
                assert_true(w->b[g].told == (g % HB_BLOCK_PAGES % 37 == 0 &&
                                             g % HB_BLOCK_PAGES / 37 < g / HB_BLOCK_PAGES - 9));
        world_fini(w);
        free(w);
}

static void test_what_is_asked_for_comes_first(void **state) {
        struct world *w = malloc(sizeof(*w));
        struct hb_bitmap ask;

        world_init(w, 9);
        assert_int_equal(hb_bitmap_init(&ask, BLOCKS), 0);
        live(w, 60);
        hb_summary_coarse(w->enc, true);
        hb_summary_reset(w->enc);
        while (w->words < 20 || w->word[BLOCKS - 1].there == false)
                assert_true(talk(w, 400) > 0);
        assert_int_equal(w->runs, 0);
        hb_bitmap_set(&ask, 10); /* one page, lukewarm, behind thousands */
        hb_bitmap_set(&ask, 35); /* nothing to be told of */
        hb_summary_ask(w->enc, &ask);
        assert_true(talk(w, 400) > 0);
        assert_true(w->b[10 * HB_BLOCK_PAGES].told);
        talk_it_all(w, 4000);
        agree(w);
        hb_bitmap_fini(&ask);
        world_fini(w);
        free(w);
}

/* Each page at a rate that changes all the time, so that what was told of it soon is wrong. */
static void churn(struct world *w, unsigned e) {
        hb_bitmap_clear_all(&w->written);
        for (unsigned g = 0; g < 5 * HB_BLOCK_PAGES; g++)
                if ((e / 4 + g) % 3 == 0 || rnd(w) % 8 == 0)
                        hb_bitmap_set(&w->written, g);
}

/* Epochs until a page that was written once is told of, beside pages that alone could use up the budget. */
static unsigned told_after(struct world *w, uint64_t budget) {
        struct hb_summary_lag lag;

        memset(w->heard_at, 0, sizeof(w->heard_at));
        for (unsigned e = 0; e < 260; e++) {
                churn(w, e);
                if (e == 0)
                        hb_bitmap_set(&w->written, 30 * HB_BLOCK_PAGES);
                epoch(w);
                talk(w, budget);
                hb_summary_lag(w->enc, &lag);
                assert_true(lag.pages > 0 && lag.oldest_ns > 0 && lag.oldest_ns <= w->now);
                if (w->heard_at[30])
                        return e + 1;
        }
        return 0;
}

static void test_nothing_waits_for_ever(void **state) {
        for (unsigned coarse = 0; coarse < 2; coarse++) {
                struct world *w = malloc(sizeof(*w));
                const uint64_t budget = 600;
                struct hb_summary_lag lag;
                unsigned epochs;

                world_init(w, 11);
                hb_bitmap_set_all(&w->written);
                epoch(w);
                hb_summary_coarse(w->enc, coarse);
                hb_summary_reset(w->enc);
                for (unsigned e = 0; e < 20; e++) {
                        talk_it_all(w, UINT64_MAX);
                        churn(w, e);
                        epoch(w);
                }
                epochs = told_after(w, budget);
                /* 5 blocks of 512 pages and this one, 6 bytes each, at an eighth of the budget */
                assert_true(epochs > 1 && epochs <= 6 * 512 * 6 * 8 / budget + 2);
                hb_bitmap_clear_all(&w->written);
                epoch(w);
                talk_it_all(w, budget);
                hb_summary_lag(w->enc, &lag);
                assert_true(lag.pages == 0 && lag.blocks == 0 && lag.oldest_ns == 0);
                world_fini(w);
                free(w);
        }
}

static void test_only_format_1_unless_wanted(void **state) {
        struct world *w = malloc(sizeof(*w));

        world_init(w, 12);
        live(w, 10);
        hb_summary_reset(w->enc);
        talk_it_all(w, UINT64_MAX);
        assert_int_equal(w->words, 0);
        hb_summary_coarse(w->enc, true); /* from the next reset on */
        work(w, 0);
        epoch(w);
        talk_it_all(w, UINT64_MAX);
        assert_int_equal(w->words, 0);
        hb_summary_reset(w->enc);
        talk_it_all(w, UINT64_MAX);
        assert_true(w->words > 0);
        agree(w);
        hb_summary_coarse(w->enc, false);
        hb_summary_reset(w->enc);
        w->words = 0;
        talk_it_all(w, 900);
        assert_int_equal(w->words, 0);
        world_fini(w);
        free(w);
}

static void test_without_room_for_words_pages_are_told(void **state) {
        struct world *w = malloc(sizeof(*w));
        struct hb_summary_lag lag;

        world_init(w, 13);
        live(w, 10);
        hb_summary_coarse(w->enc, true);
        assert_int_equal(hb_fault_arm("summary.words=fail"), 0);
        hb_summary_reset(w->enc);
        hb_fault_disarm();
        talk_it_all(w, 900);
        assert_int_equal(w->words, 0);
        agree(w);
        hb_summary_lag(w->enc, &lag);
        assert_false(lag.by_blocks);
        world_fini(w);
        free(w);
}

static void count(void *arg, const struct hb_summary_entry *e) {
        (*(unsigned *)arg)++;
}

static void test_bad_words_deliver_nothing(void **state) {
        static const struct {
                const char *tail;
                size_t n;
        } bad[] = {
                {"\x00\x01", 2},                 /* cut short */
                {"\x00\x00\x00", 3},             /* empty run */
                {"\x00\x28\x00", 3},             /* past the end */
                {"\x28\x01\x00", 3},             /* begins past the end */
                {"\x00\x01\x01", 3},             /* a page's flag */
                {"\x00\x01\x80", 3},             /* unknown flag */
                {"\x00\x01\x02\x00", 4},         /* heat flagged but none */
                {"\x00\x01\x02\xff", 4},         /* no such class */
                {"\x00\x01\x10\x09", 4},         /* before epoch 1 */
                {"\x00\x01\x40\x00\x00", 5},     /* unlike, but none */
                {"\x00\x01\x40\x81\x04\x00", 6}, /* more than a block has */
                {"\x00\x01\x40\x01\x40", 5},     /* a flag that words lack */
                {"\x00\x01\x40\x01\x10\x09", 6}, /* before epoch 1 */
                {"\x00\x01\x00\x00\x27\x00", 6}, /* second run past the end */
                {"\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", 12},
        };

        for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                char msg[64] = "\x02\x09\x00\x00\x00\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01\x00";
                unsigned runs = 0;
                uint32_t e;
                uint64_t t;

                memcpy(msg + 16, bad[i].tail, bad[i].n); /* behind a good one */
                assert_int_equal(hb_summary_decode(msg, 16, PAGES, &e, &t, count, &runs), 0);
                assert_int_equal(runs, 1);
                assert_int_equal(hb_summary_decode(msg, 16 + bad[i].n, PAGES, &e, &t, count, &runs),
                                 -EBADMSG);
                assert_int_equal(runs, 1);
        }
}

static void test_detail_names_blocks(void **state) {
        struct hb_bitmap a, b;
        struct hb_buf out = {0};

        assert_int_equal(hb_bitmap_init(&a, 100000), 0);
        assert_int_equal(hb_bitmap_init(&b, 100000), 0);
        hb_bitmap_set_range(&a, 5, 3);
        hb_bitmap_set_range(&a, 99000, 1000);
        hb_detail_encode(&a, &out);
        assert_int_equal(hb_detail_decode(out.data, out.len, &b), 1003);
        assert_memory_equal(a.words, b.words, 100000 / 8);
        hb_bitmap_clear_all(&b);
        hb_bitmap_set_range(&a, 200, HB_DETAIL_BLOCKS);
        hb_buf_reset(&out);
        hb_detail_encode(&a, &out);
        assert_int_equal(hb_detail_decode(out.data, out.len, &b), -EBADMSG);
        assert_int_equal(hb_detail_decode("\x01", 1, &b), -EBADMSG); /* asks for nothing */
        assert_int_equal(hb_detail_decode("\x02\x00\x01", 3, &b), -EBADMSG);
        assert_int_equal(hb_bitmap_count(&b), 0);
        hb_buf_free(&out);
        hb_bitmap_fini(&a);
        hb_bitmap_fini(&b);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_target_believes_what_the_map_says),
                cmocka_unit_test(test_all_is_known_by_words_before_any_page_is_told),
                cmocka_unit_test(test_pages_alike_are_not_told),
                cmocka_unit_test(test_what_is_asked_for_comes_first),
                cmocka_unit_test(test_nothing_waits_for_ever),
                cmocka_unit_test(test_only_format_1_unless_wanted),
                cmocka_unit_test(test_without_room_for_words_pages_are_told),
                cmocka_unit_test(test_bad_words_deliver_nothing),
                cmocka_unit_test(test_detail_names_blocks),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
