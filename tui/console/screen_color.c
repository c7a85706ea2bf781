/* screen_color: styles as ncurses attributes and colour pairs, one pair a style.
 *
 * The background stays the terminal's own where the terminal can say so. A colour that it does not have
 * becomes the nearest of sixteen, and of eight plus bold. Cost: once, at the start. */
#include "console/config_theme.h"
#include "console/screen_priv.h"
#include <stdlib.h>
#include <string.h>

/* "15;0", "0;default;15": the last number is the background's. */
static enum hb_background background(const struct hb_config *c) {
        const char *said = getenv("COLORFGBG"), *last = said ? strrchr(said, ';') : NULL,
                   *term = getenv("TERM");
        int n;

        if (c && c->background != HB_BACKGROUND_AUTO)
                return c->background;
        if (!last || last[1] < '0' || last[1] > '9')
                return term && strncmp(term, "linux", 5) == 0 ? HB_BACKGROUND_DARK : HB_BACKGROUND_AUTO;
        n = atoi(last + 1);
        return n == 7 || (n >= 9 && n <= 15) ? HB_BACKGROUND_LIGHT : HB_BACKGROUND_DARK;
}

static enum hb_colors wanted(const struct hb_config *c) {
        return COLORS < 256 || (c && c->colors == HB_COLORS_16) ? HB_COLORS_16 : HB_COLORS_256;
}

/* What the terminal has instead of this colour. */
static short possible(short color, bool own, short otherwise) {
        if (color < 0)
                return own ? -1 : otherwise;
        if (color >= COLORS)
                color = hb_color_16(color);
        return color >= COLORS ? (short)(color & 7) : color;
}

static attr_t attributes(const struct hb_look *l) {
        return (l->bold ? A_BOLD : 0) | (l->reverse ? A_REVERSE : 0) | (l->underline ? A_UNDERLINE : 0) |
               (l->dim ? A_DIM : 0);
}

static struct hb_screen_look screen_look(struct hb_look l, short pair, bool colors, bool own) {
        struct hb_screen_look ret = {.attributes = attributes(&l)};

        if (!colors || (l.fg < 0 && l.bg < 0))
                return ret;
        if (COLORS < 16 && l.fg == 8) { /* grey: on eight colours black, which is not to be seen */
                l.fg = -1;
                ret.attributes |= A_DIM;
        } else if (COLORS < 16 && l.fg >= 8 && hb_color_16(l.fg) >= 8) {
                ret.attributes |= A_BOLD;
        }
        if (pair < COLOR_PAIRS &&
            init_pair(pair, possible(l.fg, own, COLOR_WHITE), possible(l.bg, own, COLOR_BLACK)) == OK)
                ret.pair = pair;
        return ret;
}

void hb_screen_colors_init(hb_screen *s, bool no_color) {
        enum hb_background back = background(s->config);
        bool may = !no_color && has_colors() && !(s->config && s->config->colors == HB_COLORS_NONE),
             own = may && start_color() == OK &&
                   use_default_colors() == OK; /* COLORS is known from here on */
        enum hb_colors colors = may ? wanted(s->config) : HB_COLORS_NONE;

        s->colors = colors != HB_COLORS_NONE;
        for (short i = 0; i < HB_STYLES; i++) {
                struct hb_look l = s->config && s->config->themed[i]
                                           ? s->config->theme[i]
                                           : hb_theme_default((enum hb_style)i, colors, back);

                s->looks[i] = screen_look(l, (short)(i + 1), s->colors, own);
        }
}
