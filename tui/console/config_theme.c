/* config_theme: one row a style: six colours and two sets of attributes.
 *
 * Sixteen colours are whatever the terminal makes of them, so only those are used that are rarely unreadable:
 * on an unknown background no yellow, white, black or blue, and no cyan for sentences. Of the 256 the upper
 * 240 are fixed: those for a dark or light background differ from it by a contrast of 4.5 (WCAG 2, AA), those
 * for an unknown one by 3.5 from both. On its own background the terminal keeps its colour. Pure. */
#include "console/config_theme.h"
#include "base/suggest.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { B = 1, R = 2, U = 4, D = 8 }; /* bold, reverse, underline, dim */

static const struct row {
        short any, dark, light;       /* 256 colours */
        short any16, dark16, light16; /* -1: the terminal's own */
        unsigned char with, without;  /* attributes with colours, and where there are none */
} rows[HB_STYLES] = {
        [HB_STYLE_NORMAL] = {-1, -1, -1, -1, -1, -1, 0, 0},
        [HB_STYLE_DIM] = {243, 245, 242, -1, -1, -1, 0, D},
        [HB_STYLE_STRONG] = {-1, -1, -1, -1, -1, -1, B, B},
        [HB_STYLE_TITLE] = {-1, -1, -1, -1, -1, -1, R, R},
        [HB_STYLE_COLUMN] = {-1, -1, -1, -1, -1, -1, U, U},
        [HB_STYLE_KEY] = {31, 81, 25, -1, 14, 4, B, B},
        [HB_STYLE_GOOD] = {28, 78, 22, 2, 10, 2, 0, 0},
        [HB_STYLE_NOTE] = {31, 81, 25, -1, 14, 4, 0, 0},
        [HB_STYLE_WARN] = {130, 214, 94, 5, 11, 5, 0, B},
        [HB_STYLE_BAD] = {160, 210, 124, 1, 9, 1, B, B | U},
        [HB_STYLE_CHOSEN] = {-1, -1, -1, -1, -1, -1, R, R},
        [HB_STYLE_FOUND] = {-1, -1, -1, -1, -1, -1, B | U, B | U},
        [HB_STYLE_SENT] = {63, 75, 26, 6, 12, 4, 0, 0},
        [HB_STYLE_FRESH] = {28, 78, 22, 2, 10, 2, 0, B},
        [HB_STYLE_STALE] = {130, 214, 94, 5, 11, 5, 0, U},
        [HB_STYLE_ABSENT] = {243, 245, 242, -1, -1, -1, 0, D},
        [HB_STYLE_COPIED] = {30, 80, 24, 6, 14, 6, 0, 0},
        [HB_STYLE_ZERO] = {97, 146, 60, -1, -1, -1, 0, D},
        [HB_STYLE_READ] = {30, 80, 24, 6, 14, 4, 0, 0},
        [HB_STYLE_WRITE] = {161, 211, 125, 1, 9, 1, 0, B},
        [HB_STYLE_EXPECTED] = {98, 141, 55, 5, 13, 5, 0, U},
        [HB_STYLE_HEAT0] = {243, 245, 242, -1, -1, -1, 0, D},
        [HB_STYLE_HEAT1] = {67, 67, 25, 6, 6, 6, 0, D},
        [HB_STYLE_HEAT2] = {29, 72, 23, 6, 14, 4, 0, 0},
        [HB_STYLE_HEAT3] = {100, 142, 58, 2, 10, 2, 0, 0},
        [HB_STYLE_HEAT4] = {130, 208, 94, 5, 11, 5, 0, B},
        [HB_STYLE_HEAT5] = {160, 203, 124, 1, 9, 1, B, B},
};

struct hb_look hb_theme_default(enum hb_style s, enum hb_colors colors, enum hb_background background) {
        const struct row *r = &rows[(unsigned)s < HB_STYLES ? s : HB_STYLE_NORMAL];
        const short *three = colors == HB_COLORS_256 ? &r->any : &r->any16;
        unsigned char attributes = colors == HB_COLORS_NONE ? r->without : r->with;

        /* Without a grey of its own, dim is all that sets it apart. */
        if (colors == HB_COLORS_16 && three[0] < 0)
                attributes |= r->without & D;
        return (struct hb_look){
                .fg = colors == HB_COLORS_NONE ? -1
                                               : three[background == HB_BACKGROUND_DARK    ? 1
                                                       : background == HB_BACKGROUND_LIGHT ? 2
                                                                                           : 0],
                .bg = -1,
                .bold = attributes & B,
                .reverse = attributes & R,
                .underline = attributes & U,
                .dim = attributes & D,
        };
}

/* ---- words ---- */
static const char *const colors[] = {
        "black",        "red",           "green",       "yellow",         "blue",
        "magenta",      "cyan",          "white",       "bright-black",   "bright-red",
        "bright-green", "bright-yellow", "bright-blue", "bright-magenta", "bright-cyan",
        "bright-white",
};
#define COLORS (sizeof(colors) / sizeof(colors[0]))

static const char *const attributes[] = {"bold", "reverse", "underline", "dim"};

static const char *word(void *arg, unsigned i) {
        if (i < COLORS)
                return colors[i];
        i -= COLORS;
        return i < 4 ? attributes[i] : i == 4 ? "default" : NULL;
}

static int color(const char *name, short *ret) {
        char *end;
        long n = strtol(name, &end, 10);

        for (unsigned i = 0; i < COLORS; i++)
                if (strcmp(colors[i], name) == 0) {
                        *ret = (short)i;
                        return 0;
                }
        if (strcmp(name, "default") == 0) {
                *ret = -1;
                return 0;
        }
        if (*name < '0' || *name > '9' || *end || n > 255)
                return -EINVAL;
        *ret = (short)n;
        return 0;
}

static bool *attribute(struct hb_look *l, const char *name) {
        bool *const flags[] = {&l->bold, &l->reverse, &l->underline, &l->dim};

        for (unsigned i = 0; i < 4; i++)
                if (strcmp(attributes[i], name) == 0)
                        return flags[i];
        return NULL;
}

static int refuse(const char *name, struct hb_err *e) {
        const char *near = hb_suggest(name, word, NULL);
        char next[128];

        snprintf(next, sizeof(next), "did you mean \"%s\"?", near ? near : "");
        return hb_err_set(
                e, -EINVAL, NULL,
                near ? next
                     : "COLOR [on COLOR] [bold] [reverse] [underline] [dim], colours by name or 0..255",
                "\"%.40s\" is no colour and no attribute", name);
}

int hb_look_parse(const char *text, struct hb_look *ret, struct hb_err *e) {
        struct hb_look l = {.fg = -1, .bg = -1};
        bool on = false, first = true, *flag;
        char copy[HB_LOOK_TEXT], *rest = copy, *w;

        if (strlen(text) >= sizeof(copy))
                return refuse(text, e);
        memcpy(copy, text, strlen(text) + 1);
        while ((w = strsep(&rest, " \t"))) {
                if (*w == '\0')
                        continue;
                if (strcmp(w, "on") == 0 && !on)
                        on = true;
                else if (on ? color(w, &l.bg) == 0 : first && color(w, &l.fg) == 0)
                        on = false;
                else if (!on && (flag = attribute(&l, w)))
                        *flag = true;
                else
                        return refuse(w, e);
                first = false;
        }
        if (on)
                return hb_err_set(e, -EINVAL, NULL, "name the background after \"on\"",
                                  "no colour after \"on\"");
        *ret = l;
        return 0;
}

static const char *color_text(short c, char buf[8]) {
        if (c >= 0 && c < (short)COLORS)
                return colors[c];
        if (c < 0)
                return "default";
        snprintf(buf, 8, "%d", c & 0xff);
        return buf;
}

const char *hb_look_text(const struct hb_look *l, char buf[HB_LOOK_TEXT]) {
        char fg[8], bg[8];

        snprintf(buf, HB_LOOK_TEXT, "%s%s%s%s%s%s%s", color_text(l->fg, fg), l->bg >= 0 ? " on " : "",
                 l->bg >= 0 ? color_text(l->bg, bg) : "", l->bold ? " bold" : "",
                 l->reverse ? " reverse" : "", l->underline ? " underline" : "", l->dim ? " dim" : "");
        return buf;
}

/* The cube of 6 x 6 x 6 and the greys of xterm: a channel counts when it is more than half of the brightest;
 * bright when that one is. */
short hb_color_16(short c) {
        int r, g, b, most;

        if (c < 16)
                return c;
        if (c >= 232)
                return c < 238 ? 0 : c < 244 ? 8 : c < 250 ? 7 : 15;
        c = (short)(c - 16);
        r = c / 36, g = c / 6 % 6, b = c % 6;
        most = r > g ? r : g;
        most = b > most ? b : most;
        if (most == 0)
                return 0;
        return (short)((2 * r > most) | (2 * g > most) << 1 | (2 * b > most) << 2 | (most > 3 ? 8 : 0));
}
