/* The line of typing: UTF-8, choices, and confirmations that take nothing but the exact name. */
#include "console/keymap.h"
#include "console/prompt.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static enum hb_prompt_end keys(struct hb_prompt *p, const char *text) {
        enum hb_prompt_end end = HB_PROMPT_GOES_ON;

        for (; *text; text++)
                end = hb_prompt_key(p, *text);
        return end;
}

static void typing(void **state) {
        struct hb_prompt p;

        hb_prompt_open(&p, HB_PROMPT_ASK, "page?", "12");
        keys(&p, "34 56");
        assert_string_equal(p.text, "1234 56");
        hb_prompt_key(&p, HB_KEY_BACKSPACE);
        assert_string_equal(p.text, "1234 5");
        hb_prompt_key(&p, 'w' & 31);
        assert_string_equal(p.text, "1234 ");
        hb_prompt_key(&p, 'u' & 31);
        assert_string_equal(p.text, "");
        assert_int_equal(hb_prompt_key(&p, HB_KEY_BACKSPACE), HB_PROMPT_GOES_ON);
        assert_int_equal(hb_prompt_key(&p, HB_KEY_ENTER), HB_PROMPT_TAKEN);
}

static void characters(void **state) {
        struct hb_prompt p;

        hb_prompt_open(&p, HB_PROMPT_ASK, "?", NULL);
        hb_prompt_key(&p, 0xe4);
        hb_prompt_key(&p, 0x20ac);
        hb_prompt_key(&p, 0x1f600);
        assert_string_equal(p.text, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80");
        hb_prompt_key(&p, HB_KEY_BACKSPACE); /* whole characters go */
        assert_string_equal(p.text, "\xc3\xa4\xe2\x82\xac");
        hb_prompt_key(&p, 0xd800); /* none of these is one */
        hb_prompt_key(&p, 0x85);
        hb_prompt_key(&p, HB_KEY_F1);
        hb_prompt_key(&p, 2);
        assert_string_equal(p.text, "\xc3\xa4\xe2\x82\xac");
        for (unsigned i = 0; i < 400; i++)
                hb_prompt_key(&p, i % 2 ? 'x' : 0x1f600);
        assert_true(strlen(p.text) < HB_PROMPT_TEXT);
}

static void confirmation(void **state) {
        static const struct {
                const char *wanted, *typed;
                enum hb_prompt_end end;
        } rows[] = {
                {"vm1", "vm1", HB_PROMPT_TAKEN},      {"vm1", "vm", HB_PROMPT_CANCELLED},
                {"vm1", "", HB_PROMPT_CANCELLED},     {"vm1", "VM1", HB_PROMPT_CANCELLED},
                {"vm1", "vm11", HB_PROMPT_CANCELLED}, {"vm1", "y", HB_PROMPT_CANCELLED},
                {"y", "y", HB_PROMPT_TAKEN},          {"y", "Y", HB_PROMPT_TAKEN},
                {"y", "", HB_PROMPT_CANCELLED},       {"y", "yes", HB_PROMPT_CANCELLED},
        };

        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct hb_prompt p;

                hb_prompt_open(&p, HB_PROMPT_CONFIRM, "move it?", NULL);
                strcpy(p.wanted, rows[i].wanted);
                keys(&p, rows[i].typed);
                assert_int_equal(hb_prompt_key(&p, HB_KEY_ENTER), rows[i].end);
        }
}

static void leaving(void **state) {
        static const int ways[] = {HB_KEY_ESC, 'g' & 31, 'c' & 31};

        for (size_t i = 0; i < 3; i++) {
                struct hb_prompt p;

                hb_prompt_open(&p, HB_PROMPT_CONFIRM, "?", NULL);
                strcpy(p.wanted, "vm1");
                keys(&p, "vm1");
                assert_int_equal(hb_prompt_key(&p, ways[i]), HB_PROMPT_CANCELLED);
        }
}

static void open_choices(struct hb_prompt *p, const char *initial) {
        hb_prompt_open(p, HB_PROMPT_ASK, "host?", initial);
        hb_prompt_choice(p, "alpha");
        hb_prompt_choice(p, "beta");
        hb_prompt_choice(p, "beast");
}

static void choices(void **state) {
        struct hb_prompt p;

        open_choices(&p, NULL);
        hb_prompt_key(&p, HB_KEY_DOWN);
        assert_string_equal(p.text, "alpha");
        hb_prompt_key(&p, HB_KEY_DOWN);
        assert_string_equal(p.text, "beta");
        hb_prompt_key(&p, HB_KEY_UP);
        hb_prompt_key(&p, HB_KEY_UP);
        assert_string_equal(p.text, "beast");
        assert_int_equal(hb_prompt_key(&p, HB_KEY_ENTER), HB_PROMPT_TAKEN);

        open_choices(&p, NULL); /* only those that begin with what was typed */
        keys(&p, "be");
        hb_prompt_key(&p, HB_KEY_TAB);
        assert_string_equal(p.text, "beta");
        hb_prompt_key(&p, HB_KEY_TAB);
        assert_string_equal(p.text, "beast");
        hb_prompt_key(&p, HB_KEY_TAB);
        assert_string_equal(p.text, "beta");

        open_choices(&p, NULL); /* the only one is taken, one of two is not, none is not */
        keys(&p, "al");
        assert_int_equal(hb_prompt_key(&p, HB_KEY_ENTER), HB_PROMPT_TAKEN);
        assert_string_equal(p.text, "alpha");
        open_choices(&p, NULL);
        keys(&p, "be");
        assert_int_equal(hb_prompt_key(&p, HB_KEY_ENTER), HB_PROMPT_GOES_ON);
        keys(&p, "x");
        assert_int_equal(hb_prompt_key(&p, HB_KEY_ENTER), HB_PROMPT_GOES_ON);

        open_choices(&p, "beta"); /* from what stands there on to the others */
        hb_prompt_key(&p, HB_KEY_DOWN);
        assert_string_equal(p.text, "beast");
}

static void many_choices(void **state) {
        struct hb_prompt p;

        hb_prompt_open(&p, HB_PROMPT_ASK, "?", NULL);
        for (unsigned i = 0; i < 2 * HB_PROMPT_CHOICES; i++)
                hb_prompt_choice(
                        &p, "a-name-that-is-longer-than-any-name-may-be-and-is-therefore-cut-off-somewhere");
        assert_int_equal(p.nchoices, HB_PROMPT_CHOICES);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(typing),  cmocka_unit_test(characters), cmocka_unit_test(confirmation),
                cmocka_unit_test(leaving), cmocka_unit_test(choices),    cmocka_unit_test(many_choices),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
