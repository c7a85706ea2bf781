/* What the engine makes of words of blocks: what policies are shown of a page nobody told of, until somebody
 * does; and what it asks for. (test_engine_input.c has whole lives in which a target hears blocks first.) */
#include "base/fault.h"
#include "engine_world.h"
#include "map/heat.h"
#include "place/engine_input.h"

#define B HB_BLOCK_PAGES

static struct hb_summary_entry word(uint64_t block, uint16_t unlike) {
        uint64_t first = block * B;

        return (struct hb_summary_entry){.block = true,
                                         .gfn = first,
                                         .pages = first + B <= W_PAGES ? B : W_PAGES - first,
                                         .write_heat = hb_heat_of(100),
                                         .last_access = 2,
                                         .unlike = unlike,
                                         .any_write_heat = hb_heat_of(140),
                                         .any_read_heat = hb_heat_of(80),
                                         .any_access = 5};
}

static struct hb_summary_entry page(uint64_t gfn, uint64_t pages) {
        return (struct hb_summary_entry){.gfn = gfn,
                                         .pages = pages,
                                         .write_heat = hb_heat_of(120),
                                         .last_access = 4,
                                         .version = 4,
                                         .resident = true};
}

static struct world *world(void) {
        struct world_options o = {.seed = 3, .no_summaries = true, .refuse = 1000};
        struct world *w = w_new(&o);

        for (uint32_t e = 1; e <= 6; e++) { /* all there, none written since */
                w->now += 1000000000ull;
                hb_bitmap_clear_all(&w->scratch);
                if (e == 1)
                        hb_bitmap_set_all(&w->scratch);
                assert_int_equal(hb_engine_invalidate(w->engine, w->now, e - 1, e, &w->scratch), 0);
        }
        hb_bitmap_clear_all(&w->scratch);
        return w;
}

static struct hb_engine_page_view look(struct world *w, uint64_t gfn) {
        struct hb_engine_page_view v;

        assert_int_equal(hb_engine_look(w->engine, NULL, gfn, 1, &v), 0);
        return v;
}

static void tell(struct world *w, struct hb_summary_entry e) {
        hb_engine_summary(w->engine, w->now, w->processed, &e);
}

static void expect(struct world *w, uint64_t gfn, uint8_t write_q, uint8_t read_q, uint32_t access) {
        struct hb_engine_page_view v = look(w, gfn);
        float age = access ? (float)(6 - access) : 1e9f;

        assert_true(v.age_s >= age - 0.01f && v.age_s <= age * 1.001f + 0.01f);
        assert_true(v.write_heat == hb_heat_of(write_q) * hb_decay((double)v.age_s, HB_HEAT_TAU_S));
        assert_true(v.read_heat == hb_heat_of(read_q));
}

static void test_a_page_is_what_its_block_is_until_told(void **state) {
        struct world *w = world();

        expect(w, 5, 0, 0, 0);
        tell(w, word(0, 3));
        expect(w, 5, 140, 80, 5); /* any of them, while three have still to be told */
        expect(w, B + 5, 0, 0, 0);
        tell(w, page(7, 2));
        expect(w, 7, 120, 0, 4);
        expect(w, 5, 140, 80, 5);
        tell(w, page(7, 1)); /* again: still two */
        expect(w, 5, 140, 80, 5);
        tell(w, page(9, 1));
        expect(w, 5, 100, 0, 2); /* the rest */
        expect(w, 9, 120, 0, 4);
        tell(w, word(0, 0));     /* replaces what was told */
        expect(w, 9, 100, 0, 4); /* but for its own newer access */
        expect(w, 5, 100, 0, 2);
        w_free(w);
}

static void test_announcements_are_a_pages_own(void **state) {
        struct world *w = world();

        tell(w, word(0, 0));
        hb_bitmap_set(&w->scratch, 5);
        w->now += 1000000000ull;
        assert_int_equal(hb_engine_invalidate(w->engine, w->now, 6, 7, &w->scratch), 0);
        assert_true(look(w, 5).age_s < 0.01f);
        assert_true(look(w, 5).write_heat == hb_heat_of(100));
        assert_true(look(w, 6).age_s > 4.9f);
        w_free(w);
}

static void test_a_record_is_not_touched_by_a_word(void **state) {
        struct world *w = world();
        struct hb_image_page before[W_PAGES];

        memcpy(before, w->pages, sizeof(before));
        tell(w, word(0, 3));
        tell(w, word(1, 0)); /* the short one */
        assert_memory_equal(before, w->pages, sizeof(before));
        assert_true(hb_page_ledger_sound(&w->engine->ledger));
        w_free(w);
}

/* Read all the time, written never: any policy would have it. */
static struct hb_summary_entry read_only(uint64_t block, uint16_t unlike) {
        struct hb_summary_entry e = word(block, unlike);

        e.any_write_heat = 0.0f;
        return e;
}

static void test_it_asks_for_what_is_worth_it_once(void **state) {
        struct world *w = world();
        struct hb_bitmap ask;

        assert_int_equal(hb_bitmap_init(&ask, hb_blocks_of(W_PAGES)), 0);
        assert_int_equal(hb_engine_ask_detail(w->engine, &ask), 0);
        tell(w, read_only(0, 3)); /* hot, just now */
        tell(w, word(1, 0));      /* nothing more to be told */
        hb_engine_step(w->engine, w->now += 1000000000ull);
        assert_int_equal(hb_engine_ask_detail(w->engine, &ask), 1);
        assert_true(hb_bitmap_test(&ask, 0) && !hb_bitmap_test(&ask, 1));
        hb_engine_step(w->engine, w->now += 1000000000ull);
        assert_int_equal(hb_engine_ask_detail(w->engine, &ask), 0);
        tell(w, read_only(0, 2)); /* anew */
        hb_engine_step(w->engine, w->now += 1000000000ull);
        assert_int_equal(hb_engine_ask_detail(w->engine, &ask), 1);
        tell(w, read_only(0, 2));
        hb_engine_step(w->engine, w->now += 1000000000ull);
        tell(w, page(1, 2)); /* told before it was asked */
        assert_int_equal(hb_engine_ask_detail(w->engine, &ask), 0);
        hb_bitmap_fini(&ask);
        w_free(w);
}

static void test_no_memory_for_words(void **state) {
        struct world_options o = {.seed = 1};
        struct world *w = w_new(&o);

        hb_engine_free(w->engine);
        w->engine = NULL;
        assert_int_equal(hb_fault_arm("block_words.init=fail"), 0);
        assert_null(w_engine(w));
        hb_fault_disarm();
        w->engine = w_engine(w);
        assert_non_null(w->engine);
        w_free(w);
}

/* ---- written down ---- */

static int decode(const struct hb_engine_input *in, struct hb_engine_input *ret, size_t cut) {
        struct hb_engine_input_room room = {0};
        struct hb_buf b = {0};
        struct hb_rd rd;
        int rc;

        assert_int_equal(hb_bitmap_init(&room.scratch, W_PAGES), 0);
        hb_engine_input_encode(in, &b);
        rd = hb_rd_init(b.data, b.len - cut);
        rc = hb_engine_input_decode(&rd, W_PAGES, ret, &room);
        hb_engine_input_room_fini(&room);
        hb_buf_free(&b);
        return rc;
}

static void test_words_are_inputs(void **state) {
        struct hb_engine_input in = {.kind = HB_IN_SUMMARY, .now_ns = 9, .to = 5, .taken = UINT32_MAX}, out;

        in.entry = word(1, 17);
        assert_int_equal(decode(&in, &out, 0), 0);
        assert_true(out.entry.block && !out.entry.resident && out.entry.unlike == 17);
        assert_true(out.entry.any_write_heat == in.entry.any_write_heat &&
                    out.entry.any_read_heat == in.entry.any_read_heat && out.entry.any_access == 5);
        assert_int_equal(out.entry.pages, W_PAGES - B);
        assert_int_equal(decode(&in, &out, 1), -EBADMSG);
        in.entry.unlike = B + 1;
        assert_int_equal(decode(&in, &out, 0), -EBADMSG);
        in.entry = word(0, 1);
        in.entry.pages--; /* not whole, and not the last */
        assert_int_equal(decode(&in, &out, 0), -EBADMSG);
        in.entry = word(0, 1);
        in.entry.gfn = 1;
        assert_int_equal(decode(&in, &out, 0), -EBADMSG);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_a_page_is_what_its_block_is_until_told),
                cmocka_unit_test(test_announcements_are_a_pages_own),
                cmocka_unit_test(test_a_record_is_not_touched_by_a_word),
                cmocka_unit_test(test_it_asks_for_what_is_worth_it_once),
                cmocka_unit_test(test_no_memory_for_words),
                cmocka_unit_test(test_words_are_inputs),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
