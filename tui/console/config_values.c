/* config_values: one row a setting: its name, default, help, and how its text becomes a value. Words are
 * looked up here, once for all rows. */
#include "console/config_values.h"
#include "base/suggest.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MOST_EVERY   3600
#define MOST_ADDRESS 107u /* of a unix socket, sun_path less its NUL */

static const char *const glyph_words[] = {"auto", "ascii", "block", "braille", NULL};
static const char *const color_words[] = {"auto", "none", "16", "256", NULL};
static const char *const background_words[] = {"auto", "dark", "light", NULL};
static const char *const mouse_words[] = {"no", "yes", NULL};
static const char *const view_words[] = {"overview", "guest",   "placement", "policies", "migration",
                                         "traces",   "network", "events",    "help",     NULL};
_Static_assert(sizeof(view_words) / sizeof(view_words[0]) == HB_VIEWS + 1, "a word for each view");

static int set_glyphs(struct hb_config *c, const char *value, int word, struct hb_err *e) {
        c->glyphs = word - 1;
        return 0;
}

static int set_colors(struct hb_config *c, const char *value, int word, struct hb_err *e) {
        c->colors = (enum hb_colors)word;
        return 0;
}

static int set_background(struct hb_config *c, const char *value, int word, struct hb_err *e) {
        c->background = (enum hb_background)word;
        return 0;
}

static int set_view(struct hb_config *c, const char *value, int word, struct hb_err *e) {
        c->view = (enum hb_view_id)word;
        return 0;
}

static int set_mouse(struct hb_config *c, const char *value, int word, struct hb_err *e) {
        c->mouse = word;
        return 0;
}

static int set_every(struct hb_config *c, const char *value, int word, struct hb_err *e) {
        char *end;
        long n = strtol(value, &end, 10);

        if (*value < '0' || *value > '9' || *end || n < 1 || n > MOST_EVERY)
                return hb_err_set(e, -EINVAL, NULL, "1 is each second", "every must be a number from 1 to %d",
                                  MOST_EVERY);
        c->every = (unsigned)n;
        return 0;
}

static void drop_sockets(struct hb_config *c) {
        for (unsigned i = 0; i < HB_CONFIG_SOCKETS; i++) {
                free(c->sockets[i]);
                c->sockets[i] = NULL;
        }
}

static int add_socket(struct hb_config *c, unsigned n, const char *path, struct hb_err *e) {
        if (n == HB_CONFIG_SOCKETS)
                return hb_err_set(e, -EINVAL, NULL, NULL, "more than %u sockets", HB_CONFIG_SOCKETS);
        if (path[0] != '/')
                return hb_err_set(e, -EINVAL, NULL, "write it from the root on: /run/harbinger/control.sock",
                                  "\"%.100s\" is no absolute path", path);
        if (strlen(path) > MOST_ADDRESS)
                return hb_err_set(e, -EINVAL, NULL, "a link to it may be shorter",
                                  "a socket's path is longer than %u bytes", MOST_ADDRESS);
        c->sockets[n] = strdup(path);
        return c->sockets[n] ? 0 : hb_err_set(e, -ENOMEM, NULL, NULL, "no memory");
}

static int set_sockets(struct hb_config *c, const char *value, int word, struct hb_err *e) {
        char *copy = strdup(value), *rest = copy, *path;
        unsigned n = 0;
        int r = copy ? 0 : hb_err_set(e, -ENOMEM, NULL, NULL, "no memory");

        drop_sockets(c);
        while (r == 0 && (path = strsep(&rest, " \t")))
                if (*path)
                        r = add_socket(c, n++, path, e);
        free(copy);
        return r;
}

const struct hb_config_row hb_config_rows[] = {
        {"glyphs", "auto",
         "The characters pictures are made of. auto: blocks where the locale is UTF-8, ASCII elsewhere and "
         "on "
         "the kernel's own console.",
         glyph_words, set_glyphs},
        {"colors", "auto", "How many colours. auto: what TERM says. NO_COLOR in the environment wins.",
         color_words, set_colors},
        {"background", "auto",
         "What the terminal's background is. auto: what COLORFGBG says, dark on the kernel's own console; "
         "otherwise colours that can be read on both.",
         background_words, set_background},
        {"view", "overview", "What is shown first, unless the console remembers where it was.", view_words,
         set_view},
        {"every", "1", "Take each n-th of the daemon's ticks, which come once a second: 1 to 3600.", NULL,
         set_every},
        {"mouse", "no",
         "yes: a click selects a row and the wheel moves; the terminal's own selection then needs Shift.",
         mouse_words, set_mouse},
        {"sockets", "",
         "Control sockets of the daemons to look at, with blanks between. Left empty: the one of the daemon "
         "on this host.",
         NULL, set_sockets},
};
const unsigned hb_config_rows_count = sizeof(hb_config_rows) / sizeof(hb_config_rows[0]);

static const char *nth_word(void *arg, unsigned i) {
        const char *const *words = arg;

        return words[i];
}

static int no_word(const struct hb_config_row *r, const char *value, struct hb_err *e) {
        const char *near = hb_suggest(value, nth_word, (void *)r->words);
        char next[160] = "";
        size_t at = 0;

        for (unsigned i = 0; !near && r->words[i]; i++)
                at += (size_t)snprintf(next + at, sizeof(next) - at, "%s%s",
                                       i ? ", " : "one of: ", r->words[i]);
        if (near)
                snprintf(next, sizeof(next), "did you mean \"%s\"?", near);
        return hb_err_set(e, -EINVAL, NULL, next, "%s cannot be \"%.60s\"", r->key, value);
}

int hb_config_set(struct hb_config *c, const struct hb_config_row *r, const char *value, struct hb_err *e) {
        for (int i = 0; r->words && r->words[i]; i++)
                if (strcmp(r->words[i], value) == 0)
                        return r->set(c, value, i, e);
        return r->words ? no_word(r, value, e) : r->set(c, value, 0, e);
}
