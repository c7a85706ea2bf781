/* The keymap: every action has a key and help, no key means two things, every F-key has a twin without F, and
 * what the settings change is what the key list says. */
#include "base/fault.h"
#include "console/keymap.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static hb_keymap *keymap(void) {
        hb_keymap *k = NULL;

        assert_int_equal(hb_keymap_new(&k), 0);
        return k;
}

/* The keys of a list as `?` shows it. */
static unsigned keys_of(const char *list, int *ret) {
        char text[200], *rest = text, *word;
        unsigned n = 0;

        snprintf(text, sizeof(text), "%s", list);
        while ((word = strsep(&rest, " "))) {
                size_t len = strlen(word);

                if (len > 1 && word[len - 1] == ',')
                        word[len - 1] = '\0';
                assert_int_equal(hb_key_from_name(word, &ret[n]), 0);
                n++;
        }
        return n;
}

static bool is_f(int key) {
        return key >= HB_KEY_F1 && key <= HB_KEY_F12;
}

static void defaults(void **state) {
        hb_keymap *k = keymap();

        for (unsigned a = HB_DO_NONE + 1; a < HB_DO_COUNT; a++) {
                int keys[16];
                unsigned n, letters = 0;

                assert_true(hb_action_name((enum hb_action)a)[0] && hb_action_help((enum hb_action)a)[0]);
                assert_true(hb_action_group_title(hb_action_group((enum hb_action)a))[0]);
                assert_int_equal(hb_action_from_name(hb_action_name((enum hb_action)a)), a);
                assert_true(hb_keymap_keys(k, (enum hb_action)a)[0]);
                n = keys_of(hb_keymap_keys(k, (enum hb_action)a), keys);
                for (unsigned i = 0; i < n; i++) {
                        assert_int_equal(hb_keymap_get(k, keys[i]), a); /* or another one has it too */
                        letters += !is_f(keys[i]);
                }
                assert_false(is_f(keys[0]));
                assert_true(letters > 0);
        }
        assert_string_equal(hb_keymap_keys(k, HB_DO_MIGRATE), "m, F9");
        assert_string_equal(hb_keymap_keys(k, HB_DO_BACK), "esc, backspace");
        assert_int_equal(hb_keymap_get(k, '1'), HB_DO_VIEW_OVERVIEW);
        assert_int_equal(hb_keymap_get(k, '8'), HB_DO_VIEW_EVENTS);
        assert_int_equal(hb_keymap_get(k, 'l' - 'a' + 1), HB_DO_REDRAW);
        assert_int_equal(hb_keymap_get(k, HB_KEY_NONE), HB_DO_NONE);
        assert_int_equal(hb_keymap_get(k, HB_KEY_RESIZE), HB_DO_NONE);
        hb_keymap_free(k);
}

static void help_rows(void **state) {
        hb_keymap *k = keymap();
        const struct hb_key_help *rows;
        unsigned n = hb_keymap_help(k, &rows);

        assert_int_equal(n, HB_DO_COUNT - 1);
        for (unsigned i = 0; i < n; i++) {
                assert_int_equal(rows[i].action, i + 1);
                assert_string_equal(rows[i].keys, hb_keymap_keys(k, rows[i].action));
        }
        assert_int_equal(hb_keymap_set(k, "save-csv", "", NULL), 0);
        assert_int_equal(hb_keymap_help(k, &rows), n - 1);
        assert_string_equal(hb_keymap_keys(k, HB_DO_SAVE_CSV), "");
        hb_keymap_free(k);
}

static void names_go_both_ways(void **state) {
        static const char *const names[] = {"a",   "A",      "/",         "space", "tab",  "enter",  "esc",
                                            "up",  "down",   "left",      "right", "pgup", "pgdn",   "home",
                                            "end", "ins",    "del",       "f1",    "f12",  "ctrl-l", "?",
                                            ",",   "ctrl-a", "backspace", "ö",     "主",   "f",      "#"};
        static const char *const wrong[] = {"",      "ab",       "f0",      "f13", "f1x",
                                            "ctrl-", "ctrl-1",   "ctrl-ll", " ",   "\x01",
                                            "\xff",  "\xc2\x9b", "fo",      "öö",  "\xcc\x81"};
        char buf[16];
        int key;

        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
                assert_int_equal(hb_key_from_name(names[i], &key), 0);
                assert_string_equal(hb_key_name(key, buf), names[i]);
        }
        for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
                assert_int_equal(hb_key_from_name(wrong[i], &key), -EINVAL);
        assert_int_equal(hb_key_from_name("F4", &key), 0);
        assert_int_equal(key, HB_KEY_F1 + 3);
        assert_int_equal(hb_key_from_name("Ctrl-L", &key), 0);
        assert_int_equal(key, 12);
        assert_int_equal(hb_key_from_name("ctrl-m", &key), 0);
        assert_int_equal(key, HB_KEY_ENTER);
        assert_string_equal(hb_key_name(HB_KEY_NONE, buf), "-");
        assert_string_equal(hb_key_name(-5, buf), "-");
        assert_string_equal(hb_key_name(0x9b, buf), "?");
}

static void changed_by_settings(void **state) {
        hb_keymap *k = keymap();
        struct hb_err e;

        assert_int_equal(hb_keymap_set(k, "migrate", "M  f12\tM", &e), 0);
        assert_string_equal(hb_keymap_keys(k, HB_DO_MIGRATE), "M, F12");
        assert_int_equal(hb_keymap_get(k, 'm'), HB_DO_NONE);
        assert_int_equal(hb_keymap_get(k, HB_KEY_F1 + 8), HB_DO_NONE);

        assert_int_equal(hb_keymap_set(k, "filter", "f", &e), 0); /* follow loses its only key */
        assert_int_equal(hb_keymap_get(k, 'f'), HB_DO_FILTER);
        assert_string_equal(hb_keymap_keys(k, HB_DO_FOLLOW), "");
        assert_int_equal(hb_keymap_set(k, "follow", "/", &e), 0);
        assert_int_equal(hb_keymap_get(k, '/'), HB_DO_FOLLOW);

        assert_int_equal(hb_keymap_set(k, "sort", "s f", &e), -EEXIST);
        assert_string_equal(e.what, "\"f\" already means filter");
        assert_int_equal(hb_keymap_get(k, 's'), HB_DO_SORT);
        assert_int_equal(hb_keymap_set(k, "filter", "f F", &e), 0); /* its own key again */
        assert_string_equal(hb_keymap_keys(k, HB_DO_FILTER), "f, F");
        hb_keymap_free(k);
}

static void refused(void **state) {
        hb_keymap *k = keymap();
        struct hb_err e;

        assert_int_equal(hb_keymap_set(k, "migrte", "m", &e), -EINVAL);
        assert_string_equal(e.next, "did you mean \"migrate\"?");
        assert_int_equal(hb_keymap_set(k, "", "m", &e), -EINVAL);
        assert_int_equal(hb_keymap_set(k, "migrate", "m pgupp", &e), -EINVAL);
        assert_string_equal(e.what, "there is no key \"pgupp\"");
        assert_string_equal(e.next, "did you mean \"pgup\"?");
        assert_string_equal(e.which, "migrate");
        assert_int_equal(hb_keymap_set(k, "migrate", "ctrl-c", &e), -EINVAL);
        assert_int_equal(hb_keymap_set(k, "migrate", "resize", &e), -EINVAL);
        assert_int_equal(hb_keymap_set(k, "migrate", "1 2 3 4 5 6 7 8 9", &e), -EINVAL);
        assert_int_equal(hb_keymap_set(k, "migrate",
                                       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                       NULL),
                         -EINVAL);
        assert_string_equal(hb_keymap_keys(k, HB_DO_MIGRATE), "m, F9"); /* as it was */
        assert_int_equal(hb_fault_arm("keymap.new=fail"), 0);
        assert_int_equal(hb_keymap_new(&k), -ENOMEM);
        hb_fault_disarm();
        hb_keymap_free(k);
        assert_null(hb_keymap_free(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(defaults),
                cmocka_unit_test(help_rows),
                cmocka_unit_test(names_go_both_ways),
                cmocka_unit_test(changed_by_settings),
                cmocka_unit_test(refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
