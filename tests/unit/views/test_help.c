/* The help view: every key of the keymap and every word is a row of one table with a name of its own, a
 * filter finds both, and a row of a view leads to that view. */
#include "console/keymap.h"
#include "draw/doc_out.h"
#include "views/view.h"
#include "views/view_help_words.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static hb_keymap *keymap;
static struct hb_view_memory memory;
static struct hb_view_ctx ctx;

static int set_up(void **state) {
        if (hb_keymap_new(&keymap) < 0)
                return -1;
        memset(&memory, 0, sizeof(memory));
        ctx = (struct hb_view_ctx){.memory = &memory, .width = 80, .height = 24, .utf8 = true};
        ctx.nkeys = hb_keymap_help(keymap, &ctx.keys);
        return 0;
}

static int tear_down(void **state) {
        keymap = hb_keymap_free(keymap);
        return 0;
}

static hb_doc *help(const char *filter) {
        hb_doc *d = hb_doc_new("help");
        struct hb_doc_order o = {{0}};

        assert_non_null(d);
        assert_int_equal(hb_view_help.build(&ctx, d), 0);
        snprintf(o.filter, sizeof(o.filter), "%s", filter);
        hb_doc_arrange(d, &o);
        return d;
}

static void every_key_and_word(void **state) {
        hb_doc *d = help("");
        const hb_doc_table *t = hb_doc_main(d);
        unsigned n = hb_doc_rows(t);

        assert_int_equal(n, HB_DO_COUNT - 1 + hb_help_words_count);
        for (unsigned i = 0; i < n; i++) /* ids are what the selection follows: no two alike */
                assert_int_equal(hb_doc_row_find(t, hb_doc_row_id(t, i)), i);
        for (unsigned i = 0; i < hb_help_words_count; i++) {
                const struct hb_help_word *w = &hb_help_words[i];

                assert_true(w->word[0] && w->meaning[0] && w->group[0]);
                for (const char *p = w->meaning; *p; p++)
                        assert_true(*p >= ' ' && *p < 0x7f);
        }
        hb_doc_free(d);
}

static void found(void **state) {
        static const struct {
                const char *words, *id;
        } of[] = {
                {"f9", "key/migrate"},
                {"name:stalled group:readiness", "word/readiness/stalled/!"},
                {"ctrl-l", "key/redraw"},
                {"trace file", "key/replay"},
        };

        for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++) {
                hb_doc *d = help(of[i].words);
                const hb_doc_table *t = hb_doc_main(d);

                assert_int_equal(hb_doc_rows(t), 1);
                assert_string_equal(hb_doc_row_id(t, 0), of[i].id);
                hb_doc_free(d);
        }
}

static void keys_as_they_are(void **state) {
        hb_doc *d;
        json_t *j, *row;

        assert_int_equal(hb_keymap_set(keymap, "filter", "F3", NULL), 0);
        ctx.nkeys = hb_keymap_help(keymap, &ctx.keys);
        d = help("name:filter");
        j = hb_doc_json(d);
        row = json_array_get(json_object_get(j, "help"), 0);
        assert_non_null(row);
        assert_string_equal(json_string_value(json_object_get(row, "keys")), "F3");
        assert_string_equal(json_string_value(json_object_get(row, "name")), "filter");
        json_decref(j);
        hb_doc_free(d);

        ctx.nkeys = 0; /* nobody who could press one */
        d = help("");
        assert_int_equal(hb_doc_rows(hb_doc_main(d)), hb_help_words_count);
        hb_doc_free(d);
}

static struct hb_order act(enum hb_action a, const char *row) {
        struct hb_order o = {0};

        assert_int_equal(hb_view_help.act(&ctx, a, row, NULL, 0, &o), 0);
        return o;
}

static void opened(void **state) {
        struct hb_order o = act(HB_DO_OPEN, "key/placement");

        assert_int_equal(o.kind, HB_ORDER_GO);
        assert_int_equal(o.view, HB_VIEW_PLACEMENT);
        o = act(HB_DO_OPEN, "key/quit");
        assert_int_equal(o.kind, HB_ORDER_SAY);
        assert_string_equal(o.text, "q, F10: leave");
        assert_int_equal(act(HB_DO_OPEN, "word/readiness/stalled/!").kind, HB_ORDER_NONE);
        assert_int_equal(act(HB_DO_OPEN, "").kind, HB_ORDER_NONE);
        assert_int_equal(act(HB_DO_MIGRATE, "key/migrate").kind, HB_ORDER_NONE);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(every_key_and_word, set_up, tear_down),
                cmocka_unit_test_setup_teardown(found, set_up, tear_down),
                cmocka_unit_test_setup_teardown(keys_as_they_are, set_up, tear_down),
                cmocka_unit_test_setup_teardown(opened, set_up, tear_down),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
