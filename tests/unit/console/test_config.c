/* The console's settings: what a file says is what comes out, what is wrong is named with its line and a way
 * out, the shipped file is what the tables give and changes nothing, and colours can be read. */
#include "base/fault.h"
#include "console/config.h"
#include "console/config_theme.h"
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct hb_config *parsed(const char *text) {
        struct hb_config *c = NULL;
        struct hb_err e = {0};
        int r = hb_config_parse(text, strlen(text), "c.ini", &c, &e);

        if (r < 0)
                print_error("%s: %s (%s)\n", e.which, e.what, e.next);
        assert_int_equal(r, 0);
        return c;
}

static void is_default(const struct hb_config *c) {
        struct hb_config *d = parsed("");

        assert_int_equal(c->glyphs, -1);
        assert_int_equal(c->colors, HB_COLORS_AUTO);
        assert_int_equal(c->background, HB_BACKGROUND_AUTO);
        assert_int_equal(c->view, HB_VIEW_OVERVIEW);
        assert_int_equal(c->every, 1);
        assert_false(c->mouse);
        assert_null(c->sockets[0]);
        for (unsigned s = 0; s < HB_STYLES; s++)
                assert_false(c->themed[s]);
        for (unsigned a = 0; a < HB_DO_COUNT; a++)
                assert_string_equal(hb_keymap_keys(c->keys, (enum hb_action)a),
                                    hb_keymap_keys(d->keys, (enum hb_action)a));
        hb_config_free(d);
}

static void what_is_set(void **state) {
        struct hb_config *c = parsed("# mine\n\n[console]\nglyphs = braille\ncolors=16\nbackground: light\n"
                                     "view = events\nevery = 5\nmouse = yes\n"
                                     "sockets = /run/a.sock  /run/b.sock\n"
                                     "[keys]\nfilter = ; #\nmigrate = M\nsave =\n"
                                     "[theme]\ngood = bright-green on 17 bold\nnormal = default\n"
                                     "bad=9 reverse underline dim\n");

        assert_int_equal(c->glyphs, HB_GLYPHS_BRAILLE);
        assert_int_equal(c->colors, HB_COLORS_16);
        assert_int_equal(c->background, HB_BACKGROUND_LIGHT);
        assert_int_equal(c->view, HB_VIEW_EVENTS);
        assert_int_equal(c->every, 5);
        assert_true(c->mouse);
        assert_string_equal(c->sockets[0], "/run/a.sock");
        assert_string_equal(c->sockets[1], "/run/b.sock");
        assert_null(c->sockets[2]);
        assert_int_equal(hb_keymap_get(c->keys, ';'), HB_DO_FILTER);
        assert_int_equal(hb_keymap_get(c->keys, '#'), HB_DO_FILTER);
        assert_int_equal(hb_keymap_get(c->keys, '/'), HB_DO_NONE);
        assert_string_equal(hb_keymap_keys(c->keys, HB_DO_SAVE), "");
        assert_true(c->themed[HB_STYLE_GOOD] && c->themed[HB_STYLE_NORMAL] && !c->themed[HB_STYLE_WARN]);
        assert_int_equal(c->theme[HB_STYLE_GOOD].fg, 10);
        assert_int_equal(c->theme[HB_STYLE_GOOD].bg, 17);
        assert_true(c->theme[HB_STYLE_GOOD].bold && !c->theme[HB_STYLE_GOOD].dim);
        assert_int_equal(c->theme[HB_STYLE_NORMAL].fg, -1);
        assert_true(c->theme[HB_STYLE_BAD].reverse && c->theme[HB_STYLE_BAD].underline);
        hb_config_free(c);
}

static void views_by_their_names(void **state) {
        for (unsigned v = 0; v < HB_VIEWS; v++) { /* the action that shows a view is called as the view */
                const char *name = hb_action_name((enum hb_action)(HB_DO_VIEW_OVERVIEW + v));
                struct hb_config *c;
                char text[100];

                snprintf(text, sizeof(text), "[console]\nview=%s\n", name);
                c = parsed(text);
                assert_int_equal(c->view, v);
                hb_config_free(c);
        }
}

static void refused(void **state) {
        static const struct {
                const char *text, *which, *what, *next;
        } bad[] = {
                {"[consol]\n", "c.ini:1", "there is no section \"consol\"", "did you mean \"console\"?"},
                {"[console]\n\nglyph = ascii\n", "c.ini:3", "there is no setting \"glyph\"",
                 "did you mean \"glyphs\"?"},
                {"[console]\nglyphs = brail\n", "c.ini:2", "glyphs cannot be \"brail\"",
                 "one of: auto, ascii, block, braille"},
                {"[console]\nglyphs = brailel\n", "c.ini:2", "glyphs cannot be \"brailel\"",
                 "did you mean \"braille\"?"},
                {"[console]\nevery = 0\n", "c.ini:2", "every must be a number from 1 to 3600", NULL},
                {"[console]\nevery = 1 # s\n", "c.ini:2", "every must be a number from 1 to 3600", NULL},
                {"[console]\nsockets = a.sock\n", "c.ini:2", "\"a.sock\" is no absolute path", NULL},
                {"[console]\nmouse = no\nmouse = no\n", "c.ini:3", "\"mouse\" is set twice, first in line 2",
                 "leave one out"},
                {"[keys]\nfillter = x\n", "c.ini:2", "there is no action \"fillter\"",
                 "did you mean \"filter\"?"},
                {"[keys]\nfilter = spcae\n", "c.ini:2", "there is no key \"spcae\"",
                 "did you mean \"space\"?"},
                {"[keys]\nfilter = x\nsort = x\n", "c.ini:3", "\"x\" already means filter", NULL},
                {"[keys]\nfilter = x\n[theme]\n[keys]\nfilter = y\n", "c.ini:5",
                 "\"filter\" is set twice, first in line 2", NULL},
                {"[theme]\ngod = red\n", "c.ini:2", "there is no style \"god\"", "did you mean \"good\"?"},
                {"[theme]\ngood = gren\n", "c.ini:2", "\"gren\" is no colour and no attribute",
                 "did you mean \"green\"?"},
                {"[theme]\ngood = 256\n", "c.ini:2", "\"256\" is no colour and no attribute", NULL},
                {"[theme]\ngood = green on\n", "c.ini:2", "no colour after \"on\"", NULL},
                {"[theme]\ngood = green blue\n", "c.ini:2", "\"blue\" is no colour and no attribute", NULL},
                {"mouse = no\n", "c.ini:1", "a setting before the first section", NULL},
                {"[console]\nmouse\n", "c.ini:2", "this line is not understood", NULL},
                {"[console] # mine\n", "c.ini:1", "this is not a section", NULL},
                {"[console\n", "c.ini:1", "this is not a section", NULL},
                {"[console]\nview = \x1b[2J\n", "c.ini:2", "the line holds a control character", NULL},
        };

        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                struct hb_config *c = NULL;
                struct hb_err e = {0};
                int r = hb_config_parse(bad[i].text, strlen(bad[i].text), "c.ini", &c, &e);

                assert_true(r == -EINVAL || r == -EEXIST);
                assert_null(c);
                assert_string_equal(e.what, bad[i].what);
                assert_string_equal(e.which, bad[i].which);
                if (bad[i].next)
                        assert_string_equal(e.next, bad[i].next);
        }
}

static void too_long(void **state) {
        static char text[4000];
        struct hb_config *c;
        struct hb_err e;

        memset(text, 'x', sizeof(text) - 1);
        memcpy(text, "[keys]\nup = ", 12);
        assert_int_equal(hb_config_parse(text, sizeof(text) - 1, "c.ini", &c, &e), -EINVAL);
        assert_string_equal(e.what, "the line is longer than 2000 bytes");
        assert_int_equal(hb_config_parse("[keys]\nup =\0x", 13, "c.ini", &c, &e), -EINVAL);
}

/* ---- files ---- */
static char folder[] = "/tmp/hb-config-XXXXXX";

static void put(const char *path, const char *text) {
        FILE *out = fopen(path, "w");

        assert_non_null(out);
        fputs(text, out);
        fclose(out);
}

static void where_it_is_looked_for(void **state) {
        char path[300];
        struct hb_config *c = NULL;
        struct hb_err e;

        assert_non_null(mkdtemp(folder));
        setenv("XDG_CONFIG_HOME", folder, 1);
        assert_int_equal(hb_config_new(NULL, &c, &e), 0); /* none there */
        is_default(c);
        hb_config_free(c);
        snprintf(path, sizeof(path), "%s/harbinger", folder);
        assert_int_equal(mkdir(path, 0700), 0);
        snprintf(path, sizeof(path), "%s/harbinger/console.ini", folder);
        put(path, "[console]\nevery = 7\n");
        assert_int_equal(hb_config_new(NULL, &c, &e), 0);
        assert_int_equal(c->every, 7);
        hb_config_free(c);
        unsetenv("XDG_CONFIG_HOME");
        setenv("HOME", folder, 1);
        assert_int_equal(hb_config_new(NULL, &c, &e), 0); /* ~/.config is not there */
        is_default(c);
        hb_config_free(c);
        put(path, "[console]\nevery = x\n");
        assert_int_equal(hb_config_new(path, &c, &e), -EINVAL);
        assert_non_null(strstr(e.which, "console.ini:2"));
        assert_int_equal(hb_config_new(folder, &c, &e), -EIO); /* a folder */
        assert_int_equal(unlink(path), 0);
        assert_int_equal(hb_config_new(path, &c, &e), -ENOENT); /* asked for by name */
        assert_string_equal(e.which, path);
        *strrchr(path, '/') = '\0';
        rmdir(path);
        rmdir(folder);
}

static char *reference(void) {
        char *text = NULL;
        size_t size;
        FILE *out = open_memstream(&text, &size);

        hb_config_reference(out);
        fclose(out);
        return text;
}

/* Takes the '#' from what is a setting: "#every = 1". */
static void uncomment(char *text) {
        char *to = text;

        for (char *from = text; *from; from++)
                if (!(*from == '#' && from[1] != ' ' && from[1] != '\n' &&
                      (from == text || from[-1] == '\n')))
                        *to++ = *from;
        *to = '\0';
}

static void the_shipped_file(void **state) {
        char *text = reference();
        static char shipped[65536];
        FILE *in = fopen(HB_SOURCE_DIR "/examples/settings/console.ini", "r");
        struct hb_config *c;

        assert_non_null(in);
        shipped[fread(shipped, 1, sizeof(shipped) - 1, in)] = '\0';
        fclose(in);
        assert_string_equal(shipped, text); /* stale? it is what hb_config_reference prints */
        c = parsed(text);
        is_default(c);
        hb_config_free(c);
        uncomment(text);
        c = parsed(text); /* every line of it is right, and says the default */
        for (unsigned s = 0; s < HB_STYLES; s++) {
                struct hb_look l = hb_theme_default((enum hb_style)s, HB_COLORS_256, HB_BACKGROUND_AUTO);
                char one[HB_LOOK_TEXT], two[HB_LOOK_TEXT];

                assert_true(c->themed[s]);
                c->themed[s] = false;
                assert_string_equal(hb_look_text(&c->theme[s], one), hb_look_text(&l, two));
        }
        is_default(c);
        hb_config_free(c);
        free(text);
}

/* ---- colours ---- */
static double luminance(short color) { /* WCAG 2 */
        static const int levels[] = {0, 95, 135, 175, 215, 255};
        static const double weight[] = {0.2126, 0.7152, 0.0722};
        int part[3] = {8 + 10 * (color - 232), part[0], part[0]};
        double sum = 0;

        if (color < 232)
                for (int i = 2, c = color - 16; i >= 0; i--, c /= 6)
                        part[i] = levels[c % 6];
        else
                part[1] = part[2] = part[0];
        for (int i = 0; i < 3; i++) {
                double v = part[i] / 255.0;

                sum += weight[i] * (v <= 0.03928 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4));
        }
        return sum;
}

static void colours_can_be_read(void **state) {
        for (unsigned s = 0; s < HB_STYLES; s++) {
                short any = hb_theme_default((enum hb_style)s, HB_COLORS_256, HB_BACKGROUND_AUTO).fg,
                      dark = hb_theme_default((enum hb_style)s, HB_COLORS_256, HB_BACKGROUND_DARK).fg,
                      light = hb_theme_default((enum hb_style)s, HB_COLORS_256, HB_BACKGROUND_LIGHT).fg;
                struct hb_look mono = hb_theme_default((enum hb_style)s, HB_COLORS_NONE, HB_BACKGROUND_DARK);
                double l;

                assert_int_equal(mono.fg, -1);
                assert_true((any < 0) == (dark < 0) && (any < 0) == (light < 0));
                if (any < 0)
                        continue;
                assert_true(any >= 16 && dark >= 16 && light >= 16);
                l = luminance(any);
                assert_true((l + 0.05) / 0.05 >= 3.5 && 1.05 / (l + 0.05) >= 3.5);
                assert_true((luminance(dark) + 0.05) / 0.05 >= 4.5);
                assert_true(1.05 / (luminance(light) + 0.05) >= 4.5);
        }
        assert_int_equal(hb_color_16(-1), -1);
        assert_int_equal(hb_color_16(3), 3);
        assert_int_equal(hb_color_16(196), 9); /* pure red */
        assert_int_equal(hb_color_16(28), 2);  /* dark green */
        assert_int_equal(hb_color_16(16), 0);
        assert_int_equal(hb_color_16(231), 15);
        assert_int_equal(hb_color_16(244), 7);
}

static void what_fails(void **state) {
        for (unsigned n = 1; hb_fail_nth(n); n++) {
                struct hb_config *c = NULL;
                struct hb_err e = {0};
                int r = hb_config_new(HB_SOURCE_DIR "/examples/settings/console.ini", &c, &e);

                assert_true(r == 0 || (e.code == r && e.what[0] && !c));
                assert_true(r == 0 || hb_fault_passed() >= n);
                hb_config_free(c);
        }
        assert_null(hb_config_free(NULL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_is_set),
                cmocka_unit_test(views_by_their_names),
                cmocka_unit_test(refused),
                cmocka_unit_test(too_long),
                cmocka_unit_test(where_it_is_looked_for),
                cmocka_unit_test(the_shipped_file),
                cmocka_unit_test(colours_can_be_read),
                cmocka_unit_test(what_fails),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
